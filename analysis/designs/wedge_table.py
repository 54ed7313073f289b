"""Units over the periods of a stepped wedge: which cells have data, and since when their unit had the intervention."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.designs.crossing import Crossings, crossings, periods_of
from analysis.designs.prepared import Note, Question
from analysis.designs.units import FEW_UNITS
from analysis.designs.wedge_inputs import MOST_PERIODS, UNEXPOSED
from analysis.documents import Cell, CountOf, Row
from analysis.errors import Refused

Array = NDArray[np.float64]
FEWEST_PERIODS, FEWEST_SEQUENCES = 3, 2


@dataclass(frozen=True, eq=False)
class Table[T]:
    """Cells by unit and period (those with data alone), periods since the start of each, and what was noticed."""

    units: tuple[str, ...]
    periods: tuple[str, ...]
    cells: Mapping[tuple[int, int], T]
    since: Array
    sequences: Mapping[str | None, list[str]]
    notes: tuple[Note, ...]

    def exposed(self, place: tuple[int, int]) -> bool:
        """Whether a cell had the intervention."""
        return bool(self.since[place] >= 0)

    def filled(self, values: Mapping[tuple[int, int], float]) -> Array:
        """Numbers of the cells in a table (G, T), 0 where there is no cell."""
        table = np.zeros((len(self.units), len(self.periods)))
        for place, value in values.items():
            table[place] = value
        return table

    def of_state(self, exposed: bool) -> list[T]:  # noqa: FBT001
        """All cells with, or without, the intervention."""
        return [cell for place, cell in self.cells.items() if self.exposed(place) == exposed]

    @property
    def graded(self) -> int:
        """Sequences that cross, or units of the smallest sequence where these are more."""
        crossing = sum(wave is not None and wave != self.periods[0] for wave in self.sequences)
        return max(crossing, min(len(units) for units in self.sequences.values()))

    @property
    def beside(self) -> dict[str, object]:
        """What the answer says of who crossed when."""
        listed = [{"crosses_at": wave, "units": units} for wave, units in self.sequences.items()]
        return {"comparison": "units that cross over in sequence", "sequences": listed}


def table_of[T](
    question: Question, entries: Sequence[Cell] | Sequence[CountOf], found: Mapping[tuple[str, str], T]
) -> Table[T]:
    """Cells of the periods up to the look, and who was exposed in them; raises `Refused`."""
    periods = periods_of(question.plan, question.followup)
    named = _named(question, entries, periods)
    crossed = crossings(question, named, periods)
    kept = {place: found[place] for place in sorted(named.keys() - crossed.left_out)}
    units = tuple(sorted({unit for unit, _ in kept}))
    seen = [wave for wave in periods if any(w == wave for _, w in kept)]
    if len(seen) < FEWEST_PERIODS:
        raise Refused(
            "too_few_periods",
            f"{question.measure.measure}: {len(seen)} waves up to the look have data; a stepped wedge needs three.",
            "Enter the other waves; two waves make `did` (a comparison) or `cross_section` (none).",
        )
    if len(seen) > MOST_PERIODS:
        raise Refused(
            "too_many_periods",
            f"{question.measure.measure}: {len(seen)} waves have data; a stepped wedge takes {MOST_PERIODS} at most.",
            "Put waves together (quarters for months), or plan `its` for a series by the month.",
        )
    since = np.full((len(units), len(seen)), UNEXPOSED)
    for g, unit in enumerate(units):
        first = crossed.first[unit]
        if first is not None:
            since[g] = [max(periods.index(wave) - first, UNEXPOSED) for wave in seen]
    cells = {(units.index(unit), seen.index(wave)): cell for (unit, wave), cell in kept.items()}
    sequences = _sequences(crossed, units, periods)
    _refuse_unidentified(question, crossed, units, [(t, since[g, t] >= 0) for g, t in cells])
    notes = [*crossed.notes, *_empty(question, periods, seen), *_few(question, sequences), *_linked(question)]
    return Table(units, tuple(seen), cells, since, sequences, tuple(notes))


def _named(
    question: Question, entries: Sequence[Cell] | Sequence[CountOf], periods: Sequence[str]
) -> dict[tuple[str, str], str | None]:
    """The arm named, or None, of each unit and period with data; waves of other looks are left out."""
    named: dict[tuple[str, str], str | None] = {}
    plan, name = question.plan, question.measure.measure
    arms: dict[tuple[str, str], set[str]] = {}
    rows = question.data.rows
    for item in rows if rows is not None else entries:
        question.check_wave(item.wave)
        if item.arm is not None and item.arm not in (plan.treated, plan.control):
            question.arm_of(item)  # refuses it with what the plan knows
        if item.unit is None:
            raise Refused(
                "unit_missing",
                f"{name}: an entry names no unit; a stepped wedge compares units before and after their start.",
                "Name the unit of every entry.",
            )
        if item.wave not in periods:
            continue
        place = (item.unit, item.wave)
        if rows is None and place in named:
            raise Refused(
                "duplicate_cell",
                f"{name}: unit {item.unit!r} appears twice in wave {item.wave!r}.",
                "Give one entry a unit and wave; in a stepped wedge a whole unit is in one arm at a time.",
            )
        arms.setdefault(place, set()).update([] if item.arm is None else [item.arm])
        named[place] = item.arm or named.get(place)
    for (unit, wave), of_cell in arms.items():
        if len(of_cell) > 1:
            raise Refused(
                "unit_in_both_arms",
                f"{name}: unit {unit!r} is in both arms in wave {wave!r}; in a stepped wedge whole units cross over.",
                "Correct the arm, or plan the design `parallel` where people were assigned within units.",
            )
    return named


def bare(rows: Sequence[Row]) -> list[Row]:
    """Rows without their arm, which says when a unit crossed and nothing else; `Refused` for contradictions."""
    unit_of: dict[str, str | None] = {}
    values: set[tuple[str, str]] = set()
    for row in rows:
        if row.participant is None:
            continue
        if unit_of.setdefault(row.participant, row.unit) != row.unit:
            raise Refused(
                "participant_moved",
                f"Participant {row.participant!r} is in two units.",
                "Analyse people in the unit they were in at the start, and give that unit in every wave.",
            )
        if (row.participant, row.wave) in values:
            raise Refused(
                "duplicate_rows",
                f"Participant {row.participant!r} has two values in wave {row.wave!r}.",
                "Keep one value a participant and wave.",
            )
        values.add((row.participant, row.wave))
    return [row.model_copy(update={"arm": None}) for row in rows]


def _sequences(crossed: Crossings, units: Sequence[str], periods: Sequence[str]) -> dict[str | None, list[str]]:
    """Units by the wave they were first exposed in, in the order of the waves; None: never."""
    firsts = sorted({f for u in units if (f := crossed.first[u]) is not None})
    found: dict[str | None, list[str]] = {periods[f]: [u for u in units if crossed.first[u] == f] for f in firsts}
    if never := [u for u in units if crossed.first[u] is None]:
        found[None] = never
    return found


def _refuse_unidentified(
    question: Question, crossed: Crossings, units: Sequence[str], cells: Sequence[tuple[int, bool]]
) -> None:
    """Refuse what cannot tell the effect from time: one crossing for all, or no wave where both states are seen."""
    name = question.measure.measure
    if len({crossed.first[u] for u in units if crossed.first[u] != 0}) < FEWEST_SEQUENCES:
        raise Refused(
            "one_sequence",
            f"{name}: all units cross over at once (or were exposed from the first wave on), so that the effect cannot "
            "be told from what time does.",
            "Add units that cross at another wave or not at all; two waves of one group make `cross_section`, grade D.",
        )
    design = np.zeros((len(cells), max(t for t, _ in cells) + 2))
    for row, (t, exposed) in zip(design, cells, strict=True):
        row[t], row[-1] = 1.0, exposed
    if np.linalg.matrix_rank(design) == np.linalg.matrix_rank(design[:, :-1]):
        raise Refused(
            "not_identified",
            f"{name}: no wave with data has units with and units without the intervention, so that the effect cannot "
            "be told from what time does.",
            "Enter the waves in which some units had started and others had not.",
        )


def _few(question: Question, sequences: Mapping[str | None, list[str]]) -> list[Note]:
    units = sum(len(names) for names in sequences.values())
    if units >= FEW_UNITS:
        return []
    message = (
        f"Few units ({units}): more people in them hardly make up for it, and the grade counts sequences and units; "
        "plan four sequences or more."
    )
    return [Note("few_units", message, question.measure.measure)]


def _empty(question: Question, periods: Sequence[str], seen: Sequence[str]) -> list[Note]:
    empty = [wave for wave in periods if wave not in seen]
    if not empty:
        return []
    message = f"No data of wave {', '.join(empty)}; the time since start counts it all the same."
    return [Note("wave_empty", message, question.measure.measure)]


def _linked(question: Question) -> list[Note]:
    seen: dict[str, str] = {}
    for row in question.data.rows or []:
        if row.participant is not None and seen.setdefault(row.participant, row.wave) != row.wave:
            message = (
                "People who answered in several waves are taken as different people here, which makes the interval too "
                "wide rather than too narrow."
            )
            return [Note("participants_unused", message, question.measure.measure)]
    return []
