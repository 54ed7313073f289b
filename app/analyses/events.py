"""What analyses say to other systems."""

from datetime import datetime

from sqlmodel import Session

from app.analyses.models import Analysis
from app.outbox.models import record
from app.pilots.events import about
from app.pilots.models import Pilot


def analysis_finished(session: Session, pilot: Pilot, analysis: Analysis, at: datetime) -> None:
    """`analysis.finished`, however it ended; the outcome is named, the numbers stay behind the API."""
    result = analysis.result or {}
    data = {
        "pilot": about(pilot),
        "analysis_id": analysis.id,
        "iteration": analysis.iteration,
        "look": analysis.look,
        "kind": analysis.kind.value,
        "status": analysis.status.value,
        "outcome": result.get("recommendation", {}).get("outcome") or ("refused" if "refused" in result else None),
    }
    record(session, "analysis.finished", data, at=at, organization_id=pilot.organization_id, subject_id=pilot.id)
