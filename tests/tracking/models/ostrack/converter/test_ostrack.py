"""Released weights under our names: which model is chosen, what is refused, what the shapes tell."""
import sys
import types
from collections import OrderedDict

import pytest
import torch

from ct_mm.engine.checkpoints.reading import read_state_dict
from ct_mm.registry import MODELS
from ct_mm.tracking.models.ostrack.converter import convert_ostrack_file, convert_ostrack_keys
from ct_mm.tracking.models.ostrack.converter.config import ostrack_model_config
from ct_mm.tracking.models.released_weights import check_complete, format_model_config


@pytest.fixture(scope='module')
def official(request):
    """Official state dicts of the small teacher (12 layers) and student (4 layers)."""
    data = request.getfixturevalue('reference')('ostrack_small_4stage')

    def make(model):
        return OrderedDict((key[len(model) + 1:], torch.from_numpy(data[key]))
                           for key in data.files if key.startswith(f'{model}/'))

    return dict(teacher=make('teacher'), student=make('student'))


@pytest.fixture
def training(official):
    """A CompressTracker training checkpoint as its authors write it: student, frozen blocks and teacher."""
    state = OrderedDict()
    for key, value in official['student'].items():
        state[key.replace('backbone.blocks.', 'backbone.distill_blocks.')] = value
    for key, value in official['teacher'].items():
        state[f'ori_{key}'] = value
        if key.startswith('backbone.blocks.'):
            state[key] = value
    return state


def assert_is(state, official):
    """The converted weights are these, all of them, and fill a model strictly."""
    expected = convert_ostrack_keys(official).state
    assert state.keys() == expected.keys()
    assert all(torch.equal(state[key], expected[key]) for key in state)
    config = ostrack_model_config(state)
    config['backbone']['num_heads'] = 4
    MODELS.build(config).load_state_dict(state, strict=True)


def test_every_weight_of_ostrack_has_a_place(official):
    converted = convert_ostrack_keys(official['teacher'])
    assert converted.kind == 'OSTrack'
    assert converted.dropped == ('backbone.cls_token', 'backbone.pos_embed')
    assert len(converted.state) == 240
    assert_is(converted.state, official['teacher'])
    state, source = converted.state, official['teacher']
    for ours, theirs in {
            'backbone.pos_embed_template': 'backbone.pos_embed_z', 'backbone.pos_embed_search': 'backbone.pos_embed_x',
            'backbone.blocks.11.mlp.fc2.bias': 'backbone.blocks.11.mlp.fc2.bias',
            'head.score.0.conv.weight': 'box_head.conv1_ctr.0.weight',
            'head.offset.3.bn.running_var': 'box_head.conv4_offset.1.running_var',
            'head.size.4.bias': 'box_head.conv5_size.bias'}.items():
        assert state[ours] is source[theirs]


def test_a_parallel_prefix_is_ignored(official):
    state = {f'module.{key}': value for key, value in official['teacher'].items()}
    assert_is(convert_ostrack_keys(state).state, official['teacher'])


@pytest.mark.parametrize('weights', ['student', 'teacher'])
def test_the_two_models_of_a_training_checkpoint(training, official, weights):
    converted = convert_ostrack_keys(training, weights)
    assert converted.kind == f'{weights} of a CompressTracker training checkpoint'
    assert_is(converted.state, official[weights])
    assert len(converted.state) + len(converted.dropped) == len(training)


def test_a_released_student_alone(training, official):
    state = {key: value for key, value in training.items() if not key.startswith(('ori_', 'backbone.blocks.'))}
    converted = convert_ostrack_keys(state)
    assert converted.kind == 'CompressTracker student'
    assert_is(converted.state, official['student'])
    assert_is(convert_ostrack_keys(official['student']).state, official['student'])


def test_frozen_blocks_beside_a_student_are_not_taken_for_it(training, official):
    state = {key: value for key, value in training.items() if not key.startswith('ori_')}
    assert_is(convert_ostrack_keys(state).state, official['student'])


@pytest.mark.parametrize('drop, weights, words', [
    (('ori_', ), 'teacher', 'no weights of a teacher'),
    (('backbone.distill_blocks.', ), 'student', r'no student \(backbone.distill_blocks'),
])
def test_a_model_that_is_not_there(training, drop, weights, words):
    state = {key: value for key, value in training.items() if not key.startswith(drop)}
    with pytest.raises(ValueError, match=words):
        convert_ostrack_keys(state, weights)


@pytest.mark.parametrize('key', [
    'backbone.template_segment_pos_embed', 'backbone.blocks.0.attn.relative_position', 'backbone.norm3.weight',
    'box_head.conv6_ctr.0.weight', 'bottleneck.weight', 'backbone.blocks.0.ls1.gamma'])
def test_an_unknown_weight_is_an_error(official, key):
    with pytest.raises(ValueError, match=f"1 of 243 weights are unknown.*'{key}'"):
        convert_ostrack_keys({**official['teacher'], key: torch.zeros(1)})


@pytest.mark.parametrize('names, words', [
    (['embeddings.cls_token', 'encoder.layer.0.attention.query.weight'], 'plain transformer without a head'),
    (['blocks.0.attn.qkv.weight', 'cls_token', 'pos_embed'], "plain transformer.*'cls_token'"),
    (['conv1.weight'], "not the weights of an OSTrack tracker.*found 'conv1.weight'"),
    (['backbone.patch_embed.proj.weight', 'box_head.conv1_tl.0.weight'], "no centre head.*'box_head.conv1_tl"),
    (['backbone.pos_embed_template', 'head.score.0.conv.weight'], 'already a ct_mm checkpoint'),
    (['student.backbone.backbone.blocks.2.layer.norm1.weight'], 'training checkpoint of ct_mm.ReplacementDistiller'),
])
def test_weights_of_something_else_are_named(names, words):
    with pytest.raises(ValueError, match=words):
        convert_ostrack_keys({name: torch.zeros(1) for name in names})


def test_our_own_checkpoints_are_told_apart(tmp_path, official):
    state = convert_ostrack_keys(official['teacher']).state
    with pytest.raises(ValueError, match='already a ct_mm checkpoint'):
        convert_ostrack_keys(state)
    torch.save(state, tmp_path / 'teacher.pth')
    config = ostrack_model_config(state)
    config['backbone']['num_heads'] = 4
    distiller = MODELS.build(
        dict(type='ct_mm.ReplacementDistiller', model=config, teacher=str(tmp_path / 'teacher.pth'), num_stages=4))
    with pytest.raises(ValueError, match='student/student.pth'):
        convert_ostrack_keys(distiller.state_dict())


def test_a_wrong_choice_of_weights(official):
    with pytest.raises(ValueError, match="student, teacher, not 'pupil'"):
        convert_ostrack_keys(official['teacher'], 'pupil')


def test_the_config_is_read_from_the_shapes(official):
    config = ostrack_model_config(convert_ostrack_keys(official['student']).state)
    assert config['backbone'] == dict(
        type='ct_mm.OneStreamViT', embed_dim=48, depth=4, num_heads=None, patch_size=16, template_size=64,
        search_size=128)
    assert config['head'] == dict(type='ct_mm.CenterHead', in_channels=48, feat_size=8, channels=64)
    assert (config['template_factor'], config['search_factor']) == (2.0, 4.0)
    scope = {}
    exec(format_model_config(config), scope)
    assert scope['model'] == config


@pytest.mark.parametrize('template, search, factor', [(128, 256, 4.0), (192, 384, 5.0)])
def test_the_published_models_need_no_help(template, search, factor):
    model = dict(
        type='ct_mm.OSTrack',
        backbone=dict(
            type='ct_mm.OneStreamViT', embed_dim=768, depth=2, num_heads=12, patch_size=16, template_size=template,
            search_size=search),
        head=dict(type='ct_mm.CenterHead', in_channels=768, feat_size=search // 16, channels=256),
        template_factor=2.0,
        search_factor=factor)
    with torch.device('meta'):
        state = MODELS.build(model).state_dict()
    assert ostrack_model_config(state) == model


@pytest.mark.parametrize('change, words', [
    (lambda s: s.pop('backbone.norm.bias'), 'backbone.norm.bias is missing'),
    (lambda s: s.pop('backbone.blocks.3.norm1.bias'), 'backbone.blocks.3.norm1.bias is missing'),
    (lambda s: s.update({'backbone.blocks.1.norm1.bias': torch.zeros(3)}),
     r'norm1.bias has shape \(3,\) instead of \(48,\)'),
    (lambda s: s.update({'backbone.blocks.0.ls.gamma': torch.zeros(3)}), 'ls.gamma.* is unexpected'),
])
def test_weights_that_are_not_a_whole_model(official, change, words):
    state = convert_ostrack_keys(official['student']).state
    config = ostrack_model_config(state)
    change(state)
    with pytest.raises(ValueError, match=words):
        check_complete(state, config)


@pytest.mark.parametrize('change, words', [
    (lambda s: s.pop('backbone.pos_embed_search'), 'backbone.pos_embed_search is missing'),
    (lambda s: s.update({'backbone.pos_embed_search': torch.zeros(1, 60, 48)}),
     '60 tokens, which do not form a square'),
    (lambda s: [s.pop(key) for key in list(s) if '.blocks.1.' in key], r'layers of the backbone are \[0, 2, 3\]'),
    (lambda s: s.update({'backbone.patch_embed.proj.weight': torch.zeros(48, 768)}), 'must have 4 dimensions'),
])
def test_shapes_that_tell_no_config(official, change, words):
    state = convert_ostrack_keys(official['student']).state
    change(state)
    with pytest.raises(ValueError, match=words):
        ostrack_model_config(state)


@pytest.fixture
def released(tmp_path, official, monkeypatch):
    """Writes a file as the authors' trainer does, with an instance of a class of theirs, then takes the class away."""

    def write(state, key='net', zipped=True):
        with monkeypatch.context() as patch:
            for name in ('lib', 'lib.train', 'lib.train.admin'):
                patch.setitem(sys.modules, name, types.ModuleType(name))
            settings = type('Settings', (), {'__module__': 'lib.train.admin'})
            sys.modules['lib.train.admin'].Settings = settings
            content = {'epoch': 300, key: state, 'settings': settings()}
            torch.save(content, tmp_path / 'release.pth.tar', _use_new_zipfile_serialization=zipped)
        return tmp_path / 'release.pth.tar'

    return write


@pytest.mark.parametrize('zipped', [True, False])
@pytest.mark.parametrize('key', ['net', 'state_dict'])
def test_a_released_file(tmp_path, released, official, key, zipped):
    src = released(official['teacher'], key, zipped)
    with pytest.raises(ValueError, match=r'more than tensors.*lib\.train\.admin\.Settings.*--ignore-objects'):
        convert_ostrack_file(src, tmp_path / 'out.pth')
    assert not (tmp_path / 'out.pth').exists()
    report = convert_ostrack_file(src, tmp_path / 'out.pth', ignore_objects=True)
    for words in ('kind             OSTrack', '240 converted, 2 dropped', '1 kinds ignored: lib.train.admin.Settings',
                  '12 of width 48', 'fill in num_heads', '16 x 16 pixels', '64 pixels, 4 x 4 tokens',
                  '128 pixels, 8 x 8 tokens', 'head channels    64', "type='ct_mm.OSTrack'"):
        assert words in report
    assert_is(read_state_dict(tmp_path / 'out.pth'), official['teacher'])
    meta = torch.load(tmp_path / 'out.pth', weights_only=True)['meta']
    assert meta == dict(converted_from='release.pth.tar', kind='OSTrack')


def test_a_plain_file_needs_no_flag_and_a_view_takes_nothing_with_it(tmp_path, official):
    large = torch.zeros(1000, 48)
    state = {**official['student'], 'backbone.norm.bias': large[0]}
    torch.save(state, tmp_path / 'in.pth')
    convert_ostrack_file(tmp_path / 'in.pth', tmp_path / 'new' / 'out.pth')
    state = torch.load(tmp_path / 'new' / 'out.pth', weights_only=True)['state_dict']
    assert state['backbone.norm.bias'].untyped_storage().nbytes() == 48 * 4


def test_errors_of_a_file_name_it(tmp_path, official):
    file = tmp_path / 'in.pth'
    torch.save(official['student'], file)
    with pytest.raises(ValueError, match='choose another output file'):
        convert_ostrack_file(file, tmp_path / '.' / 'in.pth')
    with pytest.raises(ValueError, match=r'in\.pth: OSTrack: this file has no weights of a teacher'):
        convert_ostrack_file(file, tmp_path / 'out.pth', 'teacher')
    torch.save(dict(epoch=3), file)
    with pytest.raises(ValueError, match=r'in\.pth contains no weights'):
        convert_ostrack_file(file, tmp_path / 'out.pth')
    file.write_bytes(b'no checkpoint')
    with pytest.raises(ValueError, match=r'in\.pth') as error:
        convert_ostrack_file(file, tmp_path / 'out.pth')
    assert '--ignore-objects' not in str(error.value)
