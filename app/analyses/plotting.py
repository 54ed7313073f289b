"""The plots of a fit, drawn in the child process that made it: the web process only hands out their text.

Imports matplotlib, so that only `run.py` may import this, and only when a fit is there.
"""

import base64
import traceback
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from analysis import plots
from analysis.documents import Design, Family, FitRequest, PlannedMeasure
from analysis.errors import Refused
from analysis.fit import Fit
from analysis.runs import ADJUSTED, OBSERVED

SHOWN = 3
"""Quantities of a plot of chains: the effect, what the data show of it, a spread; each takes a tenth of a second."""
FIRST = ("delta", "total", "sigma", "unit_sd", "unit_time_sd", "r")
"""The effect, then what its precision hangs on; other quantities follow by name."""
SCALES = {Family.NORMAL: "SD units about the reference mean, benefit to the right"}

Plot = dict[str, str]
Warned = dict[str, str | None]


def draw(
    request: FitRequest, fitted: Fit, unit_names: Mapping[str, str], suppressed: Mapping[str, Any] | None = None
) -> tuple[list[Plot], list[Warned]]:
    """Every plot there is of each fitted measure, as `{name, measure, svg}`, and a warning for each that failed.

    `suppressed` says which `units` and `tables` (measure, arm, wave, linked) are of too few people to be drawn. What
    has nothing to show (units where there are none) is left out without a word.
    """
    hidden = suppressed or {}
    drawn: list[Plot] = []
    warned: list[Warned] = []
    for effect in fitted.answer["effects"]:
        planned = request.plan.measure(effect["measure"])
        if planned is None or planned.measure not in fitted.posteriors:
            continue
        for name, make in _plots(request, fitted, planned, effect, unit_names, hidden):
            try:
                drawn.append({"name": name, "measure": planned.measure, "svg": make()})
            except Refused:
                continue
            except Exception as error:  # noqa: BLE001 - a drawing is no reason to lose an analysis
                traceback.print_exc()
                message = f"The plot {name} could not be drawn ({type(error).__name__}); the result stands without it."
                warned.append({"code": "plot_failed", "message": message, "measure": planned.measure})
    return drawn, warned


def pictures(
    request: FitRequest,
    fitted: Fit,
    unit_names: Mapping[str, str],
    suppressed: Mapping[str, Any] | None = None,
    progress: Callable[[float], None] = lambda _: None,
) -> list[Plot]:
    """The same plots as PNG, as `{name, measure, png}` with the bytes in base64; one that fails is left out."""
    drawn: list[Plot] = []
    planned = [p for p in request.plan.measures if p.measure in fitted.posteriors]
    effects = {effect["measure"]: effect for effect in fitted.answer["effects"]}
    for number, one in enumerate(planned):
        for name, make in _plots(request, fitted, one, effects[one.measure], unit_names, suppressed or {}):
            progress(number / len(planned))  # raises when nobody wants them any more
            try:
                content = plots.png(make)
            except Refused:
                continue
            except Exception:  # noqa: BLE001 - the others are wanted all the same
                traceback.print_exc()
                continue
            drawn.append({"name": name, "measure": one.measure, "png": base64.b64encode(content).decode("ascii")})
    return drawn


def _plots(
    request: FitRequest,
    fitted: Fit,
    planned: PlannedMeasure,
    effect: dict[str, Any],
    unit_names: Mapping[str, str],
    hidden: Mapping[str, Any],
) -> Iterator[tuple[str, Callable[[], str]]]:
    key = planned.measure
    plan, runs = request.plan.expanded(), fitted.posteriors[key]
    yield "posterior", lambda: plots.posterior(effect, runs[ADJUSTED], runs[OBSERVED], planned.mmd)
    yield "prior_posterior", lambda: plots.prior_posterior(plan, key, runs)
    wedge = plan.design is Design.STEPPED_WEDGE
    # Linked people have no total of their own in a stepped wedge.
    left_out = {
        (arm, wave)
        for measure, arm, wave, linked in hidden.get("tables", [])
        if measure == key and not (wedge and linked)
    }
    yield "cell_means", lambda: plots.cell_means(plan, key, request.data[key], left_out)
    yield "categories", lambda: plots.categories(plan, key, request.data[key], left_out)
    yield "event_study", lambda: plots.event_study(effect)
    yield "counterfactual", lambda: plots.counterfactual(effect)
    units = {unit for unit in hidden.get("units", []) if unit is not None}
    # Who has no unit goes by the name of the arm.
    units |= {arm.key for arm in plan.arms} if None in hidden.get("units", []) else set()
    yield "units", lambda: plots.units(effect, unit_names, units)
    yield "by_time", lambda: plots.by_time(effect)
    # Of other designs an arm that is hidden is in no analysis; a stepped wedge is checked by arm and wave.
    checked = {} if wedge and left_out else effect
    yield "predictive", lambda: plots.predictive(_two_sided(checked), key, unit=SCALES.get(planned.family, "of people"))
    yield "trace", lambda: plots.trace(_chains(fitted, key))
    yield "rank", lambda: plots.rank(_chains(fitted, key))


def _two_sided(effect: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The checks as they are drawn: with p of either side."""
    return [{**check, "p": 2 * min(check["p"], 1 - check["p"])} for check in effect.get("predictive", [])]


def _chains(fitted: Fit, measure: str) -> dict[str, np.ndarray[Any, Any]]:
    """Draws of the run that decides, (chain, draw) by quantity; of a vector each part."""
    if measure not in fitted.draws:
        return {}
    found: dict[str, np.ndarray[Any, Any]] = {}
    drawn = fitted.draws[measure][ADJUSTED].values
    names = sorted(drawn)
    for name in [*(n for n in FIRST if n in names), *(n for n in names if n not in FIRST)]:
        values = drawn[name]
        parts = values.reshape(*values.shape[:2], -1)
        for i in range(parts.shape[2]):
            found[name if parts.shape[2] == 1 else f"{name} {i + 1}"] = parts[..., i]
    return dict(list(found.items())[:SHOWN])


def warm() -> None:
    """Load what drawing needs: fonts are measured and read on first use."""
    checks = [{"cell": "c", "quantity": "mean", "observed": 0.0, "low": -1.0, "high": 1.0, "p": 0.5}]
    plots.predictive(checks)
