"""The converter's command line."""
import runpy
from pathlib import Path

import pytest
import torch

SCRIPT = Path(__file__).resolve().parents[2] / 'tools' / 'model_converters' / 'ostrack_to_ct_mm.py'


@pytest.fixture
def main():
    return runpy.run_path(str(SCRIPT))['main']


def test_a_file_is_converted_and_described(main, reference, tmp_path, capsys):
    data = reference('ostrack_small_4stage')
    state = {key[len('student/'):]: torch.from_numpy(data[key]) for key in data.files if key.startswith('student/')}
    torch.save(dict(net=state), tmp_path / 'in.pth')
    main([str(tmp_path / 'in.pth'), str(tmp_path / 'out.pth')])
    assert '4 of width 48' in capsys.readouterr().out
    assert 'head.size.4.bias' in torch.load(tmp_path / 'out.pth', weights_only=True)['state_dict']


def test_an_error_is_a_message_and_a_failure(main, tmp_path):
    with pytest.raises(SystemExit, match=r'error: .*nothing\.pth does not exist'):
        main([str(tmp_path / 'nothing.pth'), str(tmp_path / 'out.pth')])
    with pytest.raises(SystemExit, match='2'):
        main(['in.pth', 'out.pth', '--weights', 'both'])
