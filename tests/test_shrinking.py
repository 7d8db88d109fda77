"""Examples made small: what is left still shows the failure, and little is asked for it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray

from pytest_kerasload.shrinking import Domain, Shows, reduced

Array = NDArray[Any]

BATCHES = arrays(np.float32, array_shapes(min_dims=1, max_dims=3, max_side=5), elements=st.floats(-100, 100, width=32))


def counted(shows: Shows) -> tuple[Shows, list[bool]]:
    """The same question, and the list of its answers."""
    answers: list[bool] = []

    def asked(example: list[Array]) -> bool:
        answers.append(shows(example))
        return answers[-1]

    return asked, answers


@given(BATCHES, st.integers(0, 60), st.floats(-50, 50))
def test_what_is_left_shows_the_failure_and_the_budget_is_kept(batch: Array, calls: int, limit: float) -> None:
    def shows(example: list[Array]) -> bool:
        return bool((example[0] >= limit).any()) or example[0].sum() < -limit

    if not shows([batch]):
        return
    asked, answers = counted(shows)
    before = batch.copy()
    (small,) = reduced([batch], asked, calls=calls)
    assert shows([small])
    assert len(answers) <= calls
    assert (small.dtype, small.shape[1:]) == (batch.dtype, batch.shape[1:])
    assert 1 <= small.shape[0] <= batch.shape[0]
    assert np.count_nonzero(small) <= np.count_nonzero(batch)
    assert np.array_equal(batch, before)


@given(st.integers(0, 9999), st.integers(1, 3))
def test_one_guilty_element_of_ten_thousand_is_found(place: int, rows: int) -> None:
    batch = np.random.default_rng(place).normal(size=(rows, 10_000)).astype(np.float32)
    batch[rows - 1, place] = 7.3891
    asked, answers = counted(lambda example: bool((example[0][:, place] > 5).any()))
    (small,) = reduced([batch], asked)
    assert small.shape == (1, 10_000)
    assert np.flatnonzero(small).tolist() == [place]
    assert small[0, place] == 7
    assert len(answers) <= 60


@given(st.sets(st.integers(0, 199), min_size=2, max_size=2))
def test_elements_that_are_guilty_together_stay(guilty: set[int]) -> None:
    first, second = sorted(guilty)
    small, other = reduced(
        [np.full((1, 100), 3.0), np.full((1, 100), 2.0)],
        lambda example: bool(np.concatenate(example, axis=1)[0, [first, second]].all()),
        calls=200,
    )
    assert np.flatnonzero(np.concatenate([small, other], axis=1)).tolist() == [first, second]


def test_nothing_is_smaller_than_one_row_of_the_simplest_values() -> None:
    domains = [Domain(), Domain(5, least=5), Domain(b"", rounds=False), Domain()]
    example = [np.ones((3, 2)), np.full((3, 2), 9), np.full((3, 1), b"word"), np.ones((3, 1), bool)]
    asked, answers = counted(lambda example: True)
    small = reduced(example, asked, domains)
    assert [array.tolist() for array in small] == [[[0.0, 0.0]], [[5, 5]], [[b""]], [[False]]]
    assert len(answers) <= 3


def test_a_fixed_number_of_rows_stays() -> None:
    (small,) = reduced([np.ones((4, 2))], lambda example: True, rows=False)
    assert small.tolist() == [[0, 0]] * 4


def test_inputs_of_several_lengths_keep_their_rows() -> None:
    small, _ = reduced([np.ones((4, 2)), np.ones((3, 2))], lambda example: True)
    assert small.shape == (4, 2)


@pytest.mark.parametrize(
    ("value", "shows", "domain", "small"),
    [
        (0.123456, lambda v: 0.12 < v < 0.5, Domain(), 0.123),
        (87.4321, lambda v: v > 50, Domain(), 80.0),
        (-3.7, lambda v: v < 0, Domain(), -1.0),
        (3.7, lambda v: v > 0, Domain(2.0, least=2.0), 2.0),
        (3.7, lambda v: v != 2, Domain(2.0, least=2.5), 2.5),
        (0.3, lambda v: v != 0, Domain(most=0.5), 0.5),
        (0.3, lambda v: v != 0, Domain(rounds=False), 0.3),
        (1e-40, lambda v: v > 0, Domain(), 1.0),
        (float("inf"), lambda v: v > 0, Domain(), float("inf")),
        (2 + 3j, lambda v: v.imag > 0, Domain(), 1 + 1j),
    ],
)
def test_what_remains_is_a_short_number(value: Any, shows: Any, domain: Domain, small: Any) -> None:
    (found,) = reduced([np.array([[value]])], lambda example: bool(shows(example[0][0, 0])), [domain])
    assert found[0, 0] == pytest.approx(small)


def test_whole_numbers_stay_in_their_range() -> None:
    seen: list[int] = []

    def shows(example: list[Array]) -> bool:
        seen.extend(int(v) for v in example[0].ravel())
        return bool((example[0] > 40).any())

    (small,) = reduced([np.array([[57, 91]], np.uint8)], shows, [Domain(2, least=2, most=99)])
    assert sorted(small[0].tolist()) == [2, 50]
    assert small.dtype == np.uint8
    assert 2 <= min(seen) <= max(seen) <= 99


def test_elements_that_have_to_stay_do() -> None:
    batch = np.array([[1.0, 2.0, np.nan]])
    (small,) = reduced([batch], lambda example: True, [Domain(np.where(np.isnan(batch), batch, 0.0))])
    assert np.array_equal(small, [[0.0, 0.0, np.nan]], equal_nan=True)


def test_the_time_limit_is_kept() -> None:
    asked, answers = counted(lambda example: True)
    assert reduced([np.ones((3, 3))], asked, seconds=-1.0)[0].shape == (3, 3)
    assert not answers


def test_a_failure_to_answer_is_told() -> None:
    def shows(example: list[Array]) -> bool:
        raise RuntimeError("gone")

    with pytest.raises(RuntimeError, match="gone"):
        reduced([np.ones((3, 3))], shows)
