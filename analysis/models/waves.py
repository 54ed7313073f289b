"""People over waves in groups: y ~ N(columns · θ + u + v_wave, σ), a person's values correlated by r, u and v integrated.

Groups are units (in an arm); a pattern is the set of waves a person answered. All that is symbolic is written out over
the four slots of waves, so that it stays elementwise over groups, however many.
"""

from typing import Any

import pymc as pm
import pytensor.tensor as pt

from analysis.models.hyper import correlation, position, preconditioned, spreads, unit_spread
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
        sigma = spreads(z, d["scales"][0])
        unit_sd = unit_spread("unit_sd", z[2], d["scales"][1])
        unit_time_sd = unit_spread("unit_time_sd", z[3], d["scales"][2])
        r = correlation(z[4], d["r_prior"])
        expected = pt.dot(d["columns"], theta)
        inverse = 1 / (sigma[0] * (1 - d["spread"]) + sigma[1] * d["spread"])
        pm.Potential("within", _within(d, inverse, r * d["known_r"]))
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
    own = logs = 0.0
    crossed = 0.0
    for s in range(SLOTS):
        logs = logs + count * masks[:, s] * pt.log(inverse[:, s])[:, None]
        own = own + products[:, :, s, s] * inverse[:, s][:, None] ** 2
        for t in range(SLOTS):
            crossed = crossed + products[:, :, s, t] * (inverse[:, s] * inverse[:, t])[:, None]
    return (logs - 0.5 * (own - c * crossed) / left - 0.5 * count * determinant).sum()


def _within(d: Any, inverse: Any, r: Any) -> Any:
    """What people say of σ and r about the means of their own group."""
    return _squares(d["masks"], inverse, r, d["squares"], d["free"])


def _groups(d: Any, inverse: Any, r: Any, expected: Any, effects: tuple[Any, Any]) -> Any:
    """Log density of the groups' means, their effects integrated out: S = I + Lᵀ A L, solved by elimination."""
    masks, arm = d["masks"], d["treated"]
    c, left, _ = _patterns(masks, r)
    of_group = lambda by_arm: by_arm[0] * (1 - arm) + by_arm[1] * arm  # noqa: E731
    scale = [of_group(inverse[:, s]) for s in range(SLOTS)]
    mean = [of_group(expected[:, s]) for s in range(SLOTS)]
    people = d["n"]
    sums = [people * d["mean"][:, :, s] for s in range(SLOTS)]
    # A group's precision of its wave means, and its pull on them about the expectation.
    a: dict[tuple[int, int], Any] = {}
    for s in range(SLOTS):
        for t in range(s + 1):
            together = masks[:, s] * masks[:, t] * (float(s == t) - c) / left
            a[s, t] = a[t, s] = pt.dot(people, together) * scale[s] * scale[t]
    crossed = sum(sums[t] * scale[t][:, None] for t in range(SLOTS))
    pull = [
        (masks[:, s] * (sums[s] * scale[s][:, None] - c * crossed) / left).sum(axis=1) * scale[s] for s in range(SLOTS)
    ]
    shift = [pull[s] - sum(a[s, t] * mean[t] for t in range(SLOTS)) for s in range(SLOTS)]
    square = sum(mean[s] * (pull[s] + shift[s]) for s in range(SLOTS))
    seen = _squares(masks, inverse, r, d["between"], d["groups"])
    return seen + 0.5 * square.sum() + _integrated(a, shift, effects)


def _integrated(a: dict[tuple[int, int], Any], shift: list[Any], effects: tuple[Any, Any]) -> Any:
    """½ kᵀ S⁻¹ k − ½ log |S| summed over groups, S = I + L A L and k = L h with the symmetric root L."""
    unit, unit_time = effects
    along = (pt.sqrt(SLOTS * unit**2 + unit_time**2 + 1e-300) - unit_time) / SLOTS
    rows = {(s, t): a[s, t] for s in range(SLOTS) for t in range(SLOTS)}
    column = [sum(rows[s, t] for s in range(SLOTS)) for t in range(SLOTS)]
    total = sum(column)
    s_matrix = {
        (s, t): float(s == t) + unit_time**2 * a[s, t] + unit_time * along * (column[s] + column[t]) + along**2 * total
        for s in range(SLOTS)
        for t in range(s + 1)
    }
    pulled = sum(shift)
    k = [unit_time * shift[s] + along * pulled for s in range(SLOTS)]
    value: Any = 0.0
    # Elimination without pivots: S is the identity plus what is positive semi-definite.
    for i in range(SLOTS):
        pivot = s_matrix[i, i]
        value = value + 0.5 * k[i] ** 2 / pivot - 0.5 * pt.log(pivot)
        for s in range(i + 1, SLOTS):
            factor = s_matrix[s, i] / pivot
            k[s] = k[s] - factor * k[i]
            for t in range(i + 1, s + 1):
                s_matrix[s, t] = s_matrix[s, t] - factor * s_matrix[t, i]
    return value.sum()
