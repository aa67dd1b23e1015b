import os
from collections import OrderedDict

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer

from ct_mm.engine.checkpoints.reading import read_checkpoint, read_state_dict
from ct_mm.engine.checkpoints.writing import save_checkpoint

WEIGHTS = OrderedDict(a=torch.arange(4.0), b=torch.ones(2, 3))


@pytest.mark.parametrize('content', [
    WEIGHTS, dict(state_dict=WEIGHTS, meta=dict(epoch=1)), dict(net=WEIGHTS, epoch=3), dict(model=WEIGHTS),
    dict(state_dict={f'module.{name}': value for name, value in WEIGHTS.items()})])
def test_weights_are_found_where_the_usual_trainers_put_them(tmp_path, content):
    torch.save(content, tmp_path / 'x.pth')
    state = read_state_dict(tmp_path / 'x.pth')
    assert state.keys() == WEIGHTS.keys() and all(torch.equal(state[name], WEIGHTS[name]) for name in WEIGHTS)


def test_mmengines_own_checkpoints_are_read_as_they_are(tmp_path):
    hub = dict(log_scalars={'train/loss': HistoryBuffer([1.0, 2.0], [1, 1])}, runtime_info=dict(iter=np.int64(3)))
    torch.save(dict(state_dict=WEIGHTS, message_hub=hub, meta=dict(seed=np.float64(1))), tmp_path / 'x.pth')
    assert torch.equal(read_state_dict(tmp_path / 'x.pth')['a'], WEIGHTS['a'])


class Evil:

    def __reduce__(self):
        return os.system, ('touch evil-was-here', )


def test_a_file_with_objects_is_refused_without_running_them_and_read_when_trusted(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save(dict(net=WEIGHTS, settings=Evil()), 'x.pth')
    with pytest.raises(ValueError, match=r'x\.pth holds more than tensors \(.*system.*trust=True'):
        read_state_dict('x.pth')
    assert not os.path.exists('evil-was-here')
    assert read_state_dict('x.pth', trust=True).keys() == WEIGHTS.keys()


@pytest.mark.parametrize('keep', [0, 10, 300, -20])
def test_a_cut_file_is_named(tmp_path, keep):
    torch.save(dict(state_dict=WEIGHTS), tmp_path / 'x.pth')
    whole = (tmp_path / 'x.pth').read_bytes()
    (tmp_path / 'x.pth').write_bytes(whole[:keep])
    with pytest.raises(ValueError, match=r'x\.pth .*(damaged|cut short)'):
        read_state_dict(tmp_path / 'x.pth')


def test_a_file_of_another_kind_is_not_called_a_matter_of_trust(tmp_path):
    (tmp_path / 'x.pth').write_bytes(b'this is no checkpoint at all' * 20)
    with pytest.raises(ValueError, match='damaged') as error:
        read_state_dict(tmp_path / 'x.pth')
    assert 'trust' not in str(error.value)


def test_a_missing_file_and_one_without_weights(tmp_path):
    with pytest.raises(FileNotFoundError, match='nothing.pth does not exist'):
        read_checkpoint(tmp_path / 'nothing.pth')
    torch.save(dict(epoch=3), tmp_path / 'x.pth')
    with pytest.raises(ValueError, match='holds no weights'):
        read_state_dict(tmp_path / 'x.pth')


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path):
    save_checkpoint(dict(state_dict=WEIGHTS), tmp_path / 'x.pth')

    class Unsaveable:

        def __reduce__(self):
            raise RuntimeError('disk full')

    with pytest.raises(RuntimeError, match='disk full'):
        save_checkpoint(dict(state_dict=WEIGHTS, meta=Unsaveable()), tmp_path / 'x.pth')
    assert [path.name for path in tmp_path.iterdir()] == ['x.pth']
    assert read_state_dict(tmp_path / 'x.pth').keys() == WEIGHTS.keys()
