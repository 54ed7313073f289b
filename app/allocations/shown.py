"""Who was assigned to which arm, as every reader may see it: without strata that would count small groups."""

from collections import Counter
from collections.abc import Sequence

from app.allocations.schemas import EntryOut
from app.plans.models import AllocationEntry, AllocationLevel


def entries_out(entries: Sequence[AllocationEntry], level: AllocationLevel | None, least: int) -> list[EntryOut]:
    """The entries; of people in the order of their pseudonyms and without strata, where one has too few in an arm.

    Strata are mostly units, and arms are dealt stratum by stratum: both would tell how many are in a small cell.
    """
    found = [EntryOut.model_validate(entry) for entry in entries]
    cells = Counter((entry.stratum, entry.arm) for entry in found)
    if level is not AllocationLevel.PARTICIPANT or len({e.stratum for e in found}) == 1:
        return found
    if all(n >= least for n in cells.values()):
        return found
    plain = sorted(found, key=lambda entry: entry.subject)
    return [EntryOut(subject=e.subject, stratum=None, arm=e.arm, position=None) for e in plain]
