"""How simulated pilots ended, counted: sums that add up, so that parts computed anywhere merge into the same answer.

A tally takes as much room for a hundred thousand pilots as for a thousand: it counts kinds of endings, of which a plan
has a few dozen.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from analysis.simulation import Ended

Named = tuple[tuple[str, str | None], ...]


class Ending(NamedTuple):
    """A kind of ending; `meaningful` where the true effect was beyond the smallest meaningful one."""

    outcome: str
    meaningful: bool
    provisional: bool = False
    stopped: bool = False
    looks: int = 1
    unmet: Named = ()
    replaced_by: Named = ()


Tally = Counter[Ending]


def tally_of(ended: Iterable[Ended], mmd: float) -> Tally:
    """Pilots counted by how they ended."""
    return Counter(
        Ending(e.outcome, e.effect > mmd, e.provisional, e.stopped, e.looks, e.unmet, e.replaced_by) for e in ended
    )


def as_json(tally: Tally) -> list[list[Any]]:
    """A tally as plain lists: the fields of each ending, then how many."""
    return [[*ending, count] for ending, count in sorted(tally.items(), key=lambda item: repr(item[0]))]


def from_json(plain: Sequence[Sequence[Any]]) -> Tally:
    """The tally of `as_json`."""
    found: Tally = Counter()
    for *fields, count in plain:
        *scalars, unmet, replaced_by = fields
        named = (tuple((str(name), measure) for name, measure in part) for part in (unmet, replaced_by))
        found[Ending(*scalars, *named)] += count
    return found


def share(count: int, of: int) -> dict[str, float]:
    """A share of simulated pilots and its Monte-Carlo standard error."""
    p = count / of
    return {"share": p, "mcse": math.sqrt(p * (1 - p) / of)}


def counted(tally: Tally) -> dict[str, Any]:
    """Outcome shares, what stood in the way of `scale`, and at which look pilots ended."""
    n = tally.total()
    outcomes: Counter[str] = Counter()
    for ending, count in tally.items():
        outcomes[ending.outcome] += count
    mean = sum(e.looks * count for e, count in tally.items()) / n
    spread = math.sqrt(sum(count * (e.looks - mean) ** 2 for e, count in tally.items()) / n)
    return {
        "pilots": n,
        **{name: share(outcomes[name], n) for name in ("scale", "refine", "replace", "refused")},
        "provisional": share(sum(count for e, count in tally.items() if e.provisional), n),
        "stopped_for_futility": share(sum(count for e, count in tally.items() if e.stopped), n),
        "looks": {"mean": mean, "mcse": spread / math.sqrt(n)},
        "unmet": _reasons([(e.unmet, count) for e, count in tally.items()]),
        "replaced_by": _reasons([(e.replaced_by, count) for e, count in tally.items()]),
    }


def _reasons(named: Sequence[tuple[Named, int]]) -> list[dict[str, Any]]:
    """How often each criterion was named, the most frequent first."""
    counts: Counter[tuple[str, str | None]] = Counter()
    for reasons, count in named:
        for reason in set(reasons):
            counts[reason] += count
    total = sum(count for _, count in named)
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0][0], item[0][1] or ""))
    return [{"name": name, "measure": measure, **share(count, total)} for (name, measure), count in ranked]


def assurance(tally: Tally) -> dict[str, Any]:
    """Shares over the design prior, and given that the true effect is meaningful or that a pilot scaled; null: none."""
    scaled = sum(count for e, count in tally.items() if e.outcome == "scale")
    meaningful = sum(count for e, count in tally.items() if e.meaningful)
    both = sum(count for e, count in tally.items() if e.meaningful and e.outcome == "scale")
    rest = tally.total() - meaningful
    return {
        **counted(tally),
        "scale_given_meaningful": share(both, meaningful) if meaningful else None,
        "scale_given_not_meaningful": share(scaled - both, rest) if rest else None,
        "meaningful_given_scale": share(both, scaled) if scaled else None,
    }
