"""Simulated pilots of ordinal measures: a latent logistic value of each person between cut-points.

The latent value goes together over a person's waves as a normal one with correlation r does; units move the logit.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit, ndtr

from analysis.designs.binary_inputs import KAPPA_LOGIT
from analysis.documents import Categories, MeasureData, Row
from analysis.pilots import Group, Truth, Values, root_of, seen_at, unit_effects

Array = NDArray[np.float64]


def ordinal(rng: np.random.Generator, truth: Truth, groups: Sequence[Group]) -> list[Values]:
    """Each person's category (0, 1, …) in all waves, of every group."""
    return [_ordinal(rng, truth, group) for group in groups]


def shares_of(truth: Truth) -> Array:
    """Shares of the categories without the intervention."""
    return np.array(truth.asked.shares_of(truth.measure) or [])


def _ordinal(rng: np.random.Generator, truth: Truth, group: Group) -> Values:
    cuts = logit(np.cumsum(shares_of(truth))[:-1])
    moved = KAPPA_LOGIT * (truth.means(group) + unit_effects(rng, truth))
    latent = rng.standard_normal((group.n, len(truth.waves))) @ root_of(len(truth.waves), truth.r, 1.0).T
    value = moved + logit(ndtr(latent))
    return Values.of(group, (value[..., None] > cuts).sum(axis=-1).astype(np.float64))


def categories(truth: Truth, values: Sequence[Values], wave: str) -> MeasureData:
    """People in each category of every unit, arm and wave up to a look's."""
    count = len(shares_of(truth))
    found = [
        Categories(
            unit=v.group.unit,
            arm=v.group.arm,
            wave=key,
            counts=[int(n) for n in np.bincount(v.people[:, i].astype(int), minlength=count)],
        )
        for v in values
        if v.people is not None
        for i, key in seen_at(truth, wave)
    ]
    return MeasureData(categories=found)


def category_rows(truth: Truth, values: Sequence[Values], wave: str) -> MeasureData:
    """Each person's category in every wave of the look, linked; from the measure's minimum on, else from 1."""
    low = truth.measure.minimum
    first = 1.0 if low is None else math.floor(low)
    rows = [
        Row(unit=v.group.unit, arm=v.group.arm, wave=key, participant=f"{at}-{person}", value=first + float(value))
        for at, v in enumerate(values)
        if v.people is not None
        for i, key in seen_at(truth, wave)
        for person, value in enumerate(v.people[:, i])
    ]
    return MeasureData(rows=rows)
