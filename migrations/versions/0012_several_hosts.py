"""Several hosts: requests are followed into work and events, chores taken once a tick, hosts known by their secret.

Revision ID: 0012
Revises: 0011
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB


revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

Json = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
STATUS = ("queued", "running", "succeeded", "failed", "cancelled")
FOLLOWED = ("analyses", "analysis_pictures", "simulations", "syntheses", "imports", "outbox_events")


def upgrade() -> None:
    """Apply: columns that code of the version before leaves empty."""
    for table in FOLLOWED:
        op.add_column(table, sa.Column("request_id", sa.String(length=100), nullable=True))
    op.create_table(
        "ticks",
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_ticks")),
    )
    op.create_table(
        "deployment",
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("value", sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_deployment")),
    )
    status = sa.Enum(*STATUS, name="job_status", native_enum=False, create_constraint=True, length=40)
    op.create_table(
        "simulation_parts",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("status", status, nullable=False),
        sa.Column("progress", sa.Float(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("claim", sa.String(length=36), nullable=True),
        sa.Column("lease_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancel_requested_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failure", Json, nullable=True),
        sa.Column("request_id", sa.String(length=100), nullable=True),
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("simulation_id", sa.String(length=36), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("chunks", Json, nullable=False),
        sa.Column("pilots", sa.Integer(), nullable=False),
        sa.Column("answer", Json, nullable=True),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name=op.f("fk_simulation_parts_organization_id")
        ),
        sa.ForeignKeyConstraint(["simulation_id"], ["simulations.id"], name=op.f("fk_simulation_parts_simulation_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_simulation_parts")),
        sa.UniqueConstraint("simulation_id", "number", name=op.f("uq_simulation_parts_simulation_id_number")),
    )
    op.create_index("ix_simulation_parts_status", "simulation_parts", ["status"])
    op.create_index("ix_pilots_organization_id_id", "pilots", ["organization_id", "id"])
    op.drop_index("ix_pilots_organization_id", "pilots")
    op.create_index("ix_idempotent_answers_created_at", "idempotent_answers", ["created_at"])


def downgrade() -> None:
    """Undo."""
    op.drop_index("ix_idempotent_answers_created_at", "idempotent_answers")
    op.create_index("ix_pilots_organization_id", "pilots", ["organization_id"])
    op.drop_index("ix_pilots_organization_id_id", "pilots")
    op.drop_table("simulation_parts")
    op.drop_table("deployment")
    op.drop_table("ticks")
    for table in reversed(FOLLOWED):
        op.drop_column(table, "request_id")
