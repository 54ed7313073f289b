"""Requests and answers of simulations."""

from typing import Any

from pydantic import ConfigDict, Field

from analysis.scenario import Scenario
from app.forms import Seed
from app.operations import OperationLine, OperationOut


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
    seed: Seed = 1


class SimulationLine(OperationLine):
    """A simulation in a list, without its result."""

    pilot_id: str
    iteration: int
    created_by: str


class SimulationOut(OperationOut, SimulationLine):
    """A simulation: ask again until `status` is final."""

    scenario: dict[str, Any] = Field(description="What was asked, as it was given")
    result: dict[str, Any] | None = Field(
        description="Outcome shares of every true effect with Monte-Carlo errors, assurance; or `{refused: …}`"
    )
    warnings: list[dict[str, str]] = Field(default=[], description="Whether the plan has changed since")
    provenance: dict[str, Any] = Field(description="Seed, hash of the plan, versions: what reproduces the result")
