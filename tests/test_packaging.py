"""What an installation and mim need of the project's layout."""
import importlib
import runpy
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import setuptools
from mmengine.config import Config
from mmengine.fileio import load
from mmengine.registry import Registry
from packaging.requirements import Requirement

import ct_mm
from ct_mm import registry

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope='module')
def metadata() -> dict:
    """What setup.py hands to setuptools."""
    captured = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(setuptools, 'setup', lambda **keywords: captured.update(keywords))
        runpy.run_path(str(ROOT / 'setup.py'))
    return captured


def test_importing_the_package_is_cheap():
    heavy = ['torch', 'mmcv', 'mmdet', 'mmpretrain', 'skimage', 'ct_mm.compression', 'ct_mm.tracking']
    code = f'import sys, ct_mm; print([name for name in {heavy} if name in sys.modules])'
    output = subprocess.run([sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True, check=True,
                            timeout=120)
    assert output.stdout.strip() == '[]'


def test_a_missing_mmcv_is_named_with_the_way_to_get_it(monkeypatch):
    monkeypatch.setattr(ct_mm, 'find_spec', lambda name: None if name == 'mmcv' else object())
    with pytest.raises(ImportError, match=r'ct_mm needs mmcv, .*pip install .*mm') as error:
        ct_mm.require_openmmlab()
    assert 'mmengine and' not in str(error.value)


def test_without_either_fork_both_are_offered(monkeypatch):
    def nothing_installed(name):
        raise ct_mm.PackageNotFoundError(name)

    monkeypatch.setattr(ct_mm, 'find_spec', lambda name: None)
    monkeypatch.setattr(ct_mm, 'distribution', nothing_installed)
    with pytest.raises(ImportError, match='mmengine and mmcv.*onedl-mmengine.*or the originals.*never both'):
        ct_mm.require_openmmlab()


def test_the_public_names_come_from_the_compression_wing():
    from ct_mm import compression
    assert ct_mm.compress is compression.compress
    assert ct_mm.CompressRunner is compression.CompressRunner
    with pytest.raises(AttributeError, match='no attribute .nothing'):
        ct_mm.nothing


def test_every_location_of_a_registry_can_be_imported():
    registries = [value for value in vars(registry).values() if isinstance(value, Registry)]
    assert registries
    for location in {location for each in registries for location in each._locations}:
        importlib.import_module(location)


def test_every_folder_of_modules_is_a_package():
    folders = {file.parent for file in (ROOT / 'ct_mm').rglob('*.py') if '.mim' not in file.parts}
    lost = [str(folder.relative_to(ROOT)) for folder in folders if not (folder / '__init__.py').is_file()]
    assert not lost, f'a wheel would leave these out: {lost}'


@pytest.mark.parametrize('name', ['configs', 'tools', 'demo', 'model-index.yml'])
def test_the_mim_folder_points_into_the_root(name):
    link = ROOT / 'ct_mm' / '.mim' / name
    assert link.is_symlink() and link.resolve() == ROOT / name and link.exists()


def test_the_model_index_names_what_exists():
    for metafile in load(ROOT / 'model-index.yml')['Import']:
        for model in load(ROOT / metafile)['Models']:
            assert (ROOT / model['Config']).is_file(), f'{metafile}: {model["Config"]}'


def test_config_names_are_unique_for_mim():
    counts = Counter(file.name for file in (ROOT / 'configs').rglob('*.py'))
    assert [name for name, count in counts.items() if count > 1] == []


def test_a_config_outside_reaches_ours_by_the_package_name(tmp_path):
    ours = next((file for file in sorted((ROOT / 'configs').rglob('*.py')) if file.parent != ROOT / 'configs'), None)
    if ours is None:
        pytest.skip('no config in a subfolder of configs/')
    mine = tmp_path / 'mine.py'
    mine.write_text(f"_base_ = ['ct_mm::{ours.relative_to(ROOT / 'configs').as_posix()}']\nextra = 1\n")
    assert Config.fromfile(mine).extra == 1


def test_no_requirement_names_a_fork_and_the_lock_fits_the_extras(metadata):
    plain = {Requirement(line).name for line in metadata['install_requires']}
    assert not plain & {'mmengine', 'mmcv', 'mmcv-lite', 'onedl-mmengine', 'onedl-mmcv'}
    lines = (ROOT / 'requirements.txt').read_text(encoding='utf-8').splitlines()
    lock = dict(line.split('==') for line in lines if '==' in line and not line.startswith('#'))
    extras = metadata['extras_require']
    named = ('onedl', 'deploy', 'fast', 'quickstart', 'safetensors', 'tests')
    for line in sum((extras[name] for name in named), metadata['install_requires']):
        requirement = Requirement(line)
        assert requirement.name in lock, f'requirements.txt pins no {requirement.name}'
        assert requirement.specifier.contains(lock[requirement.name]), line


def test_mim_finds_tools_and_configs_in_a_wheel(metadata, tmp_path):
    command = [sys.executable, 'setup.py', '-q', 'egg_info', '--egg-base', str(tmp_path), 'build_py', '--build-lib',
               str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=300)
    files = [file.relative_to(tmp_path).as_posix() for file in tmp_path.rglob('*') if file.is_file()]
    recorded = [name for name in files if not name.startswith('ct_mm.egg-info')]
    recorded.append(f'ct_mm-{metadata["version"]}.dist-info/RECORD')
    package = min(recorded).split('/')[0]  # what onedl-mim takes for the folder of the package
    for folder in (package, 'ct_mm'):
        assert f'{folder}/.mim/tools/train.py' in files and f'{folder}/.mim/tools/test.py' in files
        for config in (ROOT / 'configs').rglob('*.py'):
            assert f'{folder}/.mim/{config.relative_to(ROOT).as_posix()}' in files
    assert not metadata.get('entry_points') and not metadata.get('scripts')  # they would come first in the record
