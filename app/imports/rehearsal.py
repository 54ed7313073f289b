"""A dry run enters the rows and takes it back: it tells whatever entering them would be refused for."""

from sqlmodel import Session

from app.errors import Conflict
from app.imports.judged import Judged, entered
from app.imports.models import Import
from app.imports.schemas import Counted, ImportFault, ImportReport
from app.measures.rules import Context
from app.pilots.models import Pilot


def rehearsed(
    session: Session, pilot: Pilot, context: Context, row: Import, found: Judged, report: ImportReport
) -> ImportReport:
    """The report of a dry run, with the rule that refuses what is right in it, if one does. The caller holds the pilot.

    Within a savepoint: no row, revision or audit note of it remains. Raises Lost.
    """
    held = session.begin_nested()
    try:
        entered(session, pilot, context, row, found)
        session.flush()
    except Conflict as refusal:
        report = refused(report, refusal)
    finally:
        held.rollback()
    return report


def refused(report: ImportReport, refusal: Conflict) -> ImportReport:
    """The report of a file whose values are right one by one, and are refused together."""
    fault = ImportFault(loc=["file"], msg=refusal.detail, code=refusal.code, row=None, column=None)
    counted = Counted(code=refusal.code, column=None, rows=1, first_row=None, msg=refusal.detail)
    told = {"errors": [fault, *report.errors], "faults": [counted, *report.faults]}
    return report.model_copy(update={**told, "says": f"{report.says}. It would be refused: {refusal.detail}"})
