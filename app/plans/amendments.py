"""Which parts of a plan the rule uses, and so may not change after the first look; pure.

What is free stands in one table; everything else is used, so that a field that is new to the plan is protected until
somebody says otherwise.
"""

from collections.abc import Mapping, Sequence
from typing import Any

Path = tuple[str, ...]
# `*` stands for any one measure or wave. None of these enters an analysis.
FREE: frozenset[Path] = frozenset(
    {
        ("waves", "*", "starts_on"),
        ("waves", "*", "ends_on"),
        ("measures", "*", "reference_sd_source"),
        ("interval_reason",),
        ("baseline_missing_reason",),
    }
)
# What tells the entries of a list apart; other lists are compared as a whole.
NAMES = {"arms": "key", "units": "unit_id", "waves": "key", "looks": "look", "measures": "measure"}


def used_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Path]:
    """The places, sorted, where two plans (long forms, as JSON) differ in what the rule uses.

    A list is a place too: it is named when its entries, or their order, differ. Added `retention` waves are free.
    """
    old, new = _leaves(before), _leaves(_without_added_retention(before, after))
    differ = {path for path in old.keys() | new.keys() if (path in old, old.get(path)) != (path in new, new.get(path))}
    return sorted(path for path in differ if not _is_free(path))


def _is_free(path: Path) -> bool:
    return any(
        len(path) == len(free) and all(f in {"*", part} for f, part in zip(free, path, strict=True)) for free in FREE
    )


def _without_added_retention(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    known = {wave["key"] for wave in before["waves"]}
    waves = [wave for wave in after["waves"] if wave["kind"] != "retention" or wave["key"] in known]
    return {**after, "waves": waves}


def _leaves(value: Any, path: Path = ()) -> dict[Path, Any]:
    """Every single value with its place."""
    if isinstance(value, Mapping) and value:
        return {place: leaf for name, held in value.items() for place, leaf in _leaves(held, (*path, name)).items()}
    if len(path) == 1 and path[0] in NAMES and isinstance(value, Sequence):
        name = NAMES[path[0]]
        named = {str(entry[name]): entry for entry in value}
        return {
            path: list(named),
            **{p: leaf for key in named for p, leaf in _leaves(named[key], (*path, key)).items()},
        }
    return {path: value}
