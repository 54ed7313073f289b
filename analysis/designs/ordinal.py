"""Ordinal outcomes in `parallel`, `cluster` and `cross_section`: people by category (docs/methods.md §3)."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from analysis.cells import rounded
from analysis.designs.arms import balance, both_arms, control_of, normal_summary, post_only, require_two_arms
from analysis.designs.binary_inputs import KAPPA_LOGIT
from analysis.designs.cell_families import dropped_note, empty, unlinked_note
from analysis.designs.cluster_binary import baseline_notes, nested_note, several_units, single_unit
from analysis.designs.ordinal_cells import (
    ANSWERS,
    RAW_UNIT,
    Tallies,
    Tally,
    few_people,
    no_contrast,
    separated,
    tallied,
)
from analysis.designs.ordinal_inputs import UnitOrdinal
from analysis.designs.ordinal_odds import by_cut
from analysis.designs.prepared import Note, Prepared, Question
from analysis.designs.seen import refuse_partly_named
from analysis.designs.units import notes_on_units, per_arm, refuse_shared_units
from analysis.errors import Refused

Array = NDArray[np.float64]


def parallel(question: Question) -> Prepared:
    """Two arms after the start, with unit effects from two named units on; the baseline is shown as balance."""
    tallies, arms = _two_arms(question)
    after = {arm: tallies.total(arm, question.followup) for arm in arms}
    both_arms(question, {arm: tally if tally.n else None for arm, tally in after.items()})
    first = _first(question, tallies)
    cap, notes = post_only(question, seen_before=any(tally.n for tally in first.values()))
    units = tallies.units(question.followup)
    several = several_units(tallies)
    if several:
        refuse_partly_named(question, tallies.names)
        notes += nested_note(question, units)
    named = sorted(set().union(*units.values())) if several else ["everyone"]
    cells = [
        [tallies.at(arm, unit, question.followup) if several else after[arm] for arm in reversed(arms)]
        for unit in named
    ]
    inputs = _inputs(
        question,
        tallies,
        named,
        treated=np.array([float(row[1].n > 0) for row in cells]),
        cells=cells,
        exposure=np.tile([-0.5, 0.5], (len(named), 1)),
        unit=several,
    )
    return _compared(
        question, tallies, inputs, after, first, notes, "post-only", cap, per_arm(units) if several else None
    )


def cluster(question: Question) -> Prepared:
    """Whole units in arms; the units' baseline means enter by a slope."""
    tallies, arms = _two_arms(question)
    after = {arm: tallies.total(arm, question.followup) for arm in arms}
    both_arms(question, {arm: tally if tally.n else None for arm, tally in after.items()})
    units = tallies.units(question.followup)
    refuse_shared_units(question, units)
    key = question.plan.baseline
    before = {unit: w[key] for (_, unit), w in tallies.by_unit.items() if key and key in w}
    named = [(arm, unit) for (arm, unit), w in tallies.by_unit.items() if question.followup in w]
    has_slope = any(unit in before for _, unit in named)
    cap, notes = (None, []) if has_slope else post_only(question, seen_before=False)
    treated = np.array([float(arm == question.plan.treated) for arm, _ in named])
    cells = [[tallies.by_unit[place][question.followup]] for place in named]
    inputs = _inputs(
        question,
        tallies,
        [unit for _, unit in named],
        treated=treated,
        cells=cells,
        exposure=(treated - 0.5)[:, None],
        unit=True,
        baseline=_baseline_column(question, [before.get(unit) for _, unit in named], cells),
    )
    notes += [
        *notes_on_units(question, tallies.names, units),
        *single_unit(question, units),
        *baseline_notes(question, tallies, named, before),
    ]
    comparison = "adjusted for the units' baseline means" if has_slope else "post-only"
    first = _first(question, tallies)
    return _compared(question, tallies, inputs, after, first, notes, comparison, cap, per_arm(units))


def cross_section(question: Question) -> Prepared:
    """One group before and after; unit and unit × wave effects from two units on."""
    arm, baseline = question.plan.treated, question.plan.baseline
    if baseline is None:
        raise empty(question, arm, None)
    waves = [baseline, question.followup]
    tallies = tallied(question, waves)
    totals = {wave: tallies.total(arm, wave) for wave in waves}
    for wave, total in totals.items():
        if not total.n:
            raise empty(question, arm, wave)
    mixed = notes_on_units(question, tallies.names, tallies.units(question.followup))
    units = [unit for _, unit in tallies.by_unit]
    several = len(units) > 1
    inputs = _inputs(
        question,
        tallies,
        units,
        treated=np.ones(len(units)),
        cells=[[w.get(wave, tallies.nothing) for wave in waves] for w in tallies.by_unit.values()],
        exposure=np.tile([-0.5, 0.5], (len(units), 1)),
        unit=several,
        unit_time=several,
        after=(0.0, 1.0),
    )
    odds, odds_notes = by_cut(question, totals[baseline], totals[question.followup])
    last = {arm: totals[question.followup]}
    return Prepared(
        measure=question.measure,
        inputs=inputs,
        raw_per_sd=None,
        n={arm: last[arm].n},
        warnings=(
            *tallies.notes,
            *(note for note in mixed if note.code != "few_units"),
            *([] if several else dropped_note(question, "There is one unit")),
            *unlinked_note(question, ANSWERS, tallies),
            *no_contrast(question, totals),
            *odds_notes,
            *few_people(question, last),
        ),
        beside={
            "comparison": "two anonymous waves of one group",
            "scores": list(tallies.scores),
            "categories": {arm: {wave: total.as_dict() for wave, total in totals.items()}},
            **odds,
        },
        units_per_arm=len(units),
        raw_unit=RAW_UNIT,
    )


def _two_arms(question: Question) -> tuple[Tallies, tuple[str, str]]:
    """Everyone of baseline and look; treated and control."""
    require_two_arms(question)
    waves = [w for w in (question.plan.baseline, question.followup) if w]
    return tallied(question, waves), (question.plan.treated, control_of(question))


def _first(question: Question, tallies: Tallies) -> dict[str, Tally]:
    """The baseline of both arms, of which there may be none."""
    return {arm: tallies.total(arm, question.plan.baseline) for arm in (question.plan.treated, control_of(question))}


def _baseline_column(
    question: Question, before: Sequence[Tally | None], cells: Sequence[Sequence[Tally]]
) -> Array | None:
    """The units' baseline means about everyone's, in logits: SDs between people within units times κ.

    So a slope of 1 moves a unit by as much as it lay off. None where the means do not differ.
    """
    known = [(tally.sums, row[0].n) for tally, row in zip(before, cells, strict=True) if tally is not None]
    if not known:
        return None
    if all(sums.mean == known[0][0].mean for sums, _ in known):
        if question.plan.priors.slope == "flat":
            raise Refused(
                "improper_posterior",
                f"{question.measure.measure}: the units' baselines do not differ, so a flat prior leaves the slope "
                "undefined.",
                "Give the slope a proper prior, for example mean 0.5 and SD 0.5.",
            )
        return None
    centre = float(np.average([sums.mean for sums, _ in known], weights=[n for _, n in known]))
    people = sum(sums.n for sums, _ in known)
    within = sum(sums.ss for sums, _ in known)
    # People alike within every unit: how units differ is all there is to measure by.
    spread = within or sum(sums.n * (sums.mean - centre) ** 2 for sums, _ in known)
    unit = KAPPA_LOGIT / math.sqrt(spread / people)
    return np.array([[0.0 if tally is None else rounded(unit * (tally.sums.mean - centre))] for tally in before])


def _inputs(
    question: Question,
    tallies: Tallies,
    units: Sequence[str],
    *,
    treated: Array,
    cells: Sequence[Sequence[Tally]],
    exposure: Array,
    unit: bool,
    unit_time: bool = False,
    after: Sequence[float] | None = None,
    baseline: Array | None = None,
) -> UnitOrdinal:
    """The model's inputs; `Refused` where a planned flat prior leaves no posterior."""
    priors = question.plan.priors
    inputs = UnitOrdinal(
        units=tuple(units),
        treated=treated,
        counts=np.array([[cell.counts for cell in row] for row in cells], dtype=np.float64),
        scores=np.array(tallies.scores),
        baseline=np.zeros(exposure.shape) if baseline is None else baseline,
        exposure=exposure,
        slope_prior=(0.0, 0.0) if priors.slope == "flat" else (priors.slope.mean, priors.slope.sd**-2),
        kappa=question.sign * KAPPA_LOGIT,
        unit_scale=priors.unit_sd.scale,
        unit_time_scale=priors.unit_time_sd.scale,
        unit=float(unit),
        unit_time=float(unit_time),
        after=np.array(after or [0.0] * exposure.shape[1]),
    )
    if priors.effect == "flat" and not inputs.bounded:
        raise separated(question)
    return inputs


def _compared(
    question: Question,
    tallies: Tallies,
    inputs: UnitOrdinal,
    after: Mapping[str, Tally],
    first: Mapping[str, Tally],
    notes: Sequence[Note],
    comparison: str,
    cap: str | None,
    units_per_arm: int | None,
) -> Prepared:
    treated, control = after[question.plan.treated], after[control_of(question)]
    odds, odds_notes = by_cut(question, control, treated)
    return Prepared(
        measure=question.measure,
        inputs=inputs,
        raw_per_sd=None,
        n={arm: tally.n for arm, tally in after.items()},
        warnings=(
            *tallies.notes,
            *notes,
            *(unlinked_note(question, ANSWERS, tallies) if all(tally.n for tally in first.values()) else []),
            *no_contrast(question, after),
            *odds_notes,
            *few_people(question, after),
        ),
        beside={
            "comparison": comparison,
            "scores": list(tallies.scores),
            "categories": {arm: tally.as_dict() for arm, tally in after.items()},
            **_baseline_beside(question, first, treated, control),
            **odds,
        },
        cap=cap,
        units_per_arm=units_per_arm,
        raw_unit=RAW_UNIT,
    )


def _baseline_beside(
    question: Question, first: Mapping[str, Tally], treated: Tally, control: Tally
) -> dict[str, object]:
    """Balance of the baseline, and the difference in differences of mean scores, in SDs of the baseline."""
    first_treated, first_control = first[question.plan.treated].sums, first[control_of(question)].sums
    free = first_treated.n + first_control.n - 2
    if not (first_treated.n and first_control.n) or free < 1 or first_treated.ss + first_control.ss == 0:
        return {}
    scale = math.sqrt((first_treated.ss + first_control.ss) / free)
    found: dict[str, object] = {"balance": balance(question, first_control, first_treated, scale)}
    four = (treated.sums, control.sums, first_treated, first_control)
    if min(sums.n for sums in four) > 1:
        gap = (four[0].mean - four[2].mean) - (four[1].mean - four[3].mean)
        sd = math.sqrt(sum(sums.sd**2 / sums.n for sums in four))
        found["difference_in_differences"] = normal_summary(
            gap / (question.sign * scale), sd / scale, question.plan.interval
        )
    return found
