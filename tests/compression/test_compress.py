import pytest
from mmengine.config import Config
from mmengine.registry import RUNNERS

import ct_mm
from ct_mm.compression import CompressRunner


@pytest.fixture
def write(tmp_path, training_cfg, teacher_file):
    """Writes the user's two files: a tracker's config that knows nothing of compression, and two statements."""

    def make(compress=None, base="'ct_mm::_base_/compress.py'", **more):
        (tmp_path / 'my_tracker.py').write_text(Config({**training_cfg, **more}).pretty_text)
        settings = compress or f'dict(teacher={teacher_file!r}, num_stages=3)'
        path = tmp_path / 'my_tracker_3layers.py'
        path.write_text(f"_base_ = ['./my_tracker.py', {base}]\ncompress = {settings}\n")
        return Config.fromfile(path)

    return make


def without_compress(cfg):
    return {key: value for key, value in cfg.to_dict().items() if key != 'compress'}


def test_two_statements_give_the_long_form(write, training_cfg, teacher_file):
    short = ct_mm.compress(write())
    long_form = dict(
        training_cfg,
        model=dict(
            type='ct_mm.ReplacementDistiller', model=training_cfg['model'], teacher=teacher_file, num_stages=3),
        custom_hooks=[
            dict(type='ct_mm.StepSeedHook', seed=5),
            dict(type='ct_mm.ReplacementRateHook', seed=5),
            dict(type='ct_mm.StudentExportHook'),
            dict(type='ct_mm.ThinHistoryHook'),
            dict(type='ct_mm.StageProgressHook'),
            dict(type='ct_mm.TeacherScoreHook')
        ],
        find_unused_parameters=True,
        runner_type='ct_mm.CompressRunner')
    assert without_compress(short) == Config(long_form).to_dict()


def test_compressing_twice_is_compressing_once(write, tmp_path):
    once = ct_mm.compress(write())
    once.dump(tmp_path / 'dumped.py')
    dumped = Config.fromfile(tmp_path / 'dumped.py')
    assert ct_mm.compress(dumped).to_dict() == once.to_dict()


def test_the_users_config_is_left_as_it_was(write):
    cfg = write()
    before = cfg.to_dict()
    ct_mm.compress(cfg)
    assert cfg.to_dict() == before


def test_the_users_hooks_stay_and_arguments_reach_ours(write, teacher_file):
    cfg = ct_mm.compress(
        write(
            f"dict(teacher={teacher_file!r}, stage_sizes=[1, 2, 3], replacement=dict(schedule='linear', seed=9), "
            f"export=dict(initial=True), mimic=None, progress=None, teacher_score=False)",
            custom_hooks=[dict(type='EMAHook')]))
    assert [hook.type for hook in cfg.custom_hooks] == [
        'EMAHook', 'ct_mm.StepSeedHook', 'ct_mm.ReplacementRateHook', 'ct_mm.StudentExportHook',
        'ct_mm.ThinHistoryHook']
    assert cfg.custom_hooks[2].schedule == 'linear' and cfg.custom_hooks[2].seed == 9
    assert cfg.custom_hooks[3].initial is True
    assert cfg.model.mimic is None and cfg.model.stage_sizes == [1, 2, 3] and 'num_stages' not in cfg.model


@pytest.mark.parametrize('settings, message', [
    ('dict(num_stages=3)', 'compress.teacher is missing'),
    ('4', r'compress=4 must be a dict: compress = dict\(teacher='),
    ("dict(teacher='x.pth', num_stage=3)", 'compress.num_stage is unknown; did you mean num_stages'),
])
def test_wrong_keys_are_named(write, settings, message):
    with pytest.raises(ValueError, match=message):
        ct_mm.compress(write(settings))


def test_what_stands_at_the_top_for_the_model_goes_to_the_model_inside(write, tmp_path):
    top = dict(type='ct_mm.TrackDataPreprocessor', mean=[1.0, 2.0, 3.0])
    cfg = write(data_preprocessor=top)
    compressed = ct_mm.compress(cfg)
    assert compressed.model.model.data_preprocessor == top and 'data_preprocessor' not in compressed
    assert cfg.data_preprocessor == top, "the user's config is left as it was"
    cfg.work_dir = str(tmp_path / 'work')
    model = RUNNERS.build(cfg).model
    assert model.student.data_preprocessor.mean.flatten().tolist() == [1.0, 2.0, 3.0]
    assert model.data_preprocessor is model.student.data_preprocessor


def test_a_config_without_model_or_compress_is_refused(training_cfg):
    with pytest.raises(ValueError, match='both `model` and `compress`'):
        ct_mm.compress(Config(training_cfg))


def test_the_runner_is_found_by_its_name_from_any_codebase(write, tmp_path):
    cfg = write(default_scope='mmengine')
    cfg.work_dir = str(tmp_path / 'work')
    runner = RUNNERS.build(cfg)  # what tools/train.py of every OpenMMLab codebase does
    assert isinstance(runner, CompressRunner)
    assert runner.model.divided.plan.num_stages == 3


def test_a_config_of_another_scope_is_built_in_its_own_scope(write, tmp_path, training_cfg):
    from mmengine.registry import MODELS, Registry

    from ct_mm.tracking.models.ostrack import OSTrack
    other = Registry('model', parent=MODELS, scope='other_lab')
    try:

        @other.register_module()
        class MyTracker(OSTrack):
            pass

        cfg = write(default_scope='other_lab', model=dict(training_cfg['model'], type='MyTracker'))
        cfg.work_dir = str(tmp_path / 'work')
        cfg.experiment_name = 'other_lab'  # the default scope belongs to it, and a default name only counts seconds
        runner = RUNNERS.build(cfg)
        assert type(runner.model.student).__name__ == 'MyTracker'
        assert type(runner.model.teacher).__name__ == 'MyTracker'
    finally:
        MODELS._children.pop('other_lab')


def test_the_base_is_reached_in_the_pure_python_style_too(tmp_path, teacher_file, training_cfg):
    path = tmp_path / 'lazy.py'
    path.write_text('from mmengine.config import read_base\n\n'
                    'with read_base():\n'
                    '    from ct_mm.configs.compression import *\n\n'
                    f"compress.update(teacher={teacher_file!r}, num_stages=2)\n"
                    f"model = {training_cfg['model']!r}\n")
    cfg = Config.fromfile(path)
    assert cfg.runner_type == 'ct_mm.CompressRunner'
    assert ct_mm.compress(cfg).model.num_stages == 2
