"""The command line: finding a config, its options, and a whole train, resume and test run."""
import argparse
import subprocess
import sys
from pathlib import Path

import mmengine.device.utils
import pytest
import torch
from mmengine.config import Config
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch.utils.data import Dataset

from ct_mm import cli, package_files, test, train
from ct_mm.registry import DATASETS, METRICS, MODELS, RUNNERS

ROOT = Path(__file__).resolve().parents[1]

CONFIG = """
model = dict(type='ct_mm.CliToyModel')
train_dataloader = dict(
    batch_size=2, num_workers=0, dataset=dict(type='ct_mm.CliToyDataset'), sampler=dict(type='DefaultSampler'))
test_dataloader = train_dataloader
train_cfg = dict(by_epoch=True, max_epochs=1)
test_cfg = dict()
test_evaluator = dict(type='ct_mm.CliToyMetric')
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.1))
auto_scale_lr = dict(base_batch_size=2)
"""


@MODELS.register_module(force=True)
class CliToyModel(BaseModel):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(2))

    def forward(self, inputs, mode='tensor'):
        outputs = torch.stack(inputs) * self.weight  # (B, 2)
        return {'loss': outputs.mean()} if mode == 'loss' else list(outputs)


@DATASETS.register_module(force=True)
class CliToyDataset(Dataset):
    def __len__(self):
        return 4

    def __getitem__(self, index):
        return {'inputs': torch.full((2, ), float(index))}


@METRICS.register_module(force=True)
class CliToyMetric(BaseMetric):
    reported = []

    def process(self, data_batch, data_samples):
        self.results.extend(float(sample.sum()) for sample in data_samples)

    def compute_metrics(self, results):
        self.reported.append(sorted(results))
        return {'count': len(results)}


@RUNNERS.register_module(force=True)
class CliToyRunner(Runner):
    pass


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A current folder with a toy config in it; what select_device changes is put back afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('LOCAL_RANK', '0')
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '')
    monkeypatch.setattr(mmengine.device.utils, 'DEVICE', mmengine.device.utils.DEVICE)
    (tmp_path / 'toy.py').write_text(CONFIG)
    return tmp_path


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package with shipped configs, in the place of ct_mm's."""
    root = tmp_path / 'site' / 'ct_mm'
    for name in ('a/one.py', 'a/same.py', 'b/same.py'):
        (root / '.mim' / 'configs' / name).parent.mkdir(parents=True, exist_ok=True)
        (root / '.mim' / 'configs' / name).write_text('')
    monkeypatch.setattr(package_files, '_SHIPPED', root / '.mim')
    monkeypatch.setattr(package_files, 'MIM_MIRROR', root.parent / 'ct-mm' / '.mim' / 'configs')
    monkeypatch.chdir(tmp_path)
    return root / '.mim' / 'configs'


def options(*argv):
    return train.build_parser().parse_args(['x.py', *argv])


def test_a_path_from_the_current_folder_comes_first(package):
    Path('one.py').write_text('')
    assert package_files.find_config('one.py') == 'one.py'


@pytest.mark.parametrize('name', ['one.py', 'a/one.py', 'configs/a/one.py'])
def test_a_shipped_config_is_found_by_the_end_of_its_path(package, name):
    assert Path(package_files.find_config(name)) == package / 'a' / 'one.py'


def test_a_name_that_fits_several_configs_lists_them(package):
    with pytest.raises(ValueError, match=r"'same.py' matches several .*\n  a/same.py\n  b/same.py"):
        package_files.find_config('same.py')
    assert Path(package_files.find_config('b/same.py')) == package / 'b' / 'same.py'


def test_an_unknown_config_says_where_was_looked(package):
    with pytest.raises(FileNotFoundError) as error:
        package_files.find_config('c/onn.py')
    assert str(Path.cwd()) in str(error.value) and str(package) in str(error.value) and 'one.py?' in str(error.value)


def test_the_copy_that_mim_finds_in_a_wheel_stands_for_the_package_config(package):
    copy = package_files.MIM_MIRROR / 'a' / 'one.py'
    copy.parent.mkdir(parents=True)
    copy.write_text('')
    assert Path(package_files.find_config(str(copy))) == package / 'a' / 'one.py'


@pytest.mark.parametrize('script', [train, test])
def test_a_wrong_name_ends_in_a_usage_error(script, package, capsys):
    Path('weights.pth').write_text('')
    with pytest.raises(SystemExit, match='2'):
        script.main(['nowhere.py'] + (['weights.pth'] if script is test else []))
    assert "config 'nowhere.py' is neither" in capsys.readouterr().err


@pytest.mark.parametrize('name', ['train', 'test'])
def test_help_is_what_mim_looks_for_and_loads_no_torch(name):
    code = ("import runpy, sys; sys.argv = ['x', '-h']\n"
            f"try:\n    runpy.run_path('tools/{name}.py', run_name='__main__')\n"
            "except SystemExit:\n    print('torch' in sys.modules)")
    output = subprocess.run([sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True, check=True,
                            timeout=120).stdout
    assert '--gpus' in output and '--device' in output
    assert output.splitlines()[-1] == 'False'


@pytest.mark.parametrize('spelling', ['--local-rank=3', '--local_rank=3'])
def test_both_spellings_of_the_local_rank(spelling, folder, monkeypatch):
    monkeypatch.delenv('LOCAL_RANK')
    cli.select_device(options(spelling, '--launcher', 'pytorch', '--device', 'cpu'))
    assert cli.os.environ['LOCAL_RANK'] == '3'


@pytest.mark.parametrize('argv', [['--device', 'cpu'], ['--gpus', '0']])
def test_cpu_is_forced(argv, folder, monkeypatch):
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '0')
    monkeypatch.setattr(mmengine.device.utils, 'DEVICE', 'cuda')
    cli.select_device(options(*argv))
    assert cli.os.environ['CUDA_VISIBLE_DEVICES'] == ''
    assert mmengine.device.get_device() == 'cpu'


@pytest.mark.parametrize('argv, words', [
    (['--gpus', '2'], 'needs --launcher'),
    (['--gpus', '0', '--device', 'cuda'], 'contradict'),
])
def test_device_arguments_that_cannot_be_met(argv, words, folder):
    with pytest.raises(ValueError, match=words):
        cli.select_device(options(*argv))


def test_cuda_is_not_replaced_silently(folder, monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    with pytest.raises(ValueError, match='no CUDA device'):
        cli.select_device(options('--device', 'cuda'))


def test_training_options_reach_the_config():
    cfg = Config(dict(optim_wrapper=dict(type='OptimWrapper'), auto_scale_lr=dict(base_batch_size=8)))
    train.apply_training_options(cfg, options('--amp', '--auto-scale-lr', '--resume', 'a.pth'))
    assert cfg.optim_wrapper == dict(type='AmpOptimWrapper', loss_scale='dynamic')
    assert cfg.auto_scale_lr.enable and cfg.resume and cfg.load_from == 'a.pth'
    train.apply_training_options(cfg, options('--resume'))
    assert cfg.resume and cfg.load_from is None and cfg.start_from == 'a.pth'


@pytest.mark.parametrize('option, key', [('--amp', 'optim_wrapper'), ('--auto-scale-lr', 'auto_scale_lr')])
def test_training_options_name_the_key_they_miss(option, key):
    with pytest.raises(ValueError, match=f'{option} needs .*{key}'):
        train.apply_training_options(Config(dict(model=1)), options(option))


@pytest.mark.parametrize('argv', [['w.pth'], ['--checkpoint', 'w.pth']])
def test_a_checkpoint_as_argument_or_option(argv, folder):
    Path('w.pth').write_text('')
    assert test.find_checkpoint(test.build_parser().parse_args(['toy.py', *argv])) == 'w.pth'


@pytest.mark.parametrize('argv, words', [
    ([], 'one checkpoint'),
    (['a.pth', '--checkpoint', 'b.pth'], 'one checkpoint'),
    (['a.pth'], "'a.pth' is not a file"),
])
def test_checkpoint_errors(argv, words, folder, capsys):
    with pytest.raises(SystemExit, match='2'):
        test.main(['toy.py', *argv])
    assert words in capsys.readouterr().err


def test_the_config_says_which_runner_runs(folder):
    cfg = cli.load_config(argparse.Namespace(config='toy.py', cfg_options=None, launcher='none', work_dir='here'))
    assert cfg.default_scope == 'ct_mm' and cfg.work_dir == 'here'
    cfg.experiment_name = 'cli_runner_type'
    cfg.runner_type = 'ct_mm.CliToyRunner'
    assert type(cli.build_runner(cfg)) is CliToyRunner


def test_train_resume_and_test(folder):
    common = ['toy.py', '--launcher', 'none', '--device', 'cpu', '--cfg-options']
    train.main([*common, 'experiment_name=cli_train'])
    assert (folder / 'work_dirs' / 'toy' / 'epoch_1.pth').is_file()
    train.main([*common, 'experiment_name=cli_resume', 'train_cfg.max_epochs=2', '--resume'])
    saved = torch.load(folder / 'work_dirs' / 'toy' / 'epoch_2.pth', weights_only=False)
    assert saved['meta']['iter'] == 4
    CliToyMetric.reported.clear()
    test.main(['toy.py', 'work_dirs/toy/epoch_2.pth', '--cfg-options', 'experiment_name=cli_test'])
    total = float(saved['state_dict']['weight'].sum())
    assert CliToyMetric.reported == [pytest.approx([total * index for index in range(4)], rel=1e-6)]


def test_a_resumable_training_begins_where_its_config_says(folder):
    torch.save(dict(state_dict=dict(weight=torch.full((2, ), 7.0))), 'start.pth')
    common = ['toy.py', '--device', 'cpu', '--resume', '--work-dir', 'begun', '--cfg-options', 'load_from=start.pth',
              'optim_wrapper.optimizer.lr=0.0']
    train.main([*common, 'experiment_name=cli_begun'])
    first = torch.load('begun/epoch_1.pth', weights_only=False)
    assert float(first['state_dict']['weight'].sum()) == 14 and first['meta']['iter'] == 2
    train.main([*common, 'experiment_name=cli_goes_on', 'train_cfg.max_epochs=2'])
    assert torch.load('begun/epoch_2.pth', weights_only=False)['meta']['iter'] == 4


def test_a_test_needs_no_training_section_but_something_to_test_on():
    cfg = Config(dict(train_dataloader=dict(batch_size=1), val_cfg={}, test_dataloader={}, test_evaluator={}))
    test.keep_testing_only(cfg)
    assert set(cfg) == {'test_dataloader', 'test_evaluator', 'test_cfg'}
    with pytest.raises(ValueError, match='no test_dataloader and no test_evaluator'):
        test.keep_testing_only(Config(dict(model={})))


def test_processes_without_a_gpu_must_be_told_to_use_the_cpu(folder, monkeypatch):
    monkeypatch.setattr(mmengine.device.utils, 'DEVICE', 'cpu')
    with pytest.raises(ValueError, match='--launcher pytorch: no GPU was found here; --device cpu'):
        cli.select_device(options('--launcher', 'pytorch'))


@pytest.mark.parametrize('count, limit, old, argv, resume', [
    ('1', '1', False, [], True), ('1', '1', True, [], True), ('0', '1', False, [], False), ('0', '0', True, [], False),
    ('0', '1', True, ['--resume', 'x.pth'], 'x.pth'), ('1', '1', True, ['--resume', 'x.pth'], 'x.pth')])
def test_processes_that_torchrun_restarts_resume(folder, monkeypatch, count, limit, old, argv, resume):
    monkeypatch.setenv('TORCHELASTIC_RESTART_COUNT', count)
    monkeypatch.setenv('TORCHELASTIC_MAX_RESTARTS', limit)
    if old:
        (folder / 'last_checkpoint').write_text('epoch_1.pth')
    args = options('--launcher', 'pytorch', *argv)
    train.resume_after_restart(Config(dict(work_dir=str(folder))), args)
    assert args.resume == {True: 'auto', False: None}.get(resume, resume)


def test_a_restart_must_not_take_the_checkpoints_of_an_earlier_training(folder, monkeypatch):
    monkeypatch.setenv('TORCHELASTIC_MAX_RESTARTS', '3')
    (folder / 'last_checkpoint').write_text('epoch_1.pth')
    with pytest.raises(ValueError, match='holds checkpoints of an earlier training, .* add --resume'):
        train.resume_after_restart(Config(dict(work_dir=str(folder))), options('--launcher', 'pytorch'))
