"""PackedPairs: crops that were made once, for many trainings."""
from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from ct_mm.registry import DATASETS

from .worker_memory import LocalCache

#: What a folder of packed pairs says of itself.
INDEX_FILE = 'pairs.json'


@DATASETS.register_module()
class PackedPairs:
    """A source of pairs for ``PairDataset``: finished crops that ``pack_pairs`` wrote, read in any order.

    Rendering composites or decoding frames costs more than a small tracker's step on a GPU. Packed once, the pairs are
    read by memory mapping, by any number of trainings at once, and rivals of a comparison see the very same ones. What
    is left for the pipeline is what may differ each time (``PairBrightness``) and ``PackTrackInputs``; the boxes are
    xyxy in pixels of the search crop already, so there is no ``CropPair``.

    Args:
        data_root: The folder.

    Raises:
        FileNotFoundError: The folder or a file in it is missing.
        ValueError: The folder is not finished.
    """

    def __init__(self, data_root: str | Path) -> None:
        self.data_root = Path(data_root)
        index = self.data_root / INDEX_FILE
        if not index.is_file():
            raise FileNotFoundError(f'PackedPairs: no {INDEX_FILE} in data_root={str(data_root)!r}; make the folder '
                                    'with tools/dataset_converters/pack_pairs.py')
        facts = json.loads(index.read_text(encoding='utf-8'))
        self.num_pairs, self.pairs_per_shard = facts['pairs'], facts['pairs_per_shard']
        missing = [name for number in range(self.num_shards) for name in shard_names(number)
                   if not (self.data_root / name).is_file()]
        if missing:
            raise ValueError(f'PackedPairs: {len(missing)} files of data_root={str(data_root)!r} are missing, the '
                             f'first is {missing[0]}; run pack_pairs.py again, which makes only these')
        self._cache = LocalCache()

    def __len__(self) -> int:
        return self.num_pairs

    @property
    def num_shards(self) -> int:
        """Number of files of each kind."""
        return -(-self.num_pairs // self.pairs_per_shard)

    def draw_pair(self, rng: np.random.Generator) -> dict:
        """One of the pairs: ``template`` and ``search`` with ``img`` (S, S, 3) uint8 RGB and ``bbox`` (4,) float32."""
        return self[int(rng.integers(self.num_pairs))]

    def __getitem__(self, index: int) -> dict:
        shard, place = divmod(index, self.pairs_per_shard)
        template, search, boxes = self._cache.get_or_make(shard, self._open)
        sides = (dict(img=image[place], bbox=box) for image, box in zip((template, search), boxes[place]))
        return dict(template=next(sides), search=next(sides), source=[f'{self.data_root}, pair {index}'])

    def _open(self, shard: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Templates (P, St, St, 3), search regions (P, Ss, Ss, 3), boxes (P, 2, 4)."""
        template, search, boxes = (self.data_root / name for name in shard_names(shard))
        try:
            return np.load(template, mmap_mode='r'), np.load(search, mmap_mode='r'), np.load(boxes)
        except ValueError as error:
            raise OSError(f'{self.data_root}: shard {shard} is damaged ({error}); remove its files and run '
                          'pack_pairs.py again') from error


def shard_names(shard: int) -> tuple[str, str, str]:
    """Names of the files of a shard: templates, search regions, boxes."""
    return f'{shard:05d}_template.npy', f'{shard:05d}_search.npy', f'{shard:05d}_boxes.npy'
