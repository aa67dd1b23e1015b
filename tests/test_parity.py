"""Every output, loss and gradient norm against the authors' released code, from files of reference numbers.

Any file of the same kind is checked (see tests/support/parity_files.py). A file may say ``num_heads``, which cannot be
read from weights. For a file that does not, it is the one divisor of the width with which the teacher gives the outputs
in the file.
"""
import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData
from parity_files import DATA, parity_files

from ct_mm.compression.distillation.taps import tap_outputs
from ct_mm.compression.division.stage_plan import StagePlan
from ct_mm.compression.division.tensor_names import plain_name
from ct_mm.registry import MODELS
from ct_mm.tracking.models.ostrack.converter.config import ostrack_model_config
from ct_mm.tracking.models.ostrack.converter.weights import convert_ostrack_keys, rename_ostrack_key
from ct_mm.tracking.structures import TrackDataSample
from ct_mm.tracking.structures.boxes import xywh_to_xyxy

FILES = parity_files('teacher_out/stage0')
TOLERANCE, GRADIENT_TOLERANCE = 1e-5, 1e-4
OUTPUTS = {'score_map': 'score_map', 'size_map': 'size_map', 'offset_map': 'offset_map', 'boxes': 'pred_boxes'}


class ParityCase:
    """One file of reference numbers and the models that its weights make."""

    def __init__(self, file):
        self.data = np.load(file)
        self.inputs = {name: torch.from_numpy(self.data[name]) for name in ('template', 'search')}
        self.teacher_state = self.state('teacher')
        self.student_state = self.state('student')
        num_heads = int(self.data['num_heads']) if 'num_heads' in self.data else self.find_num_heads()
        self.teacher_config = self.config(self.teacher_state, num_heads)
        self.student_config = self.config(self.student_state, num_heads)
        self.num_stages = self.student_config['backbone']['depth']
        self.search_size = self.data['search'].shape[-1]
        assert self.teacher_config['backbone']['search_size'] == self.search_size
        boxes = xywh_to_xyxy(torch.from_numpy(self.data['gt_boxes_xywh_normalized'])) * self.search_size
        self.samples = []
        for box in boxes:
            self.samples.append(TrackDataSample())
            self.samples[-1].gt_instances = InstanceData(bboxes=box[None])

    def state(self, model):
        official = {key[len(model) + 1:]: torch.from_numpy(self.data[key])
                    for key in self.data.files if key.startswith(f'{model}/')}
        return convert_ostrack_keys(official).state

    @staticmethod
    def config(state, num_heads):
        config = ostrack_model_config(state)
        config['backbone']['num_heads'] = num_heads
        return config

    def find_num_heads(self):
        width = self.config(self.teacher_state, None)['backbone']['embed_dim']
        found = [heads for heads in range(1, width + 1) if width % heads == 0 and self.teacher_agrees(heads)]
        if len(found) != 1:
            raise ValueError(f'the file has no key num_heads, and of the divisors of its width {width} '
                             f'{found or "none"} give the outputs of its teacher: add num_heads to the file')
        return found[0]

    def teacher_agrees(self, num_heads):
        self.teacher_config = self.config(self.teacher_state, num_heads)
        with torch.no_grad():
            outputs = self.tracker('teacher')(self.inputs, mode='tensor')
        try:
            for ours, theirs in OUTPUTS.items():
                self.compare(outputs[ours], f'teacher_out/{theirs}')
        except AssertionError:
            return False
        return True

    def tracker(self, model):
        tracker = MODELS.build(getattr(self, f'{model}_config'))
        tracker.load_state_dict(getattr(self, f'{model}_state'), strict=True)
        return tracker.eval()

    def stage_sizes(self):
        """Layers of each stage: a student layer was copied from the last teacher layer of its stage."""
        layers = self.teacher_config['backbone']['depth']
        if not self.has('copied_teacher_layers'):
            return [len(stage) for stage in StagePlan.even(layers, self.num_stages).stages]
        ends = self.data['copied_teacher_layers'].tolist()
        assert ends[-1] == layers - 1 and len(ends) == self.num_stages
        return [end - before for before, end in zip([-1, *ends], ends)]

    def distiller(self, folder):
        """The training step, its teacher read from a file as users have it, its student from the reference."""
        torch.save(dict(state_dict=self.teacher_state), folder / 'teacher.pth')
        distiller = MODELS.build(
            dict(
                type='ct_mm.ReplacementDistiller',
                model=self.teacher_config,
                teacher=str(folder / 'teacher.pth'),
                stage_sizes=self.stage_sizes()))
        distiller.init_weights()
        student = distiller.student
        student.load_state_dict({key: self.student_state[plain_name(student, key)] for key in student.state_dict()})
        return distiller.eval()

    def paths(self):
        return sorted({key.split('/')[0] for key in self.data.files if key.startswith('mixed_')})

    def compare(self, value, key, tolerance=TOLERANCE):
        """The largest difference, relative to the largest reference value."""
        expected = torch.from_numpy(np.asarray(self.data[key]))
        value = torch.as_tensor(value).detach().reshape(expected.shape)
        error = (value - expected).abs().max() / expected.abs().max().clamp(min=1e-12)
        assert error < tolerance, f'{key}: relative error {error:.2e}'

    def has(self, key):
        return key in self.data.files


@pytest.fixture(scope='module', params=FILES, ids=lambda file: file.stem)
def case(request):
    return ParityCase(request.param)


def test_a_number_of_heads_that_cannot_be_told_is_an_error(tmp_path):
    data = dict(np.load(DATA / 'ostrack_small_4stage.npz'))
    assert 'num_heads' not in data and ParityCase(DATA / 'ostrack_small_4stage.npz').find_num_heads() == 4
    none = {**data, 'teacher_out/score_map': data['teacher_out/score_map'] + 1}
    np.savez(tmp_path / 'none.npz', **none)
    with pytest.raises(ValueError, match=r'no key num_heads.* none give'):
        ParityCase(tmp_path / 'none.npz')
    case = ParityCase(DATA / 'ostrack_small_4stage.npz')
    case.teacher_state = {key: torch.zeros_like(value) if key.endswith('attn.proj.weight') else value
                          for key, value in case.teacher_state.items()}
    case.teacher_config = case.config(case.teacher_state, 4)
    with torch.no_grad():
        outputs = case.tracker('teacher')(case.inputs, mode='tensor')
    case.data = {**data, **{f'teacher_out/{theirs}': outputs[ours].numpy() for ours, theirs in OUTPUTS.items()}}
    with pytest.raises(ValueError, match=r'no key num_heads.*\[1, 2, .* give the outputs'):
        case.find_num_heads()


@pytest.mark.parametrize('model', ['teacher', 'student'])
def test_tracker(case, model):
    tracker = case.tracker(model)
    every = (range(case.num_stages) if model == 'student' else np.cumsum(case.stage_sizes()) - 1)
    ends = [tracker.backbone.blocks[index] for index in every]
    with torch.no_grad(), tap_outputs([*ends, tracker.backbone]) as tokens:
        outputs = tracker(case.inputs, mode='tensor')
    for ours, theirs in OUTPUTS.items():
        case.compare(outputs[ours], f'{model}_out/{theirs}')
    for name, (value, ) in zip([*(f'stage{i}' for i in range(case.num_stages)), 'normed'], tokens):
        if model == 'teacher' or case.has(f'{model}_out/{name}'):
            case.compare(value, f'{model}_out/{name}')


def test_the_pure_student_of_the_distiller_is_the_plain_student(case, tmp_path):
    with torch.no_grad():
        outputs = case.distiller(tmp_path)(case.inputs, mode='tensor')
        plain = case.tracker('student')(case.inputs, mode='tensor')
    for ours, theirs in OUTPUTS.items():
        case.compare(outputs[ours], f'student_out/{theirs}')
        assert torch.equal(outputs[ours], plain[ours])


def test_the_target_of_the_score_map(case):
    from ct_mm.tracking.models.layers.gaussian_focal_loss import gaussian_target
    x, y, w, h = torch.from_numpy(case.data['gt_boxes_xywh_normalized']).unbind(-1)
    target = gaussian_target(torch.stack([x + w / 2, y + h / 2, w, h], -1), case.student_config['head']['feat_size'])
    case.compare(target, 'gt_heatmap')


@pytest.mark.parametrize('mixed', sorted({path for file in FILES for path in ParityCase(file).paths()}))
def test_training_step(case, mixed, tmp_path):
    if not case.has(f'{mixed}/loss/total'):
        pytest.skip(f'this file has no step {mixed}')
    distiller = case.distiller(tmp_path)
    distiller.path = [digit == '1' for digit in mixed.removeprefix('mixed_')]
    taps = [*distiller.divided.stage_ends, distiller.student.head]
    with tap_outputs(taps) as outputs:
        losses = distiller(case.inputs, case.samples, mode='loss')
    for stage in range(case.num_stages):
        case.compare(outputs[stage][-1], f'{mixed}/stage{stage}')
    case.compare(outputs[-1][-1]['score_map'], f'{mixed}/score_map')
    case.compare(outputs[-1][-1]['boxes'], f'{mixed}/pred_boxes')

    total = sum(value for name, value in losses.items() if 'loss' in name)
    weighted = dict(giou=losses['loss_giou'] / 2, l1=losses['loss_l1'] / 5, focal=losses['loss_score'],
                    guidance_giou=losses['guidance_giou'] / 2, guidance_l1=losses['guidance_l1'] / 5,
                    mimic=losses['loss_mimic'] / 0.2, total=total)
    for name, value in weighted.items():
        case.compare(value, f'{mixed}/loss/{name}')

    total.backward()
    check_gradients(case, mixed, distiller)


def check_gradients(case, mixed, distiller):
    student = distiller.student
    parameters = {plain_name(student, key): parameter for key, parameter in student.named_parameters()}
    prefix = f'{mixed}/grad_norm/'
    checked = 0
    for key in case.data.files:
        if not key.startswith(prefix):
            continue
        gradient = parameters[rename_ostrack_key(key[len(prefix):])].grad
        if case.data[key] == 0:
            assert gradient is None or not gradient.any(), f'{key} must have no gradient'
        else:
            case.compare(gradient.norm(), key, GRADIENT_TOLERANCE)
        checked += 1
    assert checked
    # A student layer that was not drawn has no gradient in any of its parameters.
    for stage, drawn in enumerate(distiller.path):
        for parameter in distiller.divided.student_layers[stage].parameters():
            assert drawn or parameter.grad is None or not parameter.grad.any()
    assert all(parameter.grad is None for parameter in distiller.teacher.parameters())
