"""Whether the odds are proportional: the effect at each cut-point by itself, and how far these differ by chance."""

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from analysis.designs.arms import normal_summary
from analysis.designs.binary_inputs import KAPPA_LOGIT
from analysis.designs.ordinal_cells import Tally
from analysis.designs.prepared import Note, Question

Array = NDArray[np.float64]
ENOUGH = 5
"""People above and people at or below a cut-point, on both sides, for it to be looked at."""
UNLIKELY = 0.01


def by_cut(question: Question, without: Tally, with_: Tally) -> tuple[Mapping[str, object], list[Note]]:
    """Log odds ratio of being above each cut-point, SD units oriented to benefit, and a warning where they differ.

    χ² of their differences with the covariance that cut-points of the same people have (Brant 1990). Units and links
    are not in it: units lift all cut-points together, links make it slower to find a difference.
    """
    a, b = (np.array(tally.counts, dtype=np.float64) for tally in (without, with_))
    above = np.stack([x[::-1].cumsum()[::-1][1:] for x in (a, b)])
    below = np.stack([x.cumsum()[:-1] for x in (a, b)])
    kept = np.flatnonzero((above >= ENOUGH).all(axis=0) & (below >= ENOUGH).all(axis=0))
    # Cut-points with nobody between them are one.
    kept = kept[np.diff(below[:, kept].sum(axis=0), prepend=-1) > 0]
    if not len(kept):
        return {}, []
    above, below = above[:, kept], below[:, kept]
    gaps = np.diff(np.log(above / below), axis=0)[0]
    variance = _covariance(above[0], below[0]) + _covariance(above[1], below[1])
    kappa = question.sign * KAPPA_LOGIT
    effects = [
        {
            "above": with_.scores[cut],
            **normal_summary(float(gap) / kappa, math.sqrt(variance[i, i]) / KAPPA_LOGIT, question.plan.interval),
        }
        for i, (cut, gap) in enumerate(zip(kept, gaps, strict=True))
    ]
    if len(kept) < 2:  # noqa: PLR2004 - one cut-point differs from nothing
        return {"by_cut": effects}, []
    contrasts = np.diff(np.eye(len(kept)), axis=0)
    apart = contrasts @ gaps
    p = float(chi2.sf(apart @ np.linalg.solve(contrasts @ variance @ contrasts.T, apart), len(kept) - 1))
    beside = {"by_cut": effects, "proportional_odds_p": p}
    if p >= UNLIKELY:
        return beside, []
    message = (
        f"The effect differs from cut-point to cut-point by more than chance (p = {p:.2g}), and the model takes one "
        "for all: see `by_cut`, and prefer the effect on means."
    )
    return beside, [Note("odds_not_proportional", message, question.measure.measure)]


def _covariance(above: Array, below: Array) -> Array:
    """Of the empirical logits of one group at several cut-points, n / (above at the lower · below at the higher)."""
    lower = np.minimum.outer(np.arange(len(above)), np.arange(len(above)))
    higher = np.maximum.outer(np.arange(len(above)), np.arange(len(above)))
    return np.asarray((above[0] + below[0]) / (above[lower] * below[higher]))
