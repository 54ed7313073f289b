"""People over waves in groups: y ~ N(columns · θ + u + v_wave, σ) with correlation r; u and v are integrated out.

Groups are units (in an arm); a pattern is the set of waves a person answered. All that is symbolic is written out over
the four slots of waves, so that it stays elementwise over groups, however many.
"""

from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from analysis.models.hyper import correlation, half_normal, position, preconditioned
from analysis.models.shared import Layout, unpacked

SLOTS, COEFFICIENTS = 4, 6
LAYOUT: Layout = {
    **preconditioned(COEFFICIENTS),
    "treated": ("groups",),
    "n": ("groups", "patterns"),
    "mean": ("groups", "patterns", SLOTS),
    "masks": ("patterns", SLOTS),
    **dict.fromkeys(("squares", "between"), (2, "patterns", SLOTS, SLOTS)),
    **dict.fromkeys(("free", "groups"), (2, "patterns")),
    "columns": (2, SLOTS, COEFFICIENTS),
    "spread": (2, SLOTS),
    "used": (COEFFICIENTS - 1,),
    "scales": (3,),
    "multiples": (2,),
    "known_r": (),
    "r_prior": (4,),
}


def build() -> pm.Model:
    """The model on the sums of `designs.unit_inputs.Waves`; groups and patterns may be any number."""
    with pm.Model() as model:
        d = unpacked(LAYOUT)
        z, theta = position(d, COEFFICIENTS)
        nuisance = pm.Deterministic("coefficients", theta[:-1])
        precision = d["intercept"] * d["used"] + 1 - d["used"]
        pm.Potential("coefficients_log_prior", -0.5 * (precision * nuisance**2).sum())
        sigma = half_normal("sigma", z[:2], d["scales"][0])
        unit_sd = half_normal("unit_sd", z[2], d["scales"][1])
        unit_time_sd = half_normal("unit_time_sd", z[3], d["scales"][2])
        r = correlation(z[4], d["r_prior"])
        expected = pt.dot(d["columns"], theta)
        inverse = 1 / (sigma[0] * (1 - d["spread"]) + sigma[1] * d["spread"])
        # Where correlations were not reported, people say nothing of r about the means of their own group.
        pm.Potential("within", _squares(d["masks"], inverse, r * d["known_r"], d["squares"], d["free"]))
        effects = d["multiples"][0] * unit_sd, d["multiples"][1] * unit_time_sd
        pm.Potential("groups", _groups(d, inverse, r, expected, effects))
    return model


def _patterns(masks: Any, r: Any) -> tuple[Any, Any, Any]:
    """Of each pattern with C⁻¹ = (I − c J)/left: c, left and log |C|."""
    size = masks.sum(axis=1)
    several = size > 1
    c = pt.switch(several, r / (1 + (size - 1) * r), 0.0)
    left = pt.switch(several, 1 - r, 1.0)
    return c, left, pt.switch(several, (size - 1) * pt.log(left) + pt.log1p((size - 1) * r), 0.0)


def _squares(masks: Any, inverse: Any, r: Any, products: Any, count: Any) -> Any:
    """Log density of `count` (2, P) centred vectors with sums of products (2, P, S, S), under correlation r."""
    c, left, determinant = _patterns(masks, r)
    both = inverse[:, None, :, None] * inverse[:, None, None, :]
    same = np.eye(SLOTS)
    weight = (same - c[:, None, None]) / left[:, None, None]
    logs = (pt.dot(count, masks) * pt.log(inverse)).sum()
    return logs - 0.5 * (products * both * weight).sum() - 0.5 * (count * determinant).sum()


def _groups(d: Any, inverse: Any, r: Any, expected: Any, effects: tuple[Any, Any]) -> Any:
    """Log density of the groups' means, their effects integrated out. Waves come first, so that groups lie together."""
    masks, arm = d["masks"], d["treated"]
    c, left, _ = _patterns(masks, r)
    scale = inverse[0][:, None] * (1 - arm) + inverse[1][:, None] * arm
    mean = expected[0][:, None] * (1 - arm) + expected[1][:, None] * arm
    # (S, S, P): what a person of a pattern says of each pair of waves, σ left out.
    together = masks.T[:, None] * masks.T[None] * (np.eye(SLOTS)[..., None] - c) / left
    precision = pt.dot(together.reshape((SLOTS * SLOTS, -1)), d["n"].T).reshape((SLOTS, SLOTS, -1))
    a = precision * scale[:, None] * scale[None]
    # Of each group the sums of (pattern, wave) values over σ, (P, S, G), and the pull of these on the wave means.
    sums = d["n"].T[:, None] * d["mean"].transpose(1, 2, 0) * scale
    weight = together.transpose(0, 2, 1).reshape((SLOTS, -1))
    pull = pt.dot(weight, sums.reshape((-1, sums.shape[2]))) * scale
    shift = pull - (a * mean[None]).sum(axis=1)
    seen = _squares(masks, inverse, r, d["between"], d["groups"])
    return seen + 0.5 * (mean * (pull + shift)).sum() + _integrated(a, shift, effects)


def _integrated(a: Any, shift: Any, effects: tuple[Any, Any]) -> Any:
    """½ kᵀ S⁻¹ k − ½ log |S| summed over groups; S = I + L A L and k = L h, L the symmetric root of u² J + v² I."""
    unit, unit_time = effects
    along = (pt.sqrt(SLOTS * unit**2 + unit_time**2 + 1e-300) - unit_time) / SLOTS
    column = a.sum(axis=0)
    spread = unit_time * along * (column[:, None] + column[None]) + along**2 * column.sum(axis=0)
    inner = unit_time**2 * a + spread + np.eye(SLOTS)[..., None]
    moved = unit_time * shift + along * shift.sum(axis=0)
    value: Any = 0.0
    # Elimination without pivots: S is the identity plus what is positive semi-definite.
    for i in range(SLOTS):
        pivot, row, first = inner[i, i], inner[i], moved[i]
        value = value + first**2 / pivot - pt.log(pivot)
        if i + 1 < SLOTS:
            moved = moved - row * (first / pivot)
            inner = inner - row[:, None] * (row / pivot)[None]
    return 0.5 * value.sum()
