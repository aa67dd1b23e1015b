"""DrawSampler: which draw numbers a rank gets in an epoch."""
import math
from collections.abc import Iterator

from mmengine.dist import get_dist_info
from torch.utils.data import Sampler

from ct_mm.registry import DATA_SAMPLERS


@DATA_SAMPLERS.register_module()
class DrawSampler(Sampler):
    """Yields draw numbers ``epoch * len(dataset) + i`` for the i of this rank (every ``world_size``-th).

    All ranks get equally many; numbers from the front of the epoch fill up the last ranks.

    Args:
        dataset: A dataset whose items are functions of the draw number, such as ``PairDataset``.
        seed: Accepted because MMEngine passes it; the seed of the pairs is the dataset's.
        shuffle: Accepted because configs carry it; draws are random already, so their order is never changed.
    """

    def __init__(self, dataset, seed: int | None = None, shuffle: bool = False) -> None:
        self.rank, self.world_size = get_dist_info()
        self.length = len(dataset)
        self.epoch = 0

    def __len__(self) -> int:
        return math.ceil(self.length / self.world_size)

    def __iter__(self) -> Iterator[int]:
        start = self.epoch * self.length
        for i in range(len(self)):
            yield start + (i * self.world_size + self.rank) % self.length

    def set_epoch(self, epoch: int) -> None:
        """Called by MMEngine's loops before each epoch."""
        self.epoch = epoch
