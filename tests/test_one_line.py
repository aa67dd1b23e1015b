"""What a user reads at the end of a command that failed, and at the start of one that runs."""
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from ct_mm import cli

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def command(tmp_path):
    """Runs a command in a folder of its own."""

    def run(*argv):
        return subprocess.run([sys.executable, *argv], cwd=tmp_path, capture_output=True, text=True, timeout=300,
                              env=dict(os.environ, PYTHONPATH=str(ROOT), OMP_NUM_THREADS='1'))

    return run


TEST = ['-m', 'ct_mm.test', 'quickstart/tiny_tracker.py', 'x.pth', '--device', 'cpu']


def test_an_error_ends_with_one_line_and_its_traceback_is_in_the_log(command, tmp_path):
    torch.save(dict(net=dict(a=torch.ones(1))), tmp_path / 'x.pth')
    done = command(*TEST)
    *before, last = done.stderr.splitlines()
    assert done.returncode == 1 and last.startswith('error: the weights in x.pth do not fit the model of ')
    assert 'Traceback' not in done.stderr + done.stdout
    log = next((tmp_path / 'work_dirs').rglob('*.log'))
    assert last.endswith(f'(traceback: {log})')
    text = log.read_text()
    assert 'Traceback' in text and 'checkpoint_fit_hook.py' in text
    for words in ('System environment:', 'Hooks will be executed', "type='ct_mm.OSTrack'"):
        assert words in text and words not in done.stdout
    told = command(*TEST, '--debug')
    assert 'Traceback' in told.stderr and told.stderr.splitlines()[-1].startswith('error: ')
    assert 'Hooks will be executed' in told.stdout


def test_an_error_before_there_is_a_log(command):
    done = command('-m', 'ct_mm.train', 'quickstart/bunny_tiny_4layers.py', '--cfg-options', 'compres.num_stages=3')
    assert done.returncode == 1 and done.stderr.splitlines()[-1] == (
        "error: --cfg-options compres.num_stages: nothing reads the key 'compres'; did you mean compress? "
        '(traceback: --debug)')
    assert 'Traceback' not in done.stderr


@pytest.mark.parametrize('error, line', [
    (ValueError('this is wrong:\n    a\n    b\ndo that'), 'error: this is wrong: a; b; do that'),
    (RuntimeError('Caught it in worker.\nOriginal Traceback (most recent call last):\n  File x\nValueError: no\n'),
     'error: ValueError: no'),
    (KeyError(), 'error: KeyError()'),
])
def test_errors_of_several_lines_become_one(error, line, monkeypatch):
    monkeypatch.setattr(cli, '_log_traceback', lambda: 'x.log')

    def main():
        raise error

    with pytest.raises(SystemExit) as stopped:
        cli.run(main)
    assert stopped.value.code == f'{line} (traceback: x.log)'


@pytest.mark.parametrize('status', [0, 3, None])
def test_the_status_of_a_script_is_that_of_the_process(status):
    with pytest.raises(SystemExit) as stopped:
        cli.run(lambda: status)
    assert stopped.value.code == status


SCRIPTS = [file for folder in ('tools', 'projects', 'ct_mm') for file in sorted((ROOT / folder).rglob('*.py'))
           if "__name__ == '__main__'" in file.read_text() and file.name not in ('__main__.py', 'tracker_server.py')]


@pytest.mark.parametrize('file', SCRIPTS, ids=lambda file: str(file.relative_to(ROOT)))
def test_every_script_ends_with_one_line_and_takes_debug(file):
    """``ct_mm/__main__.py`` only calls these, and ``tracker_server.py`` answers a process of ours, not a user."""
    source = file.read_text()
    assert source.endswith("\n\nif __name__ == '__main__':\n    cli.run(main)\n")
    shim = re.search(r'^from ct_mm\.(train|test|track) import main$', source, flags=re.MULTILINE)
    source = (ROOT / f'ct_mm/{shim[1]}.py').read_text() if shim else source
    assert any(word in source for word in ('cli.add_debug(parser)', 'cli.add_common_arguments(parser)'))


def test_an_error_that_no_script_expects(command, tmp_path):
    """The output file is below a file."""
    torch.save(dict(a=torch.ones(1)), tmp_path / 'x.pth')
    argv = [str(ROOT / 'tools/model_converters/publish_model.py'), 'x.pth', 'x.pth/y.pth']
    done = command(*argv)
    assert done.returncode == 1 and 'Traceback' not in done.stderr
    assert re.fullmatch(r'error: .*x\.pth.* \(traceback: --debug\)', done.stderr.splitlines()[-1])
    assert 'Traceback' in command(*argv, '--debug').stderr
