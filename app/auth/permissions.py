"""Who may do what: the one table of roles and permissions; pure.

A permission is `resource:verb`. Reading is one permission: every role reads all of its organization
(`contract.md` §1). What a key may not see is not decided here but in `access.py`.
"""

from collections.abc import Mapping
from enum import StrEnum


class Role(StrEnum):
    """The role of a key in its organization (or, `administrator` only, on the whole service)."""

    LEAD = "lead"
    ANALYST = "analyst"
    APPROVER = "approver"
    ADMINISTRATOR = "administrator"


class Permission(StrEnum):
    """What an endpoint asks for."""

    READ = "all:read"
    ORGANIZATIONS_WRITE = "organizations:write"
    UNITS_WRITE = "units:write"
    CATALOGUE_WRITE = "catalogue:write"
    KEYS_WRITE = "keys:write"
    AUDIT_READ = "audit:read"
    INTERVENTIONS_WRITE = "interventions:write"
    PILOTS_WRITE = "pilots:write"
    PILOTS_MOVE = "pilots:move"
    PLANS_WRITE = "plans:write"
    PLANS_APPROVE = "plans:approve"
    PLANS_AMEND = "plans:amend"
    PLANS_SIMULATE = "plans:simulate"
    MEASURES_WRITE = "measures:write"
    ANALYSES_WRITE = "analyses:write"
    DECISIONS_SIGN = "decisions:sign"
    DECISIONS_SHARE_BACK = "decisions:share_back"
    EVIDENCE_REPORT = "evidence:report"
    SYNTHESES_WRITE = "syntheses:write"
    PROGRAMS_ESTABLISH = "programs:establish"
    PROGRAMS_ACCEPT = "programs:accept"
    REVIEWS_WRITE = "reviews:write"
    REVIEWS_COMPLETE = "reviews:complete"
    CONTEXT_WRITE = "context:write"
    WEBHOOKS_WRITE = "webhooks:write"


_LEAD = frozenset(
    {
        Permission.READ,
        Permission.INTERVENTIONS_WRITE,
        Permission.PILOTS_WRITE,
        Permission.PILOTS_MOVE,
        Permission.PLANS_WRITE,
        Permission.PLANS_SIMULATE,
        Permission.MEASURES_WRITE,
        Permission.ANALYSES_WRITE,
        Permission.DECISIONS_SHARE_BACK,
        Permission.REVIEWS_WRITE,
        Permission.CONTEXT_WRITE,
    }
)
_ANALYST = frozenset(
    {Permission.READ, Permission.PLANS_SIMULATE, Permission.ANALYSES_WRITE, Permission.SYNTHESES_WRITE}
)

MAY: Mapping[Role, frozenset[Permission]] = {
    Role.LEAD: _LEAD,
    Role.ANALYST: _ANALYST,
    Role.APPROVER: frozenset(
        {
            Permission.READ,
            Permission.DECISIONS_SIGN,
            Permission.DECISIONS_SHARE_BACK,
            Permission.PLANS_APPROVE,
            Permission.PLANS_AMEND,
            Permission.EVIDENCE_REPORT,
            Permission.PROGRAMS_ESTABLISH,
            Permission.PROGRAMS_ACCEPT,
            Permission.REVIEWS_WRITE,
            Permission.REVIEWS_COMPLETE,
        }
    ),
    Role.ADMINISTRATOR: _LEAD
    | _ANALYST
    | {
        Permission.ORGANIZATIONS_WRITE,
        Permission.UNITS_WRITE,
        Permission.CATALOGUE_WRITE,
        Permission.KEYS_WRITE,
        Permission.AUDIT_READ,
        Permission.WEBHOOKS_WRITE,
    },
}


def roles_that_may(permission: Permission) -> list[str]:
    """The roles to ask for help, as words."""
    return [role.value for role in Role if permission in MAY[role]]
