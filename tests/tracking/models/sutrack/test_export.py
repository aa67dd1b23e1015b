"""One exported file tracks: the loop in PyTorch, in ONNX Runtime and in OpenVINO agree, template updates included."""
import dataclasses

import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate
from sutrack_release import released_state

from ct_mm.deployment.export.export_tracker import export_tracker
from ct_mm.package_files import resolve_path
from ct_mm.registry import DATASETS, MODELS
from ct_mm.tracking.datasets.benchmarks import SequenceFolder
from ct_mm.tracking.models.sutrack.converter import convert_sutrack_keys
from ct_mm.tracking.models.sutrack.converter.config import sutrack_model_config
from ct_mm.tracking.runtime import init_tracker

PIXELS, SCORE, TIE = 0.05, 1e-4, 1e-4
FORMATS = dict(onnx='.onnx', openvino='.xml')


def random_tracker(templates=2):
    converted = convert_sutrack_keys(released_state(template=4, search=8), 64, 128)
    config = sutrack_model_config(converted, 64, 128, templates, num_heads=2)
    if templates > 1:
        config['memory'] = dict(type='updated', interval=5, threshold=0.0)
    tracker = MODELS.build(config)
    tracker.load_state_dict(converted.state, strict=True)
    return tracker.eval()


@pytest.fixture(scope='module')
def trained_tracker():
    """A tracker that has learnt for a few steps to find the target of the included clip."""
    torch.manual_seed(0)
    dataset = DATASETS.build(
        dict(
            type='ct_mm.PairDataset',
            sources=[
                dict(type='ct_mm.SequencePairs', num_templates=2, max_gap=20,
                     dataset=dict(type='ct_mm.SequenceFolder', data_root='ct_mm::demo/clips'))
            ],
            pipeline=[
                dict(type='ct_mm.CropPair', template_size=64, search_size=128), dict(type='ct_mm.TemplateMask'),
                dict(type='ct_mm.PackTrackInputs')]))
    tracker = random_tracker().train()
    optimizer = torch.optim.AdamW(tracker.parameters(), lr=1e-3)
    for step in range(30):
        data = tracker.data_preprocessor(pseudo_collate([dataset[4 * step + i] for i in range(4)]))
        optimizer.zero_grad()
        sum(tracker(**data, mode='loss').values()).backward()
        optimizer.step()
    return tracker.eval()


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


def tied(loop, state, image):
    """Whether the two best cells are so near to each other that rounding may choose between them."""
    crop, _ = loop.session.card.geometry.search(image, state.box, state.anchor)
    inputs = loop.inputs(state, crop)
    score_map = loop.session(inputs, ['score_map'])['score_map']
    best = np.sort((score_map * loop.session._tracker.window.numpy()).ravel())[-2:]
    return best[1] - best[0] < TIE


def follow(tracker, loops, images, box):
    """Runs all loops side by side; returns the numbers of frames compared, of ties, and of template updates."""
    loop = tracker.make_loop()
    state, others = loop.start(images[0], box), {name: each.start(images[0], box) for name, each in loops.items()}
    compared = ties = updates = 0
    for image in images[1:]:
        tie, before = tied(loop, state, image), loop.inputs(state, images[0][:1, :1])['template']
        result = loop.step(state, image)
        for name, each in loops.items():
            found = each.step(others[name], image)
            if tie:
                others[name] = dataclasses.replace(state, carried=dict(state.carried))
            else:
                assert np.abs(found.box - result.box).max() < PIXELS, (name, state.frame, found.box, result.box)
                assert abs(found.score - result.score) < SCORE and abs(found.response - result.response) < SCORE
        compared, ties = compared + (not tie), ties + tie
        updates += loop.inputs(state, images[0][:1, :1])['template'] is not before
    return compared, ties, updates


@pytest.fixture(scope='module')
def random_loops(tmp_path_factory):
    """A random tracker with two templates, and the loops of its exported files."""
    tracker = random_tracker()
    return tracker, exported(tracker, tmp_path_factory.mktemp('random'))


@pytest.fixture(scope='module')
def trained_loops(tmp_path_factory, trained_tracker):
    """The same for the trained tracker."""
    return trained_tracker, exported(trained_tracker, tmp_path_factory.mktemp('trained'))


@pytest.fixture(scope='module')
def clip():
    sequence = SequenceFolder(resolve_path('ct_mm::demo/clips')).get_sequence(0)
    return [sequence[frame] for frame in range(40)], sequence.boxes[0]


def test_one_file_with_two_templates_tracks_as_the_pytorch_loop_does(random_loops, clip):
    compared, ties, updates = follow(*random_loops, *clip)
    assert compared > 30 and ties < 5 and updates == 7


def test_one_file_with_one_template_tracks_as_the_pytorch_loop_does(tmp_path, clip):
    tracker = random_tracker(templates=1)
    compared, ties, updates = follow(tracker, exported(tracker, tmp_path), *clip)
    assert compared > 30 and ties < 5 and updates == 0


def test_the_card_holds_all_that_tracking_needs(random_loops):
    tracker, card = random_loops[0], random_loops[1]['onnx'].session.card
    assert [(each.name, each.role, each.shape, each.dtype) for each in card.inputs] == [
        ('template', 'templates', (2, 64, 64, 3), 'uint8'), ('template_mask', 'template_mask', (2, 4, 4), 'float32'),
        ('search', 'search', (128, 128, 3), 'uint8')]
    assert card.outputs[:3] == ('box', 'score', 'response')
    assert (card.geometry, card.memory, card.layers) == (tracker.geometry, tracker.memory, 4)


def test_several_targets_in_one_call(tmp_path, clip):
    tracker = random_tracker()
    images, box = clip
    boxes = [box, box + [6, 5, 4, -3]]
    loops = exported(tracker, tmp_path, batch=None)
    for loop in loops.values():
        together, alone = ([loop.start(images[0], each) for each in boxes] for _ in range(2))
        for image in images[1:12]:
            for result, state in zip(loop.step_all(together, image), alone):
                np.testing.assert_allclose(result.box, loop.step(state, image).box, atol=PIXELS)


@pytest.mark.parametrize('loops', ['random_loops', pytest.param('trained_loops', marks=pytest.mark.slow)])
@pytest.mark.parametrize('name', ['otb_crossing', 'uav_person12_1', 'davis_car_shadow'])
def test_real_sequences(request, shared, name, loops):
    folder = SequenceFolder(str(shared / 'data' / 'sequences'))
    sequence = next(each for each in map(folder.get_sequence, range(len(folder))) if each.name == name)
    images = [sequence[frame] for frame in range(min(len(sequence), 40))]
    compared, ties, updates = follow(*request.getfixturevalue(loops), images, sequence.boxes[0])
    # The score map of a briefly trained tracker is flat, so two cells are near to each other more often.
    assert compared > (0.8 if loops == 'random_loops' else 0.6) * len(images) and updates > 0
    assert compared + ties == len(images) - 1
