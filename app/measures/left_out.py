"""Values that are right and stay out, because they were taken back before: what is told of them."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlmodel import Session, col, select

from app.measures.models import Revision
from app.measures.schemas import RowReport, WithdrawnIn
from app.pilots.models import Pilot

MOST = 3
"""Revisions that are told one by one."""
FEW = 5


@dataclass
class LeftOut:
    """How many stay out: withdrawn, by the revision that did it, and of people who were deleted.

    `on_top`: anonymous answers that stand, on top of which others are entered.
    """

    withdrawn: Counter[int] = field(default_factory=Counter)
    deleted: int = 0
    on_top: int = 0

    @classmethod
    def of(cls, report: RowReport) -> "LeftOut":
        """As an earlier report has it."""
        return cls(Counter({each.revision: each.values for each in report.withdrawn_in}), report.deleted)

    def told[Report: RowReport](self, session: Session, pilot: Pilot, report: Report) -> Report:
        """The report, with what stays out."""
        reasons: dict[int, str | None] = {}
        if self.withdrawn:
            r = Revision
            mine = (r.pilot_id == pilot.id, r.iteration == pilot.iteration, col(r.number).in_(self.withdrawn))
            reasons = dict(session.exec(select(r.number, r.reason).where(*mine)).all())
        withdrawn_in = [
            WithdrawnIn(revision=number, reason=reasons.get(number), values=values)
            for number, values in sorted(self.withdrawn.items())
        ]
        return report.model_copy(
            update={
                "withdrawn": self.withdrawn.total(),
                "withdrawn_in": withdrawn_in,
                "deleted": self.deleted,
                "warnings": self.warnings(reasons),
            }
        )

    def warnings(self, reasons: Mapping[int, str | None]) -> list[dict[str, str]]:
        """What to say of it; `reasons` has why each revision withdrew. Pure."""
        found: list[dict[str, str]] = []
        last = sorted(self.withdrawn.items(), reverse=True)
        for number, values in last[:MOST]:
            why = f" ({reasons[number]})" if reasons.get(number) else ""
            were, them = ("was", "it") if values == 1 else ("were", "them")
            what = f"{_values(values)} {were} withdrawn in revision {number}{why}"
            message = f"{what} and left out; ?restore=true enters {them}"
            found.append({"code": "withdrawn", "message": message})
        if rest := sum(values for _, values in last[MOST:]):
            message = f"{_values(rest)} more of {len(last) - MOST} earlier revisions left out likewise"
            found.append({"code": "withdrawn", "message": message})
        if self.deleted:
            what = f"{_values(self.deleted)} left out of people who were deleted on request"
            message = f"{what}; ?restore=true enters what is of people who came back"
            found.append({"code": "deleted", "message": message})
        if self.on_top:
            many = f"{self.on_top:,}" if self.on_top >= FEW else f"fewer than {FEW}"
            found.append({"code": "on_top", "message": f"On top of {many} anonymous answers that stand"})
        return found


def _values(count: int) -> str:
    return f"{count:,} value{'' if count == 1 else 's'}"
