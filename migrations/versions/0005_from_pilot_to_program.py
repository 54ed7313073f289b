"""From one pilot to a program: context, lessons, allocation, approval, retention, reviews, programs and who takes them.

Revision ID: 0005
Revises: 0004
"""

from datetime import timedelta
from unicodedata import normalize

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB
from uuid6 import uuid7

Json = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# In the order in which they can be dropped.
TABLES = (
    "reviews",
    "allocation_entries",
    "allocations",
    "acceptances",
    "programs",
    "lessons",
    "context_events",
)
ADDED = {
    "analyses": ("retention_wave", "suppressed"),
    "iterations": ("intervention_id",),
    "moves": ("synthesis_id",),
    "pilots": ("share_lessons", "provisional", "controlled_evaluation", "evaluated_by"),
    "reported_evidence": ("withdrawn_at", "withdrawn_by", "withdrawal_reason"),
    "summaries": ("wave",),
    "plan_versions": ("approved_by", "approved_at", "approval_reason", "approved_hash", "simulation_id"),
}


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "context_events",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("unit_id", sa.String(length=36), nullable=True),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("description", sa.String(length=20000), nullable=True),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=True),
        sa.Column("created_by", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name=op.f("fk_context_events_organization_id")
        ),
        sa.ForeignKeyConstraint(["unit_id"], ["units.id"], name=op.f("fk_context_events_unit_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_context_events")),
    )
    op.create_index(op.f("ix_context_events_organization_id"), "context_events", ["organization_id"], unique=False)
    op.create_index(op.f("ix_context_events_starts_on"), "context_events", ["starts_on"], unique=False)
    op.create_index(op.f("ix_context_events_unit_id"), "context_events", ["unit_id"], unique=False)
    op.create_table(
        "allocations",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("pilot_id", sa.String(length=36), nullable=False),
        sa.Column("iteration", sa.Integer(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum("here", "elsewhere", name="allocation_kind", native_enum=False, create_constraint=True, length=40),
            nullable=False,
        ),
        sa.Column(
            "level",
            sa.Enum(
                "unit", "participant", name="allocation_level", native_enum=False, create_constraint=True, length=40
            ),
            nullable=True,
        ),
        sa.Column("seed", sa.BigInteger(), nullable=True),
        sa.Column("method", sa.String(length=2000), nullable=False),
        sa.Column("allocated_on", sa.Date(), nullable=False),
        sa.Column("source", sa.String(length=2000), nullable=True),
        sa.Column("created_by", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"], name=op.f("fk_allocations_organization_id")),
        sa.ForeignKeyConstraint(["pilot_id"], ["pilots.id"], name=op.f("fk_allocations_pilot_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_allocations")),
    )
    op.create_index(op.f("ix_allocations_pilot_id"), "allocations", ["pilot_id"], unique=False)
    op.create_table(
        "lessons",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("pilot_id", sa.String(length=36), nullable=False),
        sa.Column("iteration", sa.Integer(), nullable=False),
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
        sa.Column("driver", sa.String(length=100), nullable=False),
        sa.Column("intervention_id", sa.String(length=36), nullable=True),
        sa.Column("text", sa.String(length=20000), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("shared", sa.Boolean(), nullable=False),
        sa.Column("by", sa.String(length=200), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["intervention_id"], ["interventions.id"], name=op.f("fk_lessons_intervention_id")),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"], name=op.f("fk_lessons_organization_id")),
        sa.ForeignKeyConstraint(["pilot_id"], ["pilots.id"], name=op.f("fk_lessons_pilot_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lessons")),
        sa.UniqueConstraint("pilot_id", "iteration", name=op.f("uq_lessons_pilot_id_iteration")),
    )
    op.create_index(op.f("ix_lessons_driver"), "lessons", ["driver"], unique=False)
    op.create_index(op.f("ix_lessons_intervention_id"), "lessons", ["intervention_id"], unique=False)
    op.create_index(op.f("ix_lessons_organization_id"), "lessons", ["organization_id"], unique=False)
    op.create_index(op.f("ix_lessons_stage"), "lessons", ["stage"], unique=False)
    op.create_table(
        "programs",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("intervention_id", sa.String(length=36), nullable=False),
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("pilot_id", sa.String(length=36), nullable=False),
        sa.Column("synthesis_id", sa.String(length=36), nullable=False),
        sa.Column("dimension", sa.String(length=100), nullable=False),
        sa.Column(
            "status",
            sa.Enum("active", "demoted", name="program_status", native_enum=False, create_constraint=True, length=40),
            nullable=False,
        ),
        sa.Column("established_by", sa.String(length=200), nullable=False),
        sa.Column("established_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reviewed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("demoted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("review_due_on", sa.Date(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["intervention_id"], ["interventions.id"], name=op.f("fk_programs_intervention_id")),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"], name=op.f("fk_programs_organization_id")),
        sa.ForeignKeyConstraint(["pilot_id"], ["pilots.id"], name=op.f("fk_programs_pilot_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_programs")),
        sa.UniqueConstraint("intervention_id", name=op.f("uq_programs_intervention_id")),
    )
    op.create_index(op.f("ix_programs_dimension"), "programs", ["dimension"], unique=False)
    op.create_index(op.f("ix_programs_organization_id"), "programs", ["organization_id"], unique=False)
    op.create_index(op.f("ix_programs_status"), "programs", ["status"], unique=False)
    op.create_table(
        "acceptances",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("program_id", sa.String(length=36), nullable=False),
        sa.Column("accepted", sa.Boolean(), nullable=False),
        sa.Column("note", sa.String(length=20000), nullable=True),
        sa.Column("by", sa.String(length=200), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"], name=op.f("fk_acceptances_organization_id")),
        sa.ForeignKeyConstraint(["program_id"], ["programs.id"], name=op.f("fk_acceptances_program_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_acceptances")),
    )
    op.create_index(op.f("ix_acceptances_organization_id"), "acceptances", ["organization_id"], unique=False)
    op.create_index(op.f("ix_acceptances_program_id"), "acceptances", ["program_id"], unique=False)
    op.create_table(
        "allocation_entries",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("allocation_id", sa.String(length=36), nullable=False),
        sa.Column("pilot_id", sa.String(length=36), nullable=False),
        sa.Column("iteration", sa.Integer(), nullable=False),
        sa.Column("subject", sa.String(length=100), nullable=False),
        sa.Column("stratum", sa.String(length=200), nullable=True),
        sa.Column("arm", sa.String(length=100), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["allocation_id"], ["allocations.id"], name=op.f("fk_allocation_entries_allocation_id")
        ),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name=op.f("fk_allocation_entries_organization_id")
        ),
        sa.ForeignKeyConstraint(["pilot_id"], ["pilots.id"], name=op.f("fk_allocation_entries_pilot_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_allocation_entries")),
        sa.UniqueConstraint(
            "pilot_id", "iteration", "subject", name=op.f("uq_allocation_entries_pilot_id_iteration_subject")
        ),
    )
    op.create_index(op.f("ix_allocation_entries_allocation_id"), "allocation_entries", ["allocation_id"], unique=False)
    op.create_table(
        "reviews",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("pilot_id", sa.String(length=36), nullable=False),
        sa.Column("program_id", sa.String(length=36), nullable=True),
        sa.Column(
            "kind",
            sa.Enum(
                "retention",
                "controlled_evaluation",
                "program",
                name="review_kind",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=False,
        ),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("completed_by", sa.String(length=200), nullable=True),
        sa.Column(
            "outcome",
            sa.Enum(
                "retained",
                "not_retained",
                "confirmed",
                "not_confirmed",
                "holds",
                "demoted",
                "ended",
                name="review_outcome",
                native_enum=False,
                create_constraint=True,
                length=40,
            ),
            nullable=True,
        ),
        sa.Column("finding", sa.String(length=20000), nullable=True),
        sa.Column("postponed_because", sa.String(length=20000), nullable=True),
        sa.Column("analysis_id", sa.String(length=36), nullable=True),
        sa.Column("synthesis_id", sa.String(length=36), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["analysis_id"], ["analyses.id"], name=op.f("fk_reviews_analysis_id")),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"], name=op.f("fk_reviews_organization_id")),
        sa.ForeignKeyConstraint(["pilot_id"], ["pilots.id"], name=op.f("fk_reviews_pilot_id")),
        sa.ForeignKeyConstraint(["program_id"], ["programs.id"], name=op.f("fk_reviews_program_id")),
        sa.ForeignKeyConstraint(["synthesis_id"], ["syntheses.id"], name=op.f("fk_reviews_synthesis_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reviews")),
    )
    op.create_index(op.f("ix_reviews_due_on"), "reviews", ["due_on"], unique=False)
    op.create_index(op.f("ix_reviews_organization_id"), "reviews", ["organization_id"], unique=False)
    op.create_index(op.f("ix_reviews_pilot_id"), "reviews", ["pilot_id"], unique=False)
    op.add_column("analyses", sa.Column("retention_wave", sa.String(length=100), nullable=True))
    op.add_column("analyses", sa.Column("suppressed", Json, nullable=True))
    op.add_column("iterations", sa.Column("intervention_id", sa.String(length=36), nullable=True))
    op.add_column("moves", sa.Column("synthesis_id", sa.String(length=36), nullable=True))
    op.add_column("reported_evidence", sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("reported_evidence", sa.Column("withdrawn_by", sa.String(length=200), nullable=True))
    op.add_column("reported_evidence", sa.Column("withdrawal_reason", sa.String(length=20000), nullable=True))
    op.add_column("summaries", sa.Column("wave", sa.String(length=100), nullable=True))
    op.add_column("pilots", sa.Column("share_lessons", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.create_index(op.f("ix_pilots_successor_id"), "pilots", ["successor_id"], unique=False)
    op.add_column("pilots", sa.Column("provisional", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("pilots", sa.Column("controlled_evaluation", Json, nullable=True))
    op.add_column("pilots", sa.Column("evaluated_by", sa.String(length=36), nullable=True))
    op.create_index(op.f("ix_pilots_evaluated_by"), "pilots", ["evaluated_by"], unique=False)
    op.add_column("plan_versions", sa.Column("approved_by", sa.String(length=200), nullable=True))
    op.add_column("plan_versions", sa.Column("approved_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("plan_versions", sa.Column("approval_reason", sa.String(length=20000), nullable=True))
    op.add_column("plan_versions", sa.Column("approved_hash", sa.String(length=64), nullable=True))
    op.add_column("plan_versions", sa.Column("simulation_id", sa.String(length=36), nullable=True))
    _carry_over()


def _carry_over() -> None:
    """What was recorded before: the interventions of iterations, provisional pilots, and lessons to be searched."""
    connection = op.get_bind()
    op.execute(
        "UPDATE iterations SET intervention_id = COALESCE((SELECT MAX(decisions.intervention_id) FROM decisions "
        "WHERE decisions.pilot_id = iterations.pilot_id AND decisions.iteration = iterations.number), "
        "(SELECT pilots.intervention_id FROM pilots WHERE pilots.id = iterations.pilot_id)) "
        "WHERE plan_locked_at IS NOT NULL"
    )
    op.execute(
        sa.text(
            "UPDATE pilots SET provisional = :yes WHERE stage = 'scale' AND EXISTS (SELECT 1 FROM moves JOIN decisions "
            "ON decisions.id = moves.decision_id WHERE moves.pilot_id = pilots.id AND moves.iteration = "
            "pilots.iteration AND moves.to_stage = 'scale' AND decisions.provisional)"
        ).bindparams(sa.bindparam("yes", True, sa.Boolean()))
    )
    _open_reviews(connection)
    told = connection.execute(
        sa.text(
            "SELECT p.organization_id, p.id, i.number, COALESCE((SELECT m.from_stage FROM moves m WHERE m.pilot_id = p.id "
            "AND m.to_stage = 'retired'), p.stage), p.driver, COALESCE(i.intervention_id, "
            "p.intervention_id), i.lessons, p.lessons, p.iteration, p.lead, i.closed_at, i.opened_at "
            "FROM iterations i JOIN pilots p ON p.id = i.pilot_id"
        ).columns(closed_at=sa.DateTime(timezone=True), opened_at=sa.DateTime(timezone=True))
    ).all()
    lessons = sa.table(
        "lessons",
        *(sa.column(name) for name in ("id", "organization_id", "pilot_id", "iteration", "stage", "driver")),
        *(sa.column(name) for name in ("intervention_id", "text", "words", "by")),
        sa.column("shared", sa.Boolean()),
        sa.column("at", sa.DateTime(timezone=True)),
    )
    for organization, pilot, number, stage, driver, intervention, closed, current, iteration, lead, at, opened in told:
        text = closed or (current if number == iteration and stage != "refine" else None)
        if text is None:
            continue
        row = {
            "id": str(uuid7()),
            "organization_id": organization,
            "pilot_id": pilot,
            "iteration": number,
            "stage": stage if number == iteration else "refine",
            "driver": driver,
            "intervention_id": intervention,
            "text": text,
            "words": normalize("NFKC", normalize("NFKC", text).casefold()),
            "shared": False,
            "by": lead,
            "at": at or opened,
        }
        connection.execute(lessons.insert(), row)


def _open_reviews(connection: sa.Connection) -> None:
    """What was scaled before is reviewed a year after its move, as what is scaled from now on."""
    scaled = connection.execute(
        sa.text(
            "SELECT p.id, p.organization_id, p.provisional, MAX(m.at) AS at FROM pilots p JOIN moves m "
            "ON m.pilot_id = p.id AND m.to_stage = 'scale' WHERE p.stage = 'scale' "
            "GROUP BY p.id, p.organization_id, p.provisional"
        ).columns(provisional=sa.Boolean(), at=sa.DateTime(timezone=True))
    ).all()
    reviews = sa.table(
        "reviews",
        *(sa.column(name) for name in ("id", "organization_id", "pilot_id", "kind", "version")),
        sa.column("due_on", sa.Date()),
        sa.column("opened_at", sa.DateTime(timezone=True)),
    )
    for pilot, organization, provisional, at in scaled:
        row = {
            "id": str(uuid7()),
            "organization_id": organization,
            "pilot_id": pilot,
            "kind": "controlled_evaluation" if provisional else "retention",
            "due_on": (at + timedelta(days=365)).date(),
            "opened_at": at,
            "version": 1,
        }
        connection.execute(reviews.insert(), row)


def downgrade() -> None:
    """Undo."""
    op.drop_index(op.f("ix_pilots_evaluated_by"), table_name="pilots")
    op.drop_index(op.f("ix_pilots_successor_id"), table_name="pilots")
    for table, names in ADDED.items():
        for name in names:
            op.drop_column(table, name)
    for table in TABLES:
        op.drop_table(table)
