"""Hyper-parameters of the normal stepped wedge: five SDs, which live on the real line as all do in `mixed_hyper`."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.designs.wedge_inputs import STEP_SCALE, WedgeMeans
from analysis.half_normal import log_half_normal, ramp, unramped
from analysis.mixed_hyper import active, hyper_of, hyper_of_draws, log_prior, scales_of, start

Array = NDArray[np.float64]
NAMES = ("sigma_control", "sigma_treated", "unit_sd", "unit_time_sd", "step_sd")


@dataclass(frozen=True, slots=True, eq=False)
class WedgeHyper:
    """Hyper-parameters of K nodes: `sigma` (K, 2) without and with the intervention, the other SDs (K,)."""

    sigma: Array
    unit_sd: Array
    unit_time_sd: Array
    step_sd: Array

    def __getitem__(self, part: slice) -> "WedgeHyper":
        return WedgeHyper(self.sigma[part], self.unit_sd[part], self.unit_time_sd[part], self.step_sd[part])

    def __len__(self) -> int:
        return len(self.step_sd)


@scales_of.register
def _(inputs: WedgeMeans) -> tuple[float, float]:
    return inputs.unit_scale, inputs.unit_time_scale


@active.register
def _(inputs: WedgeMeans) -> NDArray[np.bool_]:
    return np.array([True, True, True, True, inputs.longest > 1])


@hyper_of.register
def _(inputs: WedgeMeans, z: Array) -> WedgeHyper:
    sds = ramp(z)
    return WedgeHyper(
        inputs.sigma_scale * sds[:, :2],
        inputs.unit_scale * sds[:, 2],
        inputs.unit_time_scale * sds[:, 3],
        STEP_SCALE * sds[:, 4],
    )


@hyper_of_draws.register
def _(inputs: WedgeMeans, draws: Mapping[str, Array]) -> WedgeHyper:  # noqa: ARG001
    flat = (draws[name].reshape(-1) for name in ("unit_sd", "unit_time_sd", "step_sd"))
    return WedgeHyper(draws["sigma"].reshape(-1, 2), *flat)


@log_prior.register
def _(inputs: WedgeMeans, z: Array) -> Array:  # noqa: ARG001
    return np.asarray(log_half_normal(z).sum(axis=1))


@start.register
def _(inputs: WedgeMeans) -> Array:
    z = np.zeros(5)
    found = np.sqrt(inputs.squares / np.maximum(inputs.free, 1.0)) / inputs.sigma_scale
    z[:2] = np.where(inputs.free >= 1, unramped(np.maximum(found, 1e-6)), 0.0)
    return z
