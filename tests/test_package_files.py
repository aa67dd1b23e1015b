"""Paths into the package."""
from pathlib import Path

import pytest

from ct_mm import package_files

ROOT = Path(__file__).resolve().parents[1]


def test_the_demo_is_found_in_a_checkout():
    assert package_files.package_file('demo/clips') == ROOT / 'demo' / 'clips'
    base = 'configs/_base_/compress.py'
    assert package_files.resolve_path(f'ct_mm::{base}') == str(ROOT / base)


def test_the_demo_is_found_in_an_installed_package(tmp_path, monkeypatch):
    shipped = tmp_path / 'site-packages' / 'ct_mm' / '.mim'
    (shipped / 'demo' / 'clips').mkdir(parents=True)
    monkeypatch.setattr(package_files, '_SHIPPED', shipped)
    assert package_files.resolve_path('ct_mm::demo/clips') == str(shipped / 'demo' / 'clips')


@pytest.mark.parametrize('path', ['demo/clips', '/abs/ct_mm::x', 'https://host/a.pth', 'other::x', ''])
def test_other_paths_come_back_unchanged(path):
    assert package_files.resolve_path(path) == path
    assert package_files.resolve_path(Path('a') / 'b') == str(Path('a') / 'b')


def test_a_missing_file_says_where_was_looked_and_what_is_there():
    with pytest.raises(FileNotFoundError) as error:
        package_files.resolve_path('ct_mm::demo/nowhere/x.pth')
    assert 'ships no demo/nowhere/x.pth' in str(error.value)
    assert '.mim' in str(error.value) and 'clips' in str(error.value)
