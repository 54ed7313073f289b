"""How much evidence of interventions other organizations have; what each entry says is in `evidence.py`."""

from collections.abc import Collection

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.decisions.models import Decision
from app.syntheses.models import ReportedEvidence


def entries_elsewhere(
    session: Session, intervention_ids: Collection[str], organization_id: str | None
) -> dict[str, int]:
    """The number of evidence entries of organizations other than this one (None: of all), by intervention.

    An entry is a report, or an iteration of a pilot that was decided.
    """
    reported = (
        select(ReportedEvidence.intervention_id, sa.func.count())
        .where(col(ReportedEvidence.intervention_id).in_(intervention_ids))
        .group_by(col(ReportedEvidence.intervention_id))
    )
    iteration = col(Decision.pilot_id) + ":" + sa.cast(col(Decision.iteration), sa.String)
    decided = (
        select(Decision.intervention_id, sa.func.count(sa.distinct(iteration)))
        .where(col(Decision.intervention_id).in_(intervention_ids))
        .group_by(col(Decision.intervention_id))
    )
    if organization_id is not None:
        reported = reported.where(sa.func.coalesce(ReportedEvidence.registered_id, "") != organization_id)
        decided = decided.where(col(Decision.organization_id) != organization_id)
    found = dict.fromkeys(intervention_ids, 0)
    for statement in (reported, decided):
        for intervention_id, count in session.exec(statement):
            found[str(intervention_id)] += count
    return found
