"""The config of an untrained student: like its teacher, but with another number of layers."""
from __future__ import annotations

from collections.abc import Mapping

from mmengine.config import Config
from mmengine.registry import DefaultScope
from torch import nn

from ct_mm.compression import ReplacementDistiller
from ct_mm.compression.division.spec import DivisionSpec
from ct_mm.compression.export.hybrid import read_path
from ct_mm.compression.export.student import export_student
from ct_mm.deployment.export.deployed_network import example_inputs


def untrained_student_config(config: Config, layers: int | None = None, path: str | None = None) -> Config:
    """Writes the config as the export of a compression would.

    Args:
        config: Config of a tracker, or of its compression.
        layers: Number of layers of the student; by default ``compress`` of the config decides.
        path: Instead, the path of a hybrid through the stages of ``compress``, one digit for each: 1 for the student.

    Returns:
        The config of a tracker with fewer layers: its ``model`` and ``default_scope``.

    Raises:
        ValueError: If ``model`` or, without ``layers``, ``compress`` is missing, the model's layers cannot be found or
            are too few, or no config can describe the student. The message names the reason.
    """
    source = config.filename or 'the config'
    if not config.get('model'):
        raise ValueError(f'{source} has no `model`, so it describes no tracker')
    if layers is None and not isinstance(config.get('compress'), Mapping):
        raise ValueError(f'{source} has no `compress`, so there is no student; say how many layers it should have')
    settings = DivisionSpec.settings_in(config.get('compress') or {})
    settings.pop('copy', None)  # affects only the weights
    if layers is not None:
        settings = {key: settings[key] for key in ('layers', 'pass_through', 'student') if key in settings}
        settings['num_stages'] = layers
    scope = config.get('default_scope') or 'ct_mm'
    with DefaultScope.overwrite_default_scope(scope):
        try:
            distiller = ReplacementDistiller(config.model, teacher='', mimic=None, guidance=None, **settings)
            if path is not None:
                stages = iter(read_path(path, distiller.divided.num_stages))
                settings['path'] = [[next(stages) for _ in stack.stages] for stack in distiller.divided.stacks]
                distiller = ReplacementDistiller(config.model, teacher='', mimic=None, guidance=None, **settings)
            exported = export_student(distiller, config.model, example_batch(distiller.student))
        except ValueError as error:
            asked = f' along path {path}' if path else '' if layers is None else f' of {layers} layers'
            raise ValueError(f'{source}: a student{asked} cannot be planned: {error}') from error
    return Config(dict(model=exported.config, default_scope=scope))


def example_batch(tracker: nn.Module) -> dict | None:
    """Makes inputs on which an exported model can be compared; ``None`` if what it takes is not known."""
    if getattr(tracker, 'geometry', None) is None:
        return None
    inputs = example_inputs(tracker.card())
    images = ('template', 'search')
    return dict(inputs={name: value.movedim(-1, -3).float() if name in images else value
                        for name, value in inputs.items()})
