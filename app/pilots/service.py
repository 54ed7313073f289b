"""Making and changing interventions and pilots."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, and_, col, or_, select

from app.audit.models import SERVICE, AuditEntry
from app.auth.persons import identity
from app.catalog.service import require_driver, require_units
from app.errors import Conflict, Invalid, NotFound, fault
from app.pilots.events import pilot_created
from app.pilots.lessons import follow_pilot, keep_lessons, refuse_contacts
from app.pilots.models import Intervention, Iteration, Pilot, PilotUnit
from app.pilots.schemas import InterventionIn, PilotIn, PilotPatch

# What may not be emptied once given: a pilot without them is none.
REQUIRED = frozenset({"title", "driver", "lead", "unit_ids", "description", "ownership_role", "share_lessons"})


def refuse_emptied(changes: Mapping[str, Any]) -> None:
    """Raise Invalid when a patch sets to null what a row cannot do without."""
    emptied = sorted(name for name in REQUIRED & changes.keys() if changes[name] is None)
    if emptied:
        msg = f"{', '.join(emptied)} cannot be emptied; leave it out to keep it"
        raise Invalid(msg, [fault([name], "cannot be emptied; leave it out to keep it", "missing") for name in emptied])


def create_intervention(session: Session, body: InterventionIn, organization_id: str | None) -> Intervention:
    """A new intervention; a derivative says why it differs."""
    require_driver(session, body.driver, organization_id)
    if body.derived_from is not None:
        _require_intervention(session, body.derived_from, "derived_from")
        if body.derivation_reason is None:
            msg = "a derived intervention says why it differs (more feasible, cheaper, adapted)"
            raise Invalid(msg, [fault(["derivation_reason"], msg, "missing")])
    row = Intervention(**body.model_dump(exclude={"organization_id"}), organization_id=organization_id)
    session.add(row)
    session.flush()
    return row


def _require_intervention(session: Session, intervention_id: str, field: str) -> None:
    if session.get(Intervention, intervention_id) is None:
        msg = f"there is no intervention {intervention_id!r}"
        raise Invalid(msg, [fault([field], msg, "unknown_intervention")])


def refuse_in_use(session: Session, intervention: Intervention, changes: Mapping[str, Any]) -> None:
    """Raise Conflict `in_use` when what was tested would become another program: evidence is of what it was then."""
    named = ("title", "description", "driver")
    changed = sorted(n for n in named if n in changes and changes[n] != getattr(intervention, n))
    tested = select(Iteration.pilot_id).where(
        Iteration.intervention_id == intervention.id, col(Iteration.plan_locked_at).is_not(None)
    )
    if changed and session.exec(tested.limit(1)).first() is not None:
        msg = (
            f"{', '.join(changed)} cannot change: a plan was locked for this intervention, and what was found is of "
            "what it is now. Make a variant: POST /v1/interventions with derived_from and derivation_reason"
        )
        raise Conflict(msg, "in_use")


def create_pilot(session: Session, body: PilotIn, organization_id: str, person: str, at: datetime) -> Pilot:
    """A new pilot in `discover`, with its first iteration open."""
    require_driver(session, body.driver, organization_id)
    require_units(session, body.unit_ids, organization_id)
    if body.intervention_id is not None:
        _require_intervention(session, body.intervention_id, "intervention_id")
    pilot = Pilot(
        organization_id=organization_id,
        title=body.title,
        driver=body.driver,
        intervention_id=body.intervention_id,
        lead=body.lead or person,
        created_by=person,
        created_at=at,
        discovery_note=body.discovery_note.model_dump(mode="json") if body.discovery_note else None,
    )
    session.add(pilot)
    session.flush()
    session.add(Iteration(pilot_id=pilot.id, number=1, organization_id=organization_id, opened_at=at))
    _set_units(session, pilot, body.unit_ids)
    session.flush()
    pilot_created(session, pilot, person, at)
    return pilot


def _set_units(session: Session, pilot: Pilot, unit_ids: list[str]) -> bool:
    """Make these the pilot's units; whether that changed anything."""
    current = {row.unit_id: row for row in session.exec(select(PilotUnit).where(PilotUnit.pilot_id == pilot.id))}
    for unit_id in current.keys() - set(unit_ids):
        session.delete(current[unit_id])
    for unit_id in unit_ids:
        if unit_id not in current:
            session.add(PilotUnit(pilot_id=pilot.id, unit_id=unit_id, organization_id=pilot.organization_id))
    return current.keys() != set(unit_ids)


def units_of(session: Session, pilot_id: str) -> list[str]:
    """The ids of a pilot's units, oldest first."""
    return units_of_each(session, [pilot_id])[pilot_id]


# Put together once: every answer about pilots asks them.
IDS: sa.BindParameter[Any] = sa.bindparam("ids", expanding=True)
UNITS = (
    select(PilotUnit.pilot_id, PilotUnit.unit_id)
    .where(col(PilotUnit.pilot_id).in_(IDS))
    .order_by(col(PilotUnit.unit_id))
)
PREDECESSORS = select(Pilot.id, Pilot.successor_id).where(col(Pilot.successor_id).in_(IDS)).order_by(col(Pilot.id))


def units_of_each(session: Session, pilot_ids: Sequence[str]) -> dict[str, list[str]]:
    """The ids of the units of several pilots, in one query."""
    found: dict[str, list[str]] = {pilot_id: [] for pilot_id in pilot_ids}
    for pilot_id, unit_id in session.exec(UNITS, params={"ids": pilot_ids}):
        found[pilot_id].append(unit_id)
    return found


def predecessors_of_each(session: Session, pilot_ids: Sequence[str]) -> dict[str, list[str]]:
    """The ids of the pilots that each of these follows, oldest first, in one query."""
    found: dict[str, list[str]] = {pilot_id: [] for pilot_id in pilot_ids}
    for predecessor, successor in session.exec(PREDECESSORS, params={"ids": pilot_ids}):
        if successor is not None:
            found[successor].append(predecessor)
    return found


def iteration_of(session: Session, pilot: Pilot, number: int | None = None) -> Iteration:
    """The row of an iteration (default: the current one); NotFound when the pilot has none of this number."""
    row = session.get(Iteration, (pilot.id, number or pilot.iteration))
    if row is None:
        msg = f"this pilot has no iteration {number}; it is at {pilot.iteration}"
        raise NotFound(msg)
    return row


def insiders_of(session: Session, pilot: Pilot) -> frozenset[str]:
    """Who cannot be the second pair of eyes, as identities: see docs/decisions/0005-four-eyes-remembers.md.

    Who leads the pilot, made it, or opened, locked or closed an iteration; and who led it while anything happened.
    """
    entries = session.exec(
        select(AuditEntry)
        .where(
            or_(
                AuditEntry.resource_id == pilot.id,
                and_(col(AuditEntry.resource) == "iterations", col(AuditEntry.resource_id).startswith(f"{pilot.id}:")),
            )
        )
        .order_by(col(AuditEntry.id))
    ).all()
    found = {pilot.lead, pilot.created_by}
    found |= {e.person for e in entries if e.resource == "iterations" and e.person != SERVICE}
    lead: str | None = None
    for entry in entries:
        changes = entry.changes or {}
        # To be named as lead, and un-named at once, makes nobody an insider: else a lead could bar any approver.
        if lead is not None and entry.action != "created" and changes.keys() != {"lead"}:
            found.add(lead)
        if entry.resource == "pilots" and "lead" in changes:
            lead = changes["lead"][1] if isinstance(changes["lead"], list) else changes["lead"]
    return frozenset(identity(person) for person in found)


def refuse_insider(session: Session, pilot: Pilot, person: str) -> None:
    """Raise Conflict `same_person` when the person leads the pilot, or made it or its plan (four eyes)."""
    if identity(person) in insiders_of(session, pilot):
        msg = f"{person} leads this pilot, or made it or its plan; somebody else signs (four eyes)"
        raise Conflict(msg, "same_person")


def change_pilot(session: Session, pilot: Pilot, body: PilotPatch, person: str, at: datetime) -> Pilot:
    """Apply a patch. What the locked plan and the test stand on no longer changes under them."""
    changes = body.model_dump(exclude_unset=True, mode="json")
    refuse_emptied(changes)
    if changes.get("sustainability_review") is not None and pilot.sustainability_review is not None:
        # The checklist asks for what is still missing; giving that must not lose what was written before.
        changes["sustainability_review"] = pilot.sustainability_review | changes["sustainability_review"]
    _refuse_frozen(session, pilot, changes)
    if changes.get("evaluated_by") is not None:
        _require_evaluation(session, pilot, changes["evaluated_by"])
    if "driver" in changes:
        require_driver(session, changes["driver"], pilot.organization_id)
    if changes.get("intervention_id") is not None:
        _require_intervention(session, changes["intervention_id"], "intervention_id")
    if (unit_ids := changes.pop("unit_ids", None)) is not None:
        require_units(session, unit_ids, pilot.organization_id)
        if _set_units(session, pilot, unit_ids):
            pilot.version += 1
    pilot.sqlmodel_update(changes)
    if "lessons" in changes:
        keep_lessons(session, pilot, changes["lessons"], person, at)
    follow_pilot(session, pilot, changes.keys())
    refuse_contacts(session, pilot)
    session.add(pilot)
    session.flush()
    return pilot


def _require_evaluation(session: Session, pilot: Pilot, other_id: str) -> None:
    """Raise Invalid unless the other pilot tries the same intervention in the same organization."""
    other = session.get(Pilot, other_id)
    fits = (
        other is not None
        and other.id != pilot.id
        and other.organization_id == pilot.organization_id
        and other.intervention_id is not None
        and other.intervention_id == pilot.intervention_id
    )
    if not fits:
        msg = f"{other_id!r} is not another pilot of this organization with the same intervention"
        raise Invalid(msg, [fault(["evaluated_by"], msg, "unknown_pilot")])


def _refuse_frozen(session: Session, pilot: Pilot, changes: dict[str, Any]) -> None:
    """Raise Conflict for what a locked plan or a provisional scale stands on."""
    changed = _real_changes(session, pilot, changes)
    frozen = sorted({"driver", "intervention_id", "unit_ids"} & changed)
    if frozen and iteration_of(session, pilot).plan_locked_at is not None:
        msg = f"{', '.join(frozen)} cannot change while the iteration's plan is locked; the next iteration may"
        raise Conflict(msg, "plan_locked")
    if "controlled_evaluation" in changed and pilot.provisional:
        msg = "the scale is provisional on this very evaluation; its review may be given another date"
        raise Conflict(msg, "provisional")


def _real_changes(session: Session, pilot: Pilot, changes: dict[str, Any]) -> set[str]:
    """The names of fields whose value would differ."""
    before = {"unit_ids": units_of(session, pilot.id)} if "unit_ids" in changes else {}
    return {
        name
        for name, value in changes.items()
        if (sorted(value) if name == "unit_ids" else value) != before.get(name, getattr(pilot, name, None))
    }
