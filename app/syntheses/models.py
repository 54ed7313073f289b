"""Evidence reported of an intervention beside what signed decisions found, and the syntheses of both."""

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from analysis.documents import Design
from analysis.evidence import EvidenceRole
from app.analyses.models import Kind
from app.audit.models import Audited
from app.db import Json, id_field, instant_field, text_enum
from app.operations import Operation


class ReportedEvidence(Audited, SQLModel, table=True):
    """An effect that was found outside of this service's decisions, as an approver entered it. Append-only.

    `organization_id` is of who reported it; `registered_id` names whose effect it is, where that one is registered.
    """

    __tablename__ = "reported_evidence"

    id: str = id_field()
    intervention_id: str = Field(foreign_key="interventions.id", index=True, max_length=36)
    organization_id: str = Field(foreign_key="organizations.id", index=True, max_length=36)
    organization: str = Field(max_length=100)
    registered_id: str | None = Field(default=None, foreign_key="organizations.id", max_length=36)
    measure: str = Field(max_length=100)
    effect_sd: float
    se_sd: float
    design: Design = Field(sa_type=text_enum(Design))
    randomised: bool
    units_per_arm: int | None = None
    attrition: dict[str, float] | None = Field(default=None, sa_type=Json)
    grade: str = Field(max_length=1)
    role: EvidenceRole = Field(sa_type=text_enum(EvidenceRole))
    source: str = Field(max_length=100)
    reported_by: str = Field(max_length=200)
    # A slip stays in the list, with the reason, and counts no more.
    withdrawn_at: datetime | None = instant_field(nullable=True)
    withdrawn_by: str | None = Field(default=None, max_length=200)
    withdrawal_reason: str | None = Field(default=None, max_length=20_000)
    created_at: datetime = instant_field()


class Synthesis(Operation, table=True):
    """Evidence pooled; `request` is word for word what the library got, `provenance` keeps the entries it was made of.

    `organization_id` is of who asked; None: the whole service.
    """

    __tablename__ = "syntheses"

    organization_id: str | None = Field(default=None, foreign_key="organizations.id", index=True, max_length=36)
    intervention_id: str = Field(foreign_key="interventions.id", index=True, max_length=36)
    kind: Kind = Field(sa_type=text_enum(Kind))
    measure: str | None = Field(default=None, max_length=100)
    seed: int = Field(sa_type=sa.BigInteger)
    data_hash: str = Field(max_length=64)
    warnings: list[dict[str, str]] = Field(sa_type=Json)
