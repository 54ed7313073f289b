"""Who was deleted stays out; all that one value was, one after the other.

Revision ID: 0011
Revises: 0010
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "deleted_participants",
        sa.Column("pilot_id", sa.String(length=36), nullable=False),
        sa.Column("mark", sa.String(length=64), nullable=False),
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name=op.f("fk_deleted_participants_organization_id")
        ),
        sa.ForeignKeyConstraint(["pilot_id"], ["pilots.id"], name=op.f("fk_deleted_participants_pilot_id")),
        sa.PrimaryKeyConstraint("pilot_id", "mark", name=op.f("pk_deleted_participants")),
    )
    op.create_index("ix_former_measurements_measurement_id", "former_measurements", ["measurement_id"])


def downgrade() -> None:
    """Undo."""
    op.drop_index("ix_former_measurements_measurement_id", "former_measurements")
    op.drop_table("deleted_participants")
