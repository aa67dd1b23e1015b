"""The benchmarks that ct_mm evaluates on; each is a base config that can be merged into any tracker's config."""
from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING

from ..package_files import package_file

if TYPE_CHECKING:
    from mmengine.config import Config

#: Folder of the benchmark configs in ``configs/``.
FOLDER = '_base_/datasets/benchmarks'
#: The keys of a benchmark config; it contains nothing about the tracker.
KEYS = ('test_dataloader', 'test_evaluator', 'test_cfg')


def benchmark_names() -> list[str]:
    """Returns the sorted names of the benchmarks."""
    return sorted(file.stem for file in package_file('configs').glob(f'{FOLDER}/*.py'))


def benchmark_config(name: str, data_root: str | None = None) -> Config:
    """Reads the config of a benchmark: its dataset, its metrics and the loop that runs it.

    Args:
        name: One of :func:`benchmark_names`, or the path of a similar file (ending in ``.py``).
        data_root: Folder of the dataset. Default: the one in the file, under ``data/`` in the current folder.

    Returns:
        A config with only ``test_dataloader``, ``test_evaluator`` and ``test_cfg``.

    Raises:
        ValueError: The benchmark does not exist, or the file is not a benchmark config; the message lists the known
            names or the keys.

    Examples:
        >>> benchmark_config('lasot', data_root='/datasets/lasot').test_dataloader.dataset.data_root
        '/datasets/lasot'
    """
    from mmengine.config import Config
    if name.endswith('.py'):
        file = Path(name)
        if not file.is_file():
            raise ValueError(f'benchmark config {name} does not exist (current folder: {Path.cwd()})')
    else:
        names = benchmark_names()
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            raise ValueError(f'there is no benchmark {name!r}{f"; did you mean {near[0]}?" if near else ""} (known: '
                             f'{", ".join(names)}; or give the path of a file like those in configs/{FOLDER})')
        file = package_file(f'configs/{FOLDER}/{name}.py')
    cfg = Config.fromfile(file)
    if set(cfg) - {'custom_imports'} != set(KEYS):
        raise ValueError(f'{file} must define {", ".join(KEYS)} and nothing else, but defines {", ".join(cfg)}')
    if data_root is not None:
        cfg.test_dataloader.dataset.data_root = data_root
    return cfg
