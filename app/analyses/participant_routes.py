"""A person's right to be forgotten, over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Path

from app.analyses.deletion import delete_participant
from app.auth.access import fetch
from app.auth.deps import CallerDep
from app.auth.permissions import Permission
from app.forms import Answer
from app.pilots.models import Pilot
from app.requests import SessionDep, TransactionalRoute

router = APIRouter(prefix="/v1/pilots/{pilot_id}", tags=["6 Measures"], route_class=TransactionalRoute)
Participant = Annotated[str, Path(max_length=100, description="The pseudonym", examples=["p-014"])]


class Deleted(Answer):
    """What went, for good."""

    deleted: int


@router.delete("/participants/{participant}")
def forget_participant(pilot_id: str, participant: Participant, session: SessionDep, caller: CallerDep) -> Deleted:
    """Delete all rows of a person in this pilot, and their place in its allocation. This cannot be undone.

    A keyed hash of the pseudonym stays, so that the same file does not bring the person back. Analyses keep their
    result and the sums it was computed from, and say that people were deleted since.
    """
    pilot = fetch(session, caller, Pilot, pilot_id, Permission.MEASURES_WRITE, for_update=True)
    return Deleted(deleted=delete_participant(session, pilot, participant))
