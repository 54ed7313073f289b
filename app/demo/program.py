"""The second demonstration: how attempts build on each other until a program is foundational, and one that is not.

The history is that of Shanafelt et al. 2020 (isolation → facilitated groups, effective but not scalable → self-
facilitated groups as a derivative → scaled → adopted elsewhere → foundational), with synthetic answers. Each step looks
at the stage a pilot is in, so that an interrupted demonstration continues where it stood; the rule recommends, the
approver signs what it recommends, the lead moves accordingly.
"""

from typing import Any

from app.demo.client import Client, Refused, Say
from app.demo.house import House
from app.demo.synthetic import (
    FACILITATED,
    HILLSIDE,
    LAKESIDE,
    MEASURE,
    QUIET_ROOMS,
    REPORTED,
    REPORTED_SE,
    SELF_FACILITATED,
    Script,
)

ORIGIN = "Eastmoor Health (synthetic)"
ADOPTERS = {"Lakeside Clinic (synthetic)": LAKESIDE, "Hillside Hospital (synthetic)": HILLSIDE}
PEOPLE = {"lead": "dana.kim", "analyst": "eli.moreau", "approver": "fay.lindqvist (CWO)"}
UNITS = [{"name": "Hospital medicine", "specialty": "hospital medicine", "occupation": "physician", "headcount": 160}]
ENDED = frozenset({"scale", "foundational", "retired"})
REVIEW = {
    "cost": "A meal for each group, every other week.",
    "staffing": "None beyond the groups themselves.",
    "complexity": "Low.",
    "later_owner": "Office of well-being",
}


class Walk:
    """One scripted pilot of one organization."""

    def __init__(self, house: House, script: Script, intervention: dict[str, Any], note: str) -> None:
        self.house, self.script, self.note = house, script, note
        driver = {"driver": intervention["driver"], "intervention_id": intervention["id"]}
        self.pilot = house.pilot({"title": script.title, "unit_ids": house.units, **driver})
        self.path = f"/v1/pilots/{self.pilot['id']}"

    def call(self, role: str, method: str, path: str, body: Any = None) -> Any:
        """A call about the pilot."""
        return self.house.as_(role).call(method, f"{self.path}{path}", body)

    def run(self) -> dict[str, Any]:
        """From where it stands to `scale`, or to its end."""
        steps = {"discover": self._discover, "develop": self._plan, "refine": self._plan, "test": self._test}
        while (pilot := self.call("lead", "GET", ""))["stage"] not in ENDED:
            steps[pilot["stage"]](pilot)
        return dict(pilot)

    def _move(self, to: str, reason: str, **fields: Any) -> None:
        self.call("lead", "POST", "/moves", {"to": to, "reason": reason, **fields})
        self.house.say(f"    → {to}: {reason}")

    def _discover(self, pilot: dict[str, Any]) -> None:
        note = {"discovery_note": {"kind": "survey", "text": self.note}}
        covered = (
            {"justification": "Synthetic: the demonstration tries it all the same."} if pilot["covered_by"] else {}
        )
        self.call("lead", "PATCH", "", note | covered)
        self._move("develop", "The driver matters here.")

    def _plan(self, pilot: dict[str, Any]) -> None:
        """Lessons of the last round, the plan, who is in which arm, the answers before; then the lock."""
        if pilot["stage"] == "refine":
            self.call("lead", "PATCH", "", {"lessons": self.script.rounds[pilot["iteration"] - 2].lessons})
        else:
            involved = "Three physicians of the unit chose form and times (synthetic)."
            self.call("lead", "PATCH", "", {"feasibility_note": "In protected time.", "frontline_involved": involved})
        versions = self.house.as_("lead").every(f"{self.path}/plan/versions")
        if not any(v["locked"] and v["iteration"] == pilot["iteration"] for v in versions):
            self.call("lead", "PUT", "/plan", self.script.plan())
            people = [{"participant": p} for p in self.script.people(pilot["iteration"])]
            self.call("lead", "POST", "/plan/allocate", {"level": "participant", "participants": people})
            self._enter("pre", pilot["iteration"])
            self.call("lead", "POST", "/plan/lock")
        self._move("test", f"Round {pilot['iteration']}: everything is in place.")

    def _arms(self, iteration: int) -> dict[str, str]:
        entries = [
            entry
            for allocation in self.house.as_("lead").every(f"{self.path}/plan/allocations")
            if allocation["iteration"] == iteration
            for entry in allocation["entries"]
        ]
        return {entry["subject"]: entry["arm"] for entry in entries}

    def _enter(self, wave: str, iteration: int) -> None:
        rows = self.script.rows(iteration, wave, self._arms(iteration))
        self.call("lead", "POST", "/measurements", {"measure": MEASURE, "wave": wave, "rows": rows})

    def _test(self, pilot: dict[str, Any]) -> None:
        """The answers after, the analysis, the signature, and what follows from it."""
        iteration = pilot["iteration"]
        self._enter("post", iteration)
        decisions = [d for d in self.house.as_("lead").every(f"{self.path}/decisions") if d["iteration"] == iteration]
        decision = decisions[-1] if decisions else self._sign(self._analysed({}, iteration))
        reason = f"Decided on evidence of grade {decision['grade']}: {decision['outcome']}."
        if decision["outcome"] == "refine":
            self._move("refine", reason)
        elif decision["outcome"] == "replace":
            lessons = self.script.rounds[iteration - 1].lessons
            self._move("retired", reason, retirement="stopped", lessons=lessons)
        else:
            review = {**REVIEW, "staffing": self.script.why, "scalable": self.script.scalable}
            self.call("lead", "PATCH", "", {"sustainability_review": review})
            if self.script.scalable:
                self._move("scale", reason)
            else:
                lessons = self.script.rounds[iteration - 1].lessons
                self._move("retired", "Effective, but not scalable.", retirement="not_scalable", lessons=lessons)

    def _analysed(self, body: dict[str, Any], iteration: int) -> dict[str, Any]:
        """The confirmatory analysis of the round (or of its retention wave), once it has ended."""
        analyst = self.house.as_("analyst")
        asked = [
            a
            for a in analyst.every(f"{self.path}/analyses?kind=confirmatory&iteration={iteration}")
            if a["retention_wave"] == body.get("wave") and a["status"] not in {"failed", "cancelled"}
        ]
        analysis = asked[0] if asked else self.call("analyst", "POST", "/analyses", body)
        analysis = analyst.wait_for(analyst.call("GET", f"/v1/analyses/{analysis['id']}"), self.house.say)
        if analysis["status"] != "succeeded" or "refused" in analysis["result"]:
            raise Refused(f"an analysis of {self.script.title} ended {analysis['status']}: {analysis['failure']}")
        return analysis

    def _sign(self, analysis: dict[str, Any]) -> dict[str, Any]:
        recommended = analysis["result"]["recommendation"]
        self.house.say(f"    {recommended['says']}")
        body = {
            "analysis_id": analysis["id"],
            "outcome": recommended["outcome"],
            "rationale": f"The rule fixed beforehand recommends `{recommended['outcome']}`.",
            "share_back": "Shown and discussed in the unit meetings (synthetic).",
        }
        return dict(self.call("approver", "POST", "/decisions", body))

    def retained(self) -> None:
        """A year on: the retention wave and its analysis."""
        pilot = self.call("lead", "GET", "")
        if pilot["stage"] == "scale":
            self._enter("y1", pilot["iteration"])
            found = self._analysed({"wave": "y1"}, pilot["iteration"])["retention"]
            word = "retained" if found["retained"] else "not retained"
            self.house.say(f"    a year on: {word}, P(δ > 0) = {found['p_benefit']:.3f}")


class Graduation:
    """Loads the second demonstration with an administrator's key of the whole service."""

    def __init__(self, url: str, key: str, say: Say) -> None:
        self.url, self.say = url, say
        self.administrator = Client(url, key)
        self.origin = self._house(ORIGIN, PEOPLE)

    def _house(self, name: str, people: dict[str, str]) -> House:
        self.say(f"  {name}")
        return House(self.administrator, self.url, name, UNITS, people, self.say)

    def run(self) -> list[dict[str, Any]]:
        """Load everything; the two syntheses with what was decided on them."""
        groups, rooms = self._groups(), self._quiet_rooms()
        return [
            self._judged(groups, "collegiality", "Proven here and elsewhere."),
            self._judged(rooms, "self_care", "It helps on average; so the lead asks."),
        ]

    def _intervention(self, script: Script, description: str, **fields: Any) -> dict[str, Any]:
        title = script.title.replace(" at Lakeside", "")
        body = {"title": title, "driver": "isolation", "ownership_role": "own", "description": description, **fields}
        return self.origin.intervention(body)

    def _groups(self) -> Walk:
        """The worked history: effective but not scalable, the derivative, two adopters."""
        parent = self._intervention(FACILITATED, "Small groups in protected time with a trained facilitator.")
        survey = "Discovery research: isolation, not only workload, goes with burnout here (synthetic)."
        Walk(self.origin, FACILITATED, parent, survey).run()
        derivative = self._intervention(
            SELF_FACILITATED,
            "Six to eight colleagues meet over a meal and lead their own discussion.",
            derived_from=parent["id"],
            derivation_reason="Effective, but facilitators make it too complex and costly to scale.",
        )
        walk = Walk(self.origin, SELF_FACILITATED, derivative, survey)
        walk.run()
        walk.retained()
        for name, script in ADOPTERS.items():
            people = {role: f"{name.split()[0].lower()}.{role}" for role in PEOPLE}
            house = self._house(name, people)
            Walk(house, script, derivative, "The same survey, with the same answer (synthetic).").run()
        return walk

    def _quiet_rooms(self) -> Walk:
        """A program that helps on average, while its adopters disagree."""
        intervention = self._intervention(QUIET_ROOMS, "A room without screens on every ward.")
        walk = Walk(self.origin, QUIET_ROOMS, intervention, "The ward has no place to be undisturbed (synthetic).")
        walk.run()
        walk.retained()
        place = f"/v1/interventions/{intervention['id']}/evidence"
        known = {e["source"] for e in self.administrator.every(place)}
        for name, effect in REPORTED:
            source = f"{name} Medical Group, annual report (synthetic)"
            body = {
                "organization": f"{name} Medical Group (synthetic)",
                "measure": MEASURE,
                "effect_sd": effect,
                "se_sd": REPORTED_SE,
                "design": "parallel",
                "randomised": True,
                "attrition": {"intervention": 0.05, "control": 0.05},
                "role": "adopter",
                "source": source,
            }
            if source not in known:
                self.origin.as_("approver").call("POST", place, body)
        return walk

    def _judged(self, walk: Walk, dimension: str, reason: str) -> dict[str, Any]:
        """Pool the evidence, ask for the move, and tell what the rule and the service said."""
        pilot = walk.call("lead", "GET", "")
        synthesis = self._pooled(pilot["intervention_id"])
        refusal = None
        if pilot["stage"] == "scale":
            body = {"to": "foundational", "synthesis_id": synthesis["id"], "dimension": dimension, "reason": reason}
            try:
                walk.call("approver", "POST", "/moves", body)
            except Refused as refused:
                refusal = str(refused)
        return {"pilot": walk.call("lead", "GET", ""), "synthesis": synthesis, "refusal": refusal}

    def _pooled(self, intervention_id: str) -> dict[str, Any]:
        """The newest confirmatory synthesis that still stands, else a new one."""
        analyst, place = self.origin.as_("analyst"), f"/v1/interventions/{intervention_id}/syntheses"
        asked = [s for s in analyst.every(place) if s["kind"] == "confirmatory" and s["status"] != "failed"]
        if asked:
            found = analyst.wait_for(analyst.call("GET", f"/v1/syntheses/{asked[-1]['id']}"), self.say, "syntheses")
            if "evidence_changed" not in {w["code"] for w in found["warnings"]}:
                return found
        return analyst.wait_for(analyst.call("POST", place, {}), self.say, "syntheses")


def report_of(entry: dict[str, Any]) -> list[str]:
    """What a synthesis said and what became of the program, in lines for a terminal."""
    synthesis, pilot = entry["synthesis"], entry["pilot"]
    recommendation = synthesis["result"]["recommendation"]
    lines = [
        f"{pilot['title']}: {recommendation['outcome'].upper()}; the pilot is in {pilot['stage']}",
        f"  {recommendation['says']}",
    ]
    words = {True: "met", False: "UNMET", None: "shown"}
    for criterion in recommendation["criteria"]:
        value = criterion["value"]
        shown = f"{value:.3f}" if isinstance(value, float) else str(value)
        threshold = "" if criterion["threshold"] is None else f" (threshold {criterion['threshold']})"
        lines.append(f"    {words[criterion['met']]:<8} {criterion['name']:<24} {shown}{threshold}")
    for e in synthesis["provenance"]["evidence"]:
        left = "" if e["left_out"] is None else f"; left out: {e['left_out']['code']}"
        effect = "no estimate" if e["effect_sd"] is None else f"{e['effect_sd']:+.2f} SD (SE {e['se_sd']:.2f})"
        lines.append(f"    evidence {e['organization']}: {effect}, grade {e['grade']}, {e['role']}, {e['kind']}{left}")
    if entry["refusal"]:
        lines.append(f"  refused: {entry['refusal']}")
    return lines
