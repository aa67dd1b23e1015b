"""Success and precision plots."""
import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_rgb

from ct_mm.tracking.evaluation.reports import score_plots
from ct_mm.tracking.evaluation.reports.score_plots import choose_styles, plot_attributes, plot_curves, save_figure


@pytest.fixture
def figure():
    curves = dict(weak=np.linspace(0.5, 0, 21), strong=np.linspace(1, 0, 21))
    labels = dict(strong='[50.00] strong', weak='[25.00] weak')
    return plot_curves('success', np.arange(21) / 20, curves, labels, 'Toys')


def test_lines_hold_the_curves_and_the_legend_its_order(figure):
    axes = figure.axes[0]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ['[50.00] strong', '[25.00] weak']
    lines = {line.get_label(): line for line in axes.get_lines()}
    np.testing.assert_allclose(lines['[25.00] weak'].get_ydata(), np.linspace(50, 0, 21))
    assert lines['[25.00] weak'].get_color() == choose_styles(['weak', 'strong'])['weak']['color']
    assert axes.get_title() == 'Success on Toys'


def test_styles_depend_on_the_place_and_can_be_told_apart():
    names = [f't{i}' for i in range(28)]
    styles = choose_styles(names)
    assert len({(style['color'], style['linestyle']) for style in styles.values()}) == 28
    assert choose_styles(names[:3])['t2'] == styles['t2']
    luminance = [np.dot(to_rgb(styles[name]['color']), (0.2126, 0.7152, 0.0722)) for name in names[:7]]
    assert max(luminance) < 0.7, 'visible on a white ground'
    with pytest.raises(ValueError, match='at most 28 trackers'):
        choose_styles([*names, 'one more'])


def test_a_dot_for_each_tracker_and_attribute():
    scores, attributes = dict(a=[50, 60.5], b=[40, np.nan]), {'Fast Motion': 12, 'Out of View': 3}
    figure = plot_attributes(scores, attributes, 'success', 'Toys')
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ['Fast Motion (12)', 'Out of View (3)']
    np.testing.assert_array_equal(axes.get_lines()[0].get_xdata(), [50, 60.5])
    np.testing.assert_array_equal(axes.get_lines()[0].get_ydata(), [0, 1])


def test_files_are_the_same_each_time_and_whole(figure, tmp_path, monkeypatch):
    files = save_figure(figure, tmp_path / 'a' / 'v1.success')
    assert [file.name for file in files] == ['v1.success.png', 'v1.success.pdf']
    assert files[0].read_bytes()[:4] == b'\x89PNG' and files[1].read_bytes()[:5] == b'%PDF-'
    again = save_figure(figure, tmp_path / 'b' / 'v1.success')
    assert [file.read_bytes() for file in files] == [file.read_bytes() for file in again]
    assert b'CreationDate' not in files[1].read_bytes()

    def fail(self, path, **keywords):
        path.write_bytes(b'half')
        raise OSError('disk full')

    monkeypatch.setattr(matplotlib.figure.Figure, 'savefig', fail)
    with pytest.raises(OSError, match='disk full'):
        save_figure(figure, tmp_path / 'c' / 'x')
    assert not list((tmp_path / 'c').iterdir())


def test_the_state_of_pyplot_is_left_alone(figure, tmp_path):
    before = dict(matplotlib.rcParams)
    save_figure(figure, tmp_path / 'x')
    assert dict(matplotlib.rcParams) == before
    assert 'pyplot' not in vars(score_plots)
