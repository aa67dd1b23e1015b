"""The images of a training pair, however many templates it has."""


def pair_sides(results: dict) -> list[dict]:
    """All templates in order, then the search side; each a dict that transforms change in place.

    Args:
        results: ``search`` is a dict with ``img`` and ``bbox``, ``template`` one such dict or a list of them.
    """
    template = results['template']
    return [*(template if isinstance(template, list) else [template]), results['search']]
