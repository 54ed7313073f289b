"""Words for times, such as "vorher", "T1" or "month 6", and the waves of a plan that they mean."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from app.imports.reading.facts import Known
from app.imports.reading.vocabulary import words

YEAR = 12


class Time(NamedTuple):
    """A time as a word tells it: `before`, `after`, the `numbered` so-and-so, a `follow` by number, or in `months`."""

    kind: str
    number: int = 0


BEFORE, AFTER = Time("before"), Time("after")
FOLLOW = r"(?:follow_?up|fu|katamnese|nachbefragung)"
MONTHS, YEARS = r"(?:months?|monate?n?|mo|m)", r"(?:years?|jahre?n?|y)"
# From the most to the least telling: the first that is found counts, all are taken out of the name.
TIMES: tuple[tuple[str, str, int], ...] = (
    ("months", rf"{MONTHS}_?(\d{{1,2}})|(\d{{1,2}})_?{MONTHS}", 1),
    ("months", rf"{YEARS}_?(\d)|(\d)_?{YEARS}", YEAR),
    ("follow", rf"{FOLLOW}_?(\d)", 1),
    ("numbered", r"(?:t|time|visit|wave|welle|zeitpunkt|messzeitpunkt|mzp)_?(\d)", 1),
    ("before", r"pre|pretest|before|baseline|bl|vorher|vor|vortest|prä", 0),
    ("after", rf"post|posttest|after|{FOLLOW}|nachher|nach|nachtest", 0),
)


def time_of(name: str) -> tuple[Time | None, str]:
    """The time that a name (as `words` writes it) tells, and its rest; None where it tells none, or two."""
    found: list[Time] = []
    for kind, pattern, times in TIMES:
        while match := re.search(rf"(?:^|_)(?:{pattern})(?=_|$)", name):
            number = next((group for group in match.groups() if group), "0")
            found.append(Time(kind, int(number) * times))
            name = (name[: match.start()] + name[match.end() :]).strip("_")
    kinds = {time.kind for time in found}
    late = any(time.kind in {"months", "follow"} and time.number for time in found)
    if len(kinds) < len(set(found)) or (BEFORE in found and (AFTER in found or late)):
        return None, name
    if not found:
        return None, name
    return (BEFORE if BEFORE in found else found[0]), name


def waves_of(times: Iterable[Time], known: Known) -> dict[Time, str]:
    """The waves that times mean which are used beside each other; without those that cannot be told.

    Told by the waves' own keys, by their planned months, and by their order: the baseline is the first.
    """
    used = set(times)
    own = {time: key for key in reversed(known.waves) if (time := time_of(words(key))[0]) is not None}
    found = {time: wave for time in used if (wave := own.get(time) or _by_order(time, used, known)) is not None}
    # Two names for one wave: either may be meant, or neither.
    of_wave = Counter(found.values())
    return {time: wave for time, wave in found.items() if of_wave[wave] == 1}


def _by_order(time: Time, used: set[Time], known: Known) -> str | None:
    baseline = next((key for key, months in known.months.items() if months == 0), None)
    if baseline is None and len(known.waves) > 1 and not known.months:
        baseline = known.waves[0]
    later = [wave for wave in known.waves if wave != baseline] if baseline is not None else []
    match time:
        case Time("before") | Time("months", 0):
            return baseline
        case Time("months", number):
            return _in_months(number, later, known)
        case Time("numbered", number):
            numbers = {other.number for other in used if other.kind == "numbered"}
            return _numbered(number, numbers, known.waves, zero=0 in numbers or BEFORE in used)
        case Time("follow", number):
            return later[number - 1] if 0 < number <= len(later) else None
    return later[0] if len(later) == 1 else None


def _in_months(number: int, later: Sequence[str], known: Known) -> str | None:
    """The wave planned then; the only one after the baseline, if it is not known when it is."""
    planned = [key for key, months in known.months.items() if months == number]
    if not planned and len(later) == 1 and later[0] not in known.months:
        planned = list(later)
    return planned[0] if len(planned) == 1 else None


def _numbered(number: int, numbers: set[int], waves: Sequence[str], *, zero: bool) -> str | None:
    """Counted from 0 where there is a 0 or a baseline; else from 1, if each wave has its number."""
    if not zero and numbers != set(range(1, len(waves) + 1)):
        return None
    at = number if zero else number - 1
    return waves[at] if at < len(waves) else None
