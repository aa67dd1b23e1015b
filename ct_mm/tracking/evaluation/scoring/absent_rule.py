"""PyTracking's rules for frames without a visible object, which differ between benchmarks."""
from __future__ import annotations

from dataclasses import dataclass

_WORDS = dict(success='success', precision='precision', norm_precision='normalised precision')


@dataclass(frozen=True)
class AbsentRule:
    """How a benchmark counts frames without a visible object. In the success curve they are always misses.

    Attributes:
        uses_flags: Whether visibility flags are used. If not, the object is visible wherever it has a box.
        flagged_hits: Curves in which a frame flagged as absent is a hit; it is a miss in the others.
        boxless_hits: Curves in which an unflagged frame without a box (NaN or a size of zero) is a hit.
    """

    uses_flags: bool
    flagged_hits: tuple[str, ...] = ()
    boxless_hits: tuple[str, ...] = ()

    def describe(self) -> str:
        """Describes the rule in a sentence for reports."""
        boxless = f'a frame without a box is {self._outcome(self.boxless_hits)}'
        if not self.uses_flags:
            return f'{boxless}; visibility flags are ignored'
        if self.flagged_hits == self.boxless_hits:
            return f'a frame flagged absent or without a box is {self._outcome(self.flagged_hits)}'
        return f'a frame flagged absent is {self._outcome(self.flagged_hits)}; otherwise {boxless}'

    @staticmethod
    def _outcome(hits: tuple[str, ...]) -> str:
        misses = ' and '.join(word for curve, word in _WORDS.items() if curve not in hits)
        return f'a miss in {misses}, a hit in {" and ".join(_WORDS[curve] for curve in hits)}' if hits else 'a miss'


#: Rule for sequences of unknown benchmarks: frames without a visible object are misses in all curves.
PLAIN_RULE = AbsentRule(uses_flags=True)
_NO_FLAGS = AbsentRule(uses_flags=False, boxless_hits=('norm_precision', ))
#: Rules by name of the benchmark in a data set's ``metainfo``. Source: ``calc_seq_err_robust`` in PyTracking's
#: ``pytracking/analysis/extract_results.py`` and OSTrack's copy, applied to what their data set readers return.
ABSENT_RULES = dict(
    lasot=AbsentRule(uses_flags=True, boxless_hits=('norm_precision', )),
    lasot_ext=AbsentRule(uses_flags=True, flagged_hits=('norm_precision', ), boxless_hits=('norm_precision', )),
    uav123=AbsentRule(uses_flags=False, boxless_hits=('precision', 'norm_precision')),
    otb100=_NO_FLAGS, nfs=_NO_FLAGS, tnl2k=_NO_FLAGS, got10k=_NO_FLAGS, trackingnet=_NO_FLAGS)


def absent_rule(benchmark: str | None) -> AbsentRule:
    """Returns the rule of a benchmark, or :data:`PLAIN_RULE` for an unknown one or None."""
    return ABSENT_RULES.get(benchmark, PLAIN_RULE)
