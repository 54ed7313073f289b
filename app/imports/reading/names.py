"""Words of a file turned into keys: arms, units, waves, measures; and people into pseudonyms, never repeated."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from difflib import get_close_matches

from app.imports.reading.facts import Cell, Wrong
from app.imports.reading.lookup import fold, listed, shown, text_of

LONGEST_PSEUDONYM = 100
SPREADSHEET_TEXT = re.compile(r'="([^"]*)"')
WHOLE_FLOAT = re.compile(r"(\d+)[.,]0")
ROUNDED = re.compile(r"\d([.,]\d+)?[eE]\+?\d+")
EXACT = 2.0**53


def key_reader(
    what: str, place: str, stated: Mapping[str, str], own: Sequence[tuple[str, str]], missing: Iterable[str]
) -> Callable[[Cell], str | Wrong | None]:
    """Turns a text into a key: as `place` of the mapping states, else by its own (text, key), without regard to case.

    Messages list the first text of each key. Two keys that share a text (units of one name) are told apart only by
    the mapping.
    """
    found: dict[str, str | None] = {}
    texts: dict[str, str] = {}
    written = {fold(text): text for text in [*(text for text, _ in own), *stated]}
    for text, key in own:
        folded = fold(text)
        found[folded] = key if found.get(folded, key) == key else None
        texts.setdefault(key, text)
    found |= {fold(text): key for text, key in stated.items()}
    none = {fold(text) for text in missing} | {""}
    none -= {fold(text) for text in stated}

    def find(cell: Cell) -> str | Wrong | None:
        folded = fold(text_of(cell))
        if folded in found:
            key = found[folded]
            said = shown(text_of(cell), of_people=False)
            return key or Wrong(
                f"ambiguous_{what}", f"more than one {what} is called {said}; say which in {place}: {{text: id}}"
            )
        if folded in none:
            return None
        said = shown(text_of(cell), of_people=False)
        close = get_close_matches(folded, list(found), n=1) if len(folded) <= LONGEST_PSEUDONYM else []
        meant = f" (is {written[close[0]]!r} meant?)" if close else ""
        return Wrong(
            f"unknown_{what}",
            f"no {what} is called {said}{meant}; there is {listed(texts.values(), 12)}. "
            f"Correct it, or say in {place} which it is",
        )

    return find


def pseudonym_reader(missing: Iterable[str]) -> Callable[[Cell], str | Wrong | None]:
    """Turns a cell into a pseudonym as text; whether it may stand for a person is not judged here."""
    none = {fold(text) for text in missing} | {""}
    # Folding is slow, and this is called for every row: longer texts are none of these.
    longest = max(len(text) for text in none)

    def find(cell: Cell) -> str | Wrong | None:
        if isinstance(cell, date):
            return Wrong(
                "date_for_pseudonym",
                "the spreadsheet made a date of this pseudonym; format the column as text and write it again",
            )
        text = text_of(cell)
        if text[:1] == "=" and (quoted := SPREADSHEET_TEXT.fullmatch(text)):
            text = quoted[1].strip()
        if text[:1].isdigit():
            if whole := WHOLE_FLOAT.fullmatch(text):
                text = whole[1]
            if ROUNDED.fullmatch(text) or (isinstance(cell, float) and cell >= EXACT):
                return Wrong(
                    "rounded_pseudonym",
                    "the spreadsheet rounded this number, so that different people look the same; format the column "
                    "as text and fill it again from its source",
                )
        if len(text) > LONGEST_PSEUDONYM:
            return Wrong("long_pseudonym", f"a pseudonym has at most {LONGEST_PSEUDONYM} characters; this is longer")
        return None if len(text) <= longest and fold(text) in none else text

    return find
