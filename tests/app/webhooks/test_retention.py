"""What is expunged when its time is over, and what is not."""

from datetime import timedelta

import pytest
from fastapi import FastAPI
from sqlmodel import select

from app.db import now, transaction
from app.outbox.models import OutboxEvent, frozen
from app.webhooks import retention
from app.webhooks.models import Delivery, DeliveryStatus, Try, Webhook, WebhookSecret
from app.webhooks.subscription import send

KEPT = timedelta(days=90)
DAY = timedelta(days=1)
AT = now()


@pytest.fixture
def deliveries(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Events by age and status of their delivery, each with a try that was answered."""
    monkeypatch.setattr(retention, "BATCH", 2)
    made = {}
    with transaction(app.state.engine) as session:
        webhook = Webhook(url="https://board.example.org/", events=["*"], created_by="root")
        session.add(webhook)
        session.flush()
        for age in (89, 91, 400):
            for status in DeliveryStatus:
                at = AT - age * DAY
                event = frozen("webhook.ping", {"by": "Ana"}, at=at, organization_id=None, subject_id=None)
                delivery = send(session, webhook, event)
                delivery.status = status
                session.flush()
                session.add(Try(delivery_id=delivery.id, number=1, started_at=at, status=500, answer="Ana who?"))
                made[f"{status} {age}"] = event.id
        for name, expires in (("over", AT - DAY), ("not yet", AT + DAY), ("in force", None)):
            session.add(WebhookSecret(webhook_id=webhook.id, sealed=name, expires_at=expires))
    return made


def test_old_payloads_and_answers_go_and_the_log_stays(app: FastAPI, deliveries: dict[str, str]) -> None:
    batches = 1
    while not retention.expunge(app.state.engine, AT, KEPT):
        batches += 1
    assert batches == 5  # two rows each
    with transaction(app.state.engine) as session:
        payloads = {event.id: event.payload for event in session.exec(select(OutboxEvent))}
        kept = {name for name, event in deliveries.items() if payloads[event] is not None}
        assert kept == {
            *(f"{status} 89" for status in DeliveryStatus),
            *(f"{status} {age}" for status in ("pending", "sending") for age in (91, 400)),
        }
        answers = [row.answer for row in session.exec(select(Try).order_by(Try.started_at))]
        assert answers == [None] * 8 + ["Ana who?"] * 4
        assert len(session.exec(select(Delivery)).all()) == 12


@pytest.mark.usefixtures("deliveries")
def test_secrets_that_expired_go(app: FastAPI) -> None:
    retention.expunge(app.state.engine, AT, KEPT)
    with transaction(app.state.engine) as session:
        assert sorted(row.sealed for row in session.exec(select(WebhookSecret))) == ["in force", "not yet"]
