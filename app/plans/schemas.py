"""Requests and answers of evaluation plans: the library's own plan, completed from the catalogue."""

from typing import Any

from pydantic import ConfigDict, Field

from analysis.documents import Direction, Family, Plan, PlannedMeasure
from analysis.documents.plan import MOST
from app.forms import Answer, AtInstant, Form, Id, Prose
from app.plans.models import Origin

EXAMPLE_PLAN: dict[str, Any] = {
    "design": "parallel",
    "treated": "intervention",
    "control": "control",
    "baseline": "pre",
    "followup": "post",
    "measures": [{"measure": "mbi_ee", "role": "primary", "reference_sd": 10.3}],
    "followup_months": 6,
    "randomised": True,
    "attrition": {"intervention": 0.07, "control": 0.07},
}


class PlannedMeasureIn(PlannedMeasure):
    """A measure in its role; what is left out is taken from the catalogue."""

    family: Family | None = None  # type: ignore[assignment]
    direction: Direction | None = None  # type: ignore[assignment]
    benchmark_id: Id | None = Field(
        default=None, description="The benchmark whose SD is the reference SD (GET /v1/benchmarks); of normal measures"
    )
    benchmark_mean: bool = Field(
        default=False, description="true: the scale is centred on the benchmark's mean too (reference_mean)"
    )


class PlanIn(Plan):
    """An evaluation plan: what will be compared, on which measures, and by which rule it is judged."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE_PLAN]})
    measures: list[PlannedMeasureIn] = Field(min_length=1, max_length=MOST)  # type: ignore[assignment]


class AmendmentIn(Form):
    """A new version of a locked plan."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"reason": "The follow-up survey moves by two months.", "plan": {**EXAMPLE_PLAN, "followup_months": 8}}
            ]
        }
    )
    reason: Prose
    plan: PlanIn


class ApprovalIn(Form):
    """Approve the draft as it stands, with what departs from the default rule."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"reason": "A harmless and cheap program: 0.90 of a benefit is enough for us to go on."}]
        }
    )
    reason: Prose


class RemarkOut(Answer):
    """A code and a sentence."""

    code: str
    message: str


class OutcomesByEffect(Answer):
    """How often pilots of this true effect (SD units) would end in each outcome, as shares."""

    effect: float
    scale: float
    refine: float
    replace: float


class OperatingCharacteristics(Answer):
    """What a simulation of this very plan told."""

    simulation_id: str
    by_effect: list[OutcomesByEffect]


class ReferenceSdOut(Answer):
    """The reference SD of a measure and where it comes from."""

    measure: str
    reference_sd: float | None
    source: str | None
    origin: Origin | None = Field(
        description="`benchmark`; `stated` in the plan; `measure_default` of the catalogue; `pooled_baseline`: the "
        "analysis computes it; `family`: one SD unit is fixed by the family. null: written before this was kept"
    )
    benchmark_id: str | None


class PlanOut(Answer):
    """A version of the plan; `plan` is its long form, `hash` what a lock freezes."""

    id: str
    pilot_id: str
    iteration: int
    number: int
    plan: dict[str, Any]
    hash: str
    locked: bool
    locked_by: str | None
    locked_at: AtInstant | None
    amendment_reason: str | None
    approved_by: str | None = Field(description="Who approved what departs from the default rule, or amended")
    approved_at: AtInstant | None
    approval_reason: str | None
    operating_characteristics: OperatingCharacteristics | None = Field(
        description="Of a draft the newest simulation of it, of a locked plan the one that was there at the lock"
    )
    created_by: str
    created_at: AtInstant
    version: int
    warnings: list[RemarkOut]
    missing_for_lock: list[RemarkOut]
    reference_sds: list[ReferenceSdOut] = Field(description="Where the scale of each measure comes from")
