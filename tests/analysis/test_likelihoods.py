"""The likelihoods that NUTS samples: those of the exact engine, and their gradients the slopes."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from analysis.designs.unit_inputs import AncovaUnits, Waves
from analysis.mixed_equations import equations, residual_of
from analysis.mixed_hyper import Hyper
from tests.analysis.test_mixed import CASES

Array = NDArray[np.float64]
Point = list[Array]
"""What a likelihood can be differentiated in."""


def hyper_of(rng: np.random.Generator) -> Hyper:
    return Hyper(rng.uniform(0.5, 1.2, (1, 2)), *rng.uniform(0.1, 0.5, (2, 1)), rng.uniform(0.3, 0.8, 1))


def ancova(inputs: AncovaUnits, hyper: Hyper, theta: Array) -> tuple[Callable[..., Any], Point, list[Any], float]:
    """The likelihood, where it is looked at, its data, and the prior of the slopes that the exact engine adds."""
    from analysis.models.ancova_likelihood import value  # noqa: PLC0415

    residual, slope = residual_of(inputs, hyper)
    within = theta[1] * inputs.told[0] + slope[0]
    off = np.array([-theta[0], -within[0], -within[1], -theta[2], -theta[3], 1.0])
    point = [off, hyper.sigma[0], residual[0], hyper.unit_sd[0] ** 2, theta[1]]
    data = inputs.model_data()
    named = [data[name] for name in ("sizes", "count", "moments", "squares", "free", "filled")]
    precision = np.where(inputs.told > 0, inputs.slope_precision, inputs.slope_precision or 1.0)
    prior = float((inputs.slope_precision * inputs.slope_mean * theta[1:3] - 0.5 * precision * theta[1:3] ** 2).sum())
    return value, point, named, prior


def waves(inputs: Waves, hyper: Hyper, theta: Array) -> tuple[Callable[..., Any], Point, list[Any], float]:
    from analysis.models.waves import SEEN  # noqa: PLC0415
    from analysis.models.waves_likelihood import value  # noqa: PLC0415

    effects = (inputs.unit * hyper.unit_sd[0]) ** 2, (inputs.unit_time * hyper.unit_time_sd[0]) ** 2
    point = [inputs.columns @ theta, hyper.sigma[0], hyper.r[0], *effects]
    data = inputs.model_data()
    return value, point, [data[name] for name in SEEN], float(-0.5 * ((1 - inputs.used) * theta[:-1] ** 2).sum())


def looked_at(
    inputs: AncovaUnits | Waves, hyper: Hyper, theta: Array
) -> tuple[Callable[..., Any], Point, list[Any], float]:
    value, point, data, prior = (
        ancova(inputs, hyper, theta) if isinstance(inputs, AncovaUnits) else waves(inputs, hyper, theta)
    )
    arrays = [np.asarray(part, dtype=np.float64) for part in point]
    return value, arrays, [np.ascontiguousarray(part, dtype=np.float64) for part in data], prior


@pytest.mark.parametrize("name", CASES)
def test_it_is_that_of_the_exact_engine(name: str) -> None:
    """Up to a constant: what it gains from one point to another."""
    inputs, _ = CASES[name]()
    rng, gains = np.random.default_rng(5), []
    for _ in range(2):
        hyper, theta = hyper_of(rng), rng.normal(0, 0.5, 4 if isinstance(inputs, AncovaUnits) else 6)
        value, point, data, prior = looked_at(inputs, hyper, theta)
        eqs = equations(inputs, hyper)
        exact = eqs.rest[0] + eqs.shift[0] @ theta - 0.5 * theta @ eqs.precision[0] @ theta
        gains.append([float(value(*point, *data)[0]) + prior, exact])
    mine, other = np.diff(gains, axis=0)[0]
    assert mine == pytest.approx(other, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("name", CASES)
def test_its_gradient_is_its_slope(name: str) -> None:
    inputs, _ = CASES[name]()
    rng = np.random.default_rng(6)
    theta = rng.normal(0, 0.5, 4 if isinstance(inputs, AncovaUnits) else 6)
    value, point, data, _ = looked_at(inputs, hyper_of(rng), theta)
    _, *slopes = value(*point, *data)
    for i, slope in enumerate(slopes):
        way = rng.normal(size=point[i].shape)

        def along(step: float, i: int = i, way: Array = way) -> float:
            moved = [part + step * way if j == i else part for j, part in enumerate(point)]
            return float(value(*[np.asarray(part) for part in moved], *data)[0])

        expected = (along(1e-5) - along(-1e-5)) / 2e-5
        assert float((slope * way).sum()) == pytest.approx(expected, rel=1e-5, abs=1e-4), i
