"""Monthly counts: Poisson with log expectation offset + scale × (columns · θ + r), r AR(1) with stationary SD σ.

The departures r are sampled, as `free` beyond the preconditioned part; a series has up to `MOST_MONTHS` of them, and
those of months that are not there keep a standard normal prior.
"""

import pymc as pm

from analysis.models.hyper import position
from analysis.models.series import COEFFICIENTS, MONTHS, expected, spread
from analysis.models.series_counts_likelihood import SeriesCountsLikelihood
from analysis.models.shared import Layout, unpacked

MOST_MONTHS = 180
LAYOUT: Layout = {**MONTHS, "scale": (), **dict.fromkeys(("events", "offset", "weights", "pulled"), ("months",))}


def build() -> pm.Model:
    """The model on `designs.series_inputs.SeriesCounts`; months may be any number up to the most."""
    with pm.Model() as model:
        d = unpacked(LAYOUT)
        at = position(d, COEFFICIENTS, MOST_MONTHS)
        sigma, phi = spread(d, at)
        of_months = expected(d, at, sigma, phi)
        data = (d[name] for name in ("events", "offset", "scale", "gaps", "weights", "pulled"))
        pm.Potential("likelihood", SeriesCountsLikelihood()(of_months, at.beside, sigma, phi, *data))
    return model
