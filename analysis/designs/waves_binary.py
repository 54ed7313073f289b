"""Designs `cross_section` and `did`, binary outcomes and counts: units over waves (docs/methods.md §3).

People of different waves count as different people.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from analysis.designs.arms import control_of, normal_summary, require_two_arms
from analysis.designs.binary_cells import BINARY
from analysis.designs.cell_families import Answers, CellFamily, Counts, dropped_note, empty, unlinked_note
from analysis.designs.contrasts import contrasts
from analysis.designs.count_inputs import CellInputs
from analysis.designs.prepared import Note, Prepared, Question
from analysis.designs.units import notes_on_units, per_arm, refuse_shared_units

Array = NDArray[np.float64]
MOST_WAVES = 4
UNITS_FOR_UNIT_TIME = 2
CERTAIN = 1.96


def cross_section(question: Question) -> Prepared:
    """One group before and after: α, then α + κ Δ; unit and unit × wave effects from two units on."""
    return cross_section_of(question, BINARY)


def did(question: Question) -> Prepared:
    """Arms' intercepts, time effects and Δ on treated × after, with unit and unit × time effects."""
    return did_of(question, BINARY)


def cross_section_of[T: Answers](question: Question, family: CellFamily[T]) -> Prepared:
    """One group before and after, any family."""
    arm, baseline = question.plan.treated, question.plan.baseline
    if baseline is None:
        raise empty(question, arm, None)
    waves = [baseline, question.followup]
    counts = family.counted(question, waves)
    totals = {wave: counts.total(arm, wave) for wave in waves}
    for wave, total in totals.items():
        if not total.n:
            raise empty(question, arm, wave)
    mixed = [
        n for n in notes_on_units(question, counts.names, counts.units(question.followup)) if n.code != "few_units"
    ]
    units = [unit for _, unit in counts.by_unit]
    several = len(units) > 1
    inputs = _inputs(question, family, counts, waves, several=several, several_an_arm=several)
    last = {arm: totals[question.followup]}
    return Prepared(
        measure=question.measure,
        inputs=inputs,
        raw_per_sd=None,
        n={arm: last[arm].n},
        warnings=(
            *mixed,
            *([] if several else dropped_note(question, "There is one unit")),
            *unlinked_note(question, family.answers, counts),
            *family.no_contrast(question, totals),
            *family.few(question, last),
        ),
        beside={
            "comparison": "two anonymous waves of one group",
            "rates": {arm: {wave: total.as_dict() for wave, total in totals.items()}},
        },
        units_per_arm=len(units),
        raw_unit=family.raw_unit,
    )


def did_of[T: Answers](question: Question, family: CellFamily[T]) -> Prepared:
    """Two arms over time, any family."""
    require_two_arms(question)
    arms = (question.plan.treated, control_of(question))
    waves, notes = _waves(question)
    counts = family.counted(question, waves)
    missing = [w for w in waves if not all(counts.total(arm, w).n for arm in arms)]
    waves = [w for w in waves if w not in missing]
    if question.followup not in waves or len(waves) < 2:  # noqa: PLR2004 - one wave before, one after
        wave = question.followup if question.followup in missing else missing[-1]
        raise empty(question, next(arm for arm in arms if not counts.total(arm, wave).n), wave)
    if missing:
        message = f"Wave {', '.join(missing)} lacks an arm and is left out."
        notes.append(Note("wave_incomplete", message, question.measure.measure))
        counts = family.counted(question, waves)
    units: dict[str, set[str]] = {}
    for arm, unit in counts.by_unit:
        units.setdefault(arm, set()).add(unit)
    refuse_shared_units(question, units)
    smaller = per_arm(units)
    inputs = _inputs(
        question,
        family,
        counts,
        waves,
        several=max(len(u) for u in units.values()) > 1,
        several_an_arm=smaller >= UNITS_FOR_UNIT_TIME,
    )
    after = {arm: counts.total(arm, question.followup) for arm in arms}
    cells = {f"{arm}, {wave}": counts.total(arm, wave) for arm in arms for wave in waves}
    trends, trend_notes = _trends(question, family, counts, waves)
    return Prepared(
        measure=question.measure,
        inputs=inputs,
        raw_per_sd=None,
        n={arm: c.n for arm, c in after.items()},
        warnings=(
            *notes,
            *[n for n in notes_on_units(question, counts.names, units) if n.code != "few_units"],
            *([] if smaller >= UNITS_FOR_UNIT_TIME else dropped_note(question, "There is one unit in an arm")),
            *trend_notes,
            *unlinked_note(question, family.answers, counts),
            *family.no_contrast(question, cells),
            *family.few(question, after),
        ),
        beside={
            "comparison": "difference in differences",
            "rates": {arm: {wave: counts.total(arm, wave).as_dict() for wave in waves} for arm in arms},
            **trends,
        },
        units_per_arm=smaller,
        pre_waves=len(waves) - 1,
        raw_unit=family.raw_unit,
    )


def _waves(question: Question) -> tuple[list[str], list[Note]]:
    """Keys of the waves before and of the look's wave; waves between are left out, the model takes four."""
    before = [w.key for w in question.plan.waves if w.kind == "baseline"]
    if not before:
        raise empty(question, question.plan.treated, question.plan.baseline)
    if len(before) < MOST_WAVES:
        return [*before, question.followup], []
    message = f"Of {len(before)} waves before the start the last {MOST_WAVES - 1} are used."
    note = Note("early_waves_unused", message, question.measure.measure)
    return [*before[1 - MOST_WAVES :], question.followup], [note]


def _inputs[T: Answers](
    question: Question,
    family: CellFamily[T],
    counts: Counts[T],
    waves: Sequence[str],
    *,
    several: bool,
    several_an_arm: bool,
) -> CellInputs:
    """Units × waves. One group: an intercept and Δ on ∓½; two arms: one each, waves, Δ on (arm ∓ ½) × (wave ∓ ½).

    Nothing changes but the sign of Δ where arms change places, or the waves before and after. Contrasts of waves sum to
    0 and are orthogonal, each of the same length: any two waves differ by N(0, 1.5), whichever comes first.
    """
    named = list(counts.by_unit)
    treated = np.array([float(arm == question.plan.treated) for arm, _ in named])
    cells = [[counts.at(*key, wave) for wave in waves] for key in named]
    after = np.zeros(len(waves))
    after[-1] = 1.0
    columns = np.ones((len(named), len(waves), 1))
    exposure = np.tile(after - 0.5, (len(named), 1))
    if not treated.all():
        arms = np.stack([1 - treated, treated], axis=-1)[:, None]
        columns = np.concatenate(
            [np.repeat(arms, len(waves), axis=1), np.tile(contrasts(len(waves)), (len(named), 1, 1))], axis=-1
        )
        exposure *= treated[:, None] - 0.5
    return family.inputs(
        question,
        cells,
        columns,
        units=[unit for _, unit in named],
        treated=treated,
        exposure=exposure,
        unit=several,
        unit_time=several_an_arm,
        after=list(after),
    )


def _trends[T: Answers](
    question: Question, family: CellFamily[T], counts: Counts[T], waves: Sequence[str]
) -> tuple[dict[str, object], list[Note]]:
    """The event study: what would be the effect between the waves before the start, where there can be none.

    Log odds under Beta(1, 1) or log rates, SD units; of units and their time effects no more is in its SE than makes
    counts vary beyond chance, so that it is too quick to find a difference rather than too slow.
    """
    steps, kappa = [], family.kappa(question)
    beyond = family.spread(question, counts)
    for w in range(1, len(waves) - 1):
        gap = variance = 0.0
        for arm, sign in ((question.plan.treated, 1), (control_of(question), -1)):
            for wave, turn in ((waves[w], 1), (waves[w - 1], -1)):
                mean, spread = counts.total(arm, wave).told
                gap, variance = gap + sign * turn * mean, variance + beyond * spread
        steps.append((w, gap / kappa, math.sqrt(variance) / abs(kappa)))
    if not steps:
        return {}, []
    trends = [{"step": w, **normal_summary(gap, sd, question.plan.interval)} for w, gap, sd in steps]
    notes = []
    if any(abs(gap) > CERTAIN * sd for _, gap, sd in steps):
        message = "The arms moved apart before the start already; a difference in differences takes that for an effect."
        notes.append(Note("trends_differ", message, question.measure.measure))
    return {"parallel_trends": trends}, notes
