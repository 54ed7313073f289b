"""Measures the engine beside plain row-level PyMC and gbstats, in one run, as ratios.

    make bench

The same 650 people in 18 units, analysed three ways; then what a warm fit costs by the number of rows and of units.
gbstats is taken from its wheel into a temporary folder, without the old versions it pins.
"""

import resource
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.documents import FitRequest
from analysis.fit import fit_with_draws
from analysis.sampling import warm

Array = NDArray[np.float64]
RUNS = 5
GBSTATS = "gbstats==0.8.0"
UNITS, PER_UNIT = 18, 36


class Rows:
    """Simulated people: unit, arm of the unit, baseline and follow-up in SD units."""

    def __init__(self, units: int, people: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.unit = np.arange(people) % units
        self.treated = (self.unit % 2).astype(float)
        self.before = rng.normal(0, 1, people) + rng.normal(0, 0.3, units)[self.unit]
        own = rng.normal(0, 0.25, units)[self.unit]
        self.after = 0.3 * self.treated + 0.6 * self.before + own + rng.normal(0, 0.8, people)

    def pairs(self) -> list[dict[str, Any]]:
        """The sums of each unit, as a database would hand them over."""
        found = []
        for unit in np.unique(self.unit):
            mine = self.unit == unit
            x, y = self.before[mine], self.after[mine]
            found.append(
                {
                    "unit": f"unit {unit}",
                    "arm": "treated" if self.treated[mine][0] else "control",
                    "n": len(x),
                    "mean": [x.mean(), y.mean()],
                    "sd": [x.std(ddof=1), y.std(ddof=1)],
                    "r": np.corrcoef(x, y)[0, 1],
                }
            )
        return found


def request(pairs: list[dict[str, Any]], engine: str, design: str = "cluster") -> FitRequest:
    """A request of `fit` for one primary measure, randomised."""
    measure = {"measure": "m", "family": "normal", "direction": "higher_is_better", "reference_sd": 1.0}
    plan = {
        "design": design,
        "treated": "treated",
        "control": "control",
        "baseline": "pre",
        "measures": [measure],
        "randomised": True,
    }
    if design == "parallel":
        pairs = [{**pair, "unit": None} for pair in pairs]
    return FitRequest.model_validate({"plan": plan, "data": {"m": {"pairs": pairs}}, "engine": engine, "seed": 1})


def seconds(of: Callable[[], object], runs: int = RUNS) -> float:
    """Median wall time of some runs."""
    found = []
    for _ in range(runs):
        start = time.perf_counter()
        of()
        found.append(time.perf_counter() - start)
    return statistics.median(found)


def row_level(rows: Rows, **options: str) -> tuple[float, float, float, float]:
    """Plain PyMC on the rows, `pm.sample` with its defaults but `options`: seconds, mean, SD and ESS of the effect.

    Its default sampler is nutpie where that is installed, as it is here; `nuts_sampler="pymc"` is its own.
    """
    import arviz as az  # noqa: PLC0415
    import pymc as pm  # noqa: PLC0415

    means = np.array([rows.before[rows.unit == u].mean() for u in range(int(rows.unit.max()) + 1)])[rows.unit]
    with pm.Model():
        effect = pm.Normal("effect", 0, 0.5)
        alpha = pm.Normal("alpha", 0, 1)
        slopes = pm.Normal("slopes", 0.5, 0.5, shape=2)
        sigma = pm.HalfNormal("sigma", 1, shape=2)
        unit_sd = pm.HalfNormal("unit_sd", 0.25)
        own = pm.Normal("own", 0, 1, shape=int(rows.unit.max()) + 1)
        expected = alpha + slopes[0] * (rows.before - means) + slopes[1] * means + effect * rows.treated
        expected += unit_sd * own[rows.unit]
        pm.Normal("after", expected, sigma[rows.treated.astype(int)], observed=rows.after)
        start = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = pm.sample(random_seed=1, progressbar=False, **options)
        taken = time.perf_counter() - start
    draws = tree["posterior"]["effect"]
    return taken, float(draws.mean()), float(draws.std()), float(az.ess(draws).item())


def growth_book(rows: Rows, folder: str) -> tuple[float, float, float]:
    """`gbstats` on the sums of the arms: seconds, mean and SD of the difference; it knows no units."""
    command = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--no-deps", "--target", folder, GBSTATS]
    subprocess.run(command, check=True)  # noqa: S603 - our own
    sys.path.insert(0, folder)
    from gbstats.bayesian.tests import EffectBayesianABTest, EffectBayesianConfig, GaussianPrior  # noqa: PLC0415
    from gbstats.models.statistics import RegressionAdjustedStatistic, SampleMeanStatistic  # noqa: PLC0415

    def arm(treated: float) -> object:
        x, y = (part[rows.treated == treated] for part in (rows.before, rows.after))
        before, after = (SampleMeanStatistic(n=len(v), sum=v.sum(), sum_squares=(v**2).sum()) for v in (x, y))
        return RegressionAdjustedStatistic(
            n=len(x),
            post_statistic=after,
            pre_statistic=before,
            post_pre_sum_of_products=(x * y).sum(),
            theta=float(np.cov(rows.before, rows.after)[0, 1] / rows.before.var(ddof=1)),
        )

    config = EffectBayesianConfig(
        difference_type="absolute",
        prior_type="absolute",
        prior_effect=GaussianPrior(mean=0, variance=0.25, proper=True),
    )

    def run() -> Any:
        return EffectBayesianABTest(arm(0.0), arm(1.0), config).compute_result()

    result = run()
    return seconds(run), float(result.uplift.mean), float(result.uplift.stddev)


def main() -> None:
    """Run and print."""
    start = time.perf_counter()
    warm("ancova", "ancova_units", "waves")
    print(f"warm-up of three structures, caches as they were: {time.perf_counter() - start:.1f} s")
    rows = Rows(UNITS, UNITS * PER_UNIT + 2, seed=1)
    few = rows.pairs()
    fitted = fit_with_draws(request(few, "nuts"))
    effect = fitted.answer["effects"][0]["sd"]
    ess = next(g["value"] for g in fitted.answer["gates"] if g["name"] == "ess_bulk")
    whole = seconds(lambda: fit_with_draws(request(few, "nuts")))
    exact = seconds(lambda: fit_with_draws(request(few, "exact")))
    plain, plain_mean, plain_sd, plain_ess = row_level(rows)
    own, own_mean, own_sd, own_ess = row_level(rows, nuts_sampler="pymc")
    with tempfile.TemporaryDirectory() as folder:
        gb, gb_mean, gb_sd = growth_book(rows, folder)
    posteriors = 4
    print(f"\n{len(rows.unit)} people in {UNITS} units, two arms, linked before and after")
    print(f"{'':34}{'seconds':>9}{'effect':>9}{'SD':>8}{'ESS':>8}")
    print(f"{'row-level PyMC, its own sampler':34}{own:9.2f}{own_mean:9.3f}{own_sd:8.3f}{own_ess:8.0f}")
    print(f"{'row-level PyMC, default (nutpie)':34}{plain:9.2f}{plain_mean:9.3f}{plain_sd:8.3f}{plain_ess:8.0f}")
    print(f"{'fit, NUTS: 4 posteriors and gates':34}{whole:9.3f}{effect['mean']:9.3f}{effect['sd']:8.3f}{ess:8.0f}")
    print(f"{'fit, exact engine: 5 posteriors':34}{exact:9.3f}")
    print(f"{'gbstats (knows no units)':34}{gb:9.5f}{gb_mean:9.3f}{gb_sd:8.3f}")
    for name, taken, effective in (("its own sampler", own, own_ess), ("nutpie", plain, plain_ess)):
        one = whole / posteriors
        print(
            f"row-level PyMC by {name}: {taken / whole:.0f} × the whole fit, {taken / one:.0f} × one posterior, "
            f"{taken / effective / (one / ess):.0f} × a posterior per effective draw"
        )
    print("\na warm fit (NUTS, whole), given sums")
    base = 0.0
    for people in (1_000, 1_000_000):
        sums = Rows(UNITS, people, seed=2).pairs()
        taken = seconds(lambda sums=sums: fit_with_draws(request(sums, "nuts")))
        base = base or taken
        print(f"{people:>10,} rows, {UNITS} units: {taken:6.2f} s ({taken / base:.2f} ×)")
    many = Rows(500, 500 * 36, seed=3).pairs()
    sizes = np.random.default_rng(4).integers(10, 60, len(many))
    differing = [{**pair, "n": int(n)} for pair, n in zip(many, sizes, strict=True)]
    for pairs, said in ((few, "18 units"), (many, "500 units of one size"), (differing, "500 units of 50 sizes")):
        for design in ("cluster", "did"):
            taken, alone = (
                seconds(lambda p=pairs, e=engine, d=design: fit_with_draws(request(p, e, d)), 3)
                for engine in ("nuts", "exact")
            )
            print(f"{said:>22}, {design:8} NUTS {taken:6.2f} s, exact {1000 * alone:4.0f} ms")
    two = [{**pair, "unit": None} for pair in few]
    arms = _arms(two)
    print(
        f"two arms without units: NUTS {seconds(lambda: fit_with_draws(request(arms, 'nuts', 'parallel'))):.2f} s, ",
        end="",
    )
    print(f"exact {1000 * seconds(lambda: fit_with_draws(request(arms, 'exact', 'parallel')), 21):.0f} ms")
    print(
        f"memory of this process at its highest: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB"
    )


def _arms(pairs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One pair an arm: the first unit of each."""
    return [next(p for p in pairs if p["arm"] == arm) for arm in ("treated", "control")]


if __name__ == "__main__":
    main()
