"""Webhooks, their secrets, deliveries and tries; payloads of events can be expunged.

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

Json = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

STATUS = ("pending", "sending", "delivered", "failed")
INDEXES = {
    "webhooks": (("organization_id",),),
    "webhook_secrets": (("webhook_id",),),
    "webhook_deliveries": (
        ("organization_id",),
        ("webhook_id", "status", "due_at", "id"),
        ("webhook_id", "id"),
    ),
    "webhook_tries": (("delivery_id",),),
}
# What can still be expunged: by when, of what is not empty.
KEPT = {"outbox_events": ("created_at", "payload"), "webhook_tries": ("started_at", "answer")}


def _id(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.String(length=36), nullable=nullable)


def _at(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _references(table: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], [target], name=op.f(f"fk_{table}_{column}"))


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("outbox_events") as events:
        events.alter_column("payload", existing_type=sa.LargeBinary(), nullable=True)
    op.create_table(
        "webhooks",
        _id("id"),
        _id("organization_id", nullable=True),
        sa.Column("url", sa.String(length=2000), nullable=False),
        sa.Column("events", Json, nullable=False),
        sa.Column("stages", Json, nullable=True),
        sa.Column("drivers", Json, nullable=True),
        sa.Column("description", sa.String(length=200), nullable=True),
        sa.Column("rate_limit", sa.Integer(), nullable=True),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        _at("disabled_at", nullable=True),
        sa.Column("disabled_reason", Json, nullable=True),
        _at("removed_at", nullable=True),
        _at("failing_since", nullable=True),
        sa.Column("last_error", sa.String(length=500), nullable=True),
        _at("paused_until", nullable=True),
        _at("paced_until", nullable=True),
        sa.Column("created_by", sa.String(length=200), nullable=False),
        _at("created_at"),
        sa.Column("version", sa.Integer(), nullable=False),
        _references("webhooks", "organization_id", "organizations.id"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhooks")),
    )
    op.create_table(
        "webhook_secrets",
        _id("id"),
        _id("webhook_id"),
        _id("organization_id", nullable=True),
        sa.Column("sealed", sa.String(length=500), nullable=False),
        _at("created_at"),
        _at("expires_at", nullable=True),
        _references("webhook_secrets", "webhook_id", "webhooks.id"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_secrets")),
    )
    op.create_table(
        "webhook_deliveries",
        _id("id"),
        _id("webhook_id"),
        _id("event_id"),
        _id("organization_id", nullable=True),
        sa.Column("event_type", sa.String(length=60), nullable=False),
        sa.Column(
            "status",
            sa.Enum(*STATUS, name="delivery_status", native_enum=False, create_constraint=True, length=40),
            nullable=False,
        ),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        _at("due_at"),
        _id("claim", nullable=True),
        sa.Column("failure", Json, nullable=True),
        _at("created_at"),
        _at("delivered_at", nullable=True),
        _references("webhook_deliveries", "webhook_id", "webhooks.id"),
        _references("webhook_deliveries", "event_id", "outbox_events.id"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_deliveries")),
        sa.UniqueConstraint("event_id", "webhook_id", name=op.f("uq_webhook_deliveries_event_id_webhook_id")),
    )
    op.create_table(
        "webhook_tries",
        _id("id"),
        _id("delivery_id"),
        sa.Column("number", sa.Integer(), nullable=False),
        _at("started_at"),
        sa.Column("duration_ms", sa.Integer(), nullable=True),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("answer", sa.String(length=1024), nullable=True),
        sa.Column("error", Json, nullable=True),
        _references("webhook_tries", "delivery_id", "webhook_deliveries.id"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_tries")),
    )
    for table, indexes in INDEXES.items():
        for columns in indexes:
            op.create_index(op.f(f"ix_{table}_{'_'.join(columns)}"), table, list(columns), unique=False)
    for table, (at, kept) in KEPT.items():
        there = sa.text(f"{kept} IS NOT NULL")
        op.create_index(
            op.f(f"ix_{table}_{at}"), table, [at], unique=False, postgresql_where=there, sqlite_where=there
        )


def downgrade() -> None:
    """Undo."""
    op.drop_index(op.f("ix_outbox_events_created_at"), table_name="outbox_events")
    for table in ("webhook_tries", "webhook_deliveries", "webhook_secrets", "webhooks"):
        op.drop_table(table)
    op.execute("UPDATE outbox_events SET payload = '' WHERE payload IS NULL")
    with op.batch_alter_table("outbox_events") as events:
        events.alter_column("payload", existing_type=sa.LargeBinary(), nullable=False)
