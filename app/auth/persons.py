"""When two names mean one person: four eyes must not be got around by a capital letter or an invisible character."""

import unicodedata


def identity(person: str) -> str:
    """The name as it is compared: compatibility forms, case, blanks and invisible characters make no difference."""
    plain = unicodedata.normalize("NFKC", person).casefold()
    visible = "".join(c if unicodedata.category(c) != "Cf" else "" for c in plain)
    return " ".join(visible.split())
