"""Revisions of the data with what was replaced; files that are imported, their staged rows and how they are read.

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

Json = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "import_rows",
        sa.Column("import_id", sa.String(length=36), nullable=False),
        sa.Column("attempt", sa.String(length=36), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("row", sa.Integer(), nullable=False),
        sa.Column("column", sa.String(length=300), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("measure", sa.String(length=100), nullable=False),
        sa.Column("wave", sa.String(length=100), nullable=False),
        sa.Column("arm", sa.String(length=100), nullable=False),
        sa.Column("unit_id", sa.String(length=36), nullable=True),
        sa.Column("participant", sa.String(length=100), nullable=True),
        sa.Column("value", sa.Float(), nullable=False),
        sa.Column("collected_on", sa.Date(), nullable=True),
        sa.Column("unchanged", sa.Boolean(), server_default=sa.false(), nullable=False),
        prefixes=["UNLOGGED"] if op.get_bind().dialect.name == "postgresql" else [],
    )
    op.create_index("ix_import_rows_import_id", "import_rows", ["import_id", "attempt"], unique=False)

    op.create_table(
        "data_revisions",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("pilot_id", sa.String(length=36), nullable=False),
        sa.Column("iteration", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "rows",
                "summaries",
                "import",
                "correction",
                "allocation",
                name="revision_kind",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("reason", sa.String(length=2000), nullable=True),
        sa.Column("source", sa.String(length=300), nullable=True),
        sa.Column("sha256", sa.String(length=64), nullable=True),
        sa.Column("entries", sa.Integer(), nullable=False),
        sa.Column("created_by", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name=op.f("fk_data_revisions_organization_id")
        ),
        sa.ForeignKeyConstraint(["pilot_id"], ["pilots.id"], name=op.f("fk_data_revisions_pilot_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_data_revisions")),
        sa.UniqueConstraint(
            "pilot_id", "iteration", "number", name=op.f("uq_data_revisions_pilot_id_iteration_number")
        ),
    )
    op.create_table(
        "former_measurements",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("measurement_id", sa.String(length=36), nullable=False),
        sa.Column("pilot_id", sa.String(length=36), nullable=False),
        sa.Column("iteration", sa.Integer(), nullable=False),
        sa.Column("measure", sa.String(length=100), nullable=False),
        sa.Column("wave", sa.String(length=100), nullable=False),
        sa.Column("arm", sa.String(length=100), nullable=False),
        sa.Column("unit_id", sa.String(length=36), nullable=True),
        sa.Column("participant", sa.String(length=100), nullable=True),
        sa.Column("value", sa.Float(), nullable=False),
        sa.Column("collected_on", sa.Date(), nullable=True),
        sa.Column("entered_in", sa.Integer(), nullable=False),
        sa.Column("placed_in", sa.Integer(), nullable=True),
        sa.Column("replaced_in", sa.Integer(), nullable=False),
        sa.Column("new_value", sa.Float(), nullable=True),
        sa.Column("new_collected_on", sa.Date(), nullable=True),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name=op.f("fk_former_measurements_organization_id")
        ),
        sa.ForeignKeyConstraint(["pilot_id"], ["pilots.id"], name=op.f("fk_former_measurements_pilot_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_former_measurements")),
    )
    op.create_index(
        "ix_former_measurements_cell", "former_measurements", ["pilot_id", "iteration", "measure", "wave"], unique=False
    )

    op.create_table(
        "former_summaries",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("summary_id", sa.String(length=36), nullable=False),
        sa.Column("pilot_id", sa.String(length=36), nullable=False),
        sa.Column("iteration", sa.Integer(), nullable=False),
        sa.Column("measure", sa.String(length=100), nullable=False),
        sa.Column(
            "shape",
            sa.Enum(
                "cells",
                "pairs",
                "changes",
                "counts",
                "categories",
                "events",
                "series",
                name="shape",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("wave", sa.String(length=100), nullable=True),
        sa.Column("cell", sa.String(length=400), nullable=False),
        sa.Column("content", Json, nullable=False),
        sa.Column("entered_in", sa.Integer(), nullable=False),
        sa.Column("replaced_in", sa.Integer(), nullable=False),
        sa.Column("new_content", Json, nullable=True),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name=op.f("fk_former_summaries_organization_id")
        ),
        sa.ForeignKeyConstraint(["pilot_id"], ["pilots.id"], name=op.f("fk_former_summaries_pilot_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_former_summaries")),
    )
    op.create_index(op.f("ix_former_summaries_pilot_id"), "former_summaries", ["pilot_id"], unique=False)

    op.create_table(
        "import_mappings",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("pilot_id", sa.String(length=36), nullable=False),
        sa.Column("mapping", Json, nullable=False),
        sa.Column("created_by", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name=op.f("fk_import_mappings_organization_id")
        ),
        sa.ForeignKeyConstraint(["pilot_id"], ["pilots.id"], name=op.f("fk_import_mappings_pilot_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_import_mappings")),
        sa.UniqueConstraint("pilot_id", name=op.f("uq_import_mappings_pilot_id")),
    )
    op.create_table(
        "imports",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column(
            "status",
            sa.Enum(
                "queued",
                "running",
                "succeeded",
                "failed",
                "cancelled",
                name="job_status",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("progress", sa.Float(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("claim", sa.String(length=36), nullable=True),
        sa.Column("lease_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancel_requested_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failure", Json, nullable=True),
        sa.Column("request", Json, nullable=False),
        sa.Column("result", Json, nullable=True),
        sa.Column("provenance", Json, nullable=False),
        sa.Column("created_by", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("pilot_id", sa.String(length=36), nullable=False),
        sa.Column("iteration", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=300), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("dry_run", sa.Boolean(), nullable=False),
        sa.Column("partial", sa.Boolean(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"], name=op.f("fk_imports_organization_id")),
        sa.ForeignKeyConstraint(["pilot_id"], ["pilots.id"], name=op.f("fk_imports_pilot_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_imports")),
    )
    op.create_index(op.f("ix_imports_organization_id"), "imports", ["organization_id"], unique=False)
    op.create_index(op.f("ix_imports_pilot_id"), "imports", ["pilot_id"], unique=False)
    op.create_index(op.f("ix_imports_status"), "imports", ["status"], unique=False)

    op.create_table(
        "import_chunks",
        sa.Column("import_id", sa.String(length=36), nullable=False),
        sa.Column("part", sa.String(length=20), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["import_id"], ["imports.id"], name=op.f("fk_import_chunks_import_id")),
        sa.PrimaryKeyConstraint("import_id", "part", "number", name=op.f("pk_import_chunks")),
    )
    op.add_column("analyses", sa.Column("data_revision", sa.Integer(), nullable=True))

    op.add_column("measurements", sa.Column("entered_in", sa.Integer(), server_default="0", nullable=False))
    op.add_column("measurements", sa.Column("placed_in", sa.Integer(), nullable=True))

    op.add_column("summaries", sa.Column("entered_in", sa.Integer(), server_default="0", nullable=False))


def downgrade() -> None:
    """Undo."""
    op.drop_column("summaries", "entered_in")

    op.drop_column("measurements", "placed_in")
    op.drop_column("measurements", "entered_in")

    op.drop_column("analyses", "data_revision")

    op.drop_table("import_chunks")
    op.drop_index(op.f("ix_imports_status"), table_name="imports")
    op.drop_index(op.f("ix_imports_pilot_id"), table_name="imports")
    op.drop_index(op.f("ix_imports_organization_id"), table_name="imports")

    op.drop_table("imports")
    op.drop_table("import_mappings")
    op.drop_index(op.f("ix_former_summaries_pilot_id"), table_name="former_summaries")

    op.drop_table("former_summaries")
    op.drop_index("ix_former_measurements_cell", table_name="former_measurements")

    op.drop_table("former_measurements")
    op.drop_table("data_revisions")
    op.drop_index("ix_import_rows_import_id", table_name="import_rows")

    op.drop_table("import_rows")
