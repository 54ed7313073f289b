"""What is looked up for a million rows is what the rules say of one."""

from itertools import pairwise
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from app.db import now
from app.imports.checking import PLAIN
from app.imports.staging import fresh_ids
from app.measures.rules import participant_faults


@given(st.from_regex(PLAIN, fullmatch=True))
def test_no_rule_is_against_a_plain_pseudonym(text: str) -> None:
    assert list(participant_faults(text)) == []


def test_ids_of_one_instant_are_uuids_in_the_order_of_chance() -> None:
    at = now()
    made = list(fresh_ids(2000, at))
    assert all(UUID(one).version == 7 for one in made)
    assert {UUID(one).int >> 80 for one in made} == {int(at.timestamp() * 1000)}
    assert len(set(made)) == 2000
    falls = sum(later < earlier for earlier, later in pairwise(made))
    assert 800 < falls < 1200
