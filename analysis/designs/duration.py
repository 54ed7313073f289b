"""Family `duration` in the design `parallel`: lognormal, which is the normal design on logarithms (methods.md §3).

Also the look the other way: whether values planned as normal are rather durations.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import skew

from analysis.cells import check_scale, paired_sums_of, sums_of
from analysis.designs import parallel
from analysis.designs.count_cells import kappa_of
from analysis.designs.logarithms import logged
from analysis.designs.prepared import Alternative, Note, Prepared, Question
from analysis.documents import Family, PlannedMeasure
from analysis.errors import Refused
from analysis.rows import cells_of

Array = NDArray[np.float64]
BETTER = 10.0
"""AIC by which one family must fit better than the other to be told."""
SKEWED = 1.0
"""Skewness from which values planned as normal are looked at."""
ON_LOGS = " (On the scale of logarithms, where one SD unit is the reference SD.)"
NUMBERS = frozenset({"sd_impossible", "sd_implausible", "reference_sd_small", "no_variation"})
"""Codes of sentences that quote SDs."""


def duration(question: Question) -> Prepared:
    """Lognormal values of two arms: the effect in SD units of the logarithms, in raw units per cent of the median."""
    measure, kappa = question.measure, kappa_of(question)
    in_logs = replace(question, measure=_log_measure(measure, abs(kappa)), data=logged(question))
    _check_raw(question)
    try:
        prepared = parallel.normal(in_logs)
    except Refused as refusal:
        told = ON_LOGS if refusal.code in NUMBERS else ""
        raise Refused(refusal.code, refusal.message + told, refusal.what_would_help) from refusal
    notes = [
        replace(note, message=note.message + ON_LOGS) if note.code in NUMBERS else note for note in prepared.warnings
    ]
    if question.data.rows is None:
        message = (
            "Means and SDs of durations were turned into those of their logarithms as if these were normal; rows would "
            "show whether they are."
        )
        notes.append(Note("moments_of_logs", message, measure.measure))
    alternatives = []
    values = _followup(question)
    if values and (gap := _aic_gap(values)) < -BETTER and (other := _as_normal(question)) is not None:
        message = (
            f"The durations look normal rather than lognormal (AIC {-gap:.0f} lower): their logarithms are skewed. The "
            "normal result stands beside."
        )
        notes.append(Note("duration_not_lognormal", message, measure.measure))
        why = f"if the values themselves are normal, which fits better (AIC {-gap:.0f} lower)"
        alternatives.append(Alternative("normal", why, other.inputs))
    return replace(
        prepared,
        measure=measure,
        raw_per_sd=None,
        centre=None,
        percent_per_sd=kappa,
        warnings=tuple(notes),
        beside={**prepared.beside, "scale": "logarithms of the values; balance and SDs are on it"},
        alternatives=tuple(alternatives),
    )


def normal(question: Question) -> Prepared:
    """The normal design; where rows are positive, skewed and rather lognormal, with that result beside."""
    prepared = parallel.normal(question)
    values = _followup(question)
    if question.measure.maximum is not None or not values or min(map(np.min, values)) <= 0:
        return prepared
    pooled = np.concatenate([(v - v.mean()) for v in values])
    gap = _aic_gap(values)
    if gap <= BETTER or float(skew(pooled)) <= SKEWED:
        return prepared
    as_duration = question.measure.model_copy(
        update={"family": Family.DURATION, "reference_sd": None, "reference_mean": None}
    )
    try:
        other = duration(replace(question, measure=as_duration))
    except Refused:
        return prepared
    message = (
        f"The values are skewed to the right (skewness {float(skew(pooled)):.1f}), and their logarithms are near "
        f"normal (AIC {gap:.0f} lower): the family `duration` would fit better. Its result stands beside."
    )
    why = f"if the logarithms of the values are normal, which fits better (AIC {gap:.0f} lower)"
    return replace(
        prepared,
        warnings=(*prepared.warnings, Note("skewed", message, question.measure.measure)),
        alternatives=(*prepared.alternatives, Alternative("lognormal", why, other.inputs)),
    )


def _log_measure(measure: PlannedMeasure, scale: float) -> PlannedMeasure:
    """The measure of the logarithms; bounds are of the values and are checked on these."""
    centre = measure.reference_mean
    return measure.model_copy(
        update={
            "family": Family.NORMAL,
            "reference_sd": scale,
            "reference_mean": float(np.log(centre)) if centre is not None and centre > 0 else None,
            "minimum": None,
            "maximum": None,
        }
    )


def _check_raw(question: Question) -> None:
    """Hold the values as they were entered to the measure's scale."""
    data = question.data
    pairs = [paired_sums_of(pair) for pair in data.pairs or []]
    cells = [sums_of(cell) for cell in data.cells or cells_of(data.rows or [])]
    for part in [*cells, *(of_both.first for of_both in pairs), *(of_both.second for of_both in pairs)]:
        check_scale(question.measure, part, "values as entered")


def _followup(question: Question) -> list[Array]:
    """The values of each arm at the look's wave, where rows tell them."""
    arms: dict[str, list[float]] = defaultdict(list)
    for row in question.data.rows or []:
        if row.wave == question.followup:
            arms[question.arm_of(row)].append(row.value)
    return [np.array(values) for _, values in sorted(arms.items())]


def _aic_gap(arms: Sequence[Array]) -> float:
    """AIC of normal values less that of lognormal ones, each arm with a mean and an SD of its own in either."""
    gap = 0.0
    for values in arms:
        logs = np.log(values)
        spreads = values.std(), logs.std()
        if len(values) > 2 and min(spreads) > 0:  # noqa: PLR2004 - two values fit any mean and SD
            gap += 2 * len(values) * float(np.log(spreads[0]) - np.log(spreads[1])) - 2 * float(logs.sum())
    return gap


def _as_normal(question: Question) -> Prepared | None:
    """The same data as normal values, in SDs of the baseline, or of the follow-up where there is none."""
    rows = question.placed(question.data.rows or [])
    at_baseline, after = ([r for r in rows if r.wave == w] for w in (question.plan.baseline, question.followup))
    before = cells_of(at_baseline or after)
    free = sum(cell.n - 1 for cell in before)
    squares = sum((cell.n - 1) * (cell.sd or 0.0) ** 2 for cell in before)
    if free < 1 or squares <= 0:
        return None
    update = {"family": Family.NORMAL, "reference_sd": float(np.sqrt(squares / free)), "reference_mean": None}
    try:
        return parallel.normal(replace(question, measure=question.measure.model_copy(update=update)))
    except Refused:
        return None
