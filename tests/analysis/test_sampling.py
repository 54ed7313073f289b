"""Compiling and caches: where they lie, that every structure is warmed, what a layout accepts."""

import os
from pathlib import Path

import numpy as np
import pytest

from analysis import sampling
from analysis.designs import STRUCTURES
from analysis.models import VERSIONS, label
from analysis.models.shared import packed


@pytest.mark.slow
def test_every_structure_a_design_ends_in_exists_and_is_warmed() -> None:
    seconds = sampling.warm()
    assert set(seconds) == set(VERSIONS) == {s for group in STRUCTURES.values() for s in group} | {"synthesis"}
    assert all(sampling.compiled(name) is sampling.compiled(name) for name in VERSIONS)
    assert label("ancova") == f"ancova/{VERSIONS['ancova']}"


def test_an_unknown_structure_is_an_error() -> None:
    with pytest.raises(KeyError):
        sampling.compiled("guess")


def test_caches_lie_where_the_setting_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(sampling.CACHE_VARIABLE, str(tmp_path / "here"))
    assert sampling.cache_dir() == tmp_path / "here"
    monkeypatch.delenv(sampling.CACHE_VARIABLE)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert sampling.cache_dir() == tmp_path / "pilotlight"


def test_caches_are_set_before_pytensor_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(sampling.CACHE_VARIABLE, str(tmp_path))
    monkeypatch.setenv("PYTENSOR_FLAGS", "cxx=g++")
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setattr("sys.modules", {})
    sampling._prepare()
    flags = dict(flag.split("=", 1) for flag in os.environ["PYTENSOR_FLAGS"].split(","))
    assert flags == {"cxx": "g++", "base_compiledir": str(tmp_path / "pytensor"), "numba__fastmath": "False"}
    assert os.environ["NUMBA_CACHE_DIR"] == str(tmp_path / "numba")


def test_a_seed_of_each_run() -> None:
    seeds = {sampling.derived_seed(seed, *names) for seed in (1, 2) for names in (("a", "b"), ("ab",), ("a", "c"))}
    assert len(seeds) == 6
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_packed_wants_all_parts_in_their_shapes() -> None:
    layout = {"a": (2,), "b": ()}
    assert packed(layout, {"b": np.array(3.0), "a": np.array([1.0, 2.0])}).tolist() == [1, 2, 3]
    with pytest.raises(KeyError):
        packed(layout, {"a": np.array([1.0, 2.0])})
    with pytest.raises(ValueError, match="shape"):
        packed(layout, {"a": np.array(1.0), "b": np.array(3.0)})
    with pytest.raises(ValueError, match="knows no c"):
        packed(layout, {"a": np.array([1.0, 2.0]), "b": np.array(3.0), "c": np.array(1.0)})
