import numpy as np
import pytest
import torch
from mmengine.config import Config

from ct_mm.registry import MODELS
from ct_mm.tracking.inference import inference_sot, init_model, track_video


class RunsCode:
    def __reduce__(self):
        return print, ('this must never be printed', )


def test_a_model_from_its_files(tracker_files, make_tracker):
    config, checkpoint = tracker_files(seed=3)
    model = init_model(config, checkpoint)
    expected = make_tracker(seed=3).state_dict()
    assert not model.training and model.cfg.model.type == 'ct_mm.OSTrack'
    assert all(torch.equal(value, expected[key]) for key, value in model.state_dict().items())


def test_a_model_from_a_config_object_needs_no_file(tiny_model):
    assert len(init_model(Config(dict(model=tiny_model(3)))).backbone.blocks) == 3


def test_types_without_scope_are_those_of_the_default_scope(tiny_model):
    model = tiny_model()
    model['type'] = 'OSTrack'
    assert init_model(Config(dict(model=model, default_scope='ct_mm'))).window.shape[-1] == 8


def test_a_config_inside_the_package():
    assert len(init_model('ct_mm::configs/quickstart/tiny_tracker.py').backbone.blocks) == 12


def test_weights_that_do_not_fit_are_named(tracker_files):
    shallow, deep = tracker_files('shallow', depth=1), tracker_files('deep', depth=2)
    with pytest.raises(ValueError, match=r'shallow.pth do not fit .*deep.py: \d+ missing \(backbone.blocks.1.*, \.\.'):
        init_model(deep[0], shallow[1])
    with pytest.raises(ValueError, match=r'deep.pth do not fit .*shallow.py: \d+ not in the model \(backbone.blocks.1'):
        init_model(shallow[0], deep[1])


def test_weights_of_another_width_are_named(tracker_files, tmp_path):
    config, checkpoint = tracker_files()
    weights = torch.load(checkpoint)['state_dict']
    weights['backbone.norm.weight'] = torch.ones(16)
    torch.save(weights, checkpoint)
    with pytest.raises(ValueError, match=r'1 of another shape \(backbone.norm.weight: shape \(16,\) in the '
                                         r'checkpoint, \(32,\) in the model\)'):
        init_model(config, checkpoint)


def test_the_training_checkpoint_of_a_compression_leads_to_the_student(tracker_files, tmp_path):
    config, checkpoint = tracker_files()
    weights = torch.load(checkpoint)['state_dict']
    torch.save({f'student.{key}': value for key, value in weights.items()}, checkpoint)
    with pytest.raises(ValueError, match='student/student.pth'):
        init_model(config, checkpoint)


def test_a_checkpoint_never_runs_code(tracker_files, tmp_path, capsys):
    config, _ = tracker_files()
    torch.save(dict(state_dict=RunsCode()), tmp_path / 'bad.pth')
    with pytest.raises(ValueError, match='bad.pth holds more than tensors'):
        init_model(config, tmp_path / 'bad.pth')
    assert capsys.readouterr().out == ''


def test_missing_files_and_configs_without_a_tracker(tracker_files, tmp_path):
    config, _ = tracker_files()
    with pytest.raises(FileNotFoundError, match='nowhere.py does not exist'):
        init_model(tmp_path / 'nowhere.py')
    with pytest.raises(FileNotFoundError, match='nowhere.pth does not exist'):
        init_model(config, tmp_path / 'nowhere.pth')
    with pytest.raises(ValueError, match='has no `model`'):
        init_model(Config(dict(lr=1)))

    @MODELS.register_module(name='NoTracker', force=True)
    class NoTracker(torch.nn.Module):
        pass

    with pytest.raises(ValueError, match='NoTracker is no tracker.*student.py'):
        init_model(Config(dict(model=dict(type='ct_mm.NoTracker'))))


def test_frames_one_by_one_are_what_the_tracker_does(make_tracker, sequences):
    sequence, tracker, same = sequences[0], make_tracker(), make_tracker()
    boxes, scores = same.track_sequence(sequence)
    for frame_id, image in enumerate(sequence):
        sample = inference_sot(tracker, image, sequence.boxes[0] if frame_id == 0 else None, frame_id)
        result = sample.pred_track_instances
        assert result.bboxes.shape == (1, 4) and sample.frame_id == frame_id
        np.testing.assert_array_equal(result.bboxes[0].numpy(), boxes[frame_id])  # xywh, as the tracker's
        assert float(result.scores) == pytest.approx(scores[frame_id])


def test_results_of_earlier_frames_stay_what_they_were(make_tracker, sequences):
    tracker, box = make_tracker(), sequences[0].boxes[0].copy()
    first = inference_sot(tracker, sequences[0][0], box, 0)
    second = inference_sot(tracker, sequences[0][1], None, 1).pred_track_instances.bboxes
    kept = second.clone()
    inference_sot(tracker, sequences[0][2], None, 2)
    assert torch.equal(second, kept)
    np.testing.assert_array_equal(first.pred_track_instances.bboxes[0].numpy(), box)


def test_a_video_of_any_iterable(make_tracker, sequences):
    done = []
    boxes, scores = track_video(make_tracker(), iter(sequences[1]), sequences[1].boxes[0], done.append)
    expected = make_tracker().track_sequence(sequences[1])
    np.testing.assert_array_equal(boxes, expected[0])
    np.testing.assert_allclose(scores, expected[1], rtol=1e-6)
    assert done == [1, 2, 3, 4]
    with pytest.raises(ValueError, match='no frame'):
        track_video(make_tracker(), [], sequences[1].boxes[0])


@pytest.mark.parametrize('image', [np.zeros((9, 9), np.uint8), np.zeros((9, 9, 3)), torch.zeros(3, 9, 9), 'a.jpg'])
def test_what_is_no_image_is_refused(make_tracker, image):
    with pytest.raises(ValueError, match='frame 4 must be a numpy array, RGB uint8'):
        inference_sot(make_tracker(), image, None, 4)


@pytest.mark.parametrize('box, frame_id, message', [(None, 0, 'needs init_bbox'), ([1, 2, 3], 0, 'four numbers'),
                                                    ([1, 2, 0, 4], 0, 'has no area'), (None, -1, 'must be 0')])
def test_a_wrong_start_is_refused(make_tracker, box, frame_id, message):
    with pytest.raises(ValueError, match=message):
        inference_sot(make_tracker(), np.zeros((40, 40, 3), np.uint8), box, frame_id)


def test_bfloat16_is_close_and_leaves_the_weights_alone(tracker_files, sequences):
    files = tracker_files()
    exact, rounded = init_model(*files), init_model(*files, precision='bf16')
    boxes, scores = zip(*(track_video(tracker, sequences[0], sequences[0].boxes[0]) for tracker in (exact, rounded)))
    assert not np.array_equal(scores[0], scores[1])
    np.testing.assert_allclose(scores[0], scores[1], atol=0.05)
    assert all(torch.equal(a, b) for a, b in zip(exact.state_dict().values(), rounded.state_dict().values()))


def test_fp16_is_no_precision_of_a_cpu_here(tracker_files):
    with pytest.raises(ValueError, match="'fp32' or 'bf16', not 'fp16'"):
        init_model(*tracker_files(), precision='fp16')
