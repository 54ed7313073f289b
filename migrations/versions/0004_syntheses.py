"""Reported evidence of interventions, and the syntheses of it with what decisions found; decisions keep theirs.

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

Json = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

STATUS = ("queued", "running", "succeeded", "failed", "cancelled")
DESIGN = ("paired", "cross_section", "parallel", "cluster", "did", "its", "stepped_wedge")
INDEXED = {
    "reported_evidence": ("intervention_id", "organization_id"),
    "syntheses": ("intervention_id", "organization_id", "status"),
}


def _enum(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=40)


def upgrade() -> None:
    """Apply."""
    op.add_column("decisions", sa.Column("intervention_id", sa.String(length=36), nullable=True))
    op.create_index(op.f("ix_decisions_intervention_id"), "decisions", ["intervention_id"], unique=False)
    op.execute(
        "UPDATE decisions SET intervention_id = "
        "(SELECT pilots.intervention_id FROM pilots WHERE pilots.id = decisions.pilot_id)"
    )
    op.create_table(
        "reported_evidence",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("intervention_id", sa.String(length=36), nullable=False),
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("organization", sa.String(length=100), nullable=False),
        sa.Column("registered_id", sa.String(length=36), nullable=True),
        sa.Column("measure", sa.String(length=100), nullable=False),
        sa.Column("effect_sd", sa.Float(), nullable=False),
        sa.Column("se_sd", sa.Float(), nullable=False),
        sa.Column("design", _enum("design", *DESIGN), nullable=False),
        sa.Column("randomised", sa.Boolean(), nullable=False),
        sa.Column("units_per_arm", sa.Integer(), nullable=True),
        sa.Column("attrition", Json, nullable=True),
        sa.Column("grade", sa.String(length=1), nullable=False),
        sa.Column("role", _enum("evidence_role", "origin", "adopter"), nullable=False),
        sa.Column("source", sa.String(length=100), nullable=False),
        sa.Column("reported_by", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["intervention_id"], ["interventions.id"], name=op.f("fk_reported_evidence_intervention_id")
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name=op.f("fk_reported_evidence_organization_id")
        ),
        sa.ForeignKeyConstraint(
            ["registered_id"], ["organizations.id"], name=op.f("fk_reported_evidence_registered_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reported_evidence")),
    )
    op.create_table(
        "syntheses",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("status", _enum("job_status", *STATUS), nullable=False),
        sa.Column("progress", sa.Float(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("claim", sa.String(length=36), nullable=True),
        sa.Column("lease_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancel_requested_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failure", Json, nullable=True),
        sa.Column("organization_id", sa.String(length=36), nullable=True),
        sa.Column("intervention_id", sa.String(length=36), nullable=False),
        sa.Column("kind", _enum("kind", "confirmatory", "exploratory"), nullable=False),
        sa.Column("measure", sa.String(length=100), nullable=True),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("request", Json, nullable=False),
        sa.Column("data_hash", sa.String(length=64), nullable=False),
        sa.Column("warnings", Json, nullable=False),
        sa.Column("result", Json, nullable=True),
        sa.Column("provenance", Json, nullable=False),
        sa.Column("created_by", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["intervention_id"], ["interventions.id"], name=op.f("fk_syntheses_intervention_id")),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"], name=op.f("fk_syntheses_organization_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_syntheses")),
    )
    for table, columns in INDEXED.items():
        for column in columns:
            op.create_index(op.f(f"ix_{table}_{column}"), table, [column], unique=False)


def downgrade() -> None:
    """Undo."""
    for table, columns in INDEXED.items():
        for column in columns:
            op.drop_index(op.f(f"ix_{table}_{column}"), table_name=table)
        op.drop_table(table)
    op.drop_index(op.f("ix_decisions_intervention_id"), table_name="decisions")
    op.drop_column("decisions", "intervention_id")
