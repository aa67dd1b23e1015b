"""Measures time and peak memory of one training step relative to a plain implementation (plain_recipe.py).

ViT-B, 12 layers to 4, template 128 and search region 256 pixels, random weights and images. Every side is a process
that takes a step on request: all sides take the same steps (path, images, drop path) alternately, so that other load on
the machine affects all of them. A ratio is the median over the steps of the two times at one step. Memory is the peak
of that process after all steps as reported by the operating system, on CUDA the most bytes that its tensors held.
float32 means float32, also in convolutions, where PyTorch would use TF32 on CUDA; --tf32 allows TF32 on all sides, in
matrix products as well.

    python benchmarks/training_step.py [--sides plain ours ...] [--device cuda] [--batch 4] [--tf32]

If a side ends early, it is named below the table, the others continue, and the exit code is 1.
"""
from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

#: Recipe, mixed precision, and `compress.step` of each side; 'ours' is what the configs in this package do.
SIDES = {
    'plain': dict(recipe='plain'),
    'plain bf16': dict(recipe='plain', amp='bfloat16'),
    'ours': dict(),
    'ours checkpoint': dict(step=dict(checkpoint=True)),
    'ours compile': dict(step=dict(compile=True)),
    'ours onednn': dict(step=dict(onednn=True)),
    'ours onednn checkpoint': dict(step=dict(onednn=True, checkpoint=True)),
    'ours onednn targets': dict(step=dict(onednn=True, targets_dtype='bfloat16')),
    'ours onednn targets checkpoint': dict(step=dict(onednn=True, targets_dtype='bfloat16', checkpoint=True)),
    'ours onednn targets checkpoint 2': dict(step=dict(onednn=True, targets_dtype='bfloat16', checkpoint=2)),
    'ours bf16': dict(amp='bfloat16', step=dict(teacher_dtype='bfloat16')),
    'ours bf16 onednn': dict(amp='bfloat16', step=dict(teacher_dtype='bfloat16', onednn=True)),
    'ours bf16 onednn checkpoint': dict(
        amp='bfloat16', step=dict(teacher_dtype='bfloat16', onednn=True, checkpoint=True)),
    'ours bf16 onednn checkpoint 2': dict(
        amp='bfloat16', step=dict(teacher_dtype='bfloat16', onednn=True, checkpoint=2)),
    'ours bf16 compile': dict(amp='bfloat16', step=dict(teacher_dtype='bfloat16', compile=True)),
}
SHAPE = dict(width=768, depth=12, heads=12, template=128, search=256, drop_path=0.1, channels=256)
STAGES, RATE, WARM_UP = 4, 0.5, 3


def main() -> None:
    """Starts the sides, has them step alternately, prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--sides', nargs='+', choices=SIDES,
                        default=['plain', 'ours', 'ours onednn checkpoint', 'ours bf16 onednn'],
                        help='the others are compared with the first')
    parser.add_argument('--steps', type=int, default=9, help=f'measured steps, after {WARM_UP} warm-up steps')
    parser.add_argument('--batch', type=int, default=4, help='pairs per step')
    parser.add_argument('--device', default='cpu', choices=['cpu', 'cuda'])
    parser.add_argument('--tf32', action='store_true', help='on CUDA, compute float32 in TF32')
    parser.add_argument('--threads', type=int, default=os.cpu_count())
    parser.add_argument('--shape', type=json.loads, default=SHAPE, help=argparse.SUPPRESS)
    parser.add_argument('--side', help=argparse.SUPPRESS)
    parser.add_argument('--teacher', help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.side is not None:
        serve(args)
        return
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as running:
        teacher = os.path.join(folder, 'teacher.pth')
        start('teacher', teacher, args).communicate()
        processes = {side: running.enter_context(start(side, teacher, args)) for side in args.sides}
        answers = {side: [] for side in args.sides}
        ended = {}
        loads = [os.getloadavg()[0]]
        for step in [*range(-WARM_UP, args.steps), 'peak']:
            for side in [side for side in args.sides if side not in ended]:
                answers[side].append(ask(processes[side], step))
                if answers[side][-1] is None:
                    ended[side] = f'{side} ended at step {step} with exit code {processes[side].wait()}'
                    print(ended[side], file=sys.stderr)
            loads.append(os.getloadavg()[0])
            if step != 'peak':
                seconds = [f'{side} {answers[side][-1]["seconds"]:.3f} s' for side in args.sides if side not in ended]
                print(f'step {step}: {", ".join(seconds)}', file=sys.stderr)
            if args.sides[0] in ended:
                sys.exit(f'{ended[args.sides[0]]}: nothing to compare with')
    args.sides = [side for side in args.sides if side not in ended]
    peaks = {side: answers[side].pop() for side in args.sides}
    print(table(args, answers, peaks, loads))
    if ended:
        sys.exit('\n'.join(ended.values()))


def start(side: str, teacher: str, args: argparse.Namespace) -> subprocess.Popen:
    """Starts a side; the side called teacher writes the weights that all others start from, then ends."""
    command = [sys.executable, __file__, '--side', side, '--teacher', teacher, '--batch', str(args.batch), '--device',
               args.device, '--threads', str(args.threads), '--shape', json.dumps(args.shape),
               *(['--tf32'] if args.tf32 else [])]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def ask(process: subprocess.Popen, what: int | str) -> dict | None:
    """Asks a side for a step or a report and waits for the answer; None if it ended."""
    if process.poll() is not None:
        return None
    print(what, file=process.stdin, flush=True)
    for line in process.stdout:
        if line.startswith('{'):  # the rest is the log
            return json.loads(line)
    return None


def table(args: argparse.Namespace, answers: dict, peaks: dict, loads: list) -> str:
    """The results, as text."""
    base = args.sides[0]
    times = {side: [answer['seconds'] for answer in answers[side][WARM_UP:]] for side in args.sides}
    machine = peaks[base]
    device = (f'{machine["name"]}, TF32 {"on" if args.tf32 else "off"}' if args.device == 'cuda' else
              f'CPU, {args.threads} threads, {machine["libraries"] / 2**20:,.0f} MiB of each peak are libraries')
    lines = [f'{device}; PyTorch {machine["torch"]}; batch {args.batch}, median of {args.steps} steps after '
             f'{WARM_UP}; load of the machine {min(loads):.1f} to {max(loads):.1f} on {os.cpu_count()} cores', '',
             f'| side | step | of {base} | peak memory | of {base} | loss of the first step |',
             '|---|---:|---:|---:|---:|---:|']
    for side in args.sides:
        ratio = statistics.median(own / other for own, other in zip(times[side], times[base]))
        peak = peaks[side]['peak']
        lines.append(f'| {side} | {statistics.median(times[side]):.3f} s | {ratio:.2f} | {peak / 2**20:,.0f} MiB | '
                     f'{peak / peaks[base]["peak"]:.2f} | {answers[side][0]["loss"]:.5f} |')
    return '\n'.join(lines)


def serve(args: argparse.Namespace) -> None:
    """Runs one side: takes steps on request."""
    import torch

    from ct_mm.compression import sample_path
    from ct_mm.registry import MODELS
    MODELS.get('ct_mm.OSTrack')  # imports what a training imports
    libraries = 0 if args.device == 'cuda' else peak_bytes('cpu')
    torch.set_num_threads(args.threads)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = args.tf32
    name = torch.cuda.get_device_name() if args.device == 'cuda' else 'CPU'
    step_of = build(args)
    if step_of is None:
        return
    generator = torch.Generator().manual_seed(0)
    for line in sys.stdin:
        if line.strip() == 'peak':
            print(json.dumps(dict(peak=peak_bytes(args.device), libraries=libraries, name=name,
                                  torch=torch.__version__)), flush=True)
            continue
        size = args.shape['search'], args.shape['template']
        search, template = (torch.randn(args.batch, 3, n, n, generator=generator).to(args.device) for n in size)
        boxes = (torch.rand(args.batch, 4, generator=generator) * 0.2 + 0.3).to(args.device)  # cxcywh
        torch.manual_seed(int(line) + WARM_UP)
        synchronize(args.device)
        began = time.perf_counter()
        loss = step_of(template, search, boxes, sample_path(0, int(line) + WARM_UP, RATE, STAGES))
        synchronize(args.device)
        print(json.dumps(dict(seconds=time.perf_counter() - began, loss=float(loss))), flush=True)


def build(args: argparse.Namespace):
    """Makes a side's step: a function of template, search, boxes and path that gives the loss."""
    import torch
    from mmengine.optim import OptimWrapper
    from mmengine.structures import InstanceData

    from ct_mm.registry import MODELS
    from ct_mm.tracking.structures import TrackDataSample
    from ct_mm.tracking.structures.boxes import cxcywh_to_xyxy
    shape = args.shape
    model = dict(
        type='ct_mm.OSTrack',
        backbone=dict(type='ct_mm.OneStreamViT', embed_dim=shape['width'], depth=shape['depth'],
                      num_heads=shape['heads'], template_size=shape['template'], search_size=shape['search'],
                      drop_path_rate=shape['drop_path']),
        head=dict(type='ct_mm.CenterHead', in_channels=shape['width'], feat_size=shape['search'] // 16,
                  channels=shape['channels']))
    if args.side == 'teacher':
        torch.manual_seed(0)
        torch.save(MODELS.build(model).state_dict(), args.teacher)
        return None
    setting = SIDES[args.side]
    amp = getattr(torch, setting['amp']) if 'amp' in setting else None
    if setting.get('recipe') == 'plain':
        from plain_recipe import PlainRecipe
        recipe = PlainRecipe(torch.load(args.teacher), STAGES, **shape).to(args.device).train()
        trained = [p for p in recipe.parameters() if p.requires_grad]
        adamw = torch.optim.AdamW(trained, lr=4e-5, weight_decay=1e-4)

        def step_of(template, search, boxes, path):
            with torch.autocast(args.device, amp, enabled=amp is not None):
                loss = recipe.loss(template, search, boxes, path)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(trained, 0.1)
            adamw.step()
            adamw.zero_grad()
            return loss.detach()

        return step_of
    distiller = MODELS.build(dict(type='ct_mm.ReplacementDistiller', model=model, teacher=args.teacher,
                                  num_stages=STAGES, step=setting.get('step')))
    distiller.init_weights()
    distiller.to(args.device).train()
    optimizer = torch.optim.AdamW(distiller.parameters(), lr=4e-5, weight_decay=1e-4, fused=True)
    wrapper = OptimWrapper(optimizer, clip_grad=dict(max_norm=0.1))

    def step_of(template, search, boxes, path):
        samples = [TrackDataSample(gt_instances=InstanceData(bboxes=box[None]))
                   for box in cxcywh_to_xyxy(boxes) * shape['search']]
        distiller.path = path
        with wrapper.optim_context(distiller), torch.autocast(args.device, amp, enabled=amp is not None):
            losses = distiller(dict(template=template, search=search), samples, mode='loss')
        loss, _ = distiller.parse_losses(losses)
        wrapper.update_params(loss)
        return loss.detach()

    return step_of


def peak_bytes(device: str) -> int:
    """Returns the peak memory of this process, or on CUDA of its tensors."""
    if device == 'cuda':
        import torch
        return torch.cuda.max_memory_allocated()
    status = Path('/proc/self/status')
    if status.exists():  # unlike getrusage's, this peak is not inherited from the process that started this one
        return int(re.search(r'VmHWM:\s+(\d+) kB', status.read_text())[1]) * 1024
    import resource
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == 'darwin' else 1024)


def synchronize(device: str) -> None:
    """Waits for the device."""
    if device == 'cuda':
        import torch
        torch.cuda.synchronize()


if __name__ == '__main__':
    main()
