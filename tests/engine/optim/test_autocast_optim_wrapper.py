import pytest
import torch
from mmengine.optim import build_optim_wrapper

from ct_mm.registry import OPTIM_WRAPPERS


def test_a_step_runs_in_bfloat16_and_weights_stay_in_float32():
    model = torch.nn.Linear(3, 2)
    wrapper = build_optim_wrapper(
        model, dict(type='ct_mm.AutocastOptimWrapper', optimizer=dict(type='AdamW', lr=0.1, fused=True),
                    accumulative_counts=2, clip_grad=dict(max_norm=1.0)))
    assert type(wrapper) is OPTIM_WRAPPERS.get('ct_mm.AutocastOptimWrapper')
    wrapper.initialize_count_status(model, 0, 2)
    before = model.weight.detach().clone()
    for _ in range(2):
        assert torch.equal(model.weight, before), 'gradients of two iterations make a step'
        with wrapper.optim_context(model):
            out = model(torch.ones(4, 3))
        assert out.dtype == torch.bfloat16
        wrapper.update_params(out.float().square().mean())
    assert model.weight.dtype == torch.float32 and not torch.equal(model.weight, before)


@pytest.mark.skipif(not torch.ops.mkldnn._is_mkldnn_bf16_supported(), reason='this CPU has no bfloat16 products')
@pytest.mark.parametrize('onednn', [True, False])
def test_linear_layers_by_onednn_are_asked_for(onednn):
    model = torch.nn.Linear(3, 2)
    wrapper = build_optim_wrapper(model, dict(
        type='ct_mm.AutocastOptimWrapper', optimizer=dict(type='SGD', lr=0.1), onednn=onednn))
    with wrapper.optim_context(model):
        out = model(torch.ones(4, 3))
    assert out.dtype == torch.bfloat16 and (type(out.grad_fn).__name__ == '_LinearBackward') == onednn
    assert type(model(torch.ones(4, 3)).grad_fn).__name__ == 'AddmmBackward0', 'only within a step'
