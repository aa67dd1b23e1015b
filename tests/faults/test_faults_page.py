"""The page on faults names tests that are there."""
import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROWS = [line for line in (ROOT / 'docs' / 'faults.md').read_text(encoding='utf-8').splitlines()
        if line.startswith('| ') and not line.endswith('| test |')]
NAMED = re.compile(r'`([\w/]+\.py)::(test_\w+)`')


@pytest.mark.parametrize('row', ROWS, ids=lambda row: row[2:40])
def test_each_row_is_made_by_tests(row):
    named = NAMED.findall(row.rsplit('|', 2)[1])
    assert named, 'a row without a test'
    for file, name in named:
        tree = ast.parse((ROOT / 'tests' / file).read_text(encoding='utf-8'))
        assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, f'no {name} in {file}'


def test_rows_are_found():
    assert len(ROWS) > 30
