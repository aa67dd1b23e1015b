"""The page on data sets shows what the readers expect."""
import re
import textwrap
from pathlib import Path

import pytest

from ct_mm.registry import DATASETS
from ct_mm.tracking.benchmarks import benchmark_names

PAGE = (Path(__file__).resolve().parents[3] / 'docs' / 'datasets.md').read_text(encoding='utf-8')


@pytest.mark.parametrize('name', sorted(set(re.findall(r'`ct_mm\.(\w+Dataset|SequenceFolder)`', PAGE))))
def test_the_tree_of_a_reader(name):
    tree = textwrap.dedent(DATASETS.get(f'ct_mm.{name}').tree.replace('{root}', 'data_root'))
    assert f'`ct_mm.{name}`\n\n```\n{tree}\n```' in PAGE


def test_every_benchmark_is_listed():
    assert set(re.findall(r'^\| `(\w+)` \| `ct_mm', PAGE, re.MULTILINE)) == set(benchmark_names())
