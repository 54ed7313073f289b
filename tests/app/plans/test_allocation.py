"""Chance assigns arms in balanced blocks: the same again from the same seed, and earlier arms stay."""

import random
from collections import Counter
from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from app.plans.allocation import Blocks, Placed, Subject, allocate

ARMS = ("control", "intervention", "waitlist")
subjects = st.lists(
    st.builds(Subject, st.integers(0, 60).map("p-{}".format), st.sampled_from(["", "a", "b", "c"])),
    max_size=40,
    unique_by=lambda subject: subject.key,
)
seeds = st.integers(0, 2**53 - 1)


@st.composite
def ratios(draw: st.DrawFn) -> Blocks:
    arms = ARMS[: draw(st.integers(2, 3))]
    times = draw(st.integers(1, 3))
    return Blocks({arm: draw(st.integers(1, 3)) * times for arm in arms})


def by_stratum(placed: list[Placed]) -> dict[str, Counter[str]]:
    return {s: Counter(p.arm for p in placed if p.stratum == s) for s in {p.stratum for p in placed}}


@given(listed=subjects, blocks=ratios(), seed=seeds, chance=st.randoms())
def test_the_same_seed_and_list_give_the_same_arms_in_any_order(
    listed: list[Subject], blocks: Blocks, seed: int, chance: random.Random
) -> None:
    again = list(listed)
    chance.shuffle(again)
    assert allocate(listed, [], blocks, seed) == allocate(again, [], blocks, seed)


@given(lists=st.lists(subjects, min_size=1, max_size=4), blocks=ratios(), seed=seeds)
def test_everybody_once_and_earlier_arms_stay(lists: list[list[Subject]], blocks: Blocks, seed: int) -> None:
    placed: list[Placed] = []
    for listed in lists:
        before = list(placed)
        placed += allocate(listed, placed, blocks, seed)
        assert placed[: len(before)] == before
        assert {s.key for s in listed} <= {p.key for p in placed}
    assert len({p.key for p in placed}) == len(placed)
    assert {p.arm for p in placed} <= set(blocks.seats)
    assert allocate(lists[0], placed, blocks, seed) == []


@given(lists=st.lists(subjects, min_size=1, max_size=4), blocks=ratios(), seed=seeds)
def test_in_every_stratum_only_the_open_block_is_out_of_balance(
    lists: list[list[Subject]], blocks: Blocks, seed: int
) -> None:
    placed: list[Placed] = []
    for listed in lists:
        placed += allocate(listed, placed, blocks, seed)
    for counts in by_stratum(placed).values():
        full, rest = divmod(counts.total(), blocks.size)
        for arm, seats in blocks.seats.items():
            assert full * seats <= counts[arm] <= full * seats + min(seats, rest)


@given(listed=subjects, times=st.integers(1, 4), seed=seeds)
def test_a_list_of_two_arms_is_balanced_over_the_whole(listed: list[Subject], times: int, seed: int) -> None:
    counts = Counter(p.arm for p in allocate(listed, [], Blocks({"control": times, "intervention": times}), seed))
    assert abs(counts["control"] - counts["intervention"]) <= 1


@given(seed=seeds, times=st.integers(1, 3))
def test_small_strata_one_by_one_do_not_all_go_to_one_arm(seed: int, times: int) -> None:
    placed: list[Placed] = []
    for i in range(20):
        placed += allocate([Subject(f"p-{i}", f"stratum {i}")], placed, Blocks({"a": times, "b": times}), seed + i)
        counts = Counter(p.arm for p in placed)
        assert abs(counts["a"] - counts["b"]) <= times


def test_chance_gives_everybody_the_same_chance_of_an_arm() -> None:
    listed = [Subject(f"p-{i}", "ab"[i % 2]) for i in range(7)]
    blocks = Blocks({"control": 1, "intervention": 2})
    treated = Counter(
        p.key for seed in range(3000) for p in allocate(listed, [], blocks, seed) if p.arm == "intervention"
    )
    assert all(abs(treated[s.key] / 3000 - 2 / 3) < 0.04 for s in listed), treated


class Gone(list[Placed]):
    """Earlier arms that count how often they are gone through."""

    times = 0

    def __iter__(self) -> Iterator[Placed]:
        self.times += 1
        return super().__iter__()


def test_earlier_arms_are_gone_through_as_often_for_a_hundred_strata_as_for_one() -> None:
    blocks = Blocks({"a": 1, "b": 1})

    def gone(strata: int) -> int:
        earlier = Gone(Placed(f"p-{i}", f"stratum {i % strata}", "ab"[i % 2]) for i in range(300))
        allocate([Subject(f"q-{i}", f"stratum {i}") for i in range(strata)], earlier, blocks, 1)
        return earlier.times

    assert gone(100) == gone(1)
