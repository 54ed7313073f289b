"""Counts of events by unit, arm and wave, and what all designs for counts say of them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.cells import rounded
from analysis.designs.arms import wrong_shape
from analysis.designs.binary_cells import few_people
from analysis.designs.cell_families import CellFamily, Counts, shared_parts
from analysis.designs.count_inputs import KAPPA_LOG, UnitCounts
from analysis.designs.dispersion import Dispersion, poisson_group
from analysis.designs.prepared import SMALL_ARM, Note, Question
from analysis.designs.seen import seen
from analysis.documents import Row
from analysis.errors import Refused

Array = NDArray[np.float64]
UNIT = "events per unit of exposure"
MOST_KAPPA = 3.0
"""SD of log values beyond which a reference SD cannot be one: people would differ by a factor of twenty."""


@dataclass(frozen=True, slots=True)
class Records:
    """Records of events: `kinds` holds how many records have a count, `exposure` is of all of them. Adds up."""

    kinds: Mapping[int, int] = field(default_factory=dict)
    exposure: float = 0.0

    def __add__(self, other: "Records") -> "Records":
        return Records(Counter(self.kinds) + Counter(other.kinds), self.exposure + other.exposure)

    @property
    def n(self) -> int:
        """Records."""
        return sum(self.kinds.values())

    @property
    def events(self) -> int:
        """Events of all records."""
        return sum(count * records for count, records in self.kinds.items())

    @property
    def squares(self) -> int:
        """Sum of the records' squared counts."""
        return sum(count * count * records for count, records in self.kinds.items())

    @property
    def level(self) -> float:
        """Empirical log rate: half an event is added, so that it is finite."""
        return float(np.log((self.events + 0.5) / self.exposure))

    @property
    def told(self) -> tuple[float, float]:
        """Mean and variance of the log rate, were the events Poisson."""
        return self.level, 1 / (self.events + 0.5)

    def as_dict(self) -> dict[str, float]:
        """As an answer shows it."""
        return {"events": self.events, "exposure": self.exposure, "rate": self.events / self.exposure}


def counted(question: Question, waves: Sequence[str]) -> Counts[Records]:
    """All counts of these waves; `Refused` for rows that are not counts or contradict each other."""
    data, found = question.data, dict[tuple[str, str], dict[str, Records]]()
    names: list[str | None] = []
    if data.rows is not None:
        rows = [row for row in question.placed(data.rows) if row.wave in waves]
        _check(question, rows)
        seen(question, waves)  # refuses doubles and people who changed arms
        of_cell: dict[tuple[str, str, str], Counter[int]] = {}
        for row in rows:
            of_cell.setdefault((str(row.arm), row.unit or str(row.arm), row.wave), Counter())[int(row.value)] += 1
        names = [row.unit for row in rows]
        for row in {row.arm: row for row in rows}.values():
            question.arm_of(row)  # refuses arms that the plan does not compare
        for arm, unit, wave in sorted(of_cell):
            kinds = of_cell[arm, unit, wave]
            found.setdefault((arm, unit), {})[wave] = Records(dict(sorted(kinds.items())), float(kinds.total()))
    elif data.events is not None:
        kept = sorted(
            ((arm, entry) for arm, of_arm in question.by_arm(data.events, waves).items() for entry in of_arm),
            key=lambda item: (item[0], item[1].unit or "", item[1].wave),
        )
        names = [entry.unit for _, entry in kept]
        for arm, entry in kept:
            found.setdefault((arm, entry.unit or arm), {})[entry.wave] = Records({entry.events: 1}, entry.exposure)
    else:
        raise wrong_shape(question, "events (with their exposure) or rows (one count a person)")
    return Counts(found, names, Records(), any(row.participant is not None for row in data.rows or []))


def _check(question: Question, rows: Sequence[Row]) -> None:
    wrong = next((row.value for row in rows if row.value < 0 or row.value != int(row.value)), None)
    if wrong is not None:
        raise Refused(
            "not_a_count",
            f"{question.measure.measure}: a count has a value of {wrong:g}; counts are whole numbers from 0 on.",
            "Enter how often it happened; what lasted a time is the family `duration`, a mean over people `normal`.",
        )


def kappa_of(question: Question) -> float:
    """Log units a SD unit, signed by the direction; `Refused` for a reference SD that is none of logarithms."""
    planned = question.measure.reference_sd
    if planned is not None and planned > MOST_KAPPA:
        raise Refused(
            "reference_sd_not_log",
            f"{question.measure.measure}: the reference SD of a {question.measure.family.value} measure is the SD of "
            f"the logarithms of its values; {planned:g} cannot be one.",
            f"Leave reference_sd out ({KAPPA_LOG:.2f} is taken), or give the SD of the logarithms.",
        )
    return question.sign * (KAPPA_LOG if planned is None else planned)


def units_of(question: Question, cells: Sequence[Sequence[Records]], columns: Array, **layout: Any) -> UnitCounts:
    """The model's inputs; `layout` as `cell_families.shared_parts` takes it.

    Rates are about that of everybody pooled, to ten digits: so the unit of exposure changes nothing. Raises `Refused`
    where a planned flat prior leaves no posterior.
    """
    everyone = [cell for row in cells for cell in row if cell.n]
    whole = sum(everyone, Records())
    rate = max(whole.events, 0.5) / whole.exposure
    kinds = sorted(whole.kinds.items())
    inputs = UnitCounts(
        events=np.array([[c.events for c in row] for row in cells], dtype=np.float64),
        squares=np.array([[c.squares for c in row] for row in cells], dtype=np.float64),
        records=np.array([[c.n for c in row] for row in cells], dtype=np.float64),
        expected=np.array([[rounded(c.exposure / c.n * rate) if c.n else 0.0 for c in row] for row in cells]),
        kinds=np.array(kinds, dtype=np.float64),
        rate=rate,
        dispersed=1.0,
        **shared_parts(question, columns, kappa_of(question), **layout),
    )
    if question.plan.priors.effect == "flat" and not inputs.bounded:
        raise Refused(
            "improper_posterior",
            f"{question.measure.measure}: cells without any event and a flat prior on the effect leave its rate ratio "
            "without bound.",
            "Give the effect a proper prior, for example mean 0 and SD 0.5.",
        )
    return inputs


def dispersion_of(question: Question, counts: Counts[Records]) -> Dispersion:
    """How records vary within arm and wave, those of single people within their unit too."""
    by_person = question.data.rows is not None
    groups: dict[tuple[str, str, str], list[Records]] = {}
    for (arm, unit), waves in counts.by_unit.items():
        for wave, cell in waves.items():
            groups.setdefault((arm, wave, unit if by_person else ""), []).append(cell)
    found = []
    for cells in groups.values():
        listed = [(k, c.exposure / c.n, r) for c in cells for k, r in c.kinds.items()]
        found.append(poisson_group(*np.array(listed, dtype=np.float64).T))
    return Dispersion.of(found)


def no_contrast(question: Question, counts: Mapping[str, Records]) -> list[Note]:
    """A warning where nothing happened in all that is compared."""
    if any(c.events for c in counts.values()):
        return []
    message = (
        "There is no event in all that is compared: the data can hardly tell a difference, and what is shown comes "
        "from the priors."
    )
    return [Note("no_contrast", message, question.measure.measure)]


def few(question: Question, counts: Mapping[str, Records]) -> list[Note]:
    """Warnings where an arm has so few people or events that the priors decide."""
    by_person = question.data.rows is not None
    notes = few_people(question, counts) if by_person else []
    rare = {arm: c.events for arm, c in counts.items() if c.events < SMALL_ARM}
    if rare:
        listed = ", ".join(f"{arm} {events}" for arm, events in rare.items())
        message = f"Few events ({listed}): the priors weigh as much as the data."
        notes.append(Note("few_events", message, question.measure.measure))
    return notes


def spread_of(question: Question, counts: Counts[Records]) -> float:
    """The variance of records in multiples of a Poisson variance, never below 1."""
    return max(dispersion_of(question, counts).ratio, 1.0)


COUNT = CellFamily("counts", "rates", counted, units_of, no_contrast, few, kappa_of, spread_of, UNIT)
