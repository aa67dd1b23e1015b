import numpy as np
import pytest

from ct_mm.tracking.datasets.benchmarks import SequenceFolder
from ct_mm.tracking.evaluation import ResultFolder, TrackedSequences
from ct_mm.tracking.evaluation.results.tracked_sequences import balanced_shares


class Walker:
    """Says that the target moves by a third of a pixel in each frame, and remembers which sequences it was given."""

    def __init__(self, change=lambda boxes: boxes):
        self.tracked, self.change = [], change

    def track_sequence(self, frames):
        self.tracked.append(frames.name)
        boxes = [frames.boxes[0] + index / 3 for index, _ in enumerate(frames)]
        return self.change(np.stack(boxes)), np.ones(len(boxes))


@pytest.fixture
def make(data_root, tmp_path):
    """Builds the tracks of ``left`` (6 frames) and ``right`` (4)."""

    def build(tracker=None, layout='plain'):
        return TrackedSequences(tracker or Walker(), SequenceFolder(data_root), ResultFolder(tmp_path / 'out', layout))

    return build


def test_an_item_is_tracked_once_and_then_read_from_its_file(make):
    tracker = Walker()
    first = make(tracker)[0]
    assert first['name'] == 'left' and first['boxes'].shape == (6, 4) and first['seconds'] > 0
    again = make(tracker)[0]
    assert tracker.tracked == ['left'] and again['seconds'] == 0
    np.testing.assert_array_equal(again['boxes'], first['boxes'])  # what was scored once is scored again
    np.testing.assert_array_equal(first['boxes'][4], np.round([60 + 4 / 3, 40 + 4 / 3, 30 + 4 / 3, 24 + 4 / 3], 4))


def test_only_the_missing_are_missing(make):
    tracked = make()
    assert tracked.missing() == [0, 1] and len(tracked) == 2
    tracked[1]
    assert tracked.missing() == [0]


def test_every_file_that_cannot_be_used_is_named_at_once(make):
    tracked = make()
    tracked[0], tracked[1]
    left, right = (tracked.results.file_of(name) for name in ('left', 'right'))
    left.write_text(left.read_text()[:40])
    right.write_text('9,9,9,9\n' + right.read_text().split('\n', 1)[1])
    with pytest.raises(ValueError, match=r'(?s)2 of the tracks.*left.txt:\d.*right.txt:1: the track starts at \[9.0, .*'
                       r'the sequence at \[60.0, .*Delete them'):
        tracked.missing()


def test_the_layout_of_got10k_gets_a_time_for_each_frame(make):
    tracked = make(layout='got10k')
    tracked[1]
    times = np.loadtxt(tracked.results.path / 'right' / 'right_time.txt')
    assert times.shape == (4, ) and (times >= 0).all()


@pytest.mark.parametrize('change, message', [
    (lambda boxes: boxes[1:], r"'right': a track must have 4 boxes and start .*Walker.track_sequence returned 3"),
    (lambda boxes: boxes + 1, r"'right': .*start with \[60.0, 40.0, 30.0, 24.0\].*starting with \[\[.*61.0"),
    (lambda boxes: boxes[:0], r"'right': .*Walker.track_sequence returned 0"),
    (lambda boxes: np.where(np.arange(4)[:, None] == 2, np.nan, boxes), r"'right': .*frame 2"),
])
def test_a_track_that_is_none_is_not_written(make, change, message):
    tracked = make(Walker(change))
    with pytest.raises(ValueError, match=message):
        tracked[1]
    assert tracked.missing() == [0, 1]


def test_what_cannot_be_tracked_is_refused_at_once(make, data_root, tmp_path):
    tracked = make()
    with pytest.raises(ValueError, match='dict is not a tracker: it has no track_sequence'):
        TrackedSequences({}, tracked.dataset, tracked.results)
    with pytest.raises(ValueError, match='test_dataloader.dataset: list is not a set of sequences'):
        TrackedSequences(Walker(), [], tracked.results)

    class Twins(SequenceFolder):
        names = ['left', 'left']

    with pytest.raises(ValueError, match="two sequences are named 'left'"):
        TrackedSequences(Walker(), Twins(data_root), tracked.results)


@pytest.mark.parametrize('parts', [1, 2, 3, 8])
def test_shares_are_whole_disjoint_and_balanced(parts):
    lengths = np.random.default_rng(parts).integers(20, 3000, 41)
    shares = balanced_shares(lengths, parts)
    assert sorted(index for share in shares for index in share) == list(range(41)) and len(shares) == parts
    assert all(list(lengths[share]) == sorted(lengths[share], reverse=True) for share in shares)
    assert max(lengths[share].sum() for share in shares) <= 4 / 3 * max(lengths.sum() / parts, lengths.max())
    assert shares == balanced_shares(list(lengths), parts)


def test_more_parts_than_sequences():
    assert balanced_shares([5, 7], 4) == [[1], [0], [], []]
    assert balanced_shares([], 2) == [[], []]
