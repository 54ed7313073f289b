"""People over waves become the inputs of the model `waves`: one group before and after, or two arms over time."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from analysis.cells import Sums, check_scale
from analysis.designs.arms import no_spread, reference_sd, small_arms
from analysis.designs.prepared import Note, Prepared, Question
from analysis.designs.seen import Seen, at_wave
from analysis.designs.unit_inputs import COEFFICIENTS, Waves
from analysis.designs.units import by_arm
from analysis.errors import Refused

Array = NDArray[np.float64]
SINGULAR = 1e-4
"""Share of unexplained variance (r beyond ±0.99995) below which a correlation counts as ±1."""


def checked(question: Question, found: Sequence[Seen], waves: Sequence[str]) -> None:
    """Refuse what lies off the scale, has no spread, or leaves no person to tell people from noise."""
    arms = sorted({entry.arm for entry in found})
    for arm in arms:
        for w, wave in enumerate(waves):
            sums = at_wave(found, arm, w)
            if sums is None:
                continue
            check_scale(question.measure, sums, f"{arm}, {wave}")
            if sums.n > 1 and sums.ss <= 1e-12 * max(1.0, abs(sums.mean)) ** 2:
                raise no_spread(question, arm, f"all {sums.n} values of wave {wave!r} are the same (SD 0)")
        _refuse_certain(question, arm, [entry for entry in found if entry.arm == arm])
    if sum(entry.n - 1 for entry in found) < 1:
        raise Refused(
            "saturated",
            f"{question.measure.measure}: every cell holds one value, so nothing is left to tell chance by.",
            "Give more than one person a unit, arm and wave, or their mean with n and SD.",
        )
    for arm in arms:
        for w, wave in enumerate(waves):
            here = [entry.at(w) for entry in found if entry.arm == arm and w in entry.waves]
            # One person in each unit leaves the spread within units open; the same value in each makes it 0.
            if sum(s.n - 1 for s in here) > 0 and sum(s.ss for s in here) <= 1e-12 * max(s.mean**2 for s in here):
                raise no_spread(
                    question, arm, f"nobody differs from the others of the same unit in wave {wave!r} (SD 0)"
                )


def _refuse_certain(question: Question, arm: str, found: Sequence[Seen]) -> None:
    """Refuse linked people whose waves follow from each other within units, in every pair of waves.

    Two people always lie on a line; a few who answered in one pattern may lie on one by chance.
    """
    free: dict[tuple[int, int], int] = {}
    squares: dict[tuple[int, int], Array] = {}
    for entry in found:
        if not entry.known:
            continue
        for i, j in combinations(range(len(entry.waves)), 2):
            pair = (entry.waves[i], entry.waves[j])
            free[pair] = free.get(pair, 0) + entry.n - 1
            squares[pair] = squares.get(pair, np.zeros((2, 2))) + entry.squares[np.ix_([i, j], [i, j])]
    shares = [
        1 - s[0, 1] ** 2 / (s[0, 0] * s[1, 1])
        for pair, s in squares.items()
        if free[pair] > 1 and s[0, 0] * s[1, 1] > 0
    ]
    if shares and max(shares) < SINGULAR:
        raise no_spread(question, arm, "one wave follows from another as good as without error (r is ±1)")


def scaled(
    question: Question, found: Sequence[Seen], waves: Sequence[str], baselines: Sequence[int]
) -> tuple[list[Seen], float, float, list[Note]]:
    """Standardised people, the reference SD, the scale's zero, and warnings about the SD."""
    arms = sorted({entry.arm for entry in found})
    before = [s for arm in arms for w in baselines if (s := at_wave(found, arm, w)) is not None]
    after = [s for arm in arms if (s := at_wave(found, arm, len(waves) - 1)) is not None]
    scale, notes = reference_sd(question, before, after)
    centre = question.measure.reference_mean
    if centre is None:
        pooled: Sums | None = None
        for sums in before or after:
            pooled = sums if pooled is None else pooled + sums
        centre = pooled.mean if pooled is not None else 0.0
    return [entry.standardised(centre, question.sign * scale) for entry in found], scale, centre, notes


def inputs_of(
    question: Question,
    found: Sequence[Seen],
    columns: Array,
    spread: Array,
    *,
    unit: float,
    unit_time: float,
    r_low: float,
) -> Waves:
    """Tables of groups × patterns from standardised people; `columns` and `spread` are the design's."""
    waves = columns.shape[1]
    patterns = sorted({entry.waves for entry in found})
    groups = sorted({(entry.arm, entry.unit or entry.arm) for entry in found})
    n = np.zeros((len(groups), len(patterns)))
    mean = np.zeros((len(groups), len(patterns), waves))
    masks = np.zeros((len(patterns), waves))
    squares = np.zeros((2, len(patterns), waves, waves))
    free = np.zeros((2, len(patterns)))
    for p, pattern in enumerate(patterns):
        masks[p, list(pattern)] = 1.0
    for entry in found:
        g, p = groups.index((entry.arm, entry.unit or entry.arm)), patterns.index(entry.waves)
        a = int(entry.arm == question.plan.treated)
        n[g, p] = entry.n
        mean[g, p, list(entry.waves)] = entry.mean
        squares[a, p][np.ix_(entry.waves, entry.waves)] += entry.squares
        free[a, p] += entry.n - 1
    priors = question.plan.priors
    return Waves(
        units=tuple(unit_name for _, unit_name in groups),
        treated=np.array([float(arm == question.plan.treated) for arm, _ in groups]),
        n=n,
        mean=mean,
        masks=masks,
        squares=squares,
        free=free,
        columns=columns,
        spread=spread,
        sigma_scale=priors.sigma.scale,
        unit_scale=priors.unit_sd.scale,
        unit_time_scale=priors.unit_time_sd.scale,
        unit=unit,
        unit_time=unit_time,
        known_r=all(entry.known for entry in found),
        r_low=r_low,
    )


def one_group(question: Question, found: list[Seen], waves: Sequence[str], comparison: str) -> Prepared:
    """Before and after in one group: α, then α + Δ; σ of each wave, unit and unit × wave effects from two units on."""
    checked(question, found, waves)
    standardised, scale, centre, notes = scaled(question, found, waves, [0])
    columns = np.zeros((2, 2, COEFFICIENTS))
    columns[1, :, 0] = 1.0
    columns[1, 1, -1] = 1.0
    several = len(by_arm(found)[question.plan.treated]) > 1
    inputs = inputs_of(
        question,
        standardised,
        columns,
        np.array([[0.0, 1.0], [0.0, 1.0]]),
        unit=float(several),
        unit_time=float(several),
        r_low=-1.0,
    )
    people = sum(entry.n for entry in found if 1 in entry.waves)
    notes = [
        *small_arms(question, {question.plan.treated: at_wave(found, question.plan.treated, 1) or Sums(0, 0, 0)}),
        *notes,
    ]
    if not inputs.known_r:
        notes.append(correlation_unknown(question))
    return Prepared(
        measure=question.measure,
        inputs=inputs,
        raw_per_sd=question.sign * scale,
        n={question.plan.treated: people},
        warnings=tuple(notes),
        beside={"comparison": comparison},
        units_per_arm=len(by_arm(found)[question.plan.treated]),
        centre=centre,
    )


def correlation_unknown(question: Question) -> Note:
    """The warning where r was not reported."""
    message = (
        "The correlation between baseline and follow-up was not reported (for every entry); it is taken as 0.65 give "
        "or take 0.15, and the interval is wider for it."
    )
    return Note("correlation_unknown", message, question.measure.measure)


def empty_wave(question: Question, arm: str, wave: str | None) -> Refused:
    """The refusal of an arm nobody answered for in a wave that is needed."""
    return Refused(
        "arm_empty",
        f"{question.measure.measure}: arm {arm!r} has no data at wave {wave!r}.",
        "Collect or enter the missing wave; without it there is nothing to compare with.",
    )


def linked_notes(question: Question, found: Sequence[Seen], last: int) -> tuple[list[Note], dict[str, float] | None]:
    """Warnings about people seen in part of the waves, and the share of each arm lost after the first."""
    if question.data.rows is None or not any(len(entry.waves) > 1 for entry in found):
        return [], None
    partly = sum(entry.n for entry in found if len(entry.waves) <= last)
    lost: dict[str, float] = {}
    for arm in {entry.arm for entry in found}:
        early = [entry for entry in found if entry.arm == arm and min(entry.waves) < last]
        gone = sum(entry.n for entry in early if last not in entry.waves)
        lost[arm] = gone / sum(entry.n for entry in early) if early else 0.0
    notes = []
    if partly:
        message = f"{partly} people miss a wave; they enter with what they answered, taken as missing at random."
        notes.append(Note("waves_missing", message, question.measure.measure))
    return notes, lost
