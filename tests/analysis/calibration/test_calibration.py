"""The kept calibration: of these models, of everything that is offered, and passed. `run.py` makes it anew."""

import json
from typing import Any

import numpy as np
import pytest

from analysis.designs import OFFERED, STRUCTURES
from analysis.models import label
from tests.analysis.calibration.bands import STEPS, p_value
from tests.analysis.calibration.run import BAND, ERRORS, RESULTS
from tests.analysis.calibration.scenarios import SCENARIOS

AGAIN = "run `python -m tests.analysis.calibration.run` again"
ALIKE = {"two_means", "ancova_unknown_r"}
"""Forms of `ancova` for summaries: exact engine and NUTS are compared in test_fit and test_exact."""


@pytest.fixture(scope="module")
def kept() -> dict[str, Any]:
    scenarios: dict[str, Any] = json.loads(RESULTS.read_text())["scenarios"]
    return scenarios


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_kept_calibration_is_of_the_models_as_they_are(kept: dict[str, Any], name: str) -> None:
    assert name in kept, AGAIN
    assert kept[name]["model"] == label(name.split(" × ")[2]), AGAIN


def test_every_design_and_family_offered_is_calibrated() -> None:
    calibrated = {(d, f): set() for d, f in OFFERED}
    for name in SCENARIOS:
        design, family, structure = name.split(" × ")
        calibrated[next(k for k in OFFERED if (k[0].value, k[1].value) == (design, family))].add(structure)
    for offered, structures in calibrated.items():
        assert structures, f"{offered} is offered and not calibrated"
        assert structures <= set(STRUCTURES[offered])
    assert {s for group in STRUCTURES.values() for s in group} - ALIKE == set().union(*calibrated.values())


@pytest.mark.parametrize("name", SCENARIOS)
def test_ranks_are_uniform_and_intervals_cover(kept: dict[str, Any], name: str) -> None:
    ranks, prior = kept[name]["ranks"], kept[name]["coverage"]["prior"]
    assert ranks["replications"] >= 100
    assert {"delta", "total"} <= ranks["quantities"].keys()
    assert all(quantity["p"] >= 1 - BAND for quantity in ranks["quantities"].values())
    assert prior["pilots"] >= 900
    assert prior["share"] == pytest.approx(0.95, abs=ERRORS * np.sqrt(0.95 * 0.05 / prior["pilots"]))
    assert prior["p"] >= 1 - BAND
    assert {"0.0", "0.3"} <= kept[name]["coverage"].keys()


def test_the_band_tells_uniform_ranks_from_others() -> None:
    rng = np.random.default_rng(4)
    of_uniform = [p_value(rng.integers(0, STEPS, 150)) for _ in range(300)]
    assert np.mean(np.array(of_uniform) < 0.1) == pytest.approx(0.1, abs=0.06)
    too_narrow = np.clip(rng.normal(STEPS / 2, STEPS / 2, 150), 0, STEPS - 1)
    shifted = np.minimum(STEPS * rng.beta(1.5, 1, 150), STEPS - 1)
    for ranks in (too_narrow, shifted):
        assert p_value(ranks) < 1 - BAND
