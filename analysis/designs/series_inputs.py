"""What a monthly series hands to a model: months of the likelihood, columns of the coefficients, all months shown.

Coefficients in the order of `NAMES`; columns a series has no use for are left out here and idle in the PyMC models.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

LEVELS = 6
SEASON = ("season_cos_1", "season_sin_1", "season_cos_2", "season_sin_2")
NAMES = ("level", "trend", "ramp", *SEASON, "control", *(f"definition_{i + 2}" for i in range(LEVELS)), "total")
"""Level and trend before the start, change of the effect a year, two harmonics of the year, slope on the control
series, level of each later definition, Δ."""
COEFFICIENTS = len(NAMES)
MOST_MONTHS = 180
PHI_PRIOR = np.array([-1.0, 1.0, 0.3, 0.3**-2])
"""Bounds, mean and precision of the autocorrelation of neighbouring months."""


@dataclass(frozen=True, slots=True, eq=False)
class Calendar:
    """All months of the treated series, those of the phase-in too, for what is shown of them. Arrays (M,).

    `observed` are geometric means or rates, `control` those of the control series (NaN: none). `columns` (M, p) as in
    `Months`, 0 for Δ in months of the phase-in. `scale` turns SD units into the log scale, signed by the measure's
    direction; the log of a value is `centre` + `scale` × what the columns give.
    """

    t: Array
    observed: Array
    exposure: Array
    control: Array
    columns: Array
    fitted: Flags
    phase_in: Flags
    window: Flags
    centre: float
    scale: float
    counts: bool


@dataclass(frozen=True, slots=True, eq=False)
class Months:
    """The months of the likelihood and how their expectation is built.

    `gaps` (n,) are months since the one before (0: the first). `columns` (n, p), Δ last; `prior` (p − 1, 2) mean and
    precision of the other coefficients; `places` (p,) where each stands in `NAMES`.
    """

    gaps: Array
    columns: Array
    prior: Array
    places: tuple[int, ...]
    sigma_scale: float
    calendar: Calendar

    @property
    def names(self) -> tuple[str, ...]:
        """What the coefficients are."""
        return tuple(NAMES[place] for place in self.places)

    @property
    def intercepts(self) -> Array:
        """1 for the level, 0 for the others (p,)."""
        return np.array([float(place == 0) for place in self.places])

    def padded(self, values: Array, axis: int, fill: float = 0.0) -> Array:
        """An array over the coefficients that there are as one over all of `NAMES` but Δ, or with it if it has it."""
        size = COEFFICIENTS if values.shape[axis] == len(self.places) else COEFFICIENTS - 1
        shape = list(values.shape)
        shape[axis] = size
        found = np.full(shape, fill)
        index: list[slice | list[int]] = [slice(None)] * values.ndim
        index[axis] = list(self.places[: values.shape[axis]])
        found[tuple(index)] = values
        return found

    def without(self, left_out: Flags) -> tuple[Array, Array]:
        """Gaps and columns of the months but those left out."""
        kept = ~left_out
        gaps = np.diff(np.cumsum(self.gaps)[kept], prepend=0.0)
        gaps[0] = 0.0
        return gaps, self.columns[kept]

    @property
    def window(self) -> Flags:
        """Which months of the likelihood lie in the window (n,)."""
        return self.calendar.window[self.calendar.fitted]

    def model_data(self) -> dict[str, Array]:
        """Shared data of the PyMC models."""
        prior = np.stack([self.padded(self.prior[:, 0], 0), self.padded(self.prior[:, 1], 0, 1.0)], axis=1)
        return {
            "gaps": self.gaps,
            "columns": self.padded(self.columns, 1),
            "coefficient_prior": prior,
            "phi_prior": PHI_PRIOR,
            "sigma_scale": np.array(self.sigma_scale),
        }


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """Durations: `y` (n,) log values in SD units, oriented, about the mean before. Normal about the columns, AR(1)."""

    structure: ClassVar[str] = "series"
    y: Array
    months: Months

    @property
    def sigma_scale(self) -> float:
        """Scale of the half-normal prior of the months' SD."""
        return self.months.sigma_scale

    def model_data(self) -> dict[str, Array]:
        """Shared data of the PyMC model."""
        return {"y": self.y, **self.months.model_data()}


@dataclass(frozen=True, slots=True, eq=False)
class SeriesCounts:
    """Events (n,) that are Poisson with log expectation `offset` + `scale` × (columns + AR(1)); `scale` is signed."""

    structure: ClassVar[str] = "series_counts"
    events: Array
    offset: Array
    scale: float
    months: Months

    @property
    def bounded(self) -> bool:
        """Whether a flat effect leaves a posterior: only with events before and after."""
        after = self.months.columns[:, -1] > 0
        return bool(self.events[after].any() and self.events[~after].any())

    def model_data(self) -> dict[str, Array]:
        """Shared data of the PyMC model."""
        data = {"events": self.events, "offset": self.offset, "scale": np.array(self.scale)}
        return {**data, **self.months.model_data()}
