"""Plots as SVG text; what they show is computed elsewhere, here it is only drawn.

Every function answers one SVG document: the same input gives the same bytes, text stays text. What holds nothing to
draw is `Refused`. `png` gives the same plot as a picture.
"""

from analysis.plots.by_time import by_time
from analysis.plots.categories import categories
from analysis.plots.cell_means import cell_means
from analysis.plots.chains import rank, trace
from analysis.plots.counterfactual import counterfactual
from analysis.plots.event_study import event_study
from analysis.plots.operating import operating_characteristics
from analysis.plots.posterior import posterior, prior_posterior
from analysis.plots.predictive import predictive
from analysis.plots.style import png
from analysis.plots.synthesis import synthesis
from analysis.plots.units import units

__all__ = [
    "by_time",
    "categories",
    "cell_means",
    "counterfactual",
    "event_study",
    "operating_characteristics",
    "png",
    "posterior",
    "predictive",
    "prior_posterior",
    "rank",
    "synthesis",
    "trace",
    "units",
]
