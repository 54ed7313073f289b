"""What the child process (`run.py`) is asked of an analysis."""

from typing import Any

from sqlmodel import Session, col, select

from app.analyses.models import Analysis
from app.catalog.models import Unit
from app.pilots.models import PilotUnit


def asked_of_child(session: Session, analysis: Analysis) -> dict[str, Any]:
    """The library's request, how plots call the units and what they leave out, and what files say of themselves."""
    named = session.exec(
        select(Unit.id, Unit.name)
        .join(PilotUnit, col(PilotUnit.unit_id) == col(Unit.id))
        .where(PilotUnit.pilot_id == analysis.pilot_id)
    ).all()
    about = {
        "analysis_id": analysis.id,
        "plan_hash": analysis.plan_hash,
        "data_hash": analysis.data_hash,
        "seed": analysis.seed,
    }
    return {"fit": analysis.request, "unit_names": dict(named), "suppressed": analysis.suppressed, "about": about}
