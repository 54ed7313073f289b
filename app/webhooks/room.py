"""How many tries an endpoint may have under way: a pure rule, so that the slow and the dead hold up nobody."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Room:
    """Places for tries in one process: of an endpoint, of one that fails, in all.

    Half of all places are for endpoints that have no other: whatever the busy and the failing take, one whose turn
    comes finds a place. Those that fail have one each, and together no more than the other half.
    """

    each: int = 16
    each_failing: int = 1
    together: int = 256

    @property
    def shared(self) -> int:
        """The half in which an endpoint may have several places, and which bounds those that fail."""
        return self.together // 2


def places(
    due: Iterable[tuple[str, bool]],
    under_way: Mapping[str, int],
    failing_under_way: int,
    room: Room,
    chance: Callable[[], float],
) -> dict[str, int]:
    """How many tries each endpoint may start now; `due` names those with something due and whether they fail.

    Those with the fewest under way go first. Among equals chance decides: by a fixed order those behind would wait for
    ever while those before have a backlog.
    """
    total = sum(under_way.values())
    found = {}
    for webhook, failing in sorted(due, key=lambda one: (under_way.get(one[0], 0), chance())):
        mine = under_way.get(webhook, 0)
        wanted = (room.each_failing if failing else room.each) - mine
        left = room.shared - failing_under_way if failing else max(room.shared - total, 0 if mine else 1)
        given = min(wanted, left, room.together - total)
        if given > 0:
            found[webhook] = given
            total += given
            failing_under_way += given if failing else 0
    return found
