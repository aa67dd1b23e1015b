"""Names for trainings: MMEngine's runners of one name share what they log, and a default name only counts seconds."""
import itertools

_NUMBER = itertools.count()


def run_name(folder):
    """A name that no other training of this process has."""
    return f'{folder.name}_{next(_NUMBER)}'
