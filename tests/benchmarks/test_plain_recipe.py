"""The recipe that the benchmark of a training step compares with is the same training."""
import importlib.util
from pathlib import Path

import pytest
import torch
from mmengine.structures import InstanceData

from ct_mm.registry import MODELS
from ct_mm.tracking.structures import TrackDataSample
from ct_mm.tracking.structures.boxes import cxcywh_to_xyxy

FILE = Path(__file__).parents[2] / 'benchmarks' / 'plain_recipe.py'
MODEL = dict(
    type='ct_mm.OSTrack',
    backbone=dict(type='ct_mm.OneStreamViT', embed_dim=32, depth=6, num_heads=2, template_size=32, search_size=64,
                  drop_path_rate=0.3),
    head=dict(type='ct_mm.CenterHead', in_channels=32, feat_size=4, channels=16))


@pytest.mark.parametrize('path', [(True, True, True), (False, True, False)])
def test_loss_and_gradients_are_ours(tmp_path, path):
    spec = importlib.util.spec_from_file_location('plain_recipe', FILE)
    plain_recipe = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(plain_recipe)
    torch.manual_seed(0)
    teacher = MODELS.build(MODEL).state_dict()
    torch.save(teacher, tmp_path / 'teacher.pth')
    recipe = plain_recipe.PlainRecipe(teacher, 3, width=32, depth=6, heads=2, template=32, search=64, drop_path=0.3,
                                      channels=16).train()
    ours = MODELS.build(dict(type='ct_mm.ReplacementDistiller', model=MODEL, teacher=str(tmp_path / 'teacher.pth'),
                             num_stages=3))
    ours.init_weights()
    ours.train().path = path
    template, search = torch.randn(2, 3, 32, 32), torch.randn(2, 3, 64, 64)
    boxes = torch.tensor([[.4, .5, .3, .2], [.6, .4, .2, .4]])
    samples = [TrackDataSample(gt_instances=InstanceData(bboxes=box[None])) for box in cxcywh_to_xyxy(boxes) * 64]
    torch.manual_seed(1)
    loss = recipe.loss(template, search, boxes, path)
    torch.manual_seed(1)
    total, _ = ours.parse_losses(ours(dict(template=template, search=search), samples, mode='loss'))
    assert loss.item() == pytest.approx(total.item(), rel=1e-5)
    loss.backward()
    total.backward()
    layers = zip(recipe.student.backbone.blocks, ours.divided.student_layers, strict=True)
    pairs = [*layers, (recipe.student.head, ours.head)]
    for plain, own in pairs:
        gradients = {name: p.grad for name, p in own.named_parameters()}
        for name, p in plain.named_parameters():
            if p.grad is None:
                assert gradients[name] is None
            else:
                torch.testing.assert_close(p.grad, gradients[name], rtol=1e-4, atol=1e-5)
    assert all(p.grad is None for p in recipe.path_teacher.parameters())
