"""How the default rule behaves over many simulated trials, by the exact engine; the orientation of docs/methods.md."""

from collections.abc import Callable

import numpy as np
import pytest

from analysis.documents import FitRequest
from analysis.fit import fit
from analysis.operating import simulate
from analysis.scenario import SimulateRequest

Ask = Callable[..., FitRequest]


def trial(rng: np.random.Generator, n: int, r: float, effect: float) -> list[dict[str, object]]:
    pairs = []
    for arm, shift in (("treated", effect), ("control", 0.0)):
        first = rng.normal(size=n)
        second = r * first + np.sqrt(1 - r**2) * rng.normal(size=n) + shift
        pairs.append(
            {
                "arm": arm,
                "n": n,
                "mean": [first.mean(), second.mean()],
                "sd": [first.std(ddof=1), second.std(ddof=1)],
                "r": np.corrcoef(first, second)[0, 1],
            }
        )
    return pairs


ORIENTATION = {0.0: (0.01, 0.59), 0.1: (0.07, 0.30), 0.2: (0.24, 0.10), 0.3: (0.53, 0.02), 0.45: (0.89, 0.00)}
"""Shares of `scale` and `replace` by true effect, as docs/methods.md states them."""


@pytest.mark.slow
def test_operating_characteristics_of_the_default_rule(ask: Ask) -> None:
    """Two arms of 60, r = 0.7, one look, grade A, primary measure only; four Monte-Carlo errors and rounding."""
    plan = ask().plan.model_copy(update={"attrition": None})
    answer = simulate(SimulateRequest(plan=plan, people={"treated": 60, "control": 60}, pilots=1000, seed=20260101))
    assert [row["effect"] for row in answer["operating_characteristics"]] == list(ORIENTATION)
    for row in answer["operating_characteristics"]:
        for name, expected in zip(("scale", "replace"), ORIENTATION[row["effect"]], strict=True):
            error = np.sqrt(max(expected, 0.01) * (1 - expected) / 1000)
            assert row[name]["share"] == pytest.approx(expected, abs=4 * error + 0.005)
    at_mmd = answer["operating_characteristics"][2]["scale"]["share"]
    assert at_mmd == pytest.approx(0.25, abs=0.06)
    assert f"is scaled {100 * at_mmd:.0f} % of the time" in answer["says"]


@pytest.mark.slow
def test_the_worst_quarter_enrolled_and_no_effect_rarely_scales_with_a_randomised_control(ask: Ask) -> None:
    """Regression to the mean moves both arms alike: randomisation takes it out."""
    rng, scaled = np.random.default_rng(7), 0
    for _ in range(300):
        first = np.sort(rng.normal(size=480))[:120]
        second = 0.7 * first + np.sqrt(1 - 0.49) * rng.normal(size=120)
        treated = rng.permutation(120) < 60
        pairs = [
            {
                "arm": arm,
                "n": 60,
                "mean": [first[who].mean(), second[who].mean()],
                "sd": [first[who].std(ddof=1), second[who].std(ddof=1)],
                "r": np.corrcoef(first[who], second[who])[0, 1],
            }
            for arm, who in (("treated", treated), ("control", ~treated))
        ]
        scaled += fit(ask({"pairs": pairs}))["recommendation"]["outcome"] == "scale"
    assert scaled / 300 <= 0.05


@pytest.mark.slow
def test_the_worst_quarter_enrolled_and_no_control_is_never_scaled(ask: Ask) -> None:
    """The apparent effect of nothing at all is 0.38 SD; without a control no result may be scaled."""
    rng, apparent, outcomes = np.random.default_rng(8), [], []
    for _ in range(100):
        first = np.sort(rng.normal(size=480))[:120]
        second = 0.7 * first + np.sqrt(1 - 0.49) * rng.normal(size=120)
        pair = {
            "arm": "treated",
            "n": 120,
            "mean": [first.mean(), second.mean()],
            "sd": [first.std(ddof=1), second.std(ddof=1)],
            "r": np.corrcoef(first, second)[0, 1],
        }
        answer = fit(ask({"pairs": [pair]}, design="paired", control=None, randomised=False, attrition=None))
        apparent.append(answer["effects"][0]["sd"]["mean"])
        outcomes.append(answer["recommendation"]["outcome"])
    assert np.mean(apparent) == pytest.approx(0.38, abs=0.04)
    assert "scale" not in outcomes


@pytest.mark.slow
def test_intervals_cover_the_truth_as_often_as_they_say(ask: Ask) -> None:
    """Flat-prior 95 % intervals over 1,000 trials with slopes and spreads of their own."""
    rng, covered, trials = np.random.default_rng(11), 0, 1000
    for _ in range(trials):
        effect, r = rng.normal(0, 0.5), rng.uniform(0.3, 0.9)
        flat = {"effect": "flat", "slope": "flat", "sigma": {"scale": 10}}
        interval = fit(ask({"pairs": trial(rng, 25, r, effect)}, priors=flat))["effects"][0]["sd"]["interval"]
        covered += interval["low"] <= effect <= interval["high"]
    assert covered / trials == pytest.approx(0.95, abs=3 * np.sqrt(0.95 * 0.05 / trials))


def test_an_exact_fit_takes_milliseconds(ask: Ask) -> None:
    import time  # noqa: PLC0415

    request = ask({"pairs": trial(np.random.default_rng(1), 60, 0.7, 0.3)})
    fit(request)
    start = time.process_time()
    for _ in range(10):
        fit(request)
    assert (time.process_time() - start) / 10 < 0.06
