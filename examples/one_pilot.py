"""One pilot from a driver to a signed decision, call by call, with made-up (synthetic) answers of 48 people.

python examples/one_pilot.py http://127.0.0.1:8000 pl_…     (an administrator's key of the whole service)
"""

import json
import random
import sys
import time
from typing import Any

import httpx


def client(url: str, key: str) -> httpx.Client:
    """Whoever the key belongs to."""
    return httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=60)


def call(who: httpx.Client, method: str, path: str, body: Any = None, show: tuple[str, ...] = ()) -> Any:
    """Make a call; print it with the parts of its answer that matter here."""
    response = who.request(method, path, json=body)
    answer = response.json()
    shown = {name: answer[name] for name in show if name in answer} if isinstance(answer, dict) else answer
    print(f"{method} {path}  →  {response.status_code} {json.dumps(shown, ensure_ascii=False)}")
    return answer


def before_and_after(seed: int, people: int) -> dict[str, tuple[float, float]]:
    """Synthetic teamwork scores, by pseudonym, of people to whom nothing happened in between."""
    draw = random.Random(seed)
    levels = {f"p-{number:03}": draw.gauss(55, 12) for number in range(people)}
    return {name: (level + draw.gauss(0, 8), level + draw.gauss(0, 8)) for name, level in levels.items()}


def answer(score: float) -> int:
    """A score as it is given: from 0 to 100."""
    return min(100, max(0, round(score)))


def finished(who: httpx.Client, kind: str, operation: dict[str, Any]) -> dict[str, Any]:
    """An analysis or a simulation when it has ended."""
    while operation["status"] in {"queued", "running"}:
        time.sleep(0.2)
        operation = who.get(f"/v1/{kind}/{operation['id']}").json()
    return operation


def main(url: str, key: str) -> None:  # noqa: PLR0915 - one call after the other
    """Walk the pilot from `discover` to what its decision says."""
    admin = client(url, key)
    organization = call(admin, "POST", "/v1/organizations", {"name": "Riverside Clinics (synthetic)"}, ("name",))
    mine = {"organization_id": organization["id"]}
    unit = call(admin, "POST", f"/v1/organizations/{organization['id']}/units", {"name": "Ward 4", "headcount": 60})
    keys = {
        role: client(url, admin.post("/v1/keys", json={**mine, "role": role, "label": person}).json()["key"])
        for role, person in (("lead", "ana.ruiz"), ("approver", "carla.weiss"))
    }
    lead, approver = keys["lead"], keys["approver"]

    pilot = call(lead, "POST", "/v1/pilots", {"title": "Huddles (synthetic)", "driver": "teamwork",
                                              "unit_ids": [unit["id"]]}, ("stage", "lead", "version"))  # fmt: skip
    path = f"/v1/pilots/{pilot['id']}"
    call(lead, "POST", f"{path}/moves", {"to": "develop"}, ("code", "unmet"))
    note = {"kind": "survey", "text": "Teamwork climate lies 0.4 SD below the benchmark."}
    call(lead, "PATCH", path, {"discovery_note": note}, ("version",))
    call(lead, "POST", f"{path}/moves", {"to": "develop"}, ("from", "to", "by"))

    program = {"title": "Ten-minute huddles (synthetic)", "description": "Daily, at the start of the shift.",
               "driver": "teamwork", "ownership_role": "design"}  # fmt: skip
    intervention = call(lead, "POST", "/v1/interventions", program, ("title",))
    notes = {"intervention_id": intervention["id"], "feasibility_note": "Ten minutes of paid time.",
             "frontline_involved": "Two nurses and a physician designed the agenda."}  # fmt: skip
    call(lead, "PATCH", path, notes, ("version",))
    plan = {"design": "parallel", "control": "control", "baseline": "pre", "followup": "post", "randomised": True,
            "followup_months": 6, "measures": [{"measure": "saq_teamwork", "reference_sd": 15}]}  # fmt: skip
    call(lead, "PUT", f"{path}/plan", plan, ("hash", "warnings", "missing_for_lock"))
    scenario = {"people": {"intervention": 24, "control": 24}}
    finished(lead, "simulations", call(lead, "POST", f"{path}/plan/simulate", scenario, ("status",)))
    scores = before_and_after(7, 48)
    for wave in ("pre", "post"):
        call(lead, "PUT", f"{path}/waves/{wave}", {"invited": {"intervention": 26, "control": 26}}, ("invited",))
    body = {"measure": "saq_teamwork", "wave": "pre",
            "rows": [{"participant": name, "value": answer(pre)} for name, (pre, _) in scores.items()]}  # fmt: skip
    call(lead, "POST", f"{path}/measurements", body, ("accepted", "errors"))
    allocation = call(lead, "POST", f"{path}/plan/allocate", {}, ("level", "method"))
    gain = {e["subject"]: 9 if e["arm"] == "intervention" else 0 for e in allocation["entries"]}
    call(
        lead,
        "POST",
        f"{path}/plan/lock",
        None,
        ("locked", "locked_by", "hash", "operating_characteristics", "warnings"),
    )
    call(lead, "POST", f"{path}/moves", {"to": "test"}, ("from", "to", "by"))

    body = {"measure": "saq_teamwork", "wave": "post",
            "rows": [{"participant": name, "value": answer(post + gain[name])}
                     for name, (_, post) in scores.items()]}  # fmt: skip
    call(lead, "POST", f"{path}/measurements", body, ("accepted", "errors"))
    analysis = finished(lead, "analyses", call(lead, "POST", f"{path}/analyses", {}, ("status", "kind")))
    result = analysis["result"]
    effect = result["effects"][0]
    print(f"analysis: grade {result['grade']}, {result['recommendation']['says']}")
    print("  raw     ", {k: effect["raw"][k] for k in ("mean", "interval")})
    print("  adjusted", {k: effect["adjusted"][k] for k in ("mean", "interval")})
    for criterion in result["recommendation"]["criteria"]:
        print("  ", {k: criterion[k] for k in ("name", "value", "threshold", "met")})

    outcome = result["recommendation"]["outcome"]
    decision = {"analysis_id": analysis["id"], "outcome": outcome, "rationale": "As the rule recommends."}
    call(lead, "POST", f"{path}/decisions", decision, ("code", "detail"))
    if outcome == "indeterminate":
        decision |= {"outcome": "refine", "override_reason": "The analysis cannot tell."}
    call(approver, "POST", f"{path}/decisions", decision, ("outcome", "signed_by"))
    if outcome == "scale":
        review = {"cost": "10 min a day", "staffing": "none", "complexity": "low", "later_owner": "ward leads",
                  "scalable": True}  # fmt: skip
        call(lead, "PATCH", path, {"sustainability_review": review}, ("version",))
    to = outcome if outcome in {"scale", "refine"} else "refine"
    call(lead, "POST", f"{path}/moves", {"to": to, "reason": "The signed decision."}, ("from", "to", "by"))
    print("The story of the pilot:")
    for item in lead.get(f"{path}/timeline").json()["items"]:
        print(f"  {item['at'][:10]}  {item['says']}")


if __name__ == "__main__":
    main(*sys.argv[1:])
