"""What the transforms of training pairs share."""
from mmcv.transforms import BaseTransform


class PairTransform(BaseTransform):
    """Base of the transforms of a pair. A subclass stores each argument under its name, which ``repr`` shows."""

    def __repr__(self) -> str:
        return f'{type(self).__name__}({", ".join(f"{name}={value}" for name, value in vars(self).items())})'


def pair_sides(results: dict) -> list[dict]:
    """Returns all templates in order, then the search side; transforms change these dicts in place.

    Args:
        results: ``search`` is a dict with ``img`` and ``bbox``; ``template`` is one such dict or a list of them.
    """
    template = results['template']
    return [*(template if isinstance(template, list) else [template]), results['search']]
