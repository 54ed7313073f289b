"""Hosts of one deployment share a secret key; the database knows which, so that none starts with another.

A host with a key of its own would seal webhook secrets that the others cannot read, and would not know again who was
deleted. The database keeps a mark of the key, from which the key cannot be found.
"""

import hmac

from sqlalchemy import Engine
from sqlalchemy.exc import IntegrityError
from sqlmodel import Field, SQLModel

from app.config import Settings
from app.db import reading, transaction

NAME = "secret_key"


class Mark(SQLModel, table=True):
    """Something that all hosts of the deployment have to agree on."""

    __tablename__ = "deployment"

    name: str = Field(primary_key=True, max_length=60)
    value: str = Field(max_length=200)


class Stranger(Exception):
    """This host has another secret key than the deployment."""

    def __init__(self) -> None:
        super().__init__(
            "this host's secret key is not the one that the database was set up with. Give every host the same: "
            "PILOTLIGHT_SECRET_KEY, or the file secret_key of the first host's var folder. If the old key is lost: "
            "`pilotlight adopt-secret-key`, then rotate the secret of every webhook"
        )


def mark_of(settings: Settings) -> str:
    """What the database keeps of the key."""
    return hmac.digest(settings.secret().encode(), b"pilotlight deployment", "sha256").hex()


def belongs(engine: Engine, settings: Settings) -> bool:
    """Whether the key of this host is the deployment's, or there is none known yet."""
    with reading(engine) as session:
        known = session.get(Mark, NAME)
    return known is None or hmac.compare_digest(known.value, mark_of(settings))


def join(engine: Engine, settings: Settings) -> None:
    """Leave the mark if this is the first host; raises Stranger when another key was there before."""
    if not belongs(engine, settings):
        raise Stranger
    try:
        with transaction(engine) as session:
            if session.get(Mark, NAME) is None:
                session.add(Mark(name=NAME, value=mark_of(settings)))
    except IntegrityError:  # another first host at the same moment
        if not belongs(engine, settings):
            raise Stranger from None


def adopt(engine: Engine, settings: Settings) -> None:
    """From now on this host's key is the deployment's; what was sealed with the old one stays unreadable."""
    with transaction(engine) as session:
        session.merge(Mark(name=NAME, value=mark_of(settings)))
