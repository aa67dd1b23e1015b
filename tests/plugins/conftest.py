"""What the tests with other libraries share: whether they are there, their own scripts, processes without ct_mm."""
import importlib.util
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROJECTS = ROOT / 'projects'
#: CT_MM_PLUGINS=required, as CI sets it where it installed the libraries, turns a skip into a failure.
REQUIRED = os.environ.get('CT_MM_PLUGINS') == 'required'

sys.path.insert(0, str(PROJECTS))  # configs name what the rows are made of by path: `architectures.network_model...`


@pytest.fixture(scope='session')
def need():
    """Skips, with the reason, where a library is not installed: ``need('mmdet', 'timm')``."""

    def check(*modules: str) -> None:
        from architectures.cpu_torchvision import import_torchvision
        reasons = [f'{module} is not installed' for module in modules if importlib.util.find_spec(module) is None]
        if {'mmdet', 'mmseg'} & {*modules} and importlib.util.find_spec('mmcv._ext') is None:
            reasons.append('mmcv is built without the operators that mmdet and mmseg need')
        if reasons:
            (pytest.fail if REQUIRED else pytest.skip)(f'{", ".join(reasons)}: see docs/any_model.md')
        if importlib.util.find_spec('torchvision') is not None:
            import_torchvision()

    return check


@pytest.fixture
def run_tool(tmp_path, monkeypatch):
    """Runs a script of a library as mim does, in an empty folder: ``run_tool('mmdet', 'train', 'config.py')``."""
    monkeypatch.chdir(tmp_path)

    def run(library: str, tool: str, *arguments: str) -> None:
        script = Path(importlib.util.find_spec(library).origin).parent / '.mim' / 'tools' / f'{tool}.py'
        monkeypatch.setattr(sys, 'argv', [str(script), *arguments])
        runpy.run_path(str(script), run_name='__main__')

    return run


@pytest.fixture
def mim(tmp_path):
    """Runs mim as docs/any_model.md says, in an empty folder; skips where torchvision does not fit PyTorch."""
    fits = subprocess.run([sys.executable, '-c', 'import torchvision'], capture_output=True, text=True)
    if fits.returncode:
        (pytest.fail if REQUIRED else pytest.skip)('torchvision is built for another PyTorch: see docs/any_model.md')

    def run(*arguments: str) -> None:
        done = subprocess.run([Path(sys.executable).with_name('mim'), *arguments], cwd=tmp_path, capture_output=True,
                              text=True, timeout=600)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]

    return run


@pytest.fixture
def run_without_ct_mm(tmp_path):
    """Runs Python code in a process where ct_mm cannot be imported."""
    start = (f'import sys\nsys.path.insert(0, {str(PROJECTS)!r})\n'
             'from architectures.cpu_torchvision import import_torchvision\nimport_torchvision()\n'
             "sys.modules['ct_mm'] = None  # any import of it is now an error\n")

    def run(code: str) -> None:
        done = subprocess.run([sys.executable, '-W', 'ignore', '-c', start + code], cwd=tmp_path, capture_output=True,
                              text=True, timeout=300)
        assert done.returncode == 0, done.stderr

    return run


@pytest.fixture
def example(tmp_path):
    """The compressed config of an example in docs/any_model.md, by its file name."""
    from mmengine.config import Config

    from ct_mm import compress

    def read(name: str) -> Config:
        page = (ROOT / 'docs' / 'any_model.md').read_text(encoding='utf-8')
        (tmp_path / name).write_text(page.partition(f'```python\n# {name}: the whole file\n')[2].partition('```')[0])
        return compress(Config.fromfile(tmp_path / name))

    return read
