"""Tables for people and for programs."""
import csv
import io
import math

from ct_mm.tracking.evaluation.reports.result_tables import csv_table, markdown_table, number


def test_a_markdown_table_is_aligned_and_a_bar_in_a_name_is_no_column():
    lines = markdown_table(('name', 'n'), [('a|b', '1'), ('c', '100')]).splitlines()
    assert lines == ['| name |   n |', '| ---- | --: |', '| a\\|b |   1 |', '| c    | 100 |']


def test_numbers_survive_a_csv_table_and_what_is_not_known_stays_empty():
    text = csv_table(('name', 'score'), [('a, "b"', 0.1 + 0.2), ('c', math.nan)])
    rows = list(csv.reader(io.StringIO(text)))
    assert rows[1][0] == 'a, "b"' and float(rows[1][1]) == 0.1 + 0.2 and rows[2] == ['c', '']
    assert number(math.nan, '.2f') == '-' and number(1.005, '+.1f') == '+1.0'
