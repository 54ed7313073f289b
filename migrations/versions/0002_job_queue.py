"""The job queue: procrastinate's own schema, on PostgreSQL only; on SQLite the one process sweeps the rows.

Revision ID: 0002
Revises: 0001
"""

from alembic import op
from procrastinate.schema import SchemaManager

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TABLES = ("procrastinate_events", "procrastinate_periodic_defers", "procrastinate_jobs", "procrastinate_workers")
TYPES = ("procrastinate_job_to_defer_v1", "procrastinate_job_event_type", "procrastinate_job_status")
FUNCTIONS = """
DO $$
DECLARE
    made regprocedure;
BEGIN
    FOR made IN
        SELECT oid::regprocedure FROM pg_proc
        WHERE proname LIKE 'procrastinate\\_%' AND pronamespace = current_schema()::regnamespace
    LOOP
        EXECUTE 'DROP FUNCTION ' || made;
    END LOOP;
END $$
"""


def upgrade() -> None:
    """Run the schema as it is packaged: many statements with quoted bodies, which only the driver takes whole."""
    if op.get_bind().dialect.name == "postgresql":
        op.get_bind().connection.cursor().execute(SchemaManager.get_schema())


def downgrade() -> None:
    """Drop what the schema made: tables with their triggers, then functions, then types."""
    if op.get_bind().dialect.name != "postgresql":
        return
    for table in TABLES:
        op.execute(f"DROP TABLE {table} CASCADE")
    op.get_bind().connection.cursor().execute(FUNCTIONS)
    for kind in TYPES:
        op.execute(f"DROP TYPE {kind}")
