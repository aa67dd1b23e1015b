"""Settings that would do nothing are errors that name the key to set; valid ones of other codebases pass."""
from pathlib import Path

import pytest
from mmengine.config import Config

from ct_mm import train
from ct_mm.engine.unread_settings import KeepBlanks, check_all_read
from ct_mm.package_files import find_config

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = [*(ROOT / 'configs').rglob('*.py'), *(ROOT / 'projects').glob('*/configs/**/*.py')]

OTHER_CODEBASE = """
_base_ = ['./base.py']
dataset_type = 'CocoDataset'  # train_dataloader
data_root = 'data/coco/'
backend_args = None
eval_cfg = dict(interval=1)
file_client_args = dict(backend='disk')
train_pipeline = [dict(type='LoadImageFromFile', backend_args=backend_args)]
train_dataloader = dict(dataset=dict(type=dataset_type, data_root=data_root, pipeline=train_pipeline, cfg=eval_cfg))
model = dict(_delete_=True, neck={{_base_.necks}}, head=_base_.heads, bands='num_classes')
tta_model = dict(type='DetTTAModel')
auto_scale_lr = dict(enable=False, base_batch_size=16)
vis_backends = [dict(type='LocalVisBackend')]
visualizer = dict(type='DetLocalVisualizer', vis_backends=vis_backends, name='visualizer')
num_classes = 80
"""


@pytest.mark.parametrize('option, words', [
    ('teacher=/nonexistent.pth', r"'teacher' is a variable that the config has already used, .* set compress.teacher"),
    ('compres.num_stages=3', "nothing reads the key 'compres'; did you mean compress?"),
    ('optim_wraper.optimizer.lr=1.0', "nothing reads the key 'optim_wraper'; did you mean optim_wrapper?"),
    ('zzz=1', "--cfg-options zzz: nothing reads the key 'zzz'"),
])
def test_an_option_that_does_nothing_is_an_error(option, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=words):
        train.main(['quickstart/bunny_tiny_4layers.py', '--cfg-options', option])
    assert not list(tmp_path.iterdir())


@pytest.fixture
def other(tmp_path):
    (tmp_path / 'base.py').write_text("necks = dict(type='FPN')\nheads = [1]\n")
    (tmp_path / 'other.py').write_text(OTHER_CODEBASE)
    return Config.fromfile(tmp_path / 'other.py')


def test_a_config_of_another_codebase_passes(other):
    check_all_read(other, {'model.head.0': 1, 'auto_scale_lr.enable': True, 'env_cfg.cudnn_benchmark': True,
                          'randomness.seed': 1, 'tta_model.type': 'X', 'num_classes': 3})  # code may read the last


@pytest.mark.parametrize('key, places', [
    ('data_root', 'train_dataloader.dataset.data_root'), ('necks', 'model.neck'), ('heads', 'model.head'),
    ('vis_backends', 'visualizer.vis_backends')])
def test_every_way_to_use_a_variable_is_seen(key, places, other):
    with pytest.raises(ValueError, match=f'{key!r} is a variable .* set {places}$'):
        check_all_read(other, {f'{key}.x': 1})


@pytest.mark.parametrize('key, meant', [('optim_wraper', 'optim_wrapper'), ('custom_hook', 'custom_hooks'),
                                        ('tran_dataloader', 'train_dataloader'), ('compres', 'compress')])
def test_a_misspelt_key_of_a_file_is_an_error(key, meant, tmp_path):
    (tmp_path / 'x.py').write_text(f'model = dict()\n{key} = dict()\n')
    with pytest.raises(ValueError, match=f'x.py: nothing reads the key {key!r}; did you mean {meant}'):
        check_all_read(Config.fromfile(tmp_path / 'x.py'), {})


def test_no_shipped_config_is_refused():
    passed = 0
    for file in SHIPPED:
        try:
            config = Config.fromfile(file)
        except ImportError:  # of a codebase that is not installed
            continue
        check_all_read(config, {})
        passed += 1
    assert passed > 20 and find_config('quickstart/tiny_tracker.py')


@pytest.mark.parametrize('text, value', [
    ('/my data/a b.pth', '/my data/a b.pth'), ('/data (1)/x.pth', '/data (1)/x.pth'), ('[a b, c]', ['a b', 'c']),
    ('[(1, 2), [3, 4 ]]', [(1, 2), [3, 4]]), ('1, 2', [1, 2]), ("'a b'", 'a b'), ('0.5', 0.5), ('None', None)])
def test_blanks_in_a_value_are_kept(text, value):
    assert KeepBlanks._parse_iterable(text) == value
    assert train.build_parser().parse_args(['x.py', '--cfg-options', f'a={text}']).cfg_options == dict(a=value)
