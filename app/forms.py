"""The words requests and answers are made of: strict forms, text types, pages; no resource lives here."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, PlainSerializer, StringConstraints


def instant_text(at: datetime) -> str:
    """An instant as every answer and event writes it: RFC 3339 in UTC, ending in Z."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _in_utc(at: datetime) -> datetime:
    try:
        return at.astimezone(UTC)
    except OverflowError:
        msg = "lies outside the years 1 to 9999 in UTC"
        raise ValueError(msg) from None


# What no database can hold (NUL, half a surrogate pair) is refused for the whole request, in requests.py.
Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Prose = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=20_000)]
Note = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]
CatalogueKey = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,99}$")]
Id = Annotated[str, StringConstraints(min_length=1, max_length=36)]
# Below 2**53: no JSON reader rounds what is smaller.
Seed = Annotated[int, Field(ge=0, lt=2**53)]
When = Annotated[AwareDatetime, AfterValidator(_in_utc)]
AtInstant = Annotated[
    datetime,
    PlainSerializer(instant_text, return_type=str),
]


class Form(BaseModel):
    """A request body: unknown fields, NaN and infinities are refused."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Answer(BaseModel):
    """A response body, read off a row."""

    model_config = ConfigDict(from_attributes=True)


class Page[Item](BaseModel):
    """One page of a list; ask again with `cursor=next_cursor` until it is null."""

    items: list[Item]
    next_cursor: str | None = Field(default=None, description="Pass as `cursor` for the next page; null: the end")
