"""The benchmarks that ct_mm evaluates on, each a base file that can be laid over any tracker's config."""
from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING

from ..package_files import package_file

if TYPE_CHECKING:
    from mmengine.config import Config

#: Where their files are in ``configs/``.
FOLDER = '_base_/datasets/benchmarks'
#: What such a file says; nothing of the tracker.
KEYS = ('test_dataloader', 'test_evaluator', 'test_cfg')


def benchmark_names() -> list[str]:
    """Names of the benchmarks, sorted."""
    return sorted(file.stem for file in package_file('configs').glob(f'{FOLDER}/*.py'))


def benchmark_config(name: str, data_root: str | None = None) -> Config:
    """Reads the config of a benchmark: its data set, its scores and the loop that runs it.

    Args:
        name: One of :func:`benchmark_names`, or the path of a file like theirs (it ends with ``.py``).
        data_root: Folder of the data set. Default: the one in the file, under ``data/`` in the current folder.

    Returns:
        A config with ``test_dataloader``, ``test_evaluator`` and ``test_cfg`` only.

    Raises:
        ValueError: There is no such benchmark, or the file is not one; the message lists names or keys.
    """
    from mmengine.config import Config
    if name.endswith('.py'):
        file = Path(name)
        if not file.is_file():
            raise ValueError(f'there is no file {name} of a benchmark (seen from {Path.cwd()})')
    else:
        names = benchmark_names()
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            raise ValueError(f'there is no benchmark {name!r}{f"; did you mean {near[0]}?" if near else ""} (known: '
                             f'{", ".join(names)}; or the path of a file like those in configs/{FOLDER})')
        file = package_file(f'configs/{FOLDER}/{name}.py')
    cfg = Config.fromfile(file)
    if set(cfg) - {'custom_imports'} != set(KEYS):
        raise ValueError(f'{file} must define {", ".join(KEYS)} and nothing else, but defines {", ".join(cfg)}')
    if data_root is not None:
        cfg.test_dataloader.dataset.data_root = data_root
    return cfg
