"""LoRAT on frames: what it says about what does not fit it, targets and sequences apart, and exported files."""
import copy

import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate

from ct_mm.deployment.export.export_tracker import export_tracker
from ct_mm.package_files import resolve_path
from ct_mm.registry import DATASETS, MODELS
from ct_mm.tracking.datasets.benchmarks import SequenceFolder
from ct_mm.tracking.runtime import init_tracker

PIXELS, SCORE, TIE = 0.05, 1e-4, 1e-4
FORMATS = dict(onnx='.onnx', openvino='.xml')
MODEL = dict(
    type='ct_mm.LoRAT',
    backbone=dict(
        type='ct_mm.OneStreamDINOv2', embed_dim=32, depth=3, num_heads=2, template_size=56, search_size=112),
    head=dict(type='ct_mm.LoRATHead', in_channels=32, feat_size=8))


def random_tracker(spread=0.1):
    torch.manual_seed(0)
    tracker = MODELS.build(copy.deepcopy(MODEL))
    for value in tracker.parameters():
        value.data += spread * torch.randn_like(value)
    tracker.head.reg_mlp.layers[-1].bias.data -= 2.0  # boxes of a fraction of the search region
    return tracker.eval()


@pytest.fixture(scope='module')
def trained_tracker():
    """A tracker that has learnt for a few steps to find the target of the included clip."""
    dataset = DATASETS.build(
        dict(
            type='ct_mm.PairDataset',
            sources=[
                dict(type='ct_mm.NearbyPairs', max_gap=20,
                     dataset=dict(type='ct_mm.SequenceFolder', data_root='ct_mm::demo/clips'))
            ],
            pipeline=[
                dict(type='ct_mm.ContextCropPair', template_size=56, search_size=112),
                dict(type='ct_mm.TemplateMask', cell=14, rule='touched'), dict(type='ct_mm.PackTrackInputs')]))
    tracker = random_tracker(0.0).train()
    optimizer = torch.optim.AdamW(tracker.parameters(), lr=1e-3)
    for step in range(30):
        data = tracker.data_preprocessor(pseudo_collate([dataset[4 * step + i] for i in range(4)]))
        optimizer.zero_grad()
        sum(tracker(**data, mode='loss').values()).backward()
        optimizer.step()
    return tracker.eval()


@pytest.fixture(scope='module')
def clip():
    sequence = SequenceFolder(resolve_path('ct_mm::demo/clips')).get_sequence(0)
    return [sequence[frame] for frame in range(30)], sequence.boxes[0]


def exported(tracker, folder, **settings):
    """The loops of the exported files."""
    loops = {}
    for file_format, suffix in FORMATS.items():
        for package in dict(onnx=('onnx', 'onnxscript', 'onnxruntime'), openvino=('openvino', ))[file_format]:
            pytest.importorskip(package)
        path = folder / f'tracker{suffix}'
        export_tracker(tracker, path, file_format, **settings)
        loops[file_format] = init_tracker(path, precision='fp32' if suffix == '.xml' else None).make_loop()
    return loops


def tied(tracker, loop, state, image):
    """Whether the two best cells are so near to each other that rounding may choose between them."""
    crop, _ = tracker.geometry.search(image, state.box, state.anchor)
    scores = loop.session(loop.inputs(state, crop), ['score_map'])['score_map']
    weight = tracker.window_weight
    best = np.sort((1 - weight) * scores.ravel() + weight * tracker.window.numpy())[-2:]
    return best[1] - best[0] < TIE


def follow(tracker, loops, images, box):
    """Runs all loops side by side; returns the numbers of frames compared and of ties."""
    loop = tracker.make_loop()
    state, others = loop.start(images[0], box), {name: each.start(images[0], box) for name, each in loops.items()}
    compared = ties = 0
    for image in images[1:]:
        tie = tied(tracker, loop, state, image)
        result = loop.step(state, image)
        for name, each in loops.items():
            found = each.step(others[name], image)
            if tie:
                others[name].box = state.box
            else:
                assert np.abs(found.box - result.box).max() < PIXELS, (name, state.frame, found.box, result.box)
                assert abs(found.score - result.score) < SCORE and abs(found.response - result.response) < SCORE
        compared, ties = compared + (not tie), ties + tie
    return compared, ties


def test_one_file_tracks_as_the_pytorch_loop_does(tmp_path, clip):
    tracker = random_tracker()
    loops = exported(tracker, tmp_path)
    card = loops['onnx'].session.card
    assert [(each.name, each.role, each.shape, each.dtype) for each in card.inputs] == [
        ('template', 'template', (56, 56, 3), 'float32'), ('template_mask', 'template_mask', (1, 4, 4), 'float32'),
        ('search', 'search', (112, 112, 3), 'float32')]
    assert (card.geometry, card.outputs[:3], card.layers) == (tracker.geometry, ('box', 'score', 'response'), 3)
    compared, ties = follow(tracker, loops, *clip)
    assert compared > 25 and ties < 4


@pytest.mark.parametrize('name', ['otb_crossing', 'uav_truck4_1', 'vot15_bag'])
@pytest.mark.parametrize('trained', [False, pytest.param(True, marks=pytest.mark.slow)], ids=['random', 'trained'])
def test_real_sequences(tmp_path, shared, trained_tracker, name, trained):
    tracker = trained_tracker if trained else random_tracker()
    folder = SequenceFolder(str(shared / 'data' / 'sequences'))
    sequence = next(each for each in map(folder.get_sequence, range(len(folder))) if each.name == name)
    images = [sequence[frame] for frame in range(min(len(sequence), 40))]
    compared, ties = follow(tracker, exported(tracker, tmp_path), images, sequence.boxes[0])
    # A short training leaves many scores nearly equal.
    assert compared > (0.6 if trained else 0.8) * len(images) and (trained or ties < 0.1 * len(images))


def test_several_targets_in_one_call_and_a_second_sequence(clip):
    tracker = random_tracker()
    (images, box), loop = clip, tracker.make_loop()
    boxes = [box, box + [6, 5, 4, -3]]
    together, alone = ([loop.start(images[0], each) for each in boxes] for _ in range(2))
    tracks = []
    for image in images[1:8]:
        results = loop.step_all(together, image)
        for result, state in zip(results, alone):
            np.testing.assert_allclose(result.box, loop.step(state, image).box, atol=PIXELS)
        tracks.append(alone[0].box)
    tracker.init(images[5], boxes[1])
    tracker.track(images[6])
    tracker.init(images[0], box)  # the sequence before has left nothing behind
    assert all(np.array_equal(tracker.track(image)[0], track) for image, track in zip(images[1:8], tracks))


@pytest.mark.parametrize('change, words', [
    (dict(template=(1, 2, 3, 56, 56)), r'one template \(B, 3, H, W\), not \(1, 2, 3, 56, 56\)'),
    (dict(template=(1, 3, 28, 28)), r'template is \(28, 28\) pixels, but .* template_size=56'),
    (dict(search=(1, 3, 56, 56)), r'search is \(56, 56\) pixels, but .* search_size=112'),
    (dict(template_mask=(1, 1, 3, 3)), r'template_mask is \(1, 3, 3\), but must be \(B, 4, 4\)'),
    (dict(template_mask=(1, 2, 4, 4)), r'its mask \(B, 1, G, G\), not \(1, 2, 4, 4\)'),
    (dict(template_mask=None), 'needs template_mask.*ct_mm.TemplateMask'),
])
def test_inputs_that_do_not_fit(change, words):
    shapes = dict(template=(1, 3, 56, 56), search=(1, 3, 112, 112), template_mask=(1, 1, 4, 4)) | change
    with pytest.raises(ValueError, match=words):
        random_tracker()({name: torch.zeros(shape) for name, shape in shapes.items() if shape})


@pytest.mark.parametrize('change, words', [
    (dict(search_size=100), 'search_size=100 is not a multiple of patch_size=14'),
    (dict(template_size=126), 'template_size=126 is above search_size=112'), (dict(num_heads=3), 'does not divide'),
])
def test_settings_that_do_not_fit(change, words):
    model = copy.deepcopy(MODEL)
    model['backbone'].update(change)
    with pytest.raises(ValueError, match=words):
        MODELS.build(model)
