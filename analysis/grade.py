"""Evidence grades: how far a design is trusted, the bias it may carry, what would raise it (docs/methods.md §4).

Tables and pure functions; cheap to import. What a grade lets a result support is in `decide.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from analysis.documents import Design

GRADES: Final = "ABCD"
BIAS: Final[Mapping[str, tuple[float, float]]] = {
    "A": (0.0, 0.05),
    "B": (0.0, 0.10),
    "C": (0.05, 0.15),
    "D": (0.15, 0.25),
}
"""Mean and SD of the bias on δ, SD units: what regression to the mean and drift do to an effect."""

ATTRITION_TOTAL: Final = 0.20
ATTRITION_GAP: Final = 0.10
UNITS_FOR_A, UNITS_FOR_B = 4, 2
PRE_WAVES_FOR_B: Final = 2


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What decides a grade. `units_per_arm` is of the smaller arm (stepped wedge: sequences).

    `attrition` is the share lost in each arm, `n` the people of each arm it is weighted by; None: unknown.
    """

    design: Design
    randomised: bool = False
    units_per_arm: int | None = None
    pre_waves: int = 1
    controlled: bool = False
    attrition: Mapping[str, float] | None = None
    n: Mapping[str, int] | None = None


@dataclass(frozen=True, slots=True)
class Grade:
    """A letter, the letter before attrition lowered it, and whether attrition was known."""

    letter: str
    by_design: str
    attrition_known: bool

    def bias(self, *, objective: bool = False, balancing: bool = False) -> tuple[float, float]:
        """Mean and SD of b; logged, unselected metrics carry half, a balancing measure no mean."""
        mean, sd = BIAS[self.letter]
        half = 0.5 if objective else 1.0
        return (0.0 if balancing else half * mean), half * sd


def grade(c: Circumstances) -> Grade:
    """The grade of a comparison."""
    letter = _by_design(c)
    lowered = letter
    if letter != "D" and _much_attrition(c):
        lowered = GRADES[GRADES.index(letter) + 1]
    return Grade(lowered, letter, c.attrition is not None)


def _by_design(c: Circumstances) -> str:
    """The table of grades: the best row whose condition holds."""
    units = c.units_per_arm or 1
    assigned = c.randomised and c.design in (Design.CLUSTER, Design.STEPPED_WEDGE)
    rows = (
        ("D", c.design in (Design.PAIRED, Design.CROSS_SECTION)),
        ("A", c.randomised and c.design is Design.PARALLEL),
        ("A", assigned and units >= UNITS_FOR_A),
        ("B", assigned and units >= UNITS_FOR_B),
        ("B", c.design is Design.DID and units >= UNITS_FOR_B and c.pre_waves >= PRE_WAVES_FOR_B),
        ("B", c.design is Design.ITS and c.controlled),
    )
    return next((letter for letter, holds in rows if holds), "C")


@dataclass(frozen=True, slots=True)
class Loss:
    """What was lost to follow-up, as shares: `total` over the arms, `gap` between the arm that lost most and least."""

    total: float
    gap: float

    @property
    def lowers(self) -> bool:
        """Whether it lowers the grade: more than 20 % in all, or arms more than 10 points apart."""
        return self.total > ATTRITION_TOTAL + 1e-9 or self.gap > ATTRITION_GAP + 1e-9


def loss(attrition: Mapping[str, float], started: Mapping[str, float]) -> Loss:
    """The loss of all arms (one at least), weighted by the people who started in each."""
    total = sum(started[arm] * share for arm, share in attrition.items()) / sum(started.values())
    return Loss(total, max(attrition.values()) - min(attrition.values()))


def _much_attrition(c: Circumstances) -> bool:
    if not c.attrition:
        return False
    started = {arm: _started((c.n or {}).get(arm, 1), share) for arm, share in c.attrition.items()}
    return loss(c.attrition, started).lowers


def _started(analysed: int, lost: float) -> float:
    return analysed / (1 - lost) if lost < 1 else float(analysed)


def would_raise(c: Circumstances) -> list[dict[str, str]]:
    """Changes to a plan that would give a better grade, each with the grade it leads to."""
    now = grade(c).letter
    answers: list[dict[str, str]] = []
    for change, other in _changes(c):
        better = grade(other).letter
        if better < now and not any(a["change"] == change for a in answers):
            answers.append({"change": change, "grade": better})
    return answers


_AT_RANDOM: Final[Mapping[Design, str]] = {
    Design.CLUSTER: "Assign four or more units an arm at random.",
    Design.STEPPED_WEDGE: "Let units start in four or more steps, in an order drawn at random.",
}


def _changes(c: Circumstances) -> list[tuple[str, Circumstances]]:
    """What could be changed, and the circumstances it would make."""
    kept = replace(c, attrition=dict.fromkeys(c.attrition, 0.0)) if c.attrition else c
    steps: list[tuple[str, Circumstances]] = []
    if c.attrition and _much_attrition(c):
        steps.append(
            ("Lose no more than 20 % to follow-up, with the arms within 10 percentage points of each other.", kept)
        )
    if c.design is Design.PARALLEL and not c.randomised:
        steps.append(("Assign people to the arms at random, for example with a waitlist.", replace(c, randomised=True)))
    if c.design in (Design.PAIRED, Design.CROSS_SECTION):
        steps += [
            (
                "Add a randomised waitlist arm (parallel design).",
                replace(c, design=Design.PARALLEL, randomised=True),
            ),
            ("Measure a comparison unit in both waves (difference in differences).", replace(c, design=Design.DID)),
        ]
    if c.design in _AT_RANDOM and (not c.randomised or (c.units_per_arm or 1) < UNITS_FOR_A):
        units = max(c.units_per_arm or 1, UNITS_FOR_A)
        steps.append((_AT_RANDOM[c.design], replace(c, randomised=True, units_per_arm=units)))
    if c.design is Design.DID:
        units = max(c.units_per_arm or 1, UNITS_FOR_B)
        steps.append(
            (
                "Two or more units an arm and a second wave before the start.",
                replace(c, units_per_arm=units, pre_waves=PRE_WAVES_FOR_B),
            )
        )
    if c.design is Design.ITS and not c.controlled:
        steps.append(("Add a control series of eight months and more before and after.", replace(c, controlled=True)))
    return steps
