"""Keys and the audit log over HTTP."""

from fastapi import APIRouter, Request, Response

from app.audit.models import AuditEntry
from app.auth.access import acting_organization, fetch, visible
from app.auth.deps import CallerDep, idempotent
from app.auth.keys import ApiKey, make_key
from app.auth.permissions import MAY, Permission, Role
from app.auth.schemas import AuditOut, KeyIn, KeyOut, MeOut, NewKeyOut
from app.db import now
from app.errors import Invalid, fault
from app.forms import Page
from app.requests import Cursor, Limit, SessionDep, TransactionalRoute, page_of, show_once, where_given

router = APIRouter(prefix="/v1", route_class=TransactionalRoute)
KEYS, AUDIT = "10 Keys", "12 Audit"


@router.get("/me", tags=[KEYS])
def read_me(caller: CallerDep) -> MeOut:
    """Whose key this is and what it may do."""
    return MeOut(
        person=caller.person, role=caller.role, organization_id=caller.organization_id, may=sorted(MAY[caller.role])
    )


@router.post("/keys", status_code=201, tags=[KEYS], dependencies=[idempotent])
def create_key(body: KeyIn, session: SessionDep, caller: CallerDep, request: Request, response: Response) -> NewKeyOut:
    """Make a key. The answer shows it this once; it is stored as a hash."""
    caller.require(Permission.KEYS_WRITE)
    organization_id = acting_organization(session, caller, body.organization_id)
    if organization_id is None and body.role is not Role.ADMINISTRATOR:
        msg = f"a key with the role {body.role.value} belongs to one organization; name it"
        raise Invalid(msg, [fault(["organization_id"], msg, "missing")])
    if body.expires_at is not None and body.expires_at <= now():
        msg = "expires_at is in the past"
        raise Invalid(msg, [fault(["expires_at"], msg, "past")])
    key, secret = make_key(
        session,
        role=body.role,
        label=body.label,
        person=body.person,
        organization_id=organization_id,
        expires_at=body.expires_at,
    )
    response.headers["Location"] = f"/v1/keys/{key.id}"
    show_once(request, "key")
    return NewKeyOut.model_validate({**key.model_dump(), "key": secret})


@router.get("/keys", tags=[KEYS])
def list_keys(session: SessionDep, caller: CallerDep, limit: Limit = 50, cursor: Cursor = None) -> Page[KeyOut]:
    """The keys of the organization (administrators)."""
    caller.require(Permission.KEYS_WRITE)
    rows, following = page_of(session, visible(caller, ApiKey), ApiKey.id, limit, cursor)
    return Page(items=[KeyOut.model_validate(r) for r in rows], next_cursor=following)


@router.get("/keys/{key_id}", tags=[KEYS])
def read_key(key_id: str, session: SessionDep, caller: CallerDep) -> KeyOut:
    """One key, without its secret (administrators)."""
    return KeyOut.model_validate(fetch(session, caller, ApiKey, key_id, Permission.KEYS_WRITE))


@router.delete("/keys/{key_id}", tags=[KEYS])
def revoke_key(key_id: str, session: SessionDep, caller: CallerDep) -> KeyOut:
    """Revoke a key at once. It stays listed; a revoked key never works again."""
    row = fetch(session, caller, ApiKey, key_id, Permission.KEYS_WRITE, for_update=True)
    if row.revoked_at is None:
        row.revoked_at = now()
        session.add(row)
        session.flush()
    return KeyOut.model_validate(row)


@router.get("/audit", tags=[AUDIT])
def list_audit(
    session: SessionDep,
    caller: CallerDep,
    resource: str | None = None,
    resource_id: str | None = None,
    person: str | None = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[AuditOut]:
    """Who did what when, oldest first (administrators). Append-only."""
    caller.require(Permission.AUDIT_READ)
    statement = where_given(
        visible(caller, AuditEntry),
        (AuditEntry.resource, resource),
        (AuditEntry.resource_id, resource_id),
        (AuditEntry.person, person),
    )
    rows, following = page_of(session, statement, AuditEntry.id, limit, cursor)
    return Page(items=[_told(AuditOut.model_validate(r), session) for r in rows], next_cursor=following)


def _told(entry: AuditOut, session: SessionDep) -> AuditOut:
    """An entry without the number of rows where it is of fewer people than are shown."""
    least = session.info["settings"].smallest_cell
    rows = (entry.changes or {}).get("rows")
    if isinstance(rows, int) and rows < least:
        entry.changes = {**(entry.changes or {}), "rows": f"<{least}"}
    return entry
