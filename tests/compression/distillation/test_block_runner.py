import copy
import itertools

import pytest
import torch

from ct_mm.compression.distillation.block_runner import BlockRunner

PATHS = [path for path in itertools.product([True, False], repeat=3) if any(path)]  # [3]: (T, F, F)


@pytest.fixture
def train(make_distiller, tracker_cfg, batch):
    """Takes a step along each of some paths; gives the losses, the gradients of the last and the weights."""

    def run(step=None, paths=PATHS[:4], dtype=None):
        distiller = make_distiller(model=tracker_cfg(drop_path_rate=0.4), step=step).train()
        optimizer = torch.optim.SGD(distiller.parameters(), lr=1e-3)
        results = {}
        for i, path in enumerate(paths):
            torch.manual_seed(i)
            distiller.path = path
            optimizer.zero_grad()
            with torch.autocast('cpu', dtype, enabled=dtype is not None):
                losses = distiller(*batch, mode='loss')
            results.update({f'{i} {name}': value.detach() for name, value in losses.items()})
            sum(value for name, value in losses.items() if 'loss' in name).backward()
            optimizer.step()
        results.update({f'grad {n}': p.grad for n, p in distiller.named_parameters() if p.grad is not None})
        return {**results, **distiller.state_dict()}, distiller

    return run


def assert_same(results, expected, **tolerance):
    assert results.keys() == expected.keys()
    for name, value in expected.items():
        assert torch.allclose(results[name], value, **(tolerance or dict(rtol=0, atol=0))), name


@pytest.mark.parametrize('step', [dict(checkpoint=True), dict(checkpoint=2), dict(compile=dict(backend='eager')),
                                  dict(compile=dict(backend='eager'), checkpoint=True)])
def test_results_are_the_same_bit_for_bit(train, step):
    assert_same(train(step)[0], train()[0])


@pytest.mark.parametrize('step', [dict(onednn=True), dict(onednn=True, checkpoint=True),
                                  dict(compile=dict(backend='aot_eager'))])
def test_results_are_the_same_but_for_the_order_of_sums(train, step):
    assert_same(train(step, PATHS[2:4])[0], train(paths=PATHS[2:4])[0], rtol=1e-4, atol=1e-5)


def test_targets_in_bfloat16_leave_the_student_in_float32(train):
    path = [(True, False, True)]
    exact, rounded = train(paths=path)[0], train(dict(targets_dtype='bfloat16'), paths=path)[0]
    for name in ('loss_giou', 'loss_l1', 'loss_score'):
        assert torch.equal(exact[f'0 {name}'], rounded[f'0 {name}'])
    for name in ('loss_mimic', 'loss_guidance'):
        assert not torch.equal(exact[f'0 {name}'], rounded[f'0 {name}'])
        assert torch.allclose(exact[f'0 {name}'], rounded[f'0 {name}'], rtol=0.05, atol=0.01)
    with pytest.raises(ValueError, match='targets_dtype is for trainings in float32'):
        BlockRunner(targets_dtype='bfloat16', teacher_dtype='bfloat16')
    with pytest.raises(ValueError, match=r"step\.targets_dtype='int8'"):
        BlockRunner(targets_dtype='int8')


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_mixed_precision_is_near_to_float32_and_its_losses_are_float32(train, dtype):
    exact, mixed = train(paths=[(True, False, True)])[0], train(paths=[(True, False, True)], dtype=dtype)[0]
    losses = [name for name in exact if name.startswith('0 ')]
    assert {mixed[name].dtype for name in losses} == {torch.float32}
    assert all(torch.allclose(mixed[name], exact[name], rtol=0.1, atol=0.01) for name in losses)
    assert all(value.isfinite().all() for value in mixed.values())


def test_mixed_precision_by_onednn_rounds_elsewhere(train):
    results, expected = (train(step, paths=PATHS[3:4], dtype=torch.bfloat16)[0] for step in (dict(onednn=True), None))
    assert_same({n: v for n, v in results.items() if n.startswith('0 ')},
                {n: v for n, v in expected.items() if n.startswith('0 ')}, rtol=0.05, atol=0.01)


@pytest.mark.parametrize('step', [dict(checkpoint=True), dict(checkpoint=3), dict(teacher_dtype='bfloat16'),
                                  dict(checkpoint=True, teacher_dtype='bfloat16')])
def test_mixed_precision_gives_the_same_bit_for_bit_too(train, step):
    assert_same(train(step, dtype=torch.bfloat16)[0], train(dtype=torch.bfloat16)[0])


def test_a_teacher_kept_in_half_precision_takes_half_the_memory_and_the_student_is_none_of_it(train):
    distiller = train(dict(teacher_dtype='bfloat16'), dtype=torch.bfloat16)[1]
    kinds = {name: p.dtype for name, p in distiller.teacher.named_parameters()}
    assert kinds['backbone.blocks.0.attn.qkv.weight'] == kinds['head.score.0.conv.weight'] == torch.bfloat16
    assert kinds['backbone.blocks.0.norm1.weight'] == torch.float32, 'a norm computes in float32'
    assert {p.dtype for p in distiller.parameters()} == {torch.float32}


def test_a_teacher_in_half_precision_is_refused_where_it_would_change_results(train):
    with pytest.raises(RuntimeError, match='mixed precision of torch.bfloat16'):
        train(dict(teacher_dtype='bfloat16'))


def test_whatever_the_path_no_more_is_compiled(make_distiller, tracker_cfg, batch):
    compiled = []

    def backend(graph, _):
        compiled.append(graph)
        return graph.forward

    torch._dynamo.reset()
    model = tracker_cfg(drop_path_rate=0.4)
    distiller = make_distiller(model=model, step=dict(compile=dict(backend=backend))).train()
    counts = []
    for path in [(True, True, True), (False, False, False), *PATHS, *reversed(PATHS)]:
        distiller.path = path
        sum(value for name, value in distiller(*batch, mode='loss').items() if 'loss' in name).backward()
        counts.append(len(compiled))
    # the teacher's blocks with and without gradient, the first of them without drop path; each student layer
    assert counts[1:] == [2 * 2 + 3] * (len(counts) - 1)


def test_nothing_stays_on_the_blocks(train, batch, tmp_path):
    _, distiller = train(dict(checkpoint=True, compile=dict(backend='eager')))
    with pytest.raises(AttributeError):
        distiller(batch[0], [None, None], mode='loss')
    blocks = [*distiller.teacher_blocks, *distiller.divided.student_layers]
    assert not any('forward' in block.__dict__ for block in blocks)
    other = copy.deepcopy(distiller)  # as weight averaging does
    torch.nn.init.zeros_(other.student.head.score[-1].bias)
    other.path = distiller.path = (True, False, True)
    assert not torch.equal(*(model(*batch, mode='loss')['loss_score'] for model in (other, distiller)))
    torch.save(distiller.state_dict(), tmp_path / 'state.pth')


def test_the_memory_that_checkpointing_saves(make_distiller, batch):
    kept = []
    for step in (None, dict(checkpoint=2), dict(checkpoint=True)):
        distiller = make_distiller(step=step).train()
        distiller.path = (False, True, False)
        kept.append(0)

        def count(tensor):
            kept[-1] += tensor.nbytes
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
            distiller(*batch, mode='loss')
    assert kept[2] < kept[0] / 2 and kept[2] < kept[1] < kept[0]


def test_weight_averages_hold_nothing_of_the_teacher(make_distiller):
    from mmengine.model import ExponentialMovingAverage
    distiller = make_distiller()
    average = ExponentialMovingAverage(distiller)
    average.update_parameters(distiller)
    assert average.module.teacher is distiller.teacher
    assert {name.removeprefix('module.') for name in average.state_dict()} == {*distiller.state_dict(), 'steps'}


def test_what_would_not_train_alike_is_refused(make_distiller):

    class ConvBlock(torch.nn.Module):

        def __init__(self):
            super().__init__()
            self.norm = torch.nn.BatchNorm1d(8)

    with pytest.raises(ValueError, match='checkpoint.*ConvBlock has a batch norm'):
        BlockRunner(checkpoint=True).prepare([], [ConvBlock()])
    with pytest.raises(ValueError, match='exclude each other'):
        BlockRunner(compile=True, onednn=True)
    with pytest.raises(ValueError, match='step.checkpoint=-1'):
        BlockRunner(checkpoint=-1)
    with pytest.raises(ValueError, match="'float8'"):
        BlockRunner(teacher_dtype='float8')
