"""One simulated pilot from its truth to its end: data, exact engine, decision rule, look after look.

It takes the path of a real pilot; no formula and no threshold lives here, and PyMC is not imported. Each pilot has a
seed of its own (`SeedSequence(seed, spawn_key=(truth, pilot))`), so that nothing depends on who computes it. What is
counted over many pilots is in `operating.py`.
"""

from dataclasses import dataclass, replace

import numpy as np

from analysis.designs import OFFERED, prepare
from analysis.designs.prepared import Question
from analysis.documents import Family, MeasureData, NormalPrior, Plan, PlannedMeasure, Role
from analysis.errors import Refused
from analysis.fit import exact_verdict
from analysis.grade import Grade
from analysis.pilots import MAKERS, Group, Truth, groups_of, truth_of
from analysis.scenario import IN_UNITS, SimulateRequest
from analysis.verdict import Criterion, Verdict

ON_LOGS = frozenset({Family.COUNT, Family.DURATION})
REHEARSALS = 20
"""Pilots of which one must be computable, or the whole request is refused."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How one simulated pilot ended: at which look (1, 2, …), with what unmet; `refused` where it had no answer."""

    effect: float
    outcome: str
    provisional: bool = False
    stopped: bool = False
    looks: int = 1
    grade: str = ""
    unmet: tuple[tuple[str, str | None], ...] = ()
    replaced_by: tuple[tuple[str, str | None], ...] = ()


@dataclass(frozen=True, eq=False)
class Simulation:
    """A request made ready: its plan in SD units, its groups, and the grade whose bias the data may carry."""

    request: SimulateRequest
    plan: Plan
    groups: tuple[Group, ...]
    measures: tuple[PlannedMeasure, ...]
    truths: tuple[Truth, ...]
    """Of each measure, its shift aside: the one thing in which pilots differ."""
    graded: Grade | None = None

    @classmethod
    def of(cls, request: SimulateRequest) -> "Simulation":
        """From a request; raises `Refused` where the primary measure cannot be simulated."""
        long = request.plan.expanded()
        attrition = request.plan.attrition if request.attrition is None else request.attrition
        measures = [_in_sd_units(m) for m in long.measures]
        plan = long.model_copy(update={"measures": measures, "attrition": attrition})
        able = tuple(m for m in measures if m.role is not Role.SECONDARY and _able(plan, m))
        truths = tuple(truth_of(request, plan, measure, 0.0, 0.0) for measure in able)
        return cls(request, plan, tuple(groups_of(request)), able, truths)

    @property
    def primary(self) -> PlannedMeasure:
        """The primary measure."""
        return next(m for m in self.measures if m.role is Role.PRIMARY)

    @property
    def in_units(self) -> bool:
        """Whether the design's people are grouped in units."""
        return self.plan.design in IN_UNITS

    def pilot(self, truth: int, number: int) -> Ended:
        """One pilot: of the `truth`-th listed effect, or (0) of an effect drawn from the design prior."""
        sequence = np.random.SeedSequence(self.request.seed, spawn_key=(truth, number))
        rng = np.random.default_rng(sequence)
        prior = design_prior(self.request)
        effect = float(rng.normal(prior.mean, prior.sd)) if truth == 0 else self.request.effects[truth - 1]
        return self.run(rng, effect)

    def run(self, rng: np.random.Generator, effect: float) -> Ended:
        """One pilot of a true effect of the primary measure."""
        try:
            return self._looked(rng, effect)
        except Refused:
            return Ended(effect, "refused")

    def _looked(self, rng: np.random.Generator, effect: float) -> Ended:
        """One pilot, its looks in order until one ends it; raises `Refused` where a look has no answer."""
        drawn = []
        for measure, unmoved in zip(self.measures, self.truths, strict=True):
            truth = replace(unmoved, shift=self.request.effect_of(measure, effect) + self._bias(rng, measure))
            maker = MAKERS[self.plan.design, measure.family]
            drawn.append((maker, truth, maker.draw(rng, truth, self.groups)))
        for seen, look in enumerate(self.plan.looks, start=1):
            data = {truth.measure.measure: maker.enter(truth, values, look.wave) for maker, truth, values in drawn}
            verdict = exact_verdict(self.plan, data, look)
            if verdict.outcome != "refine" or verdict.stop or look == self.plan.looks[-1]:
                return _ended(effect, verdict, seen)
        raise AssertionError("a plan has at least one look")

    def rehearsed(self) -> "Simulation":
        """The simulation with its grade, found by trying; `Refused` as a fit would be where no pilot has an answer."""
        rng = np.random.default_rng(np.random.SeedSequence(self.request.seed))
        refusal: Refused | None = None
        for _ in range(REHEARSALS):
            try:
                letter = self._looked(rng, 0.0).grade
            except Refused as refused:
                refusal = refused
            else:
                return replace(self, graded=Grade(letter, letter, attrition_known=self.plan.attrition is not None))
        raise refusal or AssertionError

    def _bias(self, rng: np.random.Generator, measure: PlannedMeasure) -> float:
        """What the design adds to the effect in this pilot's data."""
        if self.graded is None or self.request.bias == "none":
            return 0.0
        mean, sd = self.graded.bias(objective=measure.objective, balancing=measure.role is Role.BALANCING)
        return float(rng.normal(mean, sd))


def design_prior(request: SimulateRequest) -> NormalPrior:
    """What is believed of the true effect beforehand: as given, else the plan's prior, else N(0, 0.5)."""
    if request.design_prior is not None:
        return request.design_prior
    planned = request.plan.priors.effect
    return NormalPrior(mean=0.0, sd=0.5) if planned == "flat" else planned


def _in_sd_units(measure: PlannedMeasure) -> PlannedMeasure:
    """The measure on the scale the simulated values are drawn on: the analysis standardises first, so nothing else.

    On a log scale the reference SD stays: it is what a SD unit is there.
    """
    planned = measure.reference_sd
    return measure.model_copy(
        update={
            "reference_sd": planned if planned is None or measure.family in ON_LOGS else 1.0,
            "reference_mean": None if measure.reference_mean is None else 0.0,
            # The categories of an ordinal measure are what its scale says.
            **({} if measure.family is Family.ORDINAL else {"minimum": None, "maximum": None}),
        }
    )


def _able(plan: Plan, measure: PlannedMeasure) -> bool:
    """Whether data of a measure can be made and analysed; a primary that cannot be is `Refused`."""
    key = plan.design, measure.family
    if key in OFFERED and key in MAKERS:
        return True
    if measure.role is not Role.PRIMARY:
        return False
    if key not in OFFERED:
        prepare(Question(plan, measure, MeasureData(rows=[]), plan.followup))
    offered = ", ".join(f"{d} × {f}" for d, f in MAKERS if (d, f) in OFFERED)
    raise Refused(
        "not_simulated",
        f"{measure.measure}: the design {plan.design.value} for {measure.family.value} outcomes cannot be simulated.",
        f"Simulated are {offered}; one of them may come close enough for planning.",
    )


def _ended(effect: float, verdict: Verdict, looks: int) -> Ended:
    grade = next(str(c.value) for c in verdict.criteria if c.name == "grade")
    unmet = tuple(_name(c) for c in verdict.criteria if c.decides == "scale" and c.met is False and _blocks(c))
    replaced = tuple(_name(c) for c in verdict.criteria if c.decides == "replace" and c.met)
    return Ended(effect, verdict.outcome, verdict.provisional, verdict.stop, looks, grade, unmet, replaced)


def _name(c: Criterion) -> tuple[str, str | None]:
    return c.name, c.measure


def _blocks(c: Criterion) -> bool:
    """Grade C is below what is asked and scales all the same, provisionally."""
    return not (c.name == "grade" and c.value == "C")
