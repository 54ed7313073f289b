"""Design `paired`, normal outcomes: the same people before and after, one group (docs/methods.md §3)."""

from dataclasses import replace

import numpy as np

from analysis.cells import check_scale
from analysis.designs.arms import reference_sd, require_spread, small_arms, wrong_shape
from analysis.designs.prepared import Note, Prepared, Question
from analysis.designs.seen import added_up, at_wave, changes_seen, seen
from analysis.designs.unit_inputs import COEFFICIENTS
from analysis.designs.units import by_arm
from analysis.designs.waves_of import empty_wave, inputs_of, linked_notes, one_group
from analysis.documents import Change
from analysis.errors import Refused


def normal(question: Question) -> Prepared:
    """Pairs and linked rows give both waves, incomplete people included; changes their difference."""
    data = question.data
    if data.changes is not None:
        return _changes(question, data.changes)
    if data.pairs is None and data.rows is None:
        raise wrong_shape(question, "rows with a participant, pairs or changes; anonymous waves are `cross_section`")
    if question.plan.baseline is None:
        raise empty_wave(question, question.plan.treated, None)
    waves = [question.plan.baseline, question.followup]
    found = seen(question, waves)
    if not any(len(entry.waves) > 1 for entry in found):
        raise Refused(
            "unlinked",
            f"{question.measure.measure}: nobody is linked over the two waves; rows are never paired by their order.",
            "Give rows with a participant in both waves, or plan the design `cross_section` for anonymous answers.",
        )
    prepared = one_group(question, found, waves, "the same people before and after")
    notes, lost = linked_notes(question, found, 1)
    return replace(prepared, warnings=(*prepared.warnings, *notes), attrition=lost)


def _changes(question: Question, changes: list[Change]) -> Prepared:
    """Δ is the mean change; a unit's change varies by two waves' worth of unit × time."""
    found = changes_seen(question, changes)
    if not found:
        raise empty_wave(question, question.plan.treated, question.followup)
    arm = question.plan.treated
    sums = at_wave(found, arm, 0)
    assert sums is not None  # noqa: S101 - there are entries, and all are of this arm
    low, high = question.measure.minimum, question.measure.maximum
    if low is not None and high is not None:
        wide = question.measure.model_copy(update={"minimum": low - high, "maximum": high - low})
        check_scale(wide, sums, f"{arm}, change")
    require_spread(question, arm, sums)
    scale, notes = reference_sd(question, [], [], [sums])
    columns = np.zeros((2, 1, COEFFICIENTS))
    columns[1, 0, -1] = 1.0
    several = len(by_arm(found)[arm]) > 1
    inputs = inputs_of(
        question,
        [entry.standardised(0.0, question.sign * scale) for entry in found],
        columns,
        np.ones((2, 1)),
        unit=0.0,
        unit_time=float(np.sqrt(2)) if several else 0.0,
        r_low=-1.0,
    )
    message = "Only changes are known: people seen once cannot enter."
    return Prepared(
        measure=question.measure,
        inputs=inputs,
        raw_per_sd=question.sign * scale,
        n={arm: sum(entry.n for entry in added_up(found))},
        warnings=(
            Note("change_score_only", message, question.measure.measure),
            *small_arms(question, {arm: sums}),
            *notes,
        ),
        beside={"comparison": "mean change of one group"},
        units_per_arm=len(by_arm(found)[arm]),
    )
