"""Finds settings that would do nothing: misspelt keys, and variables of a config that were used before."""
from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from mmengine.config import Config, DictAction

#: Top-level keys that MMEngine, the scripts of OpenMMLab or this package read, beside the arguments of the Runner.
READ = ('compress', 'runner_type', 'start_from', 'find_unused_parameters', 'model_wrapper_cfg', 'compile', 'gpu_ids',
        'custom_imports', 'detect_anomalous_params', 'broadcast_buffers', 'static_graph', 'strategy', 'sync_bn',
        'tta_model', 'tta_pipeline')


class KeepBlanks(DictAction):
    """MMEngine's action, which removes all blanks from a value, for values such as a path with a blank in it."""

    @staticmethod
    def _parse_iterable(val: str) -> Any:
        val = re.sub(r'(?<=[\[(,])\s+|\s+(?=[\]),])', '', val)
        return _with_blanks(DictAction._parse_iterable(val.replace(' ', '\0')))


def _with_blanks(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return type(value)(map(_with_blanks, value))
    return value.replace('\0', ' ') if isinstance(value, str) else value


def check_all_read(cfg: Config, options: Mapping[str, Any]) -> None:
    """Checks that something reads the top-level keys of a config and the keys of ``--cfg-options``.

    Args:
        cfg: The config without the options.
        options: Values by dotted key.

    Raises:
        ValueError: If a key of an option is neither in the config nor known, or is a variable that the config itself
            has used already; or if a key of the config is not used and looks like a known one. Names the key to set.
    """
    from mmengine.runner import Runner
    known = [*list(inspect.signature(Runner.__init__).parameters)[1:], *READ]
    for option in options:
        key = option.split('.')[0]
        if key not in cfg and key not in known:
            near = get_close_matches(key, [*known, *cfg], n=1)
            raise ValueError(f'--cfg-options {option}: nothing reads the key {key!r}'
                             f'{f"; did you mean {near[0]}?" if near else ""}')
        if key not in known and _reads(cfg, key):
            places = [place for place in _places(dict(cfg.items()), cfg[key]) if place.split('.')[0] in known]
            raise ValueError(f'--cfg-options {option}: {key!r} is a variable that the config has already used, so '
                             f'setting it does nothing; set {" and ".join(places[:3]) or "what it was used for"}')
    for key in cfg:
        near = [] if key in known or _reads(cfg, key) else get_close_matches(key, known, n=1, cutoff=0.9)
        if near:
            raise ValueError(f'{cfg.filename}: nothing reads the key {key!r}; did you mean {near[0]}?')


def _reads(cfg: Config, key: str) -> bool:
    """Whether a config uses a key of its own as a variable."""
    code = re.sub(r"""#.*|'[^'{\n]*'|"[^"{\n]*\"""", "''", cfg.text)
    return re.search(rf'((?<![\w.])|_base_\.){re.escape(key)}\b(?!\s*=[^=])', code) is not None


def _places(part: Any, value: Any, name: str = '') -> Iterator[str]:
    if name and part == value:
        yield name
    elif isinstance(part, Mapping):
        for key, child in part.items():
            yield from _places(child, value, f'{name}.{key}'.lstrip('.'))
    elif isinstance(part, (list, tuple)):
        for index, child in enumerate(part):
            yield from _places(child, value, f'{name}.{index}')
