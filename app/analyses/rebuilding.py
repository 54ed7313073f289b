"""What became of the data after an analysis took them, by the revisions of its iteration."""

from collections.abc import Iterator

from sqlmodel import Session, col, select

from app.analyses.models import Analysis
from app.measures.models import Revision, RevisionKind

SHOWN = 3
DID: dict[RevisionKind, str] = {
    RevisionKind.ROWS: "values entered",
    RevisionKind.SUMMARIES: "summaries entered",
    RevisionKind.IMPORT: "values imported",
    RevisionKind.CORRECTION: "corrected",
    RevisionKind.ALLOCATION: "arms given by chance",
}


def revisions_since(session: Session, analysis: Analysis) -> list[Revision]:
    """The revisions after the one an analysis took, oldest first; none where it is older than they are."""
    if analysis.data_revision is None:
        return []
    return list(
        session.exec(
            select(Revision)
            .where(
                Revision.pilot_id == analysis.pilot_id,
                Revision.iteration == analysis.iteration,
                Revision.number > analysis.data_revision,
            )
            .order_by(col(Revision.number))
        )
    )


def revised_since(session: Session, analysis: Analysis) -> Iterator[str]:
    """Sentences that name what was done to the data since: the first few, and how many more."""
    since = revisions_since(session, analysis)
    said = [
        f"{DID[r.kind]} by {r.created_by} on {r.created_at.date()}" + (f" ({r.reason})" if r.reason else "")
        for r in since[:SHOWN]
    ]
    if said:
        more = f"; and {len(since) - SHOWN} more" if len(since) > SHOWN else ""
        yield f"Since then: {'; '.join(said)}{more}."
