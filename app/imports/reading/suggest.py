"""A mapping guessed from the names of the columns, where they leave no doubt; else one to start from."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from app.imports.reading.facts import Cell, Known
from app.imports.reading.lookup import fold, text_of
from app.imports.reading.mapping import EventPlace, Mapping, ValueColumn

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
    people = {key: found for key, names in PEOPLE.items() if (found := _first(columns, names))}
    fields = {column: key for column in columns if (key := _words(column)) in known.measures}
    if event := _first(columns, (EVENT,)):
        people.pop("participant", None)
        events = _events(columns, rows, event, known)
        return _redcap(columns[0], event, events, fields, people) if events and fields else None
    measure, wave, value = (_first(columns, names) for names in (MEASURE, WAVE, VALUE))
    if measure and wave and value:
        return Mapping(layout="long", measure_column=measure, wave_column=wave, value_column=value, **people)
    if wave and fields and "participant" in people:
        events = {key: EventPlace(wave=key) for key in known.waves}
        return _redcap(people.pop("participant"), wave, events, fields, people)
    values = list(_pairs(columns, known))
    return Mapping(layout="wide", values=values, **people) if values else None


def start(columns: Sequence[str], rows: Sequence[Sequence[Cell]], known: Known) -> dict[str, Any]:
    """A mapping to correct and complete, as JSON: what can be guessed, with the first measure and wave for the rest."""
    measure = next(iter(sorted(known.measures)), "measure")
    wave = next(iter(known.waves), "wave")
    people = {key: found for key, names in PEOPLE.items() if (found := _first(columns, names))}
    if event := _first(columns, (EVENT,)):
        position = list(columns).index(event)
        seen = {text_of(cells[position]) for cells in rows if position < len(cells)}
        events = {text: EventPlace(wave=wave) for text in sorted(seen) if text}
        people.pop("participant", None)
        fields = {column: _words(column) for column in columns if _words(column) in known.measures}
        others = [c for c in columns[1:] if c != event and not c.startswith("redcap_")]
        named = fields or dict.fromkeys(others[:1], measure)
        return _redcap(columns[0], event, events, named, people).model_dump(exclude_defaults=True)
    left = [column for column in columns if column not in people.values()] or list(columns)
    values = [ValueColumn(column=column, measure=measure, wave=wave) for column in left[:1]]
    return Mapping(layout="wide", values=values, **people).model_dump(exclude_defaults=True)


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


def _events(
    columns: Sequence[str], rows: Sequence[Sequence[Cell]], event: str, known: Known
) -> dict[str, EventPlace] | None:
    """The events seen, each named after a wave; None when any is not."""
    position = list(columns).index(event)
    waves = {fold(wave): wave for wave in known.waves}
    found: dict[str, EventPlace] = {}
    for text in {text_of(cells[position]) for cells in rows if position < len(cells)} - {""}:
        named = EVENT_NAME.fullmatch(fold(text))
        wave = waves.get(named[1] if named else fold(text))
        if wave is None:
            return None
        found[text] = EventPlace(wave=wave)
    return dict(sorted(found.items()))


def _redcap(
    record: str, event: str, events: dict[str, EventPlace], fields: dict[str, str], people: dict[str, str]
) -> Mapping:
    return Mapping(layout="redcap", record=record, event=event, events=events, fields=fields, **people)
