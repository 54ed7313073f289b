"""Design `cluster`, normal outcomes: whole units in arms (docs/methods.md §3).

Data, checks and scale are those of `parallel`; what differs is in `units_of.py`: units always have effects, baselines
a slope within and a slope between units, and an unlinked baseline counts by its units' means.
"""

from analysis.designs import parallel
from analysis.designs.prepared import Prepared, Question


def normal(question: Question) -> Prepared:
    """Two arms of whole units."""
    return parallel.normal(question)
