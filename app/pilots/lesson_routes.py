"""Lessons over HTTP: those of the organization, and what others share."""

from typing import Annotated

from fastapi import APIRouter, Query

from app.auth.access import visible
from app.auth.deps import Caller, CallerDep
from app.forms import Page
from app.pilots.lessons import with_words
from app.pilots.models import Lesson, Stage
from app.pilots.schemas import LessonOut
from app.requests import Cursor, Limit, SessionDep, TransactionalRoute, page_of, where_given

router = APIRouter(prefix="/v1/lessons", tags=["4 Pilots"], route_class=TransactionalRoute)
# Whom a lesson is from, its own organization knows.
ORIGIN = ("organization_id", "pilot_id", "intervention_id", "iteration", "by")


def lesson_out(caller: Caller, row: Lesson) -> LessonOut:
    """A lesson; what others share comes without its origin."""
    own = caller.serves_all or row.organization_id == caller.organization_id
    return LessonOut.model_validate({**row.model_dump(), **({} if own else dict.fromkeys(ORIGIN))})


@router.get("")
def list_lessons(
    session: SessionDep,
    caller: CallerDep,
    q: Annotated[str | None, Query(max_length=200, description="Words that all occur in the text")] = None,
    driver: str | None = None,
    intervention_id: str | None = None,
    stage: Annotated[Stage | None, Query(description="In which it was written")] = None,
    pilot_id: Annotated[str | None, Query(description="A pilot of your organization")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[LessonOut]:
    """What pilots taught, oldest first: those of your organization, and what others share."""
    statement = where_given(
        visible(caller, Lesson),
        (Lesson.driver, driver),
        (Lesson.intervention_id, intervention_id),
        (Lesson.stage, stage),
        (Lesson.pilot_id, pilot_id),
        # Else the id of a pilot or an intervention would tell which of the shared lessons are its.
        (
            Lesson.organization_id,
            caller.organization_id if pilot_id is not None or intervention_id is not None else None,
        ),
    ).where(*with_words(q))
    rows, following = page_of(session, statement, Lesson.id, limit, cursor)
    return Page(items=[lesson_out(caller, r) for r in rows], next_cursor=following)
