"""API keys: made, shown once, stored as a hash, looked up in constant time."""

import hashlib
import hmac
import secrets
from datetime import datetime, timedelta
from typing import ClassVar

import sqlalchemy as sa
from sqlmodel import Field, Session, SQLModel, col, select

from app.audit.models import Audited
from app.auth.permissions import Role
from app.db import id_field, instant_field, text_enum

PREFIX = "pl_"
PREFIX_LENGTH = 12
TOUCH_EVERY = timedelta(minutes=1)


class ApiKey(Audited, SQLModel, table=True):
    """A key of a person, with a role in one organization or on the whole service."""

    __tablename__ = "api_keys"
    unaudited: ClassVar[frozenset[str]] = frozenset({"digest", "last_used_at"})

    id: str = id_field()
    organization_id: str | None = Field(default=None, foreign_key="organizations.id", index=True, max_length=36)
    role: Role = Field(sa_type=text_enum(Role))
    label: str = Field(max_length=200)
    person: str = Field(max_length=200)
    prefix: str = Field(max_length=PREFIX_LENGTH, unique=True)
    digest: str = Field(max_length=64)
    created_at: datetime = instant_field()
    expires_at: datetime | None = instant_field(nullable=True)
    revoked_at: datetime | None = instant_field(nullable=True)
    last_used_at: datetime | None = instant_field(nullable=True)


def _digest(secret: str) -> str:
    # A plain hash is enough: the secret is 32 random bytes, not a password that could be guessed.
    return hashlib.sha256(secret.encode()).hexdigest()


def make_key(
    session: Session,
    *,
    role: Role,
    label: str,
    person: str | None = None,
    organization_id: str | None = None,
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """A new key and its secret, which nobody can read again."""
    secret = PREFIX + secrets.token_urlsafe(36)
    key = ApiKey(
        organization_id=organization_id,
        role=role,
        label=label,
        person=person or label,
        prefix=secret[:PREFIX_LENGTH],
        digest=_digest(secret),
        expires_at=expires_at,
    )
    session.add(key)
    session.flush()
    return key, secret


# Put together once: every request asks it, and to say it costs as much as to ask it.
BY_PREFIX = select(ApiKey).where(col(ApiKey.prefix) == sa.bindparam("prefix"))


def find_key(session: Session, secret: str, now: datetime) -> ApiKey | None:
    """The valid key of this secret, or None; a wrong secret takes as long as a right one."""
    key = session.exec(BY_PREFIX, params={"prefix": secret[:PREFIX_LENGTH]}).one_or_none()
    known = key.digest if key is not None else _digest("")
    matches = hmac.compare_digest(known, _digest(secret))
    if key is None or not matches or key.revoked_at is not None:
        return None
    return None if key.expires_at is not None and key.expires_at <= now else key


def is_unused_lately(key: ApiKey, now: datetime) -> bool:
    """Whether `last_used_at` is due for a new value; not at every request, which would make each read a write."""
    return key.last_used_at is None or now - key.last_used_at > TOUCH_EVERY
