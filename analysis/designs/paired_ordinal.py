"""Design `paired`, ordinal outcomes: the same people before and after, one group (docs/methods.md §3)."""

import numpy as np

from analysis.designs.arms import wrong_shape
from analysis.designs.binary_inputs import KAPPA_LOGIT
from analysis.designs.cell_families import empty
from analysis.designs.ordinal_cells import RAW_UNIT, Tally, few_people, no_contrast, separated
from analysis.designs.ordinal_inputs import PairedOrdinal
from analysis.designs.ordinal_odds import by_cut
from analysis.designs.paired_binary import answers_of, linked_notes, nobody_linked, unlinked
from analysis.designs.prepared import Prepared, Question
from analysis.designs.seen import seen
from analysis.documents import Row
from analysis.scores import scores_of_rows


def paired(question: Question) -> Prepared:
    """Rows with participants become a table before × after; people seen in one wave enter by that wave."""
    data, arm, baseline = question.data, question.plan.treated, question.plan.baseline
    if data.categories is not None:
        raise unlinked(question)
    if data.rows is None:
        raise wrong_shape(question, "rows of whole values with a participant")
    if baseline is None:
        raise empty(question, arm, None)
    placed = question.placed(data.rows)
    scores = scores_of_rows(question.measure, placed)
    rows = [row for row in placed if row.wave in (baseline, question.followup)]
    groups = seen(question, [baseline, question.followup])  # refuses doubles and people who moved
    inputs = _tabulated(question, rows, baseline, scores)
    waves = (baseline, question.followup)
    totals = {
        wave: Tally(tuple(int(count) for count in of_wave), scores)
        for wave, of_wave in zip(waves, inputs.counts, strict=True)
    }
    for wave, total in totals.items():
        if not total.n:
            raise empty(question, arm, wave)
    if not inputs.table.sum():
        raise nobody_linked(question)
    if question.plan.priors.effect == "flat" and not inputs.bounded:
        raise separated(question)
    units, loose = len({group.unit for group in groups}), sum(row.participant is None for row in rows)
    first, last = totals[baseline], totals[question.followup]
    odds, odds_notes = by_cut(question, first, last)
    return Prepared(
        measure=question.measure,
        inputs=inputs,
        raw_per_sd=None,
        n={arm: last.n},
        warnings=(
            *linked_notes(question, int(inputs.once.sum()) - loose, loose, units),
            *no_contrast(question, totals),
            *odds_notes,
            *few_people(question, {arm: last}),
        ),
        attrition=None if loose else {arm: float(inputs.once[0].sum()) / first.n},
        beside={
            "comparison": "the same people before and after",
            "scores": list(scores),
            "categories": {arm: {wave: total.as_dict() for wave, total in totals.items()}},
            "table": inputs.table.astype(int).tolist(),
            **odds,
        },
        units_per_arm=max(units, 1),
        raw_unit=RAW_UNIT,
    )


def _tabulated(question: Question, rows: list[Row], baseline: str, scores: tuple[float, ...]) -> PairedOrdinal:
    """The table of people with both answers, and the answers that stand alone."""
    both, loose = answers_of(rows, (baseline, question.followup))
    table, once = np.zeros((len(scores), len(scores))), np.zeros((2, len(scores)))
    for first, second in both:
        table[int(first - scores[0]), int(second - scores[0])] += 1
    for wave, values in enumerate(loose):
        for value in values:
            once[wave, int(value - scores[0])] += 1
    return PairedOrdinal(table, once, np.array(scores), question.sign * KAPPA_LOGIT)
