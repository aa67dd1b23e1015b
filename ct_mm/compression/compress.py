"""Turns the config of a model into the config of its compression, and provides a Runner that does so."""
from __future__ import annotations

import copy
from collections.abc import Mapping

from mmengine.config import Config, ConfigDict
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.runner import Runner

from ct_mm.engine.hooks import CheckpointFitHook
from ct_mm.registry import RUNNERS
from ct_mm.settings import accepted_by, check_settings

from .distillation.block_runner import BlockRunner
from .distillation.replacement_distiller import ReplacementDistiller
from .division.spec import DivisionSpec
from .hooks import ReplacementRateHook, StageFitHook, StageProgressHook, StudentExportHook

#: Keys of ``compress`` that are passed to the ReplacementDistiller, in addition to those of the division.
DISTILLER_KEYS = ('teacher', 'mimic', 'guidance', 'losses', 'predictions', 'trust_teacher', 'step')
#: Keys of ``compress`` that hold the arguments of a class.
SECTIONS = dict(step=BlockRunner, replacement=ReplacementRateHook, export=StudentExportHook, fit=StageFitHook,
                progress=StageProgressHook)
#: All keys of ``compress``, each with the type of its value.
KEYS = {key: accepted_by(kind)[key] for kind, keys in (
    (ReplacementDistiller, DISTILLER_KEYS), (DivisionSpec, DivisionSpec.keys())) for key in keys}
KEYS.update(replacement=dict, export=dict, fit=dict | None, progress=dict | None, teacher_score=bool)


def compress(cfg: Config) -> Config:
    """Wraps the model of a config in a ReplacementDistiller.

    Test-time augmentation around the model, as ``--tta`` of the test scripts puts it, stays around the distiller.

    Args:
        cfg: A config with ``model`` and ``compress``, a dict of: ``teacher`` (checkpoint of the same model, required);
            the settings of a :class:`~ct_mm.compression.division.spec.DivisionSpec` (``num_stages`` or
            ``stage_sizes``, ``copy``, ``layers``, ``pass_through``, ``layers_per_stage``, ``student``); ``mimic``,
            ``guidance``, ``losses``, ``predictions``, ``trust_teacher``, ``step`` (see
            :class:`~ct_mm.compression.ReplacementDistiller`); ``replacement`` (arguments of
            ``ct_mm.ReplacementRateHook``); ``export`` (arguments of ``ct_mm.StudentExportHook``); ``progress``
            (arguments of ``ct_mm.StageProgressHook``; ``None`` disables it); ``teacher_score`` (``False`` disables
            ``ct_mm.TeacherScoreHook``); and ``fit`` (arguments of ``ct_mm.StageFitHook``, which it enables).

    Returns:
        An ordinary config, ready for a Runner. A config that is already wrapped is returned unchanged.

    Raises:
        ValueError: If ``compress`` or ``model`` is missing, a key is unknown, a required one is absent, or a value has
            the wrong type or is out of its range.

    Examples:
        >>> cfg = Config(dict(model=dict(type='MyTracker'), compress=dict(teacher='epoch_300.pth', num_stages=4)))
        >>> compressed = compress(cfg)
        >>> compressed.model.type, compressed.model.model.type, compressed.model.num_stages
        ('ct_mm.ReplacementDistiller', 'MyTracker', 4)
    """
    model = cfg.get('model')
    augmentation = cfg.get('tta_model') or {}
    if model is not None and 'module' in model and model.get('type') == augmentation.get('type'):
        return _compress_inside(cfg)
    if model is not None and _is_distiller(model):
        return cfg
    settings = cfg.get('compress')
    if model is None or settings is None:
        raise ValueError(f"the config {cfg.filename or ''} needs both `model` and `compress`, such as "
                         f"compress = dict(teacher='work_dirs/my_tracker/epoch_300.pth', num_stages=4)")
    _check(settings)
    arguments = {key: settings[key] for key in DISTILLER_KEYS if key in settings}
    cfg = copy.deepcopy(cfg)
    if cfg.get('data_preprocessor'):
        # MMEngine passes the one at the top to the outermost model, but it belongs to the inner one, exported later.
        model = ConfigDict(model, data_preprocessor=model.get('data_preprocessor') or cfg.pop('data_preprocessor'))
        cfg.pop('data_preprocessor', None)
    arguments.update(DivisionSpec.settings_in(settings))
    cfg.model = ConfigDict(type='ct_mm.ReplacementDistiller', model=model, **arguments)
    cfg.custom_hooks = [*(cfg.get('custom_hooks') or []), *_hooks(settings, (cfg.get('randomness') or {}).get('seed'))]
    # In each step, the student layers of stages that the teacher runs get no gradient.
    cfg.setdefault('find_unused_parameters', True)
    if cfg.get('model_wrapper_cfg'):  # MMEngine then reads nothing else
        cfg.model_wrapper_cfg.setdefault('find_unused_parameters', cfg.find_unused_parameters)
    return cfg


def _compress_inside(cfg: Config) -> Config:
    augmented, cfg = cfg.model, copy.deepcopy(cfg)
    cfg.model = augmented.module
    cfg = compress(cfg)
    cfg.model = ConfigDict(augmented, module=cfg.model)
    return cfg


def _check(settings: Mapping) -> None:
    if not isinstance(settings, Mapping):
        raise ValueError(f"compress={settings!r} must be a dict: compress = dict(teacher='epoch_3.pth', num_stages=4)")
    check_settings(settings, KEYS, 'compress.')
    if not settings.get('teacher'):
        raise ValueError('compress.teacher is missing: the checkpoint of the trained model to compress')
    for key, kind in SECTIONS.items():
        try:
            kind(**settings.get(key) or {})
        except ValueError as error:
            raise ValueError(f'compress.{key}: {error}') from error


def _hooks(settings: Mapping, seed: int | None) -> list[dict]:
    arguments = dict(  # of each hook; None leaves it out
        StepSeedHook=dict(seed=seed or 0), ReplacementRateHook={'seed': seed or 0, **settings.get('replacement', {})},
        StudentExportHook=settings.get('export', {}), ThinHistoryHook={},
        StageProgressHook=settings.get('progress', {}),
        TeacherScoreHook={} if settings.get('teacher_score', True) else None, StageFitHook=settings.get('fit'))
    return [dict(type=f'ct_mm.{name}', **given) for name, given in arguments.items() if given is not None]


def _is_distiller(model: Mapping) -> bool:
    kind = model.get('type')
    return (kind if isinstance(kind, str) else getattr(kind, '__name__', '')).endswith('ReplacementDistiller')


@RUNNERS.register_module()
class CompressRunner(Runner):
    """MMEngine's Runner on ``compress(cfg)``.

    The training and test scripts of every OpenMMLab codebase read ``runner_type = 'ct_mm.CompressRunner'`` from a
    config, so they can compress a model without any change.
    """

    @classmethod
    def from_cfg(cls, cfg: Config | ConfigDict | dict) -> CompressRunner:
        """Builds the runner.

        Args:
            cfg: A config with ``compress``, or one that is already wrapped.

        Returns:
            The runner.
        """
        if not isinstance(cfg, Config):
            cfg = Config(dict(cfg))
        runner = super().from_cfg(compress(cfg))
        runner.register_hook(dict(type='ct_mm.DivisionSummaryHook'))
        runner.register_hook(CheckpointFitHook())  # here, because the scripts of other codebases build it, too
        return runner

    def build_optim_wrapper(self, optim_wrapper: dict | OptimWrapper) -> OptimWrapper | OptimWrapperDict:
        """Builds the optimizer as for the plain model, whatever its constructor asks of the model.

        Args:
            optim_wrapper: Config of the optimizer wrapper.

        Returns:
            The optimizer wrapper, over the student's parameters.
        """
        whole = self.model
        with ReplacementDistiller.of(self).as_plain_model() as plain:
            self.model = plain
            try:
                return super().build_optim_wrapper(optim_wrapper)
            finally:
                self.model = whole
