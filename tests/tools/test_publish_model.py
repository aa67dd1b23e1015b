import runpy
from pathlib import Path

import pytest
import torch

from ct_mm.engine.checkpoints.reading import read_state_dict

SCRIPT = Path(__file__).parents[2] / 'tools' / 'model_converters' / 'publish_model.py'


def publish(*args):
    runpy.run_path(str(SCRIPT))['main']([str(arg) for arg in args])


def test_only_weights_remain_and_in_half_precision_if_asked(tmp_path):
    weights = dict(a=torch.randn(100, 100)[:2], steps=torch.tensor(7))
    torch.save(dict(state_dict=weights, optimizer=dict(state=[torch.zeros(10**5)])), tmp_path / 'epoch_1.pth')
    publish(tmp_path / 'epoch_1.pth', tmp_path / 'out' / 'half.pth', '--half')
    published = torch.load(tmp_path / 'out' / 'half.pth', weights_only=True)
    assert set(published) == {'state_dict', 'meta'}
    assert published['state_dict']['a'].dtype == torch.float16 and published['state_dict']['steps'] == 7
    torch.testing.assert_close(published['state_dict']['a'].float(), weights['a'], rtol=1e-3, atol=1e-6)
    assert (tmp_path / 'out' / 'half.pth').stat().st_size < 5000, 'neither the optimizer nor the rest of a view'


def test_values_beyond_half_precision_are_refused(tmp_path):
    torch.save(dict(a=torch.tensor([1e6])), tmp_path / 'x.pth')
    with pytest.raises(SystemExit, match='a holds values beyond float16'):
        publish(tmp_path / 'x.pth', tmp_path / 'y.pth', '--half')
    assert not (tmp_path / 'y.pth').exists()


def test_a_compressed_file_is_smaller_and_read_the_same(tmp_path):
    weights = dict(a=torch.randn(400, 400) * 0.02)
    torch.save(weights, tmp_path / 'x.pth')
    publish(tmp_path / 'x.pth', tmp_path / 'plain.pth', '--half')
    publish(tmp_path / 'x.pth', tmp_path / 'small.pth', '--half', '--deflate')
    assert (tmp_path / 'small.pth').stat().st_size < 0.97 * (tmp_path / 'plain.pth').stat().st_size
    plain, small = (read_state_dict(tmp_path / f'{name}.pth') for name in ('plain', 'small'))
    assert torch.equal(plain['a'], small['a'])
    damaged = bytearray((tmp_path / 'small.pth').read_bytes())
    damaged[5000] ^= 1
    (tmp_path / 'small.pth').write_bytes(damaged)
    with pytest.raises(ValueError, match='damaged'):
        read_state_dict(tmp_path / 'small.pth')
