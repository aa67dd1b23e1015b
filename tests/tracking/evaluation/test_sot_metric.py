import json

import numpy as np
import pytest
import torch
from clean_process import run_together
from mmengine.evaluator import Evaluator
from mmengine.structures import InstanceData

from ct_mm.registry import METRICS
from ct_mm.tracking.structures import TrackDataSample

KEYS = ('sot/success', 'sot/precision', 'sot/norm_precision', 'sot/ao', 'sot/sr50', 'sot/sr75')


def make_sample(name, prediction, truth, visible=None, size=(640, 360), **facts):
    visible = np.ones(len(truth), bool) if visible is None else visible.astype(bool)
    sample = TrackDataSample(
        metainfo=dict(
            sequence_name=name, gt_boxes=truth, visible=visible, image_size=tuple(int(v) for v in size), **facts))
    sample.pred_track_instances = InstanceData(
        bboxes=torch.as_tensor(prediction, dtype=torch.float64), scores=torch.ones(len(prediction)))
    return sample


def simple_sample(name='walk', shift=0., **facts):
    truth = np.tile([10., 20., 30., 40.], (4, 1))
    return make_sample(name, truth + [shift, 0, 0, 0], truth, **facts)


@pytest.fixture
def printed(monkeypatch):
    """What the metric prints."""
    lines = []
    monkeypatch.setattr('ct_mm.tracking.evaluation.sot_metric.print_log', lambda text, **_: lines.append(text))
    return lines


@pytest.mark.parametrize('tracker', ['csrt', 'nanotrack_v2'])
def test_real_tracks_through_the_evaluator(reference, tracker, tmp_path):
    numbers = reference('metrics_reference')
    names = sorted({key.split('/')[0] for key in numbers if key.endswith('/groundtruth')})
    evaluator = Evaluator(dict(type='ct_mm.SOTMetric', outfile_prefix=str(tmp_path / 'results')))
    for name in names:
        visible = numbers[f'{name}/visible'] if f'{name}/visible' in numbers else None
        evaluator.process([
            make_sample(name, numbers[f'{name}/{tracker}/prediction'], numbers[f'{name}/groundtruth'], visible,
                        numbers[f'{name}/image_size_wh'])
        ])
    scores = evaluator.evaluate(len(names))
    expected = [numbers[f'mean_over_sequences/{tracker}/{key}'] for key in
                ('success_auc', 'precision_20', 'norm_precision_020')]
    expected += [numbers[f'all_frames/{tracker}/got10k_{key}'] for key in ('ao', 'sr50', 'sr75')]
    assert [scores[key] for key in KEYS] == pytest.approx([float(value) for value in expected], rel=1e-6)
    assert set(scores) == set(KEYS)
    # Every file is whole, holds what was predicted, and nothing unfinished is left.
    assert sorted(path.name for path in (tmp_path / 'results').iterdir()) == [f'{name}.txt' for name in names]
    for name in names:
        written = np.loadtxt(tmp_path / 'results' / f'{name}.txt', delimiter=',')
        np.testing.assert_allclose(written, numbers[f'{name}/{tracker}/prediction'], rtol=0, atol=5.1e-5)


def test_table_has_one_row_per_sequence_and_the_means(printed):
    metric = METRICS.build(dict(type='ct_mm.SOTMetric'))
    metric.process(None, [simple_sample('b').to_dict(), simple_sample('a', 300.).to_dict()])
    metric.evaluate(2)
    rows = [line.split() for line in printed[0].strip().splitlines()]
    assert rows[0][:3] == ['sequence', 'frames', 'success']
    assert rows[1][:2] == ['a', '4'] and float(rows[1][5]) == 0
    assert rows[2][:2] == ['b', '4'] and float(rows[2][5]) == 1
    assert rows[3][:4] == ['all', '2', 'sequences', '8'] and float(rows[3][7]) == 0.5


def test_a_second_round_starts_afresh(tmp_path):
    metric = METRICS.build(dict(type='ct_mm.SOTMetric', outfile_prefix=str(tmp_path)))
    for shift in (0., 300.):
        metric.process(None, [simple_sample(shift=shift).to_dict()])
        assert metric.evaluate(1)['sot/ao'] == pytest.approx(float(shift == 0))


def test_repeated_samples_of_a_padded_sampler_are_cut_off():
    metric = METRICS.build(dict(type='ct_mm.SOTMetric'))
    samples = [simple_sample('a'), simple_sample('b', 300.), simple_sample('a')]
    metric.process(None, [sample.to_dict() for sample in samples])
    assert metric.evaluate(2)['sot/ao'] == pytest.approx(0.5)


def test_nan_names_sequence_and_frame_and_writes_nothing(tmp_path):
    sample = simple_sample('walk')
    sample.pred_track_instances.bboxes[2, 1] = float('nan')
    metric = METRICS.build(dict(type='ct_mm.SOTMetric', outfile_prefix=str(tmp_path)))
    with pytest.raises(ValueError, match="'walk'.*frame 2"):
        metric.process(None, [sample.to_dict()])
    assert not list(tmp_path.iterdir())


def test_a_track_of_another_length_is_an_error():
    sample = simple_sample('walk')
    sample.pred_track_instances = sample.pred_track_instances[:3]
    with pytest.raises(ValueError, match=r"'walk'.*\(3, 4\).*\(4, 4\)"):
        METRICS.build(dict(type='ct_mm.SOTMetric')).process(None, [sample.to_dict()])


def test_format_only_writes_and_scores_nothing(tmp_path):
    metric = METRICS.build(dict(type='ct_mm.SOTMetric', outfile_prefix=str(tmp_path), format_only=True))
    metric.process(None, [simple_sample('walk', 0.25).to_dict()])
    assert metric.evaluate(1) == {}
    assert (tmp_path / 'walk.txt').read_text().splitlines() == ['10.2500,20.0000,30.0000,40.0000'] * 4
    with pytest.raises(ValueError, match='outfile_prefix'):
        METRICS.build(dict(type='ct_mm.SOTMetric', format_only=True))


def test_two_sequences_of_one_name_do_not_overwrite_each_other(tmp_path):
    metric = METRICS.build(dict(type='ct_mm.SOTMetric', outfile_prefix=str(tmp_path)))
    with pytest.raises(ValueError, match="named 'walk'"):
        metric.process(None, [simple_sample('walk').to_dict(), simple_sample('walk', 5.).to_dict()])


def test_the_benchmark_of_the_data_set_sets_the_rule_for_absent_objects(printed):
    truth = np.tile([10., 20., 30., 40.], (4, 1))
    truth[3] = np.nan
    sample = make_sample('walk', np.tile([10., 20., 30., 40.], (4, 1)), truth, visible=np.isfinite(truth[:, 0]))
    for benchmark, precision, norm_precision in (('uav123', 100, 100), ('tnl2k', 75, 100), (None, 75, 75)):
        evaluator = Evaluator(dict(type='ct_mm.SOTMetric'))
        evaluator.dataset_meta = dict(benchmark=benchmark) if benchmark else None
        evaluator.process([sample])
        scores = evaluator.evaluate(1)
        assert (scores['sot/precision'], scores['sot/norm_precision']) == (precision, norm_precision)
        assert f'rule of {benchmark}' in printed[-1] or benchmark is None


def test_another_convention():
    evaluator = Evaluator(dict(type='ct_mm.SOTMetric', convention='got10k'))
    evaluator.process([simple_sample()])
    assert set(evaluator.evaluate(1)) == {'sot/success', 'sot/ao', 'sot/sr50', 'sot/sr75'}
    with pytest.raises(ValueError, match='convention must be one of'):
        METRICS.build(dict(type='ct_mm.SOTMetric', convention='VOT'))


def test_reports_are_written_where_the_loop_says(tmp_path, printed):
    metric = METRICS.build(dict(type='ct_mm.SOTMetric'))
    metric.report_dir = str(tmp_path / 'results')
    metric.dataset_meta = dict(benchmark='lasot', split='test')
    metric.process(None, [simple_sample(attributes=('Fast Motion', )).to_dict()])
    metric.evaluate(1)
    report = (tmp_path / 'results' / 'scores.md').read_text()
    assert report.startswith('# Scores on lasot test\n') and '| Fast Motion |' in report and 'rule of lasot' in report
    assert (tmp_path / 'results' / 'scores.csv').read_text().count('\n') == 4
    assert str(tmp_path / 'results' / 'scores.md') in printed[-1]


def test_annotation_that_a_server_keeps_is_not_scored(tmp_path, printed):
    truth = np.full((4, 4), np.nan)
    truth[0] = [10., 20., 30., 40.]
    hidden = make_sample('hidden', np.tile(truth[0], (4, 1)), truth, np.arange(4) == 0, first_box_only=True)
    metric = METRICS.build(dict(type='ct_mm.SOTMetric', outfile_prefix=str(tmp_path)))
    metric.process(None, [hidden.to_dict()])
    assert metric.evaluate(1) == {}
    assert "benchmark's server" in printed[-1] and str(tmp_path) in printed[-1]
    assert len((tmp_path / 'hidden.txt').read_text().splitlines()) == 4
    metric = METRICS.build(dict(type='ct_mm.SOTMetric'))
    metric.process(None, [hidden.to_dict(), simple_sample().to_dict()])
    assert metric.evaluate(2)['sot/ao'] == pytest.approx(1)
    assert 'all 1 sequences' in printed[-1] and '1 of 2 sequences' in printed[-1] and 'not written' in printed[-1]


def test_files_in_the_layout_of_got10k(tmp_path):
    sample = simple_sample()
    metric = METRICS.build(dict(type='ct_mm.SOTMetric', outfile_prefix=str(tmp_path), layout='got10k'))
    with pytest.raises(ValueError, match="'walk'.*seconds"):
        metric.process(None, [sample.to_dict()])
    sample.pred_track_instances.seconds = torch.full((4, ), 0.5)
    metric.process(None, [sample.to_dict()])
    assert sorted(path.name for path in (tmp_path / 'walk').iterdir()) == ['walk_001.txt', 'walk_time.txt']


def test_sequences_that_lack_are_named():
    metric = METRICS.build(dict(type='ct_mm.SOTMetric'))
    metric.sequence_names = ['run', 'walk', 'jump']
    metric.process(None, [simple_sample('walk').to_dict(), simple_sample('fall').to_dict()])
    with pytest.raises(ValueError, match='2 different sequences were scored, but there are 3; missing: run, jump; '
                       'unexpected: fall'):
        metric.evaluate(3)
    metric.process(None, [simple_sample('walk').to_dict()])
    metric.sequence_names = None
    with pytest.raises(ValueError, match='1 different sequences were scored, but there are 2'):
        metric.evaluate(2)
    # One name for two sequences would be taken for the repetition of a padded sampler.
    truth = np.tile([50., 50., 30., 40.], (4, 1))
    metric.process(None, [simple_sample('walk').to_dict(), make_sample('walk', truth, truth).to_dict()])
    with pytest.raises(ValueError, match="two sequences are named 'walk'"):
        metric.evaluate(2)


def test_order_of_the_table_is_that_of_the_data_set(printed):
    metric = METRICS.build(dict(type='ct_mm.SOTMetric'))
    metric.sequence_names = ['walk', 'run']
    metric.process(None, [simple_sample('run').to_dict(), simple_sample('walk').to_dict()])
    metric.evaluate(2)
    assert [line.split()[0] for line in printed[-1].splitlines()[2:4]] == ['walk', 'run']


def _evaluate_one_share(rank, folder, shares, report_dir):
    torch.distributed.init_process_group('gloo', f'file://{folder}/meeting', rank=rank, world_size=2)
    metric = METRICS.build(dict(type='ct_mm.SOTMetric'))
    metric.report_dir = report_dir
    outcomes = []
    for share in shares:
        metric.process(None, [simple_sample(name, shift).to_dict() for name, shift in share[rank]])
        try:
            outcomes.append(metric.evaluate(3))
        except (ValueError, RuntimeError, OSError) as error:
            outcomes.append(f'{type(error).__name__}: {error}')
    (folder / f'{rank}.json').write_text(json.dumps(outcomes))
    torch.distributed.destroy_process_group()


def evaluate_in_two_processes(folder, *shares, report_dir=None):
    assert run_together(_evaluate_one_share, [(rank, folder, shares, report_dir) for rank in range(2)]) == [0, 0]
    return [json.loads((folder / f'{rank}.json').read_text()) for rank in range(2)]


def test_unequal_and_overlapping_shares_of_two_processes(tmp_path):
    a, b, c = ('a', 0.), ('b', 9.), ('c', 300.)
    metric = METRICS.build(dict(type='ct_mm.SOTMetric'))
    metric.process(None, [simple_sample(*sequence).to_dict() for sequence in (a, b, c)])
    alone = metric.evaluate(3)
    outcomes = evaluate_in_two_processes(
        tmp_path,
        ([b, a], [c, a]),  # MMEngine's loop: padded to equal shares
        ([c], [b, a]),
        ([], [c, a, b]),
        ([a], [b]))
    for outcome in outcomes:
        assert outcome[:3] == [alone] * 3
        assert outcome[3].startswith('ValueError: SOTMetric: 2 different sequences were scored, but there are 3')


def test_an_error_in_the_first_process_reaches_the_other(tmp_path):
    (tmp_path / 'occupied').write_text('')
    first, second = evaluate_in_two_processes(
        tmp_path, ([('a', 0.)], [('b', 0.), ('c', 0.)]), report_dir=str(tmp_path / 'occupied'))
    assert 'occupied' in first[0] and second[0].startswith('RuntimeError: SOTMetric: the first process')
