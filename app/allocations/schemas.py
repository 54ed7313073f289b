"""Requests and answers of allocations."""

from datetime import date
from typing import Annotated, Self

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from app.forms import Answer, AtInstant, Form, Id, Line, Note, Seed
from app.measures.schemas import Pseudonym
from app.plans.models import AllocationKind, AllocationLevel

MOST = 20_000
Arm = Annotated[str, StringConstraints(min_length=1, max_length=100)]
Stratum = Line


class ParticipantIn(Form):
    """A person to be assigned to an arm."""

    participant: Pseudonym = Field(description="A pseudonym, as it will stand at the measurements")
    stratum: Stratum | None = Field(default=None, description="Default: the unit's")
    unit_id: Id | None = None


class ElsewhereIn(Form):
    """How chance assigned the arms outside of this service."""

    method: Note = Field(description="How: computer-generated list, sealed envelopes, lots …")
    allocated_on: date
    source: Note = Field(description="Where that can be read or asked: protocol, paper, statistician")


class AllocationIn(Form):
    """Assign arms here (usually empty), or declare with `elsewhere` how they were assigned before."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {},
                {
                    "level": "participant",
                    "participants": [{"participant": "p-014", "stratum": "nurses"}, {"participant": "p-015"}],
                },
                {
                    "elsewhere": {
                        "method": "Computer-generated list with blocks of six, in sealed envelopes",
                        "allocated_on": "2026-01-12",
                        "source": "Trial protocol, section 4.2",
                    }
                },
            ]
        }
    )
    level: AllocationLevel | None = Field(
        default=None, description="Default: units where the design or the plan names them, else people"
    )
    participants: list[ParticipantIn] | None = Field(
        default=None,
        min_length=1,
        max_length=MOST,
        description="Default: who has a baseline value of the primary measure",
    )
    strata: dict[Id, Stratum] | None = Field(
        default=None, max_length=MOST, description="Stratum of each unit; people are in the stratum of their unit"
    )
    seed: Seed | None = Field(default=None, description="Default: follows from the plan and the list")
    ratio: dict[Arm, Annotated[int, Field(ge=1, le=10)]] | None = Field(
        default=None, max_length=20, description="Subjects in each arm to one another; default: equal"
    )
    block_size: Annotated[int, Field(ge=2, le=1000)] | None = Field(
        default=None, description="A multiple of the ratio's sum; default: the sum for units, twice that for people"
    )
    elsewhere: ElsewhereIn | None = None

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if self.elsewhere is not None and self.model_fields_set != {"elsewhere"}:
            msg = "a declaration stands alone: give `elsewhere`, or what it takes to allocate here"
            raise ValueError(msg)
        if self.participants is not None and self.level is AllocationLevel.UNIT:
            msg = "units are assigned, not people: leave `participants` out, or say level `participant`"
            raise ValueError(msg)
        return self


class EntryOut(Answer):
    """The arm of a unit (its id) or a person (the pseudonym)."""

    subject: str
    stratum: str | None
    arm: str
    position: int | None = Field(
        description="Counts through the iteration, in the order in which arms were dealt; null, as the stratum, where "
        "it would tell how many people are in a group of too few"
    )


class AllocationOut(Answer):
    """An allocation: made here with its entries, or declared."""

    id: str
    pilot_id: str
    iteration: int
    kind: AllocationKind
    level: AllocationLevel | None
    seed: int | None
    method: str
    allocated_on: date
    source: str | None
    created_by: str
    created_at: AtInstant
    entries: list[EntryOut]


class AllocatedOut(AllocationOut):
    """What a call did; with nobody new on the list, the newest allocation as it was, without entries."""

    unchanged: list[str] = Field(description="Who was on the list and has an arm already; it stays as it is")
