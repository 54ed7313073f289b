"""How a file's columns and words are to be understood: the form people give once and that is remembered."""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, model_validator

from app.forms import Form, Id, Line

MOST = 10_000
LONGEST_NAME = 1000
Header = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=LONGEST_NAME)]
Text = Annotated[str, StringConstraints(max_length=LONGEST_NAME)]
Layout = Literal["wide", "long", "redcap"]
Encoding = Literal["utf-8", "utf-16", "windows-1252", "windows-1250", "iso-8859-1", "iso-8859-15", "macintosh"]
Delimiter = Literal[",", ";", "\t", "|"]
Decimal = Literal[".", ","]
DATE_WORDS = frozenset({"iso", "dmy", "mdy"})
NO_ANSWER = ["", "NA", "N/A", "NaN", "NULL", "."]


def _pattern(given: str) -> str:
    if given in DATE_WORDS:
        return given
    if "%y" in given:
        msg = "years have four digits (%Y): of two it cannot be told which century is meant"
        raise ValueError(msg)
    day = datetime(2013, 4, 25)  # noqa: DTZ001 - a day to try the pattern with, in no zone
    try:
        if datetime.strptime(day.strftime(given), given).date() == day.date():  # noqa: DTZ007 - the same
            return given
    except ValueError:
        pass
    msg = "is iso, dmy, mdy, or a pattern of day, month and year such as %d.%m.%Y"
    raise ValueError(msg)


class ValueColumn(Form):
    """A column of answers to one measure at one wave."""

    column: Header
    measure: Line
    wave: Line


class EventPlace(Form):
    """The wave that a REDCap event is of; the arm, where the event has one of its own."""

    wave: Line
    arm: Line | None = None


class Mapping(Form):
    """How a file is to be read. What is null is found out; what cannot be told for certain must be stated.

    Columns are named as in the header, without regard to case and spaces around. A name that stands there twice, or
    a column without one, is named with its letter: `score (column C)`, `(column D)`.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "layout": "wide",
                    "participant": "Code",
                    "arm": "Group",
                    "arms": {"Gruppe A": "intervention", "Warteliste": "control"},
                    "values": [
                        {"column": "MBI EE before", "measure": "mbi_ee", "wave": "pre"},
                        {"column": "MBI EE after", "measure": "mbi_ee", "wave": "post"},
                    ],
                    "decimal": ",",
                },
                {
                    "layout": "long",
                    "participant": "id",
                    "unit": "team",
                    "date": "answered",
                    "date_format": "dmy",
                    "measure": "mbi_ee",
                    "wave_column": "time",
                    "waves": {"T0": "pre", "T1": "post"},
                    "value_column": "score",
                    "missing": ["", "NA", "-99"],
                },
                {
                    "layout": "redcap",
                    "events": {
                        "baseline_arm_1": {"wave": "pre", "arm": "intervention"},
                        "followup_arm_1": {"wave": "post", "arm": "intervention"},
                        "baseline_arm_2": {"wave": "pre", "arm": "control"},
                        "followup_arm_2": {"wave": "post", "arm": "control"},
                    },
                    "fields": {"ee_total": "mbi_ee"},
                },
            ]
        }
    )
    layout: Layout = Field(
        description="wide: a column a measure and wave; long: a row an answer; redcap: a row an event"
    )
    encoding: Encoding | None = None
    delimiter: Delimiter | None = None
    decimal: Decimal | None = None
    date_format: Annotated[str, StringConstraints(max_length=40), AfterValidator(_pattern)] | None = Field(
        default=None, description="iso, dmy, mdy or a pattern such as %d.%m.%Y; without it only ISO dates are read"
    )
    sheet: Annotated[str, StringConstraints(min_length=1, max_length=100)] | None = None
    header_row: int = Field(default=1, ge=1, le=1000, description="The row with the names of the columns")
    missing: list[Text] = Field(
        default=NO_ANSWER, max_length=100, description="Texts that mean no answer; an empty cell always does"
    )
    participant: Header | None = None
    unit: Header | None = None
    arm: Header | None = None
    date: Header | None = None
    arms: dict[Header, Line] = Field(default={}, max_length=MOST, description="Text in the file → arm of the plan")
    units: dict[Header, Id] = Field(default={}, max_length=MOST, description="Text in the file → id of the unit")
    values: list[ValueColumn] = Field(default=[], max_length=1000, description="wide: the columns of answers")
    value_column: Header | None = Field(default=None, description="long: the column of the answers")
    measure_column: Header | None = None
    measure: Line | None = Field(default=None, description="long: the measure of the whole file")
    measures: dict[Header, Line] = Field(default={}, max_length=MOST, description="long: text → measure")
    wave_column: Header | None = None
    wave: Line | None = Field(default=None, description="long: the wave of the whole file")
    waves: dict[Header, Line] = Field(default={}, max_length=MOST, description="long: text → wave of the plan")
    record: Header | None = Field(default=None, description="redcap: the column that names people; null: the first")
    event: Header = "redcap_event_name"
    events: dict[Header, EventPlace] = Field(default={}, max_length=MOST, description="redcap: event → wave")
    fields: dict[Header, Line] = Field(default={}, max_length=MOST, description="redcap: field → measure")
    codes: dict[Header, dict[Header, float]] = Field(
        default={}, max_length=1000, description="Numbers of words, by column (wide, redcap) or measure (long)"
    )

    @model_validator(mode="after")
    def _keeps_people_apart(self) -> Self:
        # What stands in other columns is repeated in messages.
        people = {name.casefold() for name in (self.participant, self.record) if name}
        others = [self.unit, self.arm, self.date, self.measure_column, self.wave_column, self.value_column]
        others += [value.column for value in self.values] + list(self.fields)
        for name in others:
            if name and name.casefold() in people:
                msg = f"the column {name!r} names people; it cannot hold anything else"
                raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _fits_its_layout(self) -> Self:
        if self.layout == "wide" and not self.values:
            msg = "a wide file needs values: a column, its measure and its wave, for each column of answers"
            raise ValueError(msg)
        if self.layout == "long":
            if self.value_column is None:
                msg = "a long file needs value_column, the column of the answers"
                raise ValueError(msg)
            if (self.measure_column is None) == (self.measure is None):
                msg = "a long file needs either measure_column or, when all is of one measure, measure"
                raise ValueError(msg)
            if (self.wave_column is None) == (self.wave is None):
                msg = "a long file needs either wave_column or, when all is of one wave, wave"
                raise ValueError(msg)
        if self.layout == "redcap" and not (self.events and self.fields):
            msg = "a REDCap export needs events (event → wave) and fields (field → measure)"
            raise ValueError(msg)
        if self.layout == "redcap" and self.participant is not None:
            msg = "in a REDCap export people are named by record, not participant"
            raise ValueError(msg)
        return self
