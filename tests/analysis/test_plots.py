"""Plots hold what they are to show, and the same answer gives the same bytes."""

from collections.abc import Callable
from xml.etree import ElementTree as ET

from analysis.documents import FitRequest
from analysis.fit import exact_posteriors, fit
from analysis.plots import posterior


def test_posterior_of_an_effect(ask: Callable[..., FitRequest]) -> None:
    request = ask()
    effect = fit(request)["effects"][0]
    runs = exact_posteriors(request)["m"]
    assert runs["adjusted"].mean == effect["adjusted"]["mean"]
    svg = posterior(effect, runs["adjusted"], runs["as_observed"], 0.2)
    assert ET.fromstring(svg).tag.endswith("svg")
    for said in ("MMD 0.2", "m (primary)", f"P(above MMD) {100 * effect['p_meaningful']:.1f} %", "95 % equal-tailed"):
        assert said in svg
    assert posterior(effect, runs["adjusted"], runs["as_observed"], 0.2) == svg


def test_a_flat_and_harmful_effect_is_drawn_too(ask: Callable[..., FitRequest]) -> None:
    changes = [
        {"arm": "treated", "n": 30, "mean": -3.0, "sd": 1.0},
        {"arm": "control", "n": 30, "mean": 0.0, "sd": 1.0},
    ]
    request = ask({"changes": changes}, priors={"effect": "flat"})
    runs = exact_posteriors(request)["m"]
    svg = posterior(fit(request)["effects"][0], runs["adjusted"], runs["as_observed"], 0.2)
    assert "P(benefit) &lt;0.1 %" in svg
