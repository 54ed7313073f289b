"""Requests and answers of rows and summaries."""

from datetime import date
from typing import Annotated, Any, Self

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, model_validator

from analysis.documents import Categories, Cell, Change, CountOf, Document, Events, Number, Pair
from app.forms import Answer, AtInstant, Form, Id, Line, Page
from app.measures.models import Shape


def _measurable(value: float) -> float:
    # Squares are added up by the database: beyond these bounds they overflow, or vanish.
    if value and not SMALLEST <= abs(value) <= LARGEST:
        msg = f"is no value that could be measured: 0, or between {SMALLEST:g} and {LARGEST:g} in size"
        raise ValueError(msg)
    return value


SMALLEST, LARGEST = 1e-12, 1e12
Value = Annotated[Number, AfterValidator(_measurable)]
Pseudonym = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]


class RowIn(Form):
    """One value; `arm` may be left out where the plan or an allocation has it, or chance has yet to assign it."""

    value: Value
    unit_id: Id | None = None
    arm: Line | None = None
    participant: Pseudonym | None = Field(
        default=None, description="A pseudonym, the same at every wave; never a name or an address"
    )
    collected_on: date | None = None


class MeasurementsIn(Form):
    """Rows of one measure at one wave."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "measure": "mbi_ee",
                    "wave": "pre",
                    "rows": [
                        {"value": 27, "arm": "intervention", "participant": "p-014"},
                        {"value": 31, "arm": "control", "participant": "p-015"},
                    ],
                }
            ]
        }
    )
    measure: Line
    wave: Line
    rows: list[RowIn] = Field(min_length=1, max_length=100_000)


class Month(Document):
    """A month of a series; by which definition it was measured is kept apart."""

    unit: Id | None = None
    arm: Line | None = None
    t: Number
    value: Number
    exposure: Annotated[float, Field(gt=0, le=LARGEST)] | None = None


NO_SHAPES = frozenset({"measure", "wave"})
WITHOUT_WAVE = frozenset({"pairs", "changes"})


class SummariesIn(Form):
    """Summaries of one measure in exactly one shape."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "measure": "mbi_ee",
                    "changes": [
                        {"arm": "intervention", "n": 41, "mean": -5.2, "sd": 8.7},
                        {"arm": "control", "n": 41, "mean": 1.5, "sd": 7.7},
                    ],
                },
                {
                    "measure": "mbi_burnout",
                    "counts": [
                        {"arm": "intervention", "wave": "post", "x": 19, "n": 51},
                        {"arm": "control", "wave": "post", "x": 24, "n": 56},
                    ],
                },
            ]
        }
    )
    measure: Line
    wave: Line | None = Field(
        default=None, description="Of pairs and changes: the retention wave they lead to; default: the follow-up"
    )
    cells: list[Cell] | None = Field(default=None, description="n, mean and SD of unlinked people per arm and wave")
    pairs: list[Pair] | None = Field(default=None, description="the same people before and after: means, SDs, r")
    changes: list[Change] | None = Field(default=None, description="n, mean and SD of the change per arm")
    counts: list[CountOf] | None = Field(default=None, description="x of n people per arm and wave")
    categories: list[Categories] | None = Field(default=None, description="people in each category, lowest first")
    events: list[Events] | None = Field(default=None, description="events over an exposure")
    series: list[Month] | None = Field(default=None, description="monthly values")

    @model_validator(mode="after")
    def _one_shape(self) -> Self:
        given = sorted(self.model_fields_set - NO_SHAPES)
        if len(given) != 1 or not getattr(self, given[0]):
            msg = f"give exactly one of cells, pairs, changes, counts …, not empty; given: {', '.join(given) or 'none'}"
            raise ValueError(msg)
        if self.wave is not None and given[0] not in WITHOUT_WAVE:
            msg = f"wave is of pairs and changes, which name none; each entry of {given[0]} has its own"
            raise ValueError(msg)
        return self

    @property
    def shape(self) -> str:
        """The name of the shape that was given."""
        return next(iter(self.model_fields_set - NO_SHAPES))

    @property
    def entries(self) -> list[Any]:
        """The entries in that shape."""
        entries: list[Any] = getattr(self, self.shape)
        return entries


class EntryFault(Answer):
    """Why an entry was not accepted, and where."""

    loc: list[str | int]
    msg: str
    code: str


class WithdrawnIn(Answer):
    """How many values stay out because a revision withdrew them, and why it did."""

    revision: int
    reason: str | None
    values: int


class EntryReport(Answer):
    """What became of the entries."""

    accepted: int
    unchanged: int
    rejected: int
    errors: list[EntryFault]


class RowReport(EntryReport):
    """What became of rows."""

    withdrawn: int = Field(default=0, description="Values that were withdrawn before and stay out")
    withdrawn_in: list[WithdrawnIn] = Field(default=[], description="The revisions that withdrew them")
    deleted: int = Field(default=0, description="Values of people who were deleted on request: they stay out")
    warnings: list[dict[str, str]] = Field(default=[], description="What stays out, and what would bring it back")


class MeasurementOut(Answer):
    """One value as it was entered.

    With `suppressed` it stands for all rows of a measure, wave and arm that are not shown, and has nothing else.
    """

    id: str | None
    iteration: int
    measure: str
    wave: str
    arm: str
    unit_id: str | None
    participant: str | None
    value: float | None
    collected_on: date | None
    created_by: str | None
    created_at: AtInstant | None
    suppressed: bool = False


class MeasurementPage(Page[MeasurementOut]):
    """Rows; after the last of them one entry for each measure, wave and arm with rows that are not shown."""

    warnings: list[dict[str, str]] = Field(default=[], description="What is not shown, and why")


class SummaryOut(Answer):
    """One entry of a summary as it was entered, in its shape; of a cell that is not shown only where it belongs."""

    id: str
    iteration: int
    measure: str
    shape: Shape
    wave: str | None = Field(description="Of pairs and changes: the retention wave they lead to; null: the follow-up")
    content: dict[str, Any]
    created_by: str
    created_at: AtInstant
    suppressed: bool = False


class SummaryPage(Page[SummaryOut]):
    """Summaries, and what is not shown of them."""

    warnings: list[dict[str, str]] = Field(default=[], description="What is not shown, and why")


class SufficientStatistics(Answer):
    """The data of each measure as an analysis would take them now; cells that are not shown are marked `suppressed`."""

    iteration: int
    revision: int = Field(description="The revision of the data: each entry and each correction is one")
    data: dict[str, Any]
    warnings: list[dict[str, str]]
