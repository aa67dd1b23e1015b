"""The config of a student before it is trained."""
import pytest
from mmengine.config import Config

from ct_mm.deployment.speed.student_config import untrained_student_config
from ct_mm.tracking.evaluation.tracker_cost import count_layers
from ct_mm.tracking.inference import init_model


@pytest.fixture
def config(tiny_model, tmp_path):
    Config(dict(model=tiny_model(6), default_scope='ct_mm')).dump(tmp_path / 'mine.py')
    return Config.fromfile(tmp_path / 'mine.py')


@pytest.mark.parametrize('layers', [1, 4, 6])
def test_a_student_has_the_layers_asked_for_and_the_teachers_shapes(config, layers):
    student = untrained_student_config(config, layers)
    assert student.model.backbone.depth == layers and student.model.backbone.embed_dim == 32
    assert len(init_model(student).backbone.blocks) == layers
    assert config.model.backbone.depth == 6


@pytest.mark.parametrize('compress, layers', [
    (dict(num_stages=3), 3), (dict(num_stages=3, stage_sizes=[1, 5]), 2), (dict(num_stages=2, layers_per_stage=2), 4)])
def test_of_a_compression_it_is_the_student_that_comes_out(config, compress, layers):
    config.compress = dict(teacher='nowhere.pth', **compress)
    assert untrained_student_config(config).model.backbone.depth == layers
    assert untrained_student_config(config, 5).model.backbone.depth == 5


@pytest.mark.parametrize('change, layers, message', [
    (dict(), None, 'mine.py has no `compress`.*say how many layers'),
    (dict(), 7, 'mine.py: a student of 7 layers cannot be planned: num_stages=7 must be between 1 and the 6'),
    (dict(compress=dict(num_stages=9)), None, 'mine.py: a student cannot be planned: num_stages=9'),
    (dict(model=None), 2, 'mine.py has no `model`')])
def test_what_cannot_be_planned(config, change, layers, message):
    config.update(change)
    with pytest.raises(ValueError, match=message):
        untrained_student_config(config, layers)


def test_a_config_without_a_number_of_layers_has_students_too(config, monkeypatch):
    from ct_mm.compression.export import student_configs
    monkeypatch.setattr(student_configs, 'DEPTH_KEYS', ('num_blocks', ))
    assert count_layers(init_model(untrained_student_config(config, 3))) == 3


def test_a_model_without_layers_is_refused(config):
    config.compress = dict(layers='head.score')
    with pytest.raises(ValueError, match='mine.py: a student of 3 layers cannot be planned: .*head.score'):
        untrained_student_config(config, 3)
