"""Requests and answers of analyses."""

from typing import Annotated, Any

from pydantic import ConfigDict, Field

from app.analyses.models import Kind
from app.forms import Answer, AtInstant, Form
from app.jobs.models import JobStatus


class AnalysisIn(Form):
    """Ask for an analysis of the data as they are now. Usually empty."""

    model_config = ConfigDict(json_schema_extra={"examples": [{}, {"seed": 7}]})
    seed: Annotated[int, Field(ge=0, lt=2**53)] | None = Field(
        default=None, description="A seed of your own makes the analysis exploratory: it cannot be decided on"
    )
    look: Annotated[int, Field(ge=1)] | None = Field(default=None, description="Which planned look; default: the last")


class AnalysisOut(Answer):
    """An analysis: ask again until `status` is final."""

    id: str
    pilot_id: str
    iteration: int
    look: int
    kind: Kind
    status: JobStatus
    progress: float = Field(description="Share of the sampler's draws that are done")
    result: dict[str, Any] | None = Field(description="The answer of `fit`, or `{refused: …}`")
    failure: dict[str, Any] | None = Field(description="Code and message when it failed")
    warnings: list[dict[str, str]] = Field(description="What the data of the pilot bring with them")
    provenance: dict[str, Any] = Field(description="Seed, hashes, model, versions: what reproduces the result")
    plots: list[str] = Field(default=[], description="Addresses of the plots that were drawn with the result (SVG)")
    created_by: str
    created_at: AtInstant
    started_at: AtInstant | None
    finished_at: AtInstant | None


class AnalysisLine(Answer):
    """An analysis in a list, without its result."""

    id: str
    pilot_id: str
    iteration: int
    look: int
    kind: Kind
    status: JobStatus
    progress: float
    created_by: str
    created_at: AtInstant
    finished_at: AtInstant | None
