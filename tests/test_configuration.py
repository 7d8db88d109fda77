"""Differences of configurations: what means something is told, what is only written differently is not."""

from __future__ import annotations

import math
from typing import Any

import pytest

from pytest_kerasload.checks.configuration import differences


def layer(name: str, **config: Any) -> dict[str, Any]:
    return {"class_name": "Dense", "module": "keras.layers", "config": {"name": name, **config}}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": 1, "b": [1, 2]}, {"b": (1, 2), "a": 1.0}),
        (layer("d", units=2), {**layer("d", units=2), "module": None, "registered_name": "Dense"}),
        ({"lr": 0.001}, {"lr": 0.0010000000474974513}),
        ({"a": math.nan}, {"a": math.nan}),
        ({"a": math.inf}, {"a": math.inf}),
        ({"layers": [layer("mean")], "out": "mean"}, {"layers": [layer("mean_2")], "out": "mean_2"}),
    ],
)
def test_what_means_the_same(one: Any, other: Any) -> None:
    assert differences(one, other) == []


@pytest.mark.parametrize(
    ("one", "other", "place"),
    [
        ({"a": 1}, {"a": 2}, "a"),
        ({"a": 1}, {}, "a"),
        ({"a": math.inf}, {"a": 6.0}, "a"),
        ({"a": math.nan}, {"a": 6.0}, "a"),
        ({"a": 6.0}, {"a": math.nan}, "a"),
        ({"a": True}, {"a": False}, "a"),
        ({"a": "relu"}, {"a": "linear"}, "a"),
        ({"layers": [layer("d", units=2)]}, {"layers": [layer("d", units=3)]}, "layers/d/config/units"),
        ({"layers": [layer("left")]}, {"layers": [layer("right")]}, "layers/left/config/name"),
        ({"a": [1, 2]}, {"a": [1, 2, 3]}, "a"),
    ],
)
def test_what_differs_is_told_with_its_place(one: Any, other: Any, place: str) -> None:
    assert [found[0] for found in differences(one, other)] == [place]
