"""Numbers on sequences that were kept from this project, for the weights they belong to."""
from __future__ import annotations

import json
from pathlib import Path

from ct_mm.engine.checkpoints.digest import digest_of_weights
from ct_mm.engine.checkpoints.reading import read_state_dict
from ct_mm.tracking.evaluation.reports.result_tables import markdown_table

FILE = Path(__file__).parent / 'results' / 'independent.json'


def independent_part(root: Path, file: Path = FILE) -> list[str]:
    """Writes the numbers as a table; weights that have changed since are not yet checked independently.

    Args:
        root: Folder that the files of the weights are relative to.
        file: The numbers.
    """
    content = json.loads(file.read_text(encoding='utf-8'))
    trackers, lines = content['trackers'], []
    valid = {name: (root / known['file']).is_file() and digest_of_weights(read_state_dict(root / known['file'])) ==
             known['weights'] for name, known in trackers.items()}
    for pair in content['pairs']:
        for role in ('teacher', 'student'):
            tracker = trackers[pair[role]]
            cells = [f'{ao:.3f}' for ao in tracker['ao']]
            if role == 'student':
                of = [mine / teachers for mine, teachers in zip(tracker['ao'], trackers[pair['teacher']]['ao'])]
                if valid[pair['teacher']]:
                    cells = [f'{cell} ({part:.1%} of its teacher)' for cell, part in zip(cells, of)]
            digest = f'`{tracker["weights"][:12]}`'
            if not valid[pair[role]]:
                digest, cells = 'other weights', ['not yet checked independently'] * len(cells)
            lines.append([f'{role}, {pair["scale"]}', f'`{tracker["file"]}`', digest, *cells])
    lines += [[name, '-', '-', *(f'{ao:.3f}' for ao in values)] for name, values in content['peers'].items()]
    header = ['tracker', 'weights', 'SHA-256', *(f'AO: {name}' for name in content['sets'])]
    return ['## Checked independently',
            'Someone else measured these on sequences that this project never had. They belong to the weights with '
            'these digests and to no others. Compare them with the numbers below: the six sequences flatter the '
            'students.', markdown_table(header, lines, left=3)]
