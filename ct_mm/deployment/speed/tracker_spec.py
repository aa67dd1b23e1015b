"""A tracker to measure, in one word of a command line."""
from __future__ import annotations

from dataclasses import dataclass, replace

from ct_mm.package_files import resolve_path, split_files

PRECISIONS = ('fp32', 'bf16', 'fp16')


@dataclass(frozen=True)
class TrackerSpec:
    """What :func:`~ct_mm.tracking.init_tracker` needs to load a tracker, and what to call it.

    Args:
        name: Its name in tables.
        model: An exported network, or a config.
        checkpoint: Weights that go with a config. Default: random weights.
        precision: What to compute in. Default: the runtime's choice.
    """

    name: str
    model: str
    checkpoint: str | None = None
    precision: str | None = None

    @classmethod
    def parse(cls, text: str) -> TrackerSpec:
        """Reads ``NAME=MODEL[:CHECKPOINT][@PRECISION]``; the package's own paths begin with ``ct_mm::``.

        Raises:
            ValueError: A part is missing, or there is no such precision.
        """
        name, _, files = text.partition('=')
        files, at, precision = files.rpartition('@') if _has_precision(files) else (files, '', '')
        model, checkpoint = split_files(files)
        if not (name and model) or (at and precision not in PRECISIONS):
            raise ValueError(f'{text!r} is not NAME=MODEL[:CHECKPOINT][@PRECISION], with a precision out of '
                             f'{", ".join(PRECISIONS)}')
        if checkpoint and not model.endswith('.py'):
            raise ValueError(f'{text!r}: {model} holds its weights already; a checkpoint goes with a config (.py)')
        return cls(name, model, checkpoint or None, precision or None)

    def resolved(self) -> TrackerSpec:
        """The same with paths that mean the same everywhere; a config may be one that ships with ct_mm.

        Raises:
            FileNotFoundError: The model does not exist.
        """
        from ct_mm.package_files import find_config
        model = resolve_path(self.model)
        return replace(self, model=find_config(model) if model.endswith('.py') else model,
                       checkpoint=None if self.checkpoint is None else resolve_path(self.checkpoint))


def _has_precision(files: str) -> bool:
    # An @ may also be part of a path.
    tail = files.rpartition('@')[2]
    return '@' in files and not any(sign in tail for sign in './\\:')
