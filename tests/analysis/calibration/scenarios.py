"""Simulated pilots whose every parameter is drawn from its own prior: one scenario a model that a design ends in."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from analysis.designs import prepare
from analysis.designs.binary_inputs import PairedProportions, UnitProportions
from analysis.designs.inputs import Inputs, TwoProportions
from analysis.designs.prepared import Question
from analysis.designs.series_inputs import Series, SeriesCounts
from analysis.documents import Design, Family, MeasureData, Plan

Array = NDArray[np.float64]
Truth = dict[str, Any]
"""Parameters by the names of the draws: delta, total, sigma (2,), unit_sd, unit_time_sd, r, log_odds_ratio.

Of a series: delta, total, sigma, phi."""
CENTRE, SPREAD = 50.0, 10.0


@dataclass(frozen=True)
class Pilot:
    """Inputs of a model and the parameters that made them."""

    inputs: Inputs
    truth: Truth


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
                    "reference_sd": SPREAD,
                    "reference_mean": CENTRE,
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


def two_arms(design: Design, units: tuple[int, int] | None, people: int) -> Callable[..., Pilot]:
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
        return Pilot(prepare(question(design, Family.NORMAL, rows_of(values, sign), sign)).inputs, truth)

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
    "its × duration × series": months(Family.DURATION, 24, 12, control=True),
    "its × count × series_counts": months(Family.COUNT, 24, 12, control=False),
}
"""By design × family × model."""
