"""Requests and answers of monthly series."""

from typing import Annotated, Self

from pydantic import ConfigDict, Field, model_validator

from analysis.documents import Number
from app.catalog.months import Month
from app.forms import Answer, Form, Id, Line
from app.measures.schemas import EntryReport, Value

T_ZERO = (
    "The month in which t is 0, the same for all series of an iteration. An analysis counts from the month in which "
    "the treated units start (starts_on in the plan); where the plan does not say, from this one"
)


class SeriesPointIn(Form):
    """A month of a unit."""

    unit: Id | None = None
    arm: Line | None = Field(default=None, description="May be left out where the plan or an allocation has it")
    month: Month | None = Field(default=None, description='As in "2026-03"')
    t: Number | None = Field(default=None, description="Instead of the month: months since the one in which t is 0")
    value: Value = Field(description="The mean of the month (a duration), or how many (a count)")
    exposure: Annotated[float, Field(gt=0, le=1e12)] | None = Field(
        default=None, description="Over what it was counted: clinician-days, say"
    )
    definition: Line | None = Field(
        default=None, description="The version it was measured by; empty: the one of its month"
    )

    @model_validator(mode="after")
    def _one_time(self) -> Self:
        if (self.month is None) is (self.t is None):
            msg = "give either month or t"
            raise ValueError(msg)
        return self


class SeriesIn(Form):
    """Months of one measure."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "measure": "ehr_wow8",
                    "series": [
                        {"arm": "intervention", "month": "2026-01", "value": 61.5, "exposure": 420},
                        {"arm": "intervention", "month": "2026-02", "value": 58.9, "exposure": 401},
                    ],
                }
            ]
        }
    )
    measure: Line
    starts: Month | None = Field(default=None, description=f"{T_ZERO}; empty: the first month that is entered")
    series: list[SeriesPointIn] = Field(min_length=1, max_length=100_000)


class SeriesReport(EntryReport):
    """What became of the months."""

    starts: str | None = Field(description=T_ZERO)
    warnings: list[dict[str, str]] = Field(description="Months that are missing in between, and changed definitions")


class ObservedOut(Answer):
    """A point; `month` null where nobody said in which month t is 0, `definition` null where none is known."""

    t: float
    month: str | None
    value: float
    exposure: float | None
    definition: str | None


class SegmentOut(Answer):
    """Points in a row that were measured by one definition, first and last; only they are comparable."""

    definition: str | None
    from_t: float
    to_t: float
    from_month: str | None
    to_month: str | None
    points: int


class InterruptionOut(Answer):
    """The first point measured by another definition than the one before it."""

    t: float
    month: str | None
    before: str | None
    after: str | None


class GapOut(Answer):
    """Months in a row without a point, the first and the last of them."""

    from_t: float
    to_t: float
    from_month: str | None
    to_month: str | None


class OneSeries(Answer):
    """The months of a unit in an arm."""

    unit: str | None
    arm: str
    points: list[ObservedOut]
    segments: list[SegmentOut]
    interruptions: list[InterruptionOut] = Field(
        description="Where the definition changes: a model of the series takes a step of its own at each t"
    )
    gaps: list[GapOut]


class SeriesOut(Answer):
    """The monthly series of a measure."""

    iteration: int
    measure: str
    starts: str | None = Field(description=T_ZERO)
    series: list[OneSeries]
    warnings: list[dict[str, str]]
