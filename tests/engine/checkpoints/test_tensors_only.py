"""Nothing in a file runs, and its tensors arrive."""
import contextlib
import copyreg
import io
import pickle
import struct
import sys
import tarfile
import types
import zipfile
from collections import OrderedDict

import pytest
import torch

from ct_mm.engine.checkpoints import tensors_only
from ct_mm.engine.checkpoints.tensors_only import Placeholder, load_tensors_only

WEIGHTS = OrderedDict(a=torch.arange(6.0).view(2, 3), b=torch.tensor(7), h=torch.ones(3, dtype=torch.half))
both_formats = pytest.mark.parametrize('zipped', [True, False], ids=['zip', 'legacy'])


class Calls:
    """Pickles as a call of whatever it is given."""

    def __init__(self, function, *args):
        self.function, self.args = function, args

    def __reduce__(self):
        return self.function, self.args


def write(path, data, zipped):
    """A file of torch's two formats around a pickle written by hand (it has no persistent ids to resolve)."""
    if zipped:
        empty = io.BytesIO()
        torch.save({}, empty)
        with zipfile.ZipFile(empty) as old, zipfile.ZipFile(path, 'w') as new:
            for name in old.namelist():
                new.writestr(name, data if name.endswith('data.pkl') else old.read(name))
    else:
        head = [torch.serialization.MAGIC_NUMBER, torch.serialization.PROTOCOL_VERSION, dict(little_endian=True)]
        path.write_bytes(b''.join(pickle.dumps(part, 2) for part in head) + data + pickle.dumps([], 2))


@pytest.fixture
def unguarded_trap(tmp_path, monkeypatch):
    """A current folder in which `trap.sprung` appears if anything ran, and a module that springs it when called."""
    monkeypatch.chdir(tmp_path)
    module = types.ModuleType('trap_module')
    module.spring = lambda *args, **kwargs: open('trap.sprung', 'w').close()

    class Springs:
        __new__ = __init__ = __call__ = __setstate__ = module.spring

    module.Springs = Springs
    monkeypatch.setitem(sys.modules, 'trap_module', module)
    return tmp_path


@pytest.fixture
def trap(unguarded_trap):
    """That trap, and nothing must have sprung it."""
    yield unguarded_trap
    assert not (unguarded_trap / 'trap.sprung').exists(), 'code from the file ran'


def short(text):
    return b'\x8c' + struct.pack('B', len(text)) + text.encode()


COMMAND = 'touch trap.sprung'
# Each opcode that can bring about a call. `c` GLOBAL, `\x93` STACK_GLOBAL, `i` INST, `o` OBJ, `\x81` NEWOBJ,
# `\x92` NEWOBJ_EX, `R` REDUCE, `b` BUILD, `\x82` EXT1.
PROGRAMS = {
    'global_reduce': b'\x80\x02cposix\nsystem\n' + f'X{chr(len(COMMAND))}\0\0\0{COMMAND}'.encode() + b'\x85R.',
    'stack_global_reduce': b'\x80\x04' + short('os') + short('system') + b'\x93' + short(COMMAND) + b'\x85R.',
    'eval': b'\x80\x04' + short('builtins') + short('eval') + b'\x93'
            + short("open('trap.sprung', 'w')") + b'\x85R.',
    'exec_python2_name': b'\x80\x02c__builtin__\neval\n' + b'X\x18\0\0\0' + b"open('trap.sprung', 'w')" + b'\x85R.',
    'inst': b"(S'" + COMMAND.encode() + b"'\nios\nsystem\n.",
    'inst_class': b'(itrap_module\nSprings\n.',
    'obj': b"(cos\nsystem\nS'" + COMMAND.encode() + b"'\no.",
    'newobj': b'\x80\x02ctrap_module\nSprings\n)\x81.',
    'newobj_ex': b'\x80\x04ctrap_module\nSprings\n)}\x92.',
    'build': b'\x80\x02ctrap_module\nSprings\n)\x81}b.',
    'build_slots': b'\x80\x02ctrap_module\nSprings\n)\x81N}' + short('a') + b'K\x01s\x86b.',
    'filled': b'\x80\x04ctrap_module\nSprings\n)\x81K\x01a(K\x01K\x02eK\x01K\x02s(K\x03K\x04u(K\x05\x90.',
    'called_again': b'\x80\x02ctrap_module\nspring\n)R)R.',
    'attribute': b'\x80\x04' + short('os') + short('path.os.system') + b'\x93' + short(COMMAND) + b'\x85R.',
    'getattr': b'\x80\x04cbuiltins\ngetattr\nctrap_module\nSprings\n' + short('__call__') + b'\x86R)R.',
    'load_inside': b'\x80\x04' + short('torch.storage') + short('_load_from_bytes') + b'\x93'
                   + b'C' + struct.pack('B', 30) + b'x' * 30 + b'\x85R.',
    'extension': b'\x80\x02\x82\xf0)R.',
}


@both_formats
@pytest.mark.parametrize('program', PROGRAMS)
def test_no_opcode_reaches_anything(trap, zipped, program, monkeypatch):
    monkeypatch.setitem(copyreg._inverted_registry, 0xf0, ('trap_module', 'spring'))
    monkeypatch.setitem(copyreg._extension_cache, 0xf0, sys.modules['trap_module'].spring)
    write(trap / 'x.pth', PROGRAMS[program], zipped)
    content, replaced = load_tensors_only('x.pth')
    assert isinstance(content, Placeholder) and replaced
    assert not copyreg._extension_cache


@both_formats
@pytest.mark.parametrize('program', [name for name in PROGRAMS if name != 'load_inside'])
def test_each_program_springs_the_trap_when_read_as_usual(unguarded_trap, zipped, program, monkeypatch):
    monkeypatch.setitem(copyreg._inverted_registry, 0xf0, ('trap_module', 'spring'))
    write(unguarded_trap / 'x.pth', PROGRAMS[program], zipped)
    with contextlib.suppress(Exception):  # what the program makes is no checkpoint
        torch.load('x.pth', weights_only=False)
    copyreg.clear_extension_cache()
    assert (unguarded_trap / 'trap.sprung').exists()


@both_formats
def test_a_call_hidden_among_weights_does_not_happen(trap, zipped):
    gadgets = [Calls(eval, "open('trap.sprung', 'w')"), Calls(exec, "open('trap.sprung', 'w')"),
               Calls(__import__, 'os'), Calls(torch.hub.load, 'a/b', 'c'),
               Calls(torch.load, 'other.pth'), Calls(open, 'trap.sprung', 'w')]
    torch.save(dict(net=WEIGHTS, gadgets=gadgets), 'x.pth', _use_new_zipfile_serialization=zipped)
    content, replaced = load_tensors_only('x.pth')
    assert all(isinstance(gadget, Placeholder) for gadget in content['gadgets'])
    assert len(replaced) == len(gadgets)
    assert torch.equal(content['net']['a'], WEIGHTS['a'])


@both_formats
def test_the_training_settings_of_a_package_that_is_not_here(tmp_path, monkeypatch, zipped):
    with monkeypatch.context() as patch:
        for name in ('lib', 'lib.train', 'lib.train.admin'):
            patch.setitem(sys.modules, name, types.ModuleType(name))
        classes = {}
        for name, base in (('Settings', object), ('Meter', object), ('Env', dict), ('Names', list)):
            classes[name] = type(name, (base, ), {'__module__': 'lib.train.admin'})
            setattr(sys.modules['lib.train.admin'], name, classes[name])
        settings = classes['Settings']()
        settings.env, settings.names, settings.me = classes['Env'](a=1), classes['Names']([1, 2]), settings
        net = OrderedDict(WEIGHTS, parameter=torch.nn.Parameter(torch.ones(2)), view=WEIGHTS['a'].t())
        net._metadata = {'': dict(version=1)}
        stats = OrderedDict(train={'Loss/total': classes['Meter']()})
        optimizer = dict(state={0: dict(step=3, exp_avg=torch.zeros(2))}, param_groups=[dict(params=[0])])
        torch.save(dict(epoch=300, net_type='OSTrack', net=net, stats=stats, optimizer=optimizer, settings=settings),
                   tmp_path / 'x.pth.tar', _use_new_zipfile_serialization=zipped)
    content, replaced = load_tensors_only(tmp_path / 'x.pth.tar')
    assert content['epoch'] == 300 and content['net_type'] == 'OSTrack'
    assert list(content['net']) == list(net) and isinstance(content['net'], OrderedDict)
    for name, value in net.items():
        assert type(content['net'][name]) is torch.Tensor and content['net'][name].dtype == value.dtype
        assert torch.equal(content['net'][name], value.detach())
    assert torch.equal(content['optimizer']['state'][0]['exp_avg'], torch.zeros(2))
    assert isinstance(content['settings'], Placeholder)
    assert isinstance(content['stats']['train']['Loss/total'], Placeholder)
    assert {'lib.train.admin.Settings', 'lib.train.admin.Meter', 'lib.train.admin.Env'} <= set(replaced)


def reduce_program(module, name, *args):
    """GLOBAL, the arguments as plain values, REDUCE."""
    return b'\x80\x02c' + f'{module}\n{name}\n'.encode() + pickle.dumps(args, 2)[2:-1] + b'R.'


@pytest.mark.parametrize('arguments', [
    (), (1, 2, 3, 4), ('a', 0, (2, ), (1, )), (None, -1, (2, ), (1, )), ([], 0, [2], [1], False, {}), ({}, ) * 7])
@pytest.mark.parametrize('key', [key for key in tensors_only._ALLOWED if key[1] != 'OrderedDict'])
def test_what_a_file_may_call_refuses_arguments_that_make_no_tensor(tmp_path, key, arguments):
    write(tmp_path / 'x.pth', reduce_program(*key, *arguments), True)
    try:
        content, _ = load_tensors_only(tmp_path / 'x.pth')
    except ValueError as error:
        assert 'x.pth cannot be read as tensors only' in str(error)
    else:
        assert isinstance(content, Placeholder)  # a kind of tensor that is not known


@pytest.mark.parametrize('key', [key for key in tensors_only._ALLOWED if key[1] != 'OrderedDict'])
@pytest.mark.parametrize('state', [{'__defaults__': 1}, (None, {'_function': 1}), (None, {'__class__': 1}), 3])
def test_a_file_cannot_change_the_functions_that_it_may_call(tmp_path, key, state):
    function = tensors_only._ALLOWED[key]._function
    program = b'\x80\x02c' + '{}\n{}\n'.format(*key).encode() + pickle.dumps(state, 2)[2:-1] + b'b.'
    write(tmp_path / 'x.pth', program, True)
    with pytest.raises(ValueError, match='tries to change a function of the reader'):
        load_tensors_only(tmp_path / 'x.pth')
    assert tensors_only._ALLOWED[key]._function is function


@pytest.mark.parametrize('name', ['OrderedDict', 'Placeholder'])
def test_a_file_cannot_change_the_classes_that_stand_in_it(tmp_path, name):
    before = dict(vars(OrderedDict)), dict(vars(Placeholder))
    program = b'\x80\x02ccollections\n' + name.encode() + b'\n' + pickle.dumps((None, {'get': 1}), 2)[2:-1] + b'b.'
    write(tmp_path / 'x.pth', program, True)
    with pytest.raises(ValueError, match='cannot be read'):
        load_tensors_only(tmp_path / 'x.pth')
    assert (dict(vars(OrderedDict)), dict(vars(Placeholder))) == before


def test_a_name_from_the_file_cannot_write_to_the_terminal(tmp_path):
    write(tmp_path / 'x.pth', b'\x80\x04' + short('a\x1b[2J') + short('b') + b'\x93.', True)
    assert load_tensors_only(tmp_path / 'x.pth')[1] == ['a\\x1b[2J.b']


def test_archives_that_are_read_otherwise_are_refused(tmp_path):
    with pytest.warns(DeprecationWarning):
        torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), tmp_path / 'script.pt')
    with pytest.raises(ValueError, match='TorchScript archive'):
        load_tensors_only(tmp_path / 'script.pt')
    with tarfile.open(tmp_path / 'old.tar', 'w') as tar:
        tar.addfile(tarfile.TarInfo('storages'))
    with pytest.raises(ValueError, match='tar archive'):
        load_tensors_only(tmp_path / 'old.tar')


@both_formats
@pytest.mark.parametrize('keep', [0, 3, 40, 0.5, 0.95])
def test_a_cut_file_is_named(tmp_path, zipped, keep):
    torch.save(dict(net=WEIGHTS), tmp_path / 'x.pth', _use_new_zipfile_serialization=zipped)
    whole = (tmp_path / 'x.pth').read_bytes()
    (tmp_path / 'x.pth').write_bytes(whole[:keep if isinstance(keep, int) else int(len(whole) * keep)])
    with pytest.raises(ValueError, match=r'x\.pth cannot be read as tensors only: .'):
        load_tensors_only(tmp_path / 'x.pth')


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'nothing\.pth does not exist'):
        load_tensors_only(tmp_path / 'nothing.pth')
