"""A mapping guessed from the names of the columns, where they leave no doubt."""

import re
from collections.abc import Iterator, Sequence

from app.imports.reading.facts import Cell, Known
from app.imports.reading.lookup import fold
from app.imports.reading.mapping import LONGEST_NAME, EventPlace, Mapping, ValueColumn
from app.imports.reading.sampled import Sampled
from app.imports.reading.vocabulary import EVENT, MEASURE, OWN_UNIT, PEOPLE, VALUE, WAVE, words

OF_ARM = re.compile(r"(.+)_arm_\d+")


def suggest(columns: Sequence[str], rows: Sequence[Sequence[Cell]], known: Known) -> Mapping | None:
    """The mapping that the names of the columns tell, or None.

    Told are: REDCap's event column with events named after waves; columns called measure, wave and value; a column
    of waves beside columns named after measures; columns named after a measure and a wave, in either order.
    """
    sampled = Sampled(columns, rows)
    people = people_of(columns, sampled, known)
    fields = {name: key for name in columns if (key := words(name)) in known.measures}
    if event := first_of(columns, EVENT[:1]):
        events = _events([text for text in sampled.texts(event) if short(text)], known)
        record = record_of(columns, [event, *fields])
        return _redcap(record, event, events, fields, people) if record and events and fields else None
    measure, wave, value = (first_of(columns, names[:3]) for names in (MEASURE, WAVE, VALUE[:2]))
    if measure and wave and value:
        return Mapping(layout="long", measure_column=measure, wave_column=wave, value_column=value, **people)
    if wave and fields and "participant" in people:
        events = {key: EventPlace(wave=key) for key in known.waves}
        return _redcap(people["participant"], wave, events, fields, people)
    values = list(_pairs(columns, known))
    return Mapping(layout="wide", values=values, **people) if values else None


def people_of(columns: Sequence[str], sampled: Sampled, known: Known) -> dict[str, str]:
    """The columns that say whose answer it is, where and when; a score is no unit, though its column is called team."""
    found: dict[str, str] = {}
    for key, names in PEOPLE.items():
        called = [column for name in names for column in columns if words(column) == name and short(column)]
        if key == "unit":
            called = [c for c in called if words(c) in OWN_UNIT or sampled.could_be_units(c, known)]
        if key == "arm":
            called = [c for c in called if words(c) == "arm" or sampled.could_be_arms(c)]
            called.sort(key=lambda c: not sampled.are_arms(c, known))
        if called:
            found[key] = called[0]
    return found


def first_of(columns: Sequence[str], names: Sequence[str]) -> str | None:
    """The column of the first of these names that there is."""
    called = {words(column): column for column in columns if short(column)}
    return next((called[name] for name in names if name in called), None)


def record_of(columns: Sequence[str], others: Sequence[str]) -> str | None:
    """REDCap's first column names people; it has another name in every project."""
    return next((name for name in columns[:1] if name not in others and short(name)), None)


def short(name: str) -> bool:
    """Whether a mapping may hold this name."""
    return 0 < len(name) <= LONGEST_NAME


def _pairs(columns: Sequence[str], known: Known) -> Iterator[ValueColumn]:
    for column in columns:
        called = words(column)
        for wave in known.waves:
            for measure in known.measures:
                if called in {f"{measure}_{wave}", f"{wave}_{measure}"}:
                    yield ValueColumn(column=column, measure=measure, wave=wave)


def _events(seen: Sequence[str], known: Known) -> dict[str, EventPlace] | None:
    """The events seen, each named after a wave; None when any is not."""
    waves = {fold(wave): wave for wave in known.waves}
    found: dict[str, EventPlace] = {}
    for text in sorted(seen):
        named = OF_ARM.fullmatch(fold(text))
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
