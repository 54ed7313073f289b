"""The words requests and answers are made of: strict forms, text types, pages; no resource lives here."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer, StringConstraints


def _storable(text: str) -> str:
    if "\x00" in text:
        msg = "must not contain NUL characters"
        raise ValueError(msg)
    try:
        text.encode()
    except UnicodeEncodeError:
        msg = "must be valid Unicode text (it has half of a surrogate pair)"
        raise ValueError(msg) from None
    return text


Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), AfterValidator(_storable)]
Prose = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=20_000), AfterValidator(_storable)
]
CatalogueKey = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,99}$")]
Id = Annotated[str, StringConstraints(min_length=1, max_length=36), AfterValidator(_storable)]
AtInstant = Annotated[
    datetime,
    PlainSerializer(lambda at: at.astimezone(UTC).isoformat().replace("+00:00", "Z"), return_type=str),
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
