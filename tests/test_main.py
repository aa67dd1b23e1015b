"""``python -m ct_mm``: every script has a command, with a sentence and an example."""
import subprocess
import sys
from pathlib import Path

import pytest

from ct_mm.__main__ import describe, scripts

TOOLS = Path(__file__).resolve().parents[1] / 'tools'


def run(*args):
    return subprocess.run([sys.executable, '-m', 'ct_mm', *args], capture_output=True, text=True, timeout=300)


def test_every_script_is_listed_once():
    names = [file.stem for file in TOOLS.rglob('*.py')]
    assert len(set(names)) == len(names) == len(scripts())
    done = run()
    assert done.returncode == 0
    listed = [line.split()[0] for line in done.stdout.splitlines() if line.startswith('  ')]
    assert listed == list(scripts()) and {'train', 'test', 'track', 'export', 'benchmark'} <= set(listed)


@pytest.mark.parametrize('name', scripts())
def test_a_command_says_what_it_does_and_shows_an_example(name):
    sentence, examples = describe(scripts()[name])
    assert sentence.endswith('.') and len(sentence) < 160
    assert any(example.startswith(f'python -m ct_mm {name} ') for example in examples), examples
    assert not any('tools/' in example for example in examples)


def test_a_command_runs_its_script_with_the_arguments():
    done = run('publish_model', '/nowhere/a.pth', 'b.pth')
    assert done.returncode == 1 and done.stderr.startswith('error: ') and '/nowhere/a.pth' in done.stderr


def test_help_ends_with_the_examples():
    done = run('track', '--help')
    assert done.returncode == 0 and done.stdout.rstrip().splitlines()[-1].startswith('  python -m ct_mm track ')
    assert 'usage: ' in done.stdout


def test_a_misspelt_command_is_named():
    done = run('exprot')
    assert done.returncode == 1 and "did you mean 'export'?" in done.stderr
