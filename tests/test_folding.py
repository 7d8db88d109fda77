"""Large outputs, stored as sums: small on disk, and what is caught stays what it was."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest

from pytest_kerasload import comparison, noise
from pytest_kerasload.comparison import Tolerance
from pytest_kerasload.folding import BY, LARGE, Fold
from pytest_kerasload.precision import folded

SHAPE = (2, 300, 300, 3)
UNIT = 2.0**-23


def large(seed: int = 0) -> Any:
    return np.random.default_rng(seed).normal(size=SHAPE).astype("float32")


def rounded(array: Any, seed: int) -> Any:
    """The array with noise of a few roundings."""
    draw = np.random.default_rng(seed).normal(size=array.shape)
    return (array + 3e-7 * draw).astype("float32")


def compared(now: Any, factor: float = 8.0) -> tuple[bool, bool]:
    """Whether outputs agree with large(), element by element and folded, with noise measured for each."""
    was = large()
    fold = Fold.of(was)
    assert fold is not None
    answers = []
    for stored in (lambda a: a, fold):
        varied = [("again", [stored(rounded(was, seed))]) for seed in (1, 2, 3, 4)]
        (measured,) = noise.measured([stored(was)], varied, batch=2)
        assert measured is not None
        allowed = Tolerance(*(1e-4, 2e-5), noise=measured.rows, by=measured.by, factor=factor, unit=UNIT)
        chosen = folded(allowed) if stored is fold else allowed
        answers.append(comparison.compare("y", stored(was), stored(now), chosen).agrees)
    return answers[0], answers[1]


def test_what_is_stored_is_a_sixteenth() -> None:
    fold = Fold.of(large())
    assert fold is not None
    sums = fold(large())
    assert sums.shape == (2, 300 * 300 * 3 // BY)
    assert sums.dtype == np.float32

    def size(array: Any) -> int:
        buffer = io.BytesIO()
        np.savez_compressed(buffer, array)
        return len(buffer.getvalue())

    assert size(sums) < size(large()) / 12


def test_noise_agrees_in_both() -> None:
    for seed in range(50, 56):
        assert compared(rounded(large(), seed)) == (True, True)


@pytest.mark.parametrize("place", [(0, 0, 0, 0), (1, 299, 299, 2), (1, 150, 7, 1)])
def test_one_element_that_is_caught_is_caught_in_its_sum(place: tuple[int, ...]) -> None:
    """At one and a half times the smallest change that shows in the elements themselves."""
    smallest = next(step for step in np.geomspace(1e-7, 1e-3, 60) if not compared(_moved(place, step))[0])
    assert not compared(_moved(place, 1.5 * smallest))[1]


def _moved(place: tuple[int, ...], step: float) -> Any:
    now = large()
    now[place] += np.float32(step)
    return now


def test_a_region_that_moved_the_same_way() -> None:
    now = large()
    now[1, 100:140, 100:140] += 2e-5
    assert compared(now) == (False, False)


def test_elements_that_changed_places() -> None:
    now = large()
    now[0, :, 5], now[0, :, 6] = large()[0, :, 6], large()[0, :, 5]
    assert compared(now) == (False, False)
    assert compared(large()[:, ::-1]) == (False, False)
    assert compared(large()[..., [1, 0, 2]]) == (False, False)


def test_nothing_is_folded_that_a_sum_would_hide() -> None:
    odd = large()
    odd[0, 0, 0, 0] = np.nan
    assert Fold.of(odd) is None
    assert Fold.of(np.zeros((1 << 10, 1 << 10), "int64")) is None
    assert Fold.of(np.zeros(LARGE, "float32").reshape(2, -1)) is None
    assert Fold.of(np.zeros(2 * LARGE, "float32")) is None
    assert Fold.of(np.zeros((2, LARGE), "float64")) == Fold((2, LARGE), "float64")


def test_a_fold_is_read_back_and_nothing_else_is() -> None:
    fold = Fold.of(large())
    assert fold is not None
    assert Fold.of_json(fold.as_json()) == fold
    for told in (
        None,
        {},
        {"shape": [2, 3], "dtype": "float32", "by": 8},
        {"shape": [2], "dtype": "float32", "by": 16},
        {"shape": [2, 3], "dtype": "floating", "by": 16},
        {"shape": [2, 3], "dtype": ["float32"], "by": 16},
        {"shape": [2, 1 << 70], "dtype": "float32", "by": 16},
        {"shape": [1] * 99, "dtype": "float32", "by": 16},
    ):
        assert Fold.of_json(told) is None


def test_not_a_number_in_what_is_obtained_shows() -> None:
    now = large()
    now[1, 2, 3, 0] = np.nan
    assert compared(now) == (False, False)


def test_a_share_that_may_differ_does_not_become_all() -> None:
    """A tenth of the elements may differ: other sums altogether are another output all the same."""
    was, now = large(), large(1)
    fold = Fold.of(was)
    assert fold is not None
    allowed = folded(Tolerance(1e-4, 2e-5, max_mismatch=0.1))
    assert not comparison.compare("y", fold(was), fold(now), allowed).agrees
    chosen = np.random.default_rng(2).random(SHAPE) < 0.09
    assert comparison.compare("y", fold(was), fold(np.where(chosen, now, was)), allowed).agrees
