"""Design `stepped_wedge`: units cross over in sequence (docs/methods.md §3).

People of different waves count as different people.
"""

import numpy as np

from analysis.cells import Sums, check_scale, rounded, sums_of, total
from analysis.designs.arms import no_spread, reference_sd, small_arms, wrong_shape
from analysis.designs.binary_cells import Count, improper, no_contrast
from analysis.designs.binary_inputs import KAPPA_LOGIT
from analysis.designs.prepared import Prepared, Question
from analysis.designs.wedge_inputs import WedgeMeans, WedgeProportions
from analysis.designs.wedge_table import Table, bare, table_of
from analysis.errors import Refused
from analysis.rows import cells_of, counts_of


def normal(question: Question) -> Prepared:
    """Means of units over periods: intercept, periods, Δ and how the effect changes with the time since start."""
    data = question.data
    if data.rows is not None:
        entries = cells_of(bare(data.rows))
    elif data.cells is not None:
        entries = data.cells
    else:
        raise wrong_shape(question, "rows, or cells by unit and wave")
    table = table_of(question, entries, {(str(c.unit), c.wave): sums_of(c) for c in entries})
    for (g, t), cell in table.cells.items():
        check_scale(question.measure, cell, f"{table.units[g]}, {table.periods[t]}")
    states = {_key(question, e): total(table.of_state(e)) or Sums(0, 0.0, 0.0) for e in (True, False)}
    _refuse_no_spread(question, table)
    before, after = (_by_period(table, exposed) for exposed in (False, True))
    scale, scale_notes = reference_sd(question, before, after)
    centre = question.measure.reference_mean if question.measure.reference_mean is not None else before[0].mean
    standardised = {p: c.standardised(centre, question.sign * scale) for p, c in table.cells.items()}
    by_state = [[c for p, c in standardised.items() if table.exposed(p) == e] for e in (False, True)]
    priors = question.plan.priors
    inputs = WedgeMeans(
        units=table.units,
        since=table.since,
        n=table.filled({p: c.n for p, c in standardised.items()}),
        mean=table.filled({p: c.mean for p, c in standardised.items()}),
        squares=np.array([rounded(sum(c.ss for c in cells)) for cells in by_state]),
        free=np.array([sum(c.n - 1.0 for c in cells) for cells in by_state]),
        sigma_scale=priors.sigma.scale,
        unit_scale=priors.unit_sd.scale,
        unit_time_scale=priors.unit_time_sd.scale,
    )
    notes = (*table.notes, *small_arms(question, states), *scale_notes)
    return Prepared(
        measure=question.measure,
        inputs=inputs,
        raw_per_sd=question.sign * scale,
        n={key: sums.n for key, sums in states.items()},
        warnings=notes,
        beside=table.beside,
        units_per_arm=table.graded,
        centre=centre,
    )


def _by_period(table: Table[Sums], exposed: bool) -> list[Sums]:  # noqa: FBT001
    """Everybody with, or without, the intervention at each period that has such people; units are pooled."""
    of_period = (
        total(cell for (g, w), cell in table.cells.items() if w == t and table.exposed((g, w)) == exposed)
        for t in range(len(table.periods))
    )
    return [sums for sums in of_period if sums is not None]


def binary(question: Question) -> Prepared:
    """Shares of units over periods, on the logit scale."""
    data = question.data
    if data.rows is not None:
        entries = counts_of(bare(data.rows))
    elif data.counts is not None:
        entries = data.counts
    else:
        raise wrong_shape(question, "rows (0 or 1), or counts by unit and wave")
    table = table_of(question, entries, {(str(c.unit), c.wave): Count(c.x, c.n) for c in entries})
    states = {_key(question, e): sum(table.of_state(e), Count()) for e in (True, False)}
    priors = question.plan.priors
    inputs = WedgeProportions(
        units=table.units,
        since=table.since,
        n=table.filled({p: c.n for p, c in table.cells.items()}),
        x=table.filled({p: c.x for p, c in table.cells.items()}),
        kappa=question.sign * KAPPA_LOGIT,
        unit_scale=priors.unit_sd.scale,
        unit_time_scale=priors.unit_time_sd.scale,
    )
    if priors.effect == "flat" and not inputs.bounded:
        raise improper(question)
    people = {key: Sums(c.n, 0.0, 0.0) for key, c in states.items()}
    return Prepared(
        measure=question.measure,
        inputs=inputs,
        raw_per_sd=None,
        n={key: c.n for key, c in states.items()},
        warnings=(*table.notes, *small_arms(question, people), *no_contrast(question, states)),
        beside={**table.beside, "rates": {key: c.as_dict() for key, c in states.items()}},
        units_per_arm=table.graded,
    )


def _refuse_no_spread(question: Question, table: Table[Sums]) -> None:
    """Refuse people of whom no two can be compared, or who are all alike, within units and waves."""
    if sum(c.n - 1 for c in table.cells.values()) < 1:
        raise Refused(
            "saturated",
            f"{question.measure.measure}: every unit and wave holds one value, so nothing is left to tell chance by.",
            "Give more than one person a unit and wave, or their mean with n and SD.",
        )
    for exposed in (False, True):
        cells = [c for c in table.of_state(exposed) if c.n > 1]
        if cells and sum(c.ss for c in cells) <= 1e-12 * max(1.0, *(c.mean**2 for c in cells)):
            why = "nobody differs from the others of the same unit and wave (SD 0)"
            raise no_spread(question, _key(question, exposed), why)


def _key(question: Question, exposed: bool) -> str:  # noqa: FBT001
    """The arm's key that people with, or without, the intervention are counted under."""
    return question.plan.treated if exposed else question.plan.control or "control"
