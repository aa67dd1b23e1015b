"""The report at the end of a real, very short compression."""
import sys

import pytest
import torch
from mmengine.config import Config
from mmengine.structures import InstanceData
from torch.utils.data import Dataset

from ct_mm.cli import build_runner
from ct_mm.registry import DATASETS, HOOKS
from ct_mm.tracking.structures import TrackDataSample


@DATASETS.register_module(force=True)
class ReportToyPairs(Dataset):
    def __len__(self):
        return 2

    def __getitem__(self, index):
        sample = TrackDataSample(gt_instances=InstanceData(bboxes=torch.tensor([[40., 40., 90., 80.]])))
        images = dict(template=torch.full((3, 64, 64), index, dtype=torch.uint8),
                      search=torch.full((3, 128, 128), index, dtype=torch.uint8))
        return dict(inputs=images, data_samples=sample)


@pytest.fixture
def make_runner(tmp_path, tiny_model, tracker_files):
    """Builds the runner of a compression from two layers to one that ends with a report."""
    config, checkpoint = tracker_files('teacher')

    def make(**hook):
        student = '{work_dir}/student/student'
        hook = {
            **dict(
                trackers=dict(
                    teacher=dict(config=config, checkpoint=checkpoint),
                    copied=dict(config=f'{student}.py', checkpoint='{work_dir}/student/initial.pth'),
                    student=dict(config=f'{student}.py', checkpoint=f'{student}.pth'))), **hook
        }
        return build_runner(
            Config(
                dict(
                    model=tiny_model(),
                    compress=dict(teacher=checkpoint, num_stages=1, export=dict(initial=True)),
                    runner_type='ct_mm.CompressRunner',
                    default_scope='mmengine',
                    work_dir=str(tmp_path / 'work'),
                    train_dataloader=dict(
                        batch_size=2, num_workers=0, dataset=dict(type='ct_mm.ReportToyPairs'),
                        sampler=dict(type='DefaultSampler', shuffle=False)),
                    train_cfg=dict(by_epoch=True, max_epochs=1),
                    optim_wrapper=dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=1e-4)),
                    custom_hooks=[dict(type='ct_mm.TrackerReportHook', **hook)],
                    experiment_name=f'report_{torch.randint(1 << 30, ()).item()}')))

    return make


def test_the_report_of_a_compression_is_the_last_thing_in_the_log(make_runner, data_root, tmp_path):
    runner = make_runner(data_root=str(data_root), video_of=['teacher', 'student'])
    runner.train()
    report = tmp_path / 'work' / 'report'
    assert sorted(file.name for file in report.iterdir()) == ['left.mp4', 'report.csv', 'report.md', 'right.mp4']
    lines = (report / 'report.csv').read_text().splitlines()
    assert [line.split(',')[:2] for line in lines[1:]] == [['teacher', '2'], ['copied', '1'], ['student', '1']]
    log = next((tmp_path / 'work').rglob('*.log')).read_text().rstrip()
    assert log.splitlines()[-1].strip() == str(report / 'right.mp4')
    assert log.index('student saved to') < log.index('| tracker') and '| student' in log


def test_a_dataset_may_be_given_in_full(make_runner, data_root, tmp_path):
    dataset = dict(type='ct_mm.SequenceFolder', data_root=str(data_root), sequences=['right'])
    make_runner(dataset=dataset, video_of=[], folder='comparison').train()
    assert sorted(file.name for file in (tmp_path / 'work' / 'comparison').iterdir()) == ['report.csv', 'report.md']


def test_the_demo_clips_are_reached_by_the_name_of_the_package():
    hook = HOOKS.build(
        dict(
            type='ct_mm.TrackerReportHook',
            data_root='ct_mm::demo/clips',
            trackers=dict(a=dict(config='ct_mm::configs/quickstart/tiny_tracker.py', checkpoint='{work_dir}/a.pth'))))
    assert [sequence.name for sequence in hook._sequences()] == ['bunny']
    hook.before_train(None)


def files(**changed):
    return dict(a=dict(config='ct_mm::configs/quickstart/tiny_tracker.py', checkpoint='{work_dir}/a.pth', **changed))


@pytest.mark.parametrize('arguments, message', [
    (dict(trackers=files()), 'exactly one of data_root and dataset'),
    (dict(trackers=files(), data_root='a', dataset=dict(type='b')), 'exactly one of data_root and dataset'),
    (dict(trackers={}, data_root='a'), 'trackers is empty'),
    (dict(trackers=dict(a='a.py'), data_root='a'), 'trackers.a must be dict'),
    (dict(trackers=files(weights='x'), data_root='a'), 'trackers.a must be dict'),
    (dict(trackers=files(), data_root='a', video_of=['b']), 'video_of'),
])
def test_wrong_arguments_are_named_at_once(arguments, message):
    with pytest.raises(ValueError, match=message):
        HOOKS.build(dict(type='ct_mm.TrackerReportHook', **arguments))


def test_missing_files_are_found_before_training(make_runner, data_root, tmp_path, monkeypatch):
    trackers = files()
    trackers['a']['checkpoint'] = 'nowhere.pth'
    with pytest.raises(FileNotFoundError, match='trackers.a.checkpoint=nowhere.pth does not exist'):
        make_runner(data_root=str(data_root), trackers=trackers).train()
    with pytest.raises(FileNotFoundError, match='data_root'):
        make_runner(data_root=str(tmp_path / 'no_sequences')).train()
    monkeypatch.setitem(sys.modules, 'imageio_ffmpeg', None)
    with pytest.raises(ImportError, match='pip install imageio-ffmpeg'):
        make_runner(data_root=str(data_root)).train()
    assert not (tmp_path / 'work' / 'student' / 'student.pth').exists()
