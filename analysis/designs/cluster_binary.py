"""Designs `cluster` and `parallel` with units, binary outcomes and counts: two arms of units (docs/methods.md §3)."""

import numpy as np

from analysis.cells import rounded
from analysis.designs.arms import both_arms, control_of, post_only, require_two_arms
from analysis.designs.binary_cells import BINARY
from analysis.designs.cell_families import Adding, Answers, CellFamily, Counts, unlinked_note
from analysis.designs.count_inputs import CellInputs
from analysis.designs.prepared import Note, Prepared, Question
from analysis.designs.units import notes_on_units, per_arm, refuse_shared_units
from analysis.errors import Refused


def cluster(question: Question) -> Prepared:
    """Whole units in arms; baseline counts enter by a slope on the units' empirical logits."""
    return cluster_of(question, BINARY)


def cluster_of[T: Answers](question: Question, family: CellFamily[T]) -> Prepared:
    """The same for any family: a slope on what the units' predictors were before."""
    require_two_arms(question)
    baseline = question.plan.baseline
    counts = family.counted(question, [w for w in (baseline, question.followup) if w])
    arms = (control_of(question), question.plan.treated)
    after = {arm: counts.total(arm, question.followup) for arm in reversed(arms)}
    both_arms(question, {arm: c if c.n else None for arm, c in after.items()})
    units = counts.units(question.followup)
    refuse_shared_units(question, units)
    before = {unit: w[baseline] for (_, unit), w in counts.by_unit.items() if baseline and baseline in w}
    named = [(arm, unit) for (arm, unit), w in counts.by_unit.items() if question.followup in w]
    has_slope = any(unit in before for _, unit in named)
    cap, cap_notes = (None, []) if has_slope else post_only(question, seen_before=False)
    inputs = _inputs(question, family, counts, named, before)
    notes = [
        *cap_notes,
        *notes_on_units(question, counts.names, units),
        *single_unit(question, units),
        *baseline_notes(question, counts, named, before),
        *unlinked_note(question, family.answers, counts),
        *family.no_contrast(question, after),
        *family.few(question, after),
    ]
    return Prepared(
        measure=question.measure,
        inputs=inputs,
        raw_per_sd=None,
        n={arm: c.n for arm, c in after.items()},
        warnings=tuple(notes),
        beside={
            "comparison": f"adjusted for the units' baseline {family.levels}" if has_slope else "post-only",
            "rates": {arm: c.as_dict() for arm, c in after.items()},
            **_balance(question, counts),
        },
        cap=cap,
        units_per_arm=per_arm(units),
        raw_unit=family.raw_unit,
    )


def _inputs[T: Answers](
    question: Question,
    family: CellFamily[T],
    counts: Counts[T],
    named: list[tuple[str, str]],
    before: dict[str, T],
) -> CellInputs:
    """Units × one slot: intercept, slope on the unit's baseline predictor about the units' mean, Δ on ±½."""
    cells = [[counts.by_unit[key][question.followup]] for key in named]
    known = [before[unit].level for _, unit in named if unit in before]
    weights = [row[0].n for (_, unit), row in zip(named, cells, strict=True) if unit in before]
    centre = float(np.average(known, weights=weights)) if known else 0.0
    columns = np.ones((len(named), 1, 2))
    columns[:, 0, 1] = [rounded(before[unit].level - centre) if unit in before else 0.0 for _, unit in named]
    treated = np.array([float(arm == question.plan.treated) for arm, _ in named])
    prior = question.plan.priors.slope
    if known and prior == "flat" and np.ptp(known) == 0:
        raise Refused(
            "improper_posterior",
            f"{question.measure.measure}: the units' baselines do not differ, so a flat prior leaves the slope "
            "undefined.",
            "Give the slope a proper prior, for example mean 0.5 and SD 0.5.",
        )
    slope = (0.0, 0.0) if prior == "flat" else (prior.mean, prior.sd**-2)
    return family.inputs(
        question,
        cells,
        columns,
        units=[unit for _, unit in named],
        treated=treated,
        exposure=(treated - 0.5)[:, None],
        unit=True,
        unit_time=False,
        after=[0.0],
        slope=(1, *slope),
    )


def single_unit(question: Question, units: dict[str, set[str]]) -> list[Note]:
    """A warning where an arm has one unit."""
    alone = sorted(arm for arm, names in units.items() if len(names) == 1)
    if not alone:
        return []
    message = (
        f"One unit in {' and '.join(alone)}: how units differ cannot be told from the effect; the prior on the SD "
        "between units decides how wide the interval is."
    )
    return [Note("one_unit", message, question.measure.measure)]


def baseline_notes[T: Adding](
    question: Question, counts: Counts[T], named: list[tuple[str, str]], before: dict[str, T]
) -> list[Note]:
    """Warnings about units without a baseline or gone since; `named` are those seen after the start."""
    name = question.measure.measure
    notes = []
    if not any(unit in before for _, unit in named):
        message = "There is no baseline: units that differed before the start cannot be adjusted for."
        notes.append(Note("no_baseline", message, name))
    elif without := [unit for _, unit in named if unit not in before]:
        message = f"No baseline of {', '.join(without)}; taken as average there."
        notes.append(Note("unit_baseline_missing", message, name))
    if gone := sorted({unit for _, unit in counts.by_unit} - {unit for _, unit in named}):
        message = f"{', '.join(gone)} did not answer after the start and cannot be compared."
        notes.append(Note("unit_lost", message, name))
    return notes


def _balance[T: Answers](question: Question, counts: Counts[T]) -> dict[str, object]:
    arms = (question.plan.treated, control_of(question))
    first = {arm: counts.total(arm, question.plan.baseline) for arm in arms}
    if not all(c.n for c in first.values()):
        return {}
    return {"balance": {arm: c.as_dict() for arm, c in first.items()}}


def several_units[T: Adding](counts: Counts[T]) -> bool:
    """Whether a `parallel` comparison has units with effects of their own: from two on."""
    return len({name for name in counts.names if name is not None}) > 1


def parallel_inputs[T: Answers](
    question: Question, family: CellFamily[T], counts: Counts[T]
) -> tuple[CellInputs, list[Note], int]:
    """Units × arms (control, treated): people were assigned one by one within units, which share their level.

    Gives inputs, warnings and units of the smaller arm. Raises `Refused` where only some entries name a unit.
    """
    units = counts.units(question.followup)
    if any(name is None for name in counts.names):
        notes_on_units(question, counts.names, units)
    arms = (control_of(question), question.plan.treated)
    everyone = sorted(set().union(*units.values()))
    cells = [[counts.at(arm, unit, question.followup) for arm in arms] for unit in everyone]
    inputs = family.inputs(
        question,
        cells,
        np.ones((len(everyone), 2, 1)),
        units=everyone,
        treated=np.array([float(row[1].n > 0) for row in cells]),
        exposure=np.tile([-0.5, 0.5], (len(everyone), 1)),
        unit=True,
        unit_time=False,
        after=[0.0, 0.0],
    )
    return inputs, nested_note(question, units), per_arm(units)


def nested_note(question: Question, units: dict[str, set[str]]) -> list[Note]:
    """A warning where no unit has people of both arms."""
    if set.intersection(*units.values()):
        return []
    message = (
        "Every unit is in one arm only; its effect is allowed for. Where whole units were assigned, plan the "
        "design `cluster`: the grade then counts units."
    )
    return [Note("units_nested", message, question.measure.measure)]
