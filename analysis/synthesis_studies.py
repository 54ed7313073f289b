"""From entries of evidence to the studies that are pooled: what cannot be is refused, nobody counts twice. Pure.

Entries of one organization, or of one source, are one study. Its estimate is the inverse-variance mean of its entries.
How much they tell beyond one of them depends on whether they are other people: entries that each name a source of their
own are taken as independent pilots, all others as the same people reported again (errors fully correlated, so that
entering a study twice changes nothing). The bias of an organization's designs is taken as shared in either case.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from analysis.designs.prepared import Note
from analysis.errors import Refused
from analysis.evidence import Evidence, EvidenceRole, Retained
from analysis.grade import BIAS

SMALLEST_SE, LARGEST_VALUE = 1e-6, 1e3
"""Outside of these no estimate in SD units lies."""
UNUSUAL_EFFECT = 3.0
"""Beyond this an effect is warned about: hardly any is so large in SD units."""


@dataclass(frozen=True)
class Study:
    """What one organization found, bias of the designs taken into account; `entries` are positions in the evidence.

    `effect` is the estimate less the mean of the bias, `variance` SE² + SD² of the bias. `grade` is the worst of its
    entries; the role is `origin` as soon as one entry says so: the origin never proves an adoption.
    """

    entries: tuple[int, ...]
    organization: str
    role: EvidenceRole
    grade: str
    effect: float
    variance: float

    @cached_property
    def adopter(self) -> bool:
        """True for an organization that took the intervention over."""
        return self.role is EvidenceRole.ADOPTER


def checked(evidence: Sequence[Evidence], retained: Retained | None) -> list[Note]:
    """Refuse evidence that is none or no estimate; warnings about what is unusual."""
    if not evidence:
        raise Refused(
            "no_evidence",
            "There is no evidence to pool.",
            "Give an entry for each organization with its effect and standard error in SD units.",
        )
    named: list[tuple[str, Evidence | Retained]] = [(e.organization, e) for e in evidence]
    if retained is not None:
        named.append(("retained", retained))
    for name, entry in named:
        if entry.se_sd <= 0:
            raise Refused(
                "se_not_positive",
                f"{name}: the standard error is {entry.se_sd:g}; no study is without error.",
                "Give the standard error of the effect in SD units, above 0.",
            )
        if entry.se_sd < SMALLEST_SE or max(entry.se_sd, abs(entry.effect_sd)) > LARGEST_VALUE:
            raise Refused(
                "not_sd_units",
                f"{name}: {entry.effect_sd:g} with standard error {entry.se_sd:g} is no effect in SD units.",
                "Divide effect and standard error by the measure's reference SD.",
            )
    large = [name for name, entry in named if abs(entry.effect_sd) > UNUSUAL_EFFECT]
    if not large:
        return []
    message = f"More than {UNUSUAL_EFFECT:g} SD at {', '.join(large)}: are these effects in SD units?"
    return [Note("unusual_effect", message)]


def studies(evidence: Sequence[Evidence], *, bias: bool) -> tuple[list[Study], list[Note]]:
    """The distinct studies in the order of their first entries, with a warning for every one of several entries."""
    found = [_study(evidence, group, bias=bias) for group in _groups(evidence)]
    notes = []
    for study in found:
        if len(study.entries) > 1:
            how = "as independent pilots" if _independent(evidence, study.entries) else "as the same people"
            message = (
                f"{len(study.entries)} entries of {study.organization} count as one organization, pooled {how}; "
                f"grade {study.grade}, {study.role.value}. "
                "Entries that each name a source of their own are taken as independent."
            )
            notes.append(Note("counted_once", message))
    return found, notes


def entry_moments(entry: Evidence | Retained, grade: str, *, bias: bool) -> tuple[float, float]:
    """An entry's estimate less the mean of the bias, and its variance with that of the bias."""
    mean, sd = BIAS[grade] if bias else (0.0, 0.0)
    return entry.effect_sd - mean, entry.se_sd**2 + sd**2


def _groups(evidence: Sequence[Evidence]) -> list[tuple[int, ...]]:
    """Positions of entries that share an organization or a source, directly or through others."""
    groups: list[tuple[set[str], list[int]]] = []
    for i, entry in enumerate(evidence):
        keys = {f"organization {_folded(entry.organization)}"}
        if entry.source is not None:
            keys.add(f"source {_folded(entry.source)}")
        linked = [g for g in groups if g[0] & keys]
        merged = (keys.union(*(g[0] for g in linked)), sorted([i, *(j for g in linked for j in g[1])]))
        groups = [g for g in groups if g not in linked] + [merged]
    return sorted(tuple(positions) for _, positions in groups)


def _folded(name: str) -> str:
    """Names that differ in case or blanks are one name."""
    return " ".join(name.split()).casefold()


def _sources_differ(a: Evidence, b: Evidence) -> bool:
    return a.source is not None and b.source is not None and _folded(a.source) != _folded(b.source)


def _independent(evidence: Sequence[Evidence], group: tuple[int, ...]) -> bool:
    return all(_sources_differ(evidence[i], evidence[j]) for i in group for j in group if i < j)


def _study(evidence: Sequence[Evidence], group: tuple[int, ...], *, bias: bool) -> Study:
    entries = [evidence[i] for i in group]
    moments = [entry_moments(e, e.grade, bias=bias) for e in entries]
    least = min(variance for _, variance in moments)
    relative = [least / variance for _, variance in moments]
    weights = [r / sum(relative) for r in relative]
    sampling = sum(
        weights[i] * weights[j] * a.se_sd * b.se_sd
        for i, a in enumerate(entries)
        for j, b in enumerate(entries)
        if i == j or not _sources_differ(a, b)
    )
    shared = sum(w * (BIAS[e.grade][1] if bias else 0.0) for w, e in zip(weights, entries, strict=True))
    names = list(dict.fromkeys(e.organization for e in entries))
    origin = any(e.role is EvidenceRole.ORIGIN for e in entries)
    return Study(
        entries=group,
        organization=names[0] if len({_folded(n) for n in names}) == 1 else " and ".join(names),
        role=EvidenceRole.ORIGIN if origin else EvidenceRole.ADOPTER,
        grade=max(e.grade for e in entries),
        effect=sum(w * effect for w, (effect, _) in zip(weights, moments, strict=True)),
        variance=sampling + shared**2,
    )
