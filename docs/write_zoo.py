"""Writes docs/model_zoo.md, and the tables in configs/*/README.md, from the metafiles.

``python docs/write_zoo.py`` writes them; with ``--check`` it only names those that are out of date, and ends with
status 1 if there are any.
"""
from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
MARK = '<!-- Below: written by docs/write_zoo.py from the metafile. -->'
INTRODUCTION = f"""# Model zoo

Each table lists the configs of one folder. *In the paper* are numbers of the authors, for models that they trained;
*measured* are ours, with the shipped weights ([evidence.md](evidence.md)). An empty cell was not measured or not
published. Scores are success (AUC) in percent, except that GOT-10k has AO.

{MARK}
"""


def tables(metafile: Path, link_from: Path) -> str:
    """Returns a heading and a table for each collection of a metafile.

    Args:
        metafile: The metafile.
        link_from: Folder of the page, from which links start.
    """
    content = yaml.safe_load(metafile.read_text(encoding='utf-8'))
    return '\n'.join(_table(collection, [model for model in content['Models']
                                         if model['In Collection'] == collection['Name']], link_from)
                     for collection in content['Collections'])


def _table(collection: dict, models: list[dict], link_from: Path) -> str:
    scores = [_scores(model) for model in models]
    columns = list(dict.fromkeys(column for row in scores for column in row))
    header = ['config', 'parameters (M)', *columns, *(['weights'] if any('Weights' in m for m in models) else [])]
    lines = ['| ' + ' | '.join(header) + ' |', '|---|' + '---:|' * (len(header) - 1)]
    for model, row in zip(models, scores):
        config = Path(os.path.relpath(ROOT / model['Config'], link_from))
        cells = [f'[{config.stem}]({config.as_posix()})', f'{model["Metadata"]["Parameters"] / 1e6:.2f}',
                 *(f'{row[column]:g}' if column in row else '' for column in columns)]
        cells += [model.get('Weights', '')] if header[-1] == 'weights' else []
        lines.append('| ' + ' | '.join(cells) + ' |')
    paper = collection.get('Paper')
    source = f'Paper: [{paper["Title"]}]({paper["URL"]})\n\n' if paper else ''
    return f'## {collection["Name"]}\n\n{source}' + '\n'.join(lines) + '\n'


def _scores(model: dict) -> dict[str, float]:
    """Returns the main score of each dataset by the name of its column."""
    row = {}
    for result in model.get('Results', []):
        for metric, value in result['Metrics'].items():
            name, _, source = metric.partition(' (')
            if name in ('Success', 'AO'):
                row[f'{result["Dataset"]}, {"in the paper" if source == "paper)" else "measured"}'] = value
    return row


def pages() -> dict[Path, str]:
    """Returns the text of each page that this script writes."""
    index = yaml.safe_load((ROOT / 'model-index.yml').read_text(encoding='utf-8'))
    metafiles = [ROOT / name for name in index['Import']]
    written = {ROOT / 'docs' / 'model_zoo.md':
               INTRODUCTION + '\n' + '\n'.join(tables(metafile, ROOT / 'docs') for metafile in metafiles)}
    for metafile in metafiles:
        page = metafile.parent / 'README.md'
        before, mark, _ = page.read_text(encoding='utf-8').partition(MARK)
        if not mark:
            raise ValueError(f'{page} lacks the line that its tables come after: {MARK}')
        written[page] = f'{before}{MARK}\n\n{tables(metafile, metafile.parent)}'
    return written


def main() -> int:
    """Writes the pages, or checks them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--check', action='store_true', help='write nothing')
    check = parser.parse_args().check
    old = {page: text for page, text in pages().items()
           if not page.is_file() or page.read_text(encoding='utf-8') != text}
    for page, text in old.items():
        print(('out of date: ' if check else 'written: ') + page.relative_to(ROOT).as_posix())
        if not check:
            page.write_text(text, encoding='utf-8')
    return int(check and bool(old))


if __name__ == '__main__':
    sys.exit(main())
