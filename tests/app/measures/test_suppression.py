"""Property tests of what is hidden: nothing hidden can be computed from what is shown."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from app.measures.suppression import Suppressed, Table, Unit, suppress

PLACES = [(m, a, w) for m in ("ee", "dp") for a in ("control", "intervention") for w in ("pre", "mid", "post")]
TABLES = [Table(*place, linked=linked) for place in PLACES for linked in (False, True)]
counts_of = st.dictionaries(
    st.sampled_from(TABLES),
    st.dictionaries(st.sampled_from([None, "u1", "u2", "u3", "u4", "u5"]), st.integers(0, 12), max_size=6),
)
leasts = st.integers(2, 8)


def determined(rows: list[list[float]], cell: int) -> bool:
    """Whether a linear combination of what is shown gives the cell."""
    if not rows:
        return False
    target = np.zeros(len(rows[0]))
    target[cell] = 1
    return bool(np.linalg.matrix_rank(np.array([*rows, target])) == np.linalg.matrix_rank(np.array(rows)))


@given(counts=counts_of, least=leasts, already=st.frozensets(st.sampled_from(["u1", "u2"])))
def test_no_hidden_cell_follows_from_what_is_shown(
    counts: dict[Table, dict[Unit, int]], least: int, already: frozenset[Unit]
) -> None:
    found = suppress(counts, least, already)
    cells = [(t, u) for t, here in counts.items() for u, n in here.items() if n > 0]
    shown = [[float(table == t) for table, _ in cells] for t in counts if t not in found.tables]
    shown += [[float(c == cell) for c in cells] for cell in cells if not found.hides(*cell)]
    # A sum over one cell of n, of values or of squares is the same row; so one system stands for all three.
    for i, (t, u) in enumerate(cells):
        if counts[t][u] < least:
            assert found.hides(t, u)
        if found.hides(t, u):
            assert not determined(shown, i), (t, u)
    assert found.cells == sum(found.hides(*cell) for cell in cells)


@given(counts=counts_of, least=leasts)
def test_what_is_hidden_of_a_shown_table_is_a_group_again(counts: dict[Table, dict[Unit, int]], least: int) -> None:
    found = suppress(counts, least)
    for t, here in counts.items():
        hidden = [n for u, n in here.items() if n > 0 and found.hides(t, u)]
        if hidden and t not in found.tables:
            assert len(hidden) > 1
            assert sum(hidden) >= least
        assert (t in found.tables) is (0 < sum(here.values()) < least)


@given(counts=counts_of, least=leasts)
def test_a_unit_is_hidden_in_every_table_where_others_are_shown(
    counts: dict[Table, dict[Unit, int]], least: int
) -> None:
    found = suppress(counts, least)
    for unit in found.units:
        for t, here in counts.items():
            if here.get(unit) and sum(1 for n in here.values() if n) > 1:
                assert found.hides(t, unit)


@given(counts=counts_of, least=leasts, already=st.frozensets(st.sampled_from(["u3", "u4", None])))
def test_hiding_more_before_hides_no_less(
    counts: dict[Table, dict[Unit, int]], least: int, already: frozenset[Unit]
) -> None:
    found = suppress(counts, least, already)
    assert already <= found.units
    assert suppress(counts, least, found.units).units == found.units
    assert suppress(dict(reversed(counts.items())), least, already) == found


@given(counts=counts_of)
def test_one_switches_it_off(counts: dict[Table, dict[Unit, int]]) -> None:
    assert suppress(counts, 1, frozenset({"u1"})) == Suppressed()


def test_the_smallest_other_cell_goes_with_a_small_one() -> None:
    pre, post = Table("ee", "control", "pre"), Table("ee", "control", "post")
    found = suppress({pre: {"u1": 9, "u2": 8, "u3": 20}, post: {"u1": 3, "u2": 9, "u3": 7}}, 5)
    assert found.units == {"u1", "u3"}
    assert not found.hides(pre, "u2")
    assert found.cells == 4


def test_few_people_are_hidden_whole_and_a_single_unit_is_its_total() -> None:
    few, one = Table("ee", "control", "pre"), Table("ee", "control", "post")
    found = suppress({few: {"u1": 2, "u2": 2}, one: {"u1": 6}}, 5)
    assert (found.tables, found.units, found.cells) == ({few}, frozenset(), 2)
    assert not found.hides(one, "u1")
