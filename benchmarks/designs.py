"""A warm fit of everything that is offered, a simulated pilot of each: whole with NUTS, and by the exact engine alone.

    .venv/bin/python -m benchmarks.designs ["its × count" …]

Prints the median of several runs of each combination of design and family. `its` and `stepped_wedge` shall take 3 s at
most on a free machine.
"""

import statistics
import sys
import time
from typing import Any

import numpy as np

from analysis.documents import Design, Family, FitRequest, MeasureData
from analysis.fit import fit_with_draws
from analysis.pilots import MAKERS, truth_of
from analysis.scenario import SimulateRequest
from analysis.simulation import Simulation

RUNS = 5
EFFECT = 0.3
WEDGE = ("w0", "w1", "w2", "w3", "w4")
SHARES = [0.1, 0.2, 0.3, 0.25, 0.15]
OF_FAMILY: dict[Family, dict[str, Any]] = {
    Family.NORMAL: {},
    Family.BINARY: {"rate": 0.4},
    Family.ORDINAL: {"shares": SHARES},
    Family.COUNT: {"event_rate": 3.0},
    Family.DURATION: {},
    Family.SHARE: {"rate": 0.3, "trials": 20},
}


def scenario(design: Design, family: Family) -> SimulateRequest:
    """A pilot of usual size: 120 people an arm, eight units an arm, two years of months before and one after."""
    in_months, wedge = design is Design.ITS, design is Design.STEPPED_WEDGE
    alone = design in (Design.PAIRED, Design.CROSS_SECTION)
    arms = ["treated"] if alone or wedge else ["treated", "control"]
    scale = {"minimum": 0, "maximum": len(SHARES) - 1} if family is Family.ORDINAL else {}
    plan: dict[str, Any] = {
        "design": design,
        "treated": "treated",
        "control": None if alone else "control",
        "baseline": "pre",
        "followup": "post",
        "followup_months": 6,
        "measures": [
            {
                "measure": "m",
                "role": "primary",
                "family": family,
                "direction": "higher_is_better",
                "reference_sd": 1.0 if family is Family.NORMAL else None,
                **scale,
            }
        ],
    }
    if wedge:
        waves = [{"key": w, "kind": "baseline" if w == WEDGE[0] else "followup"} for w in WEDGE]
        plan |= {"baseline": WEDGE[0], "followup": WEDGE[-1], "waves": waves}
    truth = dict(OF_FAMILY[family])
    if in_months:
        truth = {"events_per_month": 40.0} if family is Family.COUNT else {}
    asked = {"plan": plan, "effects": [EFFECT], "pilots": 50, **truth}
    if not in_months:
        asked["people"] = dict.fromkeys(arms, 480 if wedge else 120)
    if design in (Design.CLUSTER, Design.DID, Design.CROSS_SECTION, Design.STEPPED_WEDGE):
        asked["units"] = dict.fromkeys(arms, 8)
    return SimulateRequest.model_validate(asked)


def request(design: Design, family: Family, engine: str, seed: int = 1) -> FitRequest:
    """What `fit` reads, of one simulated pilot."""
    asked = scenario(design, family)
    simulation = Simulation.of(asked)
    (measure,) = simulation.measures
    truth = truth_of(asked, simulation.plan, measure, EFFECT, 0.0)
    maker = MAKERS[design, family]
    values = maker.draw(np.random.default_rng(seed), truth, simulation.groups)
    data: MeasureData = maker.enter(truth, values, simulation.plan.followup)
    return FitRequest.model_validate({"plan": simulation.plan, "data": {"m": data}, "engine": engine})


def median(design: Design, family: Family, engine: str) -> float:
    """Median seconds of several fits, each of another simulated pilot, so that nothing is remembered."""
    taken = []
    for seed in range(2, 2 + RUNS):
        asked = request(design, family, engine, seed)
        started = time.perf_counter()
        fit_with_draws(asked)
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def main() -> None:
    """Run and print."""
    print(f"{'design × family':28}{'structure':24}{'NUTS, s':>9}{'exact, ms':>11}")
    for design, family in MAKERS:
        name = f"{design.value} × {family.value}"
        if len(sys.argv) > 1 and name not in sys.argv[1:]:
            continue
        fitted = fit_with_draws(request(design, family, "nuts"))  # compiles
        nuts, exact = (median(design, family, engine) for engine in ("nuts", "exact"))
        structure = fitted.answer["provenance"]["model"]
        print(f"{name:28}{structure:24}{nuts:9.2f}{1000 * exact:11.0f}", flush=True)


if __name__ == "__main__":
    main()
