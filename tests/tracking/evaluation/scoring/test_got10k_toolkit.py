"""Agreement with the package got10k 0.1.3, whose own reports are run on the same tracks."""
import importlib
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from ct_mm.tracking.evaluation.scoring import conventions

pytestmark = pytest.mark.slow
TRACKERS = ('csrt', 'nanotrack_v2')


@pytest.fixture(scope='module')
def toolkit(tmp_path_factory):
    """The experiments of the package, installed beside everything else."""
    folder = tmp_path_factory.mktemp('got10k')
    command = [sys.executable, '-m', 'pip', 'install', '--quiet', '--no-deps', '--target', str(folder)]
    result = subprocess.run([*command, 'got10k==0.1.3', 'shapely', 'six', 'wget'], capture_output=True, text=True,
                            timeout=300)
    if result.returncode and 'from versions: none' in result.stderr:
        pytest.skip(f'no package index that has got10k: {result.stderr.strip().splitlines()[-1]}')
    assert result.returncode == 0, result.stderr
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('MPLBACKEND', 'agg')
        patch.syspath_prepend(str(folder))
        experiments = importlib.import_module('got10k.experiments')
        for name in ('ExperimentGOT10k', 'ExperimentOTB', 'ExperimentUAV123'):
            patch.setattr(getattr(experiments, name), 'plot_curves', lambda *_: None)
        yield experiments


@pytest.fixture(scope='module')
def cases(reference):
    """Real tracks, and the same disturbed: other sizes, boxes outside the image, empty boxes, absent objects."""
    numbers, random = reference('metrics_reference'), np.random.default_rng(0)
    cases = []
    for name in sorted({key.split('/')[0] for key in numbers if key.endswith('/groundtruth')}):
        truth, size = numbers[f'{name}/groundtruth'].astype(float), tuple(map(int, numbers[f'{name}/image_size_wh']))
        for copy in range(3):
            cover = np.full(len(truth), 8)
            tracks = {tracker: numbers[f'{name}/{tracker}/prediction'].astype(float) for tracker in TRACKERS}
            shifted = truth.copy()
            if copy:
                cover[random.random(len(truth)) < 0.1] = 0
                shifted[cover == 0, 2:] *= copy == 1  # absent with a box that is empty, and with one that is not
                shifted[:, :2] -= shifted[0, :2] * (copy == 2)  # over the border from frame 0 on
                cover[0], shifted[0, 2:] = 8, truth[0, 2:]
                for track in tracks.values():
                    track[1:, :2] += random.normal(0, 8, (len(track) - 1, 2))
                    track[1:, 2:] *= random.uniform(0.5, 2, (len(track) - 1, 2))
                    track[1:][random.random(len(track) - 1) < 0.05, :2] += random.choice([-1, 1]) * 1000
                    track[1:][random.random(len(track) - 1) < 0.05, 2:] = 0
                    track[:, :2] -= truth[0, :2] * (copy == 2)
            cases.append(
                SimpleNamespace(name=f'{name}_{copy}', truth=shifted, size=size, cover=cover, tracks=tracks,
                                visible=cover > 0))
    return cases


def score(case, tracker, convention, benchmark, truth=None):
    truth = case.truth if truth is None else truth
    visible = case.visible if benchmark == 'got10k' else None
    return conventions.score_sequence(case.tracks[tracker], truth, visible, case.size, convention, benchmark, case.name)


def test_report_on_got10k(toolkit, cases, tmp_path):
    folder = tmp_path / 'data' / 'val'
    for case in cases:
        sequence = folder / case.name
        sequence.mkdir(parents=True)
        for frame in range(len(case.truth)):
            (sequence / f'{frame + 1:08d}.jpg').touch()
        np.savetxt(sequence / 'groundtruth.txt', case.truth, fmt='%.17g', delimiter=',')
        for label in ('cover', 'absence', 'cut_by_image'):
            np.savetxt(sequence / f'{label}.label', case.cover, fmt='%d')
        (sequence / 'meta_info.ini').write_text(f'[METAINFO]\nresolution: {case.size}\n')
        for tracker in TRACKERS:
            results = tmp_path / 'results' / 'GOT-10k' / tracker / case.name
            results.mkdir(parents=True)
            np.savetxt(results / f'{case.name}_001.txt', case.tracks[tracker], fmt='%.17g', delimiter=',')
            np.savetxt(results / f'{case.name}_time.txt', np.ones(len(case.truth)))
    (folder / 'list.txt').write_text('\n'.join(case.name for case in cases))
    experiment = toolkit.ExperimentGOT10k(
        str(tmp_path / 'data'), 'val', str(tmp_path / 'results'), str(tmp_path / 'reports'))
    performance = experiment.report(TRACKERS)
    for tracker in TRACKERS:
        scores = [score(case, tracker, 'got10k', 'got10k') for case in cases]
        for ours in scores:
            theirs = performance[tracker]['seq_wise'][ours.name]
            assert (ours.ao, ours.sr50) == pytest.approx((theirs['ao'], theirs['sr']), rel=1e-12)
        summary, theirs = conventions.summarize(scores, 'got10k'), performance[tracker]['overall']
        assert 0 < summary['sr75'] < summary['sr50'] < 1
        assert summary['ao'] == pytest.approx(theirs['ao'], rel=1e-12)
        assert summary['sr50'] == pytest.approx(theirs['sr'], rel=1e-12)
        assert summary['sr75'] == pytest.approx(theirs['succ_curve'][75], rel=1e-12)
        curves = conventions.mean_curves(scores, 'got10k')
        np.testing.assert_allclose(curves['success'], theirs['succ_curve'], rtol=0, atol=1e-12)


@pytest.mark.parametrize('benchmark, experiment_name', [('otb100', 'ExperimentOTB'), ('uav123', 'ExperimentUAV123')])
def test_report_on_otb_and_uav123(toolkit, cases, tmp_path, benchmark, experiment_name):
    truths = []
    for case in cases:
        truth = case.truth.copy()
        if benchmark == 'uav123':
            truth[~case.visible] = np.nan
        truths.append(truth)
        for tracker in TRACKERS:
            (tmp_path / tracker).mkdir(exist_ok=True)
            np.savetxt(tmp_path / tracker / f'{case.name}.txt', case.tracks[tracker], fmt='%.17g', delimiter=',')

    class Data:
        seq_names = [case.name for case in cases]

        def __len__(self):
            return len(cases)

        def __getitem__(self, index):
            return None, truths[index]

    experiment = object.__new__(getattr(toolkit, experiment_name))  # its own data set would be downloaded
    vars(experiment).update(
        dataset=Data(), result_dir=str(tmp_path), report_dir=str(tmp_path / 'report'), nbins_iou=21, nbins_ce=51)
    performance = experiment.report(TRACKERS)
    for tracker in TRACKERS:
        scores = [score(case, tracker, 'got10k_otb', benchmark, truth) for case, truth in zip(cases, truths)]
        for ours in scores:
            theirs = performance[tracker]['seq_wise'][ours.name]
            for curve in ('success', 'precision'):
                np.testing.assert_allclose(ours.curves[curve], theirs[f'{curve}_curve'], rtol=0, atol=1e-12)
                assert getattr(ours, curve) == pytest.approx(100 * theirs[f'{curve}_score'], rel=1e-12)
        summary = conventions.summarize(scores, 'got10k_otb')
        for curve in ('success', 'precision'):
            assert summary[curve] == pytest.approx(100 * performance[tracker]['overall'][f'{curve}_score'], rel=1e-12)
