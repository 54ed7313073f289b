"""People over two waves in groups: `waves` with two slots, a fraction of its cost."""

import pymc as pm

from analysis.models.waves import built, layout

LAYOUT = layout(2)


def build() -> pm.Model:
    """The model of two waves; groups and patterns may be any number."""
    return built(2)
