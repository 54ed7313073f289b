"""Reviews over HTTP: what is due after scaling, what is overdue, and completing it."""

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Query, Response
from sqlmodel import col

from app.auth.access import fetch, visible
from app.auth.deps import CallerDep, idempotent
from app.auth.permissions import Permission
from app.db import now
from app.forms import Page
from app.lifecycle.models import Review, ReviewKind
from app.lifecycle.review_schemas import CompletionIn, PostponementIn, ReviewOut
from app.lifecycle.reviews import Act, complete, postpone
from app.pilots.models import Pilot
from app.requests import Cursor, IfMatch, Limit, SessionDep, TransactionalRoute, check_match, etag, page_of, where_given

router = APIRouter(prefix="/v1/reviews", tags=["8 Decisions and moves"], route_class=TransactionalRoute)


def review_out(review: Review, today: date) -> ReviewOut:
    """The answer about a review."""
    overdue = review.completed_at is None and review.due_on < today
    return ReviewOut.model_validate({**review.model_dump(), "overdue": overdue})


@router.get("")
def list_reviews(
    session: SessionDep,
    caller: CallerDep,
    pilot_id: str | None = None,
    kind: ReviewKind | None = None,
    open: Annotated[bool | None, Query(description="Only what is still to do, or only what is done")] = None,  # noqa: A002 - the word clients write
    overdue: Annotated[bool, Query(description="Only what should have been done by now")] = False,  # noqa: FBT002
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[ReviewOut]:
    """What is due after scaling, oldest first; `?overdue=true` lists what should have been done by now."""
    today = now().date()
    statement = where_given(visible(caller, Review), (Review.pilot_id, pilot_id), (Review.kind, kind))
    if open is not None:
        done = col(Review.completed_at)
        statement = statement.where(done.is_(None) if open else done.is_not(None))
    if overdue:
        statement = statement.where(col(Review.completed_at).is_(None), col(Review.due_on) < today)
    rows, following = page_of(session, statement, Review.id, limit, cursor)
    return Page(items=[review_out(r, today) for r in rows], next_cursor=following)


@router.get("/{review_id}")
def read_review(review_id: str, session: SessionDep, caller: CallerDep, response: Response) -> ReviewOut:
    """One review."""
    review = fetch(session, caller, Review, review_id)
    response.headers["ETag"] = etag(review.version)
    return review_out(review, now().date())


@router.patch("/{review_id}")
def postpone_review(
    review_id: str,
    body: PostponementIn,
    session: SessionDep,
    caller: CallerDep,
    response: Response,
    if_match: IfMatch = None,
) -> ReviewOut:
    """Give an open review another date, with the reason."""
    review = fetch(session, caller, Review, review_id, Permission.REVIEWS_WRITE, for_update=True)
    check_match(if_match, review.version, "the review")
    postpone(session, review, body.due_on, body.reason, now().date())
    response.headers["ETag"] = etag(review.version)
    return review_out(review, now().date())


@router.post("/{review_id}/completion", status_code=201, dependencies=[idempotent])
def complete_review(review_id: str, body: CompletionIn, session: SessionDep, caller: CallerDep) -> ReviewOut:
    """Complete a review. Takes an approver who does not lead the pilot; a yearly one may demote the program."""
    review = fetch(session, caller, Review, review_id, Permission.REVIEWS_COMPLETE)
    pilot = fetch(session, caller, Pilot, review.pilot_id, for_update=True)
    review = fetch(session, caller, Review, review_id, for_update=True)
    at = now()
    complete(Act(session, pilot, review, body, caller.person, at))
    return review_out(review, at.date())
