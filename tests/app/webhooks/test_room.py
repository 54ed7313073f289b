"""Who gets a place for a try; a pure rule."""

import random

from hypothesis import given
from hypothesis import strategies as st

from app.webhooks.room import Room, places

ROOM = Room(each=5, each_failing=1, together=16)


def given_out(
    due: dict[str, bool], under_way: dict[str, int] | None = None, room: Room = ROOM, seed: int = 0
) -> dict[str, int]:
    under_way = under_way or {}
    failing = sum(n for name, n in under_way.items() if due.get(name))
    return places(due.items(), under_way, failing, room, random.Random(seed).random)


def test_a_healthy_one_gets_several_and_a_failing_one_gets_one() -> None:
    assert given_out({"fine": False}) == {"fine": 5}
    assert given_out({"fails": True}) == {"fails": 1}
    assert given_out({"fails": True}, {"fails": 1}) == {}
    assert given_out({"fine": False}, {"fine": 3}) == {"fine": 2}


def test_those_that_fail_never_take_more_than_half() -> None:
    due = {f"fails {n}": True for n in range(20)}
    assert set(given_out(due).values()) == {1}
    assert len(given_out(due)) == 8


def test_those_with_the_fewest_go_first() -> None:
    assert given_out({"busy": False, "idle": False}, {"busy": 4}, Room(each=5, together=12)) == {"idle": 2}


def test_chance_decides_among_equals() -> None:
    due = {f"fails {n}": True for n in range(20)}
    assert {name for seed in range(60) for name in given_out(due, seed=seed)} == set(due)


@given(st.randoms(use_true_random=False), st.integers(1, 8))
def test_whoever_has_none_finds_a_place_whatever_the_others_hold(chance: random.Random, endpoints: int) -> None:
    fails = {str(n): chance.random() < 0.3 for n in range(endpoints)}
    under_way = dict.fromkeys(fails, 0)
    for _ in range(30):
        due = {name: failing for name, failing in fails.items() if chance.random() < 0.7}
        failing_under_way = sum(under_way[name] for name, failing in fails.items() if failing)
        found = places(due.items(), under_way, failing_under_way, ROOM, chance.random)
        assert {name for name in due if under_way[name] == 0} <= set(found)
        for name, number in found.items():
            under_way[name] += number
            assert under_way[name] <= (ROOM.each_failing if fails[name] else ROOM.each)
        assert sum(under_way.values()) <= ROOM.together
        for name in fails:
            under_way[name] -= chance.randint(0, under_way[name]) if chance.random() < 0.4 else 0
