"""What PyTracking makes of frames without a visible object, which differs from benchmark to benchmark."""
from __future__ import annotations

from dataclasses import dataclass

_WORDS = dict(success='success', precision='precision', norm_precision='normalised precision')


@dataclass(frozen=True)
class AbsentRule:
    """How the frames of one benchmark count in which no object is annotated; in success they are always misses.

    Attributes:
        uses_flags: Whether the benchmark's flags of visibility count. If not, the object is there wherever it has a
            box.
        flagged_hits: The curves in which a frame is a hit that the flags call absent; in the others it is a miss.
        boxless_hits: The same for a frame that has no such flag, but no box either (NaN, or a size of zero).
    """

    uses_flags: bool
    flagged_hits: tuple[str, ...] = ()
    boxless_hits: tuple[str, ...] = ()

    def describe(self) -> str:
        """The rule in words, for headers."""
        boxless = f'a frame without a box is {self._outcome(self.boxless_hits)}'
        if not self.uses_flags:
            return f'{boxless}; flags of visibility do not count'
        if self.flagged_hits == self.boxless_hits:
            return f'a frame flagged absent or without a box is {self._outcome(self.flagged_hits)}'
        return f'a frame flagged absent is {self._outcome(self.flagged_hits)}; otherwise {boxless}'

    @staticmethod
    def _outcome(hits: tuple[str, ...]) -> str:
        misses = ' and '.join(word for curve, word in _WORDS.items() if curve not in hits)
        return f'a miss in {misses}, a hit in {" and ".join(_WORDS[curve] for curve in hits)}' if hits else 'a miss'


#: For sequences of no known benchmark: nothing that was not seen is rewarded.
PLAIN_RULE = AbsentRule(uses_flags=True)
_NO_FLAGS = AbsentRule(uses_flags=False, boxless_hits=('norm_precision', ))
#: By the benchmark's name in a data set's ``metainfo``. Source: ``calc_seq_err_robust`` in PyTracking's
#: ``pytracking/analysis/extract_results.py`` and OSTrack's copy of it, with what their readers hand in.
ABSENT_RULES = dict(
    lasot=AbsentRule(uses_flags=True, boxless_hits=('norm_precision', )),
    lasot_ext=AbsentRule(uses_flags=True, flagged_hits=('norm_precision', ), boxless_hits=('norm_precision', )),
    uav123=AbsentRule(uses_flags=False, boxless_hits=('precision', 'norm_precision')),
    otb100=_NO_FLAGS,
    nfs=_NO_FLAGS,
    tnl2k=_NO_FLAGS,
    got10k=_NO_FLAGS,
    trackingnet=_NO_FLAGS)


def absent_rule(benchmark: str | None) -> AbsentRule:
    """The rule of a benchmark; :data:`PLAIN_RULE` for one that has none, such as a folder of one's own."""
    return ABSENT_RULES.get(benchmark, PLAIN_RULE)
