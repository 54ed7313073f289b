"""Counts in cells of units: negative binomial, log mean = columns · θ + κ Δ exposure + |κ| (u + v) + log exposure.

As `unit_proportions`, whose integral over u and v takes events S of m records as S of S + mφ with the logit
log mean − log φ; what else the negative binomial has is a sum of log gamma functions over the records.
"""

import pymc as pm
import pytensor.tensor as pt

from analysis.models.effect import total_effect
from analysis.models.shared import Layout, unpacked
from analysis.models.unit_likelihood import of_single_terms
from analysis.models.unit_proportions import COEFFICIENTS, cells_layout, coefficients, spread

DIMENSION = COEFFICIENTS + 4
LEAST = 1e-3
LAYOUT: Layout = {
    **cells_layout(DIMENSION),
    "events": ("units", "slots"),
    "records": ("units", "slots"),
    "log_expected": ("units", "slots"),
    "kinds": ("kinds", 2),
    "dispersed": (),
    "poisson": (),
}


def build() -> pm.Model:
    """The model on `designs.count_inputs.UnitCounts`; units, slots, nodes and kinds of counts may be any number."""
    with pm.Model() as model:
        d = unpacked(LAYOUT)
        at = d["location"] + (d["factor"] * pm.Flat("free", shape=DIMENSION)).sum(axis=1)
        total = total_effect(d, pm.Deterministic("total", at[DIMENSION - 1]))
        theta = coefficients(d, at)
        sds = (spread(name, at[COEFFICIENTS + i], d["scales"][i]) for i, name in enumerate(("unit_sd", "unit_time_sd")))
        su, sv = (abs(d["kappa"]) * d["multiples"][i] * sd for i, sd in enumerate(sds))
        dispersion = spread("dispersion", at[COEFFICIENTS + 2], 1.0)
        phi = d["dispersed"] / (dispersion**2 + LEAST**2) + (1 - d["dispersed"]) * d["poisson"]
        eta = (d["columns"] * theta).sum(axis=-1) + d["kappa"] * total * d["exposure"] + d["log_expected"]
        n = d["events"] + d["records"] * phi
        pm.Potential("likelihood", of_single_terms(eta - pt.log(phi), su, sv, n, d["events"], d["outer"], d["inner"]))
        counts, records = d["kinds"][:, 0], d["kinds"][:, 1]
        pm.Potential("records", d["dispersed"] * (records * (pt.gammaln(counts + phi) - pt.gammaln(phi))).sum())
    return model
