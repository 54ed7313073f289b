"""The analyst's client: a Pilotlight service in a notebook or a script. Imports nothing else of the service."""

from app.client.analyses import Analysis
from app.client.answers import Criterion, Effect, Estimate, Gate, Recommendation, Report, Result, Wave
from app.client.errors import (
    Conflict,
    Damaged,
    Forbidden,
    Invalid,
    NoEstimate,
    NotFinished,
    NotFound,
    NotReached,
    NotSucceeded,
    PilotlightError,
    Redirected,
    Refused,
    Stale,
    TooLarge,
    TooMany,
    Unauthorized,
)
from app.client.pilots import Pilot
from app.client.retries import Retries
from app.client.service import Pilotlight
from app.client.uploads import NotEntered

__all__ = [
    "Analysis",
    "Conflict",
    "Criterion",
    "Damaged",
    "Effect",
    "Estimate",
    "Forbidden",
    "Gate",
    "Invalid",
    "NoEstimate",
    "NotEntered",
    "NotFinished",
    "NotFound",
    "NotReached",
    "NotSucceeded",
    "Pilot",
    "Pilotlight",
    "PilotlightError",
    "Recommendation",
    "Redirected",
    "Refused",
    "Report",
    "Result",
    "Retries",
    "Stale",
    "TooLarge",
    "TooMany",
    "Unauthorized",
    "Wave",
]
