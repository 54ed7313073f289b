"""What the origin of an intervention found at its retention wave, as a synthesis reads it."""

from dataclasses import dataclass
from typing import Any

from sqlmodel import Session, col, select

from analysis.evidence import Retained
from app.analyses.models import Analysis
from app.analyses.retention import retained
from app.analyses.service import retention_of
from app.catalog.models import Measure
from app.catalog.service import entry
from app.pilots.models import SCALED, Intervention, Pilot


@dataclass(frozen=True)
class RetainedAt:
    """The effect, and the analysis that found it."""

    retained: Retained
    analysis_id: str


def retained_at_origin(session: Session, intervention: Intervention, measure_class: str | None) -> RetainedAt | None:
    """The newest retention analysis of a scaled pilot at the origin, of the class that is pooled; None: there is none.

    One whose gates failed, or that its data alone do not bound, shows nothing.
    """
    pilots = session.exec(
        select(Pilot).where(
            Pilot.intervention_id == intervention.id,
            Pilot.organization_id == intervention.organization_id,
            col(Pilot.stage).in_(SCALED),
        )
    )
    analyses = sorted((a for p in pilots if (a := retention_of(session, p)) is not None), key=lambda a: a.id)
    return _as_retained(session, analyses[-1], measure_class) if analyses else None


def _as_retained(session: Session, analysis: Analysis, measure_class: str | None) -> RetainedAt | None:
    result = analysis.result or {}
    primary: dict[str, Any] = next((e for e in result.get("effects", []) if e["role"] == "primary"), {})
    found = primary.get("evidence") or {}
    known = entry(session, Measure, primary.get("measure", ""), analysis.organization_id)
    trusted = retained(analysis.retention_wave or "", analysis.result).retained is not None
    if not trusted or known is None or known.measure_class != measure_class:
        return None
    if found.get("effect_sd") is None or found.get("se_sd") is None:
        return None
    return RetainedAt(
        Retained(effect_sd=found["effect_sd"], se_sd=found["se_sd"], grade=result.get("grade")), analysis.id
    )
