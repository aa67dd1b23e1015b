"""Average overlaps of trackers of any kind."""
import numpy as np
import pytest

from ct_mm.deployment.int8.accuracy import accuracy_table, average_overlaps
from ct_mm.tracking.datasets.reading import FrameSequence


class Shifted:
    """Gives the first box again, so many pixels to the right."""

    def __init__(self, pixels):
        self.pixels = pixels

    def init(self, image, box):
        self.box = np.array(box) + [self.pixels, 0, 0, 0]

    def track(self, image):
        return self.box, 1.0


@pytest.fixture
def sequences(tmp_path):
    import cv2
    cv2.imwrite(str(tmp_path / 'a.png'), np.zeros((90, 120, 3), np.uint8))
    files = [str(tmp_path / 'a.png')] * 5
    return [FrameSequence(name, files[:length], np.tile([20., 20, 40, 30], (length, 1)))
            for name, length in (('long', 5), ('short', 2))]


def test_overlaps_by_sequence_and_over_all_frames(sequences):
    done = []
    overlaps = average_overlaps({'exact': Shifted(0), 'off': Shifted(20)}, sequences, done.append)
    assert done == list(range(1, 8))
    assert overlaps['exact']['long'] == overlaps['exact']['all'] == pytest.approx(1)
    # Half of each box: a third of both. GOT-10k overlaps treat boxes as continuous.
    assert overlaps['off']['short'] == pytest.approx(1 / 3, abs=0.02)


def test_two_trackers_have_a_change_between_them(sequences):
    overlaps = average_overlaps({'exact': Shifted(0), 'off': Shifted(20)}, sequences)
    rows = [[cell.strip() for cell in line.split('|')[1:-1]] for line in accuracy_table(overlaps).split('\n')]
    assert rows[0] == ['sequence', 'exact', 'off', 'change']
    assert [row[0] for row in rows[2:]] == ['long', 'short', 'all']
    assert float(rows[-1][3]) == pytest.approx(overlaps['off']['all'] - 1, abs=1e-3)
    assert 'change' not in accuracy_table(dict(exact=overlaps['exact']))
