"""Requests of counts, shares and durations, and their posteriors by another road."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.case import case_of
from analysis.designs.prepared import Prepared
from analysis.documents import FitRequest
from analysis.fit import fit

Array = NDArray[np.float64]
ARMS = ("c", "t")


def ask(
    data: dict[str, Any],
    family: str = "count",
    design: str = "parallel",
    *,
    measure: dict[str, Any] | None = None,
    engine: str = "exact",
    **plan: Any,
) -> FitRequest:
    """A request of one measure, lower is better; the treated arm is `t`."""
    planned = {"measure": "m", "family": family, "direction": "lower_is_better", **(measure or {})}
    one = design in ("cross_section", "paired")
    base = {
        "design": design,
        "treated": "t",
        "control": None if one else "c",
        "baseline": "pre",
        "followup": "post",
        "followup_months": 6,
        "randomised": True,
        "attrition": {"t": 0.05} | ({} if one else {"c": 0.05}),
        "measures": [planned],
    }
    return FitRequest.model_validate({"plan": {**base, **plan}, "data": {"m": data}, "seed": 1, "engine": engine})


def answer(*args: Any, **kwargs: Any) -> dict[str, Any]:
    return fit(ask(*args, **kwargs))


def effect(*args: Any, **kwargs: Any) -> dict[str, Any]:
    """The block of the measure of an answer that is none of refusal."""
    found = answer(*args, **kwargs)
    assert "refused" not in found, found
    block: dict[str, Any] = found["effects"][0]
    return block | {"codes": [w["code"] for w in found["warnings"]], "outcome": found["recommendation"]["outcome"]}


def refusal(*args: Any, **kwargs: Any) -> dict[str, str]:
    found: dict[str, str] = answer(*args, **kwargs)["refused"]
    assert found["message"]
    assert found["what_would_help"]
    return found


def prepared(*args: Any, **kwargs: Any) -> Prepared:
    return case_of(ask(*args, **kwargs)).prepared[0]


def negative_binomial(rng: np.random.Generator, mean: float, dispersion: float, size: int) -> Array:
    phi = dispersion**-2
    return rng.poisson(rng.gamma(phi, mean / phi, size)).astype(float)


def rows(values: dict[tuple[str, str], Any], **more: Any) -> dict[str, Any]:
    """Values by (arm, wave) as rows without names."""
    return {
        "rows": [
            {"arm": arm, "wave": wave, "value": float(value), **more}
            for (arm, wave), of_cell in values.items()
            for value in of_cell
        ]
    }


def unit_events(
    seed: int, units: int, waves: tuple[str, ...] = ("pre", "post"), arms: tuple[str, ...] = ARMS, mean: float = 9.0
) -> dict[str, Any]:
    """Events of units over three days each, more variable than Poisson ones."""
    rng = np.random.default_rng(seed)
    return {
        "events": [
            {
                "arm": arm,
                "unit": f"{arm}{u}",
                "wave": wave,
                "events": int(negative_binomial(rng, mean, 0.5, 1)[0]),
                "exposure": 3.0,
            }
            for arm in arms
            for u in range(units)
            for wave in waves
        ]
    }
