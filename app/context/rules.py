"""Which events touch which units, and how an event reads where it falls into an interval; pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True)
class Interval:
    """Days, both ends included; `ends_on` None: no end is known."""

    starts_on: date
    ends_on: date | None

    def overlaps(self, other: "Interval") -> bool:
        """Whether the two share a day."""
        return (other.ends_on is None or self.starts_on <= other.ends_on) and (
            self.ends_on is None or other.starts_on <= self.ends_on
        )


def touching(units: Iterable[str], parents: Mapping[str, str | None]) -> frozenset[str]:
    """The units whose events touch these: themselves, all above them, and all below them.

    `parents` is the tree of an organization: the unit each is part of. What happens to a hospital happens to its wards;
    what happens in a ward happens to some of the people of a pilot in the whole hospital.
    """
    wanted = frozenset(units)
    lineages = {unit: _lineage(unit, parents) for unit in {*parents, *wanted}}
    above = frozenset(upper for unit in wanted for upper in lineages[unit])
    return above | {unit for unit, lineage in lineages.items() if wanted & lineage}


def _lineage(unit: str, parents: Mapping[str, str | None]) -> frozenset[str]:
    """A unit and all above it; a circle ends where it closes."""
    found: set[str] = set()
    current: str | None = unit
    while current is not None and current not in found:
        found.add(current)
        current = parents.get(current)
    return frozenset(found)


def when(interval: Interval) -> str:
    """The days of an event in words."""
    if interval.ends_on is None:
        return f"since {interval.starts_on}"
    if interval.ends_on == interval.starts_on:
        return f"{interval.starts_on}"
    return f"{interval.starts_on} to {interval.ends_on}"


def happened(title: str, unit: str | None, days: Interval) -> str:
    """An event as part of a sentence: "EHR go-live in Ward 1, 2026-03-01 to 2026-03-14"."""
    place = f" in {unit}" if unit is not None else ""
    return f"{title}{place}, {when(days)}"
