import struct
import zipfile

import numpy as np
import pytest
import torch

from ct_mm.registry import MODELS
from ct_mm.tracking.models.ostrack.converter.vit import convert_vit_weights, read_npz


def plain_vit(grid=14, width=32, patch=16):
    backbone = MODELS.build(dict(type='ct_mm.OneStreamViT', embed_dim=width, depth=2, num_heads=2, patch_size=patch,
                                 template_size=patch * 8, search_size=patch * 16))
    state = {name: torch.randn_like(value) for name, value in backbone.state_dict().items() if 'pos_embed' not in name}
    return backbone, dict(state, cls_token=torch.zeros(1, 1, width), pos_embed=torch.randn(1, 1 + grid * grid, width))


def test_everything_but_the_position_embedding_is_taken_as_it_is():
    backbone, weights = plain_vit()
    state = convert_vit_weights(weights, 128, 256)
    backbone.load_state_dict(state, strict=True)
    assert all(torch.equal(state[name], weights[name]) for name in state if 'pos_embed' not in name)


def test_a_grid_of_the_same_size_is_kept_and_another_is_interpolated():
    _, weights = plain_vit(grid=16)
    weights['pos_embed'][0, 1:] = torch.arange(16.0).repeat(16)[:, None]  # grows with x only
    state = convert_vit_weights(weights, 128, 256)
    torch.testing.assert_close(state['pos_embed_search'], weights['pos_embed'][:, 1:])
    template = state['pos_embed_template'].view(8, 8, -1)
    torch.testing.assert_close(template[0], template[7])
    torch.testing.assert_close(template[3, 1:7, 0], torch.arange(2.5, 13, 2), rtol=0, atol=0.05)


@pytest.mark.parametrize('change, message', [
    (dict(pos_embed=None), 'it lacks pos_embed'), (dict(pos_embed=torch.zeros(1, 12, 32)), 'square grid'),
    ({'box_head.conv.weight': torch.zeros(1)}, 'not the weights of a plain ViT: box_head')])
def test_other_files_are_refused(change, message):
    _, weights = plain_vit()
    weights = {name: value for name, value in {**weights, **change}.items() if value is not None}
    with pytest.raises(ValueError, match=message):
        convert_vit_weights(weights, 128, 256)


def test_sizes_must_fit_the_patches():
    _, weights = plain_vit()
    with pytest.raises(ValueError, match='template_size=120 is not a multiple of the patch size 16'):
        convert_vit_weights(weights, 120, 256)


def test_a_real_pretrained_vit_fits(shared):
    with np.load(shared / 'data' / 'weights' / 'vit_small_patch14_fp16.npz') as file:
        weights = {name: torch.from_numpy(file[name].astype(np.float32)) for name in file.files}
    backbone = MODELS.build(dict(type='ct_mm.OneStreamViT', embed_dim=384, num_heads=6, patch_size=14,
                                 template_size=112, search_size=224))
    backbone.load_state_dict(convert_vit_weights(weights, 112, 224), strict=True)
    torch.testing.assert_close(backbone.pos_embed_search.data, weights['pos_embed'][:, 1:])


def test_an_archive_of_arrays_is_read_without_running_anything(tmp_path):
    _, weights = plain_vit()
    np.savez(tmp_path / 'vit.npz', **{name: value.half().numpy() for name, value in weights.items()})
    read = read_npz(tmp_path / 'vit.npz')
    assert read.keys() == weights.keys() and all(value.dtype == torch.float32 for value in read.values())
    torch.testing.assert_close(read['norm.weight'], weights['norm.weight'], rtol=1e-3, atol=1e-3)
    np.savez(tmp_path / 'objects.npz', cls_token=np.array([dict(a=1)], dtype=object))
    (tmp_path / 'text.npz').write_text('nothing')
    for name in ('objects', 'text'):
        with pytest.raises(ValueError, match=f'{name}.npz is not an archive of arrays'):
            read_npz(tmp_path / f'{name}.npz')


def npy(header, content=b''):
    """An array's entry with this header, whatever follows it."""
    text = f'{header}\n'.encode()
    return b'\x93NUMPY\x01\x00' + len(text).to_bytes(2, 'little') + text + content


@pytest.mark.parametrize('entries, message', [
    ({'a.npy': npy("{'descr': '<f4', 'fortran_order': False, 'shape': (10**12,)}")}, 'not an archive of arrays'),
    ({'a.npy': npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000,)}")},
     "its entry 'a.npy' announces float32 of shape .1000000000000,. and has 0 bytes"),
    ({'a.npy': npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", b'\x80\x02N.')}, 'announces object'),
    ({'a.npy': npy("{'descr': '<c8', 'fortran_order': False, 'shape': (1,)}", bytes(8))}, 'announces complex64'),
    ({'a.npy': npy("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}", bytes(4))}, 'announces|negative'),
    ({'a.npy': npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1,)}", struct.pack('<d', 1e300))},
     "its weight 'a' is not finite"),
    ({'a.npy': b'PK'}, 'is not an archive of arrays'),
    ({'a.npy': bytes(70 << 20)}, "would unpack from .* its largest entry is 'a.npy' with 73.4 MB"),
])
def test_hostile_archives_of_arrays_are_refused(entries, message, tmp_path):
    with zipfile.ZipFile(tmp_path / 'vit.npz', 'w', zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    with pytest.raises(ValueError, match=rf'vit\.npz.*({message})'):
        read_npz(tmp_path / 'vit.npz')
