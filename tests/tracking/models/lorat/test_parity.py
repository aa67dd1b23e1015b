"""Every output, loss and gradient norm against the authors' released code, from files of reference numbers."""
import numpy as np
import pytest
import torch

from ct_mm.compression.distillation.taps import tap_outputs
from ct_mm.registry import MODELS
from ct_mm.tracking.models.lorat.cell_losses import cell_losses
from ct_mm.tracking.models.lorat.converter import convert_lorat_keys
from ct_mm.tracking.models.lorat.converter.dinov2 import resize_positions
from ct_mm.tracking.models.lorat.converter.weights import lora_factor
from ct_mm.tracking.models.lorat.lora import merge_lora
from ct_mm.tracking.models.lorat.positive_cells import positive_cells
from ct_mm.tracking.runtime.context_crop import at_least, context_place
from ct_mm.tracking.runtime.geometries.context_crops import ContextCrops, Placement
from ct_mm.tracking.runtime.template_mask import touched_mask
from ct_mm.tracking.structures.boxes import cxcywh_to_xyxy, paired_giou, paired_iou

TOKENS, LOGITS, BOXES, WEIGHTS, LOSSES, GRADIENTS = 5e-5, 2e-5, 2e-6, 1e-6, 1e-5, 1e-4


def test_the_merged_weights(case):
    converted = case.convert()
    assert set(converted.left_out) == {'cls_token', 'mask_token'}
    state = {key.removeprefix('backbone.'): value for key, value in converted.state.items()}
    assert state.keys() == case.merged.keys()
    for key, value in state.items():
        case.compare(value, f'merged/{key}', WEIGHTS)
    for source in (case.training, case.merged):  # files that hold the frozen weights too
        for key, value in convert_lorat_keys(source, case.sizes[1]).state.items():
            case.compare(value, f'merged/{key.removeprefix("backbone.")}', WEIGHTS)


@pytest.mark.parametrize('name, scalars', [('alpha5', dict(lora_alpha=5)), ('no_alpha', {}),
                                           ('alpha5_rslora', dict(lora_alpha=5, use_rslora=True))])
def test_the_factor_of_lora(case, name, scalars):
    scalars = {key: torch.tensor(value) for key, value in scalars.items()}
    down = case.tensor('merge/A')
    merged = merge_lora(case.tensor('merge/weight'), down, case.tensor('merge/B'), lora_factor(scalars, len(down)))
    case.compare(merged, f'merge/{name}', WEIGHTS)


def test_positions(case):
    for key in [key for key in case.data.files if key.startswith('pos/out_')]:
        case.compare(resize_positions(case.tensor('pos/in_37'), int(key.removeprefix('pos/out_'))), key, WEIGHTS)


def test_the_template_masks(case):
    masks = [touched_mask(box, case.sizes[0], case.patch) for box in case.data['template_mask/boxes_xyxy']]
    np.testing.assert_array_equal(masks, case.data['template_mask/masks'])


def check_outputs(case, tracker, ends, prefix='', folder='out'):
    backbone = tracker.backbone
    embedded = []
    handle = backbone.blocks[0].register_forward_pre_hook(lambda module, args: embedded.append(args[0]))
    with torch.no_grad(), tap_outputs([*(backbone.blocks[i] for i in ends), backbone]) as calls:
        predictions = tracker(case.inputs(), mode='tensor')
    handle.remove()
    case.compare(embedded[0], f'{prefix}{folder}/tokens_embedded', TOKENS)
    for stage in range(len(ends)):
        case.compare(calls[stage][0], f'{prefix}{folder}/stage{stage}', TOKENS)
    check_predictions(case, predictions, f'{prefix}{folder}')
    return predictions, calls[-1][0]


def check_predictions(case, predictions, folder):
    case.compare(predictions['cells'][..., 0], f'{folder}/score_map', LOGITS)
    case.compare(predictions['cells'][..., 1:], f'{folder}/boxes', BOXES)


def test_outputs(case):
    tracker = case.tracker()
    predictions, normed = check_outputs(case, tracker, case.stage_ends)
    case.compare(normed, 'out/normed', TOKENS)
    case.compare(tracker.head.reg_mlp(normed[:, -case.cells**2:]), 'out/box_logits', TOKENS)
    case.compare(tracker.window, 'out/window', WEIGHTS)
    found = tracker.read_out(predictions)
    case.compare(cxcywh_to_xyxy(found['box']) * case.sizes[1], 'out/post_box_xyxy_px', BOXES * case.sizes[1] * 2)
    case.compare(found['score'], 'out/post_confidence', LOSSES)


def test_the_gated_block_of_the_largest_model(case):
    depth = sum(key.startswith('swiglu/merged/blocks.') and key.endswith('ls1.gamma') for key in case.data.files)
    tracker = case.tracker('swiglu/', int(case.data['swiglu/heads']))
    assert tracker.backbone.blocks[0].mlp.w12.out_features > tracker.backbone.embed_dim
    check_outputs(case, tracker, [depth - 1], 'swiglu/')
    for key, value in convert_lorat_keys(case.weights('swiglu/state/'), case.sizes[1]).state.items():
        case.compare(value, f'swiglu/merged/{key.removeprefix("backbone.")}', WEIGHTS)


def test_the_positive_cells(case):
    boxes = case.tensor('assign/boxes_xyxy')
    found = positive_cells(boxes / case.patch, case.cells)
    for i, row in enumerate(found):
        assert row.nonzero().flatten().tolist() == case.data[f'assign/indices_{i}'].tolist()


def test_the_targets_of_the_losses(case):
    cells = case.tracker()(case.inputs(), mode='tensor')['cells'].detach()
    truth = case.tensor('train/gt_boxes_xyxy_normalized')
    positive = positive_cells(case.tensor('assign/boxes_xyxy')[:len(truth)] / case.patch, case.cells)
    batch, index = positive.nonzero(as_tuple=True)
    assert batch.tolist() == case.data['train/positive_batch'].tolist()
    assert index.tolist() == case.data['train/positive_index'].tolist()
    case.compare(paired_giou(cells[positive][:, 1:], truth[batch]), 'train/giou_per_positive', LOSSES)
    target = torch.zeros(positive.shape)
    target[positive] = paired_iou(cells[positive][:, 1:], truth[batch])
    case.compare(target, 'train/target_map', LOSSES)
    score, giou = cell_losses(cells[..., 0], cells[..., 1:], truth, positive)
    case.compare(score, 'train/loss/bce', 0, LOSSES)
    case.compare(giou, 'train/loss/giou', 0, LOSSES)


def test_training_step(case):
    tracker = case.tracker()
    losses = tracker(case.inputs(), case.samples(), mode='loss')
    case.compare(losses['loss_score'], 'train/loss/bce', 0, LOSSES)
    case.compare(losses['loss_giou'], 'train/loss/giou', 0, LOSSES)
    total = sum(losses.values())
    case.compare(total, 'train/loss/total', 0, LOSSES)
    total.backward()
    parameters = {name.removeprefix('backbone.'): value for name, value in tracker.named_parameters()}
    prefix = 'train/merged/grad_norm/'
    assert {key.removeprefix(prefix) for key in case.data.files if key.startswith(prefix)} == set(parameters)
    for name, parameter in parameters.items():
        case.compare(parameter.grad.norm(), f'{prefix}{name}', 1e-5, GRADIENTS)
        if f'train/merged/grad/{name}' in case.data.files:
            case.compare(parameter.grad, f'train/merged/grad/{name}', 1e-4, GRADIENTS)
    norm = torch.stack([parameter.grad.norm() for parameter in parameters.values()]).norm()
    case.compare(norm, 'train/merged/grad_norm_total', 0, GRADIENTS)


def lora_tracker(case):
    """The model that is trained with LoRA, with all weights of the file."""
    rank, alpha = (int(case.data[f'config/lora_{name}']) for name in ('r', 'alpha'))
    tracker = case.tracker()
    state = {}
    for key, value in case.dinov2().items():
        if key not in ('cls_token', 'mask_token', 'pos_embed'):
            state[f'backbone.{key}'] = value
    state['backbone.pos_embed'] = case.training['pos_embed']
    for key, value in case.released().items():
        if '.lora.' in key:
            path, letter = key.rsplit('.lora.', 1)
            if path[-2:] in ('.q', '.k', '.v'):
                if path.endswith('.q'):
                    parts = [case.training[f'{path[:-1]}{part}.lora.{letter}'] for part in 'qkv']
                    state[f'backbone.{path[:-2]}.lora_{letter}'] = torch.stack(parts)
            else:
                state[f'backbone.{path}.lora_{letter}'] = value[None]
        elif key.startswith('head.') or key == 'token_type_embed':
            state[key if key.startswith('head.') else f'backbone.{key}'] = value
    state['backbone.lora_alpha'] = torch.tensor(alpha)
    config = dict(type='ct_mm.OneStreamDINOv2', embed_dim=tracker.backbone.embed_dim,
                  depth=len(tracker.backbone.blocks), num_heads=case.heads, patch_size=case.patch,
                  template_size=case.sizes[0], search_size=case.sizes[1], lora_rank=rank, lora_alpha=alpha)
    model = MODELS.build(dict(type='ct_mm.LoRAT', backbone=config, head=dict(
        type='ct_mm.LoRATHead', in_channels=tracker.backbone.embed_dim, feat_size=case.cells)))
    model.load_state_dict(state, strict=True)
    return model.eval()


def test_training_with_lora(case):
    tracker = lora_tracker(case)
    with torch.no_grad():
        check_predictions(case, tracker(case.inputs(), mode='tensor'), 'out_lora')
    total = sum(tracker(case.inputs(), case.samples(), mode='loss').values())
    case.compare(total, 'train/lora/loss_total', 0, LOSSES)
    total.backward()
    trained = {name for name, parameter in tracker.named_parameters() if parameter.requires_grad}
    seen = set()
    for key in [key for key in case.data.files if key.startswith('train/lora/grad_norm/')]:
        name = key.removeprefix('train/lora/grad_norm/')
        name = name if name.startswith('head.') else f'backbone.{name}'
        part = 0
        if '.lora.' in name:
            path, letter = name.rsplit('.lora.', 1)
            if path[-2:] in ('.q', '.k', '.v'):
                path, part = path[:-2], 'qkv'.index(path[-1])
            name = f'{path}.lora_{letter}'
        gradient = tracker.get_parameter(name).grad
        case.compare((gradient[part] if '.lora_' in name else gradient).norm(), key, 1e-5, GRADIENTS)
        seen.add(name)
    assert seen == trained, 'only this is trained'
    frozen = [parameter for parameter in tracker.parameters() if not parameter.requires_grad]
    assert all(parameter.grad is None for parameter in frozen)
    folded = convert_lorat_keys(tracker.state_dict(), case.sizes[1])
    for key, value in folded.state.items():
        case.compare(value, f'merged/{key.removeprefix("backbone.")}', WEIGHTS)


def xywh(box):
    return np.concatenate([box[:2], box[2:] - box[:2]])


@pytest.mark.parametrize('factor', [4, 5])
def test_tracks(case, factor):
    tracker = case.tracker(search_factor=float(factor))
    frames, first = case.data['track/frames'], xywh(case.data['track/first_box_xyxy'])
    tracker.init(frames[0], first)
    template = tracker.geometry.template(frames[0], first, tracker.state.anchor)
    mean, std = (getattr(tracker.data_preprocessor, name).numpy() for name in ('mean', 'std'))
    crop = (template.image.transpose(2, 0, 1) - mean) / std
    np.testing.assert_allclose(crop, case.data['track/template'], atol=2e-5)
    np.testing.assert_array_equal(template.mask, case.data['track/mask'])
    for i, frame in enumerate(frames[1:]):
        search, placement = tracker.geometry.search(frame, tracker.state.box, tracker.state.anchor)
        if i == 0 and f'track{factor}/search_1' in case.data.files:
            np.testing.assert_allclose((search.transpose(2, 0, 1) - mean) / std, case.data[f'track{factor}/search_1'],
                                       atol=2e-5)
        place = placement.place
        np.testing.assert_allclose([place.scale, place.shift], case.data[f'track{factor}/adjusted_params'][i],
                                   atol=1e-3)
        box, score = tracker.track(frame)
        np.testing.assert_allclose(xywh(case.data[f'track{factor}/boxes_xyxy'][i]), box, atol=1e-2)
        assert abs(score - case.data[f'track{factor}/scores'][i]) < 1e-5


def test_the_box_that_is_searched_around(case):
    side = case.sizes[1]
    geometry = ContextCrops(case.sizes[0], side, mask_cell=case.patch)
    width, height = case.data['provider/image_wh'].tolist()
    around = xywh(case.data['provider/first_box_xyxy'])
    for i, wanted in enumerate(case.data['provider/params']):
        place = context_place(at_least(around, geometry.min_side), geometry.search_factor, side)
        np.testing.assert_allclose([place.scale, place.shift], wanted, rtol=1e-5, atol=1e-3)
        if i < len(case.data['provider/predicted_boxes_xyxy']):
            box = place.to_crop(case.data['provider/predicted_boxes_xyxy'][i]) / side
            predicted = np.concatenate([(box[:2] + box[2:]) / 2, box[2:] - box[:2]])
            _, around = geometry.place(predicted, Placement(place, around), (height, width))
