import copy
from collections.abc import Callable
from typing import Any

import pytest

from analysis.documents import FitRequest

Ask = Callable[..., FitRequest]

PRIMARY: dict[str, Any] = {
    "measure": "m",
    "role": "primary",
    "family": "normal",
    "direction": "higher_is_better",
    "reference_sd": 1.0,
}
CHANGES: dict[str, Any] = {
    "changes": [
        {"arm": "treated", "n": 60, "mean": 0.45, "sd": 0.8},
        {"arm": "control", "n": 60, "mean": 0.0, "sd": 0.8},
    ]
}
PLAN: dict[str, Any] = {
    "design": "parallel",
    "treated": "treated",
    "control": "control",
    "baseline": "pre",
    "followup": "post",
    "followup_months": 6,
    "randomised": True,
    "attrition": {"treated": 0.05, "control": 0.05},
}


@pytest.fixture
def ask() -> Ask:
    """A request: `primary` and the other keywords change the plan's primary measure and the plan."""

    def build(
        data: dict[str, Any] | None = None,
        *,
        primary: dict[str, Any] | None = None,
        others: dict[str, tuple[dict[str, Any], dict[str, Any] | None]] | None = None,
        seed: int | None = 1,
        engine: str = "exact",
        look: int | None = None,
        **plan: Any,
    ) -> FitRequest:
        measures = [PRIMARY | (primary or {})]
        given = {"m": copy.deepcopy(CHANGES if data is None else data)}
        for name, (measure, values) in (others or {}).items():
            measures.append({**PRIMARY, "measure": name, **measure})
            if values is not None:
                given[name] = values
        return FitRequest.model_validate(
            {
                "plan": {**PLAN, "measures": measures, **plan},
                "data": given,
                "seed": seed,
                "engine": engine,
                "look": look,
            }
        )

    return build


@pytest.fixture
def coaching() -> dict[str, Any]:
    """The request of the coaching trial as published (Dyrbye et al. 2019)."""
    return {
        "plan": {
            "design": "parallel",
            "treated": "intervention",
            "control": "control",
            "baseline": "pre",
            "followup": "post",
            "measures": [
                {
                    "measure": "mbi_ee",
                    "role": "primary",
                    "family": "normal",
                    "direction": "lower_is_better",
                    "reference_sd": 10.3,
                    "scope": "global",
                    "minimum": 0,
                    "maximum": 54,
                }
            ],
            "followup_months": 6,
            "min_followup_months": 6,
            "randomised": True,
            "attrition": {"intervention": 0.07, "control": 0.07},
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
    }


@pytest.fixture
def compass() -> dict[str, Any]:
    """The request of the COMPASS trial as published (West et al. 2021)."""
    counts = {
        "mbi_burnout": ((31, 62, 19, 51), (25, 61, 24, 56)),
        "intent_to_leave": ((17, 62, 13, 51), (14, 61, 16, 55)),
    }
    return {
        "plan": {
            "design": "parallel",
            "treated": "intervention",
            "control": "control",
            "baseline": "pre",
            "followup": "post",
            "measures": [
                {"measure": name, "role": role, "family": "binary", "direction": "lower_is_better", "scope": "global"}
                for name, role in (("mbi_burnout", "primary"), ("intent_to_leave", "global"))
            ],
            "followup_months": 6,
            "randomised": True,
        },
        "data": {
            name: {
                "counts": [
                    {"arm": arm, "wave": wave, "x": row[i], "n": row[i + 1]}
                    for arm, row in zip(("intervention", "control"), rows, strict=True)
                    for wave, i in (("pre", 0), ("post", 2))
                ]
            }
            for name, rows in counts.items()
        },
        "seed": 1,
    }
