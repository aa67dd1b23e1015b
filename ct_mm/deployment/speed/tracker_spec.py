"""A tracker to measure, as given in one command line argument."""
from __future__ import annotations

import re
from dataclasses import dataclass, replace

from ct_mm.package_files import resolve_path, split_files

PRECISIONS = ('fp32', 'bf16', 'fp16')


@dataclass(frozen=True)
class TrackerSpec:
    """Name of a tracker and the arguments of :func:`~ct_mm.tracking.init_tracker` that load it.

    Args:
        name: Name of the tracker in tables.
        model: Path of an exported network or a config.
        checkpoint: Weights for a config. Default: random weights.
        precision: Precision to compute in. Default: the runtime's choice.

    Examples:
        >>> TrackerSpec.parse('small=student.xml@bf16')
        TrackerSpec(name='small', model='student.xml', checkpoint=None, precision='bf16')
    """

    name: str
    model: str
    checkpoint: str | None = None
    precision: str | None = None

    @classmethod
    def parse(cls, text: str) -> TrackerSpec:
        """Parses ``NAME=MODEL[:CHECKPOINT][@PRECISION]``; paths inside the package start with ``ct_mm::``.

        Raises:
            ValueError: A part is missing, the precision is unknown, or an exported network is given a checkpoint.
        """
        name, _, files = text.partition('=')
        # An @ can also be part of a path.
        files, precision = re.fullmatch(r'(?s)(.*?)(?:@([^./\\:@]*))?', files).groups()
        model, checkpoint = split_files(files)
        if not (name and model) or precision not in (None, *PRECISIONS):
            raise ValueError(f'{text!r} is not NAME=MODEL[:CHECKPOINT][@PRECISION], where PRECISION is one of '
                             f'{", ".join(PRECISIONS)}')
        if checkpoint and not model.endswith('.py'):
            raise ValueError(f'{text!r}: {model} already contains its weights; only a config (.py) takes a checkpoint')
        return cls(name, model, checkpoint or None, precision)

    def resolved(self) -> TrackerSpec:
        """Returns this tracker with resolved paths; a config may be one that ships with ct_mm.

        Raises:
            FileNotFoundError: The model does not exist.
        """
        from ct_mm.package_files import find_config
        model = resolve_path(self.model)
        return replace(self, model=find_config(model) if model.endswith('.py') else model,
                       checkpoint=None if self.checkpoint is None else resolve_path(self.checkpoint))
