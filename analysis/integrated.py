"""What models share whose nuisances are integrated on the nodes of `marginal`; a model says what its parameters are."""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from analysis import marginal
from analysis.posterior import Density, NormalMixture, SampledAlong
from analysis.priors import Run

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Integrated[I: Hashable]:
    """Posteriors of a model with inputs `I` and parameters `z` (d,) on the real line, Δ last.

    `target` is what is integrated, over the `active` parameters (d,) alone: what an analysis does not have needs no
    nodes and stays 0. `positions` turns draws (chain, draw, …) by name into points (chain, draw, d). `rough` is a
    cheaper target that tells as well where nodes shall lie; their weights make up for it.
    """

    target: Callable[[I], marginal.Target]
    active: Callable[[I], Array]
    positions: Callable[[I, Mapping[str, Array]], Array]
    rough: Callable[[I], marginal.Target] | None = None

    def nodes(self, inputs: I, run: Run) -> marginal.Marginal:
        """The nodes all runs share, or a run's own where its prior leads elsewhere."""
        common = _nodes(self, inputs, marginal.WIDE)
        return common if common.serves(run) else _nodes(self, inputs, run)

    def posterior(self, inputs: I, run: Run) -> Density | NormalMixture:
        """The posterior of δ."""
        return marginal.posterior(self.nodes(inputs, run), run)

    def component_weights(self, inputs: I, run: Run) -> Array:
        """Posterior weight of each component of the prior."""
        return marginal.component_weights(self.nodes(inputs, run), run)

    def of_parameter(self, inputs: I, run: Run, place: int) -> tuple[float, float]:
        """Posterior mean and SD of one of the active parameters, by its place among all."""
        mean, covariance = marginal.moments(self.nodes(inputs, run), run)
        at = int(np.flatnonzero(self.active(inputs)).searchsorted(place))
        return float(mean[at]), float(np.sqrt(covariance[at, at]))

    def of_function(self, inputs: I, run: Run, function: Callable[[Array], Array]) -> NormalMixture:
        """The posterior of a smooth function of the parameters, points `z` (K, d) to (K,)."""
        return marginal.of_function(self.nodes(inputs, run), run, lambda part: function(self.filled(inputs, part)))

    def rao_blackwell(self, inputs: I, run: Run, draws: Mapping[str, Array]) -> SampledAlong:
        """Draws of δ with the conditional distributions of Δ beside them."""
        points = self.positions(inputs, draws)[..., self.active(inputs)]
        return marginal.along_lines(self.target(inputs), self.nodes(inputs, run), run, points, draws["delta"])

    def preconditioner(self, inputs: I, run: Run) -> dict[str, Array]:
        """Where NUTS shall look: `location` (d,), `factor` (d, d). They change how fast it mixes and nothing else."""
        mean, covariance = marginal.moments(self.nodes(inputs, run), run)
        on = self.active(inputs)
        location, factor = np.zeros(len(on)), np.eye(len(on))
        location[on] = mean
        factor[np.ix_(on, on)] = np.linalg.cholesky(covariance)
        return {"location": location, "factor": factor}

    def filled(self, inputs: I, part: Array) -> Array:
        """Points `z` (K, d) of the active parameters alone."""
        on = self.active(inputs)
        z = np.zeros((len(part), len(on)))
        z[:, on] = part
        return z

    def pilot(self, inputs: I, count: int) -> Array:
        """So many points `z` (K, d), evenly over the posterior's mass, before its nodes are weighed by the target."""
        return self.filled(inputs, marginal.evenly(_sought(self, inputs, marginal.WIDE).pilot, count))


@lru_cache(maxsize=64)
def _nodes[I: Hashable](model: Integrated[I], inputs: I, run: Run) -> marginal.Marginal:
    return marginal.placed(model.target(inputs), _sought(model, inputs, run))


@lru_cache(maxsize=64)
def _sought[I: Hashable](model: Integrated[I], inputs: I, run: Run) -> marginal.Proposal:
    return marginal.sought((model.rough or model.target)(inputs), run)
