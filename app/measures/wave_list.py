"""The waves of an iteration as they are shown: what is planned and what was recorded, with what came of each."""

from collections.abc import Sequence
from typing import Any

from sqlmodel import Session, col, select

from analysis.documents import Plan, PlannedWave
from app.errors import Invalid, fault
from app.forms import Page
from app.measures.confidential import smallest_cell
from app.measures.interval import days_in_force
from app.measures.models import Wave, WaveKind
from app.measures.response import Response, WaveFacts, response_of
from app.measures.snapshot import followed
from app.measures.wave_schemas import WaveOut
from app.measures.waves import answers, most_answers, primary_answers, primary_of, waiting
from app.pilots.models import Pilot
from app.plans.service import current_version, plan_of


def waves_out(session: Session, pilot: Pilot, iteration: int) -> list[WaveOut]:
    """Every wave in the order of the plan, then recorded ones that it has no longer; none before there is a plan."""
    version = current_version(session, pilot, iteration)
    if version is None:
        return []
    plan = plan_of(version)
    held = session.exec(
        select(Wave).where(Wave.pilot_id == pilot.id, Wave.iteration == iteration).order_by(col(Wave.id))
    ).all()
    recorded = {wave.key: wave for wave in held}
    planned = {wave.key: wave for wave in plan.waves}
    came = Came(session, pilot.id, iteration, plan)
    found = []
    for key in dict.fromkeys([*planned, *recorded]):
        wave = recorded.get(key)
        told = _told(key, planned.get(key), wave)
        response = came.at(key, told["kind"], told["invited"])
        names = {"key": key, "iteration": iteration, "recorded": wave is not None}
        found.append(WaveOut.model_validate({**told, **names, **vars(response)}))
    return found


def _told(key: str, planned: PlannedWave | None, wave: Wave | None) -> dict[str, Any]:
    """What was said of a wave: as recorded, else as planned."""
    told: dict[str, Any] = {"invited": {}, "version": 0}
    starts_on = ends_on = None
    if planned is not None:
        told["kind"], starts_on, ends_on = WaveKind(planned.kind), planned.starts_on, planned.ends_on
    if wave is not None:
        told |= wave.model_dump(include={"kind", "invited", "version"})
    recorded = {key: (wave.starts_on, wave.ends_on)} if wave is not None else {}
    first, last = days_in_force(key, starts_on, ends_on, recorded)
    return {**told, "starts_on": first, "ends_on": last}


class Came:
    """What came of the waves of an iteration; counts once for all of them."""

    def __init__(self, session: Session, pilot_id: str, iteration: int, plan: Plan) -> None:
        self._session, self._place, self._plan = session, (pilot_id, iteration), plan
        self._answers = answers(session, pilot_id, iteration, plan)
        self._answered = most_answers(self._answers)
        self._waiting = waiting(session, pilot_id, iteration)

    def anything(self, key: str) -> bool:
        """Whether anything was entered of this wave, also what counts no people."""
        return key in self._answered or key in self._waiting

    def at(self, key: str, kind: WaveKind, invited: dict[str, int]) -> Response:
        """What is shown of a wave."""
        plan, answered = self._plan, self._answered.get(key, {})
        facts = WaveFacts(
            kind=kind,
            design=plan.design,
            arms=[arm.key for arm in plan.arms],
            graded=[arm for arm in (plan.treated, plan.control) if arm is not None],
            invited=invited,
            answered=answered,
            primary=primary_answers(self._answers, plan, key),
            waiting=self._waiting.get(key, 0),
            measure=primary_of(plan),
            # Whoever answered at the baseline and nobody here: that is before the wave, not a loss.
            followed=followed(self._session, *self._place, plan, key)
            if answered and kind is not WaveKind.BASELINE
            else {},
            least=smallest_cell(self._session),
        )
        return response_of(facts)


def page_of_waves(waves: Sequence[WaveOut], limit: int, cursor: str | None) -> Page[WaveOut]:
    """A page of these waves; the cursor is the key of the last one of the page before."""
    keys = [wave.key for wave in waves]
    if cursor is not None and cursor not in keys:
        msg = "this is not a cursor of this list; pass the `next_cursor` of the page before, or none"
        raise Invalid(msg, [fault(["cursor"], msg, "unknown_cursor")])
    first = 0 if cursor is None else keys.index(cursor) + 1
    page = waves[first : first + limit]
    return Page(items=list(page), next_cursor=page[-1].key if len(waves) > first + limit else None)
