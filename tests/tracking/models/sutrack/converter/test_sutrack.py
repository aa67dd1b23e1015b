"""Released weights of SUTrack under our names: what is used, folded and left out, and what is refused."""
import re
import runpy
from pathlib import Path

import pytest
import torch
from parity_files import REFERENCE
from sutrack_release import released_state

from ct_mm.engine.checkpoints.reading import read_state_dict
from ct_mm.registry import MODELS
from ct_mm.tracking.models.released_weights import check_complete
from ct_mm.tracking.models.sutrack.converter import convert_sutrack_file, convert_sutrack_keys
from ct_mm.tracking.models.sutrack.converter.clip_text import zero_text_vector
from ct_mm.tracking.models.sutrack.converter.config import image_sizes, sutrack_model_config

main = runpy.run_path(
    str(Path(__file__).resolve().parents[5] / 'tools' / 'model_converters' / 'sutrack_to_ct_mm.py'))['main']
KEYS = REFERENCE / 'sutrack_keys.txt'
SIZES = dict(T224=(112, 224), B224=(112, 224), B384=(192, 384), L224=(112, 224), L384=(192, 384))
#: Width, heads, main blocks, stem blocks, templates, millions of parameters of encoder and head.
PUBLISHED = dict(T224=(384, 6, 12, (1, 1), 1, 23.9, 3.8), B224=(512, 8, 24, (3, 3), 2, 84.3, 4.7),
                 B384=(512, 8, 24, (3, 3), 2, 84.6, 4.7), L224=(768, 12, 40, (2, 2), 2, 311, 6.5),
                 L384=(768, 12, 40, (2, 2), 2, 312, 6.5))
SMALL = (32, 64)


def released_shapes(variant):
    """Every key of a released file with a tensor of its shape that takes no memory."""
    sections = {}
    for line in KEYS.read_text(encoding='utf-8').splitlines():
        if match := re.match(r'## (?:SUTrack-)?(\w+)', line):
            section = sections.setdefault(match[1], {})
        elif line and not line.startswith('#'):
            key, shape = re.match(r'(\S+) \(([\d, ]*)\)', line).groups()
            section[key] = torch.zeros([int(side) for side in shape.split(',') if side.strip()], device='meta')
    own = {**sections['L224'], **sections['L384']} if variant == 'L384' else sections[variant]
    return {**own, **sections['CLIP']}


@pytest.mark.skipif(not KEYS.is_file(), reason=f'no {KEYS} (set CT_MM_SHARED)')
@pytest.mark.parametrize('variant', PUBLISHED)
def test_every_key_of_a_released_file_has_its_place(variant):
    state = released_shapes(variant)
    assert len(state) == dict(T=833, B=1117, L=1437)[variant[0]]
    converted = convert_sutrack_keys(state, *SIZES[variant])
    config = sutrack_model_config(converted, *SIZES[variant], None)
    check_complete(converted.state, config)  # none is missing, none is left over
    width, heads, depth, stem, templates, encoder, head = PUBLISHED[variant]
    backbone = config['backbone']
    assert (backbone['embed_dim'], backbone['num_heads'], backbone['depth'], backbone['stem_depths'],
            backbone['num_templates']) == (width, heads, depth, stem, templates)
    with torch.device('meta'):
        tracker = MODELS.build(config)
    assert abs(sum(p.numel() for p in tracker.backbone.parameters()) / 1e6 - encoder) < 0.005 * encoder
    assert abs(sum(p.numel() for p in tracker.head.parameters()) / 1e6 - head) < 0.1
    assert set(converted.left_out) == {
        key for key in state if '.visual.' in key or key.endswith('logit_scale') or '_encoder.norm' in key}


@pytest.fixture(scope='module')
def official():
    return released_state()


def test_every_weight_is_used_folded_or_left_out(official):
    converted = convert_sutrack_keys(official, *SMALL)
    text = [key for key in official if key.startswith('text_encoder.')]
    folded = [key for key in text if not re.search(r'norm\d|visual|logit_scale', key)]
    assert sorted(converted.folded) == sorted([*folded, 'encoder.body.patch_embed.proj.weight'])
    assert sorted([*converted.left_out, *folded]) == sorted(text)
    state = converted.state
    assert len(state) == len(official) - len(text) + 2, 'two position tables instead of one, and the text token'
    for ours, theirs in {
            'backbone.stem.blocks2.1.hidden_norm.weight': 'encoder.body.blocks.3.mlp.ffn_ln.weight',
            'backbone.stem.merge2.reduction.bias': 'encoder.body.blocks.4.reduction.bias',
            'backbone.blocks.0.attn.q_proj.bias': 'encoder.body.blocks.5.attn.q_bias',
            'backbone.blocks.3.mlp.norm.weight': 'encoder.body.blocks.8.mlp.ffn_ln.weight',
            'backbone.foreground_type': 'encoder.body.template_foreground_token',
            'head.score.0.conv.weight': 'decoder.conv1_ctr.0.weight',
            'task_head.layers.4.bias': 'task_decoder.layers.2.bias'}.items():
        assert state[ours] is official[theirs]
    tracker = MODELS.build(sutrack_model_config(converted, *SMALL, 2, 2))
    tracker.load_state_dict(state, strict=True)


def test_the_folded_stem_is_the_released_one_on_an_image_given_twice(official):
    image = torch.randn(1, 3, 64, 64)
    weight, bias = (official[f'encoder.body.patch_embed.proj.{name}'] for name in ('weight', 'bias'))
    folded = convert_sutrack_keys(official, *SMALL).state['backbone.stem.patch_embed.weight']
    expected = torch.conv2d(torch.cat([image, image], 1), weight, bias, stride=4)
    torch.testing.assert_close(torch.conv2d(image, folded, bias, stride=4), expected)
    assert convert_sutrack_keys(official, *SMALL, fold=False).state['backbone.stem.patch_embed.weight'] is weight


def test_half_precision_of_clip_is_taken(official):
    half = {key: value.half() if '.clip.' in key and 'attn' in key else value for key, value in official.items()}
    token, exact = (convert_sutrack_keys(state, *SMALL).state['backbone.text_token'] for state in (half, official))
    assert token.dtype == torch.float32 and not torch.equal(token, exact)
    torch.testing.assert_close(token, exact, rtol=1e-2, atol=1e-2)


def test_clip_may_come_from_its_own_file(official):
    clip = {key.removeprefix('text_encoder.clip.'): value for key, value in official.items() if '.clip.' in key}
    rest = {f'module.{key}': value for key, value in official.items() if '.clip.' not in key}
    with pytest.raises(ValueError, match=r'lacks the text side of CLIP ViT-L/14 .*token_embedding.*--clip'):
        convert_sutrack_keys(rest, *SMALL)
    token = convert_sutrack_keys(rest, *SMALL, clip).state['backbone.text_token']
    assert torch.equal(token, convert_sutrack_keys(official, *SMALL).state['backbone.text_token'])
    del clip['transformer.resblocks.0.ln_2.bias']
    with pytest.raises(ValueError, match='text side of CLIP are missing: transformer.resblocks.0.ln_2.bias'):
        convert_sutrack_keys(rest, *SMALL, clip)
    with pytest.raises(ValueError, match='do not fit together'):
        zero_text_vector({**clip, 'transformer.resblocks.0.ln_2.bias': torch.zeros(3)})


@pytest.mark.parametrize('rows, sizes', [(245, [(112, 224)]), (720, [(192, 384)]), (125, [(32, 176), (80, 160)]),
                                         (7, [])])
def test_the_sizes_that_a_position_table_fits(rows, sizes):
    assert image_sizes(rows) == sizes


def renamed(old, new):
    return lambda state: {key.replace(old, new): value for key, value in state.items()}


def without(part):
    return lambda state: {key: value for key, value in state.items() if part not in key}


@pytest.mark.parametrize('change, sizes, words', [
    (lambda s: s, (48, 96), r'pos_embed has 20 rows, but images of 48 and 96 pixels have 9 \+ 36 tokens'),
    (lambda s: s, (32, 60), 'pos_embed has 20 rows, but images of 32 and 60'),
    (renamed('encoder.body', 'backbone'), SMALL, r'not the weights of a SUTrack \(encoder.body'),
    (renamed('decoder.conv', 'decoder.layer'), SMALL, "no centre head.*'decoder.layer1_ctr"),
    (lambda s: convert_sutrack_keys(s, *SMALL).state, SMALL, 'already a ct_mm checkpoint'),
    (without('pos_embed'), SMALL, 'pos_embed .* is missing'),
    (without('blocks.2.'), SMALL, r'blocks of the encoder are \[0, 1, 3'),
    (without('reduction'), SMALL, 'blocks of the encoder are'),
    (without('text_proj.bias'), SMALL, 'text_proj.bias is missing'),
    (without('ln_final.weight'), SMALL, 'CLIP are missing: ln_final.weight'),
    (lambda s: {**s, 'encoder.body.blocks.5.attn.k_bias': torch.zeros(1)}, SMALL,
     "1 of .* weights are unknown.*'encoder.body.blocks.5.attn.k_bias'"),
    (lambda s: {**s, 'encoder.rope': torch.zeros(1)}, SMALL, "unknown.*'encoder.rope'"),
    (lambda s: {**s, 'text_encoder.clip.bert.weight': torch.zeros(1)}, SMALL, "unknown.*'text_encoder.clip.bert"),
])
def test_files_that_are_refused(official, change, sizes, words):
    with pytest.raises(ValueError, match=words):
        convert_sutrack_keys(change(official), *sizes)


@pytest.fixture
def write(tmp_path):
    def make(state, name='in.pth.tar', **more):
        torch.save(dict(net=state, epoch=180, **more), tmp_path / name)
        return tmp_path / name

    return make


def test_a_file_is_converted_and_described(tmp_path, official, write):
    report = convert_sutrack_file(write(official), tmp_path / 'out.pth', num_templates=2, num_heads=2)
    state = convert_sutrack_keys(official, *SMALL).state
    for words in (f'{len(state)} written', '0 unknown', 'text_encoder.clip.visual.* (2)', 'text_encoder.norm1.weight',
                  '4 of width 32', '2 of 32 pixels, 2 x 2 tokens', '64 pixels, 4 x 4 tokens', 'clamp_size=True'):
        assert words in report, report
    read = read_state_dict(tmp_path / 'out.pth')
    assert read.keys() == state.keys() and all(torch.equal(read[key], state[key]) for key in state)
    scope = {}
    exec(report[report.index('model = dict('):], scope)
    MODELS.build(scope['model']).load_state_dict(read, strict=True)


@pytest.mark.parametrize('change, arguments, words', [
    (without('task_decoder.layers.1.'), [], 'task_head.layers.2.weight is missing'),
    (without('blocks.6.norm1.bias'), [], 'backbone.blocks.1.norm1.bias is missing'),
    (lambda s: {**s, 'decoder.conv1_size.0.bias': torch.zeros(3)}, [], r'size.0.conv.bias has shape \(3,\)'),
    (lambda s: s, ['--search-size', '96'], 'pos_embed has 20 rows, but images of 48 and 96'),
    (lambda s: s, ['--template-size', '48'], r'pos_embed has 20 rows, which fit no sizes'),
    (lambda s: released_state(template=5, search=10), [], r'fit \[\(32, 176\), \(80, 160\)\].*give search_size'),
    (lambda s: s, None, 'how many templates.*--num-templates'),
])
def test_errors_name_the_file_and_write_nothing(tmp_path, official, write, capsys, change, arguments, words):
    file, given = write(change(official)), ['--num-templates', '2'] if arguments is not None else []
    with pytest.raises(SystemExit) as error:
        main([str(file), str(tmp_path / 'out.pth'), '--num-heads', '2', *given, *(arguments or [])])
    assert re.search(rf'in\.pth\.tar: .*{words}', str(error.value)) and not (tmp_path / 'out.pth').exists()


def test_the_script_takes_ambiguous_sizes_from_the_user_and_clip_from_a_file(tmp_path, write, capsys):
    state = released_state(template=5, search=10)
    clip = write({key.removeprefix('text_encoder.clip.'): value for key, value in state.items() if '.clip.' in key},
                 'clip.pth')
    file = write(without('.clip.')(state))
    main([str(file), str(tmp_path / 'out.pth'), '--search-size', '160', '--num-templates', '3', '--clip', str(clip)])
    assert '3 of 80 pixels' in capsys.readouterr().out
    assert read_state_dict(tmp_path / 'out.pth')['backbone.pos_embed_template'].shape == (1, 25, 32)
