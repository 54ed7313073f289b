"""Posterior predictive checks of ordinal models: the share above each cut-point of each arm or wave."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from analysis import cut_points
from analysis.designs.ordinal_inputs import PairedOrdinal, UnitOrdinal
from analysis.paired_ordinal import joint
from analysis.predictive import ARMS, SEED, Check, checks, share_check

Array = NDArray[np.float64]
MOST = 1000
"""Draws that replicates are made from."""


@checks.register
def _(inputs: UnitOrdinal, draws: Mapping[str, Array]) -> list[Check]:
    """Units are new ones in every replicate, as the model has them."""
    step = max(draws["total"].size // MOST, 1)
    total, slope, unit_sd, unit_time_sd = (
        draws[name].ravel()[::step, None, None] for name in ("total", "slope", "unit_sd", "unit_time_sd")
    )
    cuts = draws["cut_points"].reshape(-1, draws["cut_points"].shape[-1])[::step, : inputs.cuts]
    rng, size = np.random.default_rng(SEED), abs(inputs.kappa)
    shape = (len(total), *inputs.n.shape)
    eta = slope * inputs.baseline + inputs.kappa * total * inputs.exposure
    eta = eta + size * inputs.unit * unit_sd * rng.standard_normal((*shape[:2], 1))
    eta = eta + size * inputs.unit_time * unit_time_sd * rng.standard_normal(shape)
    shares = np.maximum(cut_points.shares(eta, cuts[:, None, None]), 0.0)
    replicates = rng.multinomial(inputs.n.astype(int), shares / shares.sum(axis=-1, keepdims=True))
    found = []
    names = ("wave 1", "wave 2") if inputs.after.any() else ARMS
    for name, side in zip(names, (-1, 1), strict=True):
        here = inputs.exposure * side > 0
        people = inputs.n[here].sum()
        observed, made = inputs.counts[here].sum(axis=0), replicates[:, here].sum(axis=1)
        for cut in range(inputs.cuts):
            above, events = observed[cut + 1 :].sum(), made[:, cut + 1 :].sum(axis=1)
            low, high = np.quantile(events / people, (0.025, 0.975))
            p = float(np.mean(events < above) + 0.5 * np.mean(events == above))
            found.append(Check(f"{name}, above {inputs.scores[cut]:g}", "share", float(above / people), low, high, p))
    return found


@checks.register
def _(inputs: PairedOrdinal, draws: Mapping[str, Array]) -> list[Check]:
    """Of each wave, and of the linked people those who were above a cut-point in both waves."""
    half = 0.5 * inputs.kappa * draws["total"]
    found = []
    for wave, (name, eta) in enumerate((("wave 1", -half), ("wave 2", half))):
        counts = inputs.counts[wave]
        for cut in range(inputs.cuts):
            share = expit(eta - draws["cut_points"][..., cut])
            cell = f"{name}, above {inputs.scores[cut]:g}"
            found.append(share_check(cell, counts[cut + 1 :].sum(), counts.sum(), share))
    for cut in range(inputs.cuts):
        at = draws["cut_points"][..., cut]
        before, after = (expit(eta - at).reshape(-1, 1) for eta in (-half, half))
        both = joint(before, after, draws["log_odds_ratio"].ravel())
        stayed = inputs.table[cut + 1 :, cut + 1 :].sum()
        cell = f"both waves, above {inputs.scores[cut]:g}"
        found.append(share_check(cell, stayed, inputs.table.sum(), np.clip(both.ravel(), 0.0, 1.0)))
    return found
