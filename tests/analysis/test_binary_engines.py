"""Binary models by NUTS and by the exact engine on random tables; how often intervals hold the truth."""

import numpy as np
import pytest

from analysis import exact, gates, predictive
from analysis.designs.binary_inputs import PairedProportions, UnitProportions
from tests.analysis.binary_cases import (
    ADJUSTED,
    KINDS,
    OBSERVED,
    simulated,
)


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


@pytest.mark.parametrize("kind", KINDS)
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
