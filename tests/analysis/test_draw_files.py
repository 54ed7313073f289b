"""Draws as files: what is in them, what is not, the same bytes each time; the lines of tables and their CSV."""

import csv
import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.compared import differences
from analysis.draw_files import CSV, NETCDF, PARQUET, files, read_netcdf, read_parquet
from analysis.draws import QUANTITIES, as_table
from analysis.models import VERSIONS
from analysis.sampling import Draws
from analysis.tables import CELL_COLUMNS, as_csv, cell_lines

Drawn = dict[str, dict[str, Draws]]
INSIDE = {"free", "mu", "signed_tau", "tau"}
"""The sampler's own coordinates, and what only a synthesis draws."""


def made(draws: int = 30) -> Drawn:
    rng = np.random.default_rng(1)
    values = {
        "delta": rng.normal(size=(2, draws)),
        "sigma": rng.normal(size=(2, draws, 2)),
        "u": np.ones((2, draws, 9)),
    }
    said = {"diverging": rng.random((2, draws)) > 0.5, "n_steps": np.ones((2, draws), "u8")}
    other = {"delta": rng.normal(size=(2, 3 * draws)), "r": rng.normal(size=(2, 3 * draws))}
    return {
        "a/b": {"adjusted": Draws(values, said)},
        "c": {"adjusted": Draws(other, {"diverging": np.zeros((2, 3 * draws), bool)})},
    }


def test_the_same_draws_give_the_same_bytes_and_every_format_the_same_numbers() -> None:
    drawn = made()
    found = files(drawn, {"seed": 7})
    assert found == files(drawn, {"seed": 7})
    assert list(found) == [NETCDF, PARQUET, CSV]
    tree = read_netcdf(found[NETCDF])
    table, about = read_parquet(found[PARQUET])
    assert as_table(tree).equals(table)
    assert (about["seed"], tree.attrs["seed"]) == (7, 7)
    assert set(table["measure"]) == {"a/b", "c"}
    assert (tree["a_b/adjusted/posterior/sigma"].to_numpy() == drawn["a/b"]["adjusted"].values["sigma"]).all()
    assert tree["a_b/adjusted/sample_stats/diverging"].dtype == bool
    assert tree["a_b/adjusted/posterior/sigma"].attrs["long_name"] == QUANTITIES["sigma"]


def test_what_is_not_described_is_not_handed_out() -> None:
    """A quantity by unit, were there ever one, would not leave by default."""
    found = files(made(), {})
    table, about = read_parquet(found[PARQUET])
    assert list(table.columns) == ["measure", "run", "chain", "draw", "delta", "sigma_0", "sigma_1", "r"]
    assert "u" not in read_netcdf(found[NETCDF])["a_b/adjusted/posterior"]
    assert "by unit" in about["left_out"]
    assert set(about["columns"]) == {"delta", "sigma_0", "sigma_1", "r"}


@pytest.mark.parametrize("structure", sorted(VERSIONS))
def test_every_quantity_of_a_model_is_described(structure: str) -> None:
    """What a model names is in the table of quantities, or known to be the sampler's own."""
    import importlib  # noqa: PLC0415

    model = importlib.import_module(f"analysis.models.{structure}").build()
    named = {v.name for v in [*model.free_RVs, *model.deterministics]}
    assert named <= QUANTITIES.keys() | INSIDE


def test_no_draws_no_files() -> None:
    assert files({}, {"seed": 1}) == {}


@settings(max_examples=30)
@given(st.lists(st.text(max_size=20), min_size=1, max_size=5))
def test_a_spreadsheet_takes_no_text_for_a_formula(texts: list[str]) -> None:
    lines: list[dict[str, Any]] = [{"note": text, "value": -1.5} for text in texts]
    content = as_csv(lines, ("note", "value"))
    read = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    assert [row["value"] for row in read] == ["-1.5"] * len(texts)
    for row, text in zip(read, texts, strict=True):
        assert row["note"][:1] not in {"=", "+", "-", "@", "\t", "\r"}
        assert row["note"] in {text, f"'{text}"}


def test_pairs_and_counts_have_columns_of_their_own() -> None:
    data = {
        "a": {"pairs": [{"arm": "control", "n": 9, "mean": [1.0, 2.0], "sd": [3.0, 4.0], "r": None}]},
        "b": {"categories": [{"arm": "control", "wave": "pre", "counts": [1, 2, 3]}]},
    }
    first, second = cell_lines(data)
    assert tuple(first) == CELL_COLUMNS
    assert [first[k] for k in ("mean_before", "mean_after", "sd_before", "sd_after", "mean")] == [1, 2, 3, 4, None]
    assert (second["counts"], second["shape"], second["n"]) == ("1 2 3", "categories", None)


numbers = st.floats(-3, 3, allow_nan=False)


@given(numbers, st.floats(1e-6, 1))
def test_with_the_same_versions_any_shift_is_seen(value: float, shift: float) -> None:
    stored = {"effects": [{"adjusted": {"mean": value, "sd": 0.2}}]}
    moved = {"effects": [{"adjusted": {"mean": value + shift, "sd": 0.2}}]}
    assert differences(stored, stored, same_versions=True) == []
    assert [d.place for d in differences(stored, moved, same_versions=True)] == ["effects[0].adjusted.mean"]


@given(st.floats(0.01, 0.99), st.integers(400, 20_000))
def test_probabilities_may_differ_by_monte_carlo_error_and_no_more(p: float, size: int) -> None:
    gates = [{"name": name, "value": float(size)} for name in ("ess_bulk", "ess_tail")]
    allowed = 4 * np.sqrt(2 * max(p * (1 - p), 1 / size) / size)

    def found(shift: float) -> list[str]:
        one, other = ({"gates": gates, "effects": [{"p_benefit": v}]} for v in (p, p + shift))
        return [d.place for d in differences(one, other, same_versions=False)]

    assert found(0.99 * allowed) == []
    assert found(max(1.5 * allowed, 1e-5)) == ["effects[0].p_benefit"]


def test_what_a_package_says_of_its_draws_does_not_say_how_much_may_differ() -> None:
    """Whoever writes a package could else claim other versions and draws so few that every number agrees."""

    def answer(size: float, mean: float, **interval: float) -> dict[str, Any]:
        gates = [{"name": name, "value": size} for name in ("ess_bulk", "ess_tail")]
        block = {"mean": mean, "sd": 0.2, "interval": {"prob": 0.95, **interval}}
        return {"gates": gates, "effects": [{"adjusted": block}]}

    def found(stored: dict[str, Any]) -> list[str]:
        return [d.place for d in differences(stored, answer(2000.0, 0.1), same_versions=False)]

    assert found(answer(1e-9, 0.9)) == found(answer(-1.0, 0.9)) == ["effects[0].adjusted.mean"]
    assert found(answer(500.0, 0.1 + 3.9 * 0.2 * np.sqrt(2 / 500))) == []  # fewer draws once, and not by claim alone
    assert found(answer(2000.0, 0.1, prob=0.951)) == ["effects[0].adjusted.interval.prob"]


def test_with_other_versions_each_criterion_is_met_as_before() -> None:
    def answer(**changed: Any) -> dict[str, Any]:
        criterion = {"name": "p_benefit", "measure": "m", "value": 0.9, "threshold": 0.95, "met": False, **changed}
        return {"effects": [], "recommendation": {"criteria": [criterion]}}

    for name, value in (("threshold", 0.8), ("met", True), ("measure", "n")):
        [told] = differences(answer(**{name: value}), answer(), same_versions=False)
        assert told.place == f"recommendation.criteria[0].{name}"
    assert differences(answer(value=0.901), answer(), same_versions=False) == []
    assert differences({"effects": [], "recommendation": {"criteria": ["met"]}}, answer(), same_versions=False)
