"""Normal designs with units by two roads, NUTS beside the exact engine, and under adversaries (docs/methods.md §7)."""

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from analysis import exact
from analysis.documents import FitRequest
from analysis.engine import settings_of
from analysis.errors import Refused
from analysis.fit import fit
from analysis.priors import NO_BIAS, Run
from analysis.sampling import sample
from tests.analysis.calibration.run import BIASED, MAIN
from tests.analysis.calibration.scenarios import SCENARIOS

Answer = dict[str, Any]
ONE_GROUP = ("paired", "cross_section")
PROBABILITIES = ("p_benefit", "p_meaningful", "p_below_zero", "p_harm", "p_rope", "p_benefit_sceptical")


def answered(design: str, rows: list[Answer], waves: list[str], engine: str = "exact", **plan: Any) -> Answer:
    request = {
        "plan": {
            "design": design,
            "treated": "t",
            "control": None if design in ONE_GROUP else "c",
            "waves": [{"key": w, "kind": "followup" if w == "post" else "baseline"} for w in waves],
            "followup_months": 6,
            "randomised": design in ("cluster", "parallel"),
            "measures": [
                {"measure": "m", "family": "normal", "direction": "lower_is_better", "reference_sd": 5.0, "mmd": 0.2}
            ],
            **plan,
        },
        "data": {"m": {"rows": rows}},
        "seed": 3,
        "engine": engine,
    }
    return fit(FitRequest.model_validate(request))


def people(
    design: str, seed: int, waves: list[str], units: int = 4, size: int = 6, missing: float = 0.15
) -> list[Answer]:
    """Rows of a measure where lower is better, effect 0.5 SD, some of them missing."""
    rng = np.random.default_rng(seed)
    rows = []
    for arm in "t" if design in ONE_GROUP else "ct":
        for u in range(units):
            level, moves = rng.normal(0, 0.25), rng.normal(0, 0.1, len(waves))
            for i in range(size):
                own = rng.normal(0, 0.7)
                for w, wave in enumerate(waves):
                    if rng.random() < missing:
                        continue
                    y = 0.1 * w + level + moves[w] + own + rng.normal(0, 0.7) + 0.5 * (arm == "t" and wave == "post")
                    person = {} if design == "cross_section" else {"participant": f"{arm}{u}-{i}"}
                    rows.append({"arm": arm, "unit": f"{arm}{u}", "wave": wave, "value": 30 - 5 * y, **person})
    return rows


@pytest.mark.parametrize(
    "design", ["cluster", *(pytest.param(name, marks=pytest.mark.slow) for name in ("paired", "cross_section", "did"))]
)
def test_nuts_agrees_with_the_exact_engine_through_the_front(design: str) -> None:
    waves = ["first", "pre", "post"] if design == "did" else ["pre", "post"]
    rows = people(design, 21, waves)
    sampled, twin = (answered(design, rows, waves, engine) for engine in ("nuts", "exact"))
    assert [g["name"] for g in sampled["gates"] if not g["passed"]] == []
    mine, other = sampled["effects"][0], twin["effects"][0]
    for block in ("sd", "adjusted", "raw"):
        assert mine[block]["mean"] == pytest.approx(other[block]["mean"], abs=0.1 * other[block]["sd"])
        assert mine[block]["sd"] == pytest.approx(other[block]["sd"], rel=0.1)
    for name in PROBABILITIES:
        assert mine[name] == pytest.approx(other[name], abs=0.02)
    assert sampled["recommendation"]["outcome"] == twin["recommendation"]["outcome"]
    assert len(mine["units"]) == len(other["units"]) == (4 if design in ONE_GROUP else 8)
    for unit, same in zip(mine["units"], other["units"], strict=True):
        assert (unit["unit"], unit["arm"], unit["n"]) == (same["unit"], same["arm"], same["n"])
        for block in ("departure", "effect") if unit["effect"] else ("departure",):
            assert unit[block]["mean"] == pytest.approx(same[block]["mean"], abs=0.1 * same[block]["sd"])
            assert unit[block]["sd"] == pytest.approx(same[block]["sd"], rel=0.1)
    assert {check["quantity"] for check in mine["predictive"]} == {"mean", "sd"}
    assert all(check["low"] < check["high"] for check in mine["predictive"])


@pytest.mark.slow
@pytest.mark.parametrize("name", SCENARIOS)
def test_nuts_agrees_with_the_exact_engine_on_fifty_random_pilots(name: str) -> None:
    compared = 0
    for i in range(60):
        rng = np.random.default_rng([77, i])
        try:
            pilot = SCENARIOS[name](rng, rng.normal(0, 0.5), 0.0)
        except Refused:
            continue
        inputs, run = pilot.inputs, (BIASED, Run("as_observed", MAIN, NO_BIAS))[i % 2]
        settings = settings_of(cast("Any", SimpleNamespace(inputs=inputs)))
        draws = sample(inputs, run, settings, i, lambda _: None)
        mine, twin = exact.rao_blackwell(inputs, run, draws.values), exact.posterior(inputs, run)
        assert mine.mean == pytest.approx(twin.mean, abs=0.1 * twin.sd), i
        assert mine.sd == pytest.approx(twin.sd, rel=0.1), i
        for threshold in (-0.2, 0.0, 0.2):
            assert mine.above(threshold) == pytest.approx(twin.above(threshold), abs=0.02), (i, threshold)
        compared += 1
        if compared == 50:
            break
    assert compared == 50


def worst_quarter(rng: np.random.Generator, design: str, waves: list[str]) -> list[Answer]:
    """No effect; units of people, of whom the worst quarter of each at the last wave before the start are followed.

    Anonymous waves ask those enrolled before and after, which is the same mistake.
    """
    rows = []
    for arm in "t" if design in ONE_GROUP else "ct":
        for u in range(4):
            own = rng.normal(0, np.sqrt(0.7), (60, 1)) + rng.normal(0, np.sqrt(0.3), (60, len(waves)))
            own += rng.normal(0, 0.2) + rng.normal(0, 0.1, len(waves))
            enrolled = own[np.argsort(own[:, -2])[:15]]
            for i, values in enumerate(enrolled):
                for wave, y in zip(waves, values, strict=True):
                    person = {} if design == "cross_section" else {"participant": f"{arm}{u}-{i}"}
                    rows.append({"arm": arm, "unit": f"{arm}{u}", "wave": wave, "value": 30 - 5 * y, **person})
    return rows


@pytest.mark.slow
@pytest.mark.parametrize("design", ONE_GROUP)
def test_the_worst_quarter_without_a_control_is_never_scaled(design: str) -> None:
    """Regression to the mean looks like an effect of about 0.38 SD; the grade keeps it from being scaled."""
    rng, apparent = np.random.default_rng(31), []
    for _ in range(60):
        answer = answered(design, worst_quarter(rng, design, ["pre", "post"]), ["pre", "post"])
        apparent.append(answer["effects"][0]["evidence"]["effect_sd"])
        assert answer["recommendation"]["outcome"] != "scale"
    assert np.mean(apparent) == pytest.approx(0.38, abs=0.06)


@pytest.mark.slow
@pytest.mark.parametrize("design", ["cluster", "did"])
def test_the_worst_quarter_with_a_control_is_seldom_scaled(design: str) -> None:
    """Both arms return to the mean alike: at grades A and B, where `scale` is open, it is reached in at most 5 %."""
    waves = ["first", "pre", "post"] if design == "did" else ["pre", "post"]
    rng, outcomes, apparent = np.random.default_rng(32), [], []
    for _ in range(200):
        answer = answered(design, worst_quarter(rng, design, waves), waves, attrition={"t": 0.05, "c": 0.05})
        assert answer["grade"] == ("A" if design == "cluster" else "B")
        apparent.append(answer["effects"][0]["evidence"]["effect_sd"])
        outcomes.append(answer["recommendation"]["outcome"])
    assert np.mean(apparent) == pytest.approx(0, abs=0.06)
    assert outcomes.count("scale") <= 0.05 * len(outcomes)
