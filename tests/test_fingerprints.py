"""What is remembered of weights, and which changes of them it shows."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest

from pytest_kerasload import fingerprints
from pytest_kerasload.worker import evidence

Weights = list[tuple[str, Any]]


def weights() -> Weights:
    draw = np.random.default_rng(3).normal
    return [
        ("dense/kernel", draw(size=(300, 40)).astype("float32")),
        ("dense/bias", draw(size=40).astype("float32")),
        ("norm/variance", (1 + 1e-3 * draw(size=40)).astype("float32")),
        ("norm/gamma", np.ones(40, "float32")),
        ("table", draw(scale=1e-4, size=(5000, 8)).astype("float32")),
        ("count", np.array(3)),
    ]


def changed(now: Weights) -> list[str] | None:
    return fingerprints.changed(evidence.fingerprints(weights()), evidence.fingerprints(now))


def test_the_same_weights() -> None:
    assert changed(weights()) == []


def test_other_names_and_another_order_are_the_same_weights() -> None:
    """Keras releases name and order them differently."""
    assert changed([(f"model/{name}:0", array) for name, array in reversed(weights())]) == []


@pytest.mark.parametrize("index", [0, 1, 4])
@pytest.mark.parametrize("share", [1e-1, 1e-3])
def test_one_element_that_moved_by_a_share_of_the_spread(index: int, share: float) -> None:
    now = weights()
    array = now[index][1]
    array.reshape(-1)[7] += share * array.std()
    assert changed(now) == [now[index][0]]


def test_elements_that_changed_places() -> None:
    now = weights()
    now[4][1][[10, 4000]] = now[4][1][[4000, 10]]
    assert changed(now) == ["table"]


def test_a_tensor_without_spread() -> None:
    now = weights()
    now[3][1][5] = 1.001
    assert changed(now) == ["norm/gamma"]


def test_weights_of_one_shape_that_were_exchanged_are_left_to_the_outputs() -> None:
    now = weights()
    now[1], now[2] = ("dense/bias", now[2][1]), ("norm/variance", now[1][1])
    assert changed(now) == []
    was = evidence.fingerprints(weights())
    assert fingerprints.exchanged(was, evidence.fingerprints(now)) == ["dense/bias", "norm/variance"]
    assert fingerprints.exchanged(was, evidence.fingerprints([("model/" + name, array) for name, array in now])) == []
    assert fingerprints.exchanged(was, was) == []


def test_rounding_is_no_change() -> None:
    now = [
        (name, np.nextafter(array, np.float32(9)) if array.dtype.kind == "f" else array) for name, array in weights()
    ]
    assert changed(now) == []


def test_nan_is_a_change_and_the_same_nan_is_none() -> None:
    now = weights()
    now[1][1][0] = np.nan
    assert changed(now) == ["dense/bias"]
    assert fingerprints.changed(evidence.fingerprints(now), evidence.fingerprints(now)) == []


def test_factors_that_are_multiplied_in_when_they_are_saved_cannot_be_compared() -> None:
    assert evidence.fingerprints([*weights(), ("dense/lora_kernel_a", np.ones((300, 2)))]) == []
    assert evidence.fingerprints([("lora_tower/dense/kernel", np.ones((300, 2)))])


def test_other_shapes_cannot_be_compared() -> None:
    """An export that folded a normalisation into the kernel is right, and has other variables."""
    assert changed(weights()[:2]) is None
    assert fingerprints.changed([], evidence.fingerprints(weights())) is None


@pytest.mark.parametrize(
    "told",
    [
        None,
        {},
        {"name": 3, "shape": [1], "sum": 0.0, "mean": 0.0, "rms": 0.0},
        {"name": "w", "shape": [-1], "sum": 0.0, "mean": 0.0, "rms": 0.0},
        {"name": "w", "shape": [1], "sum": "0", "mean": 0.0, "rms": 0.0},
        {"name": "w", "shape": [1], "sum": True, "mean": 0.0, "rms": 0.0},
        {"name": "w", "shape": [1], "sum": 10**400, "mean": 0.0, "rms": 0.0},
    ],
)
def test_what_is_no_fingerprint(told: Any) -> None:
    assert not fingerprints.is_one(told)


class Variable:
    """A variable as TensorFlow's and Keras' are used."""

    def __init__(self, value: Any) -> None:
        self.value = np.array(value)
        self.dtype, self.shape = self.value.dtype, self.value.shape

    def numpy(self) -> Any:
        return self.value

    def assign(self, value: Any) -> None:
        self.value = np.array(value)


class Vocabulary:
    """What Keras 2.15 lists among the weights of a TextVectorization or a StringLookup."""


def test_a_perturbation_is_undone_to_the_bit() -> None:
    first = weights()
    variables = [Variable(array) for _, array in first]
    moved = evidence.Perturbation([*variables, Vocabulary()])
    assert moved.apply(1, 2.0**-23) == 5  # not the count
    changes = [np.abs(v.value / array - 1).max() for v, (_, array) in zip(variables[:3], first[:3], strict=True)]
    assert all(0 < change <= 2.5e-7 for change in changes)
    moved.apply(2, 2.0**-10)
    assert np.abs(variables[0].value / first[0][1] - 1).max() > 1e-4
    moved.restore()
    for variable, (_, array) in zip(variables, first, strict=True):
        assert variable.value.tobytes() == array.tobytes()
        assert variable.value.dtype == array.dtype


def test_a_large_weight_takes_little_more_memory_than_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    array = np.random.default_rng(0).normal(size=(1 << 19, 8)).astype("float32")
    tracemalloc.start()
    try:
        one = evidence.fingerprint("table", array)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 3 * array.nbytes
    monkeypatch.setattr(evidence, "_PART", array.size)
    whole = evidence.fingerprint("table", array)
    assert fingerprints.changed([whole], [one]) == []
    assert one == {**whole, **{key: pytest.approx(whole[key]) for key in ("sum", "mean", "rms")}}


def test_a_perturbation_is_undone_when_it_is_interrupted() -> None:
    first = weights()
    variables = [Variable(array) for _, array in first]
    moved = evidence.Perturbation(variables)
    moved.apply(1, 2.0**-10)
    assign = variables[2].assign

    def interrupted(value: Any) -> None:
        variables[2].assign = assign  # type: ignore[method-assign]
        raise KeyboardInterrupt

    variables[2].assign = interrupted  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        moved.restore()
    for variable, (_, array) in zip(variables, first, strict=True):
        assert variable.value.tobytes() == array.tobytes()
