"""What may stand for a person: a pseudonym that tells nobody who it is; pure.

A rule of form cannot know every name. It refuses what is written as names, addresses and numbers of people are, and
never repeats what it refuses: not in its message, and so in no answer, log or audit entry.
"""

import re
import unicodedata

HELP = "give people pseudonyms of your own, such as p-014"
ALLOWED = re.compile(r"[A-Za-z0-9._-]+")
TOKEN = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?=.*[a-f])(?=.*\d)[0-9a-f]{24,}", re.IGNORECASE)
"""A UUID or a hash: its letters and digits are nobody's name or number."""
CODE_WORD = re.compile(r"[a-z]+")
# Words of studies and hospitals: no names, so that they may be written with a capital and stand side by side.
NEUTRAL = frozenset(
    {
        "anon",
        "arm",
        "clinic",
        "clinician",
        "code",
        "control",
        "id",
        "intervention",
        "member",
        "md",
        "np",
        "nurse",
        "pa",
        "part",
        "participant",
        "people",
        "person",
        "physician",
        "pilot",
        "pseudonym",
        "resp",
        "respondent",
        "rn",
        "site",
        "staff",
        "study",
        "subj",
        "subject",
        "team",
        "test",
        "unit",
        "user",
        "ward",
    }
)
LONGEST_NUMBER = 6
"""Digits in a row, separators left out; a telephone number, date of birth or personal number has more."""
SHORT_CODE = 3
"""Capitals in a row that may be a code (ICU, PT); more may be a surname."""


def looks_identifying(text: str) -> str | None:
    """What the text looks like ("an e-mail address", "a name" …), or None when it may be a pseudonym."""
    plain = unicodedata.normalize("NFKC", text).strip()
    if "@" in plain:
        return "an e-mail address"
    if TOKEN.fullmatch(plain):
        return None
    if ALLOWED.fullmatch(plain) is None or not text.isascii():
        return "a telephone number" if re.fullmatch(r"[\d\s()+./-]{7,}", plain) else "a name"
    if _is_number(plain):
        return "a telephone or personal number"
    return "a name" if _is_name(plain) else None


def pseudonym_fault(text: str) -> str | None:
    """A sentence that says why the text may not stand for a person and what would help, without repeating it."""
    found = looks_identifying(text)
    if found is None:
        return None
    return f"this looks like {found}; {HELP} (small letters, digits, - and _; one code word, or with a number)"


def _is_number(plain: str) -> bool:
    return any(len(re.sub(r"\D", "", run)) > LONGEST_NUMBER for run in re.findall(r"\d[\d._-]*", plain))


def _is_name(plain: str) -> bool:
    if not any(c.isdigit() for c in plain):
        return CODE_WORD.fullmatch(plain) is None
    if re.search(r"[A-Za-z]\.[A-Za-z]", plain):
        return True
    if any(_is_written_as_name(word) for word in re.findall(r"[A-Za-z]+", plain)):
        return True
    # Two words side by side are a first name and a surname, whatever number follows.
    return any(
        not {word.lower() for word in pair.groups()} <= NEUTRAL
        for pair in re.finditer(r"(?<![A-Za-z])([A-Za-z]{2,})[._-]+(?=([A-Za-z]{2,}))", plain)
    )


def _is_written_as_name(word: str) -> bool:
    if word.lower() in NEUTRAL:
        return False
    return bool(re.search(r"[A-Z][a-z]{2,}", word)) or (word.isupper() and len(word) > SHORT_CODE)
