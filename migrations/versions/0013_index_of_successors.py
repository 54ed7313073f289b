"""The index of successors without the pilots that have none; the index of pages where 0012 did not bring it.

Nearly all have none: with statistics of them SQLite's planner took the index for useless and read the whole table. The
first form of 0012 lacked the index in the order of a page; databases that ran it get it here.

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
    op.create_index("ix_pilots_organization_id_id", "pilots", ["organization_id", "id"], if_not_exists=True)
    op.drop_index("ix_pilots_organization_id", "pilots", if_exists=True)
    op.create_index(
        "ix_pilots_successor_id_some", "pilots", ["successor_id"], sqlite_where=SOME, postgresql_where=SOME
    )
    op.drop_index("ix_pilots_successor_id", "pilots")


def downgrade() -> None:
    """Undo."""
    op.create_index("ix_pilots_successor_id", "pilots", ["successor_id"])
    op.drop_index("ix_pilots_successor_id_some", "pilots")
