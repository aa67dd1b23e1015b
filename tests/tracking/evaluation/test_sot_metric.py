import numpy as np
import pytest
import torch
from mmengine.evaluator import Evaluator
from mmengine.structures import InstanceData

from ct_mm.registry import METRICS
from ct_mm.tracking.structures import TrackDataSample

KEYS = ('sot/success', 'sot/precision', 'sot/norm_precision', 'sot/ao', 'sot/sr50', 'sot/sr75')


def make_sample(name, prediction, truth, visible=None, size=(640, 360)):
    visible = np.ones(len(truth), bool) if visible is None else visible.astype(bool)
    sample = TrackDataSample(
        metainfo=dict(sequence_name=name, gt_boxes=truth, visible=visible, image_size=tuple(int(v) for v in size)))
    sample.pred_track_instances = InstanceData(
        bboxes=torch.as_tensor(prediction, dtype=torch.float64), scores=torch.ones(len(prediction)))
    return sample


def simple_sample(name='walk', shift=0.):
    truth = np.tile([10., 20., 30., 40.], (4, 1))
    return make_sample(name, truth + [shift, 0, 0, 0], truth)


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


def test_table_has_one_row_per_sequence_and_the_means(monkeypatch):
    lines = []
    monkeypatch.setattr('ct_mm.tracking.evaluation.sot_metric.print_log', lambda text, **_: lines.append(text))
    metric = METRICS.build(dict(type='ct_mm.SOTMetric'))
    metric.process(None, [simple_sample('b').to_dict(), simple_sample('a', 300.).to_dict()])
    metric.evaluate(2)
    rows = [line.split() for line in lines[0].strip().splitlines()]
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
