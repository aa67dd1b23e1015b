"""Writing an exported network in each format; one function each, all with the same arguments."""
from __future__ import annotations

import contextlib
import logging
import os
import shutil
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor

from ct_mm.deployment.export.deployed_network import DeployedNetwork
from ct_mm.engine.whole_file import remove_unfinished
from ct_mm.tracking.runtime.model_card import CARD_KEY, OUTPUTS, ModelCard

_INPUTS = ('template', 'search')


def write_onnx(network: DeployedNetwork, crops: tuple[Tensor, Tensor], card: ModelCard, path: Path) -> None:
    """Writes an ``.onnx`` file.

    Raises:
        ImportError: onnx or onnxscript is not installed.
    """
    onnx = need('onnx', 'onnx onnxscript')
    need('onnxscript', 'onnx onnxscript')
    with quiet():
        program = torch.onnx.export(
            network, crops, input_names=list(_INPUTS), output_names=list(OUTPUTS), dynamo=True, verbose=False)
    model = program.model_proto
    entry = model.metadata_props.add()
    entry.key, entry.value = CARD_KEY, card.to_json()
    onnx.save(model, str(path))


def to_openvino(network: DeployedNetwork, crops: tuple[Tensor, Tensor], card: ModelCard):
    """Converts to an OpenVINO model in memory.

    Returns:
        openvino.Model: With named inputs and outputs and the card.

    Raises:
        ImportError: openvino is not installed.
    """
    openvino = need('openvino', 'openvino')
    with quiet():
        shapes = [(name, list(crop.shape), openvino.Type.u8) for name, crop in zip(_INPUTS, crops)]
        model = openvino.convert_model(network, example_input=crops, input=shapes)
    for output, name in zip(model.outputs, OUTPUTS):
        output.get_tensor().set_names({name})
    model.set_rt_info(card.to_json(), [CARD_KEY])
    return model


def save_openvino(model, path: Path) -> None:
    """Writes an OpenVINO model, weights first, so that no ``.xml`` is ever without its ``.bin``."""
    openvino = need('openvino', 'openvino')
    # The weights are kept as they are: compressed to fp16 they would not agree with PyTorch.
    openvino.save_model(model, str(path), compress_to_fp16=False)


def write_openvino(network: DeployedNetwork, crops: tuple[Tensor, Tensor], card: ModelCard, path: Path) -> None:
    """Writes an ``.xml`` file and its ``.bin``."""
    save_openvino(to_openvino(network, crops, card), path)


def write_torchscript(network: DeployedNetwork, crops: tuple[Tensor, Tensor], card: ModelCard, path: Path) -> None:
    """Writes a ``.torchscript`` file."""
    with quiet(), torch.no_grad():
        traced = torch.jit.freeze(torch.jit.trace(network, crops, check_trace=False))
        torch.jit.save(traced, str(path), _extra_files={f'{CARD_KEY}.json': card.to_json()})


def write_torch_export(network: DeployedNetwork, crops: tuple[Tensor, Tensor], card: ModelCard, path: Path) -> None:
    """Writes a ``.pt2`` file."""
    with torch.no_grad():
        program = torch.export.export(network, crops)
    torch.export.save(program, str(path), extra_files={f'{CARD_KEY}.json': card.to_json()})


#: By name: the ending of the file and how it is written.
FORMATS: dict[str, tuple[str, Callable[..., None]]] = dict(
    onnx=('.onnx', write_onnx),
    openvino=('.xml', write_openvino),
    torchscript=('.torchscript', write_torchscript),
    torch_export=('.pt2', write_torch_export))


def network_files(path: Path) -> list[Path]:
    """The files that an exported network consists of: one, or an ``.xml`` and its ``.bin``."""
    return [path.with_suffix('.bin'), path] if path.suffix == '.xml' else [path]


def write_whole(write: Callable[[Path], None], path: str | os.PathLike) -> None:
    """Lets a function write in a temporary folder, and moves the file, with its ``.bin`` if it has one, to its place.

    What earlier processes left of this file when they were killed is removed.

    Args:
        write: Called with the temporary path; it may write other files beside it.
        path: The final path.

    Raises:
        OSError: The folder cannot be written.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_unfinished(path.parent, path.stem, shared=True)
    folder = path.with_name(f'.{path.name}.{os.getpid()}')
    folder.mkdir()
    try:
        write(folder / path.name)
        for file in network_files(path):  # who finds the .xml finds its .bin
            os.replace(folder / file.name, file)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def need(module: str, packages: str):
    """Imports a module.

    Args:
        module: Its name.
        packages: What to install to have it.

    Raises:
        ImportError: It is not installed; says how to get it.
    """
    try:
        return __import__(module)
    except ImportError as error:
        raise ImportError(f'this needs {module}, which is not installed: pip install {packages}') from error


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Lets exporters work without remarks on what is meant: constants, layers left in float, packages not needed."""
    loggers = {logging.getLogger(name): level
               for name, level in (('torch.onnx', logging.ERROR), ('nncf', logging.WARNING))}
    levels = {logger: logger.level for logger in loggers}
    try:
        for logger, level in loggers.items():
            logger.setLevel(level)
        with warnings.catch_warnings(action='ignore'):
            yield
    finally:
        for logger, level in levels.items():
            logger.setLevel(level)
