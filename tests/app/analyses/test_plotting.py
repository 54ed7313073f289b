"""The plots of a fit as the child draws them."""

from collections.abc import Mapping

import numpy as np
import pytest

from analysis import plots
from analysis.documents import FitRequest
from analysis.fit import Fit, fit_with_draws
from analysis.sampling import Draws
from app.analyses.plotting import SHOWN, draw
from app.analyses.routes import PLOTS
from tests.analysis.wedge_cases import request as wedge_request
from tests.analysis.wedge_cases import wedge
from tests.app.steps import CHANGES, PLAN

MEASURES = [
    {"measure": "mbi_ee", "family": "normal", "direction": "lower_is_better", "reference_sd": 10.3},
    {"measure": "burnt/out", "role": "secondary", "family": "binary", "direction": "lower_is_better"},
    {"measure": "unknown", "role": "secondary", "family": "binary", "direction": "lower_is_better"},
]
COUNTS = [{"arm": arm, "wave": "post", "x": x, "n": 41} for arm, x in (("intervention", 9), ("control", 20))]
CHECKS = [{"cell": "control", "quantity": "mean", "observed": 0.3, "low": 0.1, "high": 0.4, "p": 0.98}]


@pytest.fixture(scope="module")
def request_() -> FitRequest:
    data = {"mbi_ee": {"changes": CHANGES["changes"]}, "burnt/out": {"counts": COUNTS}}
    document = {"plan": {**PLAN, "measures": MEASURES}, "data": data, "seed": 1, "engine": "exact"}
    return FitRequest.model_validate(document)


def sampled(fitted: Fit) -> Fit:
    """The exact fit as if it had been sampled: with draws, more quantities than fit on a plot, and checks."""
    rng = np.random.default_rng(1)
    shapes: Mapping[str, tuple[int, ...]] = {"alpha": (), "delta": (), "sigma": (2,), "theta": (6,), "total": ()}
    drawn = {
        measure: {"adjusted": Draws({k: rng.normal(size=(4, 100, *s)) for k, s in shapes.items()}, {})}
        for measure in fitted.posteriors
    }
    effects = [
        {**e, "predictive": CHECKS} if e["measure"] in fitted.posteriors else e for e in fitted.answer["effects"]
    ]
    return Fit({**fitted.answer, "effects": effects}, drawn, fitted.posteriors)


def test_a_stepped_wedge_shows_its_effect_by_time_since_start() -> None:
    asked = wedge_request(wedge(np.random.default_rng(1)))
    drawn, warned = draw(asked, fit_with_draws(asked), {})
    assert warned == []
    assert "by_time" in {plot["name"] for plot in drawn}


def test_a_stepped_wedge_of_which_an_arm_is_hidden_is_not_checked_by_arm_and_wave() -> None:
    asked = wedge_request(wedge(np.random.default_rng(1)))
    found = fit_with_draws(asked)
    effects = [{**effect, "predictive": CHECKS} for effect in found.answer["effects"]]
    fitted = Fit({**found.answer, "effects": effects}, found.draws, found.posteriors)
    for linked in (False, True):
        drawn, warned = draw(asked, fitted, {}, {"tables": [["m", "c", "w1", linked]]})
        assert warned == []
        svgs = {plot["name"]: plot["svg"] for plot in drawn}
        assert ("predictive" in svgs) is linked
        assert ("too few people" in svgs["cell_means"]) is not linked


def test_every_fitted_measure_has_its_plots(request_: FitRequest) -> None:
    drawn, warned = draw(request_, sampled(fit_with_draws(request_)), {})
    assert warned == []
    found = {(plot["measure"], plot["name"]): plot["svg"] for plot in drawn}
    # The data name no units, one wave before the start, no months and no ordered categories.
    expected = [
        name for name in PLOTS if name not in {"units", "event_study", "categories", "by_time", "counterfactual"}
    ]
    assert list(found) == [(measure, name) for measure in ("mbi_ee", "burnt/out") for name in expected]
    assert all(svg.startswith("<?xml") and "<script" not in svg for svg in found.values())
    assert "as observed" in found["mbi_ee", "posterior"]
    assert "p 0.040" in found["mbi_ee", "predictive"]  # the check's 0.98, of either side
    assert "SD units" in found["mbi_ee", "predictive"]
    for quantity in ("delta", "total", "sigma 1"):
        assert f">{quantity}<" in found["mbi_ee", "trace"], quantity
    assert found["mbi_ee", "trace"].count(">alpha") == 0, f"{SHOWN} quantities are enough"


def test_what_was_not_sampled_has_no_chains(request_: FitRequest) -> None:
    drawn, warned = draw(request_, fit_with_draws(request_), {})
    assert {plot["name"] for plot in drawn} == {"posterior", "prior_posterior", "cell_means"}
    assert warned == []


def test_ordered_categories_are_drawn_as_such() -> None:
    answers = {"intervention": [2, 5, 9], "control": [6, 6, 4]}
    request = FitRequest.model_validate(
        {
            "plan": {
                "design": "parallel",
                "control": "control",
                "randomised": True,
                "measures": [{"measure": "m", "family": "ordinal", "direction": "higher_is_better"}],
            },
            "data": {"m": {"categories": [{"arm": a, "wave": "post", "counts": c} for a, c in answers.items()]}},
            "engine": "exact",
        }
    )
    drawn, warned = draw(request, fit_with_draws(request), {})
    assert {plot["name"] for plot in drawn} == {"posterior", "prior_posterior", "categories"}
    assert warned == []
    few = {"tables": [("m", "control", "post", False)]}
    found = {plot["name"]: plot["svg"] for plot in draw(request, fit_with_draws(request), {}, few)[0]}
    assert "1 not shown" in found["categories"]


def test_a_plot_that_fails_costs_nothing_but_itself(request_: FitRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> str:
        msg = "no such font"
        raise OSError(msg)

    monkeypatch.setattr(plots, "cell_means", broken)
    drawn, warned = draw(request_, fit_with_draws(request_), {})
    assert {plot["name"] for plot in drawn} == {"posterior", "prior_posterior"}
    assert [(w["code"], w["measure"]) for w in warned] == [("plot_failed", "mbi_ee"), ("plot_failed", "burnt/out")]
    assert "cell_means" in str(warned[0]["message"])
