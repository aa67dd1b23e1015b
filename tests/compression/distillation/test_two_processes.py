"""Two processes with half of the batch each train as one process with all of it."""
from types import SimpleNamespace

import pytest
import torch
from clean_process import run_together
from mmengine.logging import MessageHub
from mmengine.model import MMDistributedDataParallel
from mmengine.optim import OptimWrapper
from mmengine.structures import InstanceData

from ct_mm.compression.hooks import ReplacementRateHook
from ct_mm.registry import MODELS
from ct_mm.tracking.structures import TrackDataSample

MODEL = dict(
    type='ct_mm.OSTrack',
    backbone=dict(type='ct_mm.OneStreamViT', embed_dim=32, depth=6, num_heads=2, template_size=32, search_size=64),
    head=dict(type='ct_mm.CenterHead', in_channels=32, feat_size=4, channels=16))
#: Steps of the optimizer, iterations of each, and how the blocks are run.
RUNS = dict(steps=(5, 1, {}), accumulated=(3, 2, {}), sharded=(5, 1, dict(shard_teacher=True, checkpoint=True)))


def train(teacher, steps, accumulated, step, rank=0, world_size=1):
    """Trains and returns weights and paths; rank r of n takes every n-th pair of the batch."""
    distiller = MODELS.build(
        dict(type='ct_mm.ReplacementDistiller', model=MODEL, teacher=teacher, num_stages=3, step=step))
    distiller.init_weights()
    distiller.double().train()
    for module in distiller.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.eval()  # statistics of half a batch are other ones; sync_bn, which makes them equal, needs a GPU
    model = distiller
    if world_size > 1:
        model = MMDistributedDataParallel(distiller, device_ids=None, broadcast_buffers=False,
                                          find_unused_parameters=True)
    # a large eps, so that AdamW does not amplify rounding errors in gradients that are zero
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.5, eps=1e-3)
    wrapper = OptimWrapper(optimizer, accumulative_counts=accumulated, clip_grad=dict(max_norm=0.5))
    iterations = steps * accumulated
    wrapper.initialize_count_status(distiller, 0, iterations)
    hook, paths = ReplacementRateHook(schedule='constant', seed=3), []
    generator = torch.Generator().manual_seed(0)
    for iteration in range(iterations):
        hook.before_train_iter(
            SimpleNamespace(model=model, iter=iteration, epoch=0, max_iters=iterations, max_epochs=None,
                            message_hub=MessageHub.get_current_instance()), iteration)
        paths.append(distiller.path)
        template, search = (torch.randn(4, 3, n, n, generator=generator, dtype=torch.float64) for n in (32, 64))
        boxes = torch.rand(4, 1, 4, generator=generator) * 10 + torch.tensor([10., 10, 40, 40])
        samples = [TrackDataSample(gt_instances=InstanceData(bboxes=box)) for box in boxes]
        own = slice(rank, None, world_size)
        with wrapper.optim_context(model):
            losses = model(dict(template=template[own], search=search[own]), samples[own], mode='loss')
        loss, _ = distiller.parse_losses(losses)
        wrapper.update_params(loss)
    held = sum(getattr(p, '_local_tensor', p).numel() for block in distiller.teacher_blocks for p in block.parameters())
    return {name: value.clone() for name, value in distiller.state_dict().items()}, paths, held


def one_rank(rank, teacher, folder):
    torch.distributed.init_process_group('gloo', init_method=f'file://{folder}/meeting', rank=rank, world_size=2)
    torch.save({name: train(teacher, *run, rank=rank, world_size=2) for name, run in RUNS.items()}, folder / str(rank))
    torch.distributed.destroy_process_group()


@pytest.fixture(scope='module')
def runs(tmp_path_factory):
    """For each run what one process got, and each of two ranks."""
    folder = tmp_path_factory.mktemp('ranks')
    torch.manual_seed(1)
    torch.save(MODELS.build(MODEL).state_dict(), folder / 'teacher.pth')
    teacher = str(folder / 'teacher.pth')
    alone = {name: train(teacher, *run) for name, run in RUNS.items()}
    assert run_together(one_rank, [(rank, teacher, folder) for rank in range(2)]) == [0, 0]
    both = [torch.load(folder / str(rank)) for rank in range(2)]
    return {name: (alone[name], both[0][name], both[1][name]) for name in RUNS}


@pytest.mark.parametrize('name', RUNS)
def test_two_ranks_train_as_one_process(runs, name):
    (weights, *_), (first, *_), (second, *_) = runs[name]
    assert all(torch.equal(first[key], second[key]) for key in weights), 'the ranks agree bit for bit'
    for key, value in weights.items():
        torch.testing.assert_close(first[key], value, rtol=0, atol=1e-6, msg=key)


@pytest.mark.parametrize('name', RUNS)
def test_all_ranks_take_the_same_path_and_it_changes(runs, name):
    (_, alone, _), (_, first, _), (_, second, _) = runs[name]
    assert alone == first == second and len(set(alone)) > 2


def test_each_rank_keeps_its_part_of_a_sharded_teacher(runs):
    (*_, whole), (*_, first), (*_, second) = runs['sharded']
    assert first + second == whole and runs['steps'][1][2] == whole
