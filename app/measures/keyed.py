"""Hashes with the secret of the service: what they are of cannot be found by trying."""

import hmac

from sqlmodel import Session

from app.config import Settings


def keyed(session: Session, text: str) -> str:
    """The hash of a text, in hexadecimal: who knows all but a little of the text cannot try until it fits."""
    settings: Settings = session.info["settings"]
    return keyed_by(settings.secret(), text)


def keyed_by(key: str, text: str) -> str:
    """The hash of a text by a key (HMAC-SHA-256)."""
    return hmac.digest(key.encode(), text.encode(), "sha256").hex()
