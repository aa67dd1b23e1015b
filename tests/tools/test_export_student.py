import shutil

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config

from ct_mm import test, train
from ct_mm.compression import compress
from ct_mm.compression.export.load_distiller import load_distiller
from ct_mm.engine.checkpoints.reading import read_checkpoint, read_state_dict
from ct_mm.tracking.inference import init_model

CONFIG = """
_base_ = ['ct_mm::quickstart/tiny_tracker.py', 'ct_mm::_base_/compress.py']
compress = dict(teacher='ct_mm::demo/teacher/tiny_teacher.pth', num_stages=2, progress=None)
train_dataloader = dict(
    batch_size=2, num_workers=0, persistent_workers=False,
    dataset=dict(pairs_per_epoch=2, sources=[dict(
        type='ct_mm.CompositePairs', canvas=(160, 120), target_size=(12, 40),
        images=dict(type='ct_mm.SegmentFolder', data_root={photographs!r}))]))
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=3)
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=1e-3))
work_dir = {work_dir!r}
"""


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """The folder of a compression of three steps: its config, its data, and its work dir ``run``."""
    folder = tmp_path_factory.mktemp('trained')
    photographs = folder / 'photographs'
    photographs.mkdir()
    rng = np.random.default_rng(0)
    photo = cv2.resize(rng.integers(0, 255, (12, 16, 3), np.uint8), (160, 120), interpolation=cv2.INTER_CUBIC)
    segments = np.ones((120, 160), np.uint8)
    cv2.circle(segments, (70, 60), 14, 2, -1)
    cv2.imwrite(str(photographs / 'a.jpg'), photo)
    cv2.imwrite(str(photographs / 'a_segments.png'), segments)
    config = folder / 'two_layers.py'
    config.write_text(CONFIG.format(photographs=str(photographs), work_dir=str(folder / 'run')))
    train.main([str(config), '--device', 'cpu'])
    return folder


@pytest.fixture
def run(trained, tmp_path):
    """A copy of the work dir that a test may change."""
    return shutil.copytree(trained / 'run', tmp_path / 'run')


@pytest.fixture
def export(trained, run, run_tool):
    """Exports from that copy."""
    def start(*args):
        run_tool('export_student.py', trained / 'two_layers.py', *args, '--work-dir', run)

    return start


def files(folder):
    return {str(file.relative_to(folder)) for file in folder.rglob('*')}


def same(a, b):
    a, b = (read_state_dict(file) for file in (a, b))
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_the_newest_checkpoint_gives_what_the_training_exported(trained, run, export):
    shutil.rmtree(run / 'student')
    before = files(run)
    export()
    assert files(run) - before == {'student', 'student/student.pth', 'student/student.py'}, 'no runner was built'
    for name in ('student.pth', 'student.py'):
        assert (trained / 'run' / 'student' / name).is_file()
    assert same(run / 'student' / 'student.pth', trained / 'run' / 'student' / 'student.pth')
    assert (run / 'student' / 'student.py').read_text() == (trained / 'run' / 'student' / 'student.py').read_text()
    meta = torch.load(run / 'student' / 'student.pth', weights_only=True)['meta']
    assert meta == torch.load(trained / 'run' / 'student' / 'student.pth', weights_only=True)['meta']


def test_the_dumped_config_serves_as_well(trained, run, run_tool, tmp_path):
    [dumped] = run.glob('*.py')
    run_tool('export_student.py', dumped, '--work-dir', run, '--out-dir', tmp_path / 'out')
    assert same(tmp_path / 'out' / 'student.pth', trained / 'run' / 'student' / 'student.pth')


def test_a_named_checkpoint_is_taken(run, export, tmp_path):
    export(run / 'epoch_2.pth', '--out-dir', tmp_path / 'out')
    assert torch.load(tmp_path / 'out' / 'student.pth', weights_only=True)['meta']['iter'] == 2
    assert not same(tmp_path / 'out' / 'student.pth', run / 'student' / 'student.pth')


def test_the_best_is_taken_where_save_best_is_on(run, export, tmp_path, capsys):
    shutil.copy(run / 'epoch_2.pth', run / 'best_sot_success_epoch_2.pth')
    option = '--cfg-options', 'default_hooks.checkpoint.save_best=sot/success'
    export('--out-dir', tmp_path / 'newest')
    export('--out-dir', tmp_path / 'best', *option)
    assert same(tmp_path / 'newest' / 'student.pth', run / 'student' / 'student.pth')
    assert torch.load(tmp_path / 'best' / 'student.pth', weights_only=True)['meta']['iter'] == 2
    shutil.copy(run / 'epoch_2.pth', run / 'best_sot_precision_epoch_2.pth')
    with pytest.raises(SystemExit):
        export(*option)
    error = ' '.join(capsys.readouterr().err.split())
    assert 'there are 2 best checkpoints; name one of them:' in error
    assert 'best_sot_precision_epoch_2.pth' in error and 'best_sot_success_epoch_2.pth' in error


def test_a_damaged_checkpoint_is_skipped_and_named(run, export, tmp_path, capsys):
    (run / 'epoch_3.pth').write_bytes((run / 'epoch_3.pth').read_bytes()[:2000])
    export('--out-dir', tmp_path / 'out')
    assert 'skipped: epoch_3.pth cannot be used' in capsys.readouterr().out
    assert torch.load(tmp_path / 'out' / 'student.pth', weights_only=True)['meta']['iter'] == 2


def test_safetensors_are_written_and_tested(run, export, tmp_path, capsys):
    pytest.importorskip('safetensors')
    export('--format', 'safetensors')
    config, weights = run / 'student' / 'student.py', run / 'student' / 'student.safetensors'
    assert same(weights, run / 'student' / 'student.pth')
    assert weights.stat().st_mode == config.stat().st_mode, 'as readable as every other file'
    tracker = init_model(str(config), str(weights))
    assert len(tracker.backbone.blocks) == 2
    sequence = tmp_path / 'data' / 'one'
    sequence.mkdir(parents=True)
    for i in range(3):
        cv2.imwrite(str(sequence / f'{i:08d}.jpg'), np.full((90, 120, 3), 90, np.uint8))
    (sequence / 'groundtruth.txt').write_text('10,10,30,30\n' * 3)
    test.main([str(config), str(weights), '--device', 'cpu', '--work-dir', str(tmp_path / 'test'), '--data-root',
               str(tmp_path / 'data')])
    [log] = (tmp_path / 'test').rglob('*.log')
    assert 'sot/success' in log.read_text()


def test_missing_data_are_an_error_that_names_the_way_out(run, export, tmp_path, capsys):
    option = '--cfg-options', 'train_dataloader.dataset.sources.0.images.data_root=/nowhere'
    with pytest.raises(SystemExit):
        export('--out-dir', tmp_path / 'out', *option)
    error = capsys.readouterr().err
    assert 'cannot read the training data' in error and '/nowhere' in error and '--without-data' in error
    export('--out-dir', tmp_path / 'out', '--without-data', *option)
    assert same(tmp_path / 'out' / 'student.pth', run / 'student' / 'student.pth')
    assert 'StageDivided' not in Config.fromfile(tmp_path / 'out' / 'student.py').pretty_text


@pytest.mark.parametrize('checkpoint, message', [
    ('ct_mm::demo/teacher/tiny_teacher.pth', 'does not fit the student of'),
    ('/nowhere/epoch_1.pth', 'checkpoint /nowhere/epoch_1.pth does not exist'),
    (None, 'no checkpoint epoch_*.pth in'),
])
def test_without_a_checkpoint_of_this_training_nothing_is_written(run, export, checkpoint, message, tmp_path, capsys):
    for file in run.glob('*.pth'):
        file.unlink()
    with pytest.raises(SystemExit):
        export(*[checkpoint] if checkpoint else [], '--out-dir', tmp_path / 'out')
    assert message in capsys.readouterr().err and not (tmp_path / 'out').exists()


def run_along(trained, path):
    """What the distiller of the training returns along a path, and its inputs."""
    checkpoint = trained / 'run' / 'epoch_3.pth'
    distiller = load_distiller(compress(Config.fromfile(trained / 'two_layers.py')), checkpoint,
                               read_checkpoint(checkpoint), teacher=True)
    rng = torch.Generator().manual_seed(0)
    inputs = {side: torch.randn(2, 3, size, size, generator=rng) for side, size in (('template', 56), ('search', 112))}
    with torch.no_grad(), distiller.divided.along(path):
        return inputs, distiller.student.eval()(inputs, mode='tensor')


@pytest.mark.parametrize('path, layers', [('01', 7), ('10', 7), ('00', 12), ('11', 2)])
def test_a_hybrid_is_the_distiller_on_its_path_bit_for_bit(trained, run, export, path, layers):
    before = files(run)
    export('--path', path)
    folder = run / f'hybrid_{path}'
    assert {name.split('/')[0] for name in files(run) - before} == {folder.name}
    tracker = init_model(str(folder / 'student.py'), str(folder / 'student.pth'))
    assert type(tracker.backbone).__name__ == 'OneStreamViT' and len(tracker.backbone.blocks) == layers
    inputs, expected = run_along(trained, [digit == '1' for digit in path])
    with torch.no_grad():
        out = tracker(inputs, mode='tensor')
    assert all(torch.equal(out[name], expected[name]) for name in expected)
    assert torch.load(folder / 'student.pth', weights_only=True)['meta']['path'] == path


def test_an_exported_student_serves_as_the_checkpoint(run, export, tmp_path):
    export('--path', '01')
    export(run / 'student' / 'student.pth', '--path', '01', '--out-dir', tmp_path / 'again')
    assert same(tmp_path / 'again' / 'student.pth', run / 'hybrid_01' / 'student.pth')


def test_a_narrower_student_keeps_its_adapters_and_the_script_says_so(trained, run_tool, tmp_path, capsys):
    narrow = tmp_path / 'narrow.py'
    narrow.write_text(f"_base_ = ['{trained / 'two_layers.py'}']\ncompress = dict(student=dict(embed_dim=64))\n"
                      f"work_dir = {str(tmp_path / 'run')!r}\ntrain_cfg = dict(max_epochs=1)\n")
    train.main([str(narrow), '--device', 'cpu'])
    run_tool('export_student.py', narrow, '--path', '10')
    assert 'wrapped in ct_mm.StageDividedBackbone because its layers have another width' in capsys.readouterr().out
    weights = read_state_dict(tmp_path / 'run' / 'hybrid_10' / 'student.pth')
    assert [name for name in weights if name.endswith(('enter.weight', 'leave.weight'))] == [
        'backbone.backbone.blocks.5.enter.weight', 'backbone.backbone.blocks.5.leave.weight']


def test_the_curve_has_the_best_path_of_each_depth(trained, run, export, run_tool, tmp_path, capsys):
    sequence = tmp_path / 'data' / 'one'
    sequence.mkdir(parents=True)
    for i in range(3):
        cv2.imwrite(str(sequence / f'{i:08d}.jpg'), np.random.default_rng(i).integers(0, 255, (90, 120, 3), np.uint8))
    (sequence / 'groundtruth.txt').write_text('10,10,30,30\n' * 3)
    with pytest.raises(SystemExit):
        export('--curve')
    assert 'the config has no val_dataloader and no val_evaluator' in ' '.join(capsys.readouterr().err.split())
    config = tmp_path / 'with_validation.py'
    config.write_text(f"_base_ = ['{trained / 'two_layers.py'}']\n" """
val_dataloader = dict(batch_size=1, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False),
                      dataset=dict(type='ct_mm.SequenceFolder', data_root=DATA))
val_evaluator = dict(type='ct_mm.SOTMetric')
""".replace('DATA', repr(str(tmp_path / 'data'))))
    run_tool('export_student.py', config, '--curve', '--work-dir', run)
    lines = [line.split() for line in capsys.readouterr().out.splitlines() if line.startswith('path ')]
    scores = {words[1].rstrip(','): float(words[-1]) for words in lines}
    assert sorted(scores) == ['00', '01', '10', '11']
    written = {folder.name.removeprefix('hybrid_') for folder in (run / 'curve').iterdir()}
    assert {'00', '11'} < written and len(written) == 3
    [seven] = written - {'00', '11'}
    assert scores[seven] == max(scores['01'], scores['10'])
    with pytest.raises(SystemExit):
        run_tool('export_student.py', config, '--curve', '--work-dir', run, '--metric', 'no/score')
    assert 'name the score that chooses the paths with --metric' in capsys.readouterr().err


@pytest.mark.parametrize('options, message', [
    (['--path', '101'], "path '101' must have 2 digits"), (['--path', '0x'], "path '0x' must have 2 digits"),
    (['--path', '01', '--cfg-options', 'compress.teacher=/nowhere/teacher.pth'], '/nowhere/teacher.pth')])
def test_a_hybrid_that_cannot_be_is_an_error(run, export, options, message, capsys):
    before = files(run)
    with pytest.raises(SystemExit):
        export(*options)
    assert message in ' '.join(capsys.readouterr().err.split()) and files(run) == before


def test_another_teacher_than_the_trainings_is_refused(run, export, tmp_path, capsys):
    weights = read_state_dict('ct_mm::demo/teacher/tiny_teacher.pth')
    torch.save({name: value * 1.01 for name, value in weights.items()}, tmp_path / 'other.pth')
    with pytest.raises(SystemExit):
        export('--path', '01', '--cfg-options', f'compress.teacher={tmp_path / "other.pth"}')
    error = ' '.join(capsys.readouterr().err.split())
    assert 'was trained with another teacher than' in error and 'set compress.teacher to its file' in error


def test_the_config_of_a_plain_tracker_is_refused(run_tool, capsys):
    with pytest.raises(SystemExit):
        run_tool('export_student.py', 'quickstart/tiny_tracker.py')
    assert 'needs both `model` and `compress`' in capsys.readouterr().err
