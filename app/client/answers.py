"""What the service answers, typed: the fields people use; `raw` is the whole of it.

Fields that a newer service adds are in `raw` and break nothing; what an answer leaves out is None.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Self


@dataclass(frozen=True)
class Answer:
    """An answer or a part of one."""

    raw: Mapping[str, Any] = field(repr=False, compare=False)

    @classmethod
    def of(cls, raw: Mapping[str, Any], **made: Any) -> Self:
        """The fields by their names in `raw`; `made` are those that are no plain values."""
        named = {f.name: raw.get(f.name) for f in fields(cls) if f.init and f.name != "raw"}
        return cls(**{**named, **made, "raw": raw})


@dataclass(frozen=True)
class Estimate(Answer):
    """A posterior in short: mean, SD and the bounds of its interval, which holds `prob` of it."""

    mean: float
    sd: float
    low: float
    high: float
    prob: float
    kind: str

    @classmethod
    def maybe(cls, raw: Mapping[str, Any] | None) -> Self | None:
        """The estimate, where there is one."""
        if not raw or raw.get("mean") is None:
            return None
        interval = raw.get("interval") or {}
        return cls.of(raw, **{name: interval.get(name) for name in ("low", "high", "prob", "kind")})

    def __str__(self) -> str:
        return f"{self.mean:+.2f} [{self.low:+.2f}, {self.high:+.2f}]"


@dataclass(frozen=True)
class Effect(Answer):
    """The effect on one measure: `sd` in SD units oriented to benefit, `natural` in the measure's own unit.

    `adjusted` is `sd` after the bias of the grade; the probabilities are of it.
    """

    measure: str
    role: str
    sd: Estimate | None
    natural: Estimate | None
    adjusted: Estimate | None
    p_benefit: float | None
    p_meaningful: float | None
    p_harm: float | None
    verdict: str | None

    @classmethod
    def read(cls, raw: Mapping[str, Any]) -> Self:
        """The effect of this JSON."""
        estimates = {"sd": "sd", "natural": "raw", "adjusted": "adjusted"}
        return cls.of(raw, **{name: Estimate.maybe(raw.get(key)) for name, key in estimates.items()})


@dataclass(frozen=True)
class Criterion(Answer):
    """One criterion of the rule, and whether it is met (None: not assessed)."""

    name: str
    measure: str | None
    value: float | None
    threshold: float | None
    met: bool | None
    decides: str | None


@dataclass(frozen=True)
class Recommendation(Answer):
    """What the rule that was fixed beforehand recommends, in a word and in a sentence."""

    outcome: str
    provisional: bool
    says: str
    criteria: Sequence[Criterion]

    @classmethod
    def read(cls, raw: Mapping[str, Any]) -> Self:
        """The recommendation of this JSON."""
        return cls.of(raw, criteria=[Criterion.of(c) for c in raw.get("criteria") or []])


@dataclass(frozen=True)
class Gate(Answer):
    """One check of the computation."""

    name: str
    value: float | None
    threshold: float | None
    passed: bool | None


@dataclass(frozen=True)
class Result(Answer):
    """What an analysis found."""

    grade: str
    effects: Sequence[Effect]
    gates: Sequence[Gate]
    recommendation: Recommendation
    warnings: Sequence[Mapping[str, Any]]

    @classmethod
    def read(cls, raw: Mapping[str, Any]) -> Self:
        """The result of this JSON."""
        return cls.of(
            raw,
            effects=[Effect.read(e) for e in raw.get("effects") or []],
            gates=[Gate.of(g) for g in raw.get("gates") or []],
            recommendation=Recommendation.read(raw.get("recommendation") or {}),
            warnings=raw.get("warnings") or [],
        )

    def effect(self, measure: str | None = None) -> Effect:
        """The effect on a measure; of the primary one unless another is named. KeyError names those there are."""
        for effect in self.effects:
            if effect.measure == measure or (measure is None and effect.role == "primary"):
                return effect
        msg = f"there is no effect on {measure or 'a primary measure'}; there are {[e.measure for e in self.effects]}"
        raise KeyError(msg)


@dataclass(frozen=True)
class Wave(Answer):
    """A wave with the response of each arm, as counts and as shares; None where it is not known or not shown."""

    key: str
    kind: str
    invited: Mapping[str, int]
    responded: Mapping[str, int | None]
    response_rate: Mapping[str, float | None]
    attrition: Mapping[str, float | None]
    starts_on: str | None
    ends_on: str | None
    says: str | None


@dataclass(frozen=True)
class EntryFault(Answer):
    """Why something was not accepted: where in the request, or in the row and column of a file (its header is 1)."""

    loc: Sequence[str | int]
    msg: str
    code: str
    row: int | None
    column: str | None


@dataclass(frozen=True)
class FaultKind(Answer):
    """One kind of fault in a file, and in how many rows it is."""

    code: str
    column: str | None
    rows: int
    first_row: int | None
    msg: str


@dataclass(frozen=True)
class Report(Answer):
    """What became of entries or of a file; `entered` says of a file whether the data hold it now.

    `errors` are the first faults, `faults` count all of them by kind, `found` is how the file was read.
    """

    accepted: int
    unchanged: int
    rejected: int
    errors: Sequence[EntryFault]
    errors_left_out: int | None
    faults: Sequence[FaultKind]
    entered: bool | None
    mapping: Mapping[str, Any] | None
    found: str | None
    revision: int | None
    says: str | None

    @classmethod
    def read(cls, raw: Mapping[str, Any]) -> Self:
        """The report of this JSON."""
        return cls.of(
            raw,
            errors=[EntryFault.of(e) for e in raw.get("errors") or []],
            faults=[FaultKind.of(f) for f in raw.get("faults") or []],
        )

    def __str__(self) -> str:
        if self.says:
            return self.says
        counts = f"{self.accepted} accepted, {self.unchanged} unchanged, {self.rejected} rejected"
        return counts if self.entered is not False else f"{counts}; nothing was entered"
