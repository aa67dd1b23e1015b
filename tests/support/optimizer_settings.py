"""What an optimizer was told about each parameter, by the parameter's name in the model without compression."""
import re

from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope

from ct_mm.compression import CompressRunner
from ct_mm.registry import MODELS

#: Names that constructors store with a group.
NOT_COMPARED = ('params', 'param_name', 'param_names')


def plain_name(name):
    """The name without the distiller, and without the slots of divided lists."""
    return re.sub(r'(\.\d+)\.layer\.', r'\1.', name.removeprefix('student.'))


def settings(model, optim_wrapper):
    """Settings by plain name; a parameter that stands in two groups is an error."""
    names = {id(parameter): plain_name(name) for name, parameter in model.named_parameters()}
    found = {}
    for group in optim_wrapper.optimizer.param_groups:
        for parameter in group['params']:
            name = names[id(parameter)]
            assert name not in found
            found[name] = {key: value for key, value in group.items() if key not in NOT_COMPARED}
    return found


def plain_and_compressed(model, optim_wrapper, folder, scope='mmengine', **compress):
    """Settings of the plain model and of its compression, and the runner of the latter."""
    init_default_scope(scope)
    plain = MODELS.build(Config(dict(model=model)).model)
    runner = CompressRunner.from_cfg(Config(dict(
        model=model, default_scope=scope, work_dir=str(folder), experiment_name=folder.name,
        compress=dict(dict(teacher='teacher.pth', guidance=None), **compress))))
    one, other = (dict(optim_wrapper), dict(optim_wrapper))
    return (settings(plain, build_optim_wrapper(plain, one)),
            settings(runner.model, runner.build_optim_wrapper(other)), runner)
