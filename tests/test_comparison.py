"""What counts as different, and how it is told."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from pytest_kerasload.comparison import BY_PRECISION, ArrayComparison, Tolerance, comparable, compare, quantum, table

FLOAT32 = BY_PRECISION["float32"]
NAN, INF = float("nan"), float("inf")


def compared(expected: Any, obtained: Any, tolerance: Tolerance = FLOAT32, **more: Any) -> ArrayComparison:
    return compare("scores", np.asarray(expected), np.asarray(obtained), tolerance, **more)


def float32(*values: Any) -> Any:
    return np.array(values, "float32")


@given(arrays.arrays(st.sampled_from(["float32", "float64", "float16", "int64", "bool", "S3"]), (2, 3)))
def test_an_array_agrees_with_itself(array: Any) -> None:
    found = compared(array, array.copy(), same_dtype=True)
    assert found.agrees
    assert found.differing == 0
    assert found.total == 6


@given(
    arrays.arrays("float32", (4, 3), elements=st.floats(-1000, 1000, width=32)),
    st.integers(0, 3),
    st.integers(0, 2),
    st.floats(0.01, 1000),
)
def test_one_element_that_moved_is_found(array: Any, row: int, column: int, by: float) -> None:
    """Whatever else is in the array: the scale of the largest output does not hide a change of a hundredth of it."""
    moved = array.copy()
    moved[row, column] += by * max(1.0, float(np.abs(array).max()))
    found = compared(array, moved)
    assert found.kind == "values"
    assert (found.differing, found.total, found.rows) == (1, 12, (1, 4))
    assert found.worst[0].index == (row, column)


# ---- noise


def test_noise_of_another_release_agrees() -> None:
    rows = np.random.default_rng(0).normal(size=(64, 10)).astype("float32")
    found = compared(rows, rows * np.float32(1 + 3e-6) + np.float32(1e-6))
    assert found.agrees
    assert found.max_abs is not None
    assert 0 < found.max_abs < 1e-4
    assert found.max_rel is not None


def test_a_small_element_beside_large_ones_may_move_by_their_noise() -> None:
    assert compared(float32([100.0, 1e-6]), float32([100.0, 1e-4])).agrees
    assert not compared(float32([1.0, 1e-6]), float32([1.0, 1e-4])).agrees


def test_small_outputs_are_compared_by_their_own_size() -> None:
    assert not compared(float32([1e-9, 2e-9]), float32([1e-9, 2.1e-9])).agrees
    assert compared(float32([1e-9, 2e-9]), float32([1e-9, 2.00001e-9])).agrees


def test_all_zero_outputs() -> None:
    assert compared(float32([0, 0]), float32([0, 1e-8])).agrees
    assert not compared(float32([0, 0]), float32([0, 1e-5])).agrees
    assert not compared(float32([0.5, 0.5]), float32([0, 0])).agrees


@pytest.mark.parametrize(("precision", "noise", "change"), [("float16", 2e-3, 0.05), ("bfloat16", 1e-2, 0.2)])
def test_half_precision(precision: str, noise: float, change: float) -> None:
    """However the outputs are stored: a mixed precision model gives float32."""
    rows = np.linspace(0.1, 1, 50, dtype="float32").reshape(5, 10)
    assert compared(rows, rows * np.float32(1 + noise), BY_PRECISION[precision]).agrees
    assert not compared(rows, rows * np.float32(1 + noise), FLOAT32).agrees
    assert not compared(rows, rows * np.float32(1 + change), BY_PRECISION[precision]).agrees
    half = rows.astype("float16")
    assert compared(half, half + np.float16(0.001), BY_PRECISION["float16"], same_dtype=True).agrees


def test_float64_is_held_to_more() -> None:
    rows = np.linspace(0.1, 1, 50)
    assert not compared(rows, rows * (1 + 1e-5), BY_PRECISION["float64"]).agrees
    assert compared(rows, rows * (1 + 1e-5), FLOAT32).agrees


def test_the_users_tolerance_replaces_the_share() -> None:
    one, other = float32([1000.0, 1.0]), float32([1000.0, 1.005])
    assert compared(one, other).agrees
    assert not compared(one, other, Tolerance(rtol=0, share=1, absolute=1e-3)).agrees
    assert compared(one, other, Tolerance(rtol=0, share=0, absolute=1e-2)).agrees
    assert not compared(one, other, Tolerance(rtol=0, share=1, absolute=0.0)).agrees
    assert compared(one, other, Tolerance(rtol=1e-2, share=0, absolute=0.0)).agrees


@pytest.mark.parametrize("dtype", ["float32", "int64", "S1"])
def test_max_mismatch(dtype: str) -> None:
    one = np.array([[1, 2, 3, 4]], dtype)
    two = np.array([[1, 2, 3, 9]], dtype)
    assert not compared(one, two).agrees
    found = compared(one, two, Tolerance(1e-4, 1e-5, max_mismatch=0.25))
    assert found.agrees
    assert found.differing == 1  # told all the same
    assert not compared(one, two, Tolerance(1e-4, 1e-5, max_mismatch=0.24)).agrees


# ---- what is not finite


def test_nan_agrees_with_nan_at_the_same_place_only() -> None:
    assert compared(float32([1, NAN]), float32([1, NAN])).agrees
    for obtained in ([NAN, 1], [1, 1], [NAN, NAN], [1, INF]):
        found = compared(float32([1, NAN]), float32(obtained))
        assert found.kind == "finite"
        assert "NaN or infinity" in found.problem
    assert compared(float32([1, 1]), float32([1, NAN])).kind == "finite"


def test_infinities_have_a_sign() -> None:
    assert compared(float32([INF, -INF, 1]), float32([INF, -INF, 1])).agrees
    assert compared(float32([INF, 1]), float32([-INF, 1])).kind == "finite"
    assert compared(float32([INF, 1]), float32([3e38, 1])).kind == "finite"


def test_values_beside_nan_are_compared() -> None:
    found = compared(float32([NAN, 1.0], [2.0, INF]), float32([NAN, 1.5], [2.0, INF]))
    assert found.kind == "values"
    assert found.max_abs == 0.5
    assert found.worst[0].index == (0, 1)


def test_max_mismatch_does_not_excuse_nan() -> None:
    assert compared(float32([1, 2]), float32([1, NAN]), Tolerance(1, 1, max_mismatch=0.9)).kind == "finite"


def test_differences_that_overflow() -> None:
    largest = np.array([np.finfo("float64").max])
    assert compared(largest, -largest, BY_PRECISION["float64"]).kind == "values"


# ---- dtypes and shapes


@pytest.mark.parametrize(
    ("one", "other"),
    [("float32", "int32"), ("int32", "bool"), ("float32", "bool"), ("float32", "S1"), ("int64", "U1"), ("f4", "c8")],
)
def test_another_kind_of_dtype_never_agrees(one: str, other: str) -> None:
    values = [[0, 1]]
    for first, second in ((one, other), (other, one)):
        found = compared(np.array(values, first), np.array(values, second))
        assert found.kind == "dtype"
        assert found.problem.startswith("expected dtype ")


def test_another_width_agrees_unless_this_plugin_wrote_it() -> None:
    one, other = np.array([0.5, 1]), np.array([0.5, 1], "float32")
    assert compared(one, other).agrees
    assert compared(one, other, same_dtype=True).problem == "expected dtype float64, obtained float32"
    assert compared(np.array([1], "int32"), np.array([1], "int64")).agrees
    assert compared(np.array([1], "uint8"), np.array([1], "int64")).agrees
    assert compared(np.array([1], "int32"), np.array([1], "int64"), same_dtype=True).kind == "dtype"


@pytest.mark.parametrize("shapes", [((2, 3), (3, 2)), ((2, 1), (2,)), ((1, 2), (2, 2)), ((), (1,)), ((2, 0), (2, 1))])
def test_shapes_are_not_broadcast(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    found = compared(np.ones(shapes[0]), np.ones(shapes[1]))
    assert found.kind == "shape"
    assert str(list(shapes[0])) in found.problem
    assert str(list(shapes[1])) in found.problem


@pytest.mark.parametrize("dtype", ["float32", "int32", "S1", "bool"])
@pytest.mark.parametrize("shape", [(0,), (0, 3), (2, 0)])
def test_nothing_to_compare_never_agrees(shape: tuple[int, ...], dtype: str) -> None:
    found = compared(np.zeros(shape, dtype), np.zeros(shape, dtype))
    assert not found.agrees
    assert "nothing to compare" in found.problem


def test_a_scalar() -> None:
    assert compared(np.float32(1), np.float32(1)).agrees
    found = compared(np.float32(1), np.float32(2))
    assert (found.rows, found.differing) == ((1, 1), 1)
    assert found.worst[0].index == ()
    assert "[]" in table(found)


def test_whole_numbers_are_exact() -> None:
    large = 2**60
    found = compared(np.array([large, 5]), np.array([large + 1, 5]))
    assert (found.kind, found.differing) == ("values", 1)
    assert found.max_abs is not None
    assert compared(np.array([1000000]), np.array([1000001])).kind == "values"
    assert compared(np.array([2**64 - 1], "uint64"), np.array([-1], "int64")).kind == "values"


def test_bools() -> None:
    assert compared([True, False], [True, False]).agrees
    found = compared([[True, False], [True, True]], [[True, True], [True, True]])
    assert (found.differing, found.rows) == (1, (1, 2))


def test_strings() -> None:
    one = np.array(["é".encode(), b"dog"])
    assert compared(one, np.array(["é", "dog"])).agrees  # stored as bytes, or as text: the same string
    assert compared(one, one.astype("S30")).agrees
    found = compared(one, np.array([b"e", b"dog"]))
    assert (found.kind, found.differing, found.max_abs) == ("values", 1, None)
    assert "'é'" in table(found)
    assert "'e'" in table(found)


def test_complex_numbers() -> None:
    assert compared(np.array([1 + 1j]), np.array([1 + 1j])).agrees
    assert compared(np.array([1 + 1j]), np.array([1 - 1j])).kind == "values"
    assert compared(np.array([1 + 1j]), np.array([complex(NAN, 1)])).kind == "finite"


# ---- what is told


def test_argmax_in_words() -> None:
    expected = float32([0.9, 0.1], [0.2, 0.8], [0.6, 0.4])
    other = compared(expected, float32([0.1, 0.9], [0.2, 0.8], [0.4, 0.6]))
    assert other.classes == "argmax differs in 2 of 3 rows"
    assert other.rows == (2, 3)
    assert compared(expected, expected * 2).classes == "argmax is the same in every row"
    assert compared(float32([0.9], [0.2]), float32([0.1], [0.2])).classes == ""
    assert compared(float32([[[1, 2]]]), float32([[[2, 1]]])).classes == ""
    assert compared(float32([1, NAN]), float32([2, NAN])).classes == ""


def test_the_worst_places_come_first() -> None:
    expected = np.zeros((3, 10), "float32")
    expected[0] = 1.0
    obtained = expected.copy()
    obtained[1] += np.arange(10) / 10 + 0.01
    obtained[2, 3] = -5
    found = compared(expected, obtained)
    assert found.differing == 11
    assert (found.worst[0].index, found.worst[0].obtained, found.worst[0].difference) == ((2, 3), "-5", 5.0)
    assert [place.difference for place in found.worst] == sorted((p.difference for p in found.worst), reverse=True)
    lines = table(found).splitlines()
    assert lines[0].split() == ["index", "expected", "obtained", "difference"]
    assert lines[1].split() == ["[2,", "3]", "0", "-5", "5"]
    assert lines[-1] == "... and 1 more"
    assert len(lines) == 12
    assert found.problem == "11 of 30 elements differ, by up to 5"


def test_no_table_where_nothing_differs() -> None:
    assert table(compared(float32([1]), float32([1]))) == ""


def test_places_of_nan_have_no_difference() -> None:
    text = table(compared(float32([1, NAN]), float32([1, 2]))).splitlines()
    assert text[1].split() == ["[0,", "1]", "nan", "2"]


@pytest.mark.parametrize(
    ("expected", "obtained"),
    [
        ([[-1e9, 0.3, 0.2], [-1e9, 0.1, 0.7]], [[-1e9, 0.9, 0.2], [-1e9, -5.0, 0.7]]),
        ([[1e6, 0.3], [1e6, 0.1]], [[1e6, 0.9], [1e6, -5.0]]),
        ([[0.1, 0.2]] * 7 + [[1e6, 1e6]], [[0.1, 0.3]] * 7 + [[1e6, 1e6]]),
    ],
)
def test_a_large_value_hides_no_other_difference(expected: list[list[float]], obtained: list[list[float]]) -> None:
    one, other = np.array(expected, np.float32), np.array(obtained, np.float32)
    assert not compare("out", one, other, BY_PRECISION["float32"]).agrees


def test_noise_beside_larger_outputs_is_noise() -> None:
    one = np.array([[5.0, 1e-6], [4.0, 3e-6]], np.float32)
    other = one + np.array([[0, 2e-7], [0, -3e-7]], np.float32)
    assert compare("out", one, other, BY_PRECISION["float32"]).agrees


def test_outputs_without_a_finite_value_say_nothing() -> None:
    assert not comparable(np.full((2, 3), np.nan))
    assert not comparable(np.zeros((0, 3)))
    assert comparable(np.array([np.nan, 1.0]))
    assert comparable(np.array([b"a"]))


# ---- noise


def noisy(noise: float, **more: Any) -> Tolerance:
    return Tolerance(1e-4, 2e-5, noise=(noise,) * 8, factor=8.0, unit=2.0**-23, **more)


def test_noise_decides_where_it_was_measured() -> None:
    expected = np.random.default_rng(0).normal(size=(8, 4)).astype("float32")
    moved = expected.copy()
    moved[3, 2] += 2e-5
    assert compare("y", expected, moved, Tolerance(1e-4, 2e-5)).agrees
    found = compare("y", expected, moved, noisy(1e-7))
    assert not found.agrees
    assert found.times is not None
    assert found.times > 8
    assert compare("y", expected, moved, noisy(1e-4)).agrees


def test_a_row_has_the_noise_of_its_own() -> None:
    expected = np.ones((8, 4), "float32")
    moved = expected.copy()
    moved[3] += 1e-4
    rows = tuple(1e-4 if row == 3 else 1e-7 for row in range(8))
    assert compare("y", expected, moved, Tolerance(0, 0, noise=rows, factor=8.0, unit=2.0**-23)).agrees
    moved[4] += 1e-4
    assert compare("y", expected, moved, Tolerance(0, 0, noise=rows, factor=8.0, unit=2.0**-23)).rows == (1, 8)


def test_much_noise_is_not_given_many_times() -> None:
    """Half precision: eight times a noise of a sixth of the outputs would pass anything."""
    expected = np.ones((8, 4), "float32")
    assert not compare("y", expected, expected * 2, noisy(0.16)).agrees
    assert compare("y", expected, expected * 1.3, noisy(0.16)).agrees


def test_no_noise_is_a_few_rounding_errors() -> None:
    expected = np.ones((8, 4), "float32")
    assert compare("y", expected, expected * np.float32(1 + 1e-6), noisy(0.0)).agrees
    assert not compare("y", expected, expected * np.float32(1 + 4e-6), noisy(0.0)).agrees


@pytest.mark.parametrize("decimals", [1, 3, 4, 6])
def test_values_that_were_written_with_few_digits(decimals: int) -> None:
    true = np.random.default_rng(0).normal(scale=10.0, size=(8, 4)).astype("float32")
    written = np.round(true.astype("float64"), decimals)
    assert quantum(written) == pytest.approx(0.5 * 10.0**-decimals)
    assert quantum(written.astype("float32")) == pytest.approx(0.5 * 10.0**-decimals)
    assert compare("y", written, true, noisy(1e-7, quantum=quantum(written))).agrees


def test_values_that_were_not() -> None:
    true = np.random.default_rng(0).normal(size=(8, 4)).astype("float32")
    for array in (true, np.ones((8, 4)), np.zeros((8, 4)), np.arange(32.0), np.array([0.5]), np.full(8, np.nan)):
        assert quantum(array) == 0


def test_few_digits_that_a_model_may_well_give_are_no_excuse() -> None:
    """hard_sigmoid of whole numbers: 0.2 x + 0.5 until Keras 3, x / 6 + 0.5 since."""
    x = np.array([[0, 1], [2, -1], [-2, 3]])
    one, other = (np.clip(slope * x + 0.5, 0, 1).astype("float32") for slope in (0.2, 1 / 6))
    assert quantum(one) == 0
    assert not compare("y", one, other, noisy(1e-7, quantum=quantum(one))).agrees


@pytest.mark.parametrize("rows", [(np.inf,) * 8, (1e300,) * 8, (1.0,) * 8, (2.0,) * 3, (np.inf,) * 3])
def test_noise_as_large_as_the_output_excuses_nothing(rows: tuple[float, ...]) -> None:
    expected = np.random.default_rng(0).normal(size=(8, 4)).astype("float32")
    tolerance = Tolerance(1e-4, 2e-5, noise=rows, factor=48.0, unit=2.0**-23)
    found = compare("y", expected, expected[::-1], tolerance)
    assert not found.agrees
    assert "as large as the output" in found.problem
    assert found.times is None
    assert compare("y", expected, expected * np.float32(1 + 1e-6), tolerance).agrees


def test_rows_near_a_jump_do_not_excuse_the_others() -> None:
    expected = np.ones((8, 4), "float32")
    moved = expected.copy()
    moved[0] = 1.5
    rows = (1e-7,) * 3 + (5.0,) * 5
    assert compare("y", expected, moved, Tolerance(1e-4, 2e-5, noise=rows, factor=48.0, unit=2.0**-23)).rows == (1, 8)


def test_outputs_that_were_kept_in_half_precision_may_lie_off_by_their_rounding() -> None:
    true = np.random.default_rng(0).dirichlet(np.ones(5), 8).astype("float32")
    assert compare("y", true.astype("float16"), true, noisy(0.0)).agrees
    assert not compare("y", true.astype("float16"), true * np.float32(1.003), noisy(0.0)).agrees


def test_a_row_that_a_shut_gate_made_tiny_keeps_the_rounding_of_its_gate() -> None:
    """Seen with the states of an LSTM, TensorFlow 2.10 against 2.8: 1 - 1 is a rounding error of 1, not of the row."""
    expected = np.full((8, 3), 0.7, "float32")
    expected[5] = 2e-9
    rows = (6e-8, 6e-8, 6e-8, 6e-8, 6e-8, 1.1e-10, 6e-8, 6e-8)
    allowed = Tolerance(1e-4, 2e-5, noise=rows, factor=48.0, unit=2.0**-23)
    moved = expected.copy()
    moved[5, 1] += 2.0**-24
    assert compare("y", expected, moved, allowed).agrees
    moved[5, 1] += 2.0**-20
    assert not compare("y", expected, moved, allowed).agrees
