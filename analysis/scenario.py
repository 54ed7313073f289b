"""What is asked of a simulation: a plan, how many people, and what is supposed to be true. Forms only; cheap to import.

How data are made of it is in `pilots.py`, what is counted in `operating.py`.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from analysis.documents import Design, Document, Family, Key, NormalPrior, People, Plan, PlannedMeasure, Role, Share


def _whole(shares: list[float]) -> list[float]:
    if abs(sum(shares) - 1) > ROUNDING:
        raise ValueError(f"the shares of the categories add up to {sum(shares):g}, not to 1")
    return shares


ROUNDING = 1e-6
CategoryShares = Annotated[
    list[Annotated[float, Field(gt=0, lt=1)]], Field(min_length=2, max_length=11), AfterValidator(_whole)
]
Effect = Annotated[float, Field(ge=-3, le=3)]
Rate = Annotated[float, Field(gt=0, lt=1)]
EventRate = Annotated[float, Field(gt=0, le=1e6)]
Dispersion = Annotated[float, Field(ge=0, le=10)]
Trials = Annotated[int, Field(ge=1, le=1_000_000)]
PILOTS: Final[Mapping[str, tuple[int, int]]] = {
    "two arms": (1000, 1_000_000),
    "waves or units": (400, 200_000),
    "waves or units, binary": (200, 50_000),
}
"""Simulated pilots of one true effect by default, and the most of one request: 5, 40 and 200 ms each, hours of work."""
PART: Final[Mapping[str, int]] = {"two arms": 10_000, "waves or units": 1000, "waves or units, binary": 200}
"""Pilots that are some forty seconds of one processor: what a worker does at a time of a large request.

To begin a part takes some seconds (processes load the libraries); a death costs no more than one.
"""
ALONE = 5
"""Parts up to which a request is not worth being split."""
SLOW = frozenset({Family.BINARY, Family.ORDINAL})
"""Families without a closed form, whose linked people come one by one."""
MOST_UNITS = 100
MOST_ROWS = 200_000_000
"""Simulated rows of single people, over all pilots; most designs need none."""
RECORDS = frozenset({Family.COUNT, Family.SHARE})
"""Families whose records are drawn one by one, and that take longer to analyse."""
IN_UNITS = frozenset({Design.CLUSTER, Design.DID, Design.CROSS_SECTION, Design.STEPPED_WEDGE})
"""Designs whose data name units."""
UNLINKED = frozenset({Design.CROSS_SECTION, Design.STEPPED_WEDGE})
"""Designs whose waves are of different or anonymous people."""


class TrueMeasure(Document):
    """What is supposed to be true of one measure."""

    effect: Effect | None = Field(
        default=None,
        description="True effect in SD units, positive is benefit; null: 0. Not of the primary, whose effects are "
        "listed under `effects`",
    )
    r: Annotated[float, Field(ge=0, le=0.95)] | None = Field(
        default=None, description="Correlation of one person's values in two waves; null: that of the request"
    )
    rate: Rate | None = Field(
        default=None,
        description="Share of events without the intervention (binary measures, shares); null: that of the request",
    )
    event_rate: EventRate | None = Field(
        default=None, description="Events per person without the intervention (counts); null: that of the request"
    )
    dispersion: Dispersion | None = Field(
        default=None, description="1/√φ of counts or shares, 0: as chance has it; null: that of the request"
    )
    trials: Trials | None = Field(default=None, description="Trials of each record (shares); null: that of the request")
    shares: CategoryShares | None = Field(
        default=None,
        description="Shares of the categories without the intervention, lowest first, which add up to 1 (ordinal "
        "measures); null: those of the request",
    )
    events_per_month: Annotated[float, Field(gt=0, le=1e6)] | None = Field(
        default=None,
        description="Expected events a month without the intervention (counts in the design `its`); null: that of the "
        "request",
    )


class Scenario(Document):
    """How many people take part and what is supposed to be true. Only `people` is needed; of a series nothing."""

    people: dict[Key, Annotated[People, Field(ge=2, le=20_000)]] = Field(
        default={},
        description="People analysed in each arm, all units together, in every wave; of a stepped wedge everybody, "
        "under the treated arm; a monthly series (`its`) needs none",
        examples=[{"intervention": 60}],
    )
    units: dict[Key, Annotated[int, Field(ge=1, le=MOST_UNITS)]] | None = Field(
        default=None,
        description="Units in each arm; null: as many as the plan names, else one. People are split evenly",
    )
    effects: list[Effect] = Field(
        default=[0.0, 0.1, 0.2, 0.3, 0.45],
        min_length=1,
        max_length=12,
        description="True effects of the primary measure, SD units; positive is benefit",
    )
    measures: dict[Key, TrueMeasure] = Field(default={}, description="What is true of each measure where it differs")
    r: Annotated[float, Field(ge=0, le=0.95)] = Field(
        default=0.7, description="Correlation of one person's values in any two waves, within a unit"
    )
    icc: Annotated[float, Field(ge=0, le=0.5)] = Field(
        default=0.05, description="Share of the variance between people that lies between units (designs with units)"
    )
    unit_time_sd: Annotated[float, Field(ge=0, le=1)] = Field(
        default=0.1, description="SD of what happens to a unit between two waves, SD units (designs with units)"
    )
    rate: Rate | None = Field(
        default=None, description="Share of events without the intervention (binary measures, shares)"
    )
    event_rate: EventRate | None = Field(
        default=None, description="Events per person (unit of exposure) without the intervention (counts)"
    )
    dispersion: Dispersion = Field(
        default=0.5,
        description="1/√φ: how counts or shares of one arm and wave vary beyond chance; φ is that of the negative "
        "binomial or the beta-binomial, 0 gives Poisson or binomial ones",
    )
    trials: Trials | None = Field(
        default=None, description="Trials of each record, of which there are as many as `people` (shares)"
    )
    shares: CategoryShares | None = Field(
        default=None,
        description="Shares of the categories without the intervention, lowest first, which add up to 1 (ordinal "
        "measures)",
        examples=[[0.1, 0.2, 0.4, 0.2, 0.1]],
    )
    months_before: Annotated[int, Field(ge=8, le=180)] = Field(
        default=24, description="Months of a series before the start (design `its`)"
    )
    months_after: Annotated[int, Field(ge=8, le=120)] = Field(
        default=12, description="Months of a series from the start on, those of the phase-in too (design `its`)"
    )
    month_sd: Annotated[float, Field(gt=0, le=3)] = Field(
        default=0.2, description="SD of a series' own departures from its trend, SD units (design `its`)"
    )
    shared_sd: Annotated[float, Field(ge=0, le=3)] = Field(
        default=0.1, description="SD of what moves treated and control series alike, SD units (design `its`)"
    )
    autocorrelation: Annotated[float, Field(ge=-0.9, le=0.95)] = Field(
        default=0.3, description="Correlation of the departures of neighbouring months (design `its`)"
    )
    trend: Annotated[float, Field(ge=-3, le=3)] = Field(
        default=0.0, description="Trend of both series, SD units a year, positive is improvement (design `its`)"
    )
    events_per_month: Annotated[float, Field(gt=0, le=1e6)] | None = Field(
        default=None, description="Expected events a month without the intervention (counts in the design `its`)"
    )
    attrition: dict[Key, Share] | None = Field(
        default=None,
        description="Share expected to be lost in each arm; null: what the plan declares. Moves grade "
        "and tipping point only: `people` are those analysed",
    )
    pilots: Annotated[int, Field(ge=50, le=100_000)] | None = Field(
        default=None,
        description="Simulated pilots for each true effect, and as many for the assurance; null: 1,000 for the design "
        "`parallel`, 400 for the others, 200 where these have binary measures: their pilots take longer to analyse",
    )
    design_prior: NormalPrior | None = Field(
        default=None,
        description="What is believed of the true effect before the pilot, for the assurance; null: the plan's prior "
        "on the effect, N(0, 0.5) where that is flat",
    )
    bias: Literal["none", "prior"] = Field(
        default="none",
        description="none: the data show the true effect; prior: every pilot's data add a bias drawn from the grade's",
    )
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 1


class SimulateRequest(Scenario):
    """What `simulate` reads: a plan and a scenario that fits it."""

    plan: Plan

    @model_validator(mode="after")
    def _arms_agree(self) -> Self:
        arms = self.arms
        compared = f"the plan compares {_listed(arms)}"
        if len(arms) == 1:
            compared = f"in this design everybody is counted under the treated arm, {_listed(arms)}"
        if not self.people and not self._in_months:
            raise ValueError(f"give `people`, how many are analysed in each arm; {compared}")
        people = self.people or None
        for name, given in (("people", people), ("units", self.units), ("attrition", self.attrition)):
            if given is not None and set(given) != set(arms):
                raise ValueError(f"{name} names {_listed(given)}; {compared}")
        for arm, k in self.units_by_arm.items() if self.people else ():
            if self.people[arm] < 2 * k:
                raise ValueError(
                    f"{self.people[arm]} people in {k} units of arm {arm!r}: at least two a unit are needed"
                )
        return self

    @model_validator(mode="after")
    def _units_cross(self) -> Self:
        if self.plan.design is Design.STEPPED_WEDGE and sum(self.units_by_arm.values()) < 2:  # noqa: PLR2004
            raise ValueError(
                "units cross over one after the other: give `units`, two or more, or name them in the plan"
            )
        return self

    @model_validator(mode="after")
    def _measures_agree(self) -> Self:
        for key, measure in self.measures.items():
            planned = self.plan.measure(key)
            if planned is None:
                raise ValueError(f"measures names {key!r}, which the plan does not have")
            if planned.role is Role.PRIMARY and measure.effect is not None:
                raise ValueError(f"the true effects of the primary measure {key!r} are listed under `effects`")
        for planned in self.deciding:
            if planned.family is Family.BINARY and self.rate_of(planned) is None:
                raise ValueError(f"{planned.measure} is binary: give `rate`, the share of events without intervention")
            if planned.family is Family.COUNT and not (self._in_months or self.event_rate_of(planned)):
                raise ValueError(
                    f"{planned.measure} is a count: give `event_rate`, events per person without intervention"
                )
            if planned.family is Family.SHARE and (self.rate_of(planned) is None or not self.trials_of(planned)):
                raise ValueError(
                    f"{planned.measure} is a share: give `rate` without intervention and `trials` a record"
                )
            if planned.family is Family.ORDINAL:
                self._categories_agree(planned)
            if self._in_months and planned.family is Family.COUNT and self.events_of(planned) is None:
                raise ValueError(f"{planned.measure} is a count: give `events_per_month` without the intervention")
        return self

    def _categories_agree(self, planned: PlannedMeasure) -> None:
        """Raise ValueError where the shares of an ordinal measure are missing or do not fit its scale."""
        shares = self.shares_of(planned)
        if shares is None:
            raise ValueError(f"{planned.measure} is ordinal: give `shares` of its categories without intervention")
        if planned.minimum is None or planned.maximum is None:
            return
        if planned.maximum - planned.minimum + 1 != len(shares):
            scale = f"{planned.minimum:g} to {planned.maximum:g}"
            raise ValueError(f"{planned.measure} goes from {scale}, and `shares` are of {len(shares)} categories")

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if len(set(self.effects)) != len(self.effects):
            raise ValueError("a true effect is listed twice")
        asked, most = self.pilots_each * (len(self.effects) + 1), PILOTS[self._effort][1]
        if asked > most:
            raise ValueError(f"{asked} pilots in all are asked for, effects and assurance; at most {most}")
        waves = len(self.waves_before) + len(self.plan.expanded().looks)
        if self.in_rows and asked * sum(self.people.values()) * waves > MOST_ROWS:
            raise ValueError("so many people in so many waves and pilots would take too long; ask for fewer pilots")
        return self

    @property
    def deciding(self) -> list[PlannedMeasure]:
        """The measures a decision reads; secondary ones are not simulated."""
        return [m for m in self.plan.measures if m.role is not Role.SECONDARY]

    @property
    def pilots_each(self) -> int:
        """Simulated pilots of one true effect."""
        return self.pilots or PILOTS[self._effort][0]

    @property
    def part_size(self) -> int | None:
        """Pilots of one part where the request is large enough to be split; None: one worker does it all."""
        size = PART[self._effort]
        return size if self.pilots_each * (len(self.effects) + 1) > ALONE * size else None

    @property
    def _effort(self) -> str:
        """How long a pilot takes to analyse, as a key of `PILOTS`."""
        if any(m.family in RECORDS for m in self.deciding):
            return "waves or units, binary"
        if self.plan.design is Design.PARALLEL:
            return "two arms"
        slow = any(m.family in SLOW for m in self.deciding)
        return "waves or units, binary" if slow else "waves or units"

    @property
    def _in_months(self) -> bool:
        """Whether the plan follows months and not people."""
        return self.plan.design is Design.ITS

    @property
    def arms(self) -> tuple[str, ...]:
        """Keys of the arms that are compared, treated first; one arm in a design without control."""
        long = self.plan.expanded()
        alone = self.plan.design in (Design.PAIRED, Design.CROSS_SECTION, Design.STEPPED_WEDGE)
        return (long.treated,) if alone or long.control is None else (long.treated, long.control)

    @property
    def units_by_arm(self) -> dict[str, int]:
        """Units in each arm: as given, else as the plan assigns them, else one."""
        if self.plan.design not in IN_UNITS:
            return dict.fromkeys(self.arms, 1)
        wedge = self.plan.design is Design.STEPPED_WEDGE  # its units are in one arm and then in the other
        planned = {arm: sum(wedge or u.arm == arm for u in self.plan.units) for arm in self.arms}
        return {arm: (self.units or planned)[arm] or 1 for arm in self.arms}

    @property
    def waves_before(self) -> tuple[str, ...]:
        """Waves before the start."""
        long = self.plan.expanded()
        named = tuple(w.key for w in long.waves if w.kind == "baseline")
        return named or ((long.baseline,) if long.baseline is not None else ())

    @property
    def in_rows(self) -> bool:
        """Whether a pilot's data would be rows of single people: linked over more than a pair of waves, or binary."""
        if any(m.family in RECORDS for m in self.deciding):
            return True
        if self.plan.design is Design.DID:
            return len(self.waves_before) > 1
        return self.plan.design is Design.PAIRED and any(m.family in SLOW for m in self.deciding)

    def rate_of(self, measure: PlannedMeasure) -> float | None:
        """Share of events without the intervention."""
        own = self.measures.get(measure.measure)
        return self.rate if own is None or own.rate is None else own.rate

    def event_rate_of(self, measure: PlannedMeasure) -> float:
        """Events per person without the intervention; 0: not given."""
        own = self.measures.get(measure.measure)
        return (self.event_rate if own is None or own.event_rate is None else own.event_rate) or 0.0

    def dispersion_of(self, measure: PlannedMeasure) -> float:
        """1/√φ of counts and shares."""
        own = self.measures.get(measure.measure)
        return self.dispersion if own is None or own.dispersion is None else own.dispersion

    def trials_of(self, measure: PlannedMeasure) -> int:
        """Trials of each record; 0: not given."""
        own = self.measures.get(measure.measure)
        return (self.trials if own is None or own.trials is None else own.trials) or 0

    def shares_of(self, measure: PlannedMeasure) -> list[float] | None:
        """Shares of the categories without the intervention."""
        own = self.measures.get(measure.measure)
        return self.shares if own is None or own.shares is None else own.shares

    def events_of(self, measure: PlannedMeasure) -> float | None:
        """Expected events a month without the intervention."""
        own = self.measures.get(measure.measure)
        return self.events_per_month if own is None or own.events_per_month is None else own.events_per_month

    def r_of(self, measure: PlannedMeasure) -> float:
        """Correlation of one person's values in two waves; 0 where people are not linked."""
        own = self.measures.get(measure.measure)
        return self.r if own is None or own.r is None else own.r

    def effect_of(self, measure: PlannedMeasure, primary: float) -> float:
        """True effect, given that of the primary measure."""
        if measure.role is Role.PRIMARY:
            return primary
        own = self.measures.get(measure.measure)
        return 0.0 if own is None or own.effect is None else own.effect


def _listed(keys: object) -> str:
    return ", ".join(repr(k) for k in sorted(keys))  # type: ignore[call-overload]


Chunk = tuple[int, int, int]
"""Truth (0: drawn from the design prior), first pilot, and the one after the last."""


def stretches(truth: int, first: int, stop: int, size: int) -> Iterator[Chunk]:
    """Stretches of at most `size` pilots of one truth."""
    for start in range(first, stop, size):
        yield truth, start, min(start + size, stop)


def parts_of(request: SimulateRequest, size: int) -> list[list[Chunk]]:
    """All pilots of a request in parts of at most so many, for `operating.part`."""
    truths = range(len(request.effects) + 1)
    return [[chunk] for truth in truths for chunk in stretches(truth, 0, request.pilots_each, size)]
