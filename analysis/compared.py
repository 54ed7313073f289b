"""Two answers to one request, number by number: where they differ by more than computing twice explains.

**The same versions of all packages**: every number is equal, but for the last digits, which another processor may
round differently (relative 1e-9); every text is the same.

**Other versions**: draws are others, so that numbers are equal within Monte-Carlo error. Of two estimates with standard
error MCSE each, the difference has √2 MCSE; 4 of these are allowed: |difference| ≤ 4 √2 MCSE. With ESS the smallest
effective sample size among the gates of both answers (bulk; tail for the ends of intervals; what the package says of
its own counts down to a quarter of the computed one, or it would say itself how much may differ), MCSE is
 - of a mean: SD/√ESS, of an SD: SD/√(2 ESS) (a normal posterior),
 - of the end of a 95 % interval: √(p(1−p)/ESS)/density = 2.67 SD/√ESS (p = 0.025 of a normal posterior),
 - of a probability p: √(max(p(1−p), 1/ESS)/ESS).
The exact engine draws nothing: its numbers agree to 1e-6. Diagnostics of draws (gates, predictive checks) are not
compared, what the gates and the rule conclude is: grade, outcome, whether it is provisional, and of each criterion what
it asks and whether it is met, are the same.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import inf, isclose, sqrt
from typing import Any

SAME, ABSOLUTE, EXACT = 1e-9, 1e-12, 1e-6
ALLOWED = 4 * sqrt(2)
END = 2.67
STRANGERS = 0.25
ADDED = frozenset({"plot_failed", "draws_failed"})
"""Warnings of the service, which the library does not repeat."""
NOT_COMPARED = frozenset({"gates", "warnings", "provenance", "would_raise_grade", "predictive", "prior_sensitivity"})
CRITERION = ("name", "measure", "threshold", "met")
CONCLUDED = (("grade",), ("recommendation", "outcome"), ("recommendation", "provisional"))


@dataclass(frozen=True)
class Difference:
    """Where two answers differ, and what stands there."""

    place: str
    stored: Any
    computed: Any

    def __str__(self) -> str:
        """As a line of a report."""
        return f"{self.place}: {self.stored!r} in the package, {self.computed!r} computed again"


def differences(stored: Mapping[str, Any], computed: Mapping[str, Any], *, same_versions: bool) -> list[Difference]:
    """Every place where two answers differ by more than is allowed."""
    if same_versions:
        return list(_walk("", _bare(stored), _bare(computed), equal))
    found = [
        Difference(".".join(path), _at(stored, path), _at(computed, path))
        for path in CONCLUDED
        if _at(stored, path) != _at(computed, path)
    ]
    found += _walk("recommendation.criteria", _criteria(stored), _criteria(computed), equal)
    error = Error.of(computed, stored)
    mine, theirs = ({k: v for k, v in answer.items() if k == "effects"} for answer in (stored, computed))
    return found + list(_walk("", mine, theirs, error.within))


def _least(answer: Mapping[str, Any], name: str) -> float:
    values = (gate.get("value") for gate in answer.get("gates", []) if gate.get("name") == name)
    return min((float(value) for value in values if _is_number(value) and value), default=inf)


def equal(_path: tuple[str, ...], one: float, other: float, _sd: float) -> bool:
    """Whether two numbers are the same but for their last digits."""
    return isclose(one, other, rel_tol=SAME, abs_tol=ABSOLUTE)


@dataclass(frozen=True)
class Error:
    """Effective sample sizes, and by them how far two numbers may lie apart."""

    bulk: float
    tail: float

    @classmethod
    def of(cls, computed: Mapping[str, Any], stored: Mapping[str, Any] | None = None) -> "Error":
        """The smallest sizes that the gates of the answers tell; infinite where nothing was drawn.

        Of the `stored` answer, which a stranger may have written, no less than STRANGERS of the computed.
        """
        bulk, tail = (_least(computed, name) for name in ("ess_bulk", "ess_tail"))
        if stored is None:
            return cls(bulk, tail)
        told = (_least(stored, name) for name in ("ess_bulk", "ess_tail"))
        return cls(*(min(own, max(said, STRANGERS * own)) for own, said in zip((bulk, tail), told, strict=True)))

    def within(self, path: tuple[str, ...], one: float, other: float, sd: float) -> bool:
        """Whether two numbers at this place agree within Monte-Carlo error; `sd` is the posterior's of their block."""
        name, exact = path[-1], isclose(one, other, rel_tol=EXACT, abs_tol=EXACT)
        if exact or "exact" in path or name == "prob":
            return exact
        return abs(one - other) <= ALLOWED * self.mcse(name, one, sd)

    def mcse(self, name: str, value: float, sd: float) -> float:
        """The Monte-Carlo standard error of a mean, an SD, an end of an interval or a probability."""
        if name.startswith("p_"):
            return sqrt(max(value * (1 - value), 1 / self.bulk) / self.bulk)
        if name in {"low", "high"}:
            return END * sd / sqrt(self.tail)
        return sd / sqrt(2 * self.bulk) if name in {"sd", "se_sd"} else sd / sqrt(self.bulk)


def _criteria(answer: Mapping[str, Any]) -> list[Any]:
    listed = (answer.get("recommendation") or {}).get("criteria") or []
    return [{name: c.get(name) for name in CRITERION} if isinstance(c, Mapping) else c for c in listed]


def _bare(answer: Mapping[str, Any]) -> dict[str, Any]:
    kept = [w for w in answer.get("warnings", []) if w.get("code") not in ADDED]
    return {**answer, "warnings": kept}


def _at(answer: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    found: Any = answer
    for name in path:
        found = (found or {}).get(name)
    return found


def _walk(
    place: str, one: Any, other: Any, same: Any, path: tuple[str, ...] = (), sd: float = 0.0
) -> Iterator[Difference]:
    """Every leaf that differs; `sd` is that of the innermost block around it which has one."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        spread = next((b for b in (one.get("sd"), one.get("se_sd")) if isinstance(b, float)), sd)
        for name in [*one, *(name for name in other if name not in one)]:
            if same is equal or name not in NOT_COMPARED:
                here = f"{place}.{name}" if place else str(name)
                yield from _walk(here, one.get(name), other.get(name), same, (*path, str(name)), spread)
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for i, (a, b) in enumerate(zip(one, other, strict=True)):
            yield from _walk(f"{place}[{i}]", a, b, same, path, sd)
    elif _is_number(one) and _is_number(other):
        if not same(path, one, other, sd):
            yield Difference(place, one, other)
    elif one != other:
        yield Difference(place, one, other)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
