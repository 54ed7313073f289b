"""What a design hands to a model: standardised sums per arm (control first), the same for NUTS and the exact engine.

Values only; the models themselves are in `models/`, their closed forms in `exact.py`.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from analysis.cells import PairedSums, Sums
from analysis.designs.binary_inputs import BinaryInputs
from analysis.designs.count_inputs import UnitCounts
from analysis.designs.ordinal_inputs import OrdinalInputs
from analysis.designs.series_inputs import Series, SeriesCounts
from analysis.designs.share_inputs import Shares
from analysis.designs.unit_inputs import AncovaUnits, Waves
from analysis.designs.wedge_inputs import WedgeMeans, WedgeProportions

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class TwoMeans:
    """Two arms, one value a person. Arrays (2,): control, treated."""

    structure: ClassVar[str] = "two_means"
    n: Array
    mean: Array
    ss: Array
    sigma_scale: float

    @classmethod
    def of(cls, control: Sums, treated: Sums, sigma_scale: float) -> "TwoMeans":
        """From standardised sums."""
        arms = (control, treated)
        return cls(_array(a.n for a in arms), _array(a.mean for a in arms), _array(a.ss for a in arms), sigma_scale)

    def model_data(self) -> dict[str, Array]:
        """Shared data of the PyMC model."""
        sums = {"n": self.n, "mean": self.mean, "ss": self.ss, "sigma_scale": np.array(self.sigma_scale)}
        return {**sums, "leaning": _leaning(self.n, self.ss)}


@dataclass(frozen=True, slots=True, eq=False)
class Ancova:
    """Two arms linked before and after; `mean1` is about the pooled baseline mean. `slope_precision` 0 is flat."""

    structure: ClassVar[str] = "ancova"
    n: Array
    mean1: Array
    mean2: Array
    s11: Array
    s12: Array
    s22: Array
    slope_mean: float
    slope_precision: float
    sigma_scale: float

    @classmethod
    def of(cls, control: PairedSums, treated: PairedSums, slope: tuple[float, float], sigma_scale: float) -> "Ancova":
        """From standardised sums with known products."""
        arms = (control, treated)
        mean1 = centred_baseline(arms)
        return cls(
            n=_array(a.n for a in arms),
            mean1=mean1,
            mean2=_array(a.mean2 for a in arms),
            s11=_array(a.s11 for a in arms),
            s12=_array(a.s12 or 0.0 for a in arms),
            s22=_array(a.s22 for a in arms),
            slope_mean=slope[0],
            slope_precision=slope[1],
            sigma_scale=sigma_scale,
        )

    def model_data(self) -> dict[str, Array]:
        """Shared data of the PyMC model."""
        sums = {name: getattr(self, name) for name in ("n", "mean1", "mean2", "s11", "s12", "s22")}
        slope = np.array([self.slope_mean, self.slope_precision])
        scale, leaning = np.array(self.sigma_scale), _leaning(self.n, self.s22)
        return {**sums, "slope_prior": slope, "sigma_scale": scale, "leaning": leaning}


@dataclass(frozen=True, slots=True, eq=False)
class AncovaUnknownR:
    """As `Ancova` where r was not reported; `sd1` is the pooled baseline SD within arms, taken as known."""

    structure: ClassVar[str] = "ancova_unknown_r"
    n: Array
    mean1: Array
    mean2: Array
    s22: Array
    sd1: float
    sigma_scale: float

    @classmethod
    def of(cls, control: PairedSums, treated: PairedSums, sigma_scale: float) -> "AncovaUnknownR":
        """From standardised sums; their products are not looked at."""
        arms = (control, treated)
        sd1 = float(np.sqrt(sum(a.s11 for a in arms) / (sum(a.n for a in arms) - 2)))
        return cls(
            n=_array(a.n for a in arms),
            mean1=centred_baseline(arms),
            mean2=_array(a.mean2 for a in arms),
            s22=_array(a.s22 for a in arms),
            sd1=sd1,
            sigma_scale=sigma_scale,
        )

    def model_data(self) -> dict[str, Array]:
        """Shared data of the PyMC model."""
        sums = {name: getattr(self, name) for name in ("n", "mean1", "mean2", "s22")}
        scale, leaning = np.array(self.sigma_scale), _leaning(self.n, self.s22)
        return {**sums, "sd1": np.array(self.sd1), "sigma_scale": scale, "leaning": leaning}


@dataclass(frozen=True, slots=True, eq=False)
class TwoProportions:
    """`x` of `n` people in each arm. `kappa` turns SD units into logits; its sign turns the direction."""

    structure: ClassVar[str] = "two_proportions"
    x: Array
    n: Array
    kappa: float

    def model_data(self) -> dict[str, Array]:
        """Shared data of the PyMC model."""
        return {"x": self.x, "n": self.n, "kappa": np.array(self.kappa), "leaning": self.leaning}

    @property
    def bounded(self) -> bool:
        """Whether a flat effect leaves a posterior: not where an arm has no event or nothing else."""
        return bool(((self.x > 0) & (self.x < self.n)).all())

    @property
    def leaning(self) -> Array:
        """Share of the treated arm in what is known of the arms' logits."""
        p = (self.x + 0.5) / (self.n + 1)
        known = self.n * p * (1 - p)
        return np.array(known[1] / known.sum())


Inputs = (
    TwoMeans
    | Ancova
    | AncovaUnknownR
    | TwoProportions
    | AncovaUnits
    | Waves
    | BinaryInputs
    | WedgeMeans
    | WedgeProportions
    | UnitCounts
    | Shares
    | OrdinalInputs
    | Series
    | SeriesCounts
)
NormalInputs = TwoMeans | Ancova | AncovaUnknownR


def centred_baseline(arms: tuple[PairedSums, PairedSums]) -> Array:
    """Baseline means about the baseline mean of everyone analysed."""
    pooled = sum(a.n * a.mean1 for a in arms) / sum(a.n for a in arms)
    return _array(a.mean1 - pooled for a in arms)


def _leaning(n: Array, squares: Array) -> Array:
    """Share of the treated arm in what is known of the arms' means, from n and sums of squares; need not be exact."""
    known = n * (n - 1) / squares
    return np.array(known[1] / known.sum())


def _array(values: object) -> Array:
    return np.array(list(values), dtype=np.float64)  # type: ignore[call-overload]
