"""PyMC models, one a file, each a `build()` whose data are shared variables; nothing here samples or compiles.

`VERSIONS` names every structure there is. A version is raised whenever a posterior could change; results keep it.
"""

from typing import Final

VERSIONS: Final = {"two_means": 1, "ancova": 1, "ancova_unknown_r": 1, "two_proportions": 1}


def label(structure: str) -> str:
    """`name/version`, as results keep it."""
    return f"{structure}/{VERSIONS[structure]}"
