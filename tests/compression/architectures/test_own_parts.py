"""Whole runs with a user's own losses, with batches that are tuples, and with a best checkpoint."""
import pytest
import torch
from mmengine.config import Config
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel
from torch import nn

from ct_mm.compression.export.student import export_student
from ct_mm.compression.hooks import stage_fit_hook
from ct_mm.engine.checkpoints.reading import read_state_dict
from ct_mm.engine.guard_training import guard_training
from ct_mm.registry import DATASETS, METRICS, MODELS

TOY = dict(type='ct_mm.Toy', trunk=dict(type='ct_mm.ToyViT', depth=4))


@MODELS.register_module(force=True)
class OwnMimic(nn.Module):

    def forward(self, student, teacher):
        return sum((s - t).abs().mean() for s, t in zip(student, teacher, strict=True))


@MODELS.register_module(force=True)
class OwnGuidance(nn.Module):

    def forward(self, student, teacher):
        return 1 - torch.cosine_similarity(student, teacher, dim=-1).mean()


@MODELS.register_module(force=True)
class OwnMean(nn.Module):

    def forward(self, student, teacher):
        return (student.tokens[-1].mean() - teacher.tokens[-1].mean()).square()


@MODELS.register_module(force=True)
class OwnLoss(nn.Module):

    def forward(self, student, teacher, path=None):
        assert len(path) == len(student.stages) == len(teacher.tokens)
        first, target = (side.stages[0].by_group()['tokens'] for side in (student, teacher))
        return dict(loss_spread=(first.std() - target.std()).abs(), spread=first.std().detach())


@MODELS.register_module(force=True)
class NeedyLoss(nn.Module):

    def forward(self, student, teacher, weights):
        return student


@MODELS.register_module(force=True)
class NoLoss(nn.Module):

    def forward(self, student, teacher):
        return dict(shown=student.tokens[0].mean())


def test_own_losses_of_a_config_are_trained_with_and_logged(run):
    own = dict(mimic=dict(type='ct_mm.OwnMimic'), guidance=dict(type='ct_mm.OwnGuidance'),
               my_mean=dict(type='ct_mm.OwnMean'), spread=dict(type='ct_mm.OwnLoss'))
    runner = run('run', TOY, num_stages=2, losses=own)
    scalars = runner.message_hub.log_scalars
    for name in ('loss', 'loss_mimic', 'loss_guidance', 'loss_my_mean', 'loss_spread', 'spread'):
        values = scalars[f'train/{name}'].data[0]
        assert len(values) == 6 and torch.isfinite(torch.tensor(values)).all(), name
    assert not any('guidance_' in name for name in scalars), "the config's guidance replaced the default one"
    parts = sum(scalars[f'train/{name}'].data[0][-1] for name in ('loss_mimic', 'loss_guidance', 'loss_my_mean',
                                                                  'loss_spread'))
    assert scalars['train/loss'].data[0][-1] > parts, "the model's own loss is added"


def test_a_loss_that_requires_what_is_not_offered_is_refused_before_training(run):
    with pytest.raises(ValueError, match=r"compress\.losses\.mine: NeedyLoss\.forward\(student, teacher, weights\) "
                                         r"must take .*data_samples, path: missing a required argument: 'weights'"):
        run('run', TOY, num_stages=2, losses=dict(mine=dict(type='ct_mm.NeedyLoss')))


def test_a_loss_that_returns_no_loss_is_refused(run):
    with pytest.raises(ValueError, match=r'compress\.losses\.mine: NoLoss returned shown; it must return'):
        run('run', TOY, num_stages=2, losses=dict(mine=dict(type='ct_mm.NoLoss')))


class Mlp(nn.Module):
    """A block that can be fitted in closed form."""

    def __init__(self):
        super().__init__()
        self.norm, self.fc1, self.fc2 = nn.LayerNorm(16), nn.Linear(16, 32), nn.Linear(32, 16)

    def forward(self, x):
        return x + self.fc2(nn.functional.gelu(self.fc1(self.norm(x))))


@MODELS.register_module(force=True)
class TupleModel(BaseModel):
    """Takes its batch in order, as the models of MMEngine's first example do."""

    def __init__(self, depth=4):
        super().__init__()
        self.blocks = nn.ModuleList(Mlp() for _ in range(depth))
        self.head = nn.Linear(16, 5)

    def forward(self, imgs, labels=None, mode='tensor'):
        for block in self.blocks:
            imgs = block(imgs)
        logits = self.head(imgs.mean(1))
        return dict(loss=nn.functional.cross_entropy(logits, labels)) if mode == 'loss' else logits


@DATASETS.register_module(force=True)
class LabelledTokens(torch.utils.data.Dataset):

    def __len__(self):
        return 6

    def __getitem__(self, index):
        return torch.randn(12, 16, generator=torch.Generator().manual_seed(index)), index % 5


def test_a_model_whose_batch_is_a_tuple_is_fitted_trained_and_exported(run, tmp_path, monkeypatch):
    tables = []
    monkeypatch.setattr(stage_fit_hook, 'print_log', lambda text, *_: tables.append(text))
    runner = run('run', dict(type='ct_mm.TupleModel'), dataset='LabelledTokens', num_stages=2,
                 fit=dict(samples=6, batch_size=3, writers=['fc2']), export=dict(initial=True))
    rows = [line.split() for line in tables[0].splitlines()[3:]]
    assert len(rows) == 2 and all(float(fitted) > float(copied) for _, copied, fitted, *_ in rows)
    assert len(runner.message_hub.log_scalars['train/loss_mimic'].data[0]) == 6
    folder = tmp_path / 'run' / 'student'
    cfg = Config.fromfile(folder / 'student.py')
    assert cfg.model.to_dict() == dict(type='ct_mm.TupleModel', depth=2)
    student = MODELS.build(cfg.model).eval()
    student.load_state_dict(read_state_dict(folder / 'student.pth'))
    x = torch.randn(2, 12, 16)
    with torch.no_grad():
        assert torch.equal(student(x), runner.model.eval()(x))
    assert not torch.equal(student.blocks[0].fc2.weight, read_state_dict(folder / 'initial.pth')['blocks.0.fc2.weight'])


def test_an_export_runs_a_tuple_by_order(run):
    distiller = run('run', dict(type='ct_mm.TupleModel'), dataset='LabelledTokens', num_stages=2).model
    modes = []
    distiller.student.register_forward_pre_hook(lambda _, args, kwargs: modes.append((len(args), kwargs)),
                                                with_kwargs=True)
    exported = export_student(distiller, dict(type='ct_mm.TupleModel'), (torch.randn(2, 12, 16), torch.zeros(2)))
    assert exported.form == 'plain' and modes == [(2, dict(mode='tensor'))]


@METRICS.register_module(force=True)
class ListedScores(BaseMetric):
    """Returns one score after the other."""

    scores: list = []

    def process(self, data_batch, data_samples):
        self.results.append(0)

    def compute_metrics(self, results):
        return dict(score=self.scores.pop(0))


@pytest.mark.parametrize('guard', [False, True])
def test_the_best_checkpoint_is_exported_with_a_config_that_needs_no_guards(run, tmp_path, monkeypatch, guard):
    monkeypatch.setattr(ListedScores, 'scores', [0.9, 0.1])

    def change(cfg):
        cfg.update(default_hooks=dict(checkpoint=dict(type='CheckpointHook', interval=1, save_best='score',
                                                      rule='greater')),
                   val_dataloader=dict(batch_size=2, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False),
                                       collate_fn=dict(type='default_collate'), dataset=dict(type='ct_mm.Tokens')),
                   val_evaluator=dict(type='ct_mm.ListedScores'), val_cfg=dict())
        return guard_training(cfg) if guard else cfg

    runner = run('run', TOY, num_stages=2, teacher_score=False, change=change)
    assert (type(runner.train_loop).__name__ == 'GuardedEpochLoop') == guard
    best, last = (read_state_dict(tmp_path / 'run' / f'epoch_{epoch}.pth') for epoch in (1, 2))
    exported = read_state_dict(tmp_path / 'run' / 'student' / 'student.pth')
    assert torch.equal(exported['head.weight'], best['student.head.weight'])
    assert not torch.equal(exported['head.weight'], last['student.head.weight'])
    assert all(torch.equal(value, last[name]) for name, value in runner.model.state_dict().items()), 'left as trained'
    text = (tmp_path / 'run' / 'student' / 'student.py').read_text()
    assert 'CheckpointHook' in text and 'EpochBasedTrainLoop' in text
    for ours in ('SafeCheckpointHook', 'Guarded', 'compress', 'Replacement', 'skip_bad_steps'):
        assert ours not in text, ours
