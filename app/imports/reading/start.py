"""A mapping to correct and complete, where names leave doubt: what names and cells make likely, nothing made up."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.imports.reading.facts import Cell, Known
from app.imports.reading.lookup import fold, listed, shown
from app.imports.reading.sampled import Sampled, arm_of
from app.imports.reading.suggest import first_of, people_of, record_of, short
from app.imports.reading.times import Time, time_of, waves_of
from app.imports.reading.vocabulary import EVENT, MEASURE, PEOPLE, VALUE, WAVE, without_neutral, words

EVENT_OF_ARM = re.compile(r"(?P<event>.+?)(_arm_\d+| \(arm \d+: (?P<arm>.+)\))", re.IGNORECASE)
FEW = 6
NO_ARM = "arm: the column that names it, needed unless arms were assigned here"


@dataclass(frozen=True)
class Start:
    """A mapping as JSON, and what it lacks, in words; one that lacks something may be no whole mapping."""

    mapping: dict[str, Any]
    lacks: list[str] = field(default_factory=list)


def start(columns: Sequence[str], rows: Sequence[Sequence[Cell]], known: Known) -> Start:
    """A mapping to begin with: what names and sampled cells make likely; what cannot be told is left out and said."""
    columns = [name for name in columns if short(name)]
    sampled = Sampled(columns, rows)
    people = people_of(columns, sampled, known)
    if "unit" in people and words(people["unit"]) != "unit_id" and not sampled.could_be_units(people["unit"], known):
        del people["unit"]
    if "arm" not in people:
        of_arms = [name for name in columns if name not in people.values() and sampled.are_arms(name, known)]
        people |= {"arm": of_arms[0]} if len(of_arms) == 1 else {}
    event = first_of(columns, EVENT)
    record = record_of(columns, [event]) if event else None
    if record:
        people = {key: name for key, name in people.items() if key != "participant" and name != record}
    wave, value = first_of(columns, WAVE), first_of(columns, VALUE)
    left = [name for name in columns if name not in {*people.values(), event, record, wave}]
    fields = _fields(left, sampled, known)
    if event:
        made = _redcap(event, fields, {"record": record} if record else {}, sampled, known)
    elif wave and fields and "participant" in people:
        made = _redcap(wave, fields, {"record": people.pop("participant")}, sampled, known)
    elif wave and value and sampled.numbers(value) is not None:
        made = _long(columns, wave, value, sampled, known)
    else:
        made = _wide([*left, wave] if wave else left, sampled, known)
    arms, unclear = _arms(people.get("arm"), sampled, known)
    by_event = any("arm" in place for place in made.mapping.get("events", {}).values())
    if "arm" not in people and len(known.arms) > 1 and not by_event:
        unclear = [NO_ARM]
    order = {key: people[key] for key in PEOPLE if key in people}
    return Start({"layout": made.mapping.pop("layout"), **order, **arms, **made.mapping}, made.lacks + unclear)


def _measure(name: str, known: Known) -> str | None:
    """The measure that words without a time name: whole, or by the end of its key that no other has."""
    called = without_neutral(name) or name
    if called in known.measures:
        return called
    ends = [key for key in known.measures if called and key.endswith(f"_{called}")]
    return ends[0] if len(ends) == 1 else None


def _fields(columns: Sequence[str], sampled: Sampled, known: Known) -> dict[str, str]:
    found = {name: key for name in columns if (key := _measure(words(name), known)) is not None}
    times = Counter(found.values())
    return {name: key for name, key in found.items() if times[key] == 1 and sampled.could_be(name, key, known)}


def _wide(columns: Sequence[str], sampled: Sampled, known: Known) -> Start:
    told: dict[str, tuple[str, Time]] = {}
    own = {f"{measure}_{wave}": (measure, wave) for measure in known.measures for wave in known.waves}
    exact = {name: own[words(name)] for name in columns if words(name) in own}
    for name in columns:
        time, rest = time_of(words(name))
        only = next(iter(known.measures)) if len(known.measures) == 1 and not without_neutral(rest) else None
        measure = _measure(rest, known) or only
        if name not in exact and time is not None and measure is not None:
            told[name] = measure, time
    waves = waves_of({time for _, time in told.values()}, known)
    found = exact | {name: (measure, waves[time]) for name, (measure, time) in told.items() if time in waves}
    times = Counter(found.values())
    values = [
        {"column": name, "measure": measure, "wave": wave}
        for name, (measure, wave) in found.items()
        if times[measure, wave] == 1 and sampled.could_be(name, measure, known)
    ]
    there = {(value["measure"], value["wave"]) for value in values}
    open_ = [f"{measure} at {wave}" for measure in sorted(known.measures) for wave in known.waves]
    missing = [text for text in open_ if tuple(text.split(" at ")) not in there]
    lacks = [f"values: the columns of {listed(missing, FEW)}"] if missing else []
    return Start({"layout": "wide", **({"values": values} if values else {})}, lacks)


def _long(columns: Sequence[str], wave: str, value: str, sampled: Sampled, known: Known) -> Start:
    found: dict[str, Any] = {"layout": "long", "wave_column": wave, "value_column": value}
    lacks: list[str] = []
    if measure := first_of(columns, MEASURE):
        found["measure_column"] = measure
    elif len(known.measures) == 1 and sampled.could_be(value, next(iter(known.measures)), known):
        found["measure"] = next(iter(known.measures))
    else:
        lacks.append("measure, or measure_column: what the answers are of")
    texts = [text for text in sampled.texts(wave) if short(text)]
    waves = _waves(texts, known)
    if stated := {text: key for text, key in waves.items() if fold(text) != fold(key)}:
        found["waves"] = stated
    return Start(found, lacks + _untold("waves", wave, [text for text in texts if text not in waves]))


def _redcap(event: str, fields: dict[str, str], record: dict[str, str], sampled: Sampled, known: Known) -> Start:
    answered = sampled.rows_with(list(fields)) if fields else sampled
    texts = [text for text in answered.texts(event) if short(text)]
    named = {text: EVENT_OF_ARM.fullmatch(text) for text in texts}
    waves = _waves(texts, known, {text: match["event"] for text, match in named.items() if match})
    events: dict[str, dict[str, str]] = {}
    for text, wave in waves.items():
        match = named[text]
        label = match["arm"] if match else None
        arm = label and next((key for key in known.arms if fold(key) == fold(label)), arm_of(label, known))
        events[text] = {"wave": wave} | ({"arm": arm} if arm else {})
    found: dict[str, Any] = {"layout": "redcap", **record, "event": event}
    found |= ({"events": events} if events else {}) | ({"fields": fields} if fields else {})
    lacks = [] if fields else ["fields: the columns of answers, each with its measure"]
    lacks += _untold("events", event, [text for text in texts if text not in events])
    lacks += [] if events or texts else ["events: the wave that each is of"]
    return Start(found, lacks)


def _waves(texts: Sequence[str], known: Known, called: Mapping[str, str] | None = None) -> dict[str, str]:
    """The waves of texts that name nothing but a time, or a wave itself; `called`: what to read in their place."""
    own = {fold(wave): wave for wave in known.waves}
    names = {text: (called or {}).get(text, text) for text in texts}
    exact = {text: own[fold(name)] for text, name in names.items() if fold(name) in own}
    times = {text: time for text, name in names.items() if text not in exact and (time := _only_time(name)) is not None}
    waves = waves_of(times.values(), known)
    # A wave by its own name goes before another word for it, which then may mean something else.
    told = {text: waves[time] for text, time in times.items() if time in waves and waves[time] not in exact.values()}
    return {text: (exact | told)[text] for text in texts if text in exact or text in told}


def _only_time(name: str) -> Time | None:
    time, rest = time_of(words(name))
    return time if not without_neutral(rest) else None


def _arms(column: str | None, sampled: Sampled, known: Known) -> tuple[dict[str, Any], list[str]]:
    if column is None:
        return {}, []
    own = {fold(arm) for arm in known.arms}
    texts = [text for text in sampled.texts(column) if fold(text) not in own and short(text)]
    found = {text: arm for text in texts if (arm := arm_of(text, known)) is not None}
    return ({"arms": found} if found else {}), _untold("arms", column, [text for text in texts if text not in found])


def _untold(what: str, column: str, texts: Sequence[str]) -> list[str]:
    told = listed([shown(text, of_people=False) for text in texts], FEW)
    return [f"{what}: what {told} of {column!r} {'stands' if len(texts) == 1 else 'stand'} for"] if texts else []
