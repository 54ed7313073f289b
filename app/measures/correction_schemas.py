"""Requests and answers of corrections and revisions."""

from datetime import date
from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field, model_validator

from app.forms import Answer, AtInstant, Form, Id, Line, Note
from app.measures.models import RevisionKind, Shape
from app.measures.schemas import Pseudonym, Value

MOST = 10_000


class CorrectionIn(Form):
    """One value or summary, and what it should have been; `withdraw` takes it back without another in its place."""

    measurement_id: Id | None = None
    participant: Pseudonym | None = Field(default=None, description="With measure and wave, instead of an id")
    measure: Line | None = None
    wave: Line | None = None
    value: Value | None = None
    collected_on: date | None = None
    summary_id: Id | None = None
    content: dict[str, Any] | None = Field(default=None, description="Of a summary: the entry as it should have been")
    withdraw: bool = False

    @model_validator(mode="after")
    def _one_target_and_one_deed(self) -> Self:
        person = self.participant is not None and self.measure is not None and self.wave is not None
        partly = {self.participant, self.measure, self.wave} != {None}
        if (self.measurement_id is not None) + (self.summary_id is not None) + partly != 1 or partly is not person:
            msg = "name what is corrected: measurement_id, or participant with measure and wave, or summary_id"
            raise ValueError(msg)
        new = self.content if self.summary_id is not None else self.value
        other = self.value if self.summary_id is not None else self.content
        given = new is not None or (self.collected_on is not None and self.summary_id is None)
        if given is self.withdraw or other is not None or (self.summary_id and self.collected_on):
            msg = "give the new `value` (or `collected_on`; of a summary `content`), or `withdraw: true`; not both"
            raise ValueError(msg)
        return self


class CorrectionsIn(Form):
    """Corrections that belong together, and why they are made."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "reason": "typed 72 for 27; checked against the paper form",
                    "corrections": [{"participant": "p-014", "measure": "mbi_ee", "wave": "pre", "value": 27}],
                }
            ]
        }
    )
    reason: Note
    corrections: Annotated[list[CorrectionIn], Field(min_length=1, max_length=MOST)]


class WithdrawalIn(Form):
    """Why a whole revision is taken back."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "the file of another pilot"}]})
    reason: Note


class RevisionOut(Answer):
    """One change of the data of an iteration."""

    iteration: int
    number: int
    kind: RevisionKind
    reason: str | None
    source: str | None = Field(description="Of an import: the name of the file")
    sha256: str | None = Field(description="Of an import: of its file; null for who may not enter measures")
    entries: int | None = Field(description="Null where so few people are not told")
    created_by: str
    created_at: AtInstant


class CorrectionReport(RevisionOut):
    """What became of the corrections; `unchanged` ones said what stands already."""

    corrected: int
    withdrawn: int
    unchanged: int


class CorrectedOut(Answer):
    """One value that was corrected: what stood, and what came in its place (null: nothing, it was withdrawn).

    With `suppressed` only where it belongs: it is, or was, of a group of too few people.
    """

    id: str
    revision: int
    measure: str
    wave: str | None
    arm: str | None
    unit_id: str | None
    participant: str | None
    before: float | None
    after: float | None
    collected_on_before: date | None
    collected_on_after: date | None
    reason: str
    created_by: str
    created_at: AtInstant
    suppressed: bool = False


class CorrectedSummaryOut(Answer):
    """One summary that was corrected, or withdrawn (`after` null)."""

    id: str
    revision: int
    measure: str
    shape: Shape
    before: dict[str, Any]
    after: dict[str, Any] | None
    reason: str
    created_by: str
    created_at: AtInstant
    suppressed: bool = False
