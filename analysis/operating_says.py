"""Operating characteristics of a plan in words, for leaders, and what was supposed. Numbers come in, text goes out."""

from collections.abc import Mapping, Sequence
from typing import Any

from analysis.documents import Design, Family, PlannedMeasure, Role
from analysis.scenario import IN_UNITS, UNLINKED, SimulateRequest

ENOUGH_UNITS = 4
"""Units an arm from which on a comparison of units is graded A and its chances are no longer those of a lottery."""


def says(
    request: SimulateRequest,
    primary: PlannedMeasure,
    grade: str,
    rows: Sequence[Mapping[str, Any]],
    belief: Mapping[str, Any],
) -> str:
    """What a leader should know before the plan is locked."""
    scaled = {row["effect"]: row["scale"]["share"] for row in rows}
    parts = []
    if primary.mmd in scaled:
        parts.append((f"a true effect equal to the smallest meaningful one ({primary.mmd:g} SD)", primary.mmd))
    if (best := max(scaled)) > primary.mmd:
        parts.append((f"one of {best:g} SD", best))
    if 0.0 in scaled:
        parts.append(("no effect at all", 0.0))
    told = [f"{what} is scaled {percent(scaled[effect])} of the time" for what, effect in parts]
    sentences = [f"With {_size(request)} (grade {grade}), {', '.join(told)}."] if told else []
    chance, error = belief["scale"]["share"], belief["scale"]["mcse"]
    sentences.append(
        f"Over all that is believed of the effect beforehand, a pilot ends in scale with a probability of "
        f"{percent(chance)} (give or take {100 * error:.1f} points of simulation error)."
    )
    if any(row["provisional"]["share"] > 0 for row in rows):
        sentences.append("At grade C every scale is provisional: a controlled evaluation stays inside the roll-out.")
    if grade == "D":
        sentences.append("Without a comparison group no result of this pilot can be scaled; add one.")
    fewest = min(request.units_by_arm.values())
    if request.plan.design in (Design.CLUSTER, Design.DID) and fewest < ENOUGH_UNITS:
        units = "one unit" if fewest == 1 else f"{fewest} units"
        sentences.append(f"With only {units} in an arm: plan four or more.")
    return " ".join(sentences)


def assumptions(request: SimulateRequest, measures: Sequence[PlannedMeasure]) -> list[str]:
    """What was supposed to be true, in sentences."""
    long = request.plan.expanded()
    stated = [
        "Effects are true effects of the intervention; the data show them without drift or regression to the mean."
        if request.bias == "none"
        else "The data of each pilot add a bias drawn from the grade's to the true effect, the same at every look.",
        "The effect is there in full at every look.",
        _of_months(request)
        if request.plan.design is Design.ITS
        else f"People are those analysed; their own values of two waves correlate by {request.r:g}"
        + (" where people are linked, by nothing where they are not." if request.plan.design in UNLINKED else "."),
    ]
    if request.plan.design in IN_UNITS:
        stated.append(
            f"Units of equal size hold {100 * request.icc:g} % of the variance between people and drift apart by an SD "
            f"of {request.unit_time_sd:g} between waves."
        )
    families = {m.family for m in measures}
    if Family.NORMAL in families:
        stated.append("Values of normal measures have neither floor nor ceiling.")
    if Family.BINARY in families:
        stated.append(
            "Answers of one person in two waves go together by a latent normal value; rates are of a typical unit."
        )
    if Family.COUNT in families:
        stated.append("Counts are of single people, negative binomial; two waves of one person vary independently.")
    if Family.SHARE in families:
        stated.append("Shares are of as many records as people, beta-binomial, each of the same number of trials.")
    if Family.DURATION in families:
        stated.append("Logarithms of durations are normal; the data are means, SDs and correlations.")
    others = [m for m in measures if m.role is not Role.PRIMARY]
    if others:
        named = ", ".join(f"{m.measure} {request.effect_of(m, 0.0):g}" for m in others)
        stated.append(f"Measures vary independently of each other; true effects in SD units: {named}.")
    if any(m.role is Role.SECONDARY for m in long.measures):
        stated.append("Secondary measures decide nothing and are not simulated.")
    if len(long.looks) > 1:
        stated.append("The same people are seen at every look; a look that neither scales, replaces nor stops goes on.")
    return stated


def percent(p: float) -> str:
    """A simulated share in words: never 0 or 100 %."""
    rounded = round(100 * p)
    return {0: "under 1 %", 100: "over 99 %"}.get(rounded, f"{rounded} %")


def _size(request: SimulateRequest) -> str:
    """How many people, and units where the design has them; of a series its months."""
    if request.plan.design is Design.ITS:
        return f"{request.months_before} months before the start and {request.months_after} after"
    people = " and ".join(str(request.people[arm]) for arm in request.arms)
    if request.plan.design not in IN_UNITS:
        return f"{people} people"
    units = " and ".join(str(request.units_by_arm[arm]) for arm in request.arms)
    return f"{people} people in {units} units"


def _of_months(request: SimulateRequest) -> str:
    """How the months of a series vary."""
    return (
        f"Months depart from a trend of {request.trend:g} SD a year by an SD of {request.month_sd:g}, and with the "
        f"control series, where there is one, by {request.shared_sd:g} more; neighbours correlate by "
        f"{request.autocorrelation:g}. There is no season and no shock."
    )
