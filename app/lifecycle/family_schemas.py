"""Answers about the family of an intervention and the attempts at a driver."""

from pydantic import Field

from app.catalog.schemas import DriverOut
from app.decisions.models import Outcome
from app.forms import Answer, AtInstant
from app.lifecycle.schemas import EstimateOut
from app.lifecycle.standing import Standing
from app.pilots.models import ProgramStatus, Stage
from app.pilots.schemas import InterventionOut


class DecisionLine(Answer):
    """What was decided last, in short."""

    id: str
    outcome: Outcome
    grade: str
    provisional: bool
    signed_at: AtInstant


class PrimaryEffect(Answer):
    """The effect that a decision rests on, in SD units after the bias of the grade, oriented to benefit."""

    measure: str
    adjusted: EstimateOut | None


class AttemptOut(Answer):
    """A pilot of your organization and how far it came."""

    id: str
    title: str
    organization_id: str
    intervention_id: str | None
    stage: Stage
    iteration: int
    standing: Standing
    decision: DecisionLine | None
    effect: PrimaryEffect | None
    retirement: str | None
    retirement_reason: str | None
    lessons: str | None
    successor_id: str | None
    created_at: AtInstant


class ProgramLine(Answer):
    """The foundational program that an intervention became."""

    id: str
    intervention_id: str
    dimension: str
    status: ProgramStatus
    established_at: AtInstant


class MemberOut(InterventionOut):
    """An intervention within its family; `generation` counts from the one that was asked for, ancestors below zero."""

    generation: int
    standing: Standing
    program: ProgramLine | None
    pilots: list[AttemptOut] = Field(description="The newest pilots of your organization, oldest first")
    more_pilots: int = Field(description="How many more there are; GET /v1/pilots lists them")
    evidence_elsewhere: int = Field(description="Entries of evidence that other organizations have")


class Family(Answer):
    """Where an intervention comes from and what was derived from it, each with where it stands."""

    ancestors: list[MemberOut] = Field(description="The oldest first")
    intervention: MemberOut
    derivatives: list[MemberOut] = Field(description="At any distance, oldest first")
    next_cursor: str | None = Field(description="Pass as `cursor` for more derivatives; null: the end")


class Attempts(Answer):
    """Everything that was tried against a driver."""

    driver: DriverOut
    programs: list[ProgramLine] = Field(description="Foundational programs that cover it; demoted ones too")
    interventions: list[MemberOut] = Field(description="The newest interventions for it, oldest first")
    more_interventions: int = Field(description="How many more there are; GET /v1/interventions lists them")
    items: list[AttemptOut] = Field(description="The pilots of your organization, oldest first")
    next_cursor: str | None = Field(description="Pass as `cursor` for more pilots; null: the end")
