"""What goes into a design (a question) and what comes out (a prepared measure), and the look at the arms in between."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from analysis.designs.inputs import Inputs
from analysis.documents import Design, Document, MeasureData, Plan, PlannedMeasure, Row
from analysis.errors import Refused

SMALL_ARM = 10
ONE_GROUP = frozenset({Design.PAIRED, Design.CROSS_SECTION})
"""Designs without a comparison arm."""
PLAN_A_COMPARISON = "Plan the design `did` or `parallel` to use a comparison arm"


@dataclass(frozen=True, slots=True)
class Note:
    """A warning: a stable code and a sentence, of one measure or of the whole analysis."""

    code: str
    message: str
    measure: str | None = None

    def as_dict(self) -> dict[str, str | None]:
        """The warning as the answer holds it."""
        return {"code": self.code, "message": self.message, "measure": self.measure}


@dataclass(frozen=True, slots=True)
class Question:
    """One measure of an expanded plan with its data, at the wave of the look."""

    plan: Plan
    measure: PlannedMeasure
    data: MeasureData
    followup: str

    @property
    def sign(self) -> int:
        """+1 where higher is better, −1 where lower is."""
        return 1 if self.measure.direction == "higher_is_better" else -1

    @property
    def one_group(self) -> bool:
        """Whether one group is followed, so that an entry without an arm is of that."""
        return self.plan.design in ONE_GROUP or (self.plan.design is Design.ITS and self.plan.control is None)

    def arm_of(self, item: Document) -> str:
        """The arm an entry belongs to: its own, or that of its unit in the plan."""
        arm: str | None = getattr(item, "arm", None)
        unit: str | None = getattr(item, "unit", None)
        if arm is None and unit is not None:
            arm = next((u.arm for u in self.plan.units if u.unit_id == unit), None)
        name = self.measure.measure
        if arm is None and self.one_group:
            return self.plan.treated
        if arm is None:
            raise Refused(
                "arm_missing",
                f"{name}: an entry names no arm, and the plan puts its unit in none.",
                "Give the arm of every entry, or assign the units to arms in the plan.",
            )
        if self.one_group and arm != self.plan.treated:
            better = "Name it in the plan as control" if self.plan.design is Design.ITS else PLAN_A_COMPARISON
            raise Refused(
                "unknown_arm",
                f"{name}: the data name arm {arm!r}; the design {self.plan.design.value} follows one group, "
                f"{self.plan.treated!r}.",
                f"{better}; it raises the grade.",
            )
        if arm not in (self.plan.treated, self.plan.control):
            raise Refused(
                "unknown_arm",
                f"{name}: the data name arm {arm!r}; the comparison is of {self.plan.treated!r} "
                f"against {self.plan.control!r}.",
                "Correct the arm, or name it in the plan as treated or control.",
            )
        return arm

    def check_wave(self, wave: str) -> None:
        """Refuse a wave the plan does not know; waves of other looks are known and left out by the caller."""
        if wave not in {w.key for w in self.plan.waves}:
            raise Refused(
                "unknown_wave",
                f"{self.measure.measure}: the data name wave {wave!r}, which the plan does not have.",
                "Name the wave in the plan (short form: `baseline` and `followup`) or correct the data.",
            )

    def placed(self, rows: Iterable[Row]) -> list[Row]:
        """Rows of known waves, each with its arm filled in."""
        known = list(rows)
        for wave in dict.fromkeys(row.wave for row in known):
            self.check_wave(wave)
        return [row if row.arm is not None else row.model_copy(update={"arm": self.arm_of(row)}) for row in known]

    def by_arm[T: Document](self, items: Iterable[T], waves: Sequence[str] = ()) -> dict[str, list[T]]:
        """Entries by arm, those of other waves (default: than baseline and follow-up) left out.

        The same cell twice is refused.
        """
        wanted = waves or (self.plan.baseline, self.followup)
        arms: dict[str, list[T]] = {}
        seen: set[tuple[object, ...]] = set()
        for item in items:
            arm = self.arm_of(item)
            wave: str | None = getattr(item, "wave", None)
            if wave is not None:
                self.check_wave(wave)
                if wave not in wanted:
                    continue
            key = (arm, wave, getattr(item, "unit", None))
            if key in seen:
                raise Refused(
                    "duplicate_cell",
                    f"{self.measure.measure}: arm {arm!r} appears twice"
                    + (f" in wave {wave!r}" if wave else "")
                    + " with the same unit.",
                    "Give one entry a unit, arm and wave; name the unit where the parts are of different people.",
                )
            seen.add(key)
            arms.setdefault(arm, []).append(item)
        return arms


@dataclass(frozen=True, slots=True, eq=False)
class Alternative:
    """The same data under another model: `name` says which, `why` when it would be the better one."""

    name: str
    why: str
    inputs: Inputs


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A measure ready for a model.

    `raw_per_sd` turns an oriented effect in SD units into the measure's own direction and unit (None: the family has
    a scale of its own). `n` counts the people analysed in each arm. `attrition` is what linked rows themselves show.
    `beside` goes into the effect as it stands. `cap` says why the outcome may not go beyond `refine`.
    `units_per_arm` is of the smaller arm, `pre_waves` how many waves before the start have data, `controlled` whether a
    time series has a control series long enough: all for the grade. `centre` is the raw value at the scale's zero.
    `raw_unit` names the unit of the effect in raw units; None: that of the measure, of shares the risk difference.
    `percent_per_sd` is what a SD unit is on the measure's log scale, signed by its direction: the raw effect is then
    the change in per cent. `alternatives` are other models of the same data, shown beside and deciding nothing.
    """

    measure: PlannedMeasure
    inputs: Inputs
    raw_per_sd: float | None
    n: Mapping[str, int]
    warnings: tuple[Note, ...] = ()
    attrition: Mapping[str, float] | None = None
    beside: Mapping[str, object] = field(default_factory=dict)
    cap: str | None = None
    units_per_arm: int | None = None
    pre_waves: int = 1
    centre: float | None = None
    controlled: bool = False
    raw_unit: str | None = None
    percent_per_sd: float | None = None
    alternatives: tuple["Alternative", ...] = ()
