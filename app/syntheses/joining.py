"""Whose entry stands where several organizations report the same: pure, on the entries of an intervention.

The library joins entries of one organization or one source into one study. Here it is seen to that all of them were
reported by the same organization, so that nobody changes a study by what they report of it, and that nobody's number
of entries keeps others from pooling theirs.
"""

from collections import Counter
from collections.abc import Sequence
from itertools import count

from analysis.evidence import Evidence
from app.syntheses.schemas import EvidenceKind, EvidenceOut, LeftOut

LONGEST_NAME = 100
"""Of an organization or a source in the library's document."""


def each_study_once(entries: Sequence[EvidenceOut]) -> list[EvidenceOut]:
    """The entries with those left out whose study another organization reported: it stands as its own reporter has it.

    A signed decision comes first, then what was reported first. What others say of an organization gives way to what
    it says of itself.
    """
    counted = [entry for entry in entries if entry.left_out is None]
    known = _themselves(counted)
    held: dict[tuple[str, str], EvidenceOut] = {}
    left_out: dict[str, LeftOut] = {}

    def hearsay(entry: EvidenceOut) -> bool:
        return not _of_itself(entry) and folded(entry.organization) in known

    for entry in sorted(counted, key=lambda e: (hearsay(e), *_age(e))):
        keys = [("source", as_compared(entry.source)), ("organization", _identity(entry, known))]
        first = {what: held[what, name] for what, name in keys if (what, name) in held}
        others = {what: e for what, e in first.items() if e.reporter_id != entry.reporter_id}
        if others:
            left_out[entry.id] = _stands_elsewhere(entry, others)
        else:
            held.update({key: entry for key in keys if key not in held})
    return _marked(entries, left_out)


def within(entries: Sequence[EvidenceOut], owner: str | None, most: int) -> list[EvidenceOut]:
    """The entries with those left out that are too many to be pooled: whoever reports many loses of its own.

    What the owner of the intervention reported, what was signed and the oldest entry of every other organization stay
    always, even where they are too many: nobody crowds out another. The places left are given in turns.
    """
    counted = [entry for entry in entries if entry.left_out is None]
    given: Counter[str] = Counter()
    turns = []
    for entry in sorted(counted, key=_age):
        stays = entry.reporter_id == owner or entry.kind is EvidenceKind.DECISION
        turns.append((0 if stays else given[entry.reporter_id], entry.id))
        given[entry.reporter_id] += 1
    message = f"no more than {most} entries are pooled at once, in turns of the organizations that reported them"
    beyond = [entry_id for turn, entry_id in sorted(turns)[most:] if turn]
    return _marked(entries, dict.fromkeys(beyond, LeftOut(code="too_many", message=message)))


def as_studies(counted: Sequence[EvidenceOut]) -> list[Evidence]:
    """The entries that count, as the library reads them: under names that tell apart what is not one organization."""
    known, labels = _themselves(counted), dict[str, str]()
    for entry in counted:
        identity = _identity(entry, known)
        if identity not in labels:
            labels[identity] = _label(entry.organization, {folded(label) for label in labels.values()})
    return [
        Evidence(
            organization=labels[_identity(entry, known)],
            effect_sd=entry.effect_sd,
            se_sd=entry.se_sd,
            grade=entry.grade,
            role=entry.role,
            source=as_compared(entry.source),
        )
        for entry in counted
    ]


def as_compared(source: str) -> str:
    """A source as it tells studies apart: case, blanks and a full stop at its end make no other study of it."""
    # Folding may lengthen a text ("ß"), so it is cut afterwards.
    return " ".join(source.casefold().split())[:LONGEST_NAME].rstrip(". ") or source


def folded(name: str) -> str:
    """Names that differ in case or blanks are one name."""
    return " ".join(name.split()).casefold()


def _age(entry: EvidenceOut) -> tuple[bool, str]:
    """By age, decisions first: a later look of a pilot takes the place of an earlier one, but is no newer study."""
    return entry.kind is not EvidenceKind.DECISION, entry.id


def _of_itself(entry: EvidenceOut) -> bool:
    return entry.organization_id == entry.reporter_id


def _themselves(entries: Sequence[EvidenceOut]) -> dict[str, str]:
    """Ids of the organizations that speak for themselves here, by name; of one name the one that was first."""
    return {folded(e.organization): str(e.organization_id) for e in reversed(entries) if _of_itself(e)}


def _identity(entry: EvidenceOut, known: dict[str, str]) -> str:
    """Which organization an entry is of: names are free, so that a registered one is known by its id alone."""
    name = folded(entry.organization)
    return entry.organization_id or known.get(name, f"named {name}")


def _label(name: str, taken: set[str]) -> str:
    """The name, with a number where another organization has it already."""
    numbered = (name[:LONGEST_NAME] if n == 1 else f"{name[: LONGEST_NAME - 10]} ({n})" for n in count(1))
    return next(label for label in numbered if folded(label) not in taken)


def _stands_elsewhere(entry: EvidenceOut, others: dict[str, EvidenceOut]) -> LeftOut:
    if stands := others.get("source"):
        message = (
            f"{stands.kind.value} {stands.id} of {stands.organization} names the source {entry.source!r} too and "
            "counts once, as that one has it; other people are reported under a source of their own"
        )
        return LeftOut(code="source_elsewhere", message=message)
    stands = others["organization"]
    whose = "its own" if _of_itself(stands) else "reported first by another organization"
    message = f"{stands.organization} counts once, by {stands.kind.value} {stands.id}, {whose}"
    return LeftOut(code="organization_elsewhere", message=message)


def _marked(entries: Sequence[EvidenceOut], left_out: dict[str, LeftOut]) -> list[EvidenceOut]:
    return [
        entry.model_copy(update={"left_out": left_out[entry.id]}) if entry.id in left_out else entry
        for entry in entries
    ]
