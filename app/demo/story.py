"""The two pilots of the demonstration, from discovery to what follows from the signed decision.

The numbers are the published aggregates under `data/`. Nothing of the outcome is typed in: the rule recommends, the
approver signs what it recommends, the lead moves accordingly. Each step looks first whether it was made, so that an
interrupted demonstration continues where it stood.
"""

import json
from importlib.resources import files
from typing import Any

from app.demo.client import Client, Refused, Say
from app.demo.house import House

ORGANIZATION = "Northfield Health (demonstration)"
UNITS = [
    {
        "name": "General internal medicine",
        "specialty": "internal medicine",
        "occupation": "physician",
        "headcount": 120,
    },
    {"name": "Family medicine", "specialty": "family medicine", "occupation": "physician", "headcount": 85},
    {"name": "Pediatrics", "specialty": "pediatrics", "occupation": "physician", "headcount": 60},
]
PEOPLE = {"lead": "ana.ruiz", "analyst": "ben.okafor", "approver": "carla.weiss (CWO)"}
# How a criterion reads: what `scale` asks for, and what would lead to `replace`.
ASKED = {True: "met", False: "UNMET", None: "not assessed"}
REPLACES = {True: "REPLACE", False: "no reason to", None: "not assessed"}
FOLLOWS = {"scale": "scale", "refine": "refine"}


def published(name: str) -> dict[str, Any]:
    """The published numbers of a paper, as packaged."""
    text = files("app.demo").joinpath("data", f"{name}.json").read_text(encoding="utf-8")
    return dict(json.loads(text))


class Demonstration:
    """Loads the demonstration with an administrator's key of the whole service."""

    def __init__(self, url: str, key: str, say: Say) -> None:
        self.say = say
        self.administrator = Client(url, key)
        self.house = House(self.administrator, url, ORGANIZATION, UNITS, PEOPLE, say)
        self.say(f"  {ORGANIZATION}: {len(UNITS)} units; " + ", ".join(f"{p} ({r})" for r, p in PEOPLE.items()))

    def run(self) -> list[dict[str, Any]]:
        """Load everything; the decisions with the pilots they belong to."""
        return [self._decided(pilot) for pilot in (self._coaching(), self._compass())]

    def _coaching(self) -> dict[str, Any]:
        source = published("coaching")
        intervention = self.house.intervention(
            {
                "title": source["title"],
                "driver": source["driver"],
                "ownership_role": "own",
                "description": f"Individual sessions with a professional coach over six months. {source['source']}.",
            }
        )
        pilot = self.house.pilot(
            {
                "title": source["title"],
                "driver": source["driver"],
                "intervention_id": intervention["id"],
                "unit_ids": self.house.units[:2],
            }
        )
        arms = ["intervention", "control"]
        plan = {
            "design": source["design"],
            "randomised": source["randomised"],
            "treated": "intervention",
            "control": "control",
            "baseline": "pre",
            "followup": "post",
            "followup_months": source["followup_months"],
            "measures": [
                {
                    "measure": source["measure"],
                    "role": "primary",
                    "reference_sd": source["reference_sd"],
                    "reference_sd_source": source["reference_sd_source"],
                }
            ],
            "baseline_missing_reason": "The published summary holds the change from before to after.",
        }
        # 88 were randomised, 41 an arm are implied by the paper's percentages.
        waves = {"pre": dict.fromkeys(arms, 44), "post": dict.fromkeys(arms, 44)}
        summaries = [{"measure": source["measure"], "changes": source["changes"]}]
        self._to_test(pilot, plan, waves, before=[], after=summaries)
        return pilot

    def _compass(self) -> dict[str, Any]:
        original, source = published("facilitated_groups"), published("compass")
        parent = self.house.intervention(
            {
                "title": original["title"],
                "driver": original["driver"],
                "ownership_role": "own",
                "description": f"Small groups in protected time with a trained facilitator. {original['source']}.",
            }
        )
        intervention = self.house.intervention(
            {
                "title": source["title"],
                "driver": source["driver"],
                "ownership_role": "own",
                "derived_from": parent["id"],
                "derivation_reason": "Effective, but facilitators make it too complex and costly to scale.",
                "description": f"Small groups that meet over a meal and lead their own discussion. {source['source']}.",
            }
        )
        pilot = self.house.pilot(
            {
                "title": source["title"],
                "driver": source["driver"],
                "intervention_id": intervention["id"],
                "unit_ids": self.house.units,
            }
        )
        primary, secondary = source["measures"]
        plan = {
            "design": source["design"],
            "randomised": source["randomised"],
            "treated": "intervention",
            "control": "control",
            "baseline": "pre",
            "followup": "post",
            "followup_months": source["followup_months"],
            "measures": [{"measure": primary, "role": "primary"}, {"measure": secondary, "role": "secondary"}],
        }
        counts = {key: value["counts"] for key, value in source["measures"].items()}
        answered = {c["arm"]: c["n"] for c in counts[primary] if c["wave"] == "pre"}
        # Who answered before is who could be lost afterwards.
        waves = {"pre": answered, "post": answered}
        at = {
            wave: [{"measure": m, "counts": [c for c in rows if c["wave"] == wave]} for m, rows in counts.items()]
            for wave in ("pre", "post")
        }
        self._to_test(pilot, plan, waves, before=at["pre"], after=at["post"])
        return pilot

    def _to_test(
        self,
        pilot: dict[str, Any],
        plan: dict[str, Any],
        waves: dict[str, dict[str, int]],
        *,
        before: list[dict[str, Any]],
        after: list[dict[str, Any]],
    ) -> None:
        """Discover → develop → test, with plan, lock and measures; then the follow-up is entered."""
        path = f"/v1/pilots/{pilot['id']}"
        if any(self.administrator.every(f"{path}/decisions")):
            return  # told already; what people did with the pilot since is theirs
        if pilot["stage"] == "discover":
            lead = self.house.as_("lead")
            note = {"kind": "literature", "text": "The source names this driver as a contributor to burnout."}
            lead.call("PATCH", path, {"discovery_note": note})
            lead.call("POST", f"{path}/moves", {"to": "develop", "reason": "The driver matters here."})
            self.say("    discover → develop")
        if self._stage(pilot) == "develop":
            lead = self.house.as_("lead")
            lead.call(
                "PATCH",
                path,
                {
                    "feasibility_note": "Runs in protected time with existing staff.",
                    "frontline_involved": "Physicians of the units took part in choosing the form and the times.",
                },
            )
            if not self._plan_is_locked(path):
                lead.call("PUT", f"{path}/plan", plan)
                for key, invited in waves.items():
                    lead.call("PUT", f"{path}/waves/{key}", {"invited": invited})
                for summary in before:
                    lead.call("POST", f"{path}/summaries", summary)
                locked = lead.call("POST", f"{path}/plan/lock")
                self.say(
                    f"    plan locked, {locked['hash'][:12]}; warned of: "
                    + (", ".join(w["code"] for w in locked["warnings"]) or "nothing")
                )
            lead.call("POST", f"{path}/moves", {"to": "test", "reason": "Everything is in place."})
            self.say("    develop → test")
        if self._stage(pilot) == "test":
            for summary in after:
                self.house.as_("lead").call("POST", f"{path}/summaries", summary)

    def _stage(self, pilot: dict[str, Any]) -> str:
        return str(self.administrator.call("GET", f"/v1/pilots/{pilot['id']}")["stage"])

    def _plan_is_locked(self, path: str) -> bool:
        return any(p["locked"] for p in self.administrator.every(f"{path}/plan/versions"))

    def _decided(self, pilot: dict[str, Any]) -> dict[str, Any]:
        """Analyse, sign what the rule recommends, move on."""
        admin, path = self.administrator, f"/v1/pilots/{pilot['id']}"
        decisions = list(admin.every(f"{path}/decisions"))
        if not decisions:
            asked = [
                a
                for a in admin.every(f"{path}/analyses?kind=confirmatory")
                if a["status"] not in {"failed", "cancelled"}
            ]
            analyst = self.house.as_("analyst")
            analysis = asked[0] if asked else analyst.call("POST", f"{path}/analyses", {})
            analysis = analyst.wait_for(analyst.call("GET", f"/v1/analyses/{analysis['id']}"), self.say)
            if analysis["status"] != "succeeded" or "refused" in analysis["result"]:
                raise Refused(
                    f"the analysis of {pilot['title']} ended {analysis['status']}: "
                    f"{analysis['failure'] or analysis['result']}"
                )
            recommended = analysis["result"]["recommendation"]["outcome"]
            body = {
                "analysis_id": analysis["id"],
                "outcome": recommended,
                "rationale": f"The rule fixed beforehand recommends `{recommended}`.",
                "share_back": "Results are shown and discussed in the unit meetings.",
            }
            if recommended == "indeterminate":
                body |= {"outcome": "refine", "override_reason": "The analysis cannot tell; try once more."}
            decisions = [self.house.as_("approver").call("POST", f"{path}/decisions", body)]
        self._move_on(pilot, decisions[-1])
        return {
            "pilot": admin.call("GET", path),
            "decision": decisions[-1],
            "analysis": admin.call("GET", f"/v1/analyses/{decisions[-1]['analysis_id']}"),
        }

    def _move_on(self, pilot: dict[str, Any], decision: dict[str, Any]) -> None:
        path = f"/v1/pilots/{pilot['id']}"
        current = self.administrator.call("GET", path)
        if current["stage"] != "test" or current["iteration"] != decision["iteration"]:
            return
        lead = self.house.as_("lead")
        if decision["outcome"] == "scale":
            review = {
                "cost": "Sessions and protected time, in the well-being budget.",
                "staffing": "Contracted coaches.",
                "complexity": "Low: booking and a contract.",
                "later_owner": "Office of well-being",
                "scalable": True,
            }
            lead.call("PATCH", path, {"sustainability_review": review})
        to = FOLLOWS.get(decision["outcome"], "retired")
        body: dict[str, Any] = {"to": to, "reason": decision["rationale"]}
        if to == "retired":
            body |= {"retirement": "stopped", "lessons": "The program did not help; see the analysis."}
        lead.call("POST", f"{path}/moves", body)
        self.say(f"    test → {to}")


def report(entry: dict[str, Any]) -> list[str]:
    """What was found and decided about one pilot, in lines for a terminal."""
    result, decision, pilot = entry["analysis"]["result"], entry["decision"], entry["pilot"]
    recommendation = result["recommendation"]
    head = f"{pilot['title']}: {recommendation['outcome'].upper()} (evidence grade {result['grade']})"
    signed = f"signed `{decision['outcome']}` by {decision['signed_by']}; now in {pilot['stage']}"
    lines = [f"{head}; {signed}", f"  {recommendation['says']}"]
    for effect in result["effects"]:
        sd, interval = effect["adjusted"], effect["adjusted"]["interval"]
        lines.append(
            f"  {effect['measure']} ({effect['role']}): {sd['mean']:+.2f} SD "
            f"[{interval['low']:+.2f}, {interval['high']:+.2f}], {interval['prob']:.0%} {interval['kind']}"
        )
    for criterion in recommendation["criteria"]:
        words = REPLACES if criterion.get("decides") == "replace" else ASKED
        value = criterion["value"]
        shown = f"{value:.3f}" if isinstance(value, float) else str(value)
        lines.append(
            f"    {words[criterion['met']]:<14} {criterion['name']:<22} {shown:<8} (threshold {criterion['threshold']})"
        )
    codes = [w["code"] for w in [*result["warnings"], *entry["analysis"]["warnings"]]]
    lines.append(f"  warnings: {', '.join(codes) or 'none'}")
    return lines
