"""Requests and answers of simulations."""

from typing import Any

from pydantic import ConfigDict, Field

from analysis.scenario import Scenario
from app.forms import Answer, AtInstant
from app.jobs.models import JobStatus

SEED_BELOW = 2**53
"""No JSON reader rounds what is smaller."""


class ScenarioIn(Scenario):
    """How many people and units the pilot will have and what is supposed to be true; the plan is that of the pilot."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"people": {"intervention": 60, "control": 60}},
                {
                    "people": {"intervention": 60, "control": 60},
                    "effects": [0.0, 0.2, 0.45],
                    "r": 0.6,
                    "attrition": {"intervention": 0.1, "control": 0.1},
                    "pilots": 500,
                },
            ]
        }
    )
    seed: int = Field(default=1, ge=0, lt=SEED_BELOW)


class SimulationOut(Answer):
    """A simulation: ask again until `status` is final."""

    id: str
    pilot_id: str
    iteration: int
    status: JobStatus
    progress: float = Field(description="Share of the simulated pilots that are done")
    scenario: dict[str, Any] = Field(description="What was asked, as it was given")
    result: dict[str, Any] | None = Field(
        description="Outcome shares of every true effect with Monte-Carlo errors, assurance; or `{refused: …}`"
    )
    failure: dict[str, Any] | None = Field(description="Code and message when it failed")
    warnings: list[dict[str, str]] = Field(default=[], description="Whether the plan has changed since")
    provenance: dict[str, Any] = Field(description="Seed, hash of the plan, versions: what reproduces the result")
    created_by: str
    created_at: AtInstant
    started_at: AtInstant | None
    finished_at: AtInstant | None


class SimulationLine(Answer):
    """A simulation in a list, without its result."""

    id: str
    pilot_id: str
    iteration: int
    status: JobStatus
    progress: float
    created_by: str
    created_at: AtInstant
    finished_at: AtInstant | None
