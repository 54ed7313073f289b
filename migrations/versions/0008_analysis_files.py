"""Files of an analysis: its draws in chunks, its plots as PNG and the work of drawing these.

Revision ID: 0008
Revises: 0007
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

Json = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

STATUS = ("queued", "running", "succeeded", "failed", "cancelled")


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "analysis_files",
        sa.Column("analysis_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("full_size", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["analysis_id"], ["analyses.id"], name=op.f("fk_analysis_files_analysis_id")),
        sa.PrimaryKeyConstraint("analysis_id", "name", name=op.f("pk_analysis_files")),
    )
    op.create_table(
        "analysis_file_chunks",
        sa.Column("analysis_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["analysis_id", "name"],
            ["analysis_files.analysis_id", "analysis_files.name"],
            name=op.f("fk_analysis_file_chunks_analysis_id"),
        ),
        sa.PrimaryKeyConstraint("analysis_id", "name", "number", name=op.f("pk_analysis_file_chunks")),
    )
    status = sa.Enum(*STATUS, name="job_status", native_enum=False, create_constraint=True, length=40)
    op.create_table(
        "analysis_pictures",
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
        sa.Column("analysis_id", sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(["analysis_id"], ["analyses.id"], name=op.f("fk_analysis_pictures_analysis_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_analysis_pictures")),
        sa.UniqueConstraint("analysis_id", name=op.f("uq_analysis_pictures_analysis_id")),
    )
    op.create_index(op.f("ix_analysis_pictures_status"), "analysis_pictures", ["status"], unique=False)
    op.add_column("analysis_plots", sa.Column("png", sa.LargeBinary(), nullable=True))


def downgrade() -> None:
    """Undo."""
    op.drop_column("analysis_plots", "png")
    op.drop_index(op.f("ix_analysis_pictures_status"), table_name="analysis_pictures")
    op.drop_table("analysis_pictures")
    op.drop_table("analysis_file_chunks")
    op.drop_table("analysis_files")
