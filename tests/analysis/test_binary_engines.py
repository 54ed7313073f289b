"""Binary models by NUTS and by the exact engine on random tables; how often intervals hold the truth."""

from typing import Any

import numpy as np
import pytest

from analysis import exact, gates, predictive
from analysis.designs.binary_inputs import PairedProportions, UnitProportions
from analysis.unit_proportions import log_likelihood, logit_sds, rule_with
from tests.analysis.binary_cases import ADJUSTED, KINDS, OBSERVED, over_time, simulated


def compared(inputs: UnitProportions | PairedProportions, seed: int) -> dict[str, float]:
    """What the gates read of NUTS beside the exact engine."""
    from analysis.engine import _SAMPLERS  # noqa: PLC0415
    from analysis.sampling import sample  # noqa: PLC0415

    draws = sample(inputs, ADJUSTED, _SAMPLERS[inputs.structure], seed, lambda _: None)
    readings = gates.sampler_readings(draws.values, draws.divergences, draws.energy)
    found = exact.rao_blackwell(inputs, ADJUSTED, draws.values)
    readings |= gates.agreement_readings(found, exact.posterior(inputs, ADJUSTED), (-0.2, 0.0, 0.2))
    readings["predictive"] = gates.predictive_reading(predictive.checks(inputs, draws.values))
    return readings


@pytest.mark.parametrize("kind", ["cluster", "did"])
def test_the_sampled_likelihood_is_that_of_the_exact_engine_and_its_gradient_the_slope(kind: str) -> None:
    from analysis.models.unit_likelihood import integrated  # noqa: PLC0415

    rng = np.random.default_rng(8)
    inputs = simulated(rng, kind)
    assert isinstance(inputs, UnitProportions)
    rule, z = rule_with(inputs, 25, 17), rng.normal(size=(1, 8))
    su, sv = (float(s[0]) for s in logit_sds(inputs, z))
    eta = (inputs.columns @ z[0, :5] + inputs.kappa * z[0, 7] * inputs.exposure)[..., None]
    nodes = np.stack([rule.outer, rule.outer_weights]), np.stack([rule.inner, rule.inner_weights])

    def at(step: float, eta_way: Any = 0.0, su_way: float = 0.0, sv_way: float = 0.0, n_way: Any = 0.0) -> Any:
        moved = eta + step * eta_way, np.asarray(su + step * su_way), np.asarray(sv + step * sv_way)
        return integrated(*moved, inputs.n[..., None] + step * n_way, inputs.x[..., None], *nodes)

    value, by_eta, by_su, by_sv, by_n = at(0.0)
    assert float(value) == pytest.approx(log_likelihood(inputs, z, rule)[0], rel=1e-12)
    way = rng.normal(size=eta.shape)
    slopes = {
        "eta": ((by_eta * way).sum(), (way,)),
        "su": (by_su, (0.0, 1.0)),
        "sv": (by_sv, (0.0, 0.0, 1.0)),
        "n": ((by_n * way).sum(), (0.0, 0.0, 0.0, way)),
    }
    for slope, ways in slopes.values():
        assert float(slope) == pytest.approx((at(1e-5, *ways)[0] - at(-1e-5, *ways)[0]) / 2e-5, rel=1e-4, abs=1e-4)


@pytest.mark.slow
def test_by_nuts_nobody_anywhere_leaves_benefit_and_harm_as_likely() -> None:
    from analysis.engine import _SAMPLERS  # noqa: PLC0415
    from analysis.sampling import sample  # noqa: PLC0415

    inputs = over_time([[0, 0]] * 4, [[50, 50]] * 4, [0, 0, 1, 1])
    draws = sample(inputs, OBSERVED, _SAMPLERS[inputs.structure], 3, lambda _: None)
    assert draws.divergences == 0
    # 4,000 draws; of fewer independent ones the share would have an SE of 0.5 / sqrt(1000).
    assert np.mean(draws.values["delta"] > 0) == pytest.approx(0.5, abs=0.05)
    assert exact.rao_blackwell(inputs, OBSERVED, draws.values).above(0.0) == pytest.approx(0.5, abs=0.005)


@pytest.mark.parametrize("kind", ["cluster", "did", *(pytest.param(k, marks=pytest.mark.slow) for k in KINDS[1::2])])
def test_nuts_and_the_exact_engine_agree(kind: str) -> None:
    readings = compared(simulated(np.random.default_rng(5), kind), 1)
    assert all(gates.Reading(name, value, kind, "adjusted").passed for name, value in readings.items()), readings


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_nuts_and_the_exact_engine_agree_on_many_random_tables(kind: str) -> None:
    rng = np.random.default_rng(11)
    readings = [compared(simulated(rng, kind), i) for i in range(50)]
    worst = {name: (max if name in gates.AT_MOST else min)(r[name] for r in readings) for name in readings[0]}
    # Chance alone moves one of 50 short runs over a line now and then; two may.
    failed = sum(any(not gates.Reading(n, v, kind, "").passed for n, v in r.items()) for r in readings)
    assert failed <= 2, worst
    assert np.mean([r["agreement_mean"] for r in readings]) < 0.03
    assert worst["agreement_probability"] < 0.02


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_intervals_cover_as_often_as_they_say(kind: str) -> None:
    """Δ from its prior, nuisances from theirs: the 95 % interval holds Δ in 95 % of pilots, within simulation error."""
    ranks = []
    for i in range(200):
        rng = np.random.default_rng([7, i])
        state = rng.bit_generator.state
        delta = rng.normal(0, 0.5)
        rng.bit_generator.state = state
        ranks.append(exact.posterior(simulated(rng, kind), OBSERVED).above(delta))
    covered = np.mean([(0.025 < r < 0.975) for r in ranks])
    assert 0.95 - 3 * np.sqrt(0.95 * 0.05 / 200) < covered
    # Ranks are uniform: the mean of 200 has SD 0.0204.
    assert abs(np.mean(ranks) - 0.5) < 0.062
