"""The spine: organizations to moves, audit, outbox."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

Json = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "audit",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("person", sa.String(length=200), nullable=False),
        sa.Column("key_id", sa.String(length=36), nullable=True),
        sa.Column("organization_id", sa.String(length=36), nullable=True),
        sa.Column("action", sa.String(length=20), nullable=False),
        sa.Column("resource", sa.String(length=60), nullable=False),
        sa.Column("resource_id", sa.String(length=300), nullable=False),
        sa.Column("changes", Json, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
    )
    op.create_index(
        op.f("ix_audit_organization_id"), "audit", ["organization_id"], unique=False
    )
    op.create_index(
        op.f("ix_audit_resource_id"), "audit", ["resource_id"], unique=False
    )
    op.create_table(
        "idempotent_answers",
        sa.Column("key_id", sa.String(length=36), nullable=False),
        sa.Column("token", sa.String(length=200), nullable=False),
        sa.Column("request_digest", sa.String(length=64), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("headers", Json, nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key_id", "token", name=op.f("pk_idempotent_answers")),
    )
    op.create_table(
        "organizations",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_organizations")),
    )
    op.create_table(
        "outbox_events",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("type", sa.String(length=60), nullable=False),
        sa.Column("organization_id", sa.String(length=36), nullable=True),
        sa.Column("subject_id", sa.String(length=36), nullable=True),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox_events")),
    )
    op.create_index(
        op.f("ix_outbox_events_organization_id"),
        "outbox_events",
        ["organization_id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_outbox_events_subject_id"),
        "outbox_events",
        ["subject_id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_outbox_events_type"), "outbox_events", ["type"], unique=False
    )
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("organization_id", sa.String(length=36), nullable=True),
        sa.Column(
            "role",
            sa.Enum(
                "lead",
                "analyst",
                "approver",
                "administrator",
                name="role",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("label", sa.String(length=200), nullable=False),
        sa.Column("person", sa.String(length=200), nullable=False),
        sa.Column("prefix", sa.String(length=12), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_api_keys_organization_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("prefix", name=op.f("uq_api_keys_prefix")),
    )
    op.create_index(
        op.f("ix_api_keys_organization_id"),
        "api_keys",
        ["organization_id"],
        unique=False,
    )
    op.create_table(
        "drivers",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("key", sa.String(length=100), nullable=False),
        sa.Column("organization_id", sa.String(length=36), nullable=True),
        sa.Column("name", sa.String(length=300), nullable=False),
        sa.Column("source", sa.String(length=300), nullable=True),
        sa.Column("note", sa.String(length=2000), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_drivers_organization_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drivers")),
    )
    op.create_index(
        "uq_drivers_own_key", "drivers", ["organization_id", "key"], unique=True
    )
    op.create_index(
        "uq_drivers_shared_key",
        "drivers",
        ["key"],
        unique=True,
        sqlite_where=sa.text("organization_id IS NULL"),
        postgresql_where=sa.text("organization_id IS NULL"),
    )
    op.create_table(
        "interventions",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("organization_id", sa.String(length=36), nullable=True),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("description", sa.String(length=20000), nullable=False),
        sa.Column("driver", sa.String(length=100), nullable=False),
        sa.Column("derived_from", sa.String(length=36), nullable=True),
        sa.Column("derivation_reason", sa.String(length=20000), nullable=True),
        sa.Column(
            "ownership_role",
            sa.Enum(
                "design",
                "own",
                "influence",
                name="ownership_role",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["derived_from"],
            ["interventions.id"],
            name=op.f("fk_interventions_derived_from"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_interventions_organization_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_interventions")),
    )
    op.create_index(
        op.f("ix_interventions_derived_from"),
        "interventions",
        ["derived_from"],
        unique=False,
    )
    op.create_index(
        op.f("ix_interventions_driver"), "interventions", ["driver"], unique=False
    )
    op.create_index(
        op.f("ix_interventions_organization_id"),
        "interventions",
        ["organization_id"],
        unique=False,
    )
    op.create_table(
        "measures",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("key", sa.String(length=100), nullable=False),
        sa.Column("organization_id", sa.String(length=36), nullable=True),
        sa.Column("name", sa.String(length=300), nullable=False),
        sa.Column(
            "family",
            sa.Enum(
                "normal",
                "binary",
                "ordinal",
                "count",
                "duration",
                "share",
                name="family",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column(
            "scope",
            sa.Enum(
                "proximal",
                "global",
                name="scope",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("measure_class", sa.String(length=100), nullable=False),
        sa.Column("minimum", sa.Float(), nullable=True),
        sa.Column("maximum", sa.Float(), nullable=True),
        sa.Column(
            "direction",
            sa.Enum(
                "higher_is_better",
                "lower_is_better",
                name="direction",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("default_sd", sa.Float(), nullable=True),
        sa.Column("sd_source", sa.String(length=500), nullable=True),
        sa.Column("licence", sa.String(length=500), nullable=True),
        sa.Column("note", sa.String(length=2000), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_measures_organization_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_measures")),
    )
    op.create_index(
        "uq_measures_own_key", "measures", ["organization_id", "key"], unique=True
    )
    op.create_index(
        "uq_measures_shared_key",
        "measures",
        ["key"],
        unique=True,
        sqlite_where=sa.text("organization_id IS NULL"),
        postgresql_where=sa.text("organization_id IS NULL"),
    )
    op.create_table(
        "program_dimensions",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("key", sa.String(length=100), nullable=False),
        sa.Column("organization_id", sa.String(length=36), nullable=True),
        sa.Column("name", sa.String(length=300), nullable=False),
        sa.Column("example_tactics", sa.String(length=2000), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_program_dimensions_organization_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_program_dimensions")),
    )
    op.create_index(
        "uq_program_dimensions_own_key",
        "program_dimensions",
        ["organization_id", "key"],
        unique=True,
    )
    op.create_index(
        "uq_program_dimensions_shared_key",
        "program_dimensions",
        ["key"],
        unique=True,
        sqlite_where=sa.text("organization_id IS NULL"),
        postgresql_where=sa.text("organization_id IS NULL"),
    )
    op.create_table(
        "units",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("parent_id", sa.String(length=36), nullable=True),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("specialty", sa.String(length=200), nullable=True),
        sa.Column("occupation", sa.String(length=200), nullable=True),
        sa.Column("headcount", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_units_organization_id"),
        ),
        sa.ForeignKeyConstraint(
            ["parent_id"], ["units.id"], name=op.f("fk_units_parent_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_units")),
    )
    op.create_index(
        op.f("ix_units_organization_id"), "units", ["organization_id"], unique=False
    )
    op.create_table(
        "pilots",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("driver", sa.String(length=100), nullable=False),
        sa.Column("intervention_id", sa.String(length=36), nullable=True),
        sa.Column("lead", sa.String(length=200), nullable=False),
        sa.Column(
            "stage",
            sa.Enum(
                "discover",
                "develop",
                "test",
                "refine",
                "scale",
                "foundational",
                "retired",
                name="stage",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("iteration", sa.Integer(), nullable=False),
        sa.Column("discovery_note", Json, nullable=True),
        sa.Column("justification", sa.String(length=20000), nullable=True),
        sa.Column("feasibility_note", sa.String(length=20000), nullable=True),
        sa.Column("frontline_involved", sa.String(length=20000), nullable=True),
        sa.Column("lessons", sa.String(length=20000), nullable=True),
        sa.Column("sustainability_review", Json, nullable=True),
        sa.Column("retirement", sa.String(length=40), nullable=True),
        sa.Column("successor_id", sa.String(length=36), nullable=True),
        sa.Column("created_by", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["intervention_id"],
            ["interventions.id"],
            name=op.f("fk_pilots_intervention_id"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_pilots_organization_id"),
        ),
        sa.ForeignKeyConstraint(
            ["successor_id"], ["pilots.id"], name=op.f("fk_pilots_successor_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pilots")),
    )
    op.create_index(op.f("ix_pilots_driver"), "pilots", ["driver"], unique=False)
    op.create_index(
        op.f("ix_pilots_intervention_id"), "pilots", ["intervention_id"], unique=False
    )
    op.create_index(op.f("ix_pilots_lead"), "pilots", ["lead"], unique=False)
    op.create_index(
        op.f("ix_pilots_organization_id"), "pilots", ["organization_id"], unique=False
    )
    op.create_index(op.f("ix_pilots_stage"), "pilots", ["stage"], unique=False)
    op.create_table(
        "iterations",
        sa.Column("pilot_id", sa.String(length=36), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("plan_locked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lessons", sa.String(length=20000), nullable=True),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_iterations_organization_id"),
        ),
        sa.ForeignKeyConstraint(
            ["pilot_id"], ["pilots.id"], name=op.f("fk_iterations_pilot_id")
        ),
        sa.PrimaryKeyConstraint("pilot_id", "number", name=op.f("pk_iterations")),
    )
    op.create_table(
        "measurements",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("pilot_id", sa.String(length=36), nullable=False),
        sa.Column("iteration", sa.Integer(), nullable=False),
        sa.Column("measure", sa.String(length=100), nullable=False),
        sa.Column("wave", sa.String(length=100), nullable=False),
        sa.Column("arm", sa.String(length=100), nullable=False),
        sa.Column("unit_id", sa.String(length=36), nullable=True),
        sa.Column("participant", sa.String(length=100), nullable=True),
        sa.Column("value", sa.Float(), nullable=False),
        sa.Column("collected_on", sa.Date(), nullable=True),
        sa.Column("created_by", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_measurements_organization_id"),
        ),
        sa.ForeignKeyConstraint(
            ["pilot_id"], ["pilots.id"], name=op.f("fk_measurements_pilot_id")
        ),
        sa.ForeignKeyConstraint(
            ["unit_id"], ["units.id"], name=op.f("fk_measurements_unit_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_measurements")),
    )
    op.create_index(
        "ix_measurements_cell",
        "measurements",
        ["pilot_id", "iteration", "measure", "wave"],
        unique=False,
    )
    op.create_index(
        "uq_measurements_participant",
        "measurements",
        ["pilot_id", "iteration", "measure", "participant", "wave"],
        unique=True,
        sqlite_where=sa.text("participant IS NOT NULL"),
        postgresql_where=sa.text("participant IS NOT NULL"),
    )
    op.create_table(
        "pilot_units",
        sa.Column("pilot_id", sa.String(length=36), nullable=False),
        sa.Column("unit_id", sa.String(length=36), nullable=False),
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_pilot_units_organization_id"),
        ),
        sa.ForeignKeyConstraint(
            ["pilot_id"], ["pilots.id"], name=op.f("fk_pilot_units_pilot_id")
        ),
        sa.ForeignKeyConstraint(
            ["unit_id"], ["units.id"], name=op.f("fk_pilot_units_unit_id")
        ),
        sa.PrimaryKeyConstraint("pilot_id", "unit_id", name=op.f("pk_pilot_units")),
    )
    op.create_index(
        op.f("ix_pilot_units_unit_id"), "pilot_units", ["unit_id"], unique=False
    )
    op.create_table(
        "plan_versions",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("pilot_id", sa.String(length=36), nullable=False),
        sa.Column("iteration", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("plan", Json, nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("created_by", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("locked_by", sa.String(length=200), nullable=True),
        sa.Column("locked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("looked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("amendment_reason", sa.String(length=20000), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_plan_versions_organization_id"),
        ),
        sa.ForeignKeyConstraint(
            ["pilot_id"], ["pilots.id"], name=op.f("fk_plan_versions_pilot_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plan_versions")),
        sa.UniqueConstraint(
            "pilot_id",
            "iteration",
            "number",
            name=op.f("uq_plan_versions_pilot_id_iteration_number"),
        ),
    )
    op.create_index(
        op.f("ix_plan_versions_pilot_id"), "plan_versions", ["pilot_id"], unique=False
    )
    op.create_table(
        "summaries",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("organization_id", sa.String(length=36), nullable=False),
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
        sa.Column("cell", sa.String(length=400), nullable=False),
        sa.Column("content", Json, nullable=False),
        sa.Column("created_by", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_summaries_organization_id"),
        ),
        sa.ForeignKeyConstraint(
            ["pilot_id"], ["pilots.id"], name=op.f("fk_summaries_pilot_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_summaries")),
        sa.UniqueConstraint(
            "pilot_id",
            "iteration",
            "measure",
            "shape",
            "cell",
            name=op.f("uq_summaries_pilot_id_iteration_measure_shape_cell"),
        ),
    )
    op.create_table(
        "waves",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("pilot_id", sa.String(length=36), nullable=False),
        sa.Column("iteration", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=100), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "baseline",
                "interim",
                "followup",
                "retention",
                name="wave_kind",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("invited", Json, nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=True),
        sa.Column("ends_on", sa.Date(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_waves_organization_id"),
        ),
        sa.ForeignKeyConstraint(
            ["pilot_id"], ["pilots.id"], name=op.f("fk_waves_pilot_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_waves")),
        sa.UniqueConstraint(
            "pilot_id", "iteration", "key", name=op.f("uq_waves_pilot_id_iteration_key")
        ),
    )
    op.create_index(op.f("ix_waves_pilot_id"), "waves", ["pilot_id"], unique=False)
    op.create_table(
        "analyses",
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
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("pilot_id", sa.String(length=36), nullable=False),
        sa.Column("iteration", sa.Integer(), nullable=False),
        sa.Column("plan_version_id", sa.String(length=36), nullable=False),
        sa.Column("look", sa.Integer(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "confirmatory",
                "exploratory",
                name="kind",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("counts_as_look", sa.Boolean(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("request", Json, nullable=False),
        sa.Column("plan_hash", sa.String(length=64), nullable=False),
        sa.Column("data_hash", sa.String(length=64), nullable=False),
        sa.Column("warnings", Json, nullable=False),
        sa.Column("result", Json, nullable=True),
        sa.Column("provenance", Json, nullable=False),
        sa.Column("created_by", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_analyses_organization_id"),
        ),
        sa.ForeignKeyConstraint(
            ["pilot_id"], ["pilots.id"], name=op.f("fk_analyses_pilot_id")
        ),
        sa.ForeignKeyConstraint(
            ["plan_version_id"],
            ["plan_versions.id"],
            name=op.f("fk_analyses_plan_version_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_analyses")),
    )
    op.create_index(
        op.f("ix_analyses_organization_id"),
        "analyses",
        ["organization_id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_analyses_pilot_id"), "analyses", ["pilot_id"], unique=False
    )
    op.create_index(op.f("ix_analyses_status"), "analyses", ["status"], unique=False)
    op.create_index(
        "uq_analyses_confirmatory",
        "analyses",
        ["pilot_id", "iteration", "look"],
        unique=True,
        sqlite_where=sa.text("counts_as_look"),
        postgresql_where=sa.text("counts_as_look"),
    )
    op.create_table(
        "decisions",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("pilot_id", sa.String(length=36), nullable=False),
        sa.Column("iteration", sa.Integer(), nullable=False),
        sa.Column("analysis_id", sa.String(length=36), nullable=False),
        sa.Column(
            "outcome",
            sa.Enum(
                "scale",
                "refine",
                "replace",
                name="outcome",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("rationale", sa.String(length=20000), nullable=False),
        sa.Column("override_reason", sa.String(length=20000), nullable=True),
        sa.Column("share_back", sa.String(length=20000), nullable=True),
        sa.Column("recommendation", Json, nullable=False),
        sa.Column("grade", sa.String(length=1), nullable=False),
        sa.Column("gates_passed", sa.Boolean(), nullable=False),
        sa.Column("provisional", sa.Boolean(), nullable=False),
        sa.Column("warnings", Json, nullable=False),
        sa.Column("plan_hash", sa.String(length=64), nullable=False),
        sa.Column("data_hash", sa.String(length=64), nullable=False),
        sa.Column("signed_by", sa.String(length=200), nullable=False),
        sa.Column("signed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["analysis_id"], ["analyses.id"], name=op.f("fk_decisions_analysis_id")
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_decisions_organization_id"),
        ),
        sa.ForeignKeyConstraint(
            ["pilot_id"], ["pilots.id"], name=op.f("fk_decisions_pilot_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_decisions")),
        sa.UniqueConstraint("analysis_id", name=op.f("uq_decisions_analysis_id")),
    )
    op.create_index(
        op.f("ix_decisions_organization_id"),
        "decisions",
        ["organization_id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_decisions_pilot_id"), "decisions", ["pilot_id"], unique=False
    )
    op.create_table(
        "moves",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("pilot_id", sa.String(length=36), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("iteration", sa.Integer(), nullable=False),
        sa.Column(
            "from_stage",
            sa.Enum(
                "discover",
                "develop",
                "test",
                "refine",
                "scale",
                "foundational",
                "retired",
                name="from_stage",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column(
            "to_stage",
            sa.Enum(
                "discover",
                "develop",
                "test",
                "refine",
                "scale",
                "foundational",
                "retired",
                name="to_stage",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("reason", sa.String(length=20000), nullable=True),
        sa.Column("decision_id", sa.String(length=36), nullable=True),
        sa.Column("by", sa.String(length=200), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["decision_id"], ["decisions.id"], name=op.f("fk_moves_decision_id")
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"],
            ["organizations.id"],
            name=op.f("fk_moves_organization_id"),
        ),
        sa.ForeignKeyConstraint(
            ["pilot_id"], ["pilots.id"], name=op.f("fk_moves_pilot_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_moves")),
        sa.UniqueConstraint(
            "pilot_id", "sequence", name=op.f("uq_moves_pilot_id_sequence")
        ),
    )
    op.create_index(op.f("ix_moves_pilot_id"), "moves", ["pilot_id"], unique=False)


def downgrade() -> None:
    """Take back."""
    op.drop_index(op.f("ix_moves_pilot_id"), table_name="moves")
    op.drop_table("moves")
    op.drop_index(op.f("ix_decisions_pilot_id"), table_name="decisions")
    op.drop_index(op.f("ix_decisions_organization_id"), table_name="decisions")
    op.drop_table("decisions")
    op.drop_index(
        "uq_analyses_confirmatory",
        table_name="analyses",
        sqlite_where=sa.text("counts_as_look"),
        postgresql_where=sa.text("counts_as_look"),
    )
    op.drop_index(op.f("ix_analyses_status"), table_name="analyses")
    op.drop_index(op.f("ix_analyses_pilot_id"), table_name="analyses")
    op.drop_index(op.f("ix_analyses_organization_id"), table_name="analyses")
    op.drop_table("analyses")
    op.drop_index(op.f("ix_waves_pilot_id"), table_name="waves")
    op.drop_table("waves")
    op.drop_table("summaries")
    op.drop_index(op.f("ix_plan_versions_pilot_id"), table_name="plan_versions")
    op.drop_table("plan_versions")
    op.drop_index(op.f("ix_pilot_units_unit_id"), table_name="pilot_units")
    op.drop_table("pilot_units")
    op.drop_index(
        "uq_measurements_participant",
        table_name="measurements",
        sqlite_where=sa.text("participant IS NOT NULL"),
        postgresql_where=sa.text("participant IS NOT NULL"),
    )
    op.drop_index("ix_measurements_cell", table_name="measurements")
    op.drop_table("measurements")
    op.drop_table("iterations")
    op.drop_index(op.f("ix_pilots_stage"), table_name="pilots")
    op.drop_index(op.f("ix_pilots_organization_id"), table_name="pilots")
    op.drop_index(op.f("ix_pilots_lead"), table_name="pilots")
    op.drop_index(op.f("ix_pilots_intervention_id"), table_name="pilots")
    op.drop_index(op.f("ix_pilots_driver"), table_name="pilots")
    op.drop_table("pilots")
    op.drop_index(op.f("ix_units_organization_id"), table_name="units")
    op.drop_table("units")
    op.drop_index(
        "uq_program_dimensions_shared_key",
        table_name="program_dimensions",
        sqlite_where=sa.text("organization_id IS NULL"),
        postgresql_where=sa.text("organization_id IS NULL"),
    )
    op.drop_index("uq_program_dimensions_own_key", table_name="program_dimensions")
    op.drop_table("program_dimensions")
    op.drop_index(
        "uq_measures_shared_key",
        table_name="measures",
        sqlite_where=sa.text("organization_id IS NULL"),
        postgresql_where=sa.text("organization_id IS NULL"),
    )
    op.drop_index("uq_measures_own_key", table_name="measures")
    op.drop_table("measures")
    op.drop_index(op.f("ix_interventions_organization_id"), table_name="interventions")
    op.drop_index(op.f("ix_interventions_driver"), table_name="interventions")
    op.drop_index(op.f("ix_interventions_derived_from"), table_name="interventions")
    op.drop_table("interventions")
    op.drop_index(
        "uq_drivers_shared_key",
        table_name="drivers",
        sqlite_where=sa.text("organization_id IS NULL"),
        postgresql_where=sa.text("organization_id IS NULL"),
    )
    op.drop_index("uq_drivers_own_key", table_name="drivers")
    op.drop_table("drivers")
    op.drop_index(op.f("ix_api_keys_organization_id"), table_name="api_keys")
    op.drop_table("api_keys")
    op.drop_index(op.f("ix_outbox_events_type"), table_name="outbox_events")
    op.drop_index(op.f("ix_outbox_events_subject_id"), table_name="outbox_events")
    op.drop_index(op.f("ix_outbox_events_organization_id"), table_name="outbox_events")
    op.drop_table("outbox_events")
    op.drop_table("organizations")
    op.drop_table("idempotent_answers")
    op.drop_index(op.f("ix_audit_resource_id"), table_name="audit")
    op.drop_index(op.f("ix_audit_organization_id"), table_name="audit")
    op.drop_table("audit")
