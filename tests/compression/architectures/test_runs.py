"""Whole runs of a model with two stacks and of one whose student is narrower."""
import pytest
import torch
from mmengine.config import Config

from ct_mm.compression import StageDividedBackbone
from ct_mm.engine.checkpoints.reading import read_state_dict
from ct_mm.registry import MODELS

DETECTOR = dict(type='ct_mm.ToyDetector', encoder=dict(num_layers=4), decoder=dict(num_layers=4))


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_two_stacks_resume_bit_for_bit_and_are_exported_plain(run, tmp_path):
    settings = dict(layers=['encoder.layers', 'decoder.layers'], num_stages=2,
                    replacement=dict(schedule='constant', initial=0.6))
    whole = run('whole', DETECTOR, **settings).model
    run('halves', DETECTOR, stop_after=1, **settings)
    resumed = run('halves', DETECTOR, resume=True, **settings).model
    assert len(whole.path) == 4 and same(whole.state_dict(), resumed.state_dict())
    cfg = Config.fromfile(tmp_path / 'whole' / 'student' / 'student.py')
    assert cfg.model.to_dict() == dict(DETECTOR, encoder=dict(num_layers=2), decoder=dict(num_layers=2))
    student = MODELS.build(cfg.model).eval()
    student.load_state_dict(read_state_dict(tmp_path / 'whole' / 'student' / 'student.pth'))
    x = torch.randn(2, 12, 16)
    with torch.no_grad():
        assert torch.equal(student(x)[-1], whole.eval()(x)[-1])


def test_a_narrower_student_is_exported_folded_and_runs_under_a_runner(run, tmp_path):
    model = dict(type='ct_mm.Toy', trunk=dict(type='ct_mm.ToyViT', depth=4))
    runner = run('run', model, num_stages=2, student=dict(width=8))
    cfg = Config.fromfile(tmp_path / 'run' / 'student' / 'student.py')
    student = MODELS.build(cfg.model).eval()
    assert isinstance(student.trunk, StageDividedBackbone) and cfg.model.trunk.folded
    student.load_state_dict(read_state_dict(tmp_path / 'run' / 'student' / 'student.pth'))
    assert [tuple(slot.enter.weight.shape) for slot in student.trunk.divided.slots if slot.enter] == [(8, 16), (8, 8)]
    x = torch.randn(2, 12, 16)
    with torch.no_grad():
        torch.testing.assert_close(student(x), runner.model.eval()(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('kind', ['tuple', 'list'])
@pytest.mark.parametrize('fit', [None, dict(samples=4, batch_size=2, writers=['write'])])
def test_a_batch_may_be_a_tuple_or_a_list(kind, fit, run, tmp_path):
    def as_told(cfg):
        cfg.train_dataloader.dataset.kind = kind
        if fit is None:
            cfg.compress.pop('fit')
        return cfg

    runner = run('run', dict(type='ct_mm.Tutorial'), dataset='Labelled', change=as_told, num_stages=2, fit=fit)
    cfg = Config.fromfile(tmp_path / 'run' / 'student' / 'student.py')
    assert cfg.model.to_dict() == dict(type='ct_mm.Tutorial', depth=2)
    student = MODELS.build(cfg.model).eval()
    student.load_state_dict(read_state_dict(tmp_path / 'run' / 'student' / 'student.pth'))
    batch = torch.randn(2, 12, 16), torch.tensor([0, 2])
    with torch.no_grad():
        assert torch.equal(student(*batch, 'predict')[0], runner.model.eval()(*batch, mode='predict')[0])


def test_what_cannot_be_exported_fails_before_the_first_step(run, monkeypatch):
    monkeypatch.setattr('ct_mm.compression.export.student_configs._wrapped', lambda config, *_: config)
    steps = []
    monkeypatch.setattr('ct_mm.compression.ReplacementDistiller.loss', lambda *_: steps.append(1))
    # every second block shifts, so that 2 of 4 are not plain
    model = dict(type='ct_mm.Toy', trunk=dict(type='ct_mm.ToyHierarchy'))
    with pytest.raises(ValueError, match='missing'):
        run('run', model, num_stages=2)
    assert not steps
