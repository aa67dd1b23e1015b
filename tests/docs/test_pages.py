"""What the pages name exists: links, files, folders and tests."""
import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(path.relative_to(ROOT).as_posix() for path in [ROOT / 'README.md', *(ROOT / 'docs').glob('*.md'),
                                                              *(ROOT / 'projects').rglob('*.md'),
                                                              *(ROOT / 'demo').rglob('*.md')]
               if path.name != 'notes.md')  # a part of docs/evidence.md, with links from there
#: Paths from the root in backticks or commands, perhaps with the name of a test.
NAMED = re.compile(r'(?<![\w/:.])((?:ct_mm|tests|tools|configs|projects|benchmarks|demo)/[\w/.-]*\w/?)'
                   r'(?:::(test_\w+))?')


@pytest.mark.parametrize('page', PAGES)
def test_what_a_page_names_is_there(page):
    text = (ROOT / page).read_text(encoding='utf-8')
    links = [link.partition('#')[0] for link in re.findall(r'\]\(([^)]+)\)', text) if '://' not in link]
    missing = [link for link in links if not ((ROOT / page).parent / link).exists()]
    for path, name in NAMED.findall(text):
        if not (ROOT / path).exists():
            missing.append(path)
        elif name and name not in _functions(ROOT / path):
            missing.append(f'{path}::{name}')
    assert not missing, f'{page} names what does not exist: {", ".join(missing)}'


def test_the_map_lists_every_page():
    text = (ROOT / 'docs' / 'README.md').read_text(encoding='utf-8')
    missing = [page.name for page in (ROOT / 'docs').glob('*.md') if page.name != 'README.md'
               and f']({page.name})' not in text]
    assert not missing


def test_each_invariant_of_the_design_names_a_test():
    text = (ROOT / 'docs' / 'design.md').read_text(encoding='utf-8')
    rows = re.findall(r'^\| (\d) \| .* \| (.*) \|$', text, flags=re.MULTILINE)
    assert [number for number, _ in rows] == list('12345678')
    assert all('`tests/' in cell or cell == 'as 1' for _, cell in rows)


def _functions(file):
    return {node.name for node in ast.walk(ast.parse(file.read_text(encoding='utf-8')))
            if isinstance(node, ast.FunctionDef)}
