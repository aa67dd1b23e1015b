"""Every output, loss and gradient norm against the authors' released code, from files of reference numbers.

The stem is checked as released, with six channels, and folded to three, with ten times the tolerance.
"""
import pytest
import torch

from ct_mm.compression.distillation.taps import tap_outputs
from ct_mm.tracking.models.layers.gaussian_focal_loss import gaussian_target
from ct_mm.tracking.models.sutrack.converter.weights import rename_sutrack_key
from ct_mm.tracking.structures.boxes import xywh_to_xyxy, xyxy_to_cxcywh

TOKENS, MAPS, LOSSES, GRADIENTS, TEXT = 2e-5, 1e-5, 1e-5, 1e-4, 2e-6
MAP_NAMES = dict(score_map='score_map', size_map='size_map', offset_map='offset_map', boxes='pred_boxes')
folded_or_not = pytest.mark.parametrize('fold', [True, False], ids=['folded', 'six_channels'])


def check_outputs(case, tracker, inputs, kind, factor):
    with torch.no_grad(), tap_outputs([tracker.backbone]) as calls:
        outputs = tracker(inputs, mode='tensor')
    case.compare(calls[0][0], f'{kind}/normed', factor * TOKENS)
    for ours, theirs in MAP_NAMES.items():
        case.compare(outputs[ours], f'{kind}/{theirs}', factor * MAPS)
    case.compare(tracker.task_head(calls[0][0]), f'{kind}/task_logits', factor * MAPS)


def test_the_masks_of_the_templates(case):
    for i in range(case.num_templates):
        case.compare(case.masks()[:, i], f'rgb/mask_tokens_{i}', 0)


def test_the_constant_text_token(case):
    case.compare(case.weights().state['backbone.text_token'], 'text/token_zero', TEXT)


@folded_or_not
def test_the_stem_and_the_tokens(case, fold):
    tracker, factor, inputs = case.tracker(fold), 10 if fold else 1, case.inputs()
    stem = tracker.backbone.stem
    modules = dict(patch_embed=stem.patch_embed)
    blocks = [*stem.blocks1, stem.merge1, *stem.blocks2, stem.merge2]
    modules.update({f'block{i}': block for i, block in enumerate(blocks)})
    with torch.no_grad(), tap_outputs(list(modules.values())) as calls:
        tokens = tracker.backbone.embed(**inputs)
    case.compare(tokens, 'rgb/tokens_in', factor * TOKENS)
    grids = {name: outputs for name, outputs in zip(modules, calls)}
    for name, outputs in grids.items():  # the search region comes first, then all templates
        case.compare(outputs[1], f'rgb/stem/template/{name}', factor * TOKENS)
    case.compare(grids[f'block{len(blocks) - 1}'][0], f'rgb/stem/search/block{len(blocks) - 1}', factor * TOKENS)


@folded_or_not
def test_rgb(case, fold):
    tracker, factor = case.tracker(fold), 10 if fold else 1
    step = case.depth // case.num_stages
    with torch.no_grad(), tap_outputs(tracker.backbone.blocks[step - 1::step]) as calls:
        tracker(case.inputs(), mode='tensor')
    for stage, (tokens, ) in enumerate(calls):
        case.compare(tokens, f'rgb/stage{stage}', factor * TOKENS)
    check_outputs(case, tracker, case.inputs(), 'rgb', factor)


@folded_or_not
def test_without_text_and_with_one_template(case, fold):
    factor = 10 if fold else 1
    check_outputs(case, case.tracker(fold, text=False), case.inputs(), 'rgb_no_text', factor)
    kind = 'rgb_one_template'
    check_outputs(case, case.tracker(fold, num_templates=1), case.inputs(kind), kind, factor)


def test_another_modality_and_a_description(case):
    check_outputs(case, case.tracker(fold=False), case.inputs('x_language'), 'x_language', 1)


def test_the_target_of_the_score_map(case):
    boxes = xyxy_to_cxcywh(xywh_to_xyxy(case.tensor('train/gt_boxes_xywh_normalized')))
    case.compare(gaussian_target(boxes, case.sizes[1] // 16), 'train/gt_heatmap', 1e-6)


def gradient_norm(case, key, parameters, text_gradients, clip_vectors):
    """Norm of the gradient of an official parameter, from ours."""
    if key == 'encoder.body.pos_embed':
        return torch.cat([parameters[f'backbone.pos_embed_{name}'].grad for name in ('search', 'template')], 1).norm()
    if key == 'text_encoder.text_proj.bias':
        return text_gradients.sum(0).norm()
    if key == 'text_encoder.text_proj.weight':  # the token is a linear function of CLIP's vector
        return torch.einsum('bi,bj->ij', text_gradients, clip_vectors).norm()
    gradient = parameters[rename_sutrack_key(key, case.official)].grad
    halves = key == 'encoder.body.patch_embed.proj.weight' and gradient.shape[1] == 3
    return gradient.norm() * (2**0.5 if halves else 1)


@pytest.mark.parametrize('kind, fold', [('train', True), ('train', False), ('train_x', False)])
def test_training_step(case, kind, fold):
    tracker, factor = case.tracker(fold), 10 if fold else 1
    inputs = case.inputs('rgb' if kind == 'train' else 'x_language')
    text = inputs.get('text', tracker.backbone.text_token).requires_grad_()
    with tap_outputs([tracker.head]) as calls:
        losses = tracker(inputs, case.samples(case.data[f'{kind}/task_labels']), mode='loss')
    case.compare(calls[0][0]['boxes'], f'{kind}/pred_boxes', factor * MAPS)
    total = sum(losses.values())
    named = dict(giou=losses['loss_giou'] / 2, l1=losses['loss_l1'] / 5, location=losses['loss_score'],
                 task_class=losses['loss_task'], total=total)
    for name, value in named.items():
        case.compare(value, f'{kind}/loss/{name}', 0, factor * LOSSES)
    total.backward()
    parameters, prefix = dict(tracker.named_parameters()), f'{kind}/grad_norm/'
    keys = [key.removeprefix(prefix) for key in case.data.files if key.startswith(prefix)]
    assert len(keys) > 100
    clip = case.tensor('text/clip_zero' if kind == 'train' else 'text/clip_ids')  # (1 or B, D)
    for key in keys:
        if key.startswith('text_encoder.norm'):
            assert case.data[prefix + key] == 0, 'never used'
        else:
            norm = gradient_norm(case, key, parameters, text.grad.flatten(1), clip)
            case.compare(norm, prefix + key, factor * 1e-6, factor * GRADIENTS)
