"""Settings made up from the keys themselves: wrong ones are refused before the first step, unusual ones pass."""
import copy

import pytest
from mmengine.config import Config
from mmengine.registry import RUNNERS
from run_name import run_name

import ct_mm
from ct_mm.compression.compress import KEYS, SECTIONS
from ct_mm.engine.guard_training import guard_training
from ct_mm.registry import HOOKS, MODELS
from ct_mm.settings import accepted_by

#: By what stands in an annotation: values of other types.
OTHER_TYPES = dict(int=['four', 2.5, True], float=['half', True, float('nan')], bool=['yes', 1], str=[3], dict=[4, 'x'])
#: Values that have the right type and are out of range.
OUT_OF_RANGE = {
    'num_stages': [0, -1, 6, 7, [3, 3], []],
    'stage_sizes': [[2, 2], [0, 6], [7], [], [1, 1, 1, 1, 1, 1]],
    'copy': ['lats', ['last', 'first']],
    'layers': ['backbone.blokcs', ['backbone.head']],
    'layers_per_stage': [0, 3, [1, 1], 2],
    'predictions': ['haed', ''],
    'teacher': ['', 'none.pth'],
    'step.checkpoint': [-1],
    'step.teacher_dtype': ['float8'],
    'step.targets_dtype': ['float32'],
    'replacement.schedule': ['three_phases'],
    'replacement.initial': [-0.1, 1.5],
    'replacement.hold': [0.5, -1.0],
    'replacement.seed': [-1],
    'fit.samples': [0, 2, -3],
    'fit.batch_size': [0],
    'fit.writers': [['attn.prjo']],
    'progress.interval': [0],
    'student.mlp_ratoi': [2.0],
    'student.depth': [3],  # the number of layers is not the student's to change
    'mimic.loss_weight': [-0.2, float('inf')],
    'guidance.loss_weight': [-1.0],
    'guidance.terms': [['boxen']],
}
#: Unusual, but right.
UNUSUAL = {
    'num_stages': [1, 2, 4, 5, [3]],
    'stage_sizes': [[6], [1, 5], [5, 1], [1, 1, 1, 1, 2], (3, 3), [[2, 4]]],
    'copy': ['first', 'mean', ['mean']],
    'layers': [None, 'backbone.blocks', ['backbone.blocks']],
    'layers_per_stage': [[1, 1, 1], [2, 1, 1], (1, 2, 1), [[1, 1, 2]]],
    'pass_through': [0, None, [[0]]],
    'student': [None, {}, dict(mlp_ratio=2), dict(mlp_ratio=2.0), dict(num_heads=4), [dict(mlp_ratio=1.5)],
                dict(embed_dim=16)],
    'predictions': ['head', ['head']],
    'trust_teacher': [True, False],
    'mimic': [None, dict(type='ct_mm.FeatureMimicLoss'), dict(type='ct_mm.FeatureMimicLoss', loss_weight=0)],
    'mimic.loss_weight': [0, 0.0, 1, 1e6, 1e-9],
    'mimic.normalize': [True],
    'guidance': [None, dict(type='ct_mm.PredictionGuidanceLoss', loss_weight=3)],
    'guidance.loss_weight': [0, 2],
    'guidance.terms': [['boxes', 'score_map'], ('score_map', )],
    'losses': [None, {}, dict(mimic=None), dict(guidance=None), dict(more=None),
               dict(more=dict(type='ct_mm.FeatureMimicLoss'))],
    'step': [None, {}],
    'step.checkpoint': [True, False, 0, 1, 2, 100],
    'step.onednn': [True, False],
    'step.compile': [False],
    'step.teacher_dtype': [None, 'bfloat16', 'float16'],
    'step.targets_dtype': [None, 'bfloat16', 'float16'],
    'step.shard_teacher': [True, False],
    'replacement': [{}],
    'replacement.schedule': ['constant', 'linear', 'three_phase'],
    'replacement.initial': [0, 1, 0.0, 1.0, 0.123],
    'replacement.hold': [0, 0.0, 0.49],
    'replacement.by_epoch': [None, True, False],
    'replacement.seed': [0, 2**31],
    'export': [{}],
    'export.folder': ['deep/er', '.'],
    'export.initial': [True],
    'fit': [None, {}],
    'fit.samples': [7, 100000],
    'fit.batch_size': [1, 1000],
    'fit.writers': [['mlp.fc2'], ('attn.proj', )],
    'progress': [None, {}],
    'progress.interval': [1, 10**9],
    'progress.picture': [None, 'a.png'],
    'teacher_score': [True, False],
}
TYPES = dict(mimic='ct_mm.FeatureMimicLoss', guidance='ct_mm.PredictionGuidanceLoss')


def keys():
    """All keys of ``compress`` and of the dicts in it, each with its annotation."""
    from ct_mm.compression import FeatureMimicLoss, PredictionGuidanceLoss
    classes = dict(SECTIONS, mimic=FeatureMimicLoss, guidance=PredictionGuidanceLoss)
    found = dict(KEYS)
    for section, kind in classes.items():
        found.update({f'{section}.{key}': hint for key, hint in accepted_by(kind).items()})
    return found


def wrong_settings():
    """(key, value) of every kind."""
    for key, hint in keys().items():
        said = str(hint)
        names = [name for name in OTHER_TYPES if name in said or name == 'dict' and 'Mapping' in said]
        for value in OTHER_TYPES[names[0]] if names and key != 'pass_through' else ():
            if not any(_may_be(value, other) for other in names):
                yield key, value
        head, _, name = key.rpartition('.')
        yield f'{head}{"." if head else ""}{name[:-1]}', 1  # the last letter is missing
    for key, values in OUT_OF_RANGE.items():
        yield from ((key, value) for value in values)


def _may_be(value, name):
    return {'int': type(value) is int, 'float': type(value) in (int, float), 'bool': type(value) is bool,
            'str': isinstance(value, str), 'dict': isinstance(value, dict)}[name] and value == value


def with_setting(base, key, value):
    settings = copy.deepcopy(base)
    head, _, name = key.rpartition('.')
    place = settings.setdefault(head, {}) if head else settings
    if head in TYPES:
        place['type'] = TYPES[head]
    place[name] = value
    if key == 'stage_sizes':
        settings['num_stages'] = None
    return settings


class FirstStep(Exception):
    """The training was about to make its first step."""


@pytest.fixture
def start(tmp_path, training_cfg, teacher_file, monkeypatch):
    """Starts a compression, and ends it with FirstStep before its first step."""
    import mmengine.config.config
    from yapf.yapflib import yapf_api
    for module in (yapf_api, mmengine.config.config):
        monkeypatch.setattr(module, 'FormatCode', lambda text, **_: (text, False), raising=False)

    def stop(*_args, **_kwargs):
        raise FirstStep

    def run(settings, **more):
        cfg = Config({**copy.deepcopy(training_cfg), 'runner_type': 'ct_mm.CompressRunner', 'compress': settings,
                      'work_dir': str(tmp_path / 'run'), 'experiment_name': run_name(tmp_path), **more})
        runner = RUNNERS.build(guard_training(cfg))
        monkeypatch.setattr(type(runner.model), 'train_step', stop)
        runner.train()

    return run


def test_wrong_settings_are_refused_before_the_first_step(start, teacher_file):
    base = dict(teacher=teacher_file, num_stages=3)
    wrong = list(wrong_settings())
    assert len(wrong) >= 100
    passed = []
    for key, value in wrong:
        name = 'student' if key == 'student.depth' else key.rpartition('.')[2]
        try:
            start(with_setting(base, key, value))
        except (ValueError, FileNotFoundError) as error:
            if name not in str(error):
                passed.append((key, value, f'not named: {error}'))
        except FirstStep:
            passed.append((key, value, 'started'))
    assert not passed, '\n'.join(map(str, passed))


@pytest.mark.slow
def test_unusual_settings_still_pass(start, training_cfg, teacher_file):
    base = dict(teacher=teacher_file, num_stages=3)
    unusual = [(key, value) for key, values in UNUSUAL.items() for value in values]
    assert len(unusual) >= 100
    for number, (key, value) in enumerate(unusual):
        settings = with_setting(base, key, value)
        cfg = ct_mm.compress(Config(dict(copy.deepcopy(training_cfg), compress=settings)))
        MODELS.build(cfg.model)
        for hook in cfg.custom_hooks:
            HOOKS.build(hook)
        if number % 20 == 0:
            with pytest.raises(FirstStep):
                start(settings)
