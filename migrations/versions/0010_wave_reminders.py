"""Which states of which waves were told, so that each is told once.

Revision ID: 0010
Revises: 0009
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

STATES = ("upcoming", "due", "closing", "overdue")


def upgrade() -> None:
    """Apply."""
    state = sa.Enum(*STATES, name="due_state", native_enum=False, create_constraint=True, length=40)
    op.create_table(
        "wave_reminders",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("pilot_id", sa.String(length=36), nullable=False),
        sa.Column("iteration", sa.Integer(), nullable=False),
        sa.Column("wave", sa.String(length=100), nullable=False),
        sa.Column("state", state, nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name=op.f("fk_wave_reminders_organization_id")
        ),
        sa.ForeignKeyConstraint(["pilot_id"], ["pilots.id"], name=op.f("fk_wave_reminders_pilot_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_wave_reminders")),
        sa.UniqueConstraint(
            "pilot_id", "iteration", "wave", "state", name=op.f("uq_wave_reminders_pilot_id_iteration_wave_state")
        ),
    )


def downgrade() -> None:
    """Undo."""
    op.drop_table("wave_reminders")
