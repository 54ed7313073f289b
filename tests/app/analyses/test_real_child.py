"""The child process as the worker starts it: what is ready first, what it compiles when asked, what it draws."""

import os
from collections.abc import Iterator
from typing import Any

import pytest

from analysis.documents import Engine, FitRequest
from analysis.fit import fit
from app.jobs.warm import Answer, Failed, Progress, Ready, WarmChild
from tests.app.steps import CHANGES, PLAN

pytestmark = pytest.mark.slow
MEASURE = {"measure": "mbi_ee", "family": "normal", "direction": "lower_is_better", "reference_sd": 10.3}
PEOPLE = [
    {"unit": unit, "arm": arm, "wave": wave, "participant": f"{unit}-{p}", "value": 27 + (7 * p) % 11 + shift}
    for unit, arm in (("u1", "control"), ("u2", "intervention"))
    for p in range(12)
    for wave, shift in (("early", 0.5 * (p % 3)), ("pre", p % 2), ("post", (p % 5) - (5 if unit == "u2" else 0)))
    if p != 4 or wave != "post"
]
WAVES = [{"key": key, "kind": "followup" if key == "post" else "baseline"} for key in ("early", "pre", "post")]
REQUESTS: dict[str, dict[str, Any]] = {
    "parallel": {"plan": {**PLAN, "measures": [MEASURE]}, "data": {"mbi_ee": {"changes": CHANGES["changes"]}}},
    "did": {
        "plan": {**PLAN, "design": "did", "measures": [MEASURE], "waves": WAVES},
        "data": {"mbi_ee": {"rows": PEOPLE}},
    },
}


@pytest.fixture(scope="module")
def child() -> Iterator[WarmChild]:
    os.environ.setdefault("PILOTLIGHT_CACHE_DIR", "var/cache")
    child = WarmChild("app.analyses.run")
    assert isinstance(child.hear(400), Ready)
    yield child
    child.close()


@pytest.mark.parametrize("design", REQUESTS)
def test_it_answers_as_the_library_does_and_draws_what_there_is(child: WarmChild, design: str) -> None:
    request = {**REQUESTS[design], "seed": 1}
    child.ask({"fit": request, "unit_names": {"u1": "Clinic North", "u2": "Clinic South"}})
    shares = []
    while isinstance(message := child.hear(600), Progress):
        shares.append(message.share)
    assert not isinstance(message, Failed), message
    assert isinstance(message, Answer)
    assert shares == sorted(shares)
    result, plots = message.value["result"], {plot["name"]: plot["svg"] for plot in message.value["plots"]}
    exact = fit(FitRequest.model_validate(request).model_copy(update={"engine": Engine.EXACT}))
    mine, theirs = result["effects"][0]["adjusted"], exact["effects"][0]["adjusted"]
    assert mine["mean"] == pytest.approx(theirs["mean"], abs=0.1 * theirs["sd"])
    assert mine["sd"] == pytest.approx(theirs["sd"], rel=0.1)
    assert "plot_failed" not in [w["code"] for w in result["warnings"]]
    expected = {"posterior", "prior_posterior", "cell_means", "predictive", "trace", "rank"}
    assert expected <= plots.keys()
    assert all(">delta<" in plots[name] for name in ("trace", "rank"))
    if "units" in plots:
        assert "Clinic South" in plots["units"]
