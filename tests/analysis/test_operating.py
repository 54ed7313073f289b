"""How the default rule behaves over many simulated trials, by the exact engine; the orientation of docs/methods.md."""

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest

from analysis.documents import FitRequest
from analysis.fit import fit

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


@pytest.mark.slow
@pytest.mark.parametrize(
    ("effect", "scale", "replace"),
    [(0.0, 0.01, 0.59), (0.1, 0.07, 0.30), (0.2, 0.24, 0.10), (0.3, 0.53, 0.02), (0.45, 0.89, 0.00)],
)
def test_operating_characteristics_of_the_default_rule(ask: Ask, effect: float, scale: float, replace: float) -> None:
    """Two arms of 60, r = 0.7, one look, grade A, primary measure only; four Monte-Carlo errors and rounding."""
    rng, trials = np.random.default_rng(20260101), 1000
    outcomes = Counter(
        fit(ask({"pairs": trial(rng, 60, 0.7, effect)}))["recommendation"]["outcome"] for _ in range(trials)
    )
    for share, expected in ((outcomes["scale"], scale), (outcomes["replace"], replace)):
        error = np.sqrt(max(expected, 0.01) * (1 - expected) / trials)
        assert share / trials == pytest.approx(expected, abs=4 * error + 0.005)


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
    start = time.perf_counter()
    for _ in range(5):
        fit(request)
    assert (time.perf_counter() - start) / 5 < 0.2
