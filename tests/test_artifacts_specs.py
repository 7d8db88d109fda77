"""Inputs and outputs as configurations tell them, in the forms of all releases."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_kerasload.artifacts.specs import inputs_of, outputs_of

Json = dict[str, Any]


def layer(class_name: str, name: str, /, *inbound: Any, **config: Any) -> Json:
    return {"class_name": class_name, "name": name, "config": {"name": name, **config}, "inbound_nodes": list(inbound)}


def start(name: str, *shape: int | None, dtype: Any = "float32", key: str = "batch_input_shape") -> Json:
    return layer("InputLayer", name, **{key: [None, *shape], "dtype": dtype})


def functional(layers: list[Json], inputs: Any, outputs: Any) -> Json:
    config = {"name": "net", "layers": layers, "input_layers": inputs, "output_layers": outputs}
    return {"class_name": "Functional", "config": config}


def sequential(*layers: Json, **config: Any) -> Json:
    return {"class_name": "Sequential", "config": {"name": "net", "layers": list(layers), **config}}


def keras3(name: str, *shape: int | None) -> Json:
    return {"class_name": "__keras_tensor__", "config": {"shape": [None, *shape], "keras_history": [name, 0, 0]}}


def told(model: Json) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    return (
        [(spec.name, spec.shape, spec.dtype) for spec in inputs_of(model)],
        [(spec.name, spec.shape, spec.dtype) for spec in outputs_of(model)],
    )


def test_functional_of_keras_2() -> None:
    half = {"class_name": "Policy", "config": {"name": "mixed_float16"}}
    layers = [
        start("left", 4),
        start("right", 3, dtype="int32"),
        layer("Dense", "score", [["left", 0, 0, {}]], units=2, dtype="float32"),
        layer("Dense", "value", [["left", 0, 0, {}]], units=1, dtype=half),
    ]
    model = functional(layers, [["left", 0, 0], ["right", 0, 0]], [["score", 0, 0], ["value", 0, 0]])
    assert told(model) == (
        [("left", (None, 4), "float32"), ("right", (None, 3), "int32")],
        [("score", (None, 2), "float32"), ("value", (None, 1), "float16")],
    )


def test_functional_of_keras_3() -> None:
    policy = {"module": "keras", "class_name": "DTypePolicy", "config": {"name": "float64"}, "registered_name": None}
    node = {"args": [keras3("x", 5, 4)], "kwargs": {"mask": None}}
    layers = [
        start("x", 5, 4, key="batch_shape"),
        layer("LSTM", "out", node, units=3, return_sequences=True, dtype=policy),
    ]
    # One input, one output, written without the list around them since 3.11.
    model = functional(layers, ["x", 0, 0], ["out", 0, 0])
    assert told(model) == ([("x", (None, 5, 4), "float32")], [("out", (None, 5, 3), "float64")])


def test_dicts_are_in_the_order_of_their_keys() -> None:
    layers = [start("a", 1), start("b", 2)]
    model = functional(layers, {"right": ["b", 0, 0], "left": ["a", 0, 0]}, {"z": ["a", 0, 0], "y": ["b", 0, 0]})
    assert [spec.name for spec in inputs_of(model)] == ["left", "right"]
    assert [spec.name for spec in outputs_of(model)] == ["y", "z"]


def test_one_layer_behind_two_outputs() -> None:
    layers = [start("a", 4), start("b", 4), layer("Dense", "d", [["a", 0, 0]], [["b", 0, 0]], units=2)]
    model = functional(layers, [["a", 0, 0], ["b", 0, 0]], [["d", 0, 0], ["d", 1, 0]])
    assert [spec.name for spec in outputs_of(model)] == ["d", "d_1"]


@pytest.mark.parametrize(
    ("model", "name", "shape"),
    [
        (sequential(start("x", 4), layer("Dense", "d", units=2)), "x", (None, 4)),
        (sequential(layer("Dense", "d", units=2, batch_input_shape=[None, 4])), "d_input", (None, 4)),
        ({"class_name": "Sequential", "config": [layer("Dense", "d", batch_input_shape=[8, 4])]}, "d_input", (8, 4)),
        (sequential(layer("Dense", "d", units=2), build_input_shape=[7, 4]), "d_input", (None, 4)),
        (sequential(functional([start("x", 4)], [["x", 0, 0]], [["x", 0, 0]])), "net_input", (None, 4)),
    ],
)
def test_sequential_of_all_ages(model: Json, name: str, shape: tuple[int | None, ...]) -> None:
    assert [(spec.name, spec.shape) for spec in inputs_of(model)] == [(name, shape)]


def test_subclassed_models_are_known_by_what_they_were_built_with() -> None:
    model = {"class_name": "Net", "config": {}, "build_config": {"input_shape": [2, 4]}}
    assert told(model) == ([("0", (None, 4), "float32")], [])
    model["build_config"] = {"input_shape": {"left": [2, 4], "right": [2, 3]}}
    assert [(spec.name, spec.shape) for spec in inputs_of(model)] == [("left", (None, 4)), ("right", (None, 3))]
    model["build_config"] = {"shapes_dict": {"query_shape": [2, 4], "value_shape": [2, 3]}}
    assert [spec.name for spec in inputs_of(model)] == ["query", "value"]
    assert inputs_of({"class_name": "Net", "config": {}}) == ()


def test_indices_are_bounded_through_other_layers_and_models() -> None:
    embed = layer("Embedding", "e", [["r", 0, 0, {}]], input_dim=50, output_dim=4)
    inner = functional(
        [start("i", 6), layer("Reshape", "r", [["i", 0, 0, {}]], target_shape=[6]), embed],
        [["i", 0, 0]],
        [["e", 0, 0]],
    )
    layers = [
        start("words", 6),
        start("codes", 2, dtype="int32"),
        start("plain", 3),
        layer("Concatenate", "both", [["words", 0, 0, {}], ["words", 0, 0, {}]]),
        {**inner, "name": "encoder", "inbound_nodes": [[["both", 0, 0, {}]]]},
        layer("TimeDistributed", "each", [["words", 0, 0, {}]], layer=layer("Embedding", "t", input_dim=30)),
        layer("CategoryEncoding", "hot", [["codes", 0, 0, {}]], num_tokens=7),
        layer("Dense", "d", [["plain", 0, 0, {}]], units=1),
    ]
    model = functional(layers, [["words", 0, 0], ["codes", 0, 0], ["plain", 0, 0]], [["d", 0, 0]])
    assert [spec.bound for spec in inputs_of(model)] == [30, 7, None]


def test_an_embedding_at_the_head_of_a_chain() -> None:
    embed = layer("Embedding", "e", input_dim=20, output_dim=3, batch_input_shape=[None, None], dtype="float32")
    (spec,) = inputs_of(sequential(embed, layer("Embedding", "later", input_dim=2)))
    assert (spec.bound, spec.shape) == (20, (None, None))
    (spec,) = inputs_of(sequential(start("x", 3), layer("Dense", "d", units=2), embed))
    assert spec.bound is None


def test_the_size_of_a_custom_embedding_counts_for_integers() -> None:
    own = layer("acme>Tokens", "t", vocab_size=12)
    assert inputs_of(sequential(start("x", 3, dtype="int64"), own))[0].bound == 12
    assert inputs_of(sequential(start("x", 3), own))[0].bound is None


def test_words_that_the_model_knows() -> None:
    lookup = layer("StringLookup", "s", [["x", 0, 0, {}]], vocabulary=["red", "green", 3])
    model = functional([start("x", 1, dtype="string"), lookup], [["x", 0, 0]], [["s", 0, 0]])
    assert inputs_of(model)[0].vocabulary == ("red", "green")
    from_file = layer("TextVectorization", "s", vocabulary="/etc/words.txt")
    assert inputs_of(sequential(start("x", 1, dtype="string"), from_file))[0].vocabulary == ()


SHAPES = [
    ((8, 6), layer("Conv1D", "l", filters=5, kernel_size=[3]), (6, 5)),
    ((8, 6), layer("Conv1D", "l", filters=5, kernel_size=[3], padding="causal", dilation_rate=[2]), (8, 5)),
    ((9, 9, 3), layer("Conv2D", "l", filters=5, kernel_size=[3, 3], strides=[2, 2], padding="same"), (5, 5, 5)),
    ((3, 9, 9), layer("Conv2D", "l", filters=5, kernel_size=[2, 2], data_format="channels_first"), (5, 8, 8)),
    ((9, 9, 3), layer("DepthwiseConv2D", "l", kernel_size=[3, 3], depth_multiplier=2), (7, 7, 6)),
    (
        (4, 4, 3),
        layer("Conv2DTranspose", "l", filters=2, kernel_size=[3, 3], strides=[2, 2], padding="same"),
        (8, 8, 2),
    ),
    ((9, 9, 3), layer("MaxPooling2D", "l", pool_size=[2, 2], strides=[2, 2]), (4, 4, 3)),
    ((9, 9, 3), layer("GlobalAveragePooling2D", "l"), (3,)),
    ((9, 9, 3), layer("GlobalMaxPooling2D", "l", keepdims=True), (1, 1, 3)),
    ((4, 4, 3), layer("UpSampling2D", "l", size=[2, 3]), (8, 12, 3)),
    ((4, 4, 3), layer("ZeroPadding2D", "l", padding=[[1, 1], [0, 2]]), (6, 6, 3)),
    ((4, 3), layer("ZeroPadding1D", "l", padding=[1, 2]), (7, 3)),
    ((None, 6), layer("Flatten", "l"), (None,)),
    ((4, 6), layer("Flatten", "l"), (24,)),
    ((4, 6), layer("Reshape", "l", target_shape=[-1, 3]), (8, 3)),
    ((4, 6), layer("Permute", "l", dims=[2, 1]), (6, 4)),
    ((6,), layer("RepeatVector", "l", n=3), (3, 6)),
    ((6,), layer("Embedding", "l", output_dim=3), (6, 3)),
    ((5, 6), layer("Bidirectional", "l", layer=layer("GRU", "g", units=3), merge_mode="concat"), (6,)),
    ((5, 6), layer("RNN", "l", cell=layer("StackedRNNCells", "c", cells=[layer("GRUCell", "g", units=2)])), (2,)),
    ((5, 8, 6), layer("TimeDistributed", "l", layer=layer("Dense", "d", units=2)), (5, 8, 2)),
    ((5, 6), layer("acme>Gate", "l"), None),
    ((5, 6), layer("LSTM", "l", units=3, return_state=True), None),
    ((5, 6), layer("Conv1D", "l", filters=5), None),
    ((6,), layer("Reshape", "l", target_shape=[-1, 0]), None),
]


@pytest.mark.parametrize(("given", "one", "shape"), SHAPES)
def test_shapes(given: tuple[int | None, ...], one: Json, shape: tuple[int | None, ...] | None) -> None:
    (spec,) = outputs_of(sequential(start("x", *given), one))
    assert spec.shape == (None if shape is None else (None, *shape))
