"""Every output, loss and gradient norm against the authors' released code, from files of reference numbers."""
import numpy as np
import pytest
import torch

from ct_mm.compression.distillation.taps import tap_outputs
from ct_mm.compression.division.tensor_names import plain_name
from ct_mm.compression.hooks.progressive_removal_hook import fade_removed_layers, removal_rate
from ct_mm.registry import MODELS
from ct_mm.tracking.models.mixformerv2.ciou_loss import paired_ciou
from ct_mm.tracking.models.mixformerv2.converter.weights import rename_mixformerv2_key
from ct_mm.tracking.structures.boxes import paired_iou

TOKENS, OUTPUTS, LOSSES, GRADIENTS = 1e-4, 1e-5, 1e-5, 1e-4
EDGES = 'lrtb'  # the order of the regression tokens


def check_edges(case, edges, prefix, kind='logits'):
    for i, edge in enumerate(EDGES):
        if f'{prefix}{kind}_{edge}' in case.keys:
            case.compare(edges[:, i], f'{prefix}{kind}_{edge}', TOKENS if kind == 'logits' else OUTPUTS)


def check_outputs(case, tracker, inputs, prefix):
    layers = case.layers_in(prefix)
    assert layers
    with torch.no_grad(), tap_outputs([tracker.backbone.blocks[layer - 1] for layer in layers]) as calls:
        outputs = tracker(inputs, mode='tensor')
    for layer, (tokens, ) in zip(layers, calls):
        case.compare(tokens, f'{prefix}/tokens_after_layer_{layer}', TOKENS)
    case.compare(outputs['boxes'], f'{prefix}/pred_boxes', OUTPUTS)
    check_edges(case, outputs['edges'], f'{prefix}/')
    check_edges(case, tracker.read_out(outputs)['edges'], f'{prefix}/', 'prob')
    if f'{prefix}/pred_scores' in case.keys:
        case.compare(outputs['score'], f'{prefix}/pred_scores', OUTPUTS)


def check_gradients(case, parameters, prefix):
    start = f'{prefix}/grad_norm/'
    keys = [key.removeprefix(start) for key in case.keys if key.startswith(start)]
    assert keys
    for key in keys:
        case.compare(parameters.pop(rename_mixformerv2_key(key)).grad.norm(), start + key, OUTPUTS, GRADIENTS)
    for name, parameter in parameters.items():
        assert parameter.grad is None or not parameter.grad.any(), f'{name} must have no gradient'


def check_losses(case, named, prefix):
    for name, value in named.items():
        case.compare(value, f'{prefix}/loss/{name}', 0, LOSSES)


@pytest.mark.parametrize('online, prefix', [('template', 'out_one_template'), ('online_template', 'out_two_templates')])
def test_outputs(case, online, prefix):
    check_outputs(case, case.tracker(), case.inputs(online), prefix)


def test_the_crops_are_normalised(case):
    normalize = case.tracker().data_preprocessor.normalize
    for name in ('template', 'online_template', 'search'):
        raw = case.tensor(f'raw/{name}_uint8').permute(0, 3, 1, 2)
        case.compare(normalize(raw), name, 1e-5)


@pytest.mark.parametrize('prefix', ['cached/one_online', 'cached/two_online'])
def test_cached_templates(case, prefix):
    tracker, online = case.tracker(), case.tensor('cached/online_templates')
    online = online[:1] if prefix.endswith('one_online') else online
    templates = torch.cat([case.tensor('template')[:1], online])[None]  # (1, 1 + online, 3, Ht, Wt)
    search, backbone = case.tensor('search')[:1], tracker.backbone
    with torch.no_grad():
        known = tracker.prepare(dict(template=templates))
        tokens = backbone.search_only(search, known['keys_values'])
        outputs = tracker(dict(search=search, **known), mode='tensor')
        first = backbone.patch_embed(templates[0]) + backbone.pos_embed_template
        first = first.flatten(0, 1)[None]
        for block in backbone.blocks:
            first, _ = block(first, prepare=True)
    case.compare(first[:, :backbone.pos_embed_template.shape[1]], f'{prefix}/first_template_tokens', TOKENS)
    case.compare(tokens[:, :-4], f'{prefix}/search_tokens', TOKENS)
    case.compare(tokens[:, -4:], f'{prefix}/reg_tokens', TOKENS)
    case.compare(outputs['boxes'], f'{prefix}/pred_boxes', OUTPUTS)
    case.compare(outputs['score'], f'{prefix}/pred_scores', OUTPUTS)


def test_box_training(case):
    tracker = case.tracker()
    losses = tracker(case.inputs(), case.samples(), mode='loss')
    total = sum(losses.values())
    check_losses(case, dict(ciou=losses['loss_ciou'] / 2, l1=losses['loss_l1'] / 5, total=total), 'train_box')
    total.backward()
    check_gradients(case, dict(tracker.named_parameters()), 'train_box')


def test_score_training(case):
    tracker = case.tracker(train_score=True)
    losses = tracker(case.inputs(), case.samples(), mode='loss')
    check_losses(case, dict(scores=sum(losses.values())), 'train_score')
    sum(losses.values()).backward()
    check_gradients(case, dict(tracker.named_parameters()), 'train_score')


def test_ciou(case):
    boxes, targets = case.tensor('ciou/boxes_xyxy').requires_grad_(), case.tensor('ciou/gt_xyxy')
    loss = 1 - paired_ciou(boxes, targets)
    case.compare(loss, 'ciou/loss', 1e-6)
    ordered = (boxes[:, 2:] > boxes[:, :2]).all(1)
    case.compare(torch.where(ordered, paired_iou(boxes, targets), case.tensor('ciou/iou')), 'ciou/iou', 1e-6)
    loss.sum().backward()
    case.compare(boxes.grad, 'ciou/grad', 1e-5)


def test_the_teacher_of_the_distillation(case):
    check_outputs(case, case.tracker('teacher'), case.inputs(), 'teacher_out')


class CornerMaps(torch.nn.Module):
    """A dense teacher with the maps of a file."""

    def __init__(self, maps):
        super().__init__()
        self.maps = maps

    def forward(self, template, search):
        return self.maps


def test_dense_to_sparse(case):
    teacher = CornerMaps([case.tensor(f'stage1/dense_teacher_prob_{corner}') for corner in ('tl', 'br')])
    tracker = MODELS.build(dict(case.config('teacher'), type='ct_mm.DenseTaughtMixFormerV2', teacher=teacher))
    tracker.load_state_dict(case.state('teacher'), strict=True)
    tracker.eval()
    with tap_outputs([tracker.head]) as calls:
        losses = tracker(case.inputs(), case.samples('distill/gt_boxes_xywh_normalized'), mode='loss')
    check_edges(case, calls[0][0]['edges'], 'stage1/student_')
    total = sum(losses.values())
    check_losses(case, dict(ciou=losses['loss_ciou'] / 2, l1=losses['loss_l1'] / 5,
                            distill_logits=losses['loss_edges'] / 5, total=total), 'stage1')
    total.backward()
    check_gradients(case, dict(tracker.named_parameters()), 'stage1')


@pytest.fixture
def deep_to_shallow(case, tmp_path):
    """The distiller of the second stage, its student in the state of the file."""
    removed, ends = set(case.data['distill/removed_layers'].tolist()), case.data['distill/teacher_layers'].tolist()
    sizes = np.diff([-1, *ends]).tolist()
    stages = [range(end - size + 1, end + 1) for end, size in zip(ends, sizes)]
    torch.save(dict(state_dict=case.state('teacher')), tmp_path / 'teacher.pth')
    distiller = MODELS.build(dict(
        type='ct_mm.ReplacementDistiller', model=case.config('teacher'), teacher=str(tmp_path / 'teacher.pth'),
        stage_sizes=sizes, layers_per_stage=[sum(layer not in removed for layer in stage) for stage in stages],
        mimic=dict(type='ct_mm.FeatureMimicLoss', loss_weight=0.2, by_group=False),
        guidance=dict(type='ct_mm.PredictionGuidanceLoss', terms=('edges', ))))
    distiller.init_weights()
    plan = distiller.divided.stacks[0].plan
    assert [layer for layer, in plan.copied_layers] == [i for i in range(plan.num_layers) if i not in removed]
    student, state = distiller.student, case.state('student')
    kept = {f'backbone.blocks.{new}.': f'backbone.blocks.{old}.'
            for new, old in enumerate(sorted(set(range(plan.num_layers)) - removed))}

    def of_file(name):
        name = plain_name(student, name)
        block = '.'.join(name.split('.')[:3]) + '.'
        return name.replace(block, kept[block]) if block in kept else name

    student.load_state_dict({key: state[of_file(key)] for key in student.state_dict()}, strict=True)
    distiller.path = (True, ) * distiller.num_stages
    return distiller.eval(), of_file


def check_step(case, distiller, prefix, ends, name_in_file):
    """Checks a step; ``ends`` are the 0-based layers at whose ends the file has the tokens of the stages."""
    student = distiller.student
    with tap_outputs([*distiller.divided.stage_ends, student.head]) as calls:
        losses = distiller(case.inputs(), case.samples('distill/gt_boxes_xywh_normalized'), mode='loss')
    for end, (tokens, ) in zip(ends, calls):
        case.compare(tokens, f'{prefix}/tokens_after_layer_{end + 1}', TOKENS)
    case.compare(calls[-1][0]['boxes'], f'{prefix}/pred_boxes', OUTPUTS)
    check_edges(case, calls[-1][0]['edges'], f'{prefix}/')
    total = sum(value for name, value in losses.items() if 'loss' in name)
    check_losses(case, dict(ciou=losses['loss_ciou'] / 2, l1=losses['loss_l1'] / 5,
                            distill_corner_kl=losses['loss_guidance'] / 5, distill_feat=losses['loss_mimic'] / 0.2,
                            total=total), prefix)
    total.backward()
    check_gradients(case, {name_in_file(name): p for name, p in student.named_parameters()}, prefix)


def test_layers_fade_out(case, deep_to_shallow):
    distiller, of_file = deep_to_shallow
    steps = sorted(key.split('/')[1] for key in case.keys if key.startswith('stage2_removing/')
                   and key.endswith('/removal_rate'))
    rates = case.data['distill/removal_rate_epochs_1_to_45']
    length = int(np.argmin(rates)) + 2
    np.testing.assert_allclose([removal_rate(epoch, length) for epoch in range(len(rates))], rates, atol=1e-12)
    for step in steps:
        rate = float(case.data[f'stage2_removing/{step}/removal_rate'])
        assert removal_rate(int(step.removeprefix('epoch_')) - 1, length) == pytest.approx(rate, abs=1e-12)
        distiller.zero_grad()
        fade_removed_layers(distiller.divided, rate, ('attn.proj', 'mlp.fc2'))
        check_step(case, distiller, f'stage2_removing/{step}', case.data['distill/student_layers'], of_file)


def test_the_layers_that_are_kept(case, deep_to_shallow):
    distiller, _ = deep_to_shallow
    check_step(case, distiller, 'stage2_kept', case.data['stage2_kept/student_layers'],
               lambda name: plain_name(distiller.student, name))


@pytest.mark.parametrize('cached', [True, False], ids=['cached', 'recomputed'])
def test_tracking(case, cached):
    """The official online tracker: boxes, scores, and which crop is the online template after each frame."""
    frames, interval = case.data['tracking/frames'], int(case.data['tracking/update_interval'])
    tracker = case.tracker(template_factor=2.0, search_factor=4.5, update_interval=interval, cache_templates=cached)
    tracker.init(frames[0], case.data['tracking/init_box'].astype(np.float64))
    crops = [(tracker.state.memory.first, 0)]  # every crop so far, and the frame that it comes from

    def frame_of(crop):
        return next(number for known, number in crops if known is crop)

    for index, frame in enumerate(frames[1:]):
        assert frame_of(tracker.state.memory.shown[1]) == case.data['tracking/online_template_frame_used'][index]
        outputs = tracker.loop.outputs(tracker.state, frame)
        expected = {key: case.data[f'tracking/{key}'][index] for key in (
            'network_boxes_cxcywh', 'boxes_xywh', 'scores', 'became_candidate', 'online_template_frame_after',
            'max_score_after')}
        np.testing.assert_allclose(outputs['box'][0], expected['network_boxes_cxcywh'], atol=OUTPUTS)
        candidate = tracker.state.memory.candidate
        box, score = tracker.track(frame)
        np.testing.assert_allclose(box, expected['boxes_xywh'], atol=1e-3)
        np.testing.assert_allclose(score, expected['scores'], atol=OUTPUTS)
        state = tracker.state.memory
        crops += [(crop, index + 1) for crop in (state.candidate, *state.shown)
                  if not any(crop is known for known, _ in crops)]
        if (index + 1) % interval:
            assert (state.candidate is not candidate) == expected['became_candidate']
        assert frame_of(state.shown[1]) == expected['online_template_frame_after']
        np.testing.assert_allclose(state.best, expected['max_score_after'], atol=OUTPUTS)
