"""Several hosts: requests are followed into work and events, chores taken once a tick, hosts known by their secret.

Revision ID: 0012
Revises: 0011
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

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
    op.create_index("ix_idempotent_answers_created_at", "idempotent_answers", ["created_at"])


def downgrade() -> None:
    """Undo."""
    op.drop_index("ix_idempotent_answers_created_at", "idempotent_answers")
    op.drop_table("deployment")
    op.drop_table("ticks")
    for table in reversed(FOLLOWED):
        op.drop_column(table, "request_id")
