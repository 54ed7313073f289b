"""Plots kept with their analysis; simulations of plans.

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

Json = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

STATUS = ("queued", "running", "succeeded", "failed", "cancelled")
INDEXED = ("organization_id", "pilot_id", "status")


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "analysis_plots",
        sa.Column("analysis_id", sa.String(length=36), nullable=False),
        sa.Column("measure", sa.String(length=100), nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("svg", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["analysis_id"], ["analyses.id"], name=op.f("fk_analysis_plots_analysis_id")),
        sa.PrimaryKeyConstraint("analysis_id", "measure", "name", name=op.f("pk_analysis_plots")),
    )
    status = sa.Enum(*STATUS, name="job_status", native_enum=False, create_constraint=True, length=40)
    op.create_table(
        "simulations",
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
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("pilot_id", sa.String(length=36), nullable=False),
        sa.Column("iteration", sa.Integer(), nullable=False),
        sa.Column("plan_version_id", sa.String(length=36), nullable=False),
        sa.Column("plan_hash", sa.String(length=64), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("request", Json, nullable=False),
        sa.Column("result", Json, nullable=True),
        sa.Column("provenance", Json, nullable=False),
        sa.Column("created_by", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"], name=op.f("fk_simulations_organization_id")),
        sa.ForeignKeyConstraint(["pilot_id"], ["pilots.id"], name=op.f("fk_simulations_pilot_id")),
        sa.ForeignKeyConstraint(["plan_version_id"], ["plan_versions.id"], name=op.f("fk_simulations_plan_version_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_simulations")),
    )
    for column in INDEXED:
        op.create_index(op.f(f"ix_simulations_{column}"), "simulations", [column], unique=False)


def downgrade() -> None:
    """Undo."""
    for column in INDEXED:
        op.drop_index(op.f(f"ix_simulations_{column}"), table_name="simulations")
    op.drop_table("simulations")
    op.drop_table("analysis_plots")
