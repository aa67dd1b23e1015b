"""Released weights of MixFormerV2 under our names: what is written, what is checked, what is refused."""
import re
import runpy
from pathlib import Path

import pytest
import torch
from parity_files import REFERENCE

from ct_mm.engine.checkpoints.reading import read_state_dict
from ct_mm.registry import MODELS
from ct_mm.tracking.models.mixformerv2.converter import convert_mixformerv2_file, convert_mixformerv2_keys
from ct_mm.tracking.models.mixformerv2.converter.config import mixformerv2_model_config, published
from ct_mm.tracking.models.mixformerv2.mixformerv2_vit import sine_cosine_positions
from ct_mm.tracking.models.released_weights import check_complete

main = runpy.run_path(
    str(Path(__file__).resolve().parents[5] / 'tools' / 'model_converters' / 'mixformerv2_to_ct_mm.py'))['main']
KEYS = REFERENCE / 'mixformerv2_keys.txt'
#: Beginning of the heading; layers, MLP ratio, search and template size, bins, score head, million parameters.
PUBLISHED = {'MixFormerV2-B': (8, 4.0, 288, 128, 96, True, 58.86), 'MixFormerV2-S': (4, 1.0, 224, 112, 96, True, 16.23),
             '12-layer model': (12, 4.0, 288, 128, 72, False, 86.60),
             '8-layer student': (8, 4.0, 288, 128, 72, False, 58.25)}


def released_shapes(heading):
    """Every key of a released file with a tensor of its shape, which takes no memory except for the positions."""
    state, inside = {}, False
    for line in KEYS.read_text(encoding='utf-8').splitlines():
        if line.startswith('## '):
            inside = line.startswith(f'## {heading}')
        elif inside and line and not line.startswith('#'):
            key, shape = re.match(r'(\S+) \(([\d, ]*)\)', line).groups()
            shape = [int(side) for side in shape.split(',') if side.strip()]
            state[key] = torch.zeros(shape, device='meta')
            if re.search(r'pos_embed_[st]$', key):
                state[key] = sine_cosine_positions(round(shape[1]**0.5), shape[2])
    return state


@pytest.mark.skipif(not KEYS.is_file(), reason=f'no {KEYS} (set CT_MM_SHARED)')
@pytest.mark.parametrize('heading', PUBLISHED)
def test_every_key_of_a_released_file_has_its_place(heading):
    state = released_shapes(heading)
    depth, ratio, search, template, bins, score, parameters = PUBLISHED[heading]
    assert len(state) == 12 * depth + 14 + 4 * score
    converted, config = convert_mixformerv2_keys(state), mixformerv2_model_config(state)
    assert len(converted) == len(state) - 2
    check_complete(converted, config)  # none is missing, none is left over
    backbone, head = config['backbone'], config['head']
    assert [backbone[key] for key in ('depth', 'mlp_ratio', 'search_size', 'template_size', 'num_heads')] == [
        depth, ratio, search, template, 12]
    assert (head['bins'], head['score']) == (bins, score)
    assert sum(value.numel() for value in state.values()) / 1e6 == pytest.approx(parameters, abs=0.005)
    with torch.device('meta'):
        model = MODELS.build(config)
    assert {name: value.shape for name, value in model.state_dict().items()} == {
        name: value.shape for name, value in converted.items()}


@pytest.mark.skipif(not KEYS.is_file(), reason=f'no {KEYS} (set CT_MM_SHARED)')
def test_the_dense_teacher_is_named():
    with pytest.raises(ValueError, match='this is a MixViT with a corner head'):
        convert_mixformerv2_keys(released_shapes('MixViT-B'))


def official(depth=2, width=64, score=True, module=''):
    """A small state dict with official names."""
    torch.manual_seed(0)
    shapes = {'backbone.reg_tokens': (1, 4, width), 'backbone.pos_embed_reg': (1, 4, width),
              'backbone.patch_embed.proj.weight': (width, 3, 16, 16), 'backbone.patch_embed.proj.bias': (width, )}
    for i in range(depth):
        for name, shape in dict(norm1=(width, ), norm2=(width, )).items():
            shapes.update({f'backbone.blocks.{i}.{name}.{last}': shape for last in ('weight', 'bias')})
        for name, (out, into) in {'attn.qkv': (3 * width, width), 'attn.proj': (width, width),
                                  'mlp.fc1': (2 * width, width), 'mlp.fc2': (width, 2 * width)}.items():
            shapes[f'backbone.blocks.{i}.{name}.weight'] = out, into
            shapes[f'backbone.blocks.{i}.{name}.bias'] = (out, )
    heads = {'box_head.layers.0.0': (width, width), 'box_head.layers.0.1': (width, ),
             'box_head.layers.1.0': (24, width), 'box_head.layers.1.1': (24, )}
    heads.update({'score_head.layers.0.0': (width, width), 'score_head.layers.1': (1, width)} if score else {})
    for name, shape in heads.items():
        shapes.update({f'{name}.weight': shape, f'{name}.bias': shape[:1]})
    state = {key: torch.rand(shape) for key, shape in shapes.items()}
    state.update({'backbone.pos_embed_s': sine_cosine_positions(4, width),
                  'backbone.pos_embed_t': sine_cosine_positions(2, width)})
    return {module + key: value for key, value in state.items()}


@pytest.mark.parametrize('score', [True, False])
def test_a_file_is_converted_and_described(tmp_path, score, capsys):
    torch.save(dict(net=official(score=score, module='module.'), epoch=500), tmp_path / 'in.pth.tar')
    main([str(tmp_path / 'in.pth.tar'), str(tmp_path / 'out.pth')])
    report = capsys.readouterr().out
    for line in ('MixFormerV2 of another size than the published ones', '2 of width 64, MLP ratio 2',
                 '2 of 32 pixels, 2 x 2 tokens', '64 pixels, 4 x 4 tokens',
                 f'24 bins, {"with" if score else "without"} score head', '2 tables of positions checked'):
        assert line in report
    config = eval(report[report.index('model = ') + len('model = '):], dict(dict=dict))  # it prints a config
    model = MODELS.build(config)
    model.load_state_dict(read_state_dict(tmp_path / 'out.pth'), strict=True)
    assert config['backbone']['num_heads'] == 1 and model.head.bins == 24


def test_published_models_have_names():
    names = {published(dict(embed_dim=768, depth=depth, mlp_ratio=ratio, search_size=search))[0]
             for depth, ratio, search, *_ in PUBLISHED.values()}
    assert {'MixFormerV2-B', 'MixFormerV2-S'} < names and len(names) == 3


@pytest.mark.parametrize('change, message', [
    (lambda s: s.update({'backbone.pos_embed_s': s['backbone.pos_embed_s'].flip(1)}), r'_s differs by \d.*4 x 4'),
    (lambda s: s.update({'backbone.pos_embed_t': torch.full((1, 4, 64), torch.nan)}), 'pos_embed_t.* is not finite'),
    (lambda s: s.update({'backbone.pos_embed_t': torch.zeros(1, 5, 64)}), 'pos_embed_t has 5 tokens'),
    (lambda s: s.pop('backbone.pos_embed_t'), 'pos_embed_t is missing'),
    (lambda s: s.pop('backbone.reg_tokens'), r'no regression tokens.*box_head.layers'),
    (lambda s: [s.pop(key) for key in list(s) if key.startswith('box_head')], 'no distribution head'),
    (lambda s: s.update({'backbone.cls_token': torch.zeros(1, 1, 64)}), r'1 of \d+ weights are unknown.*cls_token'),
    (lambda s: s.pop('backbone.blocks.1.norm1.bias'), 'backbone.blocks.1.norm1.bias is missing'),
    (lambda s: [s.pop(key) for key in list(s) if 'blocks.0' in key], r'the layers of the backbone are \[1\]'),
    (lambda s: s.update({'score_head.layers.1.bias': torch.zeros(2)}), r'head.score.2.bias has shape \(2,\)'),
    (lambda s: s.update({'head.box.0.weight': torch.zeros(2)}), 'already a ct_mm checkpoint'),
    (lambda s: s.update({'student.backbone.blocks.2.layer.norm1.bias': torch.zeros(2)}), 'training checkpoint'),
])
def test_what_does_not_fit_is_refused(tmp_path, change, message):
    state = official()
    change(state)
    torch.save(dict(net=state), tmp_path / 'in.pth.tar')
    with pytest.raises(ValueError, match=message):
        convert_mixformerv2_file(tmp_path / 'in.pth.tar', tmp_path / 'out.pth')
    assert not (tmp_path / 'out.pth').exists()
