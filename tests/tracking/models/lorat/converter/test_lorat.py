"""Released weights of LoRAT under our names: what is used, folded and left out, and what is refused."""
import re
import runpy
from pathlib import Path

import pytest
import torch
from parity_files import REFERENCE

from ct_mm.engine.checkpoints.reading import read_state_dict
from ct_mm.registry import MODELS
from ct_mm.tracking.models.lorat.converter import convert_lorat_file, convert_lorat_keys
from ct_mm.tracking.models.lorat.converter.config import lorat_model_config
from ct_mm.tracking.models.lorat.converter.dinov2 import resize_positions
from ct_mm.tracking.models.released_weights import check_complete

main = runpy.run_path(str(Path(__file__).resolve().parents[5] / 'tools' / 'model_converters' / 'lorat_to_ct_mm.py'))[
    'main']
KEYS = REFERENCE / 'lorat_keys.txt'
SIZES = {224: (112, 224), 378: (196, 378)}
#: Width, heads, layers, millions of parameters.
PUBLISHED = dict(B=(768, 12, 12, {224: 88.1, 378: 88.5}), L=(1024, 16, 24, {224: 307.4, 378: 307.9}))
SMALL = 56  # pixels of a search region of 4 x 4 tokens
WIDTH, RANK, DEPTH = 16, 2, 2


def sections():
    """The lists of keys and shapes by heading, as tensors that take no memory."""
    found = {}
    for line in KEYS.read_text(encoding='utf-8').splitlines():
        if line.startswith('## '):
            section = found.setdefault(line[3:], {})
        elif line and not line.startswith('#'):
            key, shape = re.match(r'(\S+) \(([\d, ]*)\)', line).groups()
            section[key] = torch.zeros([int(side) for side in shape.split(',') if side.strip()], device='meta')
    return found


def section(number, variant):
    """One list; the lists of DINOv2 name the first block only, and the others are like it."""
    listed = sections()
    name, = [name for name in listed if name.startswith(f'{number}. ') and
             (f'{variant[0]}/14' if number == 4 else f'{variant}:' if number < 3 else variant) in name
             or name.startswith(f'{number}. ') and f'{variant} ' in name and number < 3]
    state = dict(listed[name])
    if number == 4:
        depth = PUBLISHED[variant[0]][2]
        state.update({key.replace('blocks.0.', f'blocks.{layer}.'): value for key, value in list(state.items())
                      for layer in range(depth) if key.startswith('blocks.0.')})
    return state


@pytest.mark.skipif(not KEYS.is_file(), reason=f'no {KEYS} (set CT_MM_SHARED)')
@pytest.mark.parametrize('variant, size', [('B', 224), ('B', 378), ('L', 224), ('L', 378)])
@pytest.mark.parametrize('alpha', [True, False], ids=['with_alpha', 'without_alpha'])
def test_every_key_of_a_released_file_has_its_place(variant, size, alpha):
    released, dinov2 = section(1, f'{variant}-224' if variant == 'L' else f'{variant}-{size}'), section(4, variant)
    assert len(released) == dict(B=159, L=303)[variant] and len(dinov2) == dict(B=175, L=343)[variant]
    for name, value in (('lora_alpha', 64), ('use_rslora', False)):
        del released[name]
        if alpha:
            released[name] = torch.tensor(value)
    converted = convert_lorat_keys(released, size, dinov2)
    assert converted.factor == 1
    folded = [key for key in released if '.lora.' in key or key in ('lora_alpha', 'use_rslora')]
    assert sorted(converted.folded) == sorted(folded) and set(converted.left_out) == {'cls_token', 'mask_token'}
    config = lorat_model_config(converted.state, *SIZES[size])
    check_complete(converted.state, config)  # none is missing, none is left over
    width, heads, depth, millions = PUBLISHED[variant]
    backbone = config['backbone']
    assert (backbone['embed_dim'], backbone['num_heads'], backbone['depth']) == (width, heads, depth)
    assert config['search_factor'] == {224: 4.0, 378: 5.0}[size]
    assert abs(sum(value.numel() for value in converted.state.values()) / 1e6 - millions[size]) < 0.06
    if variant == 'B' or size == 224:
        merged = section(2, f'{variant}-{size}')
        shapes = {key.removeprefix('backbone.'): value.shape for key, value in converted.state.items()}
        assert shapes == {key: value.shape for key, value in merged.items()}
        assert convert_lorat_keys(merged, size).state.keys() == converted.state.keys()


def linear(name, outputs, inputs):
    return {f'{name}.weight': torch.randn(outputs, inputs), f'{name}.bias': torch.randn(outputs)}


@pytest.fixture
def dinov2():
    """A small file of DINOv2."""
    torch.manual_seed(0)
    state = dict(cls_token=torch.zeros(1, 1, WIDTH), mask_token=torch.zeros(1, WIDTH),
                 pos_embed=torch.randn(1, 1 + 36, WIDTH))
    state.update({'patch_embed.proj.weight': torch.randn(WIDTH, 3, 14, 14), 'patch_embed.proj.bias': torch.randn(WIDTH),
                  'norm.weight': torch.ones(WIDTH), 'norm.bias': torch.zeros(WIDTH)})
    for layer in range(DEPTH):
        name = f'blocks.{layer}'
        for part in ('norm1', 'norm2'):
            state.update({f'{name}.{part}.weight': torch.ones(WIDTH), f'{name}.{part}.bias': torch.zeros(WIDTH)})
        state.update({f'{name}.ls1.gamma': torch.ones(WIDTH), f'{name}.ls2.gamma': torch.ones(WIDTH)})
        state.update({**linear(f'{name}.attn.qkv', 3 * WIDTH, WIDTH), **linear(f'{name}.attn.proj', WIDTH, WIDTH),
                      **linear(f'{name}.mlp.fc1', 4 * WIDTH, WIDTH), **linear(f'{name}.mlp.fc2', WIDTH, 4 * WIDTH)})
    return state


@pytest.fixture
def released():
    """A small released file, which holds only what was trained."""
    torch.manual_seed(1)
    state = dict(token_type_embed=torch.randn(3, WIDTH), lora_alpha=torch.tensor(4), use_rslora=torch.tensor(False))
    for layer in range(DEPTH):
        shapes = {f'attn.qkv.{part}': (WIDTH, WIDTH) for part in 'qkv'}
        shapes.update({'attn.proj': (WIDTH, WIDTH), 'mlp.fc1': (WIDTH, 4 * WIDTH), 'mlp.fc2': (4 * WIDTH, WIDTH)})
        for part, (inputs, outputs) in shapes.items():
            state[f'blocks.{layer}.{part}.lora.A'] = torch.randn(RANK, inputs)
            state[f'blocks.{layer}.{part}.lora.B'] = torch.randn(outputs, RANK)
    for head, outputs in (('cls', 1), ('reg', 4)):
        for i, size in enumerate((WIDTH, WIDTH, outputs)):
            state.update(linear(f'head.{head}_mlp.layers.{i}', size, WIDTH))
    return state


def test_every_weight_is_used_folded_or_left_out(released, dinov2):
    converted = convert_lorat_keys(released, SMALL, dinov2)
    state = converted.state
    assert converted.factor == 2 and len(state) == len(dinov2) - 2 + 1 + 12
    down, up = (released[f'blocks.1.attn.qkv.k.lora.{letter}'] for letter in 'AB')
    expected = dinov2['blocks.1.attn.qkv.weight'].clone()
    expected[WIDTH:2 * WIDTH] += 2 * up @ down
    torch.testing.assert_close(state['backbone.blocks.1.attn.qkv.weight'][WIDTH:2 * WIDTH],
                               expected[WIDTH:2 * WIDTH])
    assert torch.equal(state['backbone.pos_embed'], resize_positions(dinov2['pos_embed'][:, 1:], 4))
    assert torch.equal(state['head.cls_mlp.layers.2.bias'], released['head.cls_mlp.layers.2.bias'])
    model = MODELS.build(lorat_model_config(state, 28, SMALL, 2))
    model.load_state_dict(state, strict=True)


def test_a_checkpoint_trained_here_with_lora_is_folded_to_the_same_outputs():
    torch.manual_seed(0)
    size = dict(template_size=28, search_size=SMALL)
    backbone = dict(type='ct_mm.OneStreamDINOv2', embed_dim=WIDTH, depth=2, num_heads=2, **size)
    head = dict(type='ct_mm.LoRATHead', in_channels=WIDTH, feat_size=4)
    trained = MODELS.build(dict(type='ct_mm.LoRAT', backbone=dict(backbone, lora_rank=3, lora_alpha=6), head=head))
    plain = MODELS.build(dict(type='ct_mm.LoRAT', backbone=backbone, head=head))
    converted = convert_lorat_keys(trained.state_dict(), SMALL)
    assert converted.factor == 2
    plain.load_state_dict(converted.state, strict=True)
    inputs = dict(template=torch.randn(1, 3, 28, 28), search=torch.randn(1, 3, SMALL, SMALL),
                  template_mask=torch.ones(1, 1, 2, 2))
    with torch.no_grad():
        before, after = (model.eval()(inputs)['cells'] for model in (trained, plain))
    torch.testing.assert_close(before, after, atol=1e-5, rtol=1e-5)
    with pytest.raises(ValueError, match='already a ct_mm checkpoint'):
        convert_lorat_keys(plain.state_dict(), SMALL)


def without(part):
    return lambda state: {key: value for key, value in state.items() if part not in key}


def more(**weights):
    return lambda state: {**state, **weights}


def first_blocks(state):
    return {key: value for key, value in state.items() if 'blocks.1.' not in key}


@pytest.mark.parametrize('change, change_dinov2, words', [
    (lambda s: s, None, r'only what was trained.*the pretrained DINOv2 of width 16 \(--dinov2\)'),
    (without('head.reg'), dict, 'not the weights of a LoRAT: head.reg_mlp.layers.0.weight missing'),
    (without('attn.proj.lora.A'), dict, 'blocks.0.attn.proj.lora.A is missing'),
    (without('blocks.1.mlp.fc1.lora'), dict, r'2 faults: blocks.1.mlp.fc1.lora.A is missing'),
    (more(rope=torch.ones(1)), dict, "1 of .* weights are unknown.*'rope'"),
    (more(template_token_type_embed=torch.ones(2, 4)), dict, 'LoRATv2'),
    (more(**{'blocks.0.attn.proj.lora.A': torch.ones(2, 5)}), dict, r'lora.A \(2, 5\) and .* do not fit'),
    (lambda s: s, first_blocks, 'released weights are of 2 layers of width 16, but .* 1 layers of width 16'),
    (lambda s: s, more(register_tokens=torch.ones(1, 4, 16)), 'register tokens'),
    (lambda s: s, without('ls1.gamma'), 'no DINOv2 model: blocks.0.ls1.gamma missing'),
    (lambda s: s, more(**{'head.weight': torch.ones(1)}), "no plain DINOv2 model: 1 unknown weights, 'head.weight'"),
    (lambda s: s, more(pos_embed=torch.ones(1, 36, 16)), 'pos_embed has 36 rows'),
    (lambda s: {f'backbone.{key}': value for key, value in s.items()}, dict, 'already a ct_mm checkpoint'),
])
def test_files_that_are_refused(released, dinov2, change, change_dinov2, words):
    with pytest.raises(ValueError, match=words):
        convert_lorat_keys(change(released), SMALL, change_dinov2 and change_dinov2(dinov2))


def test_dinov2_in_the_place_of_the_released_file_is_recognised(released, dinov2):
    with pytest.raises(ValueError, match='looks like DINOv2 itself'):
        convert_lorat_keys(dinov2, SMALL, released)
    merged = {key.removeprefix('backbone.'): value for key, value in
              convert_lorat_keys(released, SMALL, dinov2).state.items()}
    with pytest.raises(ValueError, match='holds its frozen weights: omit'):
        convert_lorat_keys(merged, SMALL, dinov2)


def test_a_wrong_size_is_caught_where_the_file_shows_it(released, dinov2):
    merged = convert_lorat_keys(released, SMALL, dinov2).state
    with pytest.raises(ValueError, match='pos_embed has 16 rows, but a search region of 84 pixels has 36 tokens: this '
                                         'is a model of 56 pixels'):
        lorat_model_config(merged, 28, 84)
    for sizes in ((28, 50), (30, SMALL)):
        with pytest.raises(ValueError, match='not a multiple of the patches'):
            lorat_model_config(merged, *sizes)


@pytest.fixture
def write(tmp_path):
    """Writes a released file, in the safetensors format under another suffix as its authors do, and one of DINOv2."""
    save_file = pytest.importorskip('safetensors.torch').save_file

    def make(released, dinov2):
        save_file(released, tmp_path / 'small.bin')
        torch.save(dinov2, tmp_path / 'dinov2.pth')
        return [str(tmp_path / name) for name in ('small.bin', 'out.pth')]

    return make


SIZE = ['--search-size', '56', '--template-size', '28', '--num-heads', '2']


def test_a_file_is_converted_and_described(tmp_path, released, dinov2, write, capsys):
    main([*write(released, dinov2), *SIZE, '--dinov2', str(tmp_path / 'dinov2.pth')])
    report = capsys.readouterr().out
    state = convert_lorat_keys(released, SMALL, dinov2).state
    for words in ('as released, with the weights of DINOv2', f'{len(state)} written, 26 folded into them, 2 left out, '
                  '0 unknown', 'LoRA, times 2', "'cls_token', 'mask_token'", '2 of width 16',
                  '56 pixels, 4 x 4 tokens (as you said)'):
        assert words in report, report
    read = read_state_dict(tmp_path / 'out.pth')
    assert read.keys() == state.keys() and all(torch.equal(read[key], state[key]) for key in state)
    scope = {}
    exec(report[report.index('model = dict('):], scope)
    MODELS.build(scope['model']).load_state_dict(read, strict=True)


def test_starting_weights_of_a_training(tmp_path, released, dinov2, write, capsys):
    write(released, dinov2)
    out = tmp_path / 'start.pth'
    main([str(tmp_path / 'dinov2.pth'), str(out), '--search-size', '56', '--backbone-only'])
    assert 'positions of 56 pixels; left out: cls_token, mask_token' in capsys.readouterr().out
    backbone = MODELS.build(dict(
        type='ct_mm.OneStreamDINOv2', embed_dim=WIDTH, depth=2, num_heads=2, template_size=28, search_size=SMALL,
        lora_rank=2, init_cfg=dict(type='Pretrained', checkpoint=str(out))))
    backbone.init_weights()
    for key, value in backbone.state_dict().items():
        if 'lora' not in key and key not in ('pos_embed', 'token_type_embed'):
            assert torch.equal(value, dinov2[key]), key
    assert torch.equal(backbone.pos_embed, resize_positions(dinov2['pos_embed'][:, 1:], 4))


@pytest.mark.parametrize('arguments, words', [
    ([], 'nothing in the file says whether .* 224 or of 378 pixels.*--search-size'),
    (['--search-size', '56'], 'no published model has a search region of 56 pixels.*--template-size'),
    (SIZE, 'small.bin: this file holds only what was trained.*--dinov2'),
    ([*SIZE, '--dinov2', 'missing.pth'], 'missing.pth does not exist'),
])
def test_errors_name_the_way_out_and_write_nothing(tmp_path, released, dinov2, write, arguments, words):
    with pytest.raises(SystemExit) as error:
        main([*write(released, dinov2), *arguments])
    assert re.search(words, str(error.value)) and not (tmp_path / 'out.pth').exists()


def test_damaged_and_foreign_files_are_named(tmp_path, released, dinov2, write):
    files = write(released, dinov2)
    content = Path(files[0]).read_bytes()
    for cut in (content[:-100], content[:40], b'\x20' + content[1:]):
        Path(files[0]).write_bytes(cut)
        with pytest.raises(ValueError, match='small.bin'):
            convert_lorat_file(*files, SMALL, 28)
    Path(files[0]).write_bytes(content)
    with pytest.raises(ValueError, match='choose another output file'):
        convert_lorat_file(files[0], files[0], SMALL, 28)
    with pytest.raises(ValueError, match='small.bin with .*looks like DINOv2 itself|not the weights of a LoRAT|only '
                                         'what was trained'):
        convert_lorat_file(tmp_path / 'small.bin', files[1], SMALL, 28)
