"""The stepped wedge: every posterior by a second road, what it is told from, and what it refuses."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit

from analysis import exact, gates, predictive
from analysis.designs.binary_inputs import KAPPA_LOGIT
from analysis.designs.wedge_inputs import STEP_SCALE, WedgeMeans, WedgeProportions
from analysis.errors import Refused
from analysis.fit import fit
from analysis.plots import by_time
from analysis.scenario import SimulateRequest
from analysis.simulation import Simulation
from tests.analysis.binary_cases import ADJUSTED, EVIDENCE, OBSERVED
from tests.analysis.wedge_cases import prepared, request, waves, wedge

Array = NDArray[np.float64]


def entries_of(seed: int = 1, **of: Any) -> list[dict[str, Any]]:
    return wedge(np.random.default_rng(seed), **of)


def block(entries: list[dict[str, Any]], periods: int = 5, **plan: Any) -> dict[str, Any]:
    found: dict[str, Any] = fit(request(entries, periods, **plan))["effects"][0]
    return found


def codes(answer: dict[str, Any]) -> set[str]:
    return {warning["code"] for warning in answer["warnings"]}


# --- a second road ------------------------------------------------------------------------------------------------


def walk(rng: np.random.Generator, count: int, longest: int) -> Array:
    """Random walks about their mean, from their definition."""
    steps = STEP_SCALE * np.abs(rng.normal(size=(count, 1))) * rng.normal(size=(count, longest - 1))
    values = np.concatenate([np.zeros((count, 1)), np.cumsum(steps, axis=1)], axis=1)
    return np.asarray(values - values.mean(axis=1, keepdims=True))


def weighed(weights: Array, values: Array) -> tuple[float, float]:
    share = weights / weights.sum()
    mean = float(share @ values)
    return mean, float(np.sqrt(share @ (values - mean) ** 2))


def test_normal_posterior_against_dense_matrices_of_all_cells() -> None:
    """SDs are drawn from their priors and weighed; everything else is one normal of all cells at once."""
    rng = np.random.default_rng(2)
    inputs = prepared(request(entries_of(3, units=4, periods=4, people=9, effect=np.array([0.1, 0.4, 0.7])), 4)).inputs
    assert isinstance(inputs, WedgeMeans)
    count, cells = 20_000, inputs.n.size
    # σ² is drawn as the spread within cells tells it, which leaves the weight σ times its prior.
    sigma = np.sqrt(inputs.squares / rng.chisquare(inputs.free, (count, 2)))
    tau, nu, omega = (s * np.abs(rng.normal(size=count)) for s in (0.25, 0.10, STEP_SCALE))
    log_weight = (-0.5 * sigma**2 + np.log(sigma)).sum(axis=1)
    exposed, since = inputs.exposed.ravel().astype(int), np.clip(inputs.since.ravel(), 0, None).astype(int)
    unit, period = np.divmod(np.arange(cells), 4)
    about = np.eye(3) - 1 / 3
    path = about @ np.minimum.outer(np.arange(3), np.arange(3)) @ about
    covariance = 1.0 + 0.5 * (np.equal.outer(period, period) - 0.25)[None]
    covariance = covariance + 0.25 * np.multiply.outer(exposed - 0.5, exposed - 0.5)
    covariance = covariance + omega[:, None, None] ** 2 * path[np.ix_(since, since)] * np.multiply.outer(
        exposed, exposed
    )
    covariance = covariance + tau[:, None, None] ** 2 * np.equal.outer(unit, unit)
    own = nu[:, None] ** 2 + sigma[:, exposed] ** 2 / inputs.n.ravel()
    covariance = covariance + own[:, :, None] * np.eye(cells)
    y = inputs.mean.ravel()
    solved = np.linalg.solve(covariance, np.broadcast_to(y, (count, cells))[..., None])[..., 0]
    log_weight += -0.5 * solved @ y - 0.5 * np.linalg.slogdet(covariance)[1]
    weights = np.exp(log_weight - log_weight.max())
    with_total = 0.25 * (exposed - 0.5)
    with_last = with_total + omega[:, None] ** 2 * path[2][since] * exposed
    found = exact.posterior(inputs, OBSERVED)
    last: Any = exact.detail(inputs, OBSERVED, 0.95)["last_effect"]
    of_total = np.broadcast_to(with_total, (count, cells)), np.full(count, 0.25), found.mean, found.sd
    of_last = with_last, 0.25 + omega**2 * path[2, 2], last["sd"]["mean"], last["sd"]["sd"]
    for shared, variance, mean, sd in (of_total, of_last):
        means = (solved * shared).sum(axis=1)
        left = variance - (shared * np.linalg.solve(covariance, shared[..., None])[..., 0]).sum(axis=1)
        expected, _ = weighed(weights, means)
        spread = np.sqrt(weighed(weights, left + (means - expected) ** 2)[0])
        assert abs(mean - expected) < 0.03 * spread
        assert sd == pytest.approx(spread, rel=0.03)


def test_binary_posterior_by_weighing_draws_of_the_prior() -> None:
    rng = np.random.default_rng(4)
    entries = entries_of(5, units=4, periods=3, people=6, binary=True, effect=0.5)
    inputs = prepared(request(entries, 3, shape="counts")).inputs
    assert isinstance(inputs, WedgeProportions)
    log_weights, effects, last = [], [], []
    for _ in range(24):
        count = 60_000
        total, later = 0.5 * rng.normal(size=count), walk(rng, count, 2)
        periods = 1.5 * np.sqrt(0.5) * rng.normal(size=(count, 3))
        eta = 1.5 * rng.normal(size=(count, 1)) + periods - periods.mean(axis=1, keepdims=True)
        eta = np.repeat(eta[:, None], 4, axis=1)
        effect = total[:, None, None] * (inputs.exposed - 0.5)
        effect = effect + later[:, np.clip(inputs.since, 0, None).astype(int)] * inputs.exposed
        effect += 0.25 * np.abs(rng.normal(size=(count, 1, 1))) * rng.normal(size=(count, 4, 1))
        effect += 0.10 * np.abs(rng.normal(size=(count, 1, 1))) * rng.normal(size=(count, 4, 3))
        eta += KAPPA_LOGIT * effect
        log_weights.append((inputs.x * eta - inputs.n * np.logaddexp(0, eta)).sum(axis=(1, 2)))
        effects.append(total)
        last.append(total + later[:, 1])
    log_weight = np.concatenate(log_weights)
    weights = np.exp(log_weight - log_weight.max())
    assert weights.sum() ** 2 / (weights**2).sum() > 4000
    posterior, shown = exact.posterior(inputs, OBSERVED), exact.detail(inputs, OBSERVED, 0.95)
    of_last: Any = shown["last_effect"]
    for values, mean, sd in (
        (np.concatenate(effects), posterior.mean, posterior.sd),
        (np.concatenate(last), of_last["sd"]["mean"], of_last["sd"]["sd"]),
    ):
        expected, spread = weighed(weights, values)
        assert abs(mean - expected) < 0.05 * spread
        assert sd == pytest.approx(spread, rel=0.04)


@pytest.mark.parametrize("binary", [False, True])
def test_large_data_give_back_the_average_and_the_last_effect(binary: bool) -> None:  # noqa: FBT001
    """The effect grows with the time since start: a model with one effect for all times is wrong, and far off."""
    later = np.array([0.0, 0.2, 0.4, 0.6, 0.8])
    shape = "counts" if binary else "cells"
    of: dict[str, Any] = {"units": 20, "periods": 6, "people": 4000, "unit_time_sd": 0.01, "binary": binary}
    entries = entries_of(6, effect=later, level=-0.5 if binary else 0.0, **of)
    effect = block(entries, 6, shape=shape)
    assert effect["sd"]["mean"] == pytest.approx(later.mean(), abs=0.06)
    assert effect["sd"]["sd"] < 0.05
    assert effect["last_effect"]["sd"]["mean"] == pytest.approx(0.8, abs=0.08)
    assert [row["k"] for row in effect["effects_by_time"]] == [0, 1, 2, 3, 4]
    for row in effect["effects_by_time"]:
        assert row["sd"]["mean"] == pytest.approx(later[row["k"]], abs=4 * row["sd"]["sd"])
    # Units and periods each with a level of their own, one effect: least squares.
    rows = []
    for e in entries:
        value = np.log((e["x"] + 0.5) / (e["n"] - e["x"] + 0.5)) / KAPPA_LOGIT if binary else (e["mean"] - 50) / 10
        rows.append([*np.eye(20)[int(e["unit"][1:])], *np.eye(6)[int(e["wave"][1:])], e["arm"] == "t", value])
    table = np.array(rows, dtype=np.float64)
    constant = np.linalg.lstsq(table[:, :-1], table[:, -1], rcond=None)[0][-1]
    assert abs(constant - later.mean()) > 0.2


def test_a_trend_that_merely_continues_is_no_effect() -> None:
    """Before and after differ by a trend; Δ is near 0 with the right width, where the naive difference is certain."""
    inside, naive = [], []
    for seed in range(60):
        entries = entries_of(seed + 100, units=6, periods=4, people=10, effect=0.0, trend=0.4)
        effect = exact.posterior(prepared(request(entries, 4)).inputs, OBSERVED)
        inside.append(effect.quantile(0.025) < 0 < effect.quantile(0.975))
        gap = np.mean([e["mean"] for e in entries if e["arm"] == "t"]) - np.mean(
            [e["mean"] for e in entries if e["arm"] == "c"]
        )
        naive.append(gap / 10)
        assert abs(effect.mean) < 4 * effect.sd
    assert np.mean(naive) > 0.5
    assert np.mean(inside) >= 0.9


@pytest.mark.slow
@pytest.mark.parametrize("binary", [False, True])
def test_nuts_and_the_exact_engine_agree(binary: bool) -> None:  # noqa: FBT001
    answer = fit(request(entries_of(8, binary=binary), shape="counts" if binary else "cells", engine="nuts"))
    assert all(gate["passed"] for gate in answer["gates"]), answer["gates"]
    effect = answer["effects"][0]
    assert {check["cell"] for check in effect["predictive"]} >= {
        "control, wave 1",
        "treated, wave 5",
        "treated, wave 2",
    }
    assert effect["evidence"]["se_sd"] > 0
    assert answer["provenance"]["model"] == f"wedge_{'proportions' if binary else 'means'}/1"


def test_the_sampled_likelihood_of_means_is_that_of_the_exact_engine_and_its_gradient_the_slope() -> None:
    from analysis.mixed_equations import equations  # noqa: PLC0415
    from analysis.models.wedge_likelihood import value  # noqa: PLC0415
    from analysis.wedge_hyper import WedgeHyper  # noqa: PLC0415

    rng = np.random.default_rng(9)
    entries = [e for e in entries_of(9) if (e["unit"], e["wave"]) != ("u2", "w3")]
    inputs = prepared(request(entries)).inputs
    assert isinstance(inputs, WedgeMeans)
    data = [inputs.n, inputs.mean, inputs.exposed, inputs.squares, inputs.free]
    gains = []
    for _ in range(2):
        hyper = WedgeHyper(rng.uniform(0.5, 1.2, (1, 2)), *rng.uniform(0.1, 0.5, (3, 1)))
        theta = rng.normal(0, 0.5, inputs.size)
        size = np.where(inputs.increments, hyper.step_sd[0], 1.0)
        point = [inputs.columns @ (size * theta), hyper.sigma[0], hyper.unit_sd[0] ** 2, hyper.unit_time_sd[0] ** 2]
        point = [np.asarray(part) for part in point]
        eqs = equations(inputs, hyper)
        other = eqs.rest[0] + eqs.shift[0] @ theta - 0.5 * theta @ eqs.precision[0] @ theta
        gains.append([float(value(*point, *data)[0]) - 0.5 * theta[1:-1] @ theta[1:-1], other])
    mine, other = np.diff(gains, axis=0)[0]
    assert mine == pytest.approx(other, rel=1e-9, abs=1e-9)
    _, *slopes = value(*point, *data)
    for i, slope in enumerate(slopes):
        way = rng.normal(size=point[i].shape)

        def along(step: float, i: int = i, way: Array = way) -> float:
            moved = [np.asarray(part + step * way) if j == i else part for j, part in enumerate(point)]
            return float(value(*moved, *data)[0])

        assert float((slope * way).sum()) == pytest.approx((along(1e-5) - along(-1e-5)) / 2e-5, rel=1e-5, abs=1e-4), i


@pytest.mark.parametrize(
    "of",
    [
        {"people": 10, "periods": 12, "units": 11},
        {"people": 2000, "periods": 6, "effect": np.arange(6) * 0.2},
        {"people": 20, "level": -6.0},
        {"people": 5, "periods": 3, "units": 2},
    ],
)
def test_nodes_enough_count_however_many_dimensions(of: dict[str, Any]) -> None:
    from analysis import marginal, wedge_proportions  # noqa: PLC0415

    periods = of.get("periods", 5)
    inputs = prepared(request(entries_of(10, binary=True, **of), periods, shape="counts")).inputs
    assert isinstance(inputs, WedgeProportions)
    nodes = wedge_proportions.nodes_of(inputs, OBSERVED).marginal
    assert marginal._counting(nodes.weights(OBSERVED)) > 0.4


# --- symmetry -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("binary", [False, True])
def test_turning_the_measure_round_turns_the_effect_round_and_order_does_not_matter(binary: bool) -> None:  # noqa: FBT001
    shape = "counts" if binary else "cells"
    entries = entries_of(11, binary=binary)
    turned = [{**e, "x": e["n"] - e["x"]} if binary else {**e, "mean": 100 - e["mean"]} for e in reversed(entries)]
    one = exact.posterior(prepared(request(entries, shape=shape)).inputs, ADJUSTED)
    low = {"direction": "lower_is_better"}
    two = exact.posterior(prepared(request(turned, shape=shape, primary=low)).inputs, ADJUSTED)
    harm = exact.posterior(prepared(request(turned, shape=shape)).inputs, OBSERVED)
    observed = exact.posterior(prepared(request(entries, shape=shape)).inputs, OBSERVED)
    assert one.mean == pytest.approx(two.mean, abs=1e-9)
    assert one.above(0.2) == pytest.approx(two.above(0.2), abs=1e-9)
    assert harm.mean == pytest.approx(-observed.mean, abs=1e-6)
    assert harm.sd == pytest.approx(observed.sd, rel=1e-6)


def test_rows_and_their_cells_are_one_and_people_of_several_waves_are_warned_about() -> None:
    rng, rows, cells = np.random.default_rng(12), [], []
    for g, t in np.ndindex(4, 4):
        place = {"unit": f"u{g}", "arm": "ct"[t > g % 3], "wave": f"w{t}"}
        values = 50 + 10 * rng.normal(size=6)
        rows += [{**place, "participant": f"{g}-{i}", "value": float(value)} for i, value in enumerate(values)]
        cells.append({**place, "n": 6, "mean": float(values.mean()), "sd": float(values.std(ddof=1))})
    of_cells, of_rows = prepared(request(cells, 4)), prepared(request(rows, 4, shape="rows", family="normal"))
    assert exact.posterior(of_rows.inputs, OBSERVED).mean == exact.posterior(of_cells.inputs, OBSERVED).mean
    assert "participants_unused" in {note.code for note in of_rows.warnings}
    assert "participants_unused" not in {note.code for note in of_cells.warnings}


# --- when units cross over ----------------------------------------------------------------------------------------

BEGINS = ["2027-01-01", "2027-04-01", "2027-07-01", "2027-10-01", "2028-01-01"]
ENDS = ["2027-01-31", "2027-04-30", "2027-07-31", "2027-10-31", "2028-01-31"]


def dated(starts: list[str | None], **plan: Any) -> dict[str, Any]:
    units = [{"unit_id": f"u{g}", "starts_on": day} for g, day in enumerate(starts)]
    return {"units": units, "waves": waves(5, starts_on=BEGINS, ends_on=ENDS), **plan}


STARTS: list[str | None] = ["2027-03-01", "2027-06-01", "2027-09-01", "2027-12-01"] * 2


@pytest.mark.parametrize("plan", [{}, {"control": None, "attrition": {"t": 0.05}}])
def test_dates_tell_the_same_as_arms(plan: dict[str, Any]) -> None:
    entries = entries_of(13)
    bare = [{k: v for k, v in e.items() if k != "arm"} for e in entries]
    by_arm, by_date = fit(request(entries)), fit(request(bare, **dated(STARTS, **plan)))
    assert by_arm["effects"][0]["sd"] == by_date["effects"][0]["sd"]
    assert by_arm["effects"][0]["sequences"] == by_date["effects"][0]["sequences"]
    assert by_arm["effects"][0]["sequences"][0] == {"crosses_at": "w1", "units": ["u0", "u4"]}
    assert by_date["effects"][0]["n"] == {"t": 400, plan.get("control", "c") or "control": 400}
    assert by_arm["grade"] == by_date["grade"] == "A"


def test_a_unit_that_starts_within_a_wave_has_it_left_out() -> None:
    bare = [{k: v for k, v in e.items() if k != "arm"} for e in entries_of(13)]
    answer = fit(request(bare, **dated(["2027-04-15", *STARTS[1:]])))
    assert "transition_left_out" in codes(answer)
    assert answer["effects"][0]["n"] == {"t": 380, "c": 400}
    assert answer["effects"][0]["sequences"][0] == {"crosses_at": "w1", "units": ["u4"]}


def test_arms_hold_where_they_differ_from_the_dates_of_the_plan() -> None:
    """A wave that was collected on other days than planned: what its entries say is what was."""
    answer = fit(request(entries_of(13), **dated(["2027-09-01", *STARTS[1:]])))
    assert answer["effects"][0]["sd"] == block(entries_of(13))["sd"]
    assert "crossing_differs" in codes(answer)
    assert "crossing_differs" not in codes(fit(request(entries_of(13), **dated(STARTS))))


def test_a_unit_without_a_date_is_told_by_its_arms() -> None:
    assert block(entries_of(13), **dated([None, *STARTS[1:]]))["sd"] == block(entries_of(13))["sd"]


def test_units_that_never_start_and_waves_without_data() -> None:
    entries = [e for e in entries_of(14) if e["wave"] != "w2"]
    never = [{**e, "unit": f"n{e['unit']}", "arm": "c"} for e in entries if e["unit"] in ("u0", "u1")]
    answer = fit(request([*entries, *never]))
    effect = answer["effects"][0]
    assert effect["sequences"][-1] == {"crosses_at": None, "units": ["nu0", "nu1"]}
    assert {"wave_empty", "crossing_unsure"} <= codes(answer)
    # Time since start counts the wave nobody answered in: the third wave after the start of u0 is its third.
    assert [row["k"] for row in effect["effects_by_time"]] == [0, 1, 2, 3]
    assert [row["cells"] for row in effect["effects_by_time"]] == [8, 4, 2, 2]


def test_one_time_since_start_has_no_walk() -> None:
    """Two units, the second of which never starts, seen once after the start of the first."""
    entries = [e for e in entries_of(15, periods=3, units=2) if e["unit"] == "u0" or e["arm"] == "c"]
    kept = [e for e in entries if not (e["unit"] == "u0" and e["wave"] == "w2")]
    kept.append({**kept[0], "unit": "u1", "wave": "w2", "arm": "c"})
    effect = block(kept, 3)
    assert [row["k"] for row in effect["effects_by_time"]] == [0]
    assert effect["last_effect"]["sd"]["mean"] == pytest.approx(effect["sd"]["mean"], abs=1e-9)
    counts = [{k: v for k, v in e.items() if k not in ("mean", "sd")} | {"x": 7 + i} for i, e in enumerate(kept)]
    of_counts = block(counts, 3, shape="counts")
    assert of_counts["last_effect"]["sd"]["mean"] == pytest.approx(of_counts["sd"]["mean"], abs=0.01)


@pytest.mark.parametrize(
    ("randomised", "units", "periods", "grade"),
    [(True, 8, 5, "A"), (True, 4, 3, "B"), (True, 8, 3, "A"), (True, 3, 4, "B"), (False, 8, 5, "C")],
)
def test_the_grade_counts_sequences_or_units_of_the_smallest(
    randomised: bool,  # noqa: FBT001
    units: int,
    periods: int,
    grade: str,
) -> None:
    answer = fit(request(entries_of(16, units=units, periods=periods), periods, randomised=randomised))
    assert answer["grade"] == grade


# --- what is refused ----------------------------------------------------------------------------------------------


def changed(which: dict[str, str], **to: Any) -> list[dict[str, Any]]:
    found = []
    for e in entries_of(17):
        matches = all(e[k] == v for k, v in which.items())
        found.append({k: v for k, v in ({**e, **to} if matches else e).items() if v is not ...})
    return found


BARE = [{k: v for k, v in e.items() if k != "arm"} for e in entries_of(17)]
AT_ONCE = [{**e, "arm": "ct"[e["wave"] > "w1"]} for e in entries_of(17)]
APART = [e for e in entries_of(17) if (e["arm"] == "t") == (e["wave"] > "w2")]
REFUSALS: dict[str, tuple[str, list[dict[str, Any]], dict[str, Any]]] = {
    "no unit": ("unit_missing", changed({"unit": "u1", "wave": "w1"}, unit=...), {}),
    "neither dates nor arms": ("crossing_unknown", BARE, {}),
    "a wave without date": ("crossing_unknown", BARE, dated(STARTS, waves=waves(5))),
    "one unit without date": ("crossing_unknown", BARE, dated([None, *STARTS[1:]])),
    "no date at all": ("date_invalid", BARE, dated(["spring", *STARTS[1:]])),
    "crossed back": ("crossed_back", changed({"unit": "u0", "wave": "w3"}, arm="c"), {}),
    "some arms against dates": (
        "crossing_contradicts",
        changed({"unit": "u0", "wave": "w0"}, arm=...),
        dated(["2027-09-01", *STARTS[1:]]),
    ),
    "some arms alone": ("crossing_unknown", changed({"unit": "u0", "wave": "w0"}, arm=...), {}),
    "all at once": ("one_sequence", AT_ONCE, {}),
    "all from the first on": ("one_sequence", [{**e, "arm": "t"} for e in entries_of(17)], {}),
    "nobody ever": ("one_sequence", [{**e, "arm": "c"} for e in entries_of(17)], {}),
    "no wave of both": ("not_identified", APART, {}),
    "two waves": ("too_few_periods", [e for e in entries_of(17) if e["wave"] in ("w1", "w2")], {}),
    "twice": ("duplicate_cell", [*entries_of(17), entries_of(17)[0]], {}),
    "both arms at once": ("duplicate_cell", [*entries_of(17), {**entries_of(17)[0], "arm": "t"}], {}),
    "another arm": ("unknown_arm", changed({"unit": "u0", "wave": "w0"}, arm="x"), {}),
    "another wave": ("unknown_wave", changed({"unit": "u0", "wave": "w0"}, wave="x"), {}),
    "no SD": ("sd_missing", changed({"unit": "u0", "wave": "w0"}, sd=None), {}),
    "all alike": ("no_variation", [{**e, "sd": 0.0} for e in entries_of(17)], {}),
    "one person each": ("saturated", [{**e, "n": 1} for e in entries_of(17)], {}),
    "hardly any spread": ("sd_impossible", [{**e, "mean": 50.0, "sd": 0.3} for e in entries_of(17)], {}),
    "off the scale": ("off_the_scale", entries_of(17), {"primary": {"minimum": 0, "maximum": 20}}),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_refused(name: str) -> None:
    code, entries, plan = REFUSALS[name]
    with pytest.raises(Refused) as refused:
        prepared(request(entries, **plan))
    assert refused.value.code == code
    assert refused.value.what_would_help


def test_more_waves_than_the_model_takes_are_refused() -> None:
    with pytest.raises(Refused, match="12 at most"):
        prepared(request(entries_of(18, periods=13, units=12), 13))


def test_pairs_and_changes_have_no_place_in_a_wedge() -> None:
    change = {"unit": "u0", "arm": "t", "n": 10, "mean": 1.0, "sd": 8.0}
    with pytest.raises(Refused) as refused:
        prepared(request([change], shape="changes", family="normal"))
    assert refused.value.code == "wrong_shape"
    with pytest.raises(Refused) as refused:
        prepared(request(entries_of(18), primary={"family": "binary"}))
    assert refused.value.code == "wrong_shape"


def row(person: str, wave: str, unit: str = "u0", value: float = 50.0, arm: str | None = "c") -> dict[str, Any]:
    return {"participant": person, "wave": wave, "unit": unit, "value": value, "arm": arm}


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        ([row("a", "w0"), row("a", "w0", value=40.0)], "duplicate_rows"),
        ([row("a", "w0"), row("a", "w1", unit="u1")], "participant_moved"),
        ([row("a", "w0"), row("b", "w0", arm="t")], "unit_in_both_arms"),
    ],
)
def test_rows_that_contradict_each_other_are_refused(rows: list[dict[str, Any]], code: str) -> None:
    with pytest.raises(Refused) as refused:
        prepared(request(rows, shape="rows", family="normal"))
    assert refused.value.code == code


def test_binary_rows_are_0_or_1() -> None:
    with pytest.raises(Refused, match="0 or 1"):
        prepared(request([row("a", "w0", value=2.0)], shape="rows"))


def test_nobody_anywhere_is_answered_with_a_warning_and_without_evidence() -> None:
    none = [{**e, "x": 0} for e in entries_of(19, binary=True)]
    answer = fit(request(none, shape="counts"))
    effect = answer["effects"][0]
    assert {"no_contrast", "evidence_unbounded"} <= codes(answer)
    assert effect["evidence"] == {"effect_sd": None, "se_sd": None}
    assert abs(effect["sd"]["mean"]) < 0.15 * effect["sd"]["sd"]
    with pytest.raises(Refused) as refused:
        prepared(request(none, shape="counts", priors={"effect": "flat"}))
    assert refused.value.code == "improper_posterior"


def test_the_risk_difference_is_that_of_the_exposed_people() -> None:
    """Large numbers: with and without the intervention, at the waves of those who had it."""
    later = np.array([0.2, 0.6])
    entries = entries_of(20, units=24, periods=3, people=3000, effect=later, binary=True, unit_time_sd=0.02, trend=0.3)
    effect = block(entries, 3, shape="counts")
    levels = KAPPA_LOGIT * (0.25 * np.random.default_rng(1).normal(size=(200_000, 1)) + np.array([0.3, 0.6, 0.6]))
    gains = expit(levels + KAPPA_LOGIT * np.array([0.2, 0.2, 0.6])) - expit(levels)
    assert effect["raw"]["unit"] == "risk difference"
    assert effect["raw"]["mean"] == pytest.approx(gains.mean(), abs=0.02)


def test_standard_errors_entered_as_sds_are_doubted() -> None:
    errors = [{**e, "sd": e["sd"] / np.sqrt(e["n"])} for e in entries_of(17, unit_sd=0.1)]
    assert "sd_implausible" in codes(fit(request(errors)))
    assert "sd_implausible" not in codes(fit(request(entries_of(17))))


def test_units_far_apart_are_warned_about() -> None:
    assert "prior_conflict" in codes(fit(request(entries_of(21, unit_sd=3.0))))


def test_evidence_leaves_the_level_and_the_effect_flat() -> None:
    inputs = prepared(request(entries_of(22))).inputs
    assert exact.posterior(inputs, EVIDENCE).sd > exact.posterior(inputs, OBSERVED).sd


def test_predictive_checks_see_a_period_that_does_not_fit() -> None:
    """Draws as if everybody were alike; the observed share of one cell is far off."""
    inputs = prepared(request(entries_of(23, binary=True), shape="counts")).inputs
    assert isinstance(inputs, WedgeProportions)
    zeros = np.zeros((2, 500))
    draws = {"total": zeros, "unit_sd": zeros, "unit_time_sd": zeros, "step_sd": zeros}
    draws["coefficients"] = np.zeros((2, 500, 23))
    found = predictive.checks(inputs, {**draws, "coefficients": draws["coefficients"] + 4.0 * (np.arange(23) == 0)})
    assert gates.predictive_reading(found) < 1e-3
    assert min(check.observed for check in found) < 0.9 < min(check.low for check in found)


# --- simulation and plot ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("plan", [{}, dated(STARTS)])
def test_simulated_pilots_cross_over_and_show_the_effect(plan: dict[str, Any]) -> None:
    asked = request(entries_of(24), **plan).plan
    scenario = SimulateRequest(plan=asked, people={"t": 800}, units={"t": 8}, effects=[0.0, 1.0])
    simulation = Simulation.of(scenario).rehearsed()
    assert simulation.graded is not None
    assert simulation.graded.letter == "A"
    none, large = ([simulation.pilot(truth, i).outcome for i in range(12)] for truth in (1, 2))
    assert none.count("scale") <= 2
    assert large.count("scale") >= 10


def test_counts_are_simulated_too() -> None:
    plan = request(entries_of(24, binary=True), shape="counts").plan
    scenario = SimulateRequest(plan=plan, people={"t": 800}, units={"t": 8}, effects=[1.0], rate=0.4)
    simulation = Simulation.of(scenario)
    assert [simulation.pilot(1, i).outcome for i in range(4)].count("scale") >= 3


def test_what_is_drawn_has_the_states_and_the_shift_of_the_plan() -> None:
    from analysis.pilots import MAKERS, groups_of, truth_of  # noqa: PLC0415

    plan = request(entries_of(24)).plan
    asked = SimulateRequest(plan=plan, people={"t": 80_000 // 5}, units={"t": 8}, unit_time_sd=0.0, icc=0.0, rate=0.3)
    long = plan.expanded()
    groups = groups_of(asked)
    truth = truth_of(asked, long, long.measures[0], 0.5, 0.0)
    maker = MAKERS[long.design, long.measures[0].family]
    data = maker.enter(truth, maker.draw(np.random.default_rng(3), truth, groups), "w3")
    cells = data.cells or []
    assert {cell.wave for cell in cells} == {"w0", "w1", "w2", "w3"}
    for cell in cells:
        assert cell.mean == pytest.approx(0.5 if cell.arm == "t" else 0.0, abs=0.12)
    treated = [sum(c.arm == "t" for c in cells if c.wave == f"w{t}") for t in range(4)]
    assert treated == [0, 2, 4, 6]


def test_a_wedge_of_one_unit_is_not_simulated() -> None:
    with pytest.raises(ValueError, match="give `units`"):
        SimulateRequest(plan=request(entries_of(24)).plan, people={"t": 100})


def test_the_plot_shows_every_time_since_start() -> None:
    effect = block(entries_of(25))
    svg = by_time(effect)
    assert all(f">{row['cells']}</text>" in svg for row in effect["effects_by_time"])
    assert "periods since the unit" in svg
    with pytest.raises(Refused) as refused:
        by_time({"measure": "m"})
    assert refused.value.code == "nothing_to_plot"


@pytest.mark.slow
@pytest.mark.parametrize(
    "of",
    [
        {"units": 4, "periods": 3, "people": 8},
        {"units": 11, "periods": 12, "people": 300, "effect": 0.15 * np.arange(12)},
        {"units": 20, "periods": 6, "people": 4000, "effect": 0.2 * np.arange(6), "unit_time_sd": 0.01},
        {"people": 20, "effect": 4.0, "level": -2.0},
        {"units": 40, "periods": 5, "people": 30},
    ],
)
@pytest.mark.parametrize("binary", [False, True])
def test_nuts_and_the_exact_engine_agree_far_out_too(binary: bool, of: dict[str, Any]) -> None:  # noqa: FBT001
    entries, periods = entries_of(26, binary=binary, **of), of.get("periods", 5)
    answer = fit(request(entries, periods, shape="counts" if binary else "cells", engine="nuts"))
    assert all(gate["passed"] for gate in answer["gates"]), [g for g in answer["gates"] if not g["passed"]]
