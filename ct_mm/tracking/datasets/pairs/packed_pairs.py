"""PackedPairs: crops that are made once and used in many trainings."""
from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from ct_mm.registry import DATASETS

from .worker_memory import LocalCache

#: Name of the file that describes a folder of packed pairs.
INDEX_FILE = 'pairs.json'


@DATASETS.register_module()
class PackedPairs:
    """A source of pairs for ``PairDataset``: finished crops that ``pack_pairs`` wrote, read in any order.

    Rendering composites or decoding frames takes longer than a small tracker's training step on a GPU. Packed pairs are
    memory-mapped, any number of trainings can read them at once, and all trackers in a comparison see the same pairs.
    The pipeline then contains only random transforms (``PairBrightness``) and ``PackTrackInputs``. It needs no
    ``CropPair``, because the boxes are already xyxy in pixels of their crops.

    Args:
        data_root: The folder.

    Raises:
        FileNotFoundError: The folder or its index file is missing.
        ValueError: The folder is incomplete.
    """

    def __init__(self, data_root: str | Path) -> None:
        self.data_root = Path(data_root)
        index = self.data_root / INDEX_FILE
        if not index.is_file():
            raise FileNotFoundError(f'PackedPairs: no {INDEX_FILE} in data_root={str(data_root)!r}; create the folder '
                                    'with tools/dataset_converters/pack_pairs.py')
        facts = json.loads(index.read_text(encoding='utf-8'))
        self.num_pairs, self.pairs_per_shard = facts['pairs'], facts['pairs_per_shard']
        missing = [name for number in range(self.num_shards) for name in shard_names(number)
                   if not (self.data_root / name).is_file()]
        if missing:
            raise ValueError(f'PackedPairs: {len(missing)} files of data_root={str(data_root)!r} are missing, the '
                             f'first is {missing[0]}; run pack_pairs.py again to create only these')
        self._cache = LocalCache()

    def __len__(self) -> int:
        return self.num_pairs

    @property
    def num_shards(self) -> int:
        """Number of shards, each of three files."""
        return -(-self.num_pairs // self.pairs_per_shard)

    def draw_pair(self, rng: np.random.Generator) -> dict:
        """Returns a random pair: ``template`` and ``search``, each with ``img`` and ``bbox``, and ``source``.

        ``img`` is (S, S, 3) RGB uint8 and ``bbox`` (4,) float32 xyxy in crop pixels.
        """
        return self[int(rng.integers(self.num_pairs))]

    def __getitem__(self, index: int) -> dict:
        shard, place = divmod(index, self.pairs_per_shard)
        template, search, boxes = self._cache.get_or_make(shard, self._open)
        sides = (dict(img=image[place], bbox=box) for image, box in zip((template, search), boxes[place]))
        return dict(template=next(sides), search=next(sides), source=[f'{self.data_root}, pair {index}'])

    def _open(self, shard: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Returns templates (P, St, St, 3), search regions (P, Ss, Ss, 3) and boxes (P, 2, 4)."""
        template, search, boxes = (self.data_root / name for name in shard_names(shard))
        try:
            return np.load(template, mmap_mode='r'), np.load(search, mmap_mode='r'), np.load(boxes)
        except ValueError as error:
            raise OSError(f'{self.data_root}: shard {shard} is damaged ({error}); remove its files and run '
                          'pack_pairs.py again') from error


def shard_names(shard: int) -> tuple[str, str, str]:
    """Returns the names of the files of a shard: templates, search regions, boxes."""
    return f'{shard:05d}_template.npy', f'{shard:05d}_search.npy', f'{shard:05d}_boxes.npy'
