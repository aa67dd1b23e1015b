"""Hand-made files that ask for memory, addresses or time: refused at each door, before anything happens."""
import contextlib
import io
import math
import os
import pickle
import pickletools
import resource
import runpy
import shutil
import struct
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from clean_process import run_clean
from mmengine.logging import HistoryBuffer
from toy_training import toy_config, toy_train

from ct_mm import cli, track
from ct_mm import train as training_command
from ct_mm.engine.checkpoints import resume
from ct_mm.engine.checkpoints.reading import read_checkpoint, read_state_dict
from ct_mm.engine.checkpoints.tensors_only import load_tensors_only
from ct_mm.engine.checkpoints.writing import save_checkpoint
from ct_mm.package_files import resolve_path
from ct_mm.registry import MODELS

CONVERTERS = Path(__file__).parents[2] / 'tools' / 'model_converters'


def value(content):
    """A plain value as opcodes that leave it on the stack."""
    return pickletools.optimize(pickle.dumps(content, 2))[2:-1]  # without places in the memo


def name(module, function):
    return f'c{module}\n{function}\n'.encode()


def call(module, function, *args):
    """A call whose arguments are opcodes already."""
    return name(module, function) + b'(' + b''.join(args) + b'tR'


def dtype(text, state=None):
    return call('numpy', 'dtype', value(text), value(False), value(True)) + (b'' if state is None else state + b'b')


def storage(kind='Float', key='0', numel=24):  # as many as the toy's first weight has
    return b'(' + value('storage') + name('torch', f'{kind}Storage') + value(key) + value('cpu') + value(numel) + b'tQ'


def tensor(stored, *rest):
    return call('torch._utils', '_rebuild_tensor_v2', stored, *map(value, rest), value(False),
                call('collections', 'OrderedDict'))


def doubled(start, again, times):
    """Something that is put into something else, twice each time, by its place in the memo."""
    return start + b'q\0' + b''.join(b'0h\0h\0' + again + b'q\0' for _ in range(times))


CORE = 'numpy.core.multiarray' if np.__version__ < '2' else 'numpy._core.multiarray'
EMPTY = call(CORE, '_reconstruct', name('numpy', 'ndarray'), value((0, )), value(b'b'))
BYTES = call('_codecs', 'encode', value('\x41' * 8), value('latin1'))
STATE = b'(' + value(1) + value((1, ))
# What would follow an address of the file's choosing, change what belongs to all, or make something of nothing.
POINTERS = {
    'object array over its own bytes': call('numpy', 'ndarray', value((1, )), dtype('O'), BYTES),
    'object array by its state': EMPTY + STATE + dtype('O') + value(False) + BYTES + b'tb',
    'dtype that becomes one of objects': dtype('f8', value((3, '|', None, None, None, 8, 8, 63))),
    'dtype with fields': dtype('V8', value((3, '|', None, ('a', ), {'a': (None, 0)}, 8, 1, 16))),
    'dtype of text': EMPTY + STATE + dtype('U2') + value(False) + BYTES + b'tb',
    'array of another class': call(CORE, '_reconstruct', name('torch', 'Tensor'), value((0, )), value(b'b')) + STATE
                              + dtype('f8') + value(False) + BYTES[:-1] + b'tb',
    'array longer than its bytes': EMPTY + b'(' + value(1) + value((10**12, )) + dtype('f8') + value(False) + BYTES
                                   + b'tb',
    'array of negative length': EMPTY + b'(' + value(1) + value((-1, -1)) + dtype('f8') + value(False) + BYTES + b'tb',
    'scalar object': call(CORE, 'scalar', dtype('O'), BYTES),
    'scalar longer than its bytes': call(CORE, 'scalar', dtype('f16'), BYTES),
    'array that stays without its state': EMPTY,
    'state set into an array of numbers': EMPTY + STATE + dtype('f8') + value(False) + BYTES + b'tb' + value({}) + b'b',
    'any attribute': call('builtins', 'getattr', name('numpy', 'ndarray'), value('tobytes')),
    'history with an attribute': name('mmengine.logging.history_buffer', 'HistoryBuffer') + b')\x81'
                                 + value({'mean': 3}) + b'b',
    'history of objects': call('mmengine.logging.history_buffer', 'HistoryBuffer', value([[]]), value([1])),
    'state of a function': name('torch._utils', '_rebuild_tensor_v2') + value({'__code__': 1}) + b'b',
    'state of a class': name('mmengine.logging.history_buffer', 'HistoryBuffer') + value({'mean': 1}) + b'b',
    'tensor by its class': call('torch', 'FloatTensor', value(10**6), value(10**6)),
    'legacy state of a tensor': tensor(storage(), 0, (4, ), (1, )) + value((1, 2, 3, 4)) + b'b',
    'storage beyond its record': tensor(storage(numel=10**7), 0, (10**7, ), (1, )),
    'tensor beyond its storage': tensor(storage(), 0, (25, ), (1, )),
    'tensor far beyond its storage': tensor(storage(), 2**40, (1, ), (1, )),
    'tensor before its storage': tensor(storage(), -8, (1, ), (1, )),
    'tensor with a negative stride': tensor(storage(), 3, (4, ), (-1, )),
    'storage that is none': tensor(value('storage'), 0, (4, ), (1, )),
}
LARGE = {
    'bytes of a number': call('builtins', 'bytearray', value(2**42)),
    'storage of a terabyte': tensor(storage(numel=2**40), 0, (2**40, ), (1, )),
    'expanded tensor': tensor(storage(), 0, (2**38, ), (0, )),
    'quantised tensor of a terabyte': call('torch._utils', '_rebuild_qtensor', storage('QInt8', numel=96), value(0),
                                           value((2**40, )), value((1, ))),
    'text encoded over and over': call('_codecs', 'encode', value('x' * 10**5) + b'q\0', value('latin1') + b'q\1')
                                  + b'0' + b'(' + (name('_codecs', 'encode') + b'h\0h\1\x86R') * 30000 + b'l',
    'dictionary copied over and over': value({i: i for i in range(10**4)}) + b'q\0' + b'('
                                       + (name('collections', 'Counter') + b'h\0\x85R') * 10**4 + b'l',
    'tuples of tuples': doubled(value(()), b'\x86', 60),
    'key of tuples': b'}' + doubled(value(()), b'\x86', 60) + value(1) + b's',
    'set of tuples': b'\x8f(' + doubled(value(()), b'\x86', 60) + b'\x90',
    'list in itself': b']q\0h\0a',
    'nested lists': b']' * 5000 + b'a' * 4999,
    'nested tuples': b')' + b'\x85' * 200000,
    'bytes announced': b'B\xff\xff\xff\x7fabc',
    'text announced': b'X\xff\xff\xff\x7fabc',
    'many sets': b'(' + b'\x8f' * 2 * 10**6 + b'l',
    'number of many digits': b'I' + b'9' * 10**6 + b'\n',
}
PROGRAMS = {**POINTERS, **LARGE}


def write(path, program, weights=None):
    """The toy's checkpoint, with what the program makes beside its weights."""
    weights = weights or MODELS.build(dict(type='ct_mm.Layers')).state_dict()
    buffer = io.BytesIO()
    torch.save(dict(state_dict=weights, meta=dict(epoch=9, iter=36), message_hub=dict(a=0)), buffer)
    with zipfile.ZipFile(buffer) as old, zipfile.ZipFile(path, 'w') as new:
        for part in old.namelist():
            data = old.read(part)
            if part.endswith('data.pkl'):
                # as the value of one more item of the dictionary at the top
                data = data[:-1] + value('more') + name('collections', 'OrderedDict') + b')R' + value('x') \
                    + program + b'ss.'
            new.writestr(part, data)
        new.writestr('archive/data/0000', b'')


@contextlib.contextmanager
def little_memory(more=1 << 30, seconds=60):
    """Only in a process that ends afterwards."""
    torch.set_num_threads(1)  # the threads of the parent are not in this copy of it, which would wait for them
    used = int(Path('/proc/self/statm').read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + more, ) * 2)
    resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(sum(os.times()[:2])) + seconds, ) * 2)
    yield


def refused(function, *args):
    try:
        function(*args)
    except SystemExit as stopped:
        assert stopped.code not in (0, None)
    except ValueError as error:
        assert 'evil.pth' in str(error), error
    else:
        raise AssertionError(f'{function} took it')


@pytest.mark.parametrize('program', PROGRAMS)
def test_both_readers_refuse_it(program, tmp_path):
    write(tmp_path / 'evil.pth', PROGRAMS[program])
    assert run_clean(both_readers, tmp_path / 'evil.pth') == 0


def both_readers(file):
    methods = dict(HistoryBuffer([1.0], [1])._statistics_methods)
    with little_memory():
        refused(read_checkpoint, file)
        try:  # what it does not know stands for nothing there
            load_tensors_only(file)
        except ValueError as error:
            assert 'evil.pth' in str(error)
        assert np.dtype('f8').kind == 'f' and np.ones(2).sum() == 2 and HistoryBuffer([1.0], [1]).mean() == 1
        assert HistoryBuffer._statistics_methods == methods


DOORS = ['object array over its own bytes', 'object array by its state', 'storage beyond its record',
         'expanded tensor', 'tuples of tuples']


TEACHER = """
_base_ = ['ct_mm::quickstart/tiny_tracker.py', 'ct_mm::_base_/compress.py']
compress = dict(teacher='evil.pth', num_stages=3)
train_dataloader = dict(
    batch_size=2, num_workers=0, persistent_workers=False, dataset=dict(
        pairs_per_epoch=2, sources=[dict(type='ct_mm.SequencePairs', dataset=dict(
            type='ct_mm.SequenceFolder', data_root='ct_mm::demo/clips'))]))
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=1)
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=1e-4))
"""


@pytest.mark.parametrize('program', DOORS)
def test_each_door_refuses_it(program, tmp_path, train, monkeypatch):
    monkeypatch.chdir(tmp_path)
    train('run')
    Path('tiny.py').write_text("_base_ = 'ct_mm::quickstart/tiny_tracker.py'")
    Path('four.py').write_text(TEACHER)
    write('evil.pth', PROGRAMS[program])
    shutil.copy('evil.pth', 'run/epoch_9.pth')
    assert run_clean(doors, tmp_path) == 0
    assert not Path('out.pth').exists()
    assert 'epoch_9.pth cannot be used' in ''.join(path.read_text() for path in Path('run').rglob('*.log'))


def doors(folder):
    os.chdir(folder)
    clip = str(next(Path(resolve_path('ct_mm::demo/clips')).rglob('*.mp4')))
    scripts = [(runpy.run_path(str(CONVERTERS / f'{script}.py'))['main'], ['evil.pth', 'out.pth', *options])
               for script, options in (('publish_model', ['--half']), ('vit_to_ct_mm', []), ('ostrack_to_ct_mm', []),
                                       ('ostrack_to_ct_mm', ['--ignore-objects']))]
    with little_memory():
        for main, arguments in scripts:
            refused(main, arguments)
        refused(read_state_dict, 'evil.pth')
        refused(lambda: toy_train(folder / 'from', load_from='evil.pth'))
        refused(lambda: toy_train(folder / 'named', load_from='evil.pth', resume=True))
        refused(lambda: cli.build_runner(toy_config(folder / 'test', load_from='evil.pth')).load_or_resume())
        refused(lambda: toy_train(folder / 'part', model=dict(
            type='ct_mm.Layers', init_cfg=dict(type='Pretrained', checkpoint='evil.pth'))))
        with contextlib.redirect_stderr(io.StringIO()) as said:
            refused(track.main, ['tiny.py', 'evil.pth', clip, '--box', '10', '10', '40', '40'])
            assert 'evil.pth' in said.getvalue(), said.getvalue()
        refused(lambda: training_command.main(['four.py', '--work-dir', 'four', '--device', 'cpu']))
        assert toy_train(folder / 'run', resume=True).iter == 16


@pytest.mark.parametrize(('program', 'message'), [
    ('object array over its own bytes', 'holds more than tensors|calls what is no function|odd|numbers'),
    ('storage beyond its record', "its storage '0' should have 40000000 bytes and has 96"),
    ('tensor beyond its storage', r'a tensor of shape \(25,\) lies outside its storage of 24 numbers'),
    ('tensor far beyond its storage', 'lies outside its storage'),
    ('expanded tensor',
     r'more\.x is not a plain dense tensor but expanded \(274877906944 numbers, 24 of them stored\)'),
    ('quantised tensor of a terabyte', r'more\.x is not a plain dense tensor but quantised'),
    ('tuples of tuples', 'contain one another over and over'), ('nested lists', 'nested deeper than 100 levels'),
    ('list in itself', 'nested deeper than 100'), ('key of tuples', 'a key is a tuple'),
    ('text encoded over and over', 'builds more data than it could hold'),
    ('dictionary copied over and over', 'builds more data than it could hold'),
    ('many sets', 'more than 1000000 steps')])
def test_the_message_says_what_is_wrong(program, message, tmp_path):
    write(tmp_path / 'evil.pth', PROGRAMS[program])
    with pytest.raises(ValueError, match=rf'evil\.pth .*({message})'):
        read_checkpoint(tmp_path / 'evil.pth')


def test_a_place_in_the_memo_costs_nothing(tmp_path):
    write(tmp_path / 'x.pth', b'Nr\xff\xff\xff\xff')

    assert run_clean(read_memo, tmp_path / 'x.pth') == 0


def read_memo(file):
    with little_memory():
        assert read_checkpoint(file)['more'] == dict(x=None)
        assert load_tensors_only(file)[0]['more'] == dict(x=None)


def test_zeros_are_not_unpacked(tmp_path):
    """A file of 0.4 MB that would become 0.4 GB."""
    with zipfile.ZipFile(tmp_path / 'evil.pth', 'w', zipfile.ZIP_DEFLATED) as archive:
        archive.writestr('archive/data.pkl', b'\x80\x02}.')
        with archive.open('archive/data/0', 'w') as part:
            for _ in range(400):
                part.write(bytes(1 << 20))

    assert run_clean(read_zeros, tmp_path / 'evil.pth') == 0


def read_zeros(file):
    with little_memory(1 << 27):
        for reader in (read_checkpoint, load_tensors_only):
            with pytest.raises(ValueError, match=r"evil.pth.*would unpack from .*data/0' with 419 MB"):
                reader(file)


def test_a_directory_that_lies_is_found_out_before_the_memory_is_full(tmp_path):
    with zipfile.ZipFile(tmp_path / 'evil.pth', 'w', zipfile.ZIP_DEFLATED) as archive:
        archive.writestr('archive/data.pkl', b'\x80\x02}.')
        with archive.open('archive/data/0', 'w') as part:
            for _ in range(256):
                part.write(bytes(1 << 20))
    content = (tmp_path / 'evil.pth').read_bytes().replace(struct.pack('<I', 256 << 20), struct.pack('<I', 4096))
    (tmp_path / 'evil.pth').write_bytes(content)

    assert run_clean(read_lying_directory, tmp_path / 'evil.pth') == 0


def read_lying_directory(file):
    with little_memory(1 << 27):
        refused(read_checkpoint, file)


def test_a_file_of_before_1_6_that_announces_a_terabyte(tmp_path):
    torch.save(dict(a=torch.ones(4)), tmp_path / 'evil.pth', _use_new_zipfile_serialization=False)
    whole = (tmp_path / 'evil.pth').read_bytes()
    assert whole.count(b'K\x04N') == 1
    (tmp_path / 'evil.pth').write_bytes(whole.replace(b'K\x04N', value(2**38) + b'N'))

    assert run_clean(read_announced_terabyte, tmp_path / 'evil.pth') == 0


def read_announced_terabyte(file):
    with little_memory():
        for reader in (read_checkpoint, load_tensors_only):
            with pytest.raises(ValueError, match=r'evil\.pth.*more bytes than the file'):
                reader(file)


ODD = {
    'complex': torch.ones(2, dtype=torch.complex64), 'sparse': torch.eye(3).to_sparse(),
    'quantised': torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8), 'meta': torch.ones(3, device='meta'),
    'finite': torch.tensor([1.0, float('nan')]), 'finite (': torch.tensor([1.0, float('inf')]),
    'expanded': torch.ones(1).expand(1000), 'conjugated': torch.ones(2, dtype=torch.complex64).conj(),
    'finite (NaN': torch.tensor([1.0, float('nan')]).half()}


@pytest.mark.filterwarnings('ignore')
@pytest.mark.parametrize('kind', ODD)
def test_an_odd_tensor_is_named_at_each_door(kind, tmp_path, train, config, monkeypatch):
    import runpy
    monkeypatch.chdir(tmp_path)
    weights = MODELS.build(dict(type='ct_mm.Layers')).state_dict()
    save_checkpoint(dict(state_dict=OrderedDict(weights, odd_one=ODD[kind]), meta=dict(epoch=1, iter=4)), 'evil.pth')
    message = rf'evil\.pth .*odd_one.* is .*{kind.split(" ")[0]}'
    for door in (lambda: read_state_dict('evil.pth'), lambda: train('from', load_from='evil.pth'),
                 lambda: train('named', load_from='evil.pth', resume=True),
                 lambda: cli.build_runner(config('test', load_from='evil.pth')).load_or_resume()):
        with pytest.raises(ValueError, match=message):
            door()
    with pytest.raises(ValueError, match=message.replace('is .*quantised', 'is .*(quantised|no plain)')):
        read_state_dict('evil.pth', trust=kind == 'finite')
    for script, *options in (['publish_model'], ['vit_to_ct_mm'], ['ostrack_to_ct_mm'],
                             ['ostrack_to_ct_mm', '--ignore-objects']):
        with pytest.raises(SystemExit, match=message):
            runpy.run_path(str(CONVERTERS / f'{script}.py'))['main'](['evil.pth', 'out.pth', *options])
    assert not Path('out.pth').exists()


def test_what_is_trusted_is_checked_as_well(tmp_path):
    torch.save(dict(state_dict=dict(a=torch.eye(3).to_sparse())), tmp_path / 'evil.pth')
    with pytest.raises(ValueError, match="evil.pth cannot be used: its weight 'a' is no plain dense tensor"):
        read_state_dict(tmp_path / 'evil.pth', trust=True)


def test_masks_of_minus_infinity_and_empty_tensors_are_weights(tmp_path):
    weights = dict(mask=torch.full((2, 2), float('-inf')), none=torch.empty(0, 3), count=torch.tensor(3))
    save_checkpoint(dict(state_dict=weights), tmp_path / 'x.pth')
    assert read_state_dict(tmp_path / 'x.pth').keys() == weights.keys()


@pytest.mark.parametrize('error', [MemoryError, RecursionError, OverflowError, OSError(5, 'failed'), ZeroDivisionError])
def test_no_failure_of_the_newest_file_hides_the_one_before_it(error, train, tmp_path, monkeypatch):
    train('run')
    read = resume.read_checkpoint.__globals__['read_torch_file']

    def fails_at_the_newest(path, **more):
        if str(path).endswith('epoch_4.pth') and not more.get('mapped'):
            raise error
        return read(path, **more)

    monkeypatch.setitem(resume.read_checkpoint.__globals__, 'read_torch_file', fails_at_the_newest)
    found = resume.newest_whole(resume.training_files(tmp_path / 'run', 'epoch_{}.pth'))
    assert found.path.name == 'epoch_3.pth' and 'epoch_4.pth cannot be used' in found.warning


@pytest.mark.parametrize('zipped', [True, False])
def test_what_torch_saves_is_read_as_torch_reads_it(zipped, tmp_path):
    base = torch.randn(10)
    content = dict(
        model=torch.nn.Linear(2, 3).state_dict(), tied=[base, base[2:5], base.view(2, 5).t()], empty=torch.empty(0, 3),
        half=torch.ones(3).half(), brain=torch.ones(3).bfloat16(), counter=__import__('collections').Counter({2: 1}),
        plain=[1.5, 2**70, -1, None, True, 'x', b'abc', b'', bytearray(b'xy'), {1, 2}, 1 + 2j, (1, (2, )), {(1, 2): 3}],
        kinds=[torch.float32, torch.device('cuda', 0), torch.Size([1, 2])])
    torch.save(content, tmp_path / 'x.pth', _use_new_zipfile_serialization=zipped)
    ours, theirs = read_checkpoint(tmp_path / 'x.pth'), torch.load(tmp_path / 'x.pth', weights_only=False)
    assert all(ours[key] == theirs[key] for key in ('counter', 'plain', 'kinds'))
    assert ours['tied'][0].data_ptr() + 8 == ours['tied'][1].data_ptr()
    for one, other in zip([*ours['tied'], *ours['model'].values(), ours['empty'], ours['half'], ours['brain']],
                          [*theirs['tied'], *theirs['model'].values(), theirs['empty'], theirs['half'],
                           theirs['brain']]):
        assert torch.equal(one, other) and one.dtype == other.dtype and one.stride() == other.stride()
    assert ours['model']._metadata == theirs['model']._metadata


def test_numbers_of_numpy_arrive_as_they_were(tmp_path):
    arrays = [np.float64(1), np.int64(3), np.bool_(True), np.float32(2), np.arange(6.).reshape(2, 3), np.zeros((0, 3)),
              np.asfortranarray(np.arange(6).reshape(2, 3)), np.array(3, np.uint8)]
    history = HistoryBuffer([1.0, 2.0], [1, 1])
    torch.save(dict(arrays=arrays, history=[history, HistoryBuffer()]), tmp_path / 'x.pth')
    read = read_checkpoint(tmp_path / 'x.pth')
    for one, other in zip(read['arrays'], arrays):
        assert type(one) is type(other) and one.dtype == other.dtype and np.array_equal(one, other)
    assert [buffer.data[0].tolist() for buffer in read['history']] == [[1, 2], []]
    read['history'][0].update(4.0)
    assert read['history'][0].mean() == 7 / 3 and type(read['history'][0]) is HistoryBuffer
