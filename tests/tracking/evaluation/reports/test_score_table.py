import csv
import io

import numpy as np
import pytest

from ct_mm.tracking.evaluation.reports.score_table import ScoreTable
from ct_mm.tracking.evaluation.scoring import conventions

TRUTH = np.tile([10., 20., 30., 40.], (5, 1))


def make_table(count=3, convention='pytracking', attributes=(('Fast Motion', 'Blur'), ('Fast Motion', ), ())):
    scores = [
        conventions.score_sequence(TRUTH + [12. * i, 0, 0, 0], TRUTH, convention=convention, name=f'walk{i:02d}')
        for i in range(count)
    ]
    attributes = [*attributes, *[None] * count][:count]
    return scores, ScoreTable(scores, attributes, convention)


def test_attributes_are_the_benchmark_on_their_sequences():
    scores, table = make_table()
    rows = {row['name']: row for row in csv.DictReader(io.StringIO(table.csv()))}
    assert list(rows) == ['all', 'Blur', 'Fast Motion', 'walk00', 'walk01', 'walk02']
    for name, chosen in (('all', scores), ('Fast Motion', scores[:2]), ('Blur', scores[:1]), ('walk01', scores[1:2])):
        for key, value in conventions.summarize(chosen).items():
            assert float(rows[name][key]) == value  # unrounded
        assert (int(rows[name]['sequences']), int(rows[name]['frames'])) == (len(chosen), 5 * len(chosen))
    assert rows['all']['kind'] == 'all' and rows['Blur']['kind'] == 'attribute' and rows['walk00']['kind'] == 'sequence'
    starts = [line.split()[:2] for line in table.text().splitlines()]
    assert ['attribute', 'frames'] in starts and ['Blur', '(1)'] in starts


@pytest.mark.parametrize('convention, keys', [('pytracking', 6), ('got10k', 4), ('got10k_otb', 5)])
def test_columns_are_those_of_the_convention(convention, keys):
    _, table = make_table(convention=convention, attributes=())
    assert len(table.text().splitlines()[1].split()) == 2 + keys
    assert len(table.csv().splitlines()[0].split(',')) == 4 + keys
    assert 'attribute' not in table.text() and 'attribute' not in table.markdown()
    assert repr(convention) in table.text() and repr(convention) in table.markdown()


def test_many_sequences_are_in_the_files_only(tmp_path):
    _, table = make_table(31)
    assert 'walk07' not in table.text() and 'all 31 sequences' in table.text() and 'Fast Motion (2)' in table.text()
    assert make_table(30)[1].text().count('walk') == 30
    paths = table.write(tmp_path / 'report')
    assert [path.name for path in paths] == ['scores.md', 'scores.csv'] == [
        path.name for path in sorted((tmp_path / 'report').iterdir(), reverse=True)]
    for path in paths:
        assert path.read_text().count('walk') == 31


def test_a_score_that_does_not_exist_is_a_dash_or_an_empty_cell():
    visible = np.arange(5) == 0
    score = conventions.score_sequence(TRUTH, TRUTH, visible, name='gone')
    table = ScoreTable([score], [None], 'pytracking')
    assert table.text().splitlines()[2].split()[-3:] == ['-', '-', '-']
    assert table.csv().splitlines()[1].endswith(',,,') and 'ao' not in table.summary
