"""Two arms of units become the inputs of the model `ancova_units`: for `cluster`, and `parallel` with units."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.cells import Sums, paired_sums_of, rounded, sums_of
from analysis.designs.arms import control_of, no_spread
from analysis.designs.prepared import Note, Question
from analysis.designs.seen import refuse_partly_named
from analysis.designs.unit_inputs import AncovaUnits
from analysis.designs.units import notes_on_units, per_arm, refuse_shared_units
from analysis.documents import Cell, Change, Design, Pair
from analysis.errors import Refused

Array = NDArray[np.float64]
ROUNDING = 1e-12
COLLINEAR = 1e-8
"""Singular value below which columns count as one (numbers are kept to ten digits)."""
SINGULAR = 1e-4
"""Share of unexplained variance (r beyond ±0.99995) below which a correlation counts as ±1."""


@dataclass(frozen=True, slots=True)
class UnitCell:
    """One unit in one arm, standardised: n and mean of y2, the baseline mean about everyone's, squares and products.

    `mean1` is None where the unit has no baseline.
    """

    unit: str
    treated: bool
    n: int
    mean2: float
    s22: float
    mean1: float | None = None
    s11: float = 0.0
    s12: float | None = 0.0


Entry = Pair | Change | Cell


def has_units(question: Question, entries: Sequence[Entry]) -> bool:
    """Whether units have effects of their own: always in `cluster`, else from two named units on."""
    return question.plan.design is Design.CLUSTER or len({e.unit for e in entries if e.unit is not None}) > 1


def unit_of(question: Question, entry: Entry) -> str:
    """The unit of an entry; where none is named the arm is the unit."""
    return entry.unit or question.arm_of(entry)


def units_by_arm(question: Question, entries: Sequence[Entry]) -> dict[str, set[str]]:
    """The units each arm has data of after the start."""
    units: dict[str, set[str]] = {}
    for entry in entries:
        if not isinstance(entry, Cell) or entry.wave == question.followup:
            units.setdefault(question.arm_of(entry), set()).add(unit_of(question, entry))
    return units


def units_per_arm(question: Question, entries: Sequence[Entry]) -> int | None:
    """Units of the smaller arm; None where units play no part."""
    return per_arm(units_by_arm(question, entries)) if has_units(question, entries) else None


def units_notes(question: Question, entries: Sequence[Entry]) -> list[Note]:
    """What must be said about the units; `Refused` for units that contradict the design."""
    if not has_units(question, entries):
        return []
    refuse_partly_named(question, [e.unit for e in entries])
    units = units_by_arm(question, entries)
    if question.plan.design is Design.CLUSTER:
        refuse_shared_units(question, units)
        return notes_on_units(question, [e.unit for e in entries], units)
    if set.intersection(*units.values()):
        return []
    message = (
        "Every unit is in one arm only; its effect is allowed for. Where whole units were assigned, plan the design "
        "`cluster`: the grade then counts units."
    )
    return [Note("units_nested", message, question.measure.measure)]


def unit_baselines(question: Question, cells: Sequence[Cell]) -> dict[str, float]:
    """Raw baseline means by unit, of people who are not linked to the follow-up."""
    sums: dict[str, Sums] = {}
    for cell in cells:
        if cell.wave == question.plan.baseline:
            unit = unit_of(question, cell)
            sums[unit] = sums[unit] + sums_of(cell) if unit in sums else sums_of(cell)
    return {unit: of_unit.mean for unit, of_unit in sums.items()}


def baseline_notes(question: Question, cells: Sequence[Cell], before: Mapping[str, float]) -> list[Note]:
    """Warnings where a cluster comparison has no baseline, or some units have none."""
    if question.plan.design is not Design.CLUSTER:
        return []
    units = set().union(*units_by_arm(question, cells).values())
    name = question.measure.measure
    if not before:
        message = "There is no baseline: units that differed before the start cannot be adjusted for."
        return [Note("no_baseline", message, name)]
    if without := sorted(units - before.keys()):
        message = f"No baseline of {', '.join(without)}; taken as average there."
        return [Note("unit_baseline_missing", message, name)]
    return []


def of_pairs(question: Question, pairs: Sequence[Pair], centre: float, scale: float, everyone: float) -> AncovaUnits:
    """Linked people; `centre` and `everyone` are raw: the scale's zero and the baseline mean of all."""
    cells = []
    for entry in pairs:
        sums = paired_sums_of(entry).standardised(centre, question.sign * scale)
        cells.append(
            UnitCell(
                unit=unit_of(question, entry),
                treated=question.arm_of(entry) == question.plan.treated,
                n=sums.n,
                mean2=sums.mean2,
                s22=sums.s22,
                mean1=rounded(sums.mean1 - (everyone - centre) / (question.sign * scale)),
                s11=sums.s11,
                s12=sums.s12,
            )
        )
    return inputs_of(question, cells, between=question.plan.design is Design.CLUSTER)


def of_means(
    question: Question,
    entries: Sequence[Cell] | Sequence[Change],
    before: Mapping[str, float],
    centre: float,
    scale: float,
) -> AncovaUnits:
    """One value a person; `before` holds the units' raw baseline means, which are centred over the units' people."""
    size = dict.fromkeys(before, 0)
    for entry in entries:
        if (unit := unit_of(question, entry)) in size:
            size[unit] += entry.n
    people = sum(size.values())
    everyone = sum(size[unit] * mean for unit, mean in before.items()) / people if people else 0.0
    cells = []
    for entry in entries:
        sums = sums_of(entry).standardised(centre, question.sign * scale)
        unit = unit_of(question, entry)
        mean1 = rounded((before[unit] - everyone) / (question.sign * scale)) if unit in before else None
        treated = question.arm_of(entry) == question.plan.treated
        cells.append(UnitCell(unit, treated, sums.n, sums.mean, sums.ss, mean1))
    return inputs_of(question, cells, between=question.plan.design is Design.CLUSTER)


def inputs_of(question: Question, cells: Sequence[UnitCell], *, between: bool) -> AncovaUnits:
    """Tables of units × arms. With a between-unit slope a cell's baseline counts about its unit's mean."""
    names = sorted({cell.unit for cell in cells})
    shape = (len(names), 2)
    n, mean, baseline = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    within_squares = np.zeros((3, 2))
    unknown = any(cell.s12 is None for cell in cells)
    for cell in cells:
        g, a = names.index(cell.unit), int(cell.treated)
        n[g, a], mean[g, a], baseline[g, a] = cell.n, cell.mean2, cell.mean1 or 0.0
        within_squares[2, a] += cell.s22
        if not unknown:
            within_squares[0, a] += cell.s11
            within_squares[1, a] += cell.s12 or 0.0
    of_unit = np.zeros(shape)
    if between:
        of_unit[:] = ((n * baseline).sum(axis=1) / n.sum(axis=1))[:, None]
    within = (baseline - of_unit) * (n > 0)
    # A cluster's own mean about itself is 0 but for rounding, which must not count as a baseline that varies.
    within[np.abs(within) < ROUNDING] = 0.0
    inputs = _table(question, cells, names, n, mean, within, of_unit * (n > 0), within_squares)
    _refuse_no_spread(question, inputs)
    if question.plan.priors.slope == "flat" and any(cell.mean1 is not None for cell in cells):
        _refuse_improper(question, inputs)
    return inputs


def _refuse_no_spread(question: Question, inputs: AncovaUnits) -> None:
    """Refuse arms whose people within units are all alike, or follow from their baseline without error.

    Two people always lie on a line.
    """
    for a, arm in enumerate((control_of(question), question.plan.treated)):
        largest = float(np.abs(inputs.mean[:, a]).max())
        if inputs.free[a] > 0 and inputs.s22[a] <= ROUNDING * largest**2:
            raise no_spread(question, arm, "nobody differs from the others of the same unit (SD 0)")
        if inputs.free[a] > 1 and inputs.s11[a] > 0:
            left = 1 - inputs.s12[a] ** 2 / (inputs.s11[a] * inputs.s22[a])
            if left < SINGULAR:
                raise no_spread(
                    question, arm, "the follow-up follows from the baseline as good as without error (r is ±1)"
                )


def _refuse_improper(question: Question, inputs: AncovaUnits) -> None:
    """Refuse flat slopes that baselines cannot tell from the intercept and the effect."""
    treated = np.broadcast_to([0.0, 1.0], inputs.n.shape)
    columns = np.stack([np.ones(inputs.n.shape), inputs.within, inputs.between, treated], axis=-1)[inputs.n > 0]
    columns = np.concatenate([columns, [[0.0, float(inputs.s11.any()), 0.0, 0.0]]])
    if inputs.unknown_r:
        columns[:, 1] = 0.0
    told = columns[:, columns.any(axis=0)]
    if not columns[:, 1:3].any() and not inputs.unknown_r:
        why = "the baseline does not vary, so a flat prior leaves the slope undefined"
    elif np.linalg.matrix_rank(told, tol=COLLINEAR) < told.shape[1]:
        why = "the units are so few or so alike that a flat prior leaves the slope and the effect undefined"
    else:
        return
    raise Refused(
        "improper_posterior",
        f"{question.measure.measure}: {why}.",
        "Give the slope a proper prior, for example mean 0.5 and SD 0.5.",
    )


def _table(
    question: Question,
    cells: Sequence[UnitCell],
    names: Sequence[str],
    n: Array,
    mean: Array,
    within: Array,
    between: Array,
    within_squares: Array,
) -> AncovaUnits:
    slope, unknown = question.plan.priors.slope, any(cell.s12 is None for cell in cells)
    priors = question.plan.priors
    return AncovaUnits(
        units=tuple(names),
        n=n,
        mean=mean,
        within=within,
        between=between,
        s11=within_squares[0],
        s12=within_squares[1],
        s22=within_squares[2],
        slope_mean=0.0 if slope == "flat" else slope.mean,
        slope_precision=0.0 if slope == "flat" else slope.sd**-2,
        sigma_scale=priors.sigma.scale,
        unit_scale=priors.unit_sd.scale,
        unknown_r=unknown,
        sd1=_pooled_sd(cells) if unknown else 1.0,
    )


def _pooled_sd(cells: Sequence[UnitCell]) -> float:
    """Baseline SD within cells."""
    return float(np.sqrt(sum(cell.s11 for cell in cells) / max(sum(cell.n - 1 for cell in cells), 1)))
