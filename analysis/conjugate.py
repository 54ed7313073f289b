"""The textbook posterior of one mean with flat priors on it and on log σ: a Student t. An oracle for tests and readers.

No model of the library uses it: their priors are proper (docs/methods.md §2).
"""

import math
from dataclasses import dataclass

from scipy.stats import t as student

from analysis.errors import Refused

FEWEST = 4
"""People from whom on the posterior has an SD (three degrees of freedom)."""


@dataclass(frozen=True, slots=True)
class MeanPosterior:
    """μ given n values with this mean and SD (n − 1): (μ − mean) √n / SD ~ t with n − 1 degrees of freedom.

    Gelman et al., Bayesian Data Analysis (2013), §3.2, p(μ, σ) ∝ 1/σ. Raises `Refused` for fewer than four values or
    an SD of 0.
    """

    n: int
    mean: float
    spread: float

    def __post_init__(self) -> None:
        if self.n < FEWEST:
            raise Refused(
                "too_few_people",
                f"{self.n} values have no posterior SD under flat priors.",
                f"At least {FEWEST} values, or a proper prior.",
            )
        if self.spread <= 0:
            raise Refused(
                "no_variation",
                "All values are the same: flat priors would call their mean certain.",
                "Check the SD of the values.",
            )

    @property
    def scale(self) -> float:
        """SD of the mean: that of the values over √n."""
        return self.spread / math.sqrt(self.n)

    @property
    def sd(self) -> float:
        """Posterior SD."""
        return self.scale * math.sqrt((self.n - 1) / (self.n - 3))

    def above(self, threshold: float) -> float:
        """P(μ > threshold)."""
        return float(student.sf((threshold - self.mean) / self.scale, self.n - 1))

    def quantile(self, p: float) -> float:
        """The value below which μ lies with probability p."""
        return self.mean + self.scale * float(student.ppf(p, self.n - 1))
