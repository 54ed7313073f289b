"""What may stand for a person, and what is refused because it tells who it is."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.pilots.pseudonyms import looks_identifying, pseudonym_fault

ACCEPTED = [
    "p-014", "P014", "p_14", "7f3a-22", "unit3-person7", "Unit3-Person7", "UNIT3-P7", "bluefox", "bluefox7", "p1",
    "a", "7", "014", "3.14", "u1-p.2", "ICU-07", "RN12", "control-7", "participant-team-3", "2024-07", "p-123456",
    "b3", "550e8400-e29b-41d4-a716-446655440000", "550E8400-E29B-41D4-BEEF-FACE55440000",
    "123e4567-e89b-12d3-abcd-efab56789012", "d2c76baf0d0d4f8e9d3a0123456789ab", "xK3vQ9",
]  # fmt: skip
REFUSED = {
    "an e-mail address": [
        "ana.ruiz@north.org", "ana@north", "ana ruiz @ north.org", "ana.ruiz＠north.org", "p-014@north.org", "@",
    ],
    "a name": [
        "Ana Ruiz", "Ruiz, Ana", "ana.ruiz", "ana_ruiz", "ana-ruiz", "Ana-Ruiz", "AnaRuiz", "anaRuiz", "Dr. Smith",
        "Smith", "SMITH", "JANE DOE", "JANE-DOE", "O'Brien", "o'brien", "O’Brien", "Müller", "müller", "Łukasz7",
        "王伟", "Ана", "ana\u200bruiz", "ana\u00a0ruiz", "ana  ruiz", "Ana7", "Smith42", "SMITH42", "JSmith1985",
        "ana.ruiz7", "ana-ruiz-7", "jane_doe_3", "j.smith7", "Ａna7", "Ana Ruiz 7", "McDonald2", "unit-ruiz-7",
        "ana/ruiz", "p-０１４", "-", "",
    ],
    "a telephone number": ["+1 (507) 284-2511", "507 284 2511", "(507)2842511"],
    "a telephone or personal number": [
        "507-284-2511", "5072842511", "284-2511", "123-45-6789", "123456789", "1985-03-12", "12.03.1985", "p5072842511",
    ],
}  # fmt: skip


@pytest.mark.parametrize("text", ACCEPTED)
def test_pseudonyms_are_accepted(text: str) -> None:
    assert looks_identifying(text) is None


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in REFUSED.items() for text in texts])
def test_what_tells_who_it_is_is_refused_and_not_repeated(kind: str, text: str) -> None:
    assert looks_identifying(text) == kind
    message = pseudonym_fault(text) or ""
    assert "p-014" in message
    assert len(text) < 3 or text == "p-014" or text not in message


words = st.text(string.ascii_lowercase, min_size=2, max_size=10)
names = words.map(str.capitalize)


@given(first=words, last=words, joint=st.sampled_from([" ", ".", "_", "-", ", ", "  ", "\u00a0", "'"]))
def test_two_words_are_a_first_name_and_a_surname(first: str, last: str, joint: str) -> None:
    for one, other in ((first, last), (first.capitalize(), last.capitalize()), (first.upper(), last.upper())):
        assert looks_identifying(one + joint + other) == "a name"


@given(name=names.filter(lambda n: len(n) > 2), number=st.integers(0, 9999))
def test_a_word_with_a_capital_is_a_name_without_a_number(name: str, number: int) -> None:
    assert looks_identifying(name) == "a name"
    assert looks_identifying(name + "@") == "an e-mail address"


@given(local=st.text(min_size=1, max_size=20), domain=st.text(min_size=1, max_size=20), at=st.sampled_from("@＠﹫"))
def test_an_address_is_one_however_it_is_written(local: str, domain: str, at: str) -> None:
    assert looks_identifying(local + at + domain) == "an e-mail address"


@given(text=st.text(max_size=40))
def test_whatever_is_accepted_is_plain(text: str) -> None:
    if looks_identifying(text) is None:
        assert set(text.strip()) <= {*string.ascii_letters, *string.digits, *"._-"}


@given(word=words, number=st.integers(0, 999_999), prefix=st.sampled_from(["p", "id", "u3-p", "unit2-person", "P"]))
def test_a_word_or_a_prefix_with_a_number_is_a_pseudonym(word: str, number: int, prefix: str) -> None:
    for text in (word, f"{word}{number}", f"{word}-{number}", f"{prefix}{number}", f"{prefix}-{number:04}"):
        assert looks_identifying(text) is None, text


@given(identity=st.uuids())
def test_every_uuid_is_a_pseudonym(identity: object) -> None:
    for text in (str(identity), str(identity).upper(), str(identity).replace("-", "")):
        assert looks_identifying(text) is None or text.isdecimal()
