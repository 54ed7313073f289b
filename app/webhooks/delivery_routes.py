"""The delivery log over HTTP: for administrators of the organization."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from sqlmodel import col

from app.auth.access import fetch, visible
from app.auth.deps import CallerDep, idempotent
from app.auth.permissions import Permission
from app.db import now
from app.forms import Page, When
from app.requests import Cursor, Limit, SessionDep, TransactionalRoute, page_of, where_given
from app.webhooks import service
from app.webhooks.log import lines_of, whole
from app.webhooks.models import Delivery, DeliveryStatus, Webhook
from app.webhooks.schemas import DeliveryLine, DeliveryOut

router = APIRouter(prefix="/v1", tags=["11 Webhooks"], route_class=TransactionalRoute)
MANAGE = Permission.WEBHOOKS_WRITE


@router.get("/webhooks/{webhook_id}/deliveries")
def list_deliveries(
    webhook_id: str,
    session: SessionDep,
    caller: CallerDep,
    status: DeliveryStatus | None = None,
    event: Annotated[str | None, Query(description="Only of this type")] = None,
    event_id: Annotated[str | None, Query(description="Only the one with this `webhook-id`")] = None,
    since: Annotated[When | None, Query(description="Of events at this instant or later")] = None,
    until: Annotated[When | None, Query(description="Of events at this instant or before")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[DeliveryLine]:
    """What was sent to an endpoint, the newest first, each with its last try."""
    webhook = fetch(session, caller, Webhook, webhook_id, MANAGE)
    created: Any = col(Delivery.created_at)
    statement = where_given(
        visible(caller, Delivery).where(col(Delivery.webhook_id) == webhook.id),
        (Delivery.status, status),
        (Delivery.event_type, event),
        (Delivery.event_id, event_id),
    )
    if since is not None:
        statement = statement.where(created >= since)
    if until is not None:
        statement = statement.where(created <= until)
    rows, following = page_of(session, statement, Delivery.id, limit, cursor, newest_first=True)
    return Page(items=lines_of(session, webhook, rows), next_cursor=following)


@router.get("/deliveries/{delivery_id}")
def read_delivery(delivery_id: str, session: SessionDep, caller: CallerDep) -> DeliveryOut:
    """One delivery: what is sent, and every try with status, duration, error and the beginning of the answer."""
    return whole(session, fetch(session, caller, Delivery, delivery_id, MANAGE))


@router.post("/deliveries/{delivery_id}/redeliver", status_code=202, dependencies=[idempotent])
def redeliver(delivery_id: str, session: SessionDep, caller: CallerDep) -> DeliveryOut:
    """Send it (again) now, also what was received; the `webhook-id` stays, so a receiver knows it."""
    delivery = fetch(session, caller, Delivery, delivery_id, MANAGE, for_update=True)
    service.redeliver(session, delivery, now())
    return whole(session, delivery)
