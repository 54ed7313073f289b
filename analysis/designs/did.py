"""Design `did`, normal outcomes: two arms over time, difference in differences (docs/methods.md §3)."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from analysis.cells import check_scale
from analysis.designs.arms import (
    control_of,
    normal_summary,
    reference_sd,
    require_spread,
    require_two_arms,
    small_arms,
    wrong_shape,
)
from analysis.designs.prepared import Note, Prepared, Question
from analysis.designs.seen import Seen, at_wave, changes_seen, seen
from analysis.designs.unit_inputs import COEFFICIENTS, Waves
from analysis.designs.units import by_arm, per_arm, refuse_shared_units
from analysis.designs.waves_of import checked, correlation_unknown, empty_wave, inputs_of, linked_notes, scaled
from analysis.documents import Change

UNITS_FOR_UNIT_TIME = 2
CERTAIN = 1.96
MOST_BEFORE = 3
"""Waves before the start that the model has time effects for."""


def normal(question: Question) -> Prepared:
    """Arms' intercepts, time effects and Δ on treated × after, with person, unit and unit × time effects."""
    require_two_arms(question)
    data = question.data
    if data.changes is not None:
        return _changes(question, data.changes)
    if data.rows is None and data.pairs is None and data.cells is None:
        raise wrong_shape(question, "rows, pairs, changes or cells")
    waves, notes = _waves(question)
    found = seen(question, waves)
    pre = [w for w in range(len(waves) - 1) if _both(question, found, w)]
    kept = [*pre, len(waves) - 1]
    if not pre or not _both(question, found, len(waves) - 1):
        raise _which_is_empty(question, found, waves)
    if len(kept) < len(waves):
        missing = ", ".join(waves[w] for w in range(len(waves)) if w not in kept)
        message = f"Wave {missing} lacks an arm and is left out."
        notes.append(Note("wave_incomplete", message, question.measure.measure))
        waves = [waves[w] for w in kept]
        found = seen(question, waves)
    return _fitted(question, found, waves, notes)


def _waves(question: Question) -> tuple[list[str], list[Note]]:
    """Keys of the waves before, `MOST_BEFORE` at most, and of the look's wave; pairs know two."""
    before = [w.key for w in question.plan.waves if w.kind == "baseline"]
    if question.data.pairs is not None:
        before = [question.plan.baseline] if question.plan.baseline else []
    if not before:
        raise empty_wave(question, question.plan.treated, question.plan.baseline)
    if len(before) <= MOST_BEFORE:
        return [*before, question.followup], []
    message = f"Of {len(before)} waves before the start the last {MOST_BEFORE} are used."
    return [*before[-MOST_BEFORE:], question.followup], [Note("early_waves_unused", message, question.measure.measure)]


def _both(question: Question, found: Sequence[Seen], wave: int) -> bool:
    return all(at_wave(found, arm, wave) is not None for arm in (question.plan.treated, control_of(question)))


def _which_is_empty(question: Question, found: Sequence[Seen], waves: Sequence[str]) -> Exception:
    for wave in (len(waves) - 1, len(waves) - 2):
        for arm in (control_of(question), question.plan.treated):
            if at_wave(found, arm, wave) is None:
                return empty_wave(question, arm, waves[wave])
    raise AssertionError("every arm has data in both waves")


def _fitted(question: Question, found: list[Seen], waves: Sequence[str], notes: list[Note]) -> Prepared:
    units = by_arm(found)
    refuse_shared_units(question, units)
    checked(question, found, waves)
    before = range(len(waves) - 1)
    standardised, scale, centre, scale_notes = scaled(question, found, waves, list(before))
    columns = np.zeros((2, len(waves), COEFFICIENTS))
    columns[0, :, 0] = columns[1, :, 1] = 1.0
    for w in range(1, len(waves)):
        columns[:, w, 1 + w] = 1.0
    columns[1, -1, -1] = 1.0
    spread = np.repeat([[0.0], [1.0]], len(waves), axis=1)
    inputs = inputs_of(
        question,
        standardised,
        columns,
        spread,
        unit=float(max(len(u) for u in units.values()) > 1),
        unit_time=float(per_arm(units) >= UNITS_FOR_UNIT_TIME),
        r_low=0.0,
    )
    arms = {arm: at_wave(found, arm, len(waves) - 1) for arm in (question.plan.treated, control_of(question))}
    linked, lost = linked_notes(question, found, len(waves) - 1)
    notes = [
        *notes,
        *_unit_time_note(question, per_arm(units)),
        *small_arms(question, {arm: sums for arm, sums in arms.items() if sums}),
        *linked,
        *scale_notes,
    ]
    if not inputs.known_r:
        notes.append(correlation_unknown(question))
    prepared = Prepared(
        measure=question.measure,
        inputs=inputs,
        raw_per_sd=question.sign * scale,
        n={arm: sums.n for arm, sums in arms.items() if sums},
        warnings=tuple(notes),
        attrition=lost,
        beside={"comparison": "difference in differences"},
        units_per_arm=per_arm(units),
        pre_waves=len(waves) - 1,
        centre=centre,
    )
    return _with_trends(question, prepared, standardised) if len(waves) > 2 else prepared  # noqa: PLR2004


def _unit_time_note(question: Question, units: int) -> list[Note]:
    if units >= UNITS_FOR_UNIT_TIME:
        return []
    message = (
        "With one unit in an arm, what happened to that unit cannot be told from the effect: the unit × time term is "
        "dropped and the interval is too narrow for it; the grade carries it."
    )
    return [Note("unit_time_dropped", message, question.measure.measure)]


def _with_trends(question: Question, prepared: Prepared, found: Sequence[Seen]) -> Prepared:
    """The event study: what would be the effect between the waves before the start, where there can be none.

    People count as unlinked, which is conservative; units may move by as much as the prior allows them to.
    """
    assert isinstance(prepared.inputs, Waves)  # noqa: S101 - `_fitted` made them
    units, moves = by_arm(found), prepared.inputs.unit_time * question.plan.priors.unit_time_sd.scale
    steps = []
    for w in range(1, prepared.pre_waves):
        gap, variance = 0.0, sum(2 * moves**2 / len(names) for names in units.values())
        for arm, sign in ((question.plan.treated, 1), (control_of(question), -1)):
            for wave, turn in ((w, 1), (w - 1, -1)):
                sums = at_wave(found, arm, wave)
                if sums is not None and sums.n > 1:
                    gap += sign * turn * sums.mean
                    variance += sums.sd**2 / sums.n
        steps.append((w, gap, math.sqrt(variance)))
    trends = [{"step": w, **normal_summary(gap, sd, question.plan.interval)} for w, gap, sd in steps]
    notes = list(prepared.warnings)
    if any(abs(gap) > CERTAIN * sd for _, gap, sd in steps if sd > 0):
        message = "The arms moved apart before the start already; a difference in differences takes that for an effect."
        notes.append(Note("trends_differ", message, question.measure.measure))
    return replace(prepared, warnings=tuple(notes), beside={**prepared.beside, "parallel_trends": trends})


def _changes(question: Question, changes: list[Change]) -> Prepared:
    """Differences of two waves: person and unit effects cancel, unit × time counts twice."""
    found = changes_seen(question, changes)
    arms = {arm: at_wave(found, arm, 0) for arm in (question.plan.treated, control_of(question))}
    low, high = question.measure.minimum, question.measure.maximum
    for arm, sums in arms.items():
        if sums is None:
            raise empty_wave(question, arm, question.followup)
        if low is not None and high is not None:
            wide = question.measure.model_copy(update={"minimum": low - high, "maximum": high - low})
            check_scale(wide, sums, f"{arm}, change")
        require_spread(question, arm, sums)
    known = {arm: sums for arm, sums in arms.items() if sums}
    units = by_arm(found)
    refuse_shared_units(question, units)
    scale, notes = reference_sd(question, [], [], list(known.values()))
    columns = np.zeros((2, 1, COEFFICIENTS))
    columns[:, 0, 0] = 1.0
    columns[1, 0, -1] = 1.0
    inputs = inputs_of(
        question,
        [entry.standardised(0.0, question.sign * scale) for entry in found],
        columns,
        np.array([[0.0], [1.0]]),
        unit=0.0,
        unit_time=math.sqrt(2) if per_arm(units) >= UNITS_FOR_UNIT_TIME else 0.0,
        r_low=0.0,
    )
    message = "Only changes are known: people seen once cannot enter."
    return Prepared(
        measure=question.measure,
        inputs=inputs,
        raw_per_sd=question.sign * scale,
        n={arm: sums.n for arm, sums in known.items()},
        warnings=(
            Note("change_score_only", message, question.measure.measure),
            *_unit_time_note(question, per_arm(units)),
            *small_arms(question, known),
            *notes,
        ),
        beside={"comparison": "difference of mean changes"},
        units_per_arm=per_arm(units),
    )
