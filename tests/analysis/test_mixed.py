"""The exact engine of normal models with units against dense covariance matrices of every value (`dense.py`)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from analysis import mixed, unit_effects
from analysis.designs import prepare
from analysis.designs.prepared import Question
from analysis.designs.unit_inputs import AncovaUnits, Waves
from analysis.documents import BorrowPrior, MeasureData, NormalPrior, Plan
from analysis.priors import FLAT, NO_BIAS, Bias, Run, borrowing, normal
from tests.analysis.dense import Dense, Scales

Array = NDArray[np.float64]

MAIN = normal(NormalPrior(mean=0, sd=0.5))
RUNS = [
    Run("main", MAIN, NO_BIAS),
    Run("evidence", FLAT, NO_BIAS, intercept=0.0),
    Run("borrowed", borrowing(BorrowPrior(mean=0.6, sd=0.05, weight=0.5)), Bias(0.15, 0.25)),
]
R_DATA, R_UNKNOWN = (-1.0, 1.0, 0.0, 0.0), (0.0, 0.95, 0.65, 0.15)
PLAN: dict[str, Any] = {
    "treated": "t",
    "control": "c",
    "baseline": "pre",
    "followup": "post",
    "randomised": True,
    "measures": [
        {
            "measure": "m",
            "family": "normal",
            "direction": "higher_is_better",
            "reference_sd": 1.0,
            "reference_mean": 0.0,
        }
    ],
    "priors": {"unit_sd": {"scale": 0.6}, "unit_time_sd": {"scale": 0.4}},
}
SCALES = Scales(unit=0.6, unit_time=0.4)


def inputs_of(design: str, data: dict[str, Any], **plan: Any) -> AncovaUnits | Waves:
    whole = Plan.model_validate(
        {**PLAN, **({"control": None} if design in ONE_GROUP else {}), "design": design, **plan}
    )
    whole = whole.expanded()
    prepared = prepare(Question(whole, whole.measures[0], MeasureData.model_validate(data), whole.followup))
    assert isinstance(prepared.inputs, AncovaUnits | Waves)
    return prepared.inputs


ONE_GROUP = ("paired", "cross_section")


@dataclass
class Rows:
    """Simulated values: arm (0, 1), unit, wave, person and value, arrays (N,)."""

    arm: NDArray[np.int64]
    unit: NDArray[np.int64]
    wave: NDArray[np.int64]
    person: NDArray[np.int64]
    y: Array

    def keep(self, which: NDArray[np.bool_]) -> "Rows":
        return Rows(*(part[which] for part in (self.arm, self.unit, self.wave, self.person, self.y)))

    def groups(self) -> list[NDArray[np.bool_]]:
        """Unit × arm × wave."""
        keys = np.stack([self.arm, self.unit, self.wave], axis=1)
        return [(keys == key).all(axis=1) for key in np.unique(keys, axis=0)]


def drawn(
    seed: int, units: tuple[int, int], people: int, waves: int, *, both: bool = False, effect: float = 0.5
) -> Rows:
    """Units of each arm (control, treated; with `both` every unit has people of both arms), people a unit and arm."""
    rng = np.random.default_rng(seed)
    columns: list[list[float]] = []
    person = 0
    offset = 0
    for arm in (0, 1):
        names = range(units[0]) if both else range(offset, offset + units[arm])
        offset += units[arm]
        for unit in names:
            shift = np.random.default_rng(seed + 1000 * (unit + 1)).normal(0, 0.5)
            time = rng.normal(0, 0.3, waves)
            for _ in range(people):
                person += 1
                own = rng.normal(0, 0.6)
                for wave in range(waves):
                    y = 0.3 + 0.15 * wave + shift + time[wave] + own + rng.normal(0, (0.5, 0.8)[arm])
                    y += effect * arm * (wave == waves - 1 and waves > 1)
                    columns.append([arm, unit, wave, person, y])
    table = np.array(columns)
    return Rows(*(table[:, i].astype(int) for i in range(4)), table[:, 4])


def wave_names(waves: int) -> list[str]:
    return [*(f"pre{i}" for i in range(waves - 2)), "pre", "post"] if waves > 2 else ["pre", "post"]


def as_rows(rows: Rows, waves: int = 2, *, linked: bool = True) -> dict[str, Any]:
    names = wave_names(waves)
    return {
        "rows": [
            {
                "unit": f"u{u}",
                "arm": "ct"[a],
                "wave": names[w],
                "value": float(y),
                **({"participant": f"p{p}"} if linked else {}),
            }
            for a, u, w, p, y in zip(rows.arm, rows.unit, rows.wave, rows.person, rows.y, strict=True)
        ]
    }


def as_cells(rows: Rows) -> dict[str, Any]:
    cells = []
    for group in rows.groups():
        first = np.flatnonzero(group)[0]
        y = rows.y[group]
        cells.append(
            {
                "unit": f"u{rows.unit[first]}",
                "arm": "ct"[rows.arm[first]],
                "wave": ("pre", "post")[rows.wave[first]],
                "n": len(y),
                "mean": float(y.mean()),
                "sd": float(y.std(ddof=1)),
            }
        )
    return {"cells": cells}


def pairs_of(rows: Rows, r: float | None = 0.0) -> tuple[dict[str, Any], list[tuple[int, int, Array, Array]]]:
    """Pairs by unit and arm (with `r` None unreported) and the two waves' values of each."""
    entries, values = [], []
    for arm, unit in np.unique(np.stack([rows.arm, rows.unit], axis=1), axis=0):
        mine = rows.keep((rows.arm == arm) & (rows.unit == unit))
        first, second = (mine.y[mine.wave == w] for w in (0, 1))
        entries.append(
            {
                "unit": f"u{unit}",
                "arm": "ct"[arm],
                "n": len(first),
                "mean": [float(first.mean()), float(second.mean())],
                "sd": [float(first.std(ddof=1)), float(second.std(ddof=1))],
                "r": None if r is None else float(np.corrcoef(first, second)[0, 1]),
            }
        )
        values.append((int(arm), int(unit), first, second))
    return {"pairs": entries}, values


def changes_of(rows: Rows) -> tuple[dict[str, Any], Rows]:
    """Changes by unit and arm, and each person's as one value."""
    before, after = rows.keep(rows.wave == 0), rows.keep(rows.wave == 1)
    change = Rows(after.arm, after.unit, after.wave, after.person, after.y - before.y)
    cells = as_cells(change)["cells"]
    return {"changes": [{k: v for k, v in cell.items() if k != "wave"} for cell in cells]}, change


def same(first: Array, *rest: Array) -> Array:
    """1 where all of these agree."""
    value = first[:, None] == first[None]
    for other in rest:
        value = value & (other[:, None] == other[None])
    return value.astype(float)


def of_arms(rows: Rows, columns: list[Array], *, effects: bool = True, **changed: Any) -> Dense:
    """Dense ANCOVA: intercept and `columns` of slopes N(0.5, 0.5)."""
    n, p = len(rows.y), 1 + len(columns)
    zero = np.zeros((n, n))
    parts: dict[str, Any] = {
        "y": rows.y,
        "x": np.column_stack([np.ones(n), *columns]),
        "mean": np.array([0.0] + [0.5] * (p - 1)),
        "sd": np.array([1.0] + [0.5] * (p - 1)),
        "flat": np.array([True] + [False] * (p - 1)),
        "t": rows.arm.astype(float),
        "spread": rows.arm,
        "same_unit": same(rows.unit) if effects else zero,
        "same_unit_wave": zero,
        "same_person": np.eye(n),
        "weight": np.ones(n),
        "scales": SCALES,
    }
    return Dense(**{**parts, **changed})


def over_time(rows: Rows, *, one_group: bool, linked: bool, unit: bool, time: bool, r_low: float) -> Dense:
    """Dense values over waves: α (of each arm), the waves, Δ on treated × last."""
    n, last = len(rows.y), rows.wave.max()
    columns = [np.ones(n)] if one_group else [1.0 - rows.arm, 1.0 * rows.arm]
    if not one_group:
        columns += [(rows.wave == w).astype(float) for w in range(1, last + 1)]
    group = rows.arm * 1000 + rows.unit
    p = len(columns)
    return Dense(
        y=rows.y,
        x=np.column_stack(columns),
        mean=np.zeros(p),
        sd=np.ones(p),
        flat=np.ones(p, bool),
        t=((rows.wave == last) & (one_group | (rows.arm == 1))).astype(float),
        spread=rows.wave if one_group else rows.arm,
        same_unit=unit * same(group),
        same_unit_wave=time * same(group, rows.wave),
        same_person=same(rows.person) if linked else np.eye(n),
        weight=np.ones(n),
        scales=Scales(unit=0.6, unit_time=0.4, r=(r_low, 1.0, 0.0, 0.0)),
    )


Case = tuple[AncovaUnits | Waves, Dense]


def cluster_linked() -> Case:
    rows = drawn(1, (3, 2), 4, 2)
    before, after = rows.keep(rows.wave == 0), rows.keep(rows.wave == 1)
    means = np.array([before.y[before.unit == u].mean() for u in after.unit])
    columns = [before.y - means, means - before.y.mean()]
    return inputs_of("cluster", as_rows(rows)), of_arms(after, columns)


def parallel_in_units() -> Case:
    """People of both arms in each unit: no between-unit slope."""
    rows = drawn(2, (3, 3), 3, 2, both=True)
    before, after = rows.keep(rows.wave == 0), rows.keep(rows.wave == 1)
    return inputs_of("parallel", as_rows(rows)), of_arms(after, [before.y - before.y.mean()])


def cluster_unlinked() -> Case:
    rows = drawn(3, (3, 4), 4, 2)
    before, after = rows.keep(rows.wave == 0), rows.keep(rows.wave == 1)
    after = after.keep(np.arange(len(after.y)) % 5 != 0)
    means = np.array([before.y[before.unit == u].mean() for u in after.unit])
    kept = Rows(*(np.concatenate([a, b]) for a, b in zip(vars(before).values(), vars(after).values(), strict=True)))
    return inputs_of("cluster", as_cells(kept)), of_arms(after, [means - means.mean()])


def cluster_changes() -> Case:
    data, change = changes_of(drawn(4, (2, 3), 5, 2))
    return inputs_of("cluster", data), of_arms(change, [])


def cluster_post_only() -> Case:
    after = drawn(5, (1, 1), 9, 2)
    after = after.keep(after.wave == 1)
    return inputs_of("cluster", as_rows(after, linked=False)), of_arms(after, [])


def unknown_r(design: str) -> Case:
    """Means given baseline means, and spreads of y2 by themselves: what reported SDs without r say."""
    rows = drawn(6, (3, 3), 5, 2, both=design == "parallel")
    data, values = pairs_of(rows, r=None)
    arm, unit = (np.array([v[i] for v in values]) for i in (0, 1))
    first, second = (np.array([v[i].mean() for v in values]) for i in (2, 3))
    n = np.array([len(v[2]) for v in values], float)
    everyone = (n * first).sum() / n.sum()
    sd1 = np.sqrt(sum(((v[2] - v[2].mean()) ** 2).sum() for v in values) / (n - 1).sum())
    means = Rows(arm, unit, np.ones_like(arm), np.arange(len(arm)), second)
    within = first - everyone if design == "parallel" else np.zeros(len(arm))
    return inputs_of(design, data), of_arms(
        means,
        [first - everyone] if design == "cluster" else [],
        weight=n,
        baseline=within / sd1,
        squares=[(((v[3] - v[3].mean()) ** 2).sum(), len(v[3]) - 1, v[0]) for v in values],
        scales=Scales(unit=0.6, unit_time=0.4, r=R_UNKNOWN),
    )


def incomplete(rows: Rows, seed: int = 9) -> Rows:
    """A third of the values missing, nobody without any."""
    keep = np.random.default_rng(seed).random(len(rows.y)) > 0.33
    for person in np.unique(rows.person):
        mine = np.flatnonzero(rows.person == person)
        if not keep[mine].any():
            keep[mine[0]] = True
    return rows.keep(keep)


def paired(units: int) -> Case:
    rows = drawn(7, (0, units), 12 // units, 2)
    rows = incomplete(rows)
    several = units > 1
    dense = over_time(rows, one_group=True, linked=True, unit=several, time=several, r_low=-1.0)
    return inputs_of("paired", as_rows(rows)), dense


def paired_changes() -> Case:
    data, change = changes_of(drawn(8, (0, 3), 5, 2))
    n = len(change.y)
    dense = of_arms(change, [], x=np.zeros((n, 1)), same_unit=np.zeros((n, n)), same_unit_wave=2 * same(change.unit))
    return inputs_of("paired", data), dense


def cross_section() -> Case:
    rows = drawn(10, (0, 3), 4, 2)
    rows = rows.keep(np.arange(len(rows.y)) % 7 != 0)
    dense = over_time(rows, one_group=True, linked=False, unit=True, time=True, r_low=-1.0)
    return inputs_of("cross_section", as_cells(rows)), dense


def did_two_waves() -> Case:
    rows = drawn(11, (2, 2), 4, 2)
    return inputs_of("did", as_rows(rows)), over_time(
        rows, one_group=False, linked=True, unit=True, time=True, r_low=0.0
    )


def did_four_waves_with_gaps() -> Case:
    rows = incomplete(drawn(12, (2, 2), 4, 4))
    waves = [{"key": k, "kind": "baseline" if k != "post" else "followup"} for k in wave_names(4)]
    inputs = inputs_of("did", as_rows(rows, 4), waves=waves)
    return inputs, over_time(rows, one_group=False, linked=True, unit=True, time=True, r_low=0.0)


def did_cells() -> Case:
    rows = drawn(13, (2, 3), 4, 2)
    dense = over_time(rows, one_group=False, linked=False, unit=True, time=True, r_low=0.0)
    return inputs_of("did", as_cells(rows)), dense


def did_one_unit_an_arm() -> Case:
    rows = drawn(14, (1, 2), 5, 2)
    dense = over_time(rows, one_group=False, linked=True, unit=True, time=False, r_low=0.0)
    return inputs_of("did", as_rows(rows)), dense


def did_changes() -> Case:
    data, change = changes_of(drawn(15, (2, 3), 5, 2))
    n = len(change.y)
    return inputs_of("did", data), of_arms(
        change, [], same_unit=np.zeros((n, n)), same_unit_wave=2.0 * same(change.unit)
    )


def unknown_r_over_time(design: str) -> Case:
    """Both waves' means of each unit, their correlation by the prior of r; spreads by themselves."""
    rows = drawn(16, (2, 2) if design == "did" else (0, 3), 5, 2)
    data, values = pairs_of(rows, r=None)
    table = [(v[0], v[1], w, i, v[2 + w].mean()) for i, v in enumerate(values) for w in (0, 1)]
    means = Rows(*(np.array([t[i] for t in table]) for i in range(5)))
    one = design == "paired"
    dense = over_time(means, one_group=one, linked=True, unit=True, time=True, r_low=0.0)
    dense.weight = np.full(len(means.y), 5.0)
    dense.scales = Scales(unit=0.6, unit_time=0.4, r=R_UNKNOWN)
    dense.squares = [(((v[2 + w] - v[2 + w].mean()) ** 2).sum(), 4, w if one else v[0]) for v in values for w in (0, 1)]
    return inputs_of(design, data), dense


CASES: dict[str, Callable[[], Case]] = {
    "cluster, linked": cluster_linked,
    "cluster, unlinked baseline": cluster_unlinked,
    "cluster, changes": cluster_changes,
    "cluster, one unit an arm, no baseline": cluster_post_only,
    "cluster, r unknown": lambda: unknown_r("cluster"),
    "parallel in units": parallel_in_units,
    "parallel in units, r unknown": lambda: unknown_r("parallel"),
    "paired, one unit": lambda: paired(1),
    "paired, units": lambda: paired(3),
    "paired, changes": paired_changes,
    "paired, r unknown": lambda: unknown_r_over_time("paired"),
    "cross-section": cross_section,
    "did, two waves": did_two_waves,
    "did, four waves with gaps": did_four_waves_with_gaps,
    "did, cells": did_cells,
    "did, one unit in an arm": did_one_unit_an_arm,
    "did, changes": did_changes,
    "did, r unknown": lambda: unknown_r_over_time("did"),
}


@pytest.mark.parametrize("name", CASES)
def test_posterior_is_that_of_dense_matrices(name: str) -> None:
    inputs, dense = CASES[name]()
    for run in RUNS:
        mine, brute = mixed.posterior(inputs, run), dense.posterior(run)
        assert mine.mean == pytest.approx(brute.mean, abs=0.02 * brute.sd), run.name
        assert mine.sd == pytest.approx(brute.sd, rel=0.02), run.name
        for threshold in (-0.2, 0.0, 0.2, 0.6):
            assert mine.above(threshold) == pytest.approx(brute.above(threshold), abs=0.005), run.name


@pytest.mark.parametrize(
    "name", ["cluster, linked", "parallel in units", "cross-section", "did, two waves", "did, changes"]
)
def test_units_are_those_of_dense_matrices(name: str) -> None:
    """The conditional normal of unit effects given every value; over time the last wave against those before."""
    inputs, dense = CASES[name]()
    listed = unit_effects.of_nodes(inputs, RUNS[0], 0.95)
    of_time = isinstance(inputs, Waves)
    shared = dense.same_unit_wave if of_time else dense.same_unit
    form = np.zeros((len(listed), len(dense.y)))
    places = unit_places(name)
    assert [row["unit"] for row in listed] == sorted(places, key=lambda u: (places[u][0], u) if of_time else u)
    for m, row in enumerate(listed):
        for wave, weight in contrast(places[row["unit"]][1]):
            form[m, wave] += weight
    assert (shared > 0).any()
    means, sds = dense.blup(RUNS[0], form, of_time=of_time)
    for m, row in enumerate(listed):
        blocks = [row["departure"]] + ([row["effect"]] if row["effect"] is not None else [])
        for which, block in enumerate(blocks):
            assert block["mean"] == pytest.approx(means[m, which], abs=0.03 * sds[m, which])
            assert block["sd"] == pytest.approx(sds[m, which], rel=0.03)
            assert block["interval"]["low"] < block["mean"] < block["interval"]["high"]
    assert any(row["effect"] is not None for row in listed) == (name != "parallel in units")


ROWS: dict[str, Callable[[], Rows]] = {
    "cluster, linked": lambda: last_wave(drawn(1, (3, 2), 4, 2)),
    "parallel in units": lambda: last_wave(drawn(2, (3, 3), 3, 2, both=True)),
    "cross-section": lambda: thinned(drawn(10, (0, 3), 4, 2)),
    "did, two waves": lambda: drawn(11, (2, 2), 4, 2),
    "did, changes": lambda: last_wave(drawn(15, (2, 3), 5, 2)),
}


def last_wave(rows: Rows) -> Rows:
    return rows.keep(rows.wave == 1)


def thinned(rows: Rows) -> Rows:
    return rows.keep(np.arange(len(rows.y)) % 7 != 0)


def unit_places(name: str) -> dict[str, tuple[int, list[int]]]:
    """Arm of each unit and where in the dense values its first value of each wave stands."""
    rows = ROWS[name]()
    places: dict[str, tuple[int, list[int]]] = {}
    for unit in np.unique(rows.unit):
        mine = rows.unit == unit
        waves = [int(np.flatnonzero(mine & (rows.wave == w))[0]) for w in np.unique(rows.wave)]
        places[f"u{unit}"] = (int(rows.arm[mine][0]), waves)
    return places


def contrast(waves: list[int]) -> list[tuple[int, float]]:
    """The last wave less the mean of those before."""
    return [*((w, -1 / (len(waves) - 1)) for w in waves[:-1]), (waves[-1], 1.0)]


@dataclass
class Balanced:
    """k units an arm of n people each, no baseline: SD between units, residual SD, and what is laid over the grid."""

    units: int
    people: int
    unit_sd: float
    sigma: float
    prior: float = 0.25


BALANCED = {
    "unit SD far above its prior": Balanced(25, 20, 2.0, 1.0),
    "and with a wide prior": Balanced(25, 20, 2.0, 1.0, prior=5.0),
    "residual SD far above its prior": Balanced(6, 10, 0.3, 6.0),
    "small residual SD": Balanced(6, 10, 0.3, 0.06),
    "a million people a unit": Balanced(4, 10**6, 0.3, 1.0),
    "two units of two people": Balanced(2, 2, 0.3, 1.0),
}


@pytest.mark.parametrize("name", BALANCED)
def test_where_data_and_priors_disagree_a_plain_grid_says_the_same(name: str) -> None:
    """Unit means of one size are exchangeable: their SD and the two residual SDs on a plain grid, all else by hand."""
    b = BALANCED[name]
    rng = np.random.default_rng(17)
    cells, between, within, means = [], np.zeros(2), np.zeros(2), np.zeros(2)
    for a in (0, 1):
        of_unit = 0.4 * a + rng.normal(0, np.hypot(b.unit_sd, b.sigma / np.sqrt(b.people)), b.units)
        sds = b.sigma * np.sqrt(rng.chisquare(b.people - 1, b.units) / (b.people - 1))
        means[a], between[a] = of_unit.mean(), ((of_unit - of_unit.mean()) ** 2).sum()
        within[a] = (sds**2).sum() * (b.people - 1)
        cells += [
            {"unit": f"{a}{u}", "arm": "ct"[a], "wave": "post", "n": b.people, "mean": float(m), "sd": float(s)}
            for u, (m, s) in enumerate(zip(of_unit, sds, strict=True))
        ]
    inputs = inputs_of("cluster", {"cells": cells}, priors={"unit_sd": {"scale": b.prior}})
    free = b.units * (b.people - 1)
    low, high = ((np.sqrt(within / free) * np.exp(s * 7 / np.sqrt(2 * free))) for s in (-1, 1))
    unit = np.linspace(1e-6, 5 * max(b.unit_sd, b.prior), 4000)
    log_density, variance = np.zeros((4000, 1, 1)), np.zeros((4000, 1, 1))
    for a in (0, 1):
        sigma = np.geomspace(max(low[a], 1e-3), min(high[a], 30.0), 60)
        v = unit[:, None] ** 2 + sigma**2 / b.people
        log = -(b.units - 1) / 2 * np.log(v) - between[a] / (2 * v) - free * np.log(sigma) - within[a] / (2 * sigma**2)
        log += np.log(sigma) - sigma**2 / 2
        place = (slice(None), slice(None), None) if a == 0 else (slice(None), None, slice(None))
        log_density, variance = log_density + log[place], variance + (v / b.units)[place]
    log_density = log_density - 0.5 * (unit[:, None, None] / b.prior) ** 2
    weight = np.exp(log_density - log_density.max())
    weight /= weight.sum()
    mine = mixed.posterior(inputs, RUNS[1])
    assert mine.mean == pytest.approx(means[1] - means[0], abs=1e-6)
    assert mine.sd == pytest.approx(np.sqrt((weight * variance).sum()), rel=0.01)
