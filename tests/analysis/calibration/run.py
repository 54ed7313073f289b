"""Calibrates every model that a design ends in and keeps the result: `python -m tests.analysis.calibration.run`.

Simulation-based calibration of NUTS (Talts et al. 2018; ranks within an ECDF band) and coverage of the exact engine's
95 % interval of the effect as observed, over pilots whose nuisances come from their priors. About 25 minutes on two
cores; names of scenarios as arguments calibrate these and leave the others as they were.
"""

import json
import os
import sys
import time
import zlib
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from analysis import exact
from analysis.answer import versions
from analysis.designs.cell_inputs import UnitCells
from analysis.designs.ordinal_inputs import UnitOrdinal
from analysis.designs.unit_inputs import Waves
from analysis.documents import NormalPrior
from analysis.errors import Refused
from analysis.models import label
from analysis.priors import NO_BIAS, Bias, Run, normal
from analysis.sampling import Sampler, sample
from tests.analysis.calibration.bands import STEPS, p_value
from tests.analysis.calibration.scenarios import SCENARIOS, Pilot

RESULTS = Path(__file__).parents[3] / "docs" / "calibration.json"
SEED = 20260401
REPLICATIONS, PILOTS, PILOTS_FIXED = 150, 1000, 200
"""Of the ranks, of the coverage over the prior of δ, and of that at each fixed δ."""
FIXED = (0.0, 0.3)
BAND = 0.999
"""Simultaneous band of one quantity: of some fifty quantities one in twenty runs shows one outside by chance."""
ERRORS = 4.0
"""Monte-Carlo errors that a coverage may lie off 0.95."""
MAIN = normal(NormalPrior(mean=0, sd=0.5))
OBSERVED, BIASED = Run("as_observed", MAIN, NO_BIAS), Run("adjusted", MAIN, Bias(0.05, 0.15))
SETTINGS = Sampler(chains=2, draws=400, tune=250)


def pilots(name: str, purpose: str, first: int, last: int, truth: Callable[[Any], tuple[float, float]]) -> Any:
    """(number, pilot or the code of its refusal, generator). What is refused is refused for its data alone."""
    for i in range(first, last):
        rng = np.random.default_rng([SEED, zlib.crc32(name.encode()), zlib.crc32(purpose.encode()), i])
        try:
            yield i, SCENARIOS[name](rng, *truth(rng)), rng
        except Refused as refusal:
            yield i, refusal.code, rng


def places(name: str, delta: float | None, span: tuple[int, int]) -> tuple[list[float], list[str]]:
    """Where the true δ lies in the exact posterior, as a probability, of each pilot; and refusals."""
    truth = (lambda rng: (rng.normal(0, 0.5), 0.0)) if delta is None else (lambda rng: (delta, 0.0))
    found, refused = [], []
    for _, pilot, _ in pilots(name, f"coverage {delta}", *span, truth):
        if isinstance(pilot, Pilot):
            found.append(1 - exact.posterior(pilot.inputs, OBSERVED).above(pilot.truth["delta"]))
        else:
            refused.append(pilot)
    return found, refused


def coverage(name: str, delta: float | None, count: int, pool: ProcessPoolExecutor) -> dict[str, Any]:
    """Share of central 95 % intervals that hold the true δ, which is from its prior where None."""
    spans = [(i, min(i + 25, count)) for i in range(0, count, 25)]
    parts = list(pool.map(partial(places, name, delta), spans))
    at = np.array([value for found, _ in parts for value in found])
    share = float(np.mean((at > 0.025) & (at < 0.975)))
    answer = {
        "pilots": len(at),
        "refused": dict(Counter(code for _, codes in parts for code in codes)),
        "share": round(share, 4),
        "error": round(float(np.sqrt(0.95 * 0.05 / len(at))), 4),
    }
    if delta is None:
        # The number of the interval among STEPS that the truth lies in is a rank.
        answer["p"] = p_value(np.minimum(at * STEPS, STEPS - 1))
        answer["passed"] = bool(abs(share - 0.95) <= ERRORS * answer["error"] and answer["p"] >= 1 - BAND)
    return answer


def quantities(pilot: Pilot, draws: dict[str, Any]) -> dict[str, tuple[float, Any]]:
    """True values and draws of what the data tell of."""
    inputs, truth = pilot.inputs, pilot.truth
    names = {"delta", "total", "unit_sd", "unit_time_sd", "step_sd", "log_odds_ratio", "dispersion", "phi"}
    told = names & truth.keys() & draws.keys()
    if isinstance(inputs, Waves | UnitCells | UnitOrdinal):
        told -= {n for n, on in (("unit_sd", inputs.unit), ("unit_time_sd", inputs.unit_time)) if not on}
    if isinstance(inputs, Waves) and inputs.linked:
        told.add("r")
    found = {name: (float(truth[name]), draws[name]) for name in told}
    if "cut_points" in draws:
        found |= {f"cut_{i}": (truth[f"cut_{i}"], draws["cut_points"][..., i]) for i in range(inputs.cuts)}
    if np.ndim(truth.get("sigma", ())) == 0:
        found["sigma"] = (float(truth["sigma"]), draws["sigma"])
    elif "sigma" in truth:
        found |= {f"sigma_{a}": (float(truth["sigma"][a]), draws["sigma"][..., a]) for a in (0, 1)}
    return found


def ranks(name: str, count: int) -> dict[str, Any]:
    """Ranks of the true parameters among thinned draws of NUTS."""
    found: dict[str, list[int]] = {}
    refused: Counter[str] = Counter()
    truth = lambda rng: (rng.normal(0, 0.5), rng.normal(0.05, 0.15))  # noqa: E731
    for i, pilot, _ in pilots(name, "ranks", 0, count, truth):
        if not isinstance(pilot, Pilot):
            refused[pilot] += 1
            continue
        draws = sample(pilot.inputs, BIASED, SETTINGS, SEED + i, lambda _: None).values
        for quantity, (value, sampled) in quantities(pilot, draws).items():
            thinned = sampled.reshape(-1)[:: sampled.size // STEPS][: STEPS - 1]
            found.setdefault(quantity, []).append(int((thinned < value).sum()))
    of_each = {q: p_value(np.array(r)) for q, r in sorted(found.items())}
    return {
        "replications": count - sum(refused.values()),
        "refused": dict(refused),
        "quantities": {q: {"p": p, "passed": p >= 1 - BAND} for q, p in of_each.items()},
    }


def calibrated(name: str, pool: ProcessPoolExecutor) -> dict[str, Any]:
    """Everything kept of one scenario."""
    start = time.perf_counter()
    design, family, structure = name.split(" × ")
    answer = {
        "design": design,
        "family": family,
        "model": label(structure),
        "date": datetime.now(UTC).date().isoformat(),
        "packages": dict(versions()),
        "coverage": {
            "prior": coverage(name, None, PILOTS, pool),
            **{str(delta): coverage(name, delta, PILOTS_FIXED, pool) for delta in FIXED},
        },
        "ranks": ranks(name, REPLICATIONS),
    }
    return {**answer, "seconds": round(time.perf_counter() - start)}


def main(names: list[str]) -> None:
    """Calibrate the scenarios named, all when none is; keep each as soon as it is done."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    kept = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"scenarios": {}}
    kept["settings"] = {
        "seed": SEED,
        "band": BAND,
        "errors": ERRORS,
        "draws": STEPS - 1,
        "says": "delta from N(0, 0.5), nuisances from their priors; ranks with bias N(0.05, 0.15), coverage without; "
        "p: share of simulated uniform ranks with as extreme an ECDF",
    }
    with ProcessPoolExecutor(2) as pool:
        for name in names or list(SCENARIOS):
            kept["scenarios"][name] = calibrated(name, pool)
            kept["scenarios"] = {n: kept["scenarios"][n] for n in SCENARIOS if n in kept["scenarios"]}
            RESULTS.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n")
            sys.stdout.write(f"{name}: {json.dumps(kept['scenarios'][name]['ranks'])}\n")
            sys.stdout.write(f"  {json.dumps(kept['scenarios'][name]['coverage'])}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
