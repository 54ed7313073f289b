"""People over waves in groups: y ~ N(columns · θ + u + v_wave, σ) with correlation r; u and v are integrated out.

Groups are units (in an arm); a pattern is the set of waves a person answered. All that is symbolic is written out over
the slots of waves, so that it is elementwise over groups, however many.
"""

from typing import Any

import numpy as np
import pymc as pm
import pytensor.tensor as pt

from analysis.models.hyper import correlation, half_normal, position, preconditioned
from analysis.models.shared import Layout, unpacked

SLOTS, COEFFICIENTS = 4, 6


def layout(slots: int) -> Layout:
    """What the model reads of `designs.unit_inputs.Waves`."""
    return {
        **preconditioned(COEFFICIENTS),
        "n": (2, "patterns", "groups"),
        "sums": (2, "patterns", slots, "groups"),
        "people": (2, "patterns"),
        "totals": (2, "patterns", slots),
        "masks": ("patterns", slots),
        **dict.fromkeys(("squares", "between"), (2, "patterns", slots, slots)),
        **dict.fromkeys(("free", "groups"), (2, "patterns")),
        "columns": (2, slots, COEFFICIENTS),
        "spread": (2, slots),
        "used": (COEFFICIENTS - 1,),
        "scales": (3,),
        "multiples": (2,),
        "known_r": (),
        "r_prior": (4,),
    }


LAYOUT = layout(SLOTS)


def build() -> pm.Model:
    """The model of up to four waves; groups and patterns may be any number."""
    return built(SLOTS)


def built(slots: int) -> pm.Model:
    """The model of up to `slots` waves."""
    with pm.Model() as model:
        d = unpacked(layout(slots))
        at = position(d, COEFFICIENTS)
        nuisance = pm.Deterministic("coefficients", at.nuisance)
        precision = d["intercept"] * d["used"] + 1 - d["used"]
        pm.Potential("coefficients_log_prior", -0.5 * (precision * nuisance**2).sum())
        sigma = half_normal("sigma", at.sigma, d["scales"][0])
        unit_sd = half_normal("unit_sd", at.unit, d["scales"][1])
        unit_time_sd = half_normal("unit_time_sd", at.unit_time, d["scales"][2])
        r = correlation(at.r, d["r_prior"])
        expected = pt.dot(d["columns"][..., :-1], nuisance) + d["columns"][..., -1] * at.total
        inverse = 1 / (sigma[0] * (1 - d["spread"]) + sigma[1] * d["spread"])
        # C⁻¹ = (I − c J)/left of each pattern's waves; (2, P, S, S): a person's precision of the waves.
        masks = d["masks"]
        size = masks.sum(axis=1)
        several = size > 1
        c = pt.switch(several, r / (1 + (size - 1) * r), 0.0)
        left = pt.switch(several, 1 - r, 1.0)
        determinant = pt.switch(several, (size - 1) * pt.log(left) + pt.log1p((size - 1) * r), 0.0)
        correlated = masks[:, :, None] * masks[:, None] * (np.eye(slots) - c[:, None, None]) / left[:, None, None]
        both = inverse[:, None, :, None] * inverse[:, None, None, :]
        person = correlated * both
        # Where correlations were not reported, people say nothing of r about the means of their own group.
        known = d["known_r"]
        deviations = d["squares"] * (known * person + (1 - known) * np.eye(slots) * both) + d["between"] * person
        count = known * d["free"] + d["groups"]
        logs = ((d["free"] + d["groups"]) @ masks * pt.log(inverse)).sum()
        pm.Potential("people", logs - 0.5 * deviations.sum() - 0.5 * (count * determinant).sum())
        mean = (person * expected[:, None, None, :]).sum(axis=-1)
        about = mean * (d["totals"] - 0.5 * d["people"][..., None] * expected[:, None])
        effects = (d["multiples"][0] * unit_sd) ** 2, (d["multiples"][1] * unit_time_sd) ** 2
        groups = d["n"].shape[2]
        n, sums = d["n"].reshape((-1, groups)), d["sums"].reshape((-1, groups))
        a = pt.dot(person.reshape((-1, slots * slots)).T, n)
        pull = pt.dot(person.reshape((-1, slots)).T, sums) - pt.dot(mean.reshape((-1, slots)).T, n)
        precision = [[a[i * slots + j] for j in range(slots)] for i in range(slots)]
        pm.Potential("groups", about.sum() + _integrated(precision, [pull[i] for i in range(slots)], effects))
    return model


def _integrated(a: list[list[Any]], pull: list[Any], effects: tuple[Any, Any]) -> Any:
    """Log of the integral over v, then u, given what people say of a group's waves: precision `a` and `pull`.

    Lists over waves of vectors (G,); `effects` are the variances of u and v. Over v remain B = I + var(v) A, the
    precision B⁻¹ A and the pull B⁻¹ pull; u lies along the ones. Elimination without pivots: B is the identity plus
    what is positive semi-definite.
    """
    unit, unit_time = effects
    waves = range(len(pull))
    b = [[unit_time * a[i][j] + float(i == j) for j in waves] for i in waves]
    level: list[Any] = [sum(row) for row in a]
    ones: list[Any] = [1.0 for _ in waves]
    determinant, squares, precision, shift = 1.0, 0.0, 0.0, 0.0
    for i in waves:
        for j in waves[i + 1 :]:
            share = b[i][j] / b[i][i]
            for k in waves[j:]:
                b[j][k] = b[j][k] - share * b[i][k]
            pull[j] = pull[j] - share * pull[i]
            ones[j] = ones[j] - share * ones[i]
            level[j] = level[j] - share * level[i]
        determinant = determinant * b[i][i]
        squares = squares + pull[i] ** 2 / b[i][i]
        precision = precision + ones[i] * level[i] / b[i][i]
        shift = shift + ones[i] * pull[i] / b[i][i]
    grown = 1 + unit * precision
    return 0.5 * (unit_time * squares + unit * shift**2 / grown - pt.log(determinant * grown)).sum()
