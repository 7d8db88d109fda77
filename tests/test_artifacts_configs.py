"""Objects in configurations: which are found, where they are said to be, and which are the user's own."""

from __future__ import annotations

import copy
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from pytest_kerasload.artifacts import specs
from pytest_kerasload.artifacts.configs import objects_in
from pytest_kerasload.artifacts.ownership import is_custom


def old(class_name: str, /, **config: Any) -> dict[str, Any]:
    """An object as Keras 2 writes it to HDF5."""
    return {"class_name": class_name, "config": config}


def new(class_name: str, module: str | None, registered: str | None = None, /, **config: Any) -> dict[str, Any]:
    """An object as Keras 3 writes it."""
    return {"module": module, "class_name": class_name, "config": config, "registered_name": registered}


def function(name: str, registered: str | None = None, module: str = "builtins") -> dict[str, Any]:
    return {"module": module, "class_name": "function", "config": name, "registered_name": registered or name}


def sequential(*layers: dict[str, Any]) -> dict[str, Any]:
    return old("Sequential", name="net", layers=list(layers))


def customs(config: dict[str, Any] | None, training: dict[str, Any] | None = None) -> dict[str, list[tuple[str, str]]]:
    """The custom objects with kind and place of each use."""
    found: dict[str, list[tuple[str, str]]] = {}
    for item in objects_in(config, training):
        if item.custom:
            found.setdefault(item.name, []).append((item.kind, item.place))
    return found


@pytest.mark.parametrize(
    ("entry", "kind", "custom"),
    [
        (old("Dense"), "layer", False),
        (old("TFOpLambda", function="math.multiply"), "layer", False),
        (old("SlicingOpLambda"), "layer", False),
        (old("TensorFlowOpLayer"), "layer", False),
        (old("ClassMethod"), "layer", False),
        (old("CuDNNLSTM"), "layer", False),
        (old("Merge"), "layer", False),
        (old("GetItem", name="get_item"), "layer", False),
        (old("Split", name="split", trainable=True), "layer", True),
        (old("Functional"), "layer", False),
        (old("Gate"), "layer", True),
        (old("acme>Gate"), "layer", True),
        (old("acme>Dense"), "layer", True),
        (old("Custom>Gate"), "layer", True),
        (old("Addons>AdamW"), "optimizer", True),
        (old("Custom>Adam"), "optimizer", False),
        (old("KerasLayer", handle="https://tfhub.dev/x"), "layer", True),
        (new("Dense", "keras.layers"), "layer", False),
        (new("Relu", "keras.src.ops.nn", "Relu"), "layer", False),
        (new("Functional", "keras.src.engine.functional", "Functional"), "layer", False),
        (new("Dense", None, "Dense"), "layer", True),
        (new("UnitNormalization", None, "acme>UnitNormalization"), "layer", True),
        (new("TokenEmbedding", "keras_hub.src.layers", "keras_hub>TokenEmbedding"), "layer", True),
        (new("Gate", "acme.layers", "Gate"), "layer", True),
        (function("relu"), "activation", False),
        (function("wavy"), "activation", True),
        (function("wavy", "acme>wavy"), "activation", True),
        (function("relu", "relu", "tensorflow.python.ops.gen_nn_ops"), "function", False),
        (function("relu", "relu", "acme.ops"), "function", True),
    ],
)
def test_whose_it_is(entry: dict[str, Any], kind: str, custom: bool) -> None:
    assert is_custom(entry, kind) is custom


def test_names_to_resolve() -> None:
    config = sequential(
        new("Gate", "acme", "acme>Gate", name="a"),
        new("Gate", None, "Gate", name="b"),
        old("acme>Gate", name="c"),
        old("Dense", name="d", activation=function("wavy", "acme>wavy")),
        old("Dense", name="e", activation=function("acme>wavy", "acme>wavy")),
        old("Dense", name="f", activation=function("wavy", "function")),
    )
    assert list(customs(config)) == ["acme>Gate", "Gate", "acme>wavy", "wavy"]


def test_places_are_in_the_words_of_the_user() -> None:
    cell = old("Leaky", name="leaky", units=3)
    config = sequential(
        old("RNN", name="one", cell=cell),
        old("RNN", name="two", cell=old("StackedRNNCells", name="cells", cells=[cell, old("GRUCell", name="gru")])),
        old("Bidirectional", name="both", layer=old("Loop", name="loop")),
        old("Functional", name="encoder", input_layers=[], layers=[old("Gate", name="gate")]),
        old("Dense", name="out", kernel_initializer=old("Checker"), kernel_regularizer=old("acme>Ridge")),
    )
    assert customs(config) == {
        "Leaky": [("layer", "one/cell"), ("layer", "two/cell/cells/leaky")],
        "Loop": [("layer", "both/layer")],
        "Gate": [("layer", "encoder/gate")],
        "Checker": [("initializer", "out/kernel_initializer")],
        "acme>Ridge": [("regularizer", "out/kernel_regularizer")],
    }


def test_what_compile_was_given() -> None:
    training = {
        "loss": {"score": "lopsided", "value": old("Pinball", name="pinball")},
        "metrics": [["accuracy", "within"], [old("MeanMetricWrapper", name="m", fn="near")], ["mse", "ce", "AUC"]],
        "weighted_metrics": None,
        "loss_weights": {"lopsided": 2.0},
        "optimizer_config": old("Adam", learning_rate=old("Warmup", steps=3)),
    }
    assert customs(None, training) == {
        "lopsided": [("loss", "compile/loss/score")],
        "Pinball": [("loss", "compile/loss/value")],
        "within": [("metric", "compile/metrics")],
        "near": [("function", "compile/metrics/fn")],
        "Warmup": [("schedule", "compile/optimizer/learning_rate")],
    }


def test_a_nested_model_may_be_compiled_too() -> None:
    inner = {**new("Functional", "keras.src.models.functional", name="inner", layers=[], input_layers=[]),
             "compile_config": {"loss": "lopsided", "optimizer": "adam"}}  # fmt: skip
    assert customs(sequential(inner)) == {"lopsided": [("loss", "inner/compile/loss")]}


def test_strings_that_look_alike_are_no_objects() -> None:
    config = sequential(
        old("Dense", name="Gate", activation="relu", kernel_initializer="glorot_uniform"),
        old("TextVectorization", name="words", vocabulary=["Gate", "acme>Gate"], standardize="lower"),
        old("Lambda", name="f", function=["4wEA", None, None], function_type="lambda", arguments={"activation": "odd"}),
        old("Activation", name="acme>Gate", activation="softmax"),
    )
    assert customs(config) == {}


def test_bare_names_count_in_layers_of_keras_only() -> None:
    layer = old("Dense", name="d", activation="wavy", kernel_initializer="checker", bias_constraint="UnitNorm")
    assert customs(sequential(layer)) == {
        "wavy": [("activation", "d/activation")],
        "checker": [("initializer", "d/kernel_initializer")],
    }
    # A custom layer may call a mode of its own "activation".
    assert customs(sequential(old("Gate", name="g", activation="fast"))) == {"Gate": [("layer", "g")]}


def test_a_lambda_of_a_named_function_uses_it() -> None:
    keras2 = old("Lambda", name="f", function="wave", function_type="function", module="acme.ops")
    keras3 = new("Lambda", "keras.layers", name="g", function=function("wave"))
    marshalled = new("Lambda", "keras.layers", name="h", function={"class_name": "__lambda__", "config": {"code": ""}})
    assert customs(sequential(keras2, keras3, marshalled)) == {
        "wave": [("function", "f/function"), ("function", "g/function")]
    }


def test_a_custom_model_is_one() -> None:
    assert customs(new("Ranker", None, "acme>Ranker", name="ranker")) == {"acme>Ranker": [("model", "ranker")]}


def test_sequential_of_keras_2_2_is_a_list() -> None:
    config = {"class_name": "Sequential", "config": [old("Gate", name="gate"), old("Dense", name="out")]}
    assert customs(config) == {"Gate": [("layer", "gate")]}


def test_inbound_layers_in_every_form() -> None:
    tensor = {"class_name": "__keras_tensor__", "config": {"shape": [None, 2], "keras_history": ["a", 0, 0]}}
    layers = [
        {**old("InputLayer", name="a"), "name": "a", "inbound_nodes": []},
        {**old("Dense", name="b"), "name": "b", "inbound_nodes": [[["a", 0, 0, {}]], [["a", 0, 0]]]},
        {**old("TFOpLambda", name="c"), "name": "c", "inbound_nodes": [["a", 0, 0, {"y": ["b", 1, 0], "z": 2.0}]]},
        {**old("Add", name="d"), "name": "d", "inbound_nodes": [{"args": [[tensor]], "kwargs": {"mask": tensor}}]},
    ]
    found = objects_in(old("Functional", name="net", layers=layers, input_layers=["a", 0, 0]), None)
    assert {item.place: item.inbound for item in found if item.kind == "layer"} == {
        "a": (),
        "b": ("a",),
        "c": ("a", "b"),
        "d": ("a",),
    }


def test_depth_is_no_way_to_stop_the_gate() -> None:
    config: dict[str, Any] = old("Dense", name="d")
    for _ in range(5000):
        config = old("Wrapper", name="w", layer=config)
    assert len(objects_in(config, None)) < 200
    sub: dict[str, Any] = old("Functional", name="m", layers=[], input_layers=[], output_layers=[])
    for _ in range(15):
        calls = [[["x", 0, 0, {}]]] * 10
        sub = old(
            "Functional",
            name="m",
            input_layers=[["x", 0, 0]],
            output_layers=[["m", 0, 0]],
            layers=[{**old("InputLayer", name="x"), "name": "x"}, {**sub, "name": "m", "inbound_nodes": calls}],
        )
    assert [spec.name for spec in specs.inputs_of(sub)] == ["x"]
    assert [spec.name for spec in specs.outputs_of(sub)] == ["m"]


MODEL = old(
    "Functional",
    name="net",
    layers=[
        {**old("InputLayer", name="x", batch_input_shape=[None, 4], dtype="int32"), "name": "x", "inbound_nodes": []},
        {**old("Embedding", name="e", input_dim=9, output_dim=2), "name": "e", "inbound_nodes": [[["x", 0, 0, {}]]]},
        {**old("LSTM", name="l", units=3, activation="tanh"), "name": "l", "inbound_nodes": [[["e", 0, 0, {}]]]},
        {**old("Conv1D", name="c", filters=2, kernel_size=[3]), "name": "c", "inbound_nodes": [[["e", 0, 0, {}]]]},
    ],
    input_layers=[["x", 0, 0]],
    output_layers=[["l", 0, 0], ["c", 0, 0]],
)

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["", "x", "e", "Dense", "a>b", "relu", "same"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["class_name", "config", "layers", "module", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path] * bool(path) + [found for key, item in items for found in _places(item, (*path, key))]


@hypothesis.given(st.data())
@hypothesis.settings(deadline=None, max_examples=150)
def test_no_configuration_stops_the_walk(data: st.DataObject) -> None:
    config = copy.deepcopy(MODEL)
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(_places(config)))
        holder: Any = config
        for key in path[:-1]:
            holder = holder[key]
        holder[path[-1]] = data.draw(ANYTHING)
    objects_in(config, data.draw(st.none() | st.dictionaries(st.sampled_from(["loss", "metrics"]), ANYTHING)))
    for spec in (*specs.inputs_of(config), *specs.outputs_of(config)):
        spec.as_json()
