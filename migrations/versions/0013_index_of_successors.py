"""The index of successors without the pilots that have none.

Those are nearly all: with statistics of them SQLite's planner took the index for useless and read the whole table.

Revision ID: 0013
Revises: 0012
"""

import sqlalchemy as sa
from alembic import op


revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

SOME = sa.text("successor_id IS NOT NULL")


def upgrade() -> None:
    """Apply: the same questions are answered by it."""
    op.create_index(
        "ix_pilots_successor_id_some", "pilots", ["successor_id"], sqlite_where=SOME, postgresql_where=SOME
    )
    op.drop_index("ix_pilots_successor_id", "pilots")


def downgrade() -> None:
    """Undo."""
    op.create_index("ix_pilots_successor_id", "pilots", ["successor_id"])
    op.drop_index("ix_pilots_successor_id_some", "pilots")
