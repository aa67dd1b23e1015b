"""Compresses every row for real and writes docs/architectures.md."""
from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'projects'))

from architectures.row import CHECKS, ROWS, Outcome, missing_modules  # noqa: E402  (needs the path)
from ct_mm import cli  # noqa: E402

HEAD = """# Architectures

{count} models of {libraries} were compressed in
real runs. Each model is small and has random weights; this is the teacher. A run of {steps} steps on one batch of noise
compresses it. These checks are made before and after:

* **teacher path**: with every stage run by the teacher, the student's output equals the teacher's, bit for bit;
* **student path**: the student rebuilt from the exported config and weights gives the output of the trained one, bit
  for bit;
* **gradient**: the first student layer of every stack receives a gradient through the teacher's stages behind it;
* **teacher kept**: training changed no weight and no buffer of the teacher;
* **mimic falls**: the mimic loss of the pure student is lower after training than before (column *mimic*).

*exported* is `plain` if the library's own classes build the student, without ct_mm, and `divided` if its config cannot
express it and the student stays in a `ct_mm.StageDividedBackbone`. Parameters are in thousands. The table shows that
the method works on these architectures, not how accurate their students become.

`python projects/architectures/make_table.py` writes this page ({machine})
and fails if a check fails; `tests/plugins` repeats each row. The rows, and what each config sets under `compress`, are
in `projects/architectures/rows`; how to use them: [any_model.md](any_model.md).
"""


def write_table(outcomes: list[Outcome], seconds: float, steps: int) -> str:
    """The page: what is checked, the table, the notes."""
    import torch
    machine = f'PyTorch {torch.__version__.partition("+")[0]}, {seconds / 60:.1f} minutes on one CPU thread'
    head = ['architecture', 'library', 'stacks: layers', 'parameters', 'mimic', *CHECKS, 'exported']
    sources = list(dict.fromkeys(outcome.source.partition(',')[0] for outcome in outcomes))
    libraries = f'{", ".join(sources[:-1])} and {sources[-1]}'
    intro = HEAD.format(count=len(outcomes), libraries=libraries, steps=steps, machine=machine)
    lines = [intro, f'| {" | ".join(head)} |', '|---' * len(head) + '|']
    notes = []
    for outcome in outcomes:
        mark = ''
        if outcome.note:
            notes.append(outcome.note)
            mark = f' [{len(notes)}]'
        stacks = '<br>'.join(f'`{path}`: {before} → {after}' for path, before, after in outcome.stacks)
        parameters = ' → '.join(f'{count / 1e3:.0f}' for count in outcome.parameters)
        mimic = ' → '.join(f'{value:.2g}' for value in outcome.mimic)
        checks = [f'**FAILS**: {outcome.found(check)}' if outcome.found(check) else 'yes' for check in CHECKS]
        name = outcome.name.partition(': ')[2] + mark
        cells = [name, outcome.source, stacks, parameters, mimic, *checks, outcome.exported]
        lines.append(f'| {" | ".join(cells)} |')
    lines += ['', *(f'{number}. {note}' for number, note in enumerate(notes, start=1))]
    return '\n'.join(lines).rstrip() + '\n'


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('rows', nargs='*', help='names of rows; all, and only then the page is written')
    parser.add_argument('--out', type=Path, default=ROOT / 'docs' / 'architectures.md')
    cli.add_debug(parser)
    args = parser.parse_args()
    warnings.filterwarnings('ignore')
    os.environ.setdefault('HF_HUB_OFFLINE', '1')  # every model is built from its config
    import torch

    from architectures import rows  # noqa: F401  (enters them)
    from architectures.check_row import STEPS, check_row
    from architectures.cpu_torchvision import import_torchvision
    from ct_mm.engine.whole_file import write_text
    unknown = set(args.rows) - set(ROWS)
    if unknown:
        parser.error(f'no such rows: {", ".join(sorted(unknown))}; there are {", ".join(ROWS)}')
    names = args.rows or list(ROWS)
    missing = sorted({module for name in names for module in missing_modules(ROWS[name])})
    if missing:
        parser.error(f'not installed: {", ".join(missing)} (see docs/any_model.md)')
    torch.set_num_threads(1)
    import_torchvision()
    start, outcomes = time.perf_counter(), []
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            try:
                outcomes.append(check_row(name, Path(folder)))
            except Exception as error:  # noqa: BLE001  (whatever it is, it belongs into the row)
                traceback.print_exc()
                summary = str(error).partition('\n')[0]
                outcomes.append(Outcome(name, name.partition(':')[0], f'**BROKEN**: {type(error).__name__}: {summary}'))
        print(outcomes[-1], flush=True)
    if not args.rows:
        print('written to', write_text(args.out, write_table(outcomes, time.perf_counter() - start, STEPS)))
    failed = [outcome.name for outcome in outcomes if outcome.failed]
    if failed:
        sys.exit(f'{len(failed)} of {len(outcomes)} rows do not hold: {", ".join(failed)}')


if __name__ == '__main__':
    cli.run(main)
