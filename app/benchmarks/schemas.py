"""Requests and answers of benchmarks."""

from datetime import date
from typing import Annotated, Self

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from app.forms import Answer, AtInstant, CatalogueKey, Form, Id, Line, Note

# Squares of what lies beyond have no digits to spare.
Size = Annotated[float, Field(ge=-1e12, le=1e12)]
Source = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]


class BenchmarkIn(Form):
    """How a measure lies in a group in a period, and by whose data."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "measure": "mbi_ee",
                    "specialty": "internal medicine",
                    "occupation": "physician",
                    "period_start": "2025-01-01",
                    "period_end": "2025-12-31",
                    "mean": 24.1,
                    "sd": 11.2,
                    "n": 812,
                    "source": "National physician survey 2025, table 2 (synthetic)",
                }
            ]
        }
    )
    measure: CatalogueKey = Field(description="Key of the measure (GET /v1/measures)")
    specialty: Line | None = Field(default=None, description="As the units say it; empty: of all specialties")
    occupation: Line | None = Field(default=None, description="As the units say it; empty: of all occupations")
    period_start: date = Field(description="The first day on which it was collected; of a year its 1 January")
    period_end: date = Field(description="The last day on which it was collected")
    mean: Size = Field(description="In the measure's own unit")
    sd: Annotated[float, Field(gt=1e-9, le=1e12)] = Field(description="Between people, no standard error")
    n: Annotated[int, Field(ge=2, le=10**9)] = Field(description="People it is of")
    source: Source
    note: Note | None = None
    replaces: Id | None = Field(default=None, description="The benchmark this one corrects")
    reason: Note | None = Field(default=None, description="Why it had to be corrected")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.period_end < self.period_start:
            msg = f"period_end {self.period_end} is before period_start {self.period_start}"
            raise ValueError(msg)
        if (self.replaces is None) is not (self.reason is None):
            msg = "a benchmark that replaces another says which (replaces) and why (reason)"
            raise ValueError(msg)
        return self


class BenchmarkOut(Answer):
    """A benchmark; `organization_id` null: shared by all."""

    id: str
    organization_id: str | None
    measure: str
    specialty: str | None
    occupation: str | None
    period_start: date
    period_end: date
    mean: float
    sd: float
    n: int
    source: str
    note: str | None
    replaces: str | None
    reason: str | None
    replaced_by: str | None = Field(description="The benchmark that corrects this one; null: it holds")
    created_by: str
    created_at: AtInstant
