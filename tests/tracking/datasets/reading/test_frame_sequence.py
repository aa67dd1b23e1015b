import pickle

import cv2
import numpy as np
import pytest
from mmengine.dataset import pseudo_collate

from ct_mm.tracking.datasets.reading import FrameSequence

BOXES = np.tile([4., 4., 10., 10.], (5, 1))


def paint(number):
    """A frame whose brightness tells its number and whose left half is red, RGB."""
    image = np.full((32, 48, 3), 40 + 30 * number, np.uint8)
    image[:, :24] = (200, 0, 0)
    return image


def brightness(image):
    return round((float(image[:, 30:].mean()) - 40) / 30)


@pytest.fixture
def images(tmp_path):
    paths = [tmp_path / f'{number:08d}.png' for number in range(5)]
    for number, path in enumerate(paths):
        cv2.imwrite(str(path), paint(number)[..., ::-1])
    return paths


@pytest.fixture
def video(tmp_path):
    path = tmp_path / 'walk.avi'
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'MJPG'), 10, (48, 32))
    if not writer.isOpened():
        pytest.skip('this OpenCV cannot write MJPG videos')
    for number in range(5):
        writer.write(np.ascontiguousarray(paint(number)[..., ::-1]))
    writer.release()
    return path


def test_frames_of_images(images):
    sequence = FrameSequence('walk', images, BOXES)
    np.testing.assert_array_equal(sequence[3], paint(3))
    np.testing.assert_array_equal(sequence[-1], paint(4))
    assert len(sequence) == 5 and sequence.image_size == (48, 32)
    assert [brightness(image) for image in sequence] == [0, 1, 2, 3, 4]
    with pytest.raises(IndexError, match='5 frames'):
        sequence[5]


def test_opened_frames_are_read_on_access(images, video):
    sequence = FrameSequence('walk', images, BOXES)
    images[1].unlink()
    missing = sequence.open_frame(1)
    with pytest.raises(FileNotFoundError, match='00000001.png'):
        missing.shape
    np.testing.assert_array_equal(sequence.open_frame(-1)[3:9, 20:30], paint(4)[3:9, 20:30])
    with pytest.raises(IndexError, match='5 frames'):
        sequence.open_frame(5)
    recorded = FrameSequence('walk', video, BOXES)
    np.testing.assert_array_equal(recorded.open_frame(2), recorded[2])


def test_video_frames_are_rgb_in_order_and_the_same_at_random_access(video):
    sequence = FrameSequence('walk', video, BOXES)
    frames = list(sequence)
    assert [brightness(image) for image in frames] == [0, 1, 2, 3, 4]
    assert frames[0][:, :20, 0].mean() > 150 > 60 > frames[0][:, :20, 2].mean()  # red, not blue
    for index in (3, 0, 4, -1):
        np.testing.assert_array_equal(sequence[index], frames[index])
    assert sequence.image_size == (48, 32)
    sequence.check_length()


def test_random_access_to_a_compressed_video_is_frame_exact(shared):
    path = shared / 'data' / 'videos' / '01_dog.mp4'
    capture = cv2.VideoCapture(str(path))
    for _ in range(38):
        frame = capture.read()[1]
    capture.release()
    sequence = FrameSequence('dog', path, np.ones((40, 4)))
    np.testing.assert_array_equal(sequence[37], frame[..., ::-1])


@pytest.mark.parametrize('count', [4, 6])
def test_a_video_with_another_number_of_frames_than_boxes_is_an_error(video, count):
    sequence = FrameSequence('walk', video, np.tile(BOXES[:1], (count, 1)))
    with pytest.raises(OSError, match=rf'walk\.avi.*5 frames could.*{count} boxes'):
        list(sequence)
    with pytest.raises(OSError, match=rf'walk\.avi.*5 frames could.*{count} boxes'):
        sequence.check_length()


def test_a_truncated_video_names_the_frame(video):
    data = video.read_bytes()
    video.write_bytes(data[:len(data) // 2])
    sequence = FrameSequence('walk', video, BOXES)
    with pytest.raises(OSError, match=r'walk\.avi(: frame \d|: OpenCV cannot open)'):
        list(sequence)
    with pytest.raises(OSError, match=r'walk\.avi(: frame \d|: OpenCV cannot open)'):
        sequence[4]


def test_wrong_arguments_are_named(images, tmp_path):
    with pytest.raises(ValueError, match=r"'walk': 4 frames but 5 boxes"):
        FrameSequence('walk', images[:4], BOXES)
    with pytest.raises(ValueError, match='visible'):
        FrameSequence('walk', images, BOXES, visible=[True])
    with pytest.raises(ValueError, match=r'\(T, 4\)'):
        FrameSequence('walk', images, BOXES[0])
    with pytest.raises(FileNotFoundError, match='none.mp4'):
        FrameSequence('walk', tmp_path / 'none.mp4', BOXES)


def test_invalid_boxes_are_invisible_by_default(images):
    boxes = BOXES.copy()
    boxes[1] = np.nan
    boxes[2, 2] = 0
    assert FrameSequence('walk', images, boxes).visible.tolist() == [True, False, False, True, True]


def test_a_missing_frame_is_named(images):
    images[2].unlink()
    with pytest.raises(FileNotFoundError, match='00000002.png'):
        list(FrameSequence('walk', images, BOXES))


def test_collate_keeps_it_whole_and_it_can_be_pickled(video):
    sequence = FrameSequence('walk', video, BOXES)
    sequence[0]
    assert brightness(pickle.loads(pickle.dumps(sequence))[2]) == 2
    assert pseudo_collate([dict(video=sequence)])['video'] == [sequence]
