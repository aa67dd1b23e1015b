"""Students whose layers have another shape than their teacher's."""
import pytest
import torch
from mmengine.model import BaseModel
from torch import nn

from ct_mm.compression.export.student import export_student
from ct_mm.registry import MODELS


@pytest.mark.parametrize('student, form', [
    (dict(mlp_ratio=2.0), 'plain'), (dict(num_heads=1), 'plain'), (dict(embed_dim=16, mlp_ratio=1.0), 'folded')])
def test_of_a_tracker(make_distiller, tracker_cfg, batch, student, form):
    distiller = make_distiller(num_stages=3, student=student)
    exported = export_student(distiller, tracker_cfg(), dict(inputs=batch[0]))
    assert exported.form == form, exported.reason
    model = MODELS.build(exported.config).eval()
    model.load_state_dict(exported.weights)
    with torch.no_grad():
        out, expected = model(batch[0]), distiller.eval()(batch[0])
    for name in expected:
        torch.testing.assert_close(out[name], expected[name], **(dict(rtol=0, atol=0) if form == 'plain' else
                                                                 dict(rtol=1e-4, atol=1e-5)))
    if form == 'plain':
        assert {key: exported.config.backbone[key] for key in (*student, 'depth')} == dict(student, depth=3)
    else:
        linears = [linear for slot in model.backbone.divided.slots for linear in (slot.enter, slot.leave)]
        shapes = [tuple(linear.weight.shape) for linear in linears if linear is not None]
        assert shapes == [(16, 32), (16, 16), (16, 16), (32, 16)]
        assert 'another width' in exported.reason


def test_without_a_batch_nothing_is_folded_on_trust(make_distiller, tracker_cfg):
    distiller = make_distiller(num_stages=3, student=dict(embed_dim=16))
    exported = export_student(distiller, tracker_cfg())
    assert exported.form == 'divided' and 'no batch to compare on' in exported.reason
    MODELS.build(exported.config).load_state_dict(exported.weights)


@MODELS.register_module(force=True)
class StageEndReader(BaseModel):
    """Reads what comes out of its layers on the way, as ``out_indices`` do."""

    def __init__(self, width=8):
        super().__init__()
        self.layers = nn.ModuleList(nn.TransformerEncoderLayer(width, 2, 8, 0.0, batch_first=True) for _ in range(4))

    def forward(self, inputs, data_samples=None, mode='tensor'):
        outs = [inputs]
        for layer in self.layers:
            outs.append(layer(outs[-1]))
        return outs[2] + outs[4]


def test_maps_are_not_folded_where_the_model_reads_a_stages_end(tmp_path):
    config = dict(type='ct_mm.StageEndReader')
    torch.save(MODELS.build(config).state_dict(), tmp_path / 'teacher.pth')
    distiller = MODELS.build(dict(
        type='ct_mm.ReplacementDistiller', model=config, teacher=str(tmp_path / 'teacher.pth'), num_stages=2,
        guidance=None, student=dict(width=4)))
    distiller.init_weights()
    exported = export_student(distiller, config, dict(inputs=torch.randn(2, 5, 8)))
    assert exported.form == 'divided' and 'the maps between its stages are not folded' in exported.reason
    model = MODELS.build(exported.config).eval()
    model.load_state_dict(exported.weights)
    x = torch.randn(2, 5, 8)
    with torch.no_grad():
        assert torch.equal(model(x), distiller.eval()(x))


def test_other_numbers_of_layers_are_not_a_shape(make_distiller):
    with pytest.raises(ValueError, match='compress.student changes the number of layers: 4 instead of backbone.blocks'):
        make_distiller(num_stages=2, student=dict(depth=4))
