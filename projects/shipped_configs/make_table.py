"""Compresses shipped configs for real, compares each with its plain training, and writes docs/shipped_configs.md."""
from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from ct_mm import cli

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'projects'))

from shipped_configs.compare import Outcome  # noqa: E402  (needs the path)
from shipped_configs.rows import ROWS  # noqa: E402
from shipped_configs.run_row import run_row  # noqa: E402

RESULTS = Path(__file__).with_name('results.json')
HEAD = """# Shipped configs, plain and compressed

{count} configs that ship with mmpretrain, mmdet and mmsegmentation were each trained twice by their library's own
training script: as they are, and compressed by a config that inherits from the first and adds `runner_type` and
`compress` ([any_model.md](any_model.md)). The two trainings are compared:

* **learning rates**, **weight decays**: every setting of every parameter in the built optimizer equals that of the
  plain training, by the parameter's name, before the first step and after the last. The columns count the different
  values.
* **images**: every training step saw the same images and labels, bit for bit, after augmentation, Mixup and CutMix.
* **EMA**: the same average of weights, with the same momentum, or none.
* **scores**: the same validation.
* **exported**: the class of the exported student, whose config does not name ct_mm. The library's own test script
  loaded it where ct_mm cannot be imported, and found the scores of the last validation of its training (1e-3).

`python projects/shipped_configs/make_table.py` writes this page and fails if anything differs. The models have their
real size and random weights. Changed for four images and a CPU: batch size 2 and one worker; an end after two steps
(the schedules are those of the whole training); no downloaded weights; `SyncBN` is `BN`; `AmpOptimWrapper` is
`OptimWrapper`; and images of mmdet and mmsegmentation have a quarter of their height and width. The table shows that a
compression trains as its base config says, not how accurate the student becomes.
"""
COLUMNS = ('config', 'optimizer constructor', 'parameters', 'learning rates', 'weight decays', 'images', 'EMA',
           'scores', 'exported', 'differences')


def write_page(outcomes: list[Outcome]) -> str:
    """Writes the page.

    Args:
        outcomes: One for each row.

    Returns:
        The text.
    """
    lines = [f'\n| {" | ".join(COLUMNS)} |\n', '|---' * len(COLUMNS) + '|\n']
    for found in outcomes:
        cells = [f'{found.library}: {found.config}', found.constructor.removesuffix('Constructor'), found.parameters,
                 found.rates, found.decays, f'{found.images} steps equal', found.ema or 'none',
                 len(found.scores), found.exported, '; '.join(found.differences) or 'none']
        lines.append(f'| {" | ".join(map(str, cells))} |\n')
    return HEAD.format(count=len(outcomes)) + ''.join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('rows', nargs='*', help='rows to run again, such as mmdet/detr_r50_8xb2-150e_coco; by default '
                                                'all. The others keep the results of the last run')
    parser.add_argument('--host', help='Python of an environment with the libraries and without ct_mm, to test the '
                                       'exported students; by default ct_mm is hidden in this one')
    parser.add_argument('--out', type=Path, default=ROOT / 'docs' / 'shipped_configs.md')
    cli.add_debug(parser)
    args = parser.parse_args()
    unknown = set(args.rows) - {row.name for row in ROWS}
    if unknown:
        parser.error(f'no such rows: {", ".join(sorted(unknown))}; there are {", ".join(row.name for row in ROWS)}')
    results = json.loads(RESULTS.read_text(encoding='utf-8')) if args.rows and RESULTS.exists() else {}
    broken = []
    for row in ROWS:
        if not args.rows or row.name in args.rows:
            with tempfile.TemporaryDirectory() as folder:
                try:
                    outcome = run_row(row, Path(folder), args.host)
                except (RuntimeError, OSError, ValueError) as error:
                    broken.append(row.name)
                    print(f'{row.name}: {error}', file=sys.stderr, flush=True)
                    continue
            print(f'{row.name}: {"; ".join(outcome.differences) or "no difference"}', flush=True)
            results[row.name] = asdict(outcome)
            RESULTS.write_text(json.dumps({each.name: results[each.name] for each in ROWS if each.name in results},
                                          indent=1) + '\n', encoding='utf-8')
    outcomes = [Outcome(**results[row.name]) for row in ROWS if row.name in results]
    args.out.write_text(write_page(outcomes), encoding='utf-8')
    print('written to', args.out)
    broken += [outcome.config for outcome in outcomes if outcome.differences]
    if broken:
        sys.exit(f'{len(broken)} of {len(ROWS)} rows do not hold: {", ".join(broken)}')


if __name__ == '__main__':
    cli.run(main)
