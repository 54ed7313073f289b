"""Design `paired`, binary outcomes: the same people before and after, one group (docs/methods.md §3)."""

from collections import Counter

import numpy as np

from analysis.designs.arms import wrong_shape
from analysis.designs.binary_cells import Count, few_people, improper, no_contrast
from analysis.designs.binary_inputs import KAPPA_LOGIT, PairedProportions
from analysis.designs.cell_families import empty
from analysis.designs.prepared import Note, Prepared, Question
from analysis.designs.seen import seen
from analysis.documents import Row
from analysis.errors import Refused
from analysis.rows import counts_of


def paired(question: Question) -> Prepared:
    """Rows with participants become a 2 × 2 table; people seen in one wave enter by that wave."""
    data, arm, baseline = question.data, question.plan.treated, question.plan.baseline
    if data.counts is not None:
        raise unlinked(question)
    if data.rows is None:
        raise wrong_shape(question, "rows (0 or 1) with a participant")
    if baseline is None:
        raise empty(question, arm, None)
    rows = [row for row in question.placed(data.rows) if row.wave in (baseline, question.followup)]
    counts_of(rows)  # refuses what is neither 0 nor 1
    groups = seen(question, [baseline, question.followup])  # refuses doubles and people who moved
    inputs = _tabulated(question, rows, baseline)
    for wave, people in zip((baseline, question.followup), inputs.n, strict=True):
        if not people:
            raise empty(question, arm, wave)
    if not inputs.table.sum():
        raise nobody_linked(question)
    if question.plan.priors.effect == "flat" and not inputs.bounded:
        raise improper(question)
    return _prepared(question, inputs, len({group.unit for group in groups}), sum(r.participant is None for r in rows))


def _tabulated(question: Question, rows: list[Row], baseline: str) -> PairedProportions:
    """The table of people with both answers, and counts of answers that stand alone."""
    pairs, loose = answers_of(rows, (baseline, question.followup))
    both = Counter(pairs)
    return PairedProportions(
        table=np.array([[both[i, j] for j in (0, 1)] for i in (0, 1)], dtype=np.float64),
        once_x=np.array([sum(values) for values in loose], dtype=np.float64),
        once_n=np.array([len(values) for values in loose], dtype=np.float64),
        kappa=question.sign * KAPPA_LOGIT,
    )


def _prepared(question: Question, inputs: PairedProportions, units: int, unlinked_rows: int) -> Prepared:
    arm = question.plan.treated
    waves = (str(question.plan.baseline), question.followup)
    totals = {wave: Count(int(x), int(n)) for wave, x, n in zip(waves, inputs.x, inputs.n, strict=True)}
    notes = linked_notes(question, int(inputs.once_n.sum()) - unlinked_rows, unlinked_rows, units)
    linked = float(inputs.table.sum())
    seen_first = linked + float(inputs.once_n[0])
    return Prepared(
        measure=question.measure,
        inputs=inputs,
        raw_per_sd=None,
        n={arm: totals[question.followup].n},
        warnings=(*notes, *no_contrast(question, totals), *few_people(question, {arm: totals[question.followup]})),
        attrition=None if unlinked_rows else {arm: float(inputs.once_n[0]) / seen_first},
        beside={
            "comparison": "the same people before and after",
            "rates": {arm: {wave: total.as_dict() for wave, total in totals.items()}},
            "table": {
                "no_no": int(inputs.table[0, 0]),
                "no_yes": int(inputs.table[0, 1]),
                "yes_no": int(inputs.table[1, 0]),
                "yes_yes": int(inputs.table[1, 1]),
            },
        },
        units_per_arm=max(units, 1),
    )


def unlinked(question: Question) -> Refused:
    """The refusal of counts where people must be linked."""
    return Refused(
        "unlinked",
        f"{question.measure.measure}: counts of two waves do not say who changed; a paired comparison needs the same "
        "people linked.",
        "Enter rows with a participant, or plan the design `cross_section`, which takes the waves as different people.",
    )


def nobody_linked(question: Question) -> Refused:
    """The refusal of rows of which none has a partner."""
    return Refused(
        "nobody_linked",
        f"{question.measure.measure}: nobody answered both waves under the same participant.",
        "Check the pseudonyms, or plan the design `cross_section`, which takes the waves as different people.",
    )


def answers_of(rows: list[Row], waves: tuple[str, str]) -> tuple[list[tuple[int, int]], tuple[list[int], list[int]]]:
    """Whole answers before and after of the people who gave both, and the answers of each wave that stand alone."""
    answers: dict[str, dict[str, int]] = {}
    loose: dict[str, list[int]] = {wave: [] for wave in waves}
    for row in rows:
        if row.participant is None:
            loose[row.wave].append(int(row.value))
        else:
            answers.setdefault(row.participant, {})[row.wave] = int(row.value)
    for answer in answers.values():
        if len(answer) == 1:
            ((wave, value),) = answer.items()
            loose[wave].append(value)
    both = [(answer[waves[0]], answer[waves[1]]) for answer in answers.values() if len(answer) > 1]
    return both, (loose[waves[0]], loose[waves[1]])


def linked_notes(question: Question, partly: int, loose: int, units: int) -> list[Note]:
    """What must be said of people who miss a wave, rows that name nobody, and units that are pooled."""
    name, notes = question.measure.measure, []
    if partly:
        message = f"{partly} people miss a wave; they enter with what they answered, taken as missing at random."
        notes.append(Note("waves_missing", message, name))
    if loose:
        message = f"{loose} rows name no participant; they count as people seen once."
        notes.append(Note("rows_unlinked", message, name))
    if units > 1:
        message = f"The data name {units} units; this design pools them: what units differ by is not in the interval."
        notes.append(Note("units_pooled", message, name))
    return notes
