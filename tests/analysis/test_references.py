"""Published numbers (docs/methods.md §7) that are not in the tests of a single front."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm

from analysis.conjugate import MeanPosterior
from analysis.documents import FitRequest
from analysis.errors import Refused
from analysis.fit import fit

Ask = Callable[..., FitRequest]

SLEEP = np.array([1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4])
"""Student (1908): extra hours of sleep, differences of two drugs in ten patients."""


def test_sleep_under_flat_priors() -> None:
    posterior = MeanPosterior(len(SLEEP), float(SLEEP.mean()), float(SLEEP.std(ddof=1)))
    assert posterior.mean == pytest.approx(1.58)
    assert posterior.quantile(0.025) == pytest.approx(0.700, abs=5e-4)
    assert posterior.quantile(0.975) == pytest.approx(2.460, abs=5e-4)
    assert posterior.above(0) == pytest.approx(0.99858, abs=5e-6)
    assert posterior.above(1) == pytest.approx(0.9149, abs=5e-5)


def test_the_conjugate_posterior_is_that_of_a_plain_grid() -> None:
    posterior = MeanPosterior(len(SLEEP), float(SLEEP.mean()), float(SLEEP.std(ddof=1)))
    mu, log_sigma = np.linspace(-15, 18, 6601), np.linspace(-3, 4, 500)
    squares = ((SLEEP[:, None] - mu) ** 2).sum(axis=0)
    density = np.exp(-10 * log_sigma - squares[:, None] / (2 * np.exp(2 * log_sigma))).sum(axis=1)
    density /= density.sum()
    assert (density * mu).sum() == pytest.approx(posterior.mean, abs=1e-3)
    assert np.sqrt((density * (mu - 1.58) ** 2).sum()) == pytest.approx(posterior.sd, rel=2e-3)
    assert density[mu > 1].sum() == pytest.approx(posterior.above(1), abs=1e-3)


@pytest.mark.parametrize(("n", "spread", "code"), [(3, 1.0, "too_few_people"), (9, 0.0, "no_variation")])
def test_flat_priors_are_refused_where_they_give_no_posterior(n: int, spread: float, code: str) -> None:
    with pytest.raises(Refused) as refused:
        MeanPosterior(n, 0.0, spread)
    assert refused.value.code == code


@pytest.mark.parametrize("engine", ["exact", pytest.param("nuts", marks=pytest.mark.slow)])
def test_sleep_as_changes_of_one_group(ask: Ask, engine: str) -> None:
    """With a flat effect and σ ~ HN(2 h) the design `paired` comes near Student's posterior.

    The reference SD is that of the hours slept, about 2 in both halves of the data.
    """
    change: dict[str, Any] = {"n": 10, "mean": 1.58, "sd": float(SLEEP.std(ddof=1))}
    answer = fit(
        ask(
            {"changes": [{"arm": "treated", **change}]},
            primary={"reference_sd": 1.9},
            design="paired",
            control=None,
            attrition=None,
            priors={"effect": "flat"},
            engine=engine,
        )
    )
    flat = MeanPosterior(n=10, mean=1.58, spread=change["sd"])
    raw = answer["effects"][0]["raw"]
    assert raw["mean"] == pytest.approx(1.58, abs=0.05 * flat.sd)
    assert raw["sd"] == pytest.approx(flat.sd, rel=0.08)
    assert raw["interval"]["low"] == pytest.approx(0.700, abs=0.1)
    assert raw["interval"]["high"] == pytest.approx(2.460, abs=0.1)
    assert answer["effects"][0]["unadjusted"]["p_benefit"] == pytest.approx(0.99858, abs=0.002)
    # In SDs of the hours slept the effect is 0.83; in SDs of the change it would be 1.29.
    assert answer["effects"][0]["sd"]["mean"] == pytest.approx(0.83, abs=0.01)
    assert answer["recommendation"]["outcome"] != "scale"


def clusters(units: int = 25, people: int = 20, unit_sd: float = 2.0, effect: float = 0.3) -> dict[str, Any]:
    """Units whose means vary exactly as √(unit SD² + 1/people), residual SD 1."""
    places = norm.ppf((np.arange(units) + 0.5) / units)
    places *= np.sqrt(unit_sd**2 + 1 / people) / places.std(ddof=1)
    return {
        "cells": [
            {"unit": f"{arm}{i}", "arm": arm, "wave": "post", "n": people, "mean": float(m) + shift, "sd": 1.0}
            for arm, shift in (("treated", effect), ("control", 0.0))
            for i, m in enumerate(places)
        ]
    }


@pytest.mark.parametrize("engine", ["exact", pytest.param("nuts", marks=pytest.mark.slow)])
def test_clusters_count_and_not_people(ask: Ask, engine: str) -> None:
    """25 + 25 units × 20, unit SD 2, residual SD 1: SE √(4.05 · 4/50) = .57, and not √(4/1000) = .06 or .14."""
    priors = {"effect": "flat", "unit_sd": {"scale": 2.0}}
    effect = fit(ask(clusters(), design="cluster", baseline=None, priors=priors, engine=engine))["effects"][0]
    assert effect["raw"]["mean"] == pytest.approx(0.3, abs=0.03)
    assert effect["raw"]["sd"] == pytest.approx(0.57, rel=0.05)
    assert effect["evidence"]["se_sd"] == pytest.approx(0.57, rel=0.05)


def test_clusters_far_from_their_prior_still_count(ask: Ask) -> None:
    """The default, units differing by about a quarter of the reference SD, holds a unit SD of 2 residual SDs down."""
    of_total = fit(ask(clusters(), primary={"reference_sd": np.sqrt(5)}, design="cluster", baseline=None))
    assert "prior_conflict" in {w["code"] for w in of_total["warnings"]}
    usual = fit(ask(clusters(unit_sd=0.3), design="cluster", baseline=None))
    assert "prior_conflict" not in {w["code"] for w in usual["warnings"]}
    assert of_total["effects"][0]["evidence"]["se_sd"] * np.sqrt(5) == pytest.approx(0.57, rel=0.1)
    of_residual = fit(ask(clusters(), design="cluster", baseline=None))["effects"][0]["evidence"]["se_sd"]
    assert 0.4 < of_residual < 0.57
