"""Sufficient statistics of groups of people: made from documents, checked, standardised, added up.

No likelihood and no prior lives here. For normal data these sums are exactly the likelihood of the rows, so a fit
costs the same for forty people and for a million (docs/methods.md §1).
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from scipy.special import digamma, polygamma

from analysis.documents import Cell, Change, Pair, PlannedMeasure
from analysis.errors import Refused

DIGITS = 10
"""Significant digits kept of a statistic. Rows and their own summaries differ in the 16th; NUTS would make two
different (equally valid) sets of draws of that, and the same data must give the same numbers."""


def rounded(value: float) -> float:
    """`value` to `DIGITS` significant digits."""
    return float(f"{value:.{DIGITS - 1}e}")


@dataclass(frozen=True, slots=True)
class Sums:
    """One value a person: n, mean and the sum of squares about the mean. Adds over disjoint groups."""

    n: int
    mean: float
    ss: float

    def __add__(self, other: Self) -> "Sums":
        n = self.n + other.n
        gap = other.mean - self.mean
        return Sums(n, self.mean + gap * other.n / n, self.ss + other.ss + gap * gap * self.n * other.n / n)

    def standardised(self, centre: float, scale: float) -> "Sums":
        """The sums of (y − centre) / scale; a negative scale turns the direction."""
        return Sums(self.n, rounded((self.mean - centre) / scale), rounded(self.ss / scale**2))

    @property
    def sd(self) -> float:
        """SD with n − 1; 0 for a single person."""
        return math.sqrt(self.ss / (self.n - 1)) if self.n > 1 else 0.0


@dataclass(frozen=True, slots=True)
class PairedSums:
    """Two values of the same people: n, means, sums of squares and products about the means. Adds over groups.

    `s12` is None where the correlation was not reported; a sum with an unknown part is unknown.
    """

    n: int
    mean1: float
    mean2: float
    s11: float
    s12: float | None
    s22: float

    def __add__(self, other: Self) -> "PairedSums":
        n = self.n + other.n
        gap1, gap2 = other.mean1 - self.mean1, other.mean2 - self.mean2
        between = self.n * other.n / n
        s12 = None if self.s12 is None or other.s12 is None else self.s12 + other.s12 + gap1 * gap2 * between
        return PairedSums(
            n,
            self.mean1 + gap1 * other.n / n,
            self.mean2 + gap2 * other.n / n,
            self.s11 + other.s11 + gap1 * gap1 * between,
            s12,
            self.s22 + other.s22 + gap2 * gap2 * between,
        )

    def standardised(self, centre: float, scale: float) -> "PairedSums":
        """The sums of (y − centre) / scale for both values."""
        return PairedSums(
            self.n,
            rounded((self.mean1 - centre) / scale),
            rounded((self.mean2 - centre) / scale),
            rounded(self.s11 / scale**2),
            None if self.s12 is None else rounded(self.s12 / scale**2),
            rounded(self.s22 / scale**2),
        )

    @property
    def first(self) -> Sums:
        """The first value alone."""
        return Sums(self.n, self.mean1, self.s11)

    @property
    def second(self) -> Sums:
        """The second value alone."""
        return Sums(self.n, self.mean2, self.s22)

    @property
    def residual_share(self) -> float:
        """1 − r²: the part of the second value's spread that the first does not explain."""
        if self.s12 is None or self.s11 == 0 or self.s22 == 0:
            return 1.0
        return 1 - self.s12**2 / (self.s11 * self.s22)


def sums_of(document: Cell | Change) -> Sums:
    """Sums of a cell or of changes; `Refused` when an SD is missing where it is needed."""
    if document.sd is None and document.n > 1:
        raise Refused(
            "sd_missing",
            f"A mean of {document.n} people came without its standard deviation.",
            "Give the SD; from a standard error it is SE times the square root of n.",
        )
    return Sums(document.n, document.mean, (document.n - 1) * (document.sd or 0.0) ** 2)


def paired_sums_of(document: Pair) -> PairedSums:
    """Sums of a pair; `s12` stays unknown when `r` is null and there is something to correlate."""
    free = document.n - 1
    sd1, sd2 = document.sd
    certain = free == 0 or sd1 == 0 or sd2 == 0
    r = 0.0 if certain else document.r
    return PairedSums(
        document.n,
        document.mean[0],
        document.mean[1],
        free * sd1**2,
        None if r is None else free * r * sd1 * sd2,
        free * sd2**2,
    )


def total[S: (Sums, PairedSums)](parts: Iterable[S]) -> S | None:
    """The sum of the parts, None when there are none."""
    result: S | None = None
    for part in parts:
        result = part if result is None else result + part
    return result


def check_scale(measure: PlannedMeasure, sums: Sums, what: str) -> None:
    """Refuse a mean off the scale, or an SD that no values within the scale can have.

    On [low, high] the sum of squares about a mean m is at most n (m − low)(high − m).
    """
    low, high = measure.minimum, measure.maximum
    slack = 1e-6 * max(abs(low or 0.0), abs(high or 0.0), 1.0)
    if (low is not None and sums.mean < low - slack) or (high is not None and sums.mean > high + slack):
        raise Refused(
            "off_the_scale",
            f"{measure.measure}, {what}: a mean of {sums.mean:g} lies outside the scale "
            f"({'' if low is None else f'{low:g}'} to {'' if high is None else f'{high:g}'}).",
            "Check the unit and the variant of the instrument, and whether a change was entered as a mean.",
        )
    if low is None or high is None:
        return
    most = sums.n * max(sums.mean - low, 0.0) * max(high - sums.mean, 0.0)
    # Printed means and SDs are rounded: half a unit of the second digit is forgiven.
    if sums.n > 1 and math.sqrt(sums.ss / (sums.n - 1)) > 1.02 * math.sqrt(most / (sums.n - 1)) + slack:
        raise Refused(
            "impossible_summary",
            f"{measure.measure}, {what}: no {sums.n} values between {low:g} and {high:g} with mean {sums.mean:g} "
            f"have an SD of {sums.sd:.3g}; the largest possible is {math.sqrt(most / (sums.n - 1)):.3g}.",
            "Check the SD against the source; a standard error, a variance or another scale is a frequent cause.",
        )


def log_odds(x: float, n: float) -> tuple[float, float]:
    """Mean and variance of the logit of a proportion under Beta(1, 1)."""
    a, b = x + 1, n - x + 1
    return float(digamma(a) - digamma(b)), float(polygamma(1, a) + polygamma(1, b))
