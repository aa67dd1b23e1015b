"""A checkpoint that would run a command runs nothing, wherever it is given, and is refused."""
import http.server
import os
import threading
from functools import partial
from pathlib import Path

import pytest
import torch
from mmengine.runner.checkpoint import CheckpointLoader

from ct_mm import cli
from ct_mm.engine.checkpoints.reading import let_mmengine_read_safely, read_checkpoint
from ct_mm.engine.checkpoints.writing import save_checkpoint
from ct_mm.registry import MODELS


class Command:

    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return os.system, (f'touch {self.file}', )


class CodeText:

    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return eval, (f'open({str(self.file)!r}, "w")', )


@pytest.fixture(params=[Command, CodeText])
def evil(request, tmp_path):
    """A checkpoint of the toy model with such an object in it. At the end nothing of it must have run."""
    ran = tmp_path / 'it-ran'
    path = tmp_path / 'evil.pth'
    weights = MODELS.build(dict(type='ct_mm.Layers')).state_dict()
    torch.save(dict(state_dict=weights, meta=dict(epoch=1, iter=4), message_hub=request.param(ran)), path)
    yield str(path)
    assert not ran.exists(), 'code from the file ran'


def test_as_load_from(train, evil):
    with pytest.raises(ValueError, match=r'evil\.pth holds more than tensors'):
        train('run', load_from=evil)


def test_as_the_checkpoint_to_resume(train, evil):
    with pytest.raises(ValueError, match=r'evil\.pth holds more than tensors'):
        train('run', load_from=evil, resume=True)


def test_as_the_newest_checkpoint_in_the_work_dir(train, evil, tmp_path):
    train('run')
    os.replace(evil, tmp_path / 'run' / 'epoch_9.pth')
    assert train('run', resume=True).iter == 16
    log = ''.join(path.read_text() for path in (tmp_path / 'run').rglob('*.log'))
    assert 'epoch_9.pth cannot be used (it holds more than tensors' in log


def test_as_the_weights_that_a_part_of_a_model_starts_from(train, evil):
    with pytest.raises(ValueError, match=r'evil\.pth holds more than tensors'):
        train('run', model=dict(type='ct_mm.Layers', init_cfg=dict(type='Pretrained', checkpoint=evil)))


def test_as_the_checkpoint_to_test(config, evil):
    cfg = config('run', load_from=evil)
    runner = cli.build_runner(cfg)
    with pytest.raises(ValueError, match=r'evil\.pth holds more than tensors'):
        runner.load_or_resume()


def test_behind_an_address(evil, tmp_path, monkeypatch):
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'hub'))
    for name in ('http_proxy', 'HTTP_PROXY', 'all_proxy', 'ALL_PROXY'):
        monkeypatch.delenv(name, raising=False)
    save_checkpoint(dict(state_dict=dict(a=torch.ones(2))), tmp_path / 'good.pth')
    quiet = type('Quiet', (http.server.SimpleHTTPRequestHandler, ), dict(log_message=lambda *_: None))
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), partial(quiet, directory=str(tmp_path)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        let_mmengine_read_safely()
        address = f'http://127.0.0.1:{server.server_port}'
        with pytest.raises(ValueError, match='holds more than tensors'):
            CheckpointLoader.load_checkpoint(f'{address}/evil.pth')
        assert CheckpointLoader.load_checkpoint(f'{address}/good.pth')['state_dict']['a'].tolist() == [1, 1]
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize('statement', ['import os\nos.system("touch {}")', 'a = open({!r}, "w")',
                                       'a = __import__("os").system("touch {}")'])
def test_a_config_in_a_checkpoint_is_not_run(train, tmp_path, statement):
    """Tensors and plain text alone: MMEngine runs a text under meta.config when a training goes on."""
    ran = tmp_path / 'it-ran'
    train('run')
    for file in (tmp_path / 'run').glob('*.pth'):
        content = read_checkpoint(file)
        content['meta']['config'] = statement.format(str(ran))
        save_checkpoint(content, file)
    train('run', resume=True)
    train('run', resume=True, load_from=str(file))
    assert not ran.exists(), 'code from the file ran'


@pytest.mark.parametrize('script', ['publish_model', 'vit_to_ct_mm', 'ostrack_to_ct_mm'])
@pytest.mark.parametrize('options', [[], ['--ignore-objects']])
def test_to_the_converters(evil, tmp_path, script, options):
    import runpy
    if options and script != 'ostrack_to_ct_mm':
        return
    main = runpy.run_path(str(Path(__file__).parents[2] / 'tools' / 'model_converters' / f'{script}.py'))['main']
    with pytest.raises(SystemExit) as error:
        main([evil, str(tmp_path / 'out.pth'), *options])
    assert error.value.code and not (tmp_path / 'out.pth').exists()
