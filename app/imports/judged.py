"""From a file that can be read to a report: its rows staged, judged, and where they may be, entered."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sqlmodel import Session, col, select

from app.catalog.models import Unit
from app.imports.came_before import entered_before
from app.imports.checking import Checks
from app.imports.entering import enter
from app.imports.faults import Faults
from app.imports.judging import Judge
from app.imports.leaving_out import Leaving
from app.imports.models import Import
from app.imports.reading import Known, Reading
from app.imports.schemas import ImportReport
from app.imports.staging import require_kept, stage
from app.measures.deleted import unmark
from app.measures.left_out import LeftOut
from app.measures.models import Revision
from app.measures.rules import Context
from app.pilots.models import Pilot

CHANGED = "the plan, its units or arms changed while the file was read; nothing was entered. Import it again"
MOVED_ON = "the pilot went on to another iteration while the file waited; nothing was entered. Import it there"
READ, STAGED, JUDGED = 0.8, 0.85, 0.95
"""Shares of the work that are done then."""
AT_ONCE = "at once"

type Progress = Callable[[float], object]


@dataclass
class Judged:
    """What was found of a file: how many rows are new, how many stand already, and what is wrong."""

    place: tuple[str, str]
    faults: Faults
    key: str = ""
    fresh: int = 0
    unchanged: int = 0
    left: LeftOut = field(default_factory=LeftOut)

    @classmethod
    def of(cls, row: Import, attempt: str, report: ImportReport, key: str) -> "Judged":
        """As the child reported it of its attempt."""
        counted = {(c.code, c.column): c for c in report.faults}
        total = sum(c.rows for c in report.faults)
        faults = Faults(report.errors, counted, total, report.rejected)
        return cls((row.id, attempt), faults, key, report.accepted, report.unchanged, LeftOut.of(report))

    def judge(
        self,
        session: Session,
        pilot: Pilot,
        context: Context,
        row: Import,
        mapping: dict[str, Any],
        step: Callable[[], object] = lambda: None,
    ) -> None:
        """Judge the staged rows, read by `mapping`, against each other and against what stands now."""
        repeated = entered_before(session, pilot, row, mapping)
        if not row.request.get("restore"):
            Leaving(session.connection(), pilot, self.place, self.key).leave_out(self.left, repeated)
        judge = Judge(session.connection(), pilot, context, self.place, self.faults)
        again = bool(row.request.get("again"))
        self.fresh, self.unchanged = judge.run(repeated=repeated, again=again, step=step)
        self.left.on_top = judge.on_top

    def told(self, session: Session, pilot: Pilot, report: ImportReport) -> ImportReport:
        """The report, with what was found."""
        faults = self.faults
        report = self.left.told(session, pilot, report)
        first = sorted(faults.first, key=lambda f: (f.row or 0, f.column or ""))
        return report.model_copy(
            update={
                "accepted": self.fresh,
                "unchanged": self.unchanged,
                "rejected": faults.rejected,
                "errors": first,
                "errors_left_out": max(0, faults.total - len(faults.first)),
                "faults": sorted(faults.counted.values(), key=lambda c: (-c.rows, c.code, c.column or "")),
            }
        )


def known_of(session: Session, context: Context) -> Known:
    """What the words of a file may stand for in a pilot."""
    units = session.exec(select(Unit.id, Unit.name).where(col(Unit.id).in_(context.units))).all()
    plan = context.plan
    return Known([m.measure for m in plan.measures], tuple(context.waves), tuple(context.arms), dict(units))


def fingerprint(context: Context) -> str:
    """What rows are checked against; another one, and they have to be checked anew."""
    people = sorted(context.allocated.people.items()), sorted(context.allocated.units.items())
    facts = (context.plan.hash(), sorted(context.units), people, context.arms_known)
    return hashlib.sha256(repr(facts).encode()).hexdigest()


def judged(
    session: Session,
    pilot: Pilot,
    context: Context,
    row: Import,
    reading: Reading,
    *,
    key: str,
    attempt: str = AT_ONCE,
    commit: bool = False,
    progress: Progress = lambda _share: None,
) -> Judged:
    """Stage a file and judge it; the staged rows stay until they are cleared. `commit`: part by part."""
    found = Judged((row.id, attempt), Faults(), key)
    lines = reading.lines or 0

    def written(number: int) -> None:
        if commit:
            session.commit()
        progress(READ * min(number / lines, 1.0) if lines else READ / 2)

    checks = Checks(context, found.faults, row.created_at.date())
    staged = stage(session, found.place, reading, checks, found.faults, row.created_at, written)
    require_kept(session.connection(), found.place, staged)
    found.faults.rejected += reading.counts.lost
    progress(STAGED)
    found.judge(session, pilot, context, row, _told(reading), lambda: progress(STAGED))
    progress(JUDGED)
    return found


def report_of(session: Session, pilot: Pilot, found: Judged, reading: Reading) -> ImportReport:
    """The report of a dry run: what would be entered, and what is wrong."""
    report = ImportReport(
        accepted=0,
        unchanged=0,
        rejected=0,
        errors=[],
        entered=False,
        empty=reading.empty,
        found=reading.found,
        columns=list(reading.columns),
        mapping=_told(reading),
    )
    report = found.told(session, pilot, report)
    report.says = _warned(f"{_counted(report)}; nothing was entered, since this was a dry run", report)
    return report


def _told(reading: Reading) -> dict[str, Any]:
    return reading.mapping.model_dump(mode="json", exclude_defaults=True)


def entered(session: Session, pilot: Pilot, context: Context, row: Import, found: Judged) -> Revision | None:
    """Enter what was found right; None when nothing changed by it. Raises Lost; Conflict `more_than_invited`."""
    return enter(
        session,
        pilot,
        context,
        found.place,
        fresh=found.fresh,
        name=row.name,
        sha256=row.sha256,
        person=row.created_by,
        at=row.created_at,
    )


def taken_over(
    session: Session, pilot: Pilot, context: Context, row: Import, found: Judged, report: ImportReport
) -> ImportReport:
    """Enter what was found, all or nothing unless partly; the report of it. The caller holds the pilot."""
    if found.faults.total and not row.partial:
        says = f"{_counted(report)}; nothing was entered. Correct the file, or ask for ?partial=true"
        return report.model_copy(update={"accepted": 0, "says": _warned(says, report)})
    revision = entered(session, pilot, context, row, found)
    row.revision = revision.number if revision is not None else None
    if row.request.get("restore"):
        unmark(session, pilot, Leaving(session.connection(), pilot, found.place, found.key).deleted().values())
    says = _warned(_counted(report, entered=True), report)
    return report.model_copy(update={"entered": True, "revision": row.revision, "says": says})


def _warned(says: str, report: ImportReport) -> str:
    return ". ".join([says, *(warning["message"] for warning in report.warnings)])


def _counted(report: ImportReport, *, entered: bool = False) -> str:
    one = report.accepted == 1
    parts = [
        f"{report.accepted:,} value{'' if one else 's'} {'entered' if entered else 'is right' if one else 'are right'}"
    ]
    parts += [f"{report.unchanged:,} stand already"] if report.unchanged else []
    parts += [f"{report.rejected:,} {'is' if report.rejected == 1 else 'are'} wrong"] if report.rejected else []
    return ", ".join(parts)
