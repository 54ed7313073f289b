"""Which models a worker has ready before it takes requests, and which it prepares while it waits for some."""

from analysis.designs import STRUCTURES
from analysis.synthesis_nuts import STRUCTURE
from app.analyses.run import FIRST, NEXT


def test_every_model_that_a_plan_may_end_in_is_compiled_before_somebody_needs_it() -> None:
    needed = {structure for structures in STRUCTURES.values() for structure in structures}
    assert needed | {STRUCTURE} == {*FIRST, *NEXT}
    assert len({*FIRST, *NEXT}) == len(FIRST) + len(NEXT)
