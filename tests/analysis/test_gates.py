"""Gates find what they are for, and a failed one reaches the recommendation."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from analysis import gates
from analysis.designs.inputs import Ancova, AncovaUnknownR, TwoMeans, TwoProportions
from analysis.documents import FitRequest
from analysis.fit import fit
from analysis.posterior import NormalMixture, Sampled
from analysis.predictive import checks
from analysis.sampling import Draws

Array = NDArray[np.float64]
RNG = np.random.default_rng(5)
GOOD = {"delta": RNG.normal(size=(4, 1000)), "sigma": RNG.normal(size=(4, 1000, 2))}
ENERGY = RNG.normal(size=(4, 1000))


def test_independent_draws_pass() -> None:
    readings = gates.sampler_readings(GOOD, 0, ENERGY)
    assert all(gates.Reading(name, value, "m", "r").passed for name, value in readings.items())
    assert readings["ess_bulk"] > 2000


@pytest.mark.parametrize("gate", ["rhat", "ess_bulk", "ess_tail", "e_bfmi", "divergences"])
def test_each_gate_fails_on_what_it_is_for(gate: str) -> None:
    values, energy, divergences = dict(GOOD), ENERGY, 0
    walk = np.cumsum(RNG.normal(size=(4, 1000)), axis=1)
    if gate == "rhat":
        values["delta"] = GOOD["delta"] + np.arange(4)[:, None]
    elif gate in ("ess_bulk", "ess_tail"):
        values["sigma"] = np.stack([GOOD["delta"], walk], axis=-1)
    elif gate == "e_bfmi":
        energy = walk
    else:
        divergences = 1
    reading = gates.Reading(gate, gates.sampler_readings(values, divergences, energy)[gate], "m", "r")
    assert not reading.passed


def test_the_report_shows_the_worst_and_nan_never_passes() -> None:
    lines = gates.report(
        [
            gates.Reading("rhat", 1.001, "a", "x"),
            gates.Reading("rhat", float("nan"), "b", "y"),
            gates.Reading("ess_bulk", 900.0, "a", "x"),
            gates.Reading("ess_bulk", 300.0, "b", "y"),
        ]
    )
    by_name = {line["name"]: line for line in lines}
    assert [line["name"] for line in lines] == list(gates.ORDER)
    assert (by_name["rhat"]["value"], by_name["rhat"]["passed"], by_name["rhat"]["measure"]) == (None, False, "b")
    assert (by_name["ess_bulk"]["value"], by_name["ess_bulk"]["passed"]) == (300.0, False)
    assert by_name["e_bfmi"]["passed"] is None
    assert "not applicable" in str(by_name["e_bfmi"]["note"])


@pytest.mark.parametrize(
    ("shift", "stretch", "failed"), [(0.0, 1.0, set()), (0.2, 1.0, {"agreement_mean"}), (0.0, 1.2, {"agreement_sd"})]
)
def test_agreement_is_read_off_the_bare_draws(shift: float, stretch: float, failed: set[str]) -> None:
    exact = NormalMixture(np.ones(1), np.zeros(1), np.ones(1))
    draws = GOOD["delta"] * stretch + shift
    ones = np.ones((1, *draws.shape))
    readings = gates.agreement_readings(Sampled(draws, ones, 0 * ones, ones), exact, (0.0, 0.2))
    assert {n for n, v in readings.items() if not gates.Reading(n, v, "m", "r").passed} == failed


def test_agreement_of_probabilities() -> None:
    exact = NormalMixture(np.ones(1), np.zeros(1), np.ones(1))
    ones = np.ones((1, *GOOD["delta"].shape))
    readings = gates.agreement_readings(Sampled(GOOD["delta"], ones, 0.1 * ones, ones), exact, (0.0,))
    assert readings["agreement_probability"] == pytest.approx(0.0398, abs=1e-3)


@pytest.mark.parametrize("off", [0.0, 3.0])
def test_predictive_check_of_each_model(off: float) -> None:
    """Draws at the data pass; draws `off` residual SDs away, or of another spread, do not."""
    n, two = np.array([50.0, 50.0]), np.ones(2)
    flat = np.zeros((4, 100))
    sigma = np.full((4, 100, 2), 1.0)
    draws = {"alpha": flat + off, "total": flat, "sigma": sigma, "beta": flat + 0.5, "r": flat + 0.5, "eta": flat + off}
    cases = (
        TwoMeans(n, np.zeros(2), 49 * two, 1.0),
        Ancova(n, np.zeros(2), np.zeros(2), 49 * two, 24.5 * two, 61.25 * two, 0.5, 4.0, 1.0),
        AncovaUnknownR(n, np.zeros(2), np.zeros(2), 49 * two, 1.0, 1.0),
        TwoProportions(n / 2, n, 1.8),
    )
    for inputs in cases:
        passed = gates.Reading("predictive", gates.predictive_reading(checks(inputs, draws)), "m", "r").passed
        assert passed == (off == 0.0), inputs.structure
    wide = {**draws, "sigma": 3 * sigma}
    for inputs in cases[:3]:
        assert not gates.Reading("predictive", gates.predictive_reading(checks(inputs, wide)), "m", "r").passed


def diverged(draws: Draws, times: int) -> Draws:
    """The same draws, the first few of them said to have diverged."""
    flat = np.arange(draws.energy.size).reshape(draws.energy.shape)
    return Draws(draws.values, {**draws.statistics, "diverging": flat < times})


def test_divergences_are_sampled_once_more_with_smaller_steps(
    ask: Callable[..., FitRequest], monkeypatch: pytest.MonkeyPatch
) -> None:
    from analysis import engine  # noqa: PLC0415

    real, calls = engine.sample, []

    def diverging(*arguments: object) -> Draws:
        draws = real(*arguments)  # type: ignore[arg-type]
        settings = arguments[2]
        calls.append(settings.target_accept)  # type: ignore[attr-defined]
        return diverged(draws, 1) if len(calls) == 1 else draws

    monkeypatch.setattr(engine, "sample", diverging)
    answer = fit(ask(engine="nuts"))
    assert calls[:3] == [0.9, 0.99, 0.9]
    assert answer["provenance"]["sampler"]["refits"] == ["m/as_observed: target_accept 0.99 after 1 divergences"]
    assert all(g["passed"] for g in answer["gates"])


def test_too_few_effective_draws_are_sampled_once_more_with_four_times_as_many(
    ask: Callable[..., FitRequest], monkeypatch: pytest.MonkeyPatch
) -> None:
    from analysis import engine  # noqa: PLC0415

    real, calls = engine.sample, []

    def sticky(*arguments: object) -> Draws:
        draws = real(*arguments)  # type: ignore[arg-type]
        settings = arguments[2]
        calls.append((settings.draws, settings.target_accept))  # type: ignore[attr-defined]
        if len(calls) > 1:
            return draws
        walk = np.cumsum(draws.values["alpha"], axis=1)
        return Draws({**draws.values, "alpha": walk}, draws.statistics)

    monkeypatch.setattr(engine, "sample", sticky)
    answer = fit(ask(engine="nuts"))
    assert calls[:3] == [(1000, 0.9), (4000, 0.9), (1000, 0.9)]
    assert answer["provenance"]["sampler"]["refits"] == [
        "m/as_observed: four times the draws (rhat, ess_bulk, ess_tail)"
    ]
    assert all(g["passed"] for g in answer["gates"])


def test_what_decides_nothing_is_not_sampled(ask: Callable[..., FitRequest], monkeypatch: pytest.MonkeyPatch) -> None:
    from analysis import engine  # noqa: PLC0415

    real, runs = engine.sample, []

    def listing(*arguments: object) -> Draws:
        runs.append(arguments[1].name)  # type: ignore[attr-defined]
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(engine, "sample", listing)
    mine, twin = fit(ask(engine="nuts"))["effects"][0], fit(ask())["effects"][0]
    assert runs == ["as_observed", "adjusted", "sceptical", "evidence"]
    assert mine["p_benefit_enthusiastic"] == twin["p_benefit_enthusiastic"]


def test_divergences_that_stay_leave_no_recommendation(
    ask: Callable[..., FitRequest], monkeypatch: pytest.MonkeyPatch
) -> None:
    from analysis import engine  # noqa: PLC0415

    real = engine.sample

    def diverging(*arguments: object) -> Draws:
        draws = real(*arguments)  # type: ignore[arg-type]
        return diverged(draws, 3)

    monkeypatch.setattr(engine, "sample", diverging)
    answer = fit(ask(engine="nuts"))
    assert answer["recommendation"]["outcome"] == "indeterminate"
    assert "divergences" in answer["recommendation"]["says"]


COUNTS = {
    "counts": [
        {"arm": "treated", "wave": "post", "x": 30, "n": 60},
        {"arm": "control", "wave": "post", "x": 24, "n": 60},
    ]
}


def test_a_probability_at_its_threshold_is_sampled_with_four_times_the_draws(
    ask: Callable[..., FitRequest], monkeypatch: pytest.MonkeyPatch
) -> None:
    from analysis import engine  # noqa: PLC0415

    real, draws = engine.sample, []

    def counting(*arguments: object) -> Draws:
        draws.append(arguments[2].draws)  # type: ignore[attr-defined]
        return real(*arguments)  # type: ignore[arg-type]

    def answer() -> dict[str, Any]:
        draws.clear()
        return fit(ask(COUNTS, primary={"family": "binary"}, engine="nuts", rule={"p_benefit": threshold}))

    monkeypatch.setattr(engine, "sample", counting)
    threshold = 0.99
    plain = answer()
    assert set(draws) == {2000}
    threshold = plain["effects"][0]["p_benefit"]
    near = answer()
    assert draws[-1] == 8000
    assert draws.count(8000) == 1  # only the run that decides
    assert near["provenance"]["sampler"]["refits"] == ["m: four times the draws (p_benefit near a threshold)"]
    monkeypatch.setattr(engine, "NEAR", 1e6)
    still = answer()
    assert "near_threshold" in {w["code"] for w in still["warnings"]}


def test_probabilities_hardly_depend_on_the_seed(ask: Callable[..., FitRequest]) -> None:
    for data, family in ((None, "normal"), (COUNTS, "binary")):
        seeds = [
            fit(ask(data, primary={"family": family}, engine="nuts", seed=seed))["effects"][0] for seed in (1, 2, 3)
        ]
        exact = fit(ask(data, primary={"family": family}))["effects"][0]
        for name in ("p_benefit", "p_meaningful", "p_harm", "p_benefit_sceptical"):
            assert [s[name] for s in seeds] == pytest.approx([exact[name]] * 3, abs=2e-3)
        for block in ("sd", "adjusted"):
            assert [s[block]["mean"] for s in seeds] == pytest.approx([exact[block]["mean"]] * 3, abs=2e-3)
            assert [s[block]["interval"]["low"] for s in seeds] == pytest.approx(
                [exact[block]["interval"]["low"]] * 3, abs=5e-3
            )


def test_each_remedy_is_tried_once_and_both_where_both_are_needed() -> None:
    from analysis.engine import refit  # noqa: PLC0415
    from analysis.sampling import Sampler  # noqa: PLC0415

    first = Sampler()
    well = {"divergences": 0.0, "rhat": 1.0, "ess_bulk": 2000.0, "ess_tail": 2000.0}
    poor = {**well, "divergences": 3.0, "ess_tail": 50.0}
    assert refit(first, well, first) is None
    careful, _ = refit(first, poor, first) or (first, "")
    assert (careful.target_accept, careful.draws) == (0.99, first.draws)
    more, _ = refit(careful, poor, first) or (first, "")
    assert (more.target_accept, more.draws) == (0.99, 4 * first.draws)
    assert refit(more, poor, first) is None
