"""PyMC models, one a file, each a `build()` whose data are shared variables; nothing here samples or compiles.

`VERSIONS` names every structure there is. A version is raised whenever a posterior could change; results keep it.
"""

from typing import Final

VERSIONS: Final = {
    "two_means": 2,
    "ancova": 2,
    "ancova_unknown_r": 2,
    "two_proportions": 2,
    "synthesis": 1,
    "ancova_units": 2,
    "waves": 2,
    "unit_proportions": 2,
    "paired_proportions": 1,
    "wedge_means": 1,
    "wedge_proportions": 1,
    "unit_counts": 1,
    "share": 1,
    "unit_ordinal": 1,
    "paired_ordinal": 1,
    "series": 1,
    "series_counts": 1,
}


def label(structure: str) -> str:
    """`name/version`, as results keep it."""
    return f"{structure}/{VERSIONS[structure]}"
