"""A tracker whose blocks take and return index maps, its student with tokens of its own."""
import pytest
import torch

from ct_mm.compression.export.student import export_student
from ct_mm.registry import MODELS


def make(make_distiller, tracker_cfg, num_stages, **kwargs):
    cfg = tracker_cfg(ce_layers=(1, 3), ce_keep_ratio=0.5)
    return make_distiller(num_stages, model=cfg, **kwargs), cfg


@pytest.mark.parametrize('num_stages, student, ce_layers', [
    (3, None, [0, 1]),  # student layers stand in the places 1, 3, 5
    (2, None, []),  # 2, 5: the student eliminates nothing
    (2, dict(ce_layers=[2]), [0])
])
def test_the_student_is_a_plain_tracker_with_elimination_of_its_own(make_distiller, tracker_cfg, batch, num_stages,
                                                                    student, ce_layers):
    distiller, cfg = make(make_distiller, tracker_cfg, num_stages, student=student)
    exported = export_student(distiller, cfg, dict(inputs=batch[0]))
    assert exported.form == 'plain', exported.reason
    assert exported.config.backbone.ce_layers == ce_layers and exported.config.backbone.depth == num_stages
    plain = MODELS.build(exported.config).eval()
    plain.load_state_dict(exported.weights)
    with torch.no_grad():
        out, expected = plain(batch[0]), distiller.eval()(batch[0])
    assert all(torch.equal(out[name], expected[name]) for name in expected)


def test_only_tokens_that_both_kept_are_compared(make_distiller, tracker_cfg, batch):
    distiller, _ = make(make_distiller, tracker_cfg, 2, guidance=None)
    seen = []
    mimic = distiller.losses['mimic']
    forward = mimic.forward
    mimic.forward = lambda *args, **named: seen.append((*args, named)) or forward(*args, **named)
    distiller.path = (True, True)
    losses = distiller(*batch, mode='loss')
    (student, teacher, named), = seen
    kept = named['kept']
    assert [tokens.shape[1] for tokens in (*student, *teacher)] == [20] * 4, 'back in the grid'
    assert [mask.sum(1).tolist() for mask in kept] == [[4 + 8] * 2, [4 + 4] * 2], 'the student keeps all 16'
    elsewhere = [tokens.masked_fill(~mask[..., None], 1e6) for tokens, mask in zip(student, kept)]
    groups = [distiller.divided.owners[0].token_groups] * 2
    assert torch.equal(forward(elsewhere, teacher, groups, kept), losses['loss_mimic'])


def test_gradients_pass_stages_that_eliminate(make_distiller, tracker_cfg, batch):
    distiller, _ = make(make_distiller, tracker_cfg, 3, guidance=None, mimic=None)
    distiller.path = (True, False, False)
    sum(distiller(*batch, mode='loss').values()).backward()
    assert all(p.grad is not None and p.grad.any() for p in distiller.divided.student_layers[0].parameters())
