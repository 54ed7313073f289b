"""Monthly series for tests: simulated as the model has them, and requests made of them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.documents import FitRequest, MeasureData, Plan
from analysis.fit import fit

Array = NDArray[np.float64]
MEASURE: dict[str, Any] = {"measure": "m", "role": "primary", "direction": "lower_is_better"}
PLAN: dict[str, Any] = {"design": "its", "treated": "t", "followup": "post", "followup_months": 12}


def departures(rng: np.random.Generator, months: int, sd: float, phi: float = 0.3) -> Array:
    found = rng.normal(size=months)
    for i in range(1, months):
        found[i] = phi * found[i - 1] + np.sqrt(1 - phi**2) * found[i]
    return sd * found


def log_values(
    seed: int, before: int = 24, after: int = 12, *, effect: float = 0.0, trend: float = 0.0, sd: float = 0.1
) -> dict[int, float]:
    """Log values by month; effect and trend (a year) on the log scale."""
    rng = np.random.default_rng(seed)
    own = departures(rng, before + after, sd)
    return {t: effect * (t >= 0) + trend * t / 12 + float(own[t + before]) for t in range(-before, after)}


def points(
    logs: dict[int, float], family: str, arm: str = "t", *, seed: int = 0, level: float = 30.0, **more: Any
) -> list[dict[str, Any]]:
    """One point a month: a duration, or events over 100 days."""
    rng = np.random.default_rng([9, seed])
    if family == "duration":
        return [{"arm": arm, "t": t, "value": level * float(np.exp(v)), **more} for t, v in logs.items()]
    return [
        {"arm": arm, "t": t, "value": int(rng.poisson(level * np.exp(v))), "exposure": 100.0, **more}
        for t, v in logs.items()
    ]


def request(series: list[dict[str, Any]], family: str, engine: str = "exact", **changes: Any) -> FitRequest:
    """A request; `measure` changes the measure, other keywords the plan."""
    measure = MEASURE | {"family": family} | changes.pop("measure", {})
    plan = {**PLAN, "measures": [measure], **changes}
    if "control" not in plan and any(p.get("arm") == "c" for p in series):
        plan["control"] = "c"
    return FitRequest.model_validate({"plan": plan, "data": {"m": {"series": series}}, "seed": 1, "engine": engine})


def answer(series: list[dict[str, Any]], family: str, **changes: Any) -> dict[str, Any]:
    return fit(request(series, family, **changes))


def codes(of: dict[str, Any]) -> set[str]:
    return {warning["code"] for warning in of["warnings"]}


def ready(series: list[dict[str, Any]], family: str, **changes: Any) -> tuple[Plan, dict[str, MeasureData]]:
    """Plan and data as the exact engine alone judges them."""
    asked = request(series, family, **changes)
    return asked.plan.expanded(), dict(asked.data)
