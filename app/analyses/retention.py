"""Whether the effect of a scaled pilot lasts: the plan of an analysis at a retention wave, and what it found. Pure.

Such an analysis is no look and cannot be decided on; its grade is of what the retention wave itself can show. A
control arm that has the program by now is none: without one the comparison is the treated arm's own before and after.
"""

from typing import Any

from pydantic import BaseModel

from analysis.documents import Design, Plan
from analysis.foundational import RULE
from app.pilots.models import Stage

AFTER_SCALING = frozenset({Stage.SCALE, Stage.FOUNDATIONAL})


class Retention(BaseModel):
    """What an analysis at a retention wave says of P(δ > 0) there."""

    wave: str
    p_benefit: float | None
    threshold: float
    retained: bool | None


def retention_waves(plan: Plan) -> list[str]:
    """The planned waves after scaling, in the plan's order."""
    return [wave.key for wave in plan.expanded().waves if wave.kind == "retention"]


def retention_plan(plan: Plan, wave: str, *, controlled: bool, linked: bool) -> Plan:
    """The plan with `wave` in the place of the follow-up.

    `controlled`: the control arm answered at that wave. Else the treated arm is followed alone, as the same people
    (`linked`) or as different ones.
    """
    long = plan.expanded()
    arms = [arm for arm in long.arms if controlled or arm.role == "treated"]
    keys = {arm.key for arm in arms}
    design = long.design if controlled else Design.PAIRED if linked else Design.CROSS_SECTION
    changed = {
        "design": design.value,
        "control": long.control if controlled else None,
        "followup": wave,
        "arms": [arm.model_dump() for arm in arms],
        "units": [unit.model_dump() for unit in long.units if unit.arm is None or unit.arm in keys],
        "waves": [w.model_dump() for w in long.waves if w.kind == "baseline" or w.key == wave],
        "looks": [{"look": 1, "wave": wave, "months": long.followup_months}],
        "attrition": {arm: share for arm, share in (long.attrition or {}).items() if arm in keys} or None,
        "randomised": long.randomised and controlled,
    }
    return Plan.model_validate({**long.model_dump(mode="json"), **changed}).expanded()


def retained(wave: str, result: dict[str, Any] | None) -> Retention:
    """Whether P(δ > 0) at the wave reaches what the foundational rule asks; None where no estimate can be trusted."""
    found = result or {}
    primary = next((e for e in found.get("effects", []) if e["role"] == "primary"), None)
    trusted = primary is not None and all(gate["passed"] is not False for gate in found.get("gates", []))
    p = primary["p_benefit"] if primary is not None else None
    return Retention(
        wave=wave,
        p_benefit=p,
        threshold=RULE.p_retained,
        retained=p >= RULE.p_retained if trusted and p is not None else None,
    )
