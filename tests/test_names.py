"""Which stored array stands for which tensor of a model."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_kerasload.expected import NamesDiffer, assign


def test_names_decide_and_not_their_order() -> None:
    assert assign(["b", "a"], [("a", "0"), ("b", "1")], "inputs") == [1, 0]


def test_positions_are_names() -> None:
    assert assign(["1", "0"], [("left", "0"), ("right", "1")], "inputs") == [1, 0]
    assert assign(["left", "1"], [("left", "0"), ("right", "1")], "inputs") == [0, 1]


def test_better_names_come_first() -> None:
    """A name that is one tensor's own and another's alias belongs to the first."""
    wanted = [("dense", "score", "0"), ("score", "1")]
    assert assign(["score", "dense"], wanted, "outputs") == [1, 0]
    assert assign(["score", "0"], wanted, "outputs") == [1, 0]


def test_one_of_each_needs_no_name() -> None:
    assert assign(["anything"], [("x", "0")], "inputs") == [0]
    assert assign(["anything"], [()], "inputs") == [0]


def test_what_was_not_stored() -> None:
    assert assign(["a"], [("a", "0"), ("b", "1")], "outputs") == [0, None]
    assert assign([], [("a", "0"), ("b", "1")], "outputs") == [None, None]


@pytest.mark.parametrize(
    ("given_names", "wanted"),
    [
        (["a", "c"], [("a", "0"), ("b", "1")]),
        (["a", "b", "c"], [("a", "0"), ("b", "1")]),
        (["a", "0"], [("a", "0"), ("b", "1")]),  # both stand for the first
        (["a", "b"], [("a", "0")]),
        (["a", "b"], []),
        (["A", "B"], [("a", "0"), ("b", "1")]),
        (["2", "0"], [("a", "0"), ("b", "1")]),
    ],
)
def test_a_name_that_stands_for_nothing(given_names: list[str], wanted: list[tuple[str, ...]]) -> None:
    with pytest.raises(NamesDiffer) as raised:
        assign(given_names, wanted, "outputs")
    said = str(raised.value)
    assert said.startswith("stored outputs ")
    assert all(repr(names[0]) in said for names in wanted)
    assert said.endswith(": none") == (not wanted)


@given(st.lists(st.text(min_size=1), min_size=2, max_size=6, unique=True), st.randoms(use_true_random=False))
def test_every_order_of_the_own_names(names: list[str], random: object) -> None:
    shuffled = list(names)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    places = assign(shuffled, [(name,) for name in names], "inputs")
    assert [shuffled[place] for place in places if place is not None] == names
