"""Benchmarks, versions of metric definitions, months of series; plans remember where a reference SD comes from.

Revision ID: 0009
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

Json = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def _text(name: str, length: int, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.String(length=length), nullable=nullable)


def _of_whom(table: str, *, shared: bool = False) -> tuple[object, ...]:
    return (
        _text("id", 36),
        _text("organization_id", 36, nullable=shared),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"], name=op.f(f"fk_{table}_organization_id")),
    )


def _by_whom() -> tuple[sa.Column[object], ...]:
    return (
        sa.Column("created_by", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    )


def _of_pilot(table: str) -> tuple[object, ...]:
    return (
        *_of_whom(table),
        _text("pilot_id", 36),
        sa.Column("iteration", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["pilot_id"], ["pilots.id"], name=op.f(f"fk_{table}_pilot_id")),
    )


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "benchmarks",
        *_of_whom("benchmarks", shared=True),
        _text("measure", 100),
        _text("specialty", 200, nullable=True),
        _text("occupation", 200, nullable=True),
        sa.Column("period_start", sa.Date(), nullable=False),
        sa.Column("period_end", sa.Date(), nullable=False),
        sa.Column("mean", sa.Float(), nullable=False),
        sa.Column("sd", sa.Float(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        _text("source", 500),
        _text("note", 2000, nullable=True),
        _text("replaces", 36, nullable=True),
        _text("reason", 2000, nullable=True),
        *_by_whom(),
        sa.ForeignKeyConstraint(["replaces"], ["benchmarks.id"], name=op.f("fk_benchmarks_replaces")),
        sa.UniqueConstraint("replaces", name=op.f("uq_benchmarks_replaces")),
    )
    op.create_index(op.f("ix_benchmarks_measure"), "benchmarks", ["measure"], unique=False)
    op.create_table(
        "metric_definitions",
        *_of_whom("metric_definitions", shared=True),
        _text("measure", 100),
        _text("label", 200),
        _text("definition", 20000),
        _text("valid_from", 7),
        _text("source", 500),
        _text("unit", 200),
        *_by_whom(),
    )
    op.create_index(op.f("ix_metric_definitions_measure"), "metric_definitions", ["measure"], unique=False)
    op.create_table(
        "series_starts",
        *_of_pilot("series_starts"),
        _text("month", 7),
        *_by_whom(),
        sa.UniqueConstraint("pilot_id", "iteration", name=op.f("uq_series_starts_pilot_id_iteration")),
    )
    op.create_table(
        "point_definitions",
        *_of_pilot("point_definitions"),
        _text("measure", 100),
        _text("cell", 400),
        _text("definition", 200),
        sa.UniqueConstraint(
            "pilot_id", "iteration", "measure", "cell", name=op.f("uq_point_definitions_pilot_id_iteration_measure_cell")
        ),
    )
    op.add_column("plan_versions", sa.Column("reference_sds", Json, nullable=True))


def downgrade() -> None:
    """Undo."""
    op.drop_column("plan_versions", "reference_sds")
    for table in ("point_definitions", "series_starts", "metric_definitions", "benchmarks"):
        op.drop_table(table)
