"""DrawSampler: distributes the draw numbers of an epoch among ranks."""
import math
from collections.abc import Iterator

from mmengine.dist import get_dist_info
from torch.utils.data import Sampler

from ct_mm.registry import DATA_SAMPLERS


@DATA_SAMPLERS.register_module()
class DrawSampler(Sampler):
    """Yields the draw numbers ``epoch * len(dataset) + i`` with every ``world_size``-th i, starting at the rank.

    All ranks get the same number of draws; if necessary, the last ranks repeat draws from the start of the epoch.

    Args:
        dataset: A dataset whose items are functions of the draw number, such as ``PairDataset``.
        seed: Ignored; MMEngine passes it, but the dataset has its own seed.
        shuffle: Ignored; configs contain it, but draws are already random.

    Examples:
        >>> sampler = DrawSampler(range(3))
        >>> sampler.set_epoch(2)
        >>> list(sampler)
        [6, 7, 8]
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
