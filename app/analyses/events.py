"""What analyses say to other systems."""

from datetime import datetime
from typing import ClassVar, Literal

from pydantic import Field
from sqlmodel import Session

from analysis.verdict import Outcome as Recommended
from app.analyses.models import Analysis, Kind
from app.jobs.models import JobStatus
from app.outbox.events import EventData
from app.outbox.models import record
from app.pilots.events import EXAMPLE_PILOT, AboutPilot, about
from app.pilots.models import Pilot


class AnalysisFinished(EventData):
    """The `data` of `analysis.finished`."""

    type: ClassVar = "analysis.finished"
    says: ClassVar = "An analysis ended: with a result, refused, failed or cancelled."
    example: ClassVar = {
        "pilot": EXAMPLE_PILOT,
        "analysis_id": "0199d4b7-6e21-7f08-a5c3-18e9d07b4c62",
        "iteration": 1,
        "look": 1,
        "kind": "confirmatory",
        "status": "succeeded",
        "outcome": "scale",
    }

    pilot: AboutPilot
    analysis_id: str = Field(description="The analysis, with its numbers, at `GET /v1/analyses/{id}`")
    iteration: int = Field(ge=1, description="The iteration of the pilot whose data it looked at")
    look: int = Field(description="The planned look whose rule it applies")
    kind: Kind = Field(description="Only a confirmatory analysis can be decided on")
    status: Literal[JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.CANCELLED] = Field(description="How it ended")
    outcome: Recommended | Literal["refused"] | None = Field(
        description="What the rule recommends; `refused`: its data allow no estimate; null: it has no result"
    )


def analysis_finished(session: Session, pilot: Pilot, analysis: Analysis, at: datetime) -> None:
    """`analysis.finished`, however it ended; the outcome is named, the numbers stay behind the API."""
    result = analysis.result or {}
    data = AnalysisFinished(
        pilot=about(pilot),
        analysis_id=analysis.id,
        iteration=analysis.iteration,
        look=analysis.look,
        kind=analysis.kind,
        status=analysis.status,
        outcome=result.get("recommendation", {}).get("outcome") or ("refused" if "refused" in result else None),
    )
    record(session, data, at=at, organization_id=pilot.organization_id, subject_id=pilot.id)
