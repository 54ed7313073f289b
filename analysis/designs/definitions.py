"""Months in a row measured by one definition are a segment; where it changes a level of its own begins."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from analysis.designs.prepared import Note, Question
from analysis.designs.series_inputs import LEVELS
from analysis.errors import Refused

LEAST = 4
"""Points that a segment needs on each side of the start that it is on."""


def segments(question: Question, t: NDArray[np.int64], definitions: Sequence[object]) -> NDArray[np.int64]:
    """The segment (n,) of each month outside the phase-in; t < 0 is before the start.

    `Refused` where a change cannot be told from the effect, or leaves too little to tell a level by.
    """
    name, of = question.measure.measure, np.zeros(len(t), dtype=np.int64)
    for i in range(1, len(t)):
        changed = definitions[i] != definitions[i - 1]
        of[i] = of[i - 1] + changed
        if changed and t[i - 1] < 0 <= t[i]:
            raise Refused(
                "definition_changed",
                f"{name}: its definition changed between t = {t[i - 1]} and t = {t[i]}, where the intervention starts; "
                "the step there may be of the one or of the other.",
                "Recompute the earlier months by the new definition, or the later ones by the old, and enter these.",
            )
    if of[-1] == 0:
        return of
    sizes = [int(((of == s) & side).sum()) for s in range(of[-1] + 1) for side in (t < 0, t >= 0)]
    if any(0 < size < LEAST for size in sizes) or of[-1] > LEVELS:
        raise Refused(
            "definition_changed",
            f"{name}: its definition changed {of[-1]} times, which leaves {min(s for s in sizes if s)} months in a row "
            "that are comparable.",
            f"Recompute the months by one definition; {LEAST} months of each before and after the start, and no more "
            f"than {LEVELS} changes, can be allowed for.",
        )
    return of


def changed(question: Question, t: NDArray[np.int64], of: NDArray[np.int64]) -> list[Note]:
    """The warning that a definition changed within the series."""
    where = [str(t[i]) for i in range(1, len(t)) if of[i] != of[i - 1]]
    if not where:
        return []
    message = (
        f"The definition of the measure changed at t = {', '.join(where)}: from there on the series has a level of its "
        "own, which widens the interval. Recomputed by one definition the months would tell more."
    )
    return [Note("definition_changed", message, question.measure.measure)]
