"""A mapping guessed from the names of the columns, where they leave no doubt; else one to start from."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from app.imports.reading.facts import Cell, Known
from app.imports.reading.lookup import fold, text_of
from app.imports.reading.mapping import LONGEST_NAME, EventPlace, Mapping, ValueColumn

PEOPLE: dict[str, tuple[str, ...]] = {
    "participant": ("participant", "participant_id", "pseudonym", "record_id", "respondent", "subject", "code", "id"),
    "unit": ("unit_id", "unit", "team", "ward", "clinic"),
    "arm": ("arm", "group"),
    "date": ("collected_on", "date"),
}
MEASURE, WAVE, VALUE = ("measure",), ("wave", "time", "timepoint"), ("value", "score")
EVENT = "redcap_event_name"
EVENT_NAME = re.compile(r"(.+)_arm_\d+")


def suggest(columns: Sequence[str], rows: Sequence[Sequence[Cell]], known: Known) -> Mapping | None:
    """The mapping that the names of the columns tell, or None.

    Told are: REDCap's event column with events named after waves; columns called measure, wave and value; a column
    of waves beside columns named after measures; columns named after a measure and a wave, in either order.
    """
    people = _people(columns)
    fields = _fields(columns, known)
    if event := _first(columns, (EVENT,)):
        events = _events(_seen(columns, rows, event), known)
        record = _record(columns, [event, *fields])
        return _redcap(record, event, events, fields, people) if record and events and fields else None
    measure, wave, value = (_first(columns, names) for names in (MEASURE, WAVE, VALUE))
    if measure and wave and value:
        return Mapping(layout="long", measure_column=measure, wave_column=wave, value_column=value, **people)
    if wave and fields and "participant" in people:
        events = {key: EventPlace(wave=key) for key in known.waves}
        return _redcap(people["participant"], wave, events, fields, people)
    values = list(_pairs(columns, known))
    return Mapping(layout="wide", values=values, **people) if values else None


def start(columns: Sequence[str], rows: Sequence[Sequence[Cell]], known: Known) -> dict[str, Any] | None:
    """A mapping to correct and complete, as JSON: what can be guessed, with the first measure and wave for the rest.

    None when no column is left that could hold answers.
    """
    measure = min(known.measures, default="measure")
    wave = next(iter(known.waves), "wave")
    people = _people(columns)
    if event := _first(columns, (EVENT,)):
        seen = _seen(columns, rows, event)
        events = {text: EventPlace(wave=wave) for text in sorted(seen)} or {"baseline_arm_1": EventPlace(wave=wave)}
        fields = _fields(columns, known)
        record = _record(columns, [event, *fields])
        others = [name for name in columns if name != record and not name.startswith("redcap_") and _short(name)]
        fields = fields or dict.fromkeys(others[:1], measure)
        return _redcap(record, event, events, fields, people).model_dump(exclude_defaults=True) if fields else None
    left = [name for name in columns if name not in people.values() and _short(name)]
    values = [ValueColumn(column=name, measure=measure, wave=wave) for name in left[:1]]
    return Mapping(layout="wide", values=values, **people).model_dump(exclude_defaults=True) if values else None


def _people(columns: Sequence[str]) -> dict[str, str]:
    return {key: found for key, names in PEOPLE.items() if (found := _first(columns, names))}


def _fields(columns: Sequence[str], known: Known) -> dict[str, str]:
    """Columns named after a measure."""
    return {name: key for name in columns if (key := _words(name)) in known.measures}


def _record(columns: Sequence[str], others: Sequence[str]) -> str | None:
    """REDCap's first column names people; it has another name in every project."""
    return next((name for name in columns[:1] if name not in others and _short(name)), None)


def _short(name: str) -> bool:
    return len(name) <= LONGEST_NAME


def _words(name: str) -> str:
    """A name as keys are written: MBI EE pre is mbi_ee_pre."""
    return "_".join(re.findall(r"[^\W_]+", fold(name)))


def _first(columns: Sequence[str], names: Sequence[str]) -> str | None:
    words = {_words(column): column for column in columns}
    return next((words[name] for name in names if name in words), None)


def _pairs(columns: Sequence[str], known: Known) -> Iterator[ValueColumn]:
    for column in columns:
        words = _words(column)
        for wave in known.waves:
            for measure in known.measures:
                if words in {f"{measure}_{wave}", f"{wave}_{measure}"}:
                    yield ValueColumn(column=column, measure=measure, wave=wave)


def _seen(columns: Sequence[str], rows: Sequence[Sequence[Cell]], event: str) -> set[str]:
    position = list(columns).index(event)
    texts = {text_of(cells[position]) for cells in rows if position < len(cells)} - {""}
    return {text for text in texts if _short(text)}


def _events(seen: set[str], known: Known) -> dict[str, EventPlace] | None:
    """The events seen, each named after a wave; None when any is not."""
    waves = {fold(wave): wave for wave in known.waves}
    found: dict[str, EventPlace] = {}
    for text in sorted(seen):
        named = EVENT_NAME.fullmatch(fold(text))
        wave = waves.get(named[1] if named else fold(text))
        if wave is None:
            return None
        found[text] = EventPlace(wave=wave)
    return found


def _redcap(
    record: str | None, event: str, events: dict[str, EventPlace], fields: dict[str, str], people: dict[str, str]
) -> Mapping:
    others = {key: name for key, name in people.items() if key != "participant" and name not in {record, *fields}}
    return Mapping(layout="redcap", record=record, event=event, events=events, fields=fields, **others)
