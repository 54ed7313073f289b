"""What leans on its prior is told, and priors that expect impossible values too."""

from typing import Any

import numpy as np
import pytest
from arviz_stats.base.array import BaseArray

from analysis.documents import FitRequest, NormalPrior
from analysis.fit import fit
from analysis.posterior import NormalMixture
from analysis.priors import FLAT, NO_BIAS, Run, normal
from analysis.sensitivity import power_scaling


@pytest.mark.parametrize(("mean", "sd"), [(0.57, 0.16), (0.1, 0.2), (0.4, 0.05), (1.5, 0.3)])
def test_power_scaling_is_that_of_weighted_draws(mean: float, sd: float) -> None:
    run = Run("run", normal(NormalPrior(mean=0, sd=0.5)), NO_BIAS)
    found = power_scaling(NormalMixture(np.array([1.0]), np.array([mean]), np.array([sd])), run)
    draws = np.random.default_rng(1).normal(mean, sd, 200_000)
    draws = draws[np.abs(draws - mean) < 3.5 * sd]
    log_prior = -0.5 * (draws / 0.5) ** 2
    weighted = BaseArray()._power_scale_sense(draws, np.exp(-0.01 * log_prior), np.exp(0.01 * log_prior), 0.99, 1.01)
    assert found == pytest.approx(weighted, rel=0.03)


def test_a_flat_prior_has_no_power_to_scale() -> None:
    posterior = NormalMixture(np.array([1.0]), np.array([0.3]), np.array([0.1]))
    assert power_scaling(posterior, Run("run", FLAT, NO_BIAS)) is None


def _request(n: int, shift: float, **measure: Any) -> FitRequest:
    def changes(arm: str, mean: float) -> dict[str, Any]:
        return {"arm": arm, "n": n, "mean": mean, "sd": 8.0}

    planned = {"measure": "m", "family": "normal", "direction": "higher_is_better", "reference_sd": 10.0, **measure}
    return FitRequest.model_validate(
        {
            "plan": {"design": "parallel", "control": "control", "randomised": True, "measures": [planned]},
            "data": {"m": {"changes": [changes("intervention", shift), changes("control", 0.0)]}},
            "engine": "exact",
            "seed": 1,
        }
    )


def test_few_people_lean_on_the_prior_and_many_do_not() -> None:
    few, many = fit(_request(12, 9.0)), fit(_request(4000, 9.0))
    assert few["effects"][0]["prior_sensitivity"] > 0.05 > many["effects"][0]["prior_sensitivity"]
    assert "prior_sensitive" in {w["code"] for w in few["warnings"]}
    assert "prior_sensitive" not in {w["code"] for w in many["warnings"]}


def test_a_reference_sd_too_large_for_the_scale_is_told() -> None:
    def cells(sd: float) -> dict[str, Any]:
        request = _request(40, 0.0, minimum=0.0, maximum=54.0, reference_sd=sd, reference_mean=27.0)
        data = [{"arm": a, "wave": "post", "n": 40, "mean": 27.0, "sd": 10.0} for a in ("intervention", "control")]
        return fit(
            FitRequest.model_validate({**request.model_dump(exclude_unset=True), "data": {"m": {"cells": data}}})
        )

    fits, wide = cells(10.0), cells(40.0)
    assert fits["effects"][0]["prior_predictive_outside"] < 0.25 < wide["effects"][0]["prior_predictive_outside"]
    assert "prior_predictive_wide" in {w["code"] for w in wide["warnings"]}
