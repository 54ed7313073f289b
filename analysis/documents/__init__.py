"""The documents that the library and the service exchange: a plan, data in their shapes, a request of `fit`.

Only forms and their defaults live here; what a design makes of them is in `designs/`. Importing this package is
cheap (no PyMC, no NumPy), so that a web process may use it.
"""

from analysis.documents.data import Categories, Cell, Change, CountOf, Events, MeasureData, Pair, Point, Row
from analysis.documents.plan import (
    BorrowPrior,
    Design,
    Direction,
    Family,
    NormalPrior,
    Plan,
    PlannedArm,
    PlannedLook,
    PlannedMeasure,
    PlannedUnit,
    PlannedWave,
    Priors,
    Role,
    Rule,
    ScalePrior,
)
from analysis.documents.request import Engine, FitRequest, confirmatory_seed
from analysis.documents.values import Document, Key, Number, People, PriorSpread, Share, content_hash

__all__ = [
    "BorrowPrior",
    "Categories",
    "Cell",
    "Change",
    "CountOf",
    "Design",
    "Direction",
    "Document",
    "Engine",
    "Events",
    "Family",
    "FitRequest",
    "Key",
    "MeasureData",
    "NormalPrior",
    "Number",
    "Pair",
    "People",
    "Plan",
    "PlannedArm",
    "PlannedLook",
    "PlannedMeasure",
    "PlannedUnit",
    "PlannedWave",
    "Point",
    "PriorSpread",
    "Priors",
    "Role",
    "Row",
    "Rule",
    "ScalePrior",
    "Share",
    "confirmatory_seed",
    "content_hash",
]
