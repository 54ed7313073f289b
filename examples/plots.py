"""Plots of a randomised trial as SVG files, from the library alone (no service needed).

python examples/plots.py folder     (the coaching trial as published: Dyrbye et al. 2019)
"""

import sys
from pathlib import Path

from analysis import plots
from analysis.documents import FitRequest
from analysis.fit import exact_posteriors, fit

REQUEST = {
    "plan": {
        "design": "parallel",
        "control": "control",
        "baseline": "pre",
        "randomised": True,
        "attrition": {"intervention": 0.07, "control": 0.07},
        "followup_months": 6,
        "measures": [
            {"measure": "mbi_ee", "family": "normal", "direction": "lower_is_better", "reference_sd": 10.3},
        ],
    },
    "data": {
        "mbi_ee": {
            "changes": [
                {"arm": "intervention", "n": 41, "mean": -5.2, "sd": 8.7},
                {"arm": "control", "n": 41, "mean": 1.5, "sd": 7.7},
            ]
        }
    },
    "seed": 1,
    "engine": "exact",
}


def main(folder: str) -> None:
    """Fit, draw, write."""
    request = FitRequest.model_validate(REQUEST)
    effect = fit(request)["effects"][0]
    posteriors = exact_posteriors(request)["mbi_ee"]
    mmd = request.plan.measures[0].mmd
    drawn = {
        "posterior": plots.posterior(effect, posteriors["adjusted"], posteriors["as_observed"], mmd),
        "prior_posterior": plots.prior_posterior(request.plan, "mbi_ee", posteriors),
        "cell_means": plots.cell_means(request.plan, "mbi_ee", request.data["mbi_ee"]),
    }
    into = Path(folder)
    into.mkdir(parents=True, exist_ok=True)
    for name, svg in drawn.items():
        (into / f"{name}.svg").write_text(svg, encoding="utf-8")
        print(into / f"{name}.svg")


if __name__ == "__main__":
    main(*sys.argv[1:])
