"""Writers for each export format, all with the same arguments."""
from __future__ import annotations

import contextlib
import logging
import os
import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor

from ct_mm.deployment.export.deployed_network import DeployedNetwork
from ct_mm.engine.whole_file import remove_unfinished
from ct_mm.tracking.runtime.model_card import CARD_KEY, ModelCard, NetworkInput

#: Inputs of a network by name, in the order of its card.
Inputs = Mapping[str, Tensor]


def write_onnx(network: DeployedNetwork, inputs: Inputs, card: ModelCard, path: Path) -> None:
    """Writes an ``.onnx`` file.

    Raises:
        ImportError: onnx or onnxscript is not installed.
    """
    need('onnx', 'onnx onnxscript')
    need('onnxscript', 'onnx onnxscript')
    with quiet():
        program = torch.onnx.export(
            network, tuple(inputs.values()), input_names=list(inputs), dynamo=True,
            output_names=list(map(card.stored_name, card.outputs)),
            verbose=False, dynamic_shapes=_dynamic_shapes(card, inputs))
    save_onnx(program.model_proto, card, path)


def save_onnx(model, card: ModelCard, path: Path) -> None:
    """Writes an ONNX model with the card as its only metadata."""
    onnx = need('onnx', 'onnx onnxscript')
    onnx.helper.set_model_props(model, {CARD_KEY: card.to_json()})
    onnx.save(model, str(path))


def to_openvino(network: DeployedNetwork, inputs: Inputs, card: ModelCard):
    """Converts a network to an OpenVINO model in memory.

    Returns:
        openvino.Model: The model, with named inputs and outputs and with the card in its runtime info.

    Raises:
        ImportError: openvino is not installed.
    """
    openvino = need('openvino', 'openvino')
    with quiet():
        kinds = dict(uint8=openvino.Type.u8, float32=openvino.Type.f32)
        shapes = [(openvino.PartialShape(_varying(each, inputs, -1)), kinds[each.dtype]) for each in card.inputs]
        model = openvino.convert_model(network, example_input=tuple(inputs.values()), input=shapes)
    for values, names in ((model.inputs, inputs), (model.outputs, map(card.stored_name, card.outputs))):
        for value, name in zip(values, names, strict=True):
            value.get_tensor().set_names({name})
    model.set_rt_info(card.to_json(), [CARD_KEY])
    return model


def save_openvino(model, path: Path) -> None:
    """Writes an OpenVINO model as an ``.xml`` file and its ``.bin``, with the weights in their own precision."""
    openvino = need('openvino', 'openvino')
    # Compressed to fp16, the weights would no longer agree with PyTorch.
    openvino.save_model(model, str(path), compress_to_fp16=False)


def write_openvino(network: DeployedNetwork, inputs: Inputs, card: ModelCard, path: Path) -> None:
    """Writes an ``.xml`` file and its ``.bin``."""
    save_openvino(to_openvino(network, inputs, card), path)


def write_torchscript(network: DeployedNetwork, inputs: Inputs, card: ModelCard, path: Path) -> None:
    """Writes a ``.torchscript`` file."""
    with quiet(), torch.no_grad():
        traced = torch.jit.freeze(torch.jit.trace(network, tuple(inputs.values()), check_trace=False))
        torch.jit.save(traced, str(path), _extra_files={f'{CARD_KEY}.json': card.to_json()})


def write_torch_export(network: DeployedNetwork, inputs: Inputs, card: ModelCard, path: Path) -> None:
    """Writes a ``.pt2`` file."""
    with torch.no_grad():
        program = torch.export.export(network, tuple(inputs.values()), dynamic_shapes=_dynamic_shapes(card, inputs))
    torch.export.save(program, str(path), extra_files={f'{CARD_KEY}.json': card.to_json()})


def _varying(each: NetworkInput, inputs: Inputs, varies) -> list:
    """Returns the shape of an input with ``varies`` in place of each number that varies.

    The batch varies if the example has more than one.
    """
    shape = list(inputs[each.name].shape)
    return [varies if (place == 0 and side > 1) or (place and each.shape[place - 1] is None) else side
            for place, side in enumerate(shape)]


def _dynamic_shapes(card: ModelCard, inputs: Inputs) -> tuple | None:
    """Returns what varies in the inputs as torch.export wants it, or None if nothing does."""
    batch, count = torch.export.Dim('batch', max=1024), torch.export.Dim('count', max=1024)
    shapes = [{place: batch if place == 0 else count for place, side in enumerate(_varying(each, inputs, None))
               if side is None} for each in card.inputs]
    return (tuple(shapes), ) if any(shapes) else None  # the network takes *inputs


#: Suffix and writer of each format, by name.
FORMATS: dict[str, tuple[str, Callable[..., None]]] = dict(
    onnx=('.onnx', write_onnx),
    openvino=('.xml', write_openvino),
    torchscript=('.torchscript', write_torchscript),
    torch_export=('.pt2', write_torch_export))


def network_files(path: Path) -> list[Path]:
    """Returns the files of an exported network: ``path`` itself, preceded by the ``.bin`` of an ``.xml``."""
    return [path.with_suffix('.bin'), path] if path.suffix == '.xml' else [path]


def write_whole(write: Callable[[Path], None], path: str | os.PathLike) -> None:
    """Calls a writer in a temporary folder, then moves the file and, if it has one, its ``.bin`` to their place.

    Removes the unfinished files of earlier processes that were killed.

    Args:
        write: Called with the temporary path; it may write other files beside it.
        path: The final path.

    Raises:
        OSError: The folder is not writable.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_unfinished(path.parent, path.stem, shared=True)
    _remove_earlier_litter(path.parent)
    folder = path.with_name(f'.{path.name}.{os.getpid()}')
    folder.mkdir()
    try:
        write(folder / path.name)
        for file in network_files(path):  # an .xml always has its .bin
            os.replace(folder / file.name, file)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _remove_earlier_litter(folder: Path) -> None:
    """Removes the folders of killed quantisations by earlier versions, which ``tempfile`` named.

    Each held a copy of the network, or two; a folder that is empty or holds anything else stays.
    """
    for litter in folder.glob('tmp' + '[a-z0-9_]' * 8):
        if litter.is_dir() and not litter.is_symlink():
            held = {file.name for file in litter.iterdir()}
            if held and held <= {'plain.onnx', 'plain.onnx.data', 'prepared.onnx', 'prepared.onnx.data'}:
                shutil.rmtree(litter, ignore_errors=True)


def need(module: str, packages: str):
    """Imports and returns a module.

    Args:
        module: Name of the module.
        packages: Packages to install if the module is missing.

    Raises:
        ImportError: The module is not installed; the message says how to install it.
    """
    try:
        return __import__(module)
    except ImportError as error:
        raise ImportError(f'{module} is required but not installed: pip install {packages}') from error


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silences exporter warnings about intended choices: constants, layers left in float, unused packages."""
    loggers = [logging.getLogger(name) for name in ('torch.onnx', 'nncf')]
    levels = [logger.level for logger in loggers]
    try:
        for logger, level in zip(loggers, (logging.ERROR, logging.WARNING)):
            logger.setLevel(level)
        with warnings.catch_warnings(action='ignore'):
            yield
    finally:
        for logger, level in zip(loggers, levels):
            logger.setLevel(level)
