"""Where a pilot and an intervention stand, in words: tables and pure functions."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from app.lifecycle.stages import Retirement
from app.pilots.models import ProgramStatus, Stage


class Standing(StrEnum):
    """How far something came, the farthest first.

    What was found goes before what is under way: an effective remedy that could not be scaled stays effective while
    another attempt at it is tested (Shanafelt et al. 2020: "effective but not scalable" is an outcome of its own).
    """

    FOUNDATIONAL = "foundational"
    DEMOTED = "demoted"
    SCALED = "scaled"
    PROVISIONALLY_SCALED = "provisionally_scaled"
    EFFECTIVE_NOT_SCALABLE = "effective_not_scalable"
    IN_TEST = "in_test"
    IN_REFINEMENT = "in_refinement"
    IN_PREPARATION = "in_preparation"
    REPLACED = "replaced"
    STOPPED = "stopped"
    MOVED_ON = "moved_on"
    TRIED_ELSEWHERE = "tried_elsewhere"
    UNTRIED = "untried"


ORDER = list(Standing)
BY_STAGE: Mapping[Stage, Standing] = {
    Stage.DISCOVER: Standing.IN_PREPARATION,
    Stage.DEVELOP: Standing.IN_PREPARATION,
    Stage.TEST: Standing.IN_TEST,
    Stage.REFINE: Standing.IN_REFINEMENT,
    Stage.SCALE: Standing.SCALED,
    Stage.FOUNDATIONAL: Standing.FOUNDATIONAL,
    Stage.RETIRED: Standing.STOPPED,
}
BY_RETIREMENT: Mapping[str | None, Standing] = {
    Retirement.REPLACED: Standing.REPLACED,
    Retirement.NOT_SCALABLE: Standing.EFFECTIVE_NOT_SCALABLE,
    Retirement.STOPPED: Standing.STOPPED,
}
BY_PROGRAM: Mapping[ProgramStatus, Standing] = {
    ProgramStatus.ACTIVE: Standing.FOUNDATIONAL,
    ProgramStatus.DEMOTED: Standing.DEMOTED,
}


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """What decides where a pilot stands; `moved_on`: to another intervention than the one that is asked about."""

    stage: Stage
    provisional: bool = False
    retirement: str | None = None
    moved_on: bool = False


def of_attempt(attempt: Attempt) -> Standing:
    """Where a pilot stands."""
    if attempt.moved_on:
        return Standing.MOVED_ON
    if attempt.stage is Stage.SCALE and attempt.provisional:
        return Standing.PROVISIONALLY_SCALED
    if attempt.stage is Stage.RETIRED:
        return BY_RETIREMENT.get(attempt.retirement, Standing.STOPPED)
    return BY_STAGE[attempt.stage]


def of_intervention(
    program: ProgramStatus | None, attempts: Iterable[Standing], *, evidence_elsewhere: int
) -> Standing:
    """Where an intervention stands: as its program does, else as the pilot that came farthest."""
    if program is not None:
        return BY_PROGRAM[program]
    nothing = Standing.TRIED_ELSEWHERE if evidence_elsewhere else Standing.UNTRIED
    return min(attempts, key=ORDER.index, default=nothing)
