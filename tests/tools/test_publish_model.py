import runpy
from pathlib import Path

import pytest
import torch

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
