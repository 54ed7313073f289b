"""The data of a measure in the shapes in which they are entered; what a design makes of them is in `designs/`."""

from typing import Self

from pydantic import Field, model_validator

from analysis.documents.values import Correlation, Count, Document, Key, Number, People, Positive, Spread, UnitId


class Row(Document):
    """One value of one person (or one anonymous answer)."""

    unit: UnitId | None = None
    arm: Key | None = None
    wave: Key
    participant: Key | None = None
    value: Number


class Cell(Document):
    """Unlinked people of one unit, arm and wave: n, mean, SD (n − 1)."""

    unit: UnitId | None = None
    arm: Key | None = None
    wave: Key
    n: People
    mean: Number
    sd: Spread | None = None


class Pair(Document):
    """The same people before and after: means, SDs, correlation (null: unknown)."""

    unit: UnitId | None = None
    arm: Key | None = None
    n: People
    mean: tuple[Number, Number]
    sd: tuple[Spread, Spread]
    r: Correlation | None = None


class Change(Document):
    """The same people's change from baseline to follow-up: n, mean, SD of the change."""

    unit: UnitId | None = None
    arm: Key | None = None
    n: People
    mean: Number
    sd: Spread | None = None


class CountOf(Document):
    """`x` of `n` people."""

    unit: UnitId | None = None
    arm: Key | None = None
    wave: Key
    x: Count
    n: People

    @model_validator(mode="after")
    def _within(self) -> Self:
        if self.x > self.n:
            raise ValueError(f"x = {self.x} is more than n = {self.n}")
        return self


class Categories(Document):
    """People in each category, lowest first."""

    unit: UnitId | None = None
    arm: Key | None = None
    wave: Key
    counts: list[Count] = Field(min_length=2)


class Events(Document):
    """Events over an exposure (clinician-days, clinician-years)."""

    unit: UnitId | None = None
    arm: Key | None = None
    wave: Key
    events: Count
    exposure: Positive


class Point(Document):
    """One month of a series: `t` months from the start (−1: the last before it, 0: the first with it)."""

    unit: UnitId | None = None
    arm: Key | None = None
    t: Number
    value: Number
    exposure: Positive | None = None
    definition: Key | None = Field(
        default=None,
        description="Version of the measure's definition; null is one of its own",
        exclude_if=lambda value: value is None,  # what was kept before there were versions stays as it is
    )


class MeasureData(Document):
    """The data of one measure: exactly one shape."""

    rows: list[Row] | None = None
    cells: list[Cell] | None = None
    pairs: list[Pair] | None = None
    changes: list[Change] | None = None
    counts: list[CountOf] | None = None
    categories: list[Categories] | None = None
    events: list[Events] | None = None
    series: list[Point] | None = None

    @model_validator(mode="after")
    def _one_shape(self) -> Self:
        given = sorted(self.model_fields_set)
        if len(given) != 1:
            raise ValueError(f"a measure's data come in exactly one shape; given: {', '.join(given) or 'none'}")
        return self

    @property
    def shape(self) -> str:
        """The name of the shape that was given."""
        return next(iter(self.model_fields_set))
