"""Which request asked for a piece of work or made an event happen.

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


def downgrade() -> None:
    """Undo."""
    for table in reversed(FOLLOWED):
        op.drop_column(table, "request_id")
