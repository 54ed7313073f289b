"""Where a pilot and an intervention stand: every stage and every end has its word; pure."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.lifecycle.stages import Retirement
from app.lifecycle.standing import BY_RETIREMENT, BY_STAGE, ORDER, Attempt, Standing, of_attempt, of_intervention
from app.pilots.models import ProgramStatus, Stage


def test_every_stage_and_every_end_has_its_word() -> None:
    assert set(BY_STAGE) == set(Stage)
    assert set(BY_RETIREMENT) == set(Retirement)


@pytest.mark.parametrize(
    ("attempt", "word"),
    [
        (Attempt(stage=Stage.TEST), "in_test"),
        (Attempt(stage=Stage.SCALE), "scaled"),
        (Attempt(stage=Stage.SCALE, provisional=True), "provisionally_scaled"),
        (Attempt(stage=Stage.FOUNDATIONAL), "foundational"),
        (Attempt(stage=Stage.RETIRED, retirement="not_scalable"), "effective_not_scalable"),
        (Attempt(stage=Stage.RETIRED, retirement="replaced"), "replaced"),
        (Attempt(stage=Stage.RETIRED, retirement="stopped", provisional=True), "stopped"),
        (Attempt(stage=Stage.SCALE, moved_on=True), "moved_on"),
    ],
)
def test_a_pilot(attempt: Attempt, word: str) -> None:
    assert of_attempt(attempt) == word


@given(st.lists(st.sampled_from(ORDER)))
def test_an_intervention_came_as_far_as_its_best_pilot(attempts: list[Standing]) -> None:
    for program, elsewhere in product((None, *ProgramStatus), (0, 3)):
        found = of_intervention(program, attempts, evidence_elsewhere=elsewhere)
        if program is not None:
            assert found == {"active": "foundational", "demoted": "demoted"}[program]
        elif attempts:
            assert all(ORDER.index(found) <= ORDER.index(each) for each in attempts)
        else:
            assert found == ("tried_elsewhere" if elsewhere else "untried")
