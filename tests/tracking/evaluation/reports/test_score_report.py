"""The report of several trackers."""
import csv

import pytest

from ct_mm.tracking.evaluation.reports.score_report import write_score_report
from ct_mm.tracking.evaluation.reports.score_sheet import ScoreSheet
from ct_mm.tracking.evaluation.results.saved_tracks import SavedTracks

LENGTHS = dict(short=3, middle=5, long=11)


def read(path):
    with open(path, newline='', encoding='utf-8') as stream:
        return list(csv.DictReader(stream))


@pytest.fixture
def folders(toy_set, write_results):
    dataset = toy_set(LENGTHS, attributes=dict(short=('Fast Motion', ), long=('Fast Motion', 'Out of View')))
    return dataset, dict(far=write_results('far', dataset, 8), near=write_results('near', dataset, 2))


def test_tables_hold_the_scores(folders, tmp_path):
    sheet = ScoreSheet(SavedTracks(*folders))
    files = write_score_report(sheet, tmp_path / 'out', 'Toys', ['success.png'])
    assert sorted(file.name for file in files) == ['attributes.csv', 'report.md', 'scores.csv', 'sequences.csv']
    scores = read(tmp_path / 'out' / 'scores.csv')
    assert [row['tracker'] for row in scores] == ['near', 'far']
    assert float(scores[0]['success']) == sheet.summary('near')['success'] and scores[0]['sequences'] == '3'
    rows = read(tmp_path / 'out' / 'sequences.csv')
    assert len(rows) == 6 and rows[4]['sequence'] == 'long' and rows[4]['attributes'] == 'Fast Motion; Out of View'
    assert float(rows[5]['ao']) == sheet.each('near', 'ao')[2]
    assert [row['sequences'] for row in read(tmp_path / 'out' / 'attributes.csv')] == ['2', '2', '1', '1']
    text = (tmp_path / 'out' / 'report.md').read_text()
    assert text.startswith('# 2 trackers on Toys\n\n3 sequences, 19 frames. ') and '![success](success.png)' in text
    far, near = (sheet.each(tracker, 'success')[1] for tracker in ('far', 'near'))
    assert f'| middle   |      5 | {far:.2f} | {near:.2f} |' in text
    assert 'left out' not in text


def test_a_report_on_common_sequences_says_so(folders, tmp_path):
    dataset, paths = folders
    (paths['far'] / 'middle.txt').unlink()
    sheet = ScoreSheet(SavedTracks(dataset, paths, common_only=True))
    write_score_report(sheet, tmp_path / 'out', 'Toys')
    text = (tmp_path / 'out' / 'report.md').read_text()
    assert 'Not the benchmark: 1 of 3 sequences are left out' in text and 'middle (far)' in text
