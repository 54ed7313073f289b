"""The steps of a pilot as its people take them over HTTP, and what a fit might answer; asserts that each step works."""

from collections.abc import Callable
from typing import Any

import httpx

from tests.conftest import House

type Finish = Callable[..., Any]

PLAN: dict[str, Any] = {
    "design": "parallel",
    "treated": "intervention",
    "control": "control",
    "baseline": "pre",
    "followup": "post",
    "measures": [{"measure": "mbi_ee", "role": "primary", "reference_sd": 10.3}],
    "followup_months": 6,
    "randomised": True,
}
CHANGES: dict[str, Any] = {
    "measure": "mbi_ee",
    "changes": [
        {"arm": "intervention", "n": 41, "mean": -5.2, "sd": 8.7},
        {"arm": "control", "n": 41, "mean": 1.5, "sd": 7.7},
    ],
}
LASTING: dict[str, Any] = {
    **PLAN,
    "waves": [
        {"key": "pre", "kind": "baseline"},
        {"key": "post", "kind": "followup"},
        {"key": "y1", "kind": "retention"},
    ],
}
A_YEAR_LATER: dict[str, Any] = {
    "measure": "mbi_ee",
    "wave": "y1",
    "changes": [
        {"arm": "intervention", "n": 36, "mean": -4.8, "sd": 8.9},
        {"arm": "control", "n": 37, "mean": 0.9, "sd": 8.1},
    ],
}
NOTES: dict[str, Any] = {
    "discovery_note": {"kind": "survey", "text": "Self-valuation lies 0.4 SD below the benchmark."},
    "feasibility_note": "Coaches are under contract.",
    "frontline_involved": "Four physicians chose the coaches.",
}
REVIEW: dict[str, Any] = {
    "cost": "In the budget.",
    "staffing": "Contracted coaches.",
    "complexity": "Low.",
    "later_owner": "Office of well-being",
    "scalable": True,
}


async def ok(request: Any, status: int = 200) -> Any:
    """The JSON of an answer that has to be of this status."""
    response: httpx.Response = await request
    assert response.status_code == status, f"{response.status_code}: {response.text}"
    return response.json()


async def refused(request: Any, status: int, code: str) -> dict[str, Any]:
    """The problem of an answer that has to be refused with this code."""
    response: httpx.Response = await request
    assert response.status_code == status, f"{response.status_code}: {response.text}"
    assert response.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = response.json()
    assert problem["code"] == code, problem
    assert problem["status"] == status
    return problem


def codes(problem: dict[str, Any]) -> list[tuple[tuple[Any, ...], str]]:
    """Place and code of each of a problem's `errors`."""
    return [(tuple(error["loc"]), error["code"]) for error in problem["errors"]]


def unmet(problem: dict[str, Any]) -> list[str]:
    """The codes of what a refused move still takes."""
    return [item["code"] for item in problem["unmet"]]


async def start(house: House, **fields: Any) -> str:
    """A pilot in `discover`; the path of it."""
    body = {"title": "Coaching", "driver": "self_valuation", "unit_ids": [house.unit["id"]], **fields}
    pilot = await ok(house.lead.post("/v1/pilots", json=body), 201)
    return f"/v1/pilots/{pilot['id']}"


async def intervention(house: House, **fields: Any) -> str:
    """An intervention; its id."""
    body = {
        "title": "Professional coaching",
        "description": "Six sessions with a certified coach.",
        "driver": "self_valuation",
        "ownership_role": "own",
        **fields,
    }
    return str((await ok(house.lead.post("/v1/interventions", json=body), 201))["id"])


async def move(house: House, path: str, to: str, **fields: Any) -> dict[str, Any]:
    """A move that has to work."""
    made: dict[str, Any] = await ok(house.lead.post(f"{path}/moves", json={"to": to, **fields}), 201)
    return made


async def planned(house: House, plan: dict[str, Any] = PLAN, of: str | None = None, **fields: Any) -> str:
    """A pilot in `develop` with a draft of its plan; `of` an intervention, or of a new one."""
    path = await start(house, **fields)
    await ok(house.lead.patch(path, json={**NOTES, "intervention_id": of or await intervention(house)}))
    await move(house, path, "develop")
    await ok(house.lead.put(f"{path}/plan", json=plan))
    return path


async def in_test(
    house: House,
    plan: dict[str, Any] | None = None,
    summaries: dict[str, Any] | None = None,
    *,
    approved: str | None = None,
    **fields: Any,
) -> str:
    """A pilot in `test` with its data entered; `approved`: why an approver lets the plan depart from the default."""
    path = await planned(house, {**(plan or PLAN), "baseline_missing_reason": "published before and after"}, **fields)
    if approved is not None:
        await ok(house.approver.post(f"{path}/plan/approvals", json={"reason": approved}), 201)
    await ok(house.lead.post(f"{path}/plan/lock"))
    await move(house, path, "test")
    await ok(house.lead.post(f"{path}/summaries", json=summaries or CHANGES), 201)
    return path


async def scaled(
    house: House, finish: Finish, *, of: str | None = None, answer: dict[str, Any] | None = None, **fields: Any
) -> str:
    """A pilot in `scale`, with a retention wave planned; its path."""
    path = await in_test(house, LASTING, of=of)
    await signed(house, path, await analysed(house, path, finish, answer), "scale")
    await ok(house.lead.patch(path, json={"sustainability_review": REVIEW, **fields}))
    await move(house, path, "scale")
    return path


async def retained(house: House, path: str, finish: Finish, answer: dict[str, Any] | None = None) -> str:
    """The analysis of the retention wave, succeeded with this answer; its id."""
    await ok(house.lead.post(f"{path}/summaries", json=A_YEAR_LATER), 201)
    asked = await ok(house.analyst.post(f"{path}/analyses", json={"wave": "y1"}), 202)
    finish(asked["id"], answer or an_answer())
    return str(asked["id"])


async def analysed(house: House, path: str, finish: Finish, answer: dict[str, Any] | None = None) -> str:
    """The confirmatory analysis, succeeded with this answer; its id."""
    asked = await ok(house.analyst.post(f"{path}/analyses", json={}), 202)
    assert asked["kind"] == "confirmatory"
    finish(asked["id"], answer or an_answer())
    return str(asked["id"])


async def signed(house: House, path: str, analysis_id: str, outcome: str, **fields: Any) -> dict[str, Any]:
    """A decision that has to work."""
    body = {"analysis_id": analysis_id, "outcome": outcome, "rationale": "As the rule says.", **fields}
    decision: dict[str, Any] = await ok(house.approver.post(f"{path}/decisions", json=body), 201)
    return decision


def an_answer(
    outcome: str = "scale", *, grade: str = "A", gates_passed: bool = True, provisional: bool = False
) -> dict[str, Any]:
    """What `fit` might answer (contract §3); the numbers are those of the coaching trial."""
    interval = {"low": 0.28, "high": 0.92, "prob": 0.95, "kind": "equal-tailed"}
    estimate = {"mean": 0.6, "sd": 0.16, "interval": interval}
    return {
        "grade": grade,
        "gates": [{"name": "rhat", "value": 1.002 if gates_passed else 1.2, "threshold": 1.01, "passed": gates_passed}],
        "effects": [
            {
                "measure": "mbi_ee",
                "role": "primary",
                "sd": estimate,
                "raw": estimate,
                "adjusted": estimate,
                "p_benefit": 0.999,
                "p_meaningful": 0.99,
                "p_below_zero": 0.001,
                "p_harm": 0.0,
                "p_rope": 0.01,
                "p_benefit_sceptical": 0.998,
                "unadjusted": {"p_benefit": 0.999, "p_meaningful": 0.99},
                "evidence": {"effect_sd": 0.65, "se_sd": 0.18},
                "units": [],
                "exact": None,
            }
        ],
        "recommendation": {
            "outcome": outcome,
            "provisional": provisional,
            "says": "The program helps.",
            "criteria": [
                {"name": "p_benefit", "measure": "mbi_ee", "value": 0.999, "threshold": 0.95, "met": True},
            ],
        },
        "tipping_point": None,
        "borrowed_weight": None,
        "without_borrowing": None,
        "would_raise_grade": [],
        "warnings": [],
        "provenance": {"seed": 1, "model": "two_means", "engine": "nuts", "versions": {"pymc": "6"}},
    }


REFUSAL: dict[str, Any] = {
    "refused": {"code": "no_followup", "message": "no data of the follow-up", "what_would_help": "enter them"}
}
