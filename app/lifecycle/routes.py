"""Moves, the checklist, iterations and the timeline over HTTP."""

from fastapi import APIRouter, Response
from sqlmodel import col

from app.analyses.routes import SVG
from app.auth.access import fetch, visible
from app.auth.deps import CallerDep, idempotent
from app.auth.permissions import Permission
from app.db import now
from app.forms import Page
from app.lifecycle.effects_svg import draw
from app.lifecycle.iterations import effect_rows, iteration_details
from app.lifecycle.models import Move
from app.lifecycle.schemas import Checklist, IterationOut, MoveIn, MoveOut, NextOut, TimelineItem, UnmetOut
from app.lifecycle.service import checklist, move
from app.lifecycle.timeline import timeline
from app.pilots.models import Pilot, Stage
from app.requests import Cursor, IfMatch, Limit, SessionDep, TransactionalRoute, check_match, etag, page_of

router = APIRouter(prefix="/v1/pilots/{pilot_id}", tags=["8 Decisions and moves"], route_class=TransactionalRoute)


def move_out(row: Move, pilot: Pilot) -> MoveOut:
    """The answer about a move."""
    return MoveOut(
        from_=row.from_stage,
        to=row.to_stage,
        successor_id=pilot.successor_id if row.to_stage is Stage.RETIRED else None,
        **row.model_dump(include={"id", "sequence", "iteration", "at", "by", "reason", "decision_id", "synthesis_id"}),
    )


@router.get("/next")
def read_next(pilot_id: str, session: SessionDep, caller: CallerDep) -> Checklist:
    """The checklist: every move possible from here, and what each still takes."""
    pilot = fetch(session, caller, Pilot, pilot_id)
    return Checklist(
        stage=pilot.stage,
        items=[
            NextOut(to=to, allowed=not unmet, unmet=[UnmetOut.model_validate(u) for u in unmet])
            for to, unmet in checklist(session, pilot, now())
        ],
    )


@router.post("/moves", status_code=201, dependencies=[idempotent])
def make_move(
    pilot_id: str, body: MoveIn, session: SessionDep, caller: CallerDep, response: Response, if_match: IfMatch = None
) -> MoveOut:
    """Move the pilot to another stage; refused with everything that is still missing.

    To `foundational` (and back) an approver moves it, with `synthesis_id` (default: the newest) and `dimension`.
    """
    pilot = fetch(session, caller, Pilot, pilot_id, for_update=True)
    # What concerns a program of all organizations is signed.
    signs = body.to is Stage.FOUNDATIONAL or (pilot.stage is Stage.FOUNDATIONAL and body.to is Stage.REFINE)
    caller.require(Permission.PROGRAMS_ESTABLISH if signs else Permission.PILOTS_MOVE)
    check_match(if_match, pilot.version, f"the pilot (now in {pilot.stage.value})")
    made = move(session, pilot, body, caller.person, now())
    response.headers["ETag"] = etag(pilot.version)
    return move_out(made, pilot)


@router.get("/moves")
def list_moves(
    pilot_id: str, session: SessionDep, caller: CallerDep, limit: Limit = 50, cursor: Cursor = None
) -> Page[MoveOut]:
    """The moves of the pilot, oldest first. Append-only."""
    pilot = fetch(session, caller, Pilot, pilot_id)
    rows, following = page_of(
        session, visible(caller, Move).where(col(Move.pilot_id) == pilot.id), Move.id, limit, cursor
    )
    return Page(items=[move_out(r, pilot) for r in rows], next_cursor=following)


@router.get("/iterations")
def list_iterations(pilot_id: str, session: SessionDep, caller: CallerDep) -> Page[IterationOut]:
    """Every round of develop, test and refine, oldest first."""
    pilot = fetch(session, caller, Pilot, pilot_id)
    return Page(items=_iterations(session, pilot))


def _iterations(session: SessionDep, pilot: Pilot) -> list[IterationOut]:
    return [IterationOut.model_validate(item) for item in iteration_details(session, pilot, now().date())]


@router.get(
    "/iterations/effects.svg",
    response_class=Response,
    responses={
        200: {"description": "The picture", "content": {SVG: {"schema": {"type": "string"}, "example": "<svg …>"}}}
    },
)
def read_effects_plot(pilot_id: str, session: SessionDep, caller: CallerDep) -> Response:
    """The effects of all iterations on their primary measure, each with its interval, as one picture."""
    pilot = fetch(session, caller, Pilot, pilot_id)
    picture = draw(pilot.title, effect_rows(_iterations(session, pilot)))
    headers = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
    return Response(picture, media_type=SVG, headers=headers)


@router.get("/timeline")
def read_timeline(
    pilot_id: str, session: SessionDep, caller: CallerDep, limit: Limit = 200, cursor: Cursor = None
) -> Page[TimelineItem]:
    """The story of the pilot, oldest first: what people did, what was found, what happened around it."""
    pilot = fetch(session, caller, Pilot, pilot_id)
    items, following = timeline(session, pilot, now().date(), limit, cursor)
    return Page(items=[TimelineItem.model_validate(item) for item in items], next_cursor=following)
