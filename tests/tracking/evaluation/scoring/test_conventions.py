"""What frames without a visible object count, worked out by hand for every convention and benchmark."""
import numpy as np
import pytest

from ct_mm.tracking.evaluation.scoring import conventions

BOX = [10., 20., 30., 40.]
BENCHMARKS = (None, 'lasot', 'lasot_ext', 'uav123', 'otb100', 'nfs', 'tnl2k', 'got10k', 'trackingnet')


def track(*frames):
    """Ten hits, then the frames given, each a pair (annotated box, visible), all predicted far away."""
    truth = np.array([BOX] * 10 + [box for box, _ in frames])
    visible = np.array([True] * 10 + [seen for _, seen in frames])
    prediction = truth.copy()
    prediction[10:] = [500., 500., 30., 40.]
    return prediction, truth, visible


def hits(frames, convention, benchmark):
    """How many frames count as hits in success at IoU > 0, precision and normalised precision, and what of."""
    prediction, truth, visible = track(*frames)
    score = conventions.score_sequence(prediction, truth, visible, (640, 360), convention, benchmark)
    shares = [score.curves[name][0 if name == 'success' else 20] for name in score.curves]
    length = 10 / shares[0]
    return [round(share * length, 9) for share in shares], round(length, 9)


FLAGGED = (BOX, False)  # an annotator called the object absent, and left a box
EMPTY = ([0., 0., 0., 0.], True)
NAN = ([np.nan] * 4, True)


@pytest.mark.parametrize('frame, benchmark, precision, norm_precision', [
    (FLAGGED, None, 10, 10),
    (FLAGGED, 'lasot', 10, 10),
    (FLAGGED, 'lasot_ext', 10, 11),
    (FLAGGED, 'uav123', 10, 10),
    (FLAGGED, 'tnl2k', 10, 10),
    *((frame, benchmark, precision, norm_precision) for frame in (EMPTY, NAN)
      for benchmark, precision, norm_precision in ((None, 10, 10), ('lasot', 10, 11), ('lasot_ext', 10, 11),
                                                   ('uav123', 11, 11), ('otb100', 10, 11), ('nfs', 10, 11),
                                                   ('tnl2k', 10, 11), ('got10k', 10, 11), ('trackingnet', 10, 11)))
])
def test_pytracking(frame, benchmark, precision, norm_precision):
    assert hits([frame], 'pytracking', benchmark) == ([10, precision, norm_precision], 11)


@pytest.mark.parametrize('benchmark', ['uav123', 'otb100', 'nfs', 'tnl2k', 'got10k', 'trackingnet'])
def test_pytracking_reads_no_flags_of_these_benchmarks(benchmark):
    prediction, truth, visible = track((BOX, False))
    prediction[10] = BOX
    score = conventions.score_sequence(prediction, truth, visible, benchmark=benchmark)
    assert score.precision == 100 and score.success == pytest.approx(100 * 20 / 21)


@pytest.mark.parametrize('benchmark', BENCHMARKS)
def test_pytracking_as_it_is_now_divides_by_what_is_visible(benchmark):
    counts, length = hits([EMPTY], 'pytracking_visible', benchmark)
    assert counts == hits([EMPTY], 'pytracking', benchmark)[0]
    assert length == (11 if benchmark in ('lasot', 'uav123') else 10)


def test_lasot_toolkit_rewards_what_is_not_flagged_and_has_no_box_above_zero():
    assert hits([FLAGGED], 'lasot', 'lasot') == ([10, 10, 10], 11)
    assert hits([EMPTY], 'lasot', 'lasot') == ([10, 11, 11], 11)
    assert hits([NAN], 'lasot', 'lasot') == ([10, 11, 11], 11)
    at_the_border = ([0., 20., 30., 40.], True)
    assert hits([at_the_border], 'lasot', 'lasot') == ([10, 11, 11], 11)
    assert hits([at_the_border], 'pytracking', 'lasot') == ([10, 10, 10], 11)
    assert hits([([1., 20., 30., 40.], True)], 'lasot', 'lasot') == ([10, 10, 10], 11)


def test_lasot_toolkit_leaves_a_curve_of_zeros_out_of_the_mean():
    prediction, truth, _ = track()
    good = conventions.score_sequence(prediction, truth, convention='lasot')
    truth[:, 0] = 0  # frame 0 as well
    bad = conventions.score_sequence(prediction, truth, convention='lasot')
    assert (bad.success, bad.precision) == (0, 100)
    summary = conventions.summarize([good, bad], 'lasot')
    assert summary['success'] == good.success and summary['precision'] == 100
    assert conventions.summarize([bad], 'lasot')['success'] == 0


def test_got10k_toolkit_counts_visible_frames_only():
    prediction, truth, visible = track(FLAGGED, EMPTY, (BOX, True))
    score = conventions.score_sequence(prediction, truth, visible, (640, 360), 'got10k', 'got10k')
    assert len(score.ious) == 10 and score.ao == pytest.approx(0.9)  # frames 1 to 9 and the last
    assert score.curves['success'][50] == pytest.approx(0.9) and set(score.curves) == {'success'}
    assert hits([EMPTY], 'got10k_otb', 'otb100') == ([10, 10], 11)
    assert hits([NAN], 'got10k_otb', 'otb100') == ([10, 10], 11)
    assert hits([NAN], 'got10k_otb', 'uav123') == ([10, 10], 10)


def test_means_are_over_sequences_or_over_frames():
    long, short = np.tile(BOX, (31, 1)), np.tile(BOX, (11, 1))
    scores = {
        convention: [
            conventions.score_sequence(long, long, convention=convention),
            conventions.score_sequence(short + [500, 0, 0, 0], short, convention=convention),
        ]
        for convention in conventions.names()
    }
    for convention, pair in scores.items():
        summary = conventions.summarize(pair, convention)
        assert summary['ao'] == summary['sr50'] == summary['sr75'] == pytest.approx(30 / 40)
        if convention == 'got10k':
            assert summary['success'] == pytest.approx(100 * 100 / 101 * 30 / 40)
        else:
            assert summary['success'] == pytest.approx((pair[0].success + pair[1].success) / 2)
            assert summary['precision'] == pytest.approx((100 + 100 / 11) / 2)


def test_a_sequence_without_a_frame_that_counts():
    prediction, truth, visible = track()
    visible[1:] = False
    score = conventions.score_sequence(prediction, truth, visible, convention='got10k', benchmark='got10k')
    assert score.ao is score.sr50 is score.sr75 is None
    assert 'ao' not in conventions.summarize([score], 'got10k')
    other = conventions.score_sequence(truth, truth, convention='got10k')
    assert conventions.summarize([score, other], 'got10k') == conventions.summarize([other], 'got10k')


def test_a_repeated_box_comes_before_frame_0_is_replaced_and_passes_over_nan():
    truth = np.tile(BOX, (4, 1))
    prediction = truth.copy()
    prediction[0] = [500., 500., 5., 5.]
    prediction[1, 2:] = 0
    for convention in ('pytracking', 'lasot'):
        assert conventions.score_sequence(prediction, truth, convention=convention).precision == 75
    truth[2], prediction[:] = np.nan, BOX
    prediction[2:] = [500., 500., 0., 0.]  # frame 3 repeats frame 2, which is not mended
    assert conventions.score_sequence(prediction, truth, convention='pytracking').precision == 50


def test_the_rule_that_applied_is_said():
    for benchmark in BENCHMARKS:
        for convention in conventions.names():
            assert repr(convention) in conventions.get(convention).describe(benchmark)
    describe = conventions.get('pytracking').describe
    assert 'no benchmark-specific rule' in describe() == describe('my_videos')
    assert 'a miss in success, a hit in precision and normalised precision' in describe('uav123')
    assert 'rule of lasot)' in describe('lasot')


def test_what_cannot_be_scored_is_named():
    prediction, truth, visible = track()
    with pytest.raises(ValueError, match="'walk'.*frame 3"):
        broken = prediction.copy()
        broken[3, 0] = np.nan
        conventions.score_sequence(broken, truth, visible, name='walk')
    with pytest.raises(ValueError, match='one of pytracking, .*got10k_otb, not .vot'):
        conventions.score_sequence(prediction, truth, convention='vot')
    with pytest.raises(ValueError, match='no sequence'):
        conventions.summarize([])
