"""Ordinal models by NUTS and by the exact engine on random people."""

from typing import Any

import numpy as np
import pytest

from analysis import cut_points, exact, gates, predictive, unit_ordinal
from analysis.designs.ordinal_inputs import OrdinalInputs, UnitOrdinal
from tests.analysis.binary_cases import ADJUSTED, OBSERVED
from tests.analysis.ordinal_cases import KINDS, simulated


def compared(inputs: OrdinalInputs, seed: int) -> dict[str, float]:
    """What the gates read of NUTS, refitted as an analysis is, beside the exact engine."""
    from analysis.engine import _SAMPLERS, REFITS, refit  # noqa: PLC0415
    from analysis.sampling import sample  # noqa: PLC0415

    settings = asked = _SAMPLERS[inputs.structure]
    for _ in range(1 + REFITS):
        draws = sample(inputs, ADJUSTED, settings, seed, lambda _: None)
        readings = gates.sampler_readings(draws.values, draws.divergences, draws.energy)
        if (better := refit(settings, readings, asked)) is None:
            break
        settings = better[0]
    found = exact.rao_blackwell(inputs, ADJUSTED, draws.values)
    readings |= gates.agreement_readings(found, exact.posterior(inputs, ADJUSTED), (-0.2, 0.0, 0.2))
    readings["predictive"] = gates.predictive_reading(predictive.checks(inputs, draws.values))
    return readings


@pytest.mark.parametrize("kind", ["cluster", "cross_section"])
def test_the_sampled_likelihood_is_that_of_the_exact_engine_and_its_gradient_the_slope(kind: str) -> None:
    from analysis.models.unit_likelihood import integrated  # noqa: PLC0415

    rng = np.random.default_rng(8)
    inputs = simulated(rng, kind)
    assert isinstance(inputs, UnitOrdinal)
    rule = unit_ordinal.rule_with(inputs, 25, 17)
    z = unit_ordinal.INTEGRATED.filled(inputs, 0.5 * rng.normal(size=(2, int(unit_ordinal.active(inputs).sum()))))
    x, n = inputs.steps
    nodes = np.stack([rule.outer, rule.outer_weights]), np.stack([rule.inner, rule.inner_weights])

    def at(point: Any, step: float = 0.0, eta_way: Any = 0.0, su_way: float = 0.0, sv_way: float = 0.0) -> Any:
        su, sv = (float(s[0]) for s in unit_ordinal.logit_sds(inputs, point[None]))
        eta = point[unit_ordinal.SLOPE] * inputs.baseline + inputs.kappa * point[unit_ordinal.TOTAL] * inputs.exposure
        eta = eta[..., None] - cut_points.cut_points(point[: inputs.cuts])
        return integrated(
            eta + step * eta_way, np.asarray(su + step * su_way), np.asarray(sv + step * sv_way), n, x, *nodes
        )

    values = unit_ordinal.log_likelihood(inputs, z, rule)
    between = cut_points.log_between(z[:, : inputs.cuts]) @ inputs.counts.sum(axis=(0, 1))[1:-1]
    assert [float(at(point)[0]) for point in z] == pytest.approx(values - between, rel=1e-9)
    _, by_eta, by_su, by_sv, _ = at(z[0])
    way = rng.normal(size=x.shape)
    for slope, ways in (((by_eta * way).sum(), (way,)), (by_su, (0.0, 1.0)), (by_sv, (0.0, 0.0, 1.0))):
        ahead, behind = (at(z[0], step, *ways)[0] for step in (1e-5, -1e-5))
        assert float(slope) == pytest.approx((ahead - behind) / 2e-5, rel=1e-4, abs=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_nuts_and_the_exact_engine_agree(kind: str) -> None:
    readings = compared(simulated(np.random.default_rng(5), kind), 1)
    assert all(gates.Reading(name, value, kind, "adjusted").passed for name, value in readings.items()), readings


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_nuts_and_the_exact_engine_agree_on_many_random_people(kind: str) -> None:
    rng = np.random.default_rng(11)
    readings = [compared(simulated(rng, kind), i) for i in range(50)]
    worst = {name: (max if name in gates.AT_MOST else min)(r[name] for r in readings) for name in readings[0]}
    # Chance alone moves one of 50 short runs over a line now and then; two may.
    failed = sum(any(not gates.Reading(n, v, kind, "").passed for n, v in r.items()) for r in readings)
    assert failed <= 2, worst
    assert worst["agreement_probability"] < 0.02


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_intervals_cover_as_often_as_they_say(kind: str) -> None:
    """Δ from its prior, nuisances from theirs: ranks of Δ are uniform, within simulation error."""
    ranks = []
    for i in range(200):
        rng = np.random.default_rng([7, i])
        state = rng.bit_generator.state
        count = int(rng.integers(3, 8))
        rng.dirichlet(np.ones(count))
        delta = rng.normal(0, 0.5)
        rng.bit_generator.state = state
        ranks.append(exact.posterior(simulated(rng, kind), OBSERVED).above(delta))
    covered = np.mean([(0.025 < r < 0.975) for r in ranks])
    assert 0.95 - 3 * np.sqrt(0.95 * 0.05 / 200) < covered
    # Ranks are uniform: the mean of 200 has SD 0.0204.
    assert abs(np.mean(ranks) - 0.5) < 0.062
