"""Stepped wedges as they are entered, made of numbers: for the tests of the design."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from analysis.designs import prepare
from analysis.designs.binary_inputs import KAPPA_LOGIT
from analysis.designs.prepared import Prepared, Question
from analysis.documents import FitRequest

Array = NDArray[np.float64]


def waves(count: int, **dates: list[Any]) -> list[dict[str, Any]]:
    kinds = ["baseline", *["interim"] * (count - 2), "followup"]
    return [{"key": f"w{t}", "kind": kinds[t], **{k: v[t] for k, v in dates.items()}} for t in range(count)]


def request(entries: list[dict[str, Any]], periods: int = 5, *, shape: str = "cells", **plan: Any) -> FitRequest:
    """A request of these entries; keywords change the plan, `primary` its measure."""
    family = plan.pop("family", "normal" if shape == "cells" else "binary")
    measure = {"measure": "m", "family": family, "direction": "higher_is_better", "reference_sd": 10, **PLACED}
    planned = {
        "design": "stepped_wedge",
        "treated": "t",
        "control": "c",
        "followup": f"w{periods - 1}",
        "followup_months": 6,
        "randomised": True,
        "waves": waves(periods),
        "attrition": {"t": 0.05, "c": 0.05},
        "measures": [measure | plan.pop("primary", {})],
    }
    engine = plan.pop("engine", "exact")
    return FitRequest.model_validate(
        {"plan": planned | plan, "data": {"m": {shape: entries}}, "seed": 1, "engine": engine}
    )


PLACED = {"reference_mean": 50}


def prepared(asked: FitRequest) -> Prepared:
    plan = asked.plan.expanded()
    return prepare(Question(plan, plan.measures[0], asked.data["m"], plan.followup))


def wedge(
    rng: np.random.Generator,
    *,
    units: int = 8,
    periods: int = 5,
    people: int = 20,
    effect: Array | float = 0.3,
    trend: float = 0.1,
    unit_sd: float = 0.25,
    unit_time_sd: float = 0.1,
    binary: bool = False,
    level: float = 0.0,
) -> list[dict[str, Any]]:
    """Cells or counts; `effect` by the time since start (or one for all), the units starting in turn from w1 on."""
    later = np.broadcast_to(np.asarray(effect, dtype=np.float64), (periods,)) if np.ndim(effect) == 0 else effect
    entries: list[dict[str, Any]] = []
    for g in range(units):
        start, u = 1 + g % (periods - 1), unit_sd * rng.normal()
        for t in range(periods):
            y = level + trend * t + u + unit_time_sd * rng.normal() + (later[t - start] if t >= start else 0.0)
            cell = {"unit": f"u{g}", "arm": "ct"[t >= start], "wave": f"w{t}", "n": people}
            if binary:
                entries.append({**cell, "x": int(rng.binomial(people, expit(KAPPA_LOGIT * y)))})
                continue
            values = y + rng.normal(size=people)
            entries.append({**cell, "mean": 50 + 10 * float(values.mean()), "sd": 10 * float(values.std(ddof=1))})
    return entries
