"""Requests and answers of analyses."""

from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field, model_validator

from app.analyses.models import Kind
from app.analyses.retention import Retention
from app.forms import Answer, Form, Line, Seed
from app.operations import OperationLine, OperationOut


class AnalysisIn(Form):
    """Ask for an analysis of the data as they are now. Usually empty."""

    model_config = ConfigDict(json_schema_extra={"examples": [{}, {"seed": 7}]})
    seed: Seed | None = Field(
        default=None, description="A seed of your own makes the analysis exploratory: it cannot be decided on"
    )
    look: Annotated[int, Field(ge=1)] | None = Field(default=None, description="Which planned look; default: the last")
    wave: Line | None = Field(
        default=None, description="A retention wave of the plan, after scaling; then without look"
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if self.wave is not None and self.look is not None:
            msg = "give look or wave: a retention wave is no planned look"
            raise ValueError(msg)
        return self


class AnalysisLine(OperationLine):
    """An analysis in a list, without its result."""

    pilot_id: str
    iteration: int
    look: int
    kind: Kind
    retention_wave: str | None = Field(description="The retention wave it is of; null: of a look")
    created_by: str


class RebuiltOut(Answer):
    """The snapshot of an analysis, built again from the revisions of the data."""

    revision: int | None = Field(description="The revision it took; null: it is older than they are")
    newest: int = Field(description="The revision the data are at now")
    rebuilt: bool = Field(description="Whether what is stored of that revision gives the very data it used")
    changed_since: bool = Field(description="Whether the data it would take now are others")
    says: str


class AnalysisOut(OperationOut, AnalysisLine):
    """An analysis: ask again until `status` is final."""

    result: dict[str, Any] | None = Field(description="The answer of `fit`, or `{refused: …}`")
    warnings: list[dict[str, str]] = Field(description="What the data of the pilot bring with them")
    provenance: dict[str, Any] = Field(description="Seed, hashes, model, versions: what reproduces the result")
    retention: Retention | None = Field(default=None, description="Of a retention wave: whether the effect lasts")
    plots: list[str] = Field(default=[], description="Addresses of the plots that were drawn with the result (SVG)")


class SummaryLine(Answer):
    """One quantity of a result; `value` is a posterior mean where there is an `sd`."""

    measure: str | None = Field(description="Null: of the whole analysis")
    role: str | None
    quantity: str = Field(description="`sd`, `adjusted`, `raw`, a probability, `unit_effect`, `diagnostic_rhat`, …")
    unit: str | None = Field(description="Of effects by unit")
    value: float | None
    sd: float | None
    low: float | None
    high: float | None
    prob: float | None = Field(description="What the interval from `low` to `high` holds")
    kind: str | None
    threshold: float | None
    passed: bool | None
    suppressed: bool | None = Field(description="Of too few people to be shown")
    note: str | None


class CellsUsed(Answer):
    """The data of each measure that an analysis used; cells that are not shown are marked `suppressed`."""

    iteration: int
    look: int
    data: dict[str, Any]
    warnings: list[dict[str, str]]
