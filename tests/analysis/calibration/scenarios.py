"""Simulated pilots whose every parameter is drawn from its own prior: one scenario a model that a design ends in."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from analysis.designs import prepare
from analysis.designs.binary_inputs import KAPPA_LOGIT, PairedProportions, UnitProportions
from analysis.designs.count_inputs import KAPPA_LOG, LEAST, UnitCounts
from analysis.designs.inputs import Inputs, TwoProportions
from analysis.designs.ordinal_inputs import PairedOrdinal, UnitOrdinal
from analysis.designs.prepared import Question
from analysis.designs.series_inputs import Series, SeriesCounts
from analysis.designs.share_inputs import Shares
from analysis.documents import Design, Family, MeasureData, Plan

Array = NDArray[np.float64]
Truth = dict[str, Any]
"""Parameters by the names of the draws: delta, total, sigma (2,), unit_sd, unit_time_sd, r, dispersion and so on.

Of a series: delta, total, sigma, phi."""
CENTRE, SPREAD = 50.0, 10.0


@dataclass(frozen=True)
class Pilot:
    """Inputs of a model and the parameters that made them."""

    inputs: Inputs
    truth: Truth


ON_LOGS = (Family.COUNT, Family.DURATION)
"""Families whose SD unit is κ."""


def question(design: Design, family: Family, data: dict[str, Any], sign: int = 1, waves: int = 2) -> Question:
    one = design in (Design.PAIRED, Design.CROSS_SECTION)
    keys = names(waves)
    plan = Plan.model_validate(
        {
            "design": design,
            "treated": "t",
            "control": None if one else "c",
            "followup": "post",
            "randomised": True,
            "waves": [{"key": k, "kind": "followup" if k == "post" else "baseline"} for k in keys],
            "measures": [
                {
                    "measure": "m",
                    "family": family,
                    "direction": "higher_is_better" if sign > 0 else "lower_is_better",
                    **({} if family in ON_LOGS else {"reference_sd": SPREAD}),
                    "reference_mean": 1.0 if family in ON_LOGS else CENTRE,
                }
            ],
        }
    ).expanded()
    return Question(plan, plan.measures[0], MeasureData.model_validate(data), plan.followup)


def names(waves: int) -> list[str]:
    return [*(f"pre{i}" for i in range(waves - 2)), "pre", "post"]


def parameters(rng: np.random.Generator, delta: float, bias: float, r_low: float = 0.0) -> Truth:
    """The nuisances from their priors (docs/methods.md §2)."""
    return {
        "delta": delta,
        "total": delta + bias,
        "sigma": np.abs(rng.normal(0, 1, 2)),
        "unit_sd": abs(rng.normal(0, 0.25)),
        "unit_time_sd": abs(rng.normal(0, 0.10)),
        "r": rng.uniform(r_low, 1),
    }


# --- normal outcomes ----------------------------------------------------------------------------------------------


def rows_of(values: list[tuple[str, int, str, int, float]], sign: int, *, linked: bool = True) -> dict[str, Any]:
    """(arm, unit, wave, person, value in SD units, oriented) as rows of the measure."""
    return {
        "rows": [
            {
                "arm": arm,
                **({} if unit < 0 else {"unit": f"u{unit}"}),
                "wave": wave,
                **({"participant": f"p{person}"} if linked else {}),
                "value": float(CENTRE + sign * SPREAD * y),
            }
            for arm, unit, wave, person, y in values
        ]
    }


def two_arms(
    design: Design, units: tuple[int, int] | None, people: int, family: Family = Family.NORMAL
) -> Callable[..., Pilot]:
    """Linked people: y2 given y1. `units` of control and treated; in `parallel` every unit has people of both."""

    def simulate(rng: np.random.Generator, delta: float, bias: float) -> Pilot:
        truth = parameters(rng, delta, bias)
        alpha, slopes, sign = rng.normal(), rng.normal(0.5, 0.5, 2), int(rng.choice([-1, 1]))
        nested = design is Design.CLUSTER
        people_of: list[tuple[int, int]] = []
        for arm in (0, 1):
            count = units[arm] if units else 1
            for k in range(count):
                unit = (k + (units[0] * arm if nested and units else 0)) if units else -1
                people_of += [(arm, unit)] * (people + k)
        arm, unit = np.array(people_of).T
        level = rng.normal(0, 0.3, unit.max() + 2)
        y1 = level[unit] + rng.normal(0, 1, len(arm))
        mean1 = np.array([y1[unit == u].mean() for u in unit])
        if nested:
            expected = slopes[0] * (y1 - mean1) + slopes[1] * (mean1 - y1.mean())
        else:
            expected = slopes[0] * (y1 - y1.mean())
        u = truth["unit_sd"] * rng.normal(size=unit.max() + 2) if units else np.zeros(2)
        y2 = alpha + expected + truth["total"] * arm + u[unit] + truth["sigma"][arm] * rng.normal(size=len(arm))
        values = [
            ("ct"[arm[i]], int(unit[i]), wave, i, y[i])
            for wave, y in (("pre", y1), ("post", y2))
            for i in range(len(arm))
        ]
        data = rows_of(values, sign)
        if family is Family.DURATION:
            for row in data["rows"]:
                row["value"] = float(np.exp(KAPPA_LOG * (row["value"] - CENTRE) / SPREAD))
        return Pilot(prepare(question(design, family, data, sign)).inputs, truth)

    return simulate


def over_waves(
    design: Design, units: tuple[int, int], people: int, waves: int, *, linked: bool, missing: float
) -> Callable[..., Pilot]:
    """People over waves: person, unit and unit × wave effects; some values missing at random."""
    one = units[0] == 0

    def simulate(rng: np.random.Generator, delta: float, bias: float) -> Pilot:
        truth = parameters(rng, delta, bias, r_low=-1.0 if one else 0.0)
        alpha, later, sign = rng.normal(size=2), np.append(0.0, rng.normal(size=waves - 1)), int(rng.choice([-1, 1]))
        values, person, unit = [], 0, 0
        for arm in (0, 1):
            for _ in range(units[arm]):
                unit += 1
                level, moves = truth["unit_sd"] * rng.normal(), truth["unit_time_sd"] * rng.normal(size=waves)
                for _ in range(people):
                    person += 1
                    seen = rng.random(waves) > missing
                    correlation = np.eye(waves) + truth["r"] * linked * (1 - np.eye(waves))
                    own = np.linalg.cholesky(correlation) @ rng.normal(size=waves)
                    for w in np.flatnonzero(seen):
                        last = w == waves - 1
                        sigma = truth["sigma"][int(last) if one else arm]
                        y = alpha[arm] + (0.0 if one else later[w]) + truth["total"] * (arm * last)
                        values.append(("ct"[arm], unit, names(waves)[w], person, y + level + moves[w] + sigma * own[w]))
        data = rows_of(values, sign, linked=linked)
        return Pilot(prepare(question(design, Family.NORMAL, data, sign, waves)).inputs, truth)

    return simulate


# --- binary outcomes ----------------------------------------------------------------------------------------------


def counts(design: Design, units: tuple[int, int], people: int, waves: int) -> Callable[..., Pilot]:
    """Cells of units; sizes and baselines come first, then events as the model has them."""

    def simulate(rng: np.random.Generator, delta: float, bias: float) -> Pilot:
        truth = {k: v for k, v in parameters(rng, delta, bias).items() if k not in ("sigma", "r")}
        entries = [
            {
                "arm": "ct"[arm],
                **({} if units == (1, 1) else {"unit": f"{'ct'[arm]}{k}"}),
                "wave": wave,
                "x": int(rng.binomial(people, 0.3 + 0.4 * rng.random())),
                "n": people,
            }
            for arm in (0, 1)
            for k in range(units[arm])
            for wave in names(waves)
        ]
        sign = int(rng.choice([-1, 1]))
        inputs = prepare(question(design, Family.BINARY, {"counts": entries}, sign, waves)).inputs
        if isinstance(inputs, TwoProportions):
            eta = rng.normal(0, 1.5) + inputs.kappa * truth["total"] * np.array([-0.5, 0.5])
            kept = {"delta": delta, "total": truth["total"]}
            return Pilot(replace(inputs, x=rng.binomial(inputs.n.astype(int), expit(eta)).astype(float)), kept)
        assert isinstance(inputs, UnitProportions)
        mean, precision = inputs.prior.T
        theta = mean + rng.normal(size=len(mean)) / np.sqrt(np.where(precision > 0, precision, 1.0))
        eta = inputs.columns @ theta + inputs.kappa * truth["total"] * inputs.exposure
        size = abs(inputs.kappa)
        eta = eta + size * inputs.unit * truth["unit_sd"] * rng.normal(size=(len(eta), 1))
        eta = eta + size * inputs.unit_time * truth["unit_time_sd"] * rng.normal(size=eta.shape)
        x = rng.binomial(inputs.n.astype(int), expit(eta)).astype(float)
        return Pilot(replace(inputs, x=x), truth)

    return simulate


def stepped_wedge(family: Family, units: int, people: int, waves: int) -> Callable[..., Pilot]:
    """Units that cross over at the second, third, … wave in turn; the effect walks with the time since start."""

    def simulate(rng: np.random.Generator, delta: float, bias: float) -> Pilot:
        truth = parameters(rng, delta, bias)
        truth["step_sd"], sign = abs(rng.normal(0, 0.15)), int(rng.choice([-1, 1]))
        binary = family is Family.BINARY
        level = rng.normal(0, 1.5 if binary else 1) / (KAPPA_LOGIT if binary else 1)
        # Any two periods differ by N(0, 1), or N(0, 1.5) of logits: those of half the variance, about their mean.
        periods = rng.normal(0, np.sqrt(0.5), waves) * (1.5 / KAPPA_LOGIT if binary else 1)
        longest = waves - 1
        later = np.append(0.0, truth["step_sd"] * np.cumsum(rng.normal(size=longest - 1)))
        later += truth["total"] - later.mean()
        entries: list[dict[str, Any]] = []
        for g in range(units):
            start, u = 1 + g % longest, truth["unit_sd"] * rng.normal()
            for t in range(waves):
                y = (
                    level
                    - truth["total"] / 2
                    + (periods - periods.mean())[t]
                    + u
                    + truth["unit_time_sd"] * rng.normal()
                )
                y += later[t - start] if t >= start else 0.0
                cell = {"arm": "ct"[t >= start], "unit": f"u{g}", "wave": names(waves)[t], "n": people}
                if binary:
                    entries.append({**cell, "x": int(rng.binomial(people, expit(sign * KAPPA_LOGIT * y)))})
                    continue
                values = CENTRE + sign * SPREAD * (y + truth["sigma"][int(t >= start)] * rng.normal(size=people))
                entries.append({**cell, "mean": float(values.mean()), "sd": float(values.std(ddof=1))})
        data = {"counts" if binary else "cells": entries}
        truth = {k: v for k, v in truth.items() if k != "r" and not (binary and k == "sigma")}
        return Pilot(prepare(question(Design.STEPPED_WEDGE, family, data, sign, waves)).inputs, truth)

    return simulate


def linked_binary(people: int) -> Callable[..., Pilot]:
    """The same people before and after: a bivariate distribution with the margins of the model and an odds ratio."""

    def simulate(rng: np.random.Generator, delta: float, bias: float) -> Pilot:
        total, centre, association = delta + bias, rng.normal(0, 1.5), rng.normal(2.0, 1.0)
        rows = [
            {"arm": "t", "wave": wave, "participant": f"p{i}", "value": float(rng.random() < 0.5)}
            for i in range(people)
            for wave in ("pre", "post")
            if wave == "pre" or i % 5
        ]
        rows += [{"arm": "t", "wave": "post", "participant": f"q{i}", "value": float(i % 2)} for i in range(6)]
        sign = int(rng.choice([-1, 1]))
        inputs = prepare(question(Design.PAIRED, Family.BINARY, {"rows": rows}, sign)).inputs
        assert isinstance(inputs, PairedProportions)
        p, q = expit(centre + inputs.kappa * total * np.array([-0.5, 0.5]))
        both = joint(p, q, np.exp(association))
        cells = np.array([[1 - p - q + both, q - both], [p - both, both]])
        table = rng.multinomial(int(inputs.table.sum()), (cells / cells.sum()).ravel()).reshape(2, 2)
        once = rng.binomial(inputs.once_n.astype(int), [p, q])
        truth = {"delta": delta, "total": total, "log_odds_ratio": association}
        return Pilot(replace(inputs, table=table.astype(float), once_x=once.astype(float)), truth)

    return simulate


def joint(p: float, q: float, odds: float) -> float:
    """P(both) with margins p and q and an odds ratio, by bisection of its definition."""
    low, high = max(0.0, p + q - 1), min(p, q)
    for _ in range(200):
        both = (low + high) / 2
        ratio = both * (1 - p - q + both) - odds * (p - both) * (q - both)
        low, high = (both, high) if ratio < 0 else (low, both)
    return (low + high) / 2


# --- counts and shares --------------------------------------------------------------------------------------------


def negative_binomial(rng: np.random.Generator, mean: Array, dispersion: float) -> Array:
    phi = 1 / (dispersion**2 + LEAST**2)
    return rng.poisson(np.minimum(rng.gamma(phi, mean / phi), 1e12)).astype(float)


def events(design: Design, units: tuple[int, int], people: int, waves: int) -> Callable[..., Pilot]:
    """Counts of people in units; sizes and baselines come first, then events as the model has them."""

    def simulate(rng: np.random.Generator, delta: float, bias: float) -> Pilot:
        truth = {k: v for k, v in parameters(rng, delta, bias).items() if k not in ("sigma", "r")}
        truth["dispersion"] = abs(rng.normal())
        rows = [
            {
                "arm": "ct"[arm],
                **({} if units == (1, 1) else {"unit": f"{'ct'[arm]}{k}"}),
                "wave": wave,
                "value": float(1 + rng.poisson(4)),
            }
            for arm in (0, 1)
            for k in range(units[arm])
            for wave in names(waves)
            for _ in range(people)
        ]
        sign = int(rng.choice([-1, 1]))
        inputs = prepare(question(design, Family.COUNT, {"rows": rows}, sign, waves)).inputs
        assert isinstance(inputs, UnitCounts)
        mean, precision = inputs.prior.T
        theta = mean + rng.normal(size=len(mean)) / np.sqrt(np.where(precision > 0, precision, 1.0))
        eta = inputs.columns @ theta + inputs.kappa * truth["total"] * inputs.exposure
        size = abs(inputs.kappa)
        eta = eta + size * inputs.unit * truth["unit_sd"] * rng.normal(size=(len(eta), 1))
        eta = eta + size * inputs.unit_time * truth["unit_time_sd"] * rng.normal(size=eta.shape)
        # What the intercept is about is taken as known, as the rate of everybody is in an analysis.
        records = np.repeat((inputs.expected * np.exp(eta))[..., None], people, axis=-1)
        drawn = negative_binomial(rng, records, truth["dispersion"]) * (inputs.records[..., None] > 0)
        counted = drawn[inputs.records > 0].ravel()
        kinds = np.stack(np.unique(counted, return_counts=True), axis=-1).astype(float)
        new = replace(inputs, events=drawn.sum(axis=-1), squares=(drawn**2).sum(axis=-1), kinds=kinds)
        return Pilot(new, truth)

    return simulate


# --- months -------------------------------------------------------------------------------------------------------


def months(family: Family, before: int, after: int, *, control: bool, events: int = 12) -> Callable[..., Pilot]:
    """A series (and its control) lays out the columns; then values come as the model has them."""

    def simulate(rng: np.random.Generator, delta: float, bias: float) -> Pilot:
        sign, total = int(rng.choice([-1, 1])), delta + bias
        points = [
            {"arm": arm, "t": t, "value": float(v) if family is Family.DURATION else round(events * float(v))}
            for arm in ("t", "c")[: 1 + control]
            for t, v in zip(range(-before, after), np.exp(0.2 * rng.normal(size=before + after)), strict=True)
        ]
        asked = question(Design.ITS, family, {"series": points}, sign)
        plan = {"control": "c" if control else None, "phase_in_months": 2.0}
        measure = asked.measure.model_copy(update={"reference_sd": None})
        inputs = prepare(replace(asked, plan=asked.plan.model_copy(update=plan), measure=measure)).inputs
        assert isinstance(inputs, Series | SeriesCounts)
        layout, sigma, phi = inputs.months, abs(rng.normal()), rng.normal(0.3, 0.3)
        while abs(phi) >= 1:
            phi = rng.normal(0.3, 0.3)
        mean, precision = layout.prior.T
        theta = np.append(mean + rng.normal(size=len(mean)) / np.sqrt(precision), total)
        own = rng.normal(size=len(layout.gaps))
        for i in range(1, len(own)):
            rho = phi ** layout.gaps[i]
            own[i] = rho * own[i - 1] + np.sqrt(1 - rho**2) * own[i]
        y = layout.columns @ theta + sigma * own
        truth = {"delta": delta, "total": total, "sigma": sigma, "phi": phi}
        if isinstance(inputs, Series):
            return Pilot(replace(inputs, y=y), truth)
        counted = rng.poisson(np.exp(inputs.offset + inputs.scale * y)).astype(float)
        return Pilot(replace(inputs, events=counted), truth)

    return simulate


def shares_of(records: int, trials: int) -> Callable[..., Pilot]:
    """Records of two arms, beta-binomial."""

    def simulate(rng: np.random.Generator, delta: float, bias: float) -> Pilot:
        total, eta, dispersion = delta + bias, rng.normal(0, 1.5), abs(rng.normal())
        sign = int(rng.choice([-1, 1]))
        phi = 1 / (dispersion**2 + LEAST**2)
        entries = []
        for arm in (0, 1):
            p = expit(eta + sign * KAPPA_LOGIT * total * (arm - 0.5))
            own = rng.beta(phi * p, phi * (1 - p), records)
            entries += [
                {"arm": "ct"[arm], "unit": f"{'ct'[arm]}{i}", "wave": "post", "x": int(x), "n": trials}
                for i, x in enumerate(rng.binomial(trials, own))
            ]
        inputs = prepare(question(Design.PARALLEL, Family.SHARE, {"counts": entries}, sign)).inputs
        assert isinstance(inputs, Shares)
        truth = {"delta": delta, "total": total, "dispersion": dispersion}
        # Where an arm is all at one end nothing shows how records vary, and the model of record is binomial. Whether
        # that is so hangs on the data; as elsewhere here, the model is what the parameters were drawn for.
        return Pilot(replace(inputs, dispersed=1.0), truth)

    return simulate


# --- ordered categories -------------------------------------------------------------------------------------------


def categories(design: Design, units: tuple[int, int], people: int, count: int) -> Callable[..., Pilot]:
    """Cells of units; sizes and baselines come first, then answers as the model has them."""

    def simulate(rng: np.random.Generator, delta: float, bias: float) -> Pilot:
        truth = {k: v for k, v in parameters(rng, delta, bias).items() if k not in ("sigma", "r")}
        entries = [
            {
                "arm": "ct"[arm],
                **({} if units == (1, 1) else {"unit": f"{'ct'[arm]}{k}"}),
                "wave": wave,
                "counts": rng.multinomial(people, rng.dirichlet(np.full(count, 3.0))).tolist(),
            }
            for arm in (0, 1)
            for k in range(units[arm])
            for wave in names(2)
        ]
        sign = int(rng.choice([-1, 1]))
        inputs = prepare(question(design, Family.ORDINAL, {"categories": entries}, sign)).inputs
        assert isinstance(inputs, UnitOrdinal)
        cuts = uniform_cuts(rng, count)
        truth |= {f"cut_{i}": cut for i, cut in enumerate(cuts)}
        mean, precision = inputs.slope_prior
        eta = rng.normal(mean, precision**-0.5) * inputs.baseline + inputs.kappa * truth["total"] * inputs.exposure
        size = abs(inputs.kappa)
        eta = eta + size * inputs.unit * truth["unit_sd"] * rng.normal(size=(len(eta), 1))
        eta = eta + size * inputs.unit_time * truth["unit_time_sd"] * rng.normal(size=eta.shape)
        answered = [
            [rng.multinomial(int(n), category_shares(at, cuts)) for n, at in zip(*row, strict=True)]
            for row in zip(inputs.n, eta, strict=True)
        ]
        return Pilot(replace(inputs, counts=np.array(answered, dtype=float)), truth)

    return simulate


def linked_categories(people: int, count: int) -> Callable[..., Pilot]:
    """The same people before and after: margins of the model, one odds ratio at every pair of cut-points."""

    def simulate(rng: np.random.Generator, delta: float, bias: float) -> Pilot:
        total, association, cuts = delta + bias, rng.normal(2.0, 1.0), uniform_cuts(rng, count)
        kappa = float(rng.choice([-1, 1])) * np.pi / np.sqrt(3)
        before, after = (np.array([1.0, *expit(s * kappa * total - cuts), 0.0]) for s in (-0.5, 0.5))
        above = np.zeros((count + 1, count + 1))
        above[0], above[:, 0] = after, before
        for i in range(1, count):
            for j in range(1, count):
                above[i, j] = joint(before[i], after[j], np.exp(association))
        cells = np.maximum(np.diff(np.diff(above, axis=0), axis=1), 0.0)
        table = rng.multinomial(people, (cells / cells.sum()).ravel()).reshape(count, count)
        once = [rng.multinomial(8, -np.diff(margin)) for margin in (before, after)]
        inputs = PairedOrdinal(table.astype(float), np.array(once, dtype=float), np.arange(1.0, count + 1), kappa)
        truth = {"delta": delta, "total": total, "log_odds_ratio": association}
        return Pilot(inputs, truth | {f"cut_{i}": cut for i, cut in enumerate(cuts)})

    return simulate


def uniform_cuts(rng: np.random.Generator, count: int) -> Array:
    """Cut-points whose shares at η = 0 are drawn from Dirichlet(1, …, 1)."""
    below = np.cumsum(rng.dirichlet(np.ones(count)))[:-1]
    return np.asarray(np.log(below / (1 - below)))


def category_shares(eta: float, cuts: Array) -> Array:
    """Probabilities of the categories."""
    return np.asarray(-np.diff([1.0, *expit(eta - cuts), 0.0]))


SCENARIOS: Final[Mapping[str, Callable[..., Pilot]]] = {
    "parallel × normal × ancova": two_arms(Design.PARALLEL, None, 15),
    "parallel × normal × ancova_units": two_arms(Design.PARALLEL, (4, 4), 4),
    "cluster × normal × ancova_units": two_arms(Design.CLUSTER, (4, 4), 6),
    "paired × normal × waves": over_waves(Design.PAIRED, (0, 3), 8, 2, linked=True, missing=0.2),
    "cross_section × normal × waves": over_waves(Design.CROSS_SECTION, (0, 4), 8, 2, linked=False, missing=0.1),
    "did × normal × waves": over_waves(Design.DID, (3, 3), 6, 3, linked=True, missing=0.2),
    "parallel × binary × two_proportions": counts(Design.PARALLEL, (1, 1), 40, 2),
    "cluster × binary × unit_proportions": counts(Design.CLUSTER, (4, 4), 15, 2),
    "paired × binary × paired_proportions": linked_binary(50),
    "cross_section × binary × unit_proportions": counts(Design.CROSS_SECTION, (0, 4), 15, 2),
    "did × binary × unit_proportions": counts(Design.DID, (3, 3), 15, 2),
    "stepped_wedge × normal × wedge_means": stepped_wedge(Family.NORMAL, 6, 8, 4),
    "stepped_wedge × binary × wedge_proportions": stepped_wedge(Family.BINARY, 6, 15, 4),
    "parallel × count × unit_counts": events(Design.PARALLEL, (1, 1), 25, 1),
    "cluster × count × unit_counts": events(Design.CLUSTER, (4, 4), 8, 2),
    "cross_section × count × unit_counts": events(Design.CROSS_SECTION, (0, 4), 8, 2),
    "did × count × unit_counts": events(Design.DID, (3, 3), 8, 2),
    "parallel × duration × ancova": two_arms(Design.PARALLEL, None, 15, Family.DURATION),
    "parallel × share × share": shares_of(10, 20),
    "parallel × ordinal × unit_ordinal": categories(Design.PARALLEL, (1, 1), 40, 5),
    "cluster × ordinal × unit_ordinal": categories(Design.CLUSTER, (4, 4), 15, 4),
    "cross_section × ordinal × unit_ordinal": categories(Design.CROSS_SECTION, (0, 4), 15, 4),
    "paired × ordinal × paired_ordinal": linked_categories(50, 4),
    "its × duration × series": months(Family.DURATION, 24, 12, control=True),
    "its × count × series_counts": months(Family.COUNT, 24, 12, control=False),
}
"""By design × family × model."""
