"""What every document is made of: numbers and keys within their bounds, the frozen form, the hash of its content."""

import hashlib
import json
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


def _number(value: object) -> object:
    """Refuse what only looks like a number: `true` is not 1, and "50" may be a column too far."""
    if isinstance(value, bool | str):
        raise ValueError(f"a number is needed, not {json.dumps(value)}")  # noqa: TRY004 - pydantic wants ValueError
    return value


LARGEST = 1e12
"""Beyond this no measurement lies, and squares still have digits to spare."""
Number = Annotated[float, Field(ge=-LARGEST, le=LARGEST), BeforeValidator(_number)]
Spread = Annotated[float, Field(ge=0, le=LARGEST), BeforeValidator(_number)]
Correlation = Annotated[float, Field(ge=-1, le=1), BeforeValidator(_number)]
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=0, le=10**9), BeforeValidator(_number)]
PriorMean = Annotated[float, Field(ge=-100, le=100)]
PriorSpread = Annotated[float, Field(ge=1e-3, le=1e3)]
"""In SD units: what lies outside is another unit or a slip."""
People = Annotated[int, Field(ge=1, le=10**9), BeforeValidator(_number)]
Key = Annotated[str, Field(min_length=1, max_length=100)]
UnitId = Annotated[str, Field(min_length=1, max_length=100)]


class Document(BaseModel):
    """A frozen form that refuses unknown fields, NaN and infinities."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def content_hash(document: object) -> str:
    """SHA-256 (hex) of the canonical JSON of `document`: sorted keys, no blanks."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
