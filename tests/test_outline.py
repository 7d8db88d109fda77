"""What is remembered of a model's layers: changes that answers can depend on, and none that they cannot."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from pytest_kerasload.artifacts import outline


def layer(name: str, kind: str, **config: Any) -> dict[str, Any]:
    return {"class_name": kind, "config": {"name": name, "trainable": True, "dtype": "float32", **config}}


MODEL = {
    "class_name": "Sequential",
    "config": {
        "name": "sequential",
        "layers": [
            layer("input", "InputLayer", batch_input_shape=[None, 4]),
            layer(
                "hidden", "Dense", units=3, activation="relu", kernel_initializer={"class_name": "Ones", "config": {}}
            ),
            layer("norm", "BatchNormalization", axis=[1], momentum=0.99, epsilon=1e-3),
            layer("cut", "ReLU", max_value=6.0),
            layer("drop", "Dropout", rate=0.5, seed=None),
            layer("again", "Bidirectional", layer=layer("lstm", "LSTM", units=2, activation="tanh", dropout=0.1)),
            layer("own", "Gate", sharpness=3),
            layer("out", "Dense", units=3, activation="softmax"),
        ],
    },
}


def changed(path: tuple[Any, ...], value: Any) -> list[str]:
    """Names of layers that differ when one value of one layer is another."""
    now = copy.deepcopy(MODEL)
    place: Any = now["config"]["layers"]  # type: ignore[index]
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    recorded = json.loads(json.dumps(outline.of(MODEL)))
    return outline.changed(recorded, outline.of(now))


@pytest.mark.parametrize(
    ("path", "value", "name"),
    [
        ((1, "config", "activation"), "leaky_relu", "hidden"),
        ((1, "config", "units"), 4, "hidden"),
        ((2, "config", "epsilon"), 1e-5, "norm"),
        ((3, "config", "max_value"), None, "cut"),
        ((5, "config", "layer", "config", "activation"), "sigmoid", "again"),
        ((7, "class_name"), "Other", "out"),
    ],
)
def test_what_an_answer_can_depend_on(path: tuple[Any, ...], value: Any, name: str) -> None:
    assert changed(path, value) == [name]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ((1, "config", "trainable"), False),
        ((1, "config", "name"), "renamed"),
        ((1, "config", "kernel_initializer"), {"class_name": "Zeros", "config": {}}),
        ((2, "config", "momentum"), 0.9),
        ((4, "config", "rate"), 0.1),
        ((5, "config", "layer", "config", "dropout"), 0.5),
        ((6, "config", "sharpness"), 4),  # a layer of the user's own: what its arguments do is not known
        ((0, "config", "batch_input_shape"), [8, 4]),
        ((7, "config", "shared_object_id"), 12),
    ],
)
def test_what_it_cannot_depend_on(path: tuple[Any, ...], value: Any) -> None:
    assert changed(path, value) == []


def test_a_layer_that_is_gone() -> None:
    now = copy.deepcopy(MODEL)
    layers: Any = now["config"]["layers"]  # type: ignore[index]
    del layers[2], layers[3]  # the normalisation, and the dropout, which does nothing
    recorded = json.loads(json.dumps(outline.of(MODEL)))
    assert outline.changed(recorded, outline.of(now)) == ["norm"]


def test_nested_models_are_looked_into() -> None:
    nested = {"class_name": "Sequential", "config": {"name": "all", "layers": [MODEL]}}
    assert [name for name, _ in outline.of(nested)] == ["hidden", "norm", "cut", "again", "out"]


@pytest.mark.parametrize("told", [None, [], "x", [["a"]], [["a", 1]], {"a": "b"}])
def test_what_is_no_outline(told: Any) -> None:
    assert outline.changed(told, outline.of(MODEL)) == []


def test_no_configuration() -> None:
    assert outline.of(None) == []
