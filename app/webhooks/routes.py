"""Webhooks over HTTP: for administrators of the organization they belong to."""

from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.security import HTTPAuthorizationCredentials
from starlette.concurrency import run_in_threadpool

from app.auth.access import acting_organization, fetch, visible
from app.auth.deps import Caller, CallerDep, bearer, idempotent
from app.auth.keys import find_key
from app.auth.permissions import MAY, Permission
from app.config import Settings
from app.db import now, reading
from app.errors import Invalid, fault
from app.forms import Page
from app.requests import (
    Cursor,
    IfMatch,
    Limit,
    SessionDep,
    TransactionalRoute,
    check_match,
    etag,
    page_of,
    show_once,
    where_given,
)
from app.webhooks import service
from app.webhooks.addresses import Refused
from app.webhooks.log import line_of
from app.webhooks.models import Webhook
from app.webhooks.schemas import (
    DeliveryLine,
    ExampleIn,
    NewWebhookOut,
    RecoveredOut,
    RecoveryIn,
    RotatedOut,
    RotationIn,
    WebhookIn,
    WebhookOut,
    WebhookPatch,
)
from app.webhooks.shown import shown
from app.webhooks.standing import hold, remove

router = APIRouter(prefix="/v1/webhooks", tags=["11 Webhooks"], route_class=TransactionalRoute)
MANAGE = Permission.WEBHOOKS_WRITE


async def check_address(
    body: WebhookIn | WebhookPatch,
    request: Request,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)],
) -> None:
    """Find out whether the address may be called; `_require_callable` says so.

    Before the request's transaction begins, since a name server may take seconds and SQLite has one writer; and only
    for who may manage webhooks, since it makes the service ask for names.
    """
    request.state.refused = None
    manager = await run_in_threadpool(_manager, request, credentials) if body.url is not None else None
    if manager is None:
        return
    with request.app.state.look_ups.one(manager):
        try:
            await request.app.state.sender.check(body.url)
        except Refused as refused:
            request.state.refused = refused


def _require_callable(request: Request) -> None:
    """Raise Invalid for an address that may not be called; a repeated request has got its first answer before."""
    refused: Refused | None = request.state.refused
    if refused is not None:
        raise Invalid(refused.message, [fault(["url"], refused.message, refused.code)], refused.code) from refused


def _manager(request: Request, credentials: HTTPAuthorizationCredentials | None) -> str | None:
    """The id of the key, where it may manage webhooks."""
    if credentials is None:
        return None
    with reading(request.app.state.engine) as session:
        key = find_key(session, credentials.credentials, now())
        return key.id if key is not None and MANAGE in MAY[key.role] else None


async def _check_new(
    body: WebhookIn, request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]
) -> None:
    await check_address(body, request, credentials)


async def _check_changed(
    body: WebhookPatch, request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]
) -> None:
    await check_address(body, request, credentials)


def _settings(session: SessionDep) -> Settings:
    settings: Settings = session.info["settings"]
    return settings


def _one(session: SessionDep, webhook: Webhook) -> WebhookOut:
    [answer] = shown(session, [webhook], now())
    return answer


def _webhook(session: SessionDep, caller: Caller, webhook_id: str) -> Webhook:
    webhook = fetch(session, caller, Webhook, webhook_id, MANAGE)
    hold(session, webhook)
    return webhook


@router.post("", status_code=201, dependencies=[Depends(_check_new), idempotent])
def create_webhook(
    body: WebhookIn, session: SessionDep, caller: CallerDep, request: Request, response: Response
) -> NewWebhookOut:
    """Subscribe an endpoint. The answer shows its signing secret this once; it is stored sealed."""
    caller.require(MANAGE)
    _require_callable(request)
    organization_id = acting_organization(session, caller, body.organization_id)
    master = _settings(session).secret()
    webhook, secret = service.register(session, body, organization_id, caller.person, master, now())
    response.headers["Location"] = f"/v1/webhooks/{webhook.id}"
    response.headers["ETag"] = etag(webhook.version)
    show_once(request, "secret")
    return NewWebhookOut(**_one(session, webhook).model_dump(), secret=secret)


@router.get("")
def list_webhooks(
    session: SessionDep,
    caller: CallerDep,
    enabled: Annotated[bool | None, Query(description="false: those that are not called")] = None,
    organization_id: str | None = None,
    removed: Annotated[bool, Query(description="true: those that were removed")] = False,  # noqa: FBT002 - a query
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[WebhookOut]:
    """The endpoints of the organization; `notice` says which are disabled or fail."""
    caller.require(MANAGE)
    pairs = ((Webhook.enabled, enabled), (Webhook.organization_id, organization_id))
    statement = where_given(visible(caller, Webhook), *pairs)
    gone: Any = Webhook.removed_at
    statement = statement.where(gone.is_not(None) if removed else gone.is_(None))
    rows, following = page_of(session, statement, Webhook.id, limit, cursor)
    return Page(items=shown(session, rows, now()), next_cursor=following)


@router.get("/{webhook_id}")
def read_webhook(webhook_id: str, session: SessionDep, caller: CallerDep, response: Response) -> WebhookOut:
    """One endpoint, without its secret."""
    webhook = fetch(session, caller, Webhook, webhook_id, MANAGE)
    response.headers["ETag"] = etag(webhook.version)
    return _one(session, webhook)


@router.patch("/{webhook_id}", dependencies=[Depends(_check_changed)])
def change_webhook(
    webhook_id: str,
    body: WebhookPatch,
    session: SessionDep,
    caller: CallerDep,
    request: Request,
    response: Response,
    if_match: IfMatch = None,
) -> WebhookOut:
    """Change address or subscription, disable or enable. What failed meanwhile: `…/recover`."""
    webhook = _webhook(session, caller, webhook_id)
    _require_callable(request)
    check_match(if_match, webhook.version, "the webhook")
    service.change(session, webhook, body.model_dump(mode="json", exclude_unset=True), caller.person, now())
    response.headers["ETag"] = etag(webhook.version)
    return _one(session, webhook)


@router.delete("/{webhook_id}")
def remove_webhook(webhook_id: str, session: SessionDep, caller: CallerDep, if_match: IfMatch = None) -> WebhookOut:
    """Remove an endpoint for good, with its secrets; its log stays (`?removed=true`)."""
    webhook = _webhook(session, caller, webhook_id)
    check_match(if_match, webhook.version, "the webhook")
    if webhook.removed_at is None:
        remove(session, webhook, now())
    return _one(session, webhook)


@router.post("/{webhook_id}/ping", status_code=202, dependencies=[idempotent])
def ping_webhook(webhook_id: str, session: SessionDep, caller: CallerDep, response: Response) -> DeliveryLine:
    """Send `webhook.ping` to this endpoint; follow `Location` for what came of it."""
    webhook = _webhook(session, caller, webhook_id)
    delivery = service.ping(session, webhook, caller.person, now())
    response.headers["Location"] = f"/v1/deliveries/{delivery.id}"
    return line_of(webhook, delivery, None)


@router.post("/{webhook_id}/examples", status_code=202, dependencies=[idempotent])
def send_example(
    webhook_id: str, body: ExampleIn, session: SessionDep, caller: CallerDep, response: Response
) -> DeliveryLine:
    """Send the catalogue's example of an event, with `"example": true` beside its data."""
    webhook = _webhook(session, caller, webhook_id)
    delivery = service.send_example(session, webhook, body.type, now())
    response.headers["Location"] = f"/v1/deliveries/{delivery.id}"
    return line_of(webhook, delivery, None)


@router.post("/{webhook_id}/rotate-secret", dependencies=[idempotent])
def rotate_secret(
    webhook_id: str, session: SessionDep, caller: CallerDep, request: Request, body: RotationIn | None = None
) -> RotatedOut:
    """Make a new signing secret, shown this once; the older ones sign beside it until the overlap is over."""
    webhook = _webhook(session, caller, webhook_id)
    service.require_kept(webhook)
    at, overlap = now(), timedelta(hours=(body or RotationIn()).overlap_hours)
    secret = service.rotate(session, webhook, overlap, _settings(session).secret(), at)
    show_once(request, "secret")
    return RotatedOut(webhook_id=webhook.id, secret=secret, older_expire_at=at + overlap)


@router.post("/{webhook_id}/recover", status_code=202, dependencies=[idempotent])
def recover_deliveries(
    webhook_id: str, session: SessionDep, caller: CallerDep, body: RecoveryIn | None = None
) -> RecoveredOut:
    """Send again everything that failed (of events since then), the oldest first; every `webhook-id` stays."""
    webhook = _webhook(session, caller, webhook_id)
    body = body or RecoveryIn()
    recovered, expunged = service.recover(session, webhook, body.since, body.until, now())
    return RecoveredOut(recovered=recovered, expunged=expunged)
