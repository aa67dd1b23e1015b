"""A row of the table of architectures: the model, its data, and the outcome."""
from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

#: What is checked, in the order of the table.
CHECKS = ('teacher path', 'student path', 'gradient', 'teacher kept', 'mimic falls')
#: Every row by its name, such as ``transformers: BERT``, in the order of the table.
ROWS: dict[str, Callable[[], Case]] = {}


@dataclass
class Case:
    """One small architecture, and what a user would write to compress it.

    Args:
        model: Config of the model.
        samples: Items of a data set, enough for one batch.
        compress: ``compress`` of the config, without the teacher.
        scope: Default scope of the config.
        source: The library that the architecture's code is from.
        data_preprocessor: Of the config's top level, where mmpretrain keeps it.
        mode: In which mode outputs are compared: ``predict`` where ``tensor`` gives one output for each layer.
        mimic_weight: Weight of the mimic loss; 0.2 in the paper. A teacher of random weights is no optimum of its own
            loss, which therefore pulls student and embeddings away from it, harder than 0.2 times the mimic loss pulls
            back.
        note: Remark for readers of the table.
    """

    model: dict
    samples: Sequence[dict]
    compress: dict
    scope: str = 'mmengine'
    source: str = ''
    data_preprocessor: dict | None = None
    mode: str = 'tensor'
    mimic_weight: float = 5.0
    note: str = ''


@dataclass
class Outcome:
    """The outcome of a row.

    Args:
        name: Name of the row.
        source: Library.
        note: See :class:`Case`.
        stacks: Stacks that were divided, with their layers before and after.
        parameters: Parameters of teacher and student.
        mimic: Mimic loss of the pure student before and after the steps.
        checks: For each invariant the empty string if it holds, or what was found instead.
        exported: ``plain`` if the library's own classes say the student, ``divided`` if it stays wrapped.
        seconds: What the row took.
    """

    name: str
    source: str
    note: str = ''
    stacks: list[tuple[str, int, int]] = field(default_factory=list)
    parameters: tuple[int, int] = (0, 0)
    mimic: tuple[float, float] = (float('nan'), float('nan'))
    checks: dict[str, str] = field(default_factory=dict)
    exported: str = ''
    seconds: float = 0.0

    def found(self, check: str) -> str:
        """How an invariant fails; empty if it holds."""
        return self.checks.get(check, 'not checked')

    @property
    def failed(self) -> list[str]:
        """The invariants that fail or were not checked, one line each."""
        return [f'{check}: {self.found(check)}' for check in CHECKS if self.found(check)]

    def __str__(self) -> str:
        stacks = ', '.join(f'{path} {before} -> {after}' for path, before, after in self.stacks)
        mimic = ' -> '.join(f'{value:.2g}' for value in self.mimic)
        line = f'{self.name:44} {self.seconds:5.1f} s  mimic {mimic:15} {self.exported:8}{stacks}'
        return ''.join([line, *(f'\n    FAILS {failed}' for failed in self.failed)])


class RowSamples:
    """The samples of a row as a data set.

    Args:
        row: Name of the row.
    """

    def __init__(self, row: str) -> None:
        self.samples = ROWS[row]().samples

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> dict:
        return self.samples[index]


def row(name: str, *modules: str) -> Callable[[Callable[[], Case]], Callable[[], Case]]:
    """Adds a function to the table.

    Args:
        name: Name of the architecture.
        modules: What must be installed for it; the first is the library that its row belongs to.

    Returns:
        A decorator; the function gains ``modules``.
    """

    def enter(make: Callable[[], Case]) -> Callable[[], Case]:
        key = f'{modules[0]}: {name}'
        if key in ROWS:
            raise ValueError(f'two rows are called {key}')
        make.modules = modules
        ROWS[key] = make
        return make

    return enter


def missing_modules(make: Callable[[], Case]) -> list[str]:
    """The modules that a row needs and that are not installed; mmdet also needs the operators of mmcv."""
    needed = [*make.modules, *(['mmcv._ext'] if 'mmdet' in make.modules else [])]
    return [module for module in needed if importlib.util.find_spec(module) is None]
