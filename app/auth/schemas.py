"""Requests and answers about keys and the audit log."""

from typing import Any

from pydantic import ConfigDict, Field

from app.auth.permissions import Role
from app.forms import Answer, AtInstant, Form, Id, Line, When


class KeyIn(Form):
    """A new key."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"role": "lead", "label": "Ana Ruiz, laptop", "person": "ana.ruiz"},
            ]
        }
    )
    organization_id: Id | None = Field(default=None, description="Empty: the organization of your own key")
    role: Role = Field(
        description="`lead` runs pilots, `analyst` reads and analyses, `approver` signs decisions, "
        "`administrator` keeps organization, catalogue and keys"
    )
    label: Line = Field(description="What the key is for")
    person: Line | None = Field(default=None, description="Whose key it is, always written alike; default: the label")
    expires_at: When | None = None


class KeyOut(Answer):
    """A key without its secret."""

    id: str
    organization_id: str | None
    role: Role
    label: str
    person: str
    prefix: str
    created_at: AtInstant
    expires_at: AtInstant | None
    revoked_at: AtInstant | None
    last_used_at: AtInstant | None


class NewKeyOut(KeyOut):
    """A new key; `key` is shown this once."""

    key: str | None = Field(description="Null when repeated with its Idempotency-Key: a lost key is never shown again")


class MeOut(Answer):
    """Whose key this is and what it may do."""

    person: str
    role: Role
    organization_id: str | None
    may: list[str]


class AuditOut(Answer):
    """One change: who did what when."""

    id: str
    at: AtInstant
    person: str
    key_id: str | None
    organization_id: str | None
    action: str
    resource: str
    resource_id: str
    changes: dict[str, Any] | None
