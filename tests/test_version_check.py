"""The version check: blockers are found, all at once, with their places; what loads is left alone."""

from __future__ import annotations

import base64
import marshal
import sys
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bytecode import SUMS

from pytest_kerasload.artifacts.configs import objects_in
from pytest_kerasload.artifacts.record import Artifact, Format, SavedWith, Weights
from pytest_kerasload.causes.lambda_marks import LAMBDA_RULES
from pytest_kerasload.causes.loader import Loader
from pytest_kerasload.checks.version import check
from pytest_kerasload.environments.versions import Versions
from pytest_kerasload.findings import Finding

KERAS2, KERAS210 = Versions("3.11.7", "2.15.1", "2.15.0", "keras2"), Versions("3.10.13", "2.10.1", "2.10.0", "keras2")
TF_KERAS = Versions("3.11.7", "2.21.0", "2.21.0", "tf_keras")
KERAS33, KERAS36, KERAS310, KERAS315 = (
    Versions("3.11.7", tensorflow, keras, "keras3")
    for tensorflow, keras in (("2.16.2", "3.3.3"), ("2.18.1", "3.6.0"), ("2.19.1", "3.10.0"), ("2.21.0", "3.15.1"))
)


TF1_INITIALIZER = {"class_name": "GlorotUniform", "config": {"seed": None, "dtype": "float32"}}
KERAS2_LOSS = {"class_name": "Huber", "config": {"reduction": "auto", "name": "h", "delta": 1.0}}
SCHEDULE = {
    "class_name": "ExponentialDecay",
    "config": {"initial_learning_rate": 0.1, "decay_steps": 1, "decay_rate": 0.9, "staircase": False, "name": None},
}

SCHEDULED = {"class_name": "SGD", "config": {"learning_rate": SCHEDULE}}


def layer(name: str, class_name: str, feeds: Any = None, **config: Any) -> dict[str, Any]:
    """A layer as Keras 2 writes it into HDF5; ``feeds`` names the layer it is called on."""
    written: dict[str, Any] = {
        "class_name": class_name,
        "name": name,
        "config": {"name": name, "trainable": True, **config},
    }
    if feeds is not None:
        written["inbound_nodes"] = [[[feeds, 0, 0, {}]]] if isinstance(feeds, str) else feeds
    return written


def functional(*layers: dict[str, Any], name: str = "model") -> dict[str, Any]:
    for entry in layers:
        entry.setdefault("inbound_nodes", [])
    first, last = layers[0]["name"], layers[-1]["name"]
    config = {"name": name, "layers": list(layers), "input_layers": [[first, 0, 0]], "output_layers": [[last, 0, 0]]}
    return {"class_name": "Functional", "name": name, "config": config}


def sequential(*layers: dict[str, Any], name: str = "seq") -> dict[str, Any]:
    return {"class_name": "Sequential", "name": name, "config": {"name": name, "layers": list(layers)}}


def inputs(*shape: int | None) -> dict[str, Any]:
    return layer("x", "InputLayer", batch_input_shape=[None, *shape], dtype="float32", sparse=False, ragged=False)


def native(entry: dict[str, Any], module: str = "keras.layers") -> dict[str, Any]:
    """A layer as .keras archives have it."""
    return {**entry, "module": module, "registered_name": None}


def artifact(
    config: dict[str, Any] | None,
    training: dict[str, Any] | None = None,
    format: Format = "h5",
    keras: str | None = "2.10.0",
    **more: Any,
) -> Artifact:
    return Artifact(
        Path(f"m.{format}"),
        format,
        config=config,
        training_config=training,
        objects=objects_in(config, training),
        saved_with=SavedWith(keras=keras),
        **more,
    )


def found(of: Artifact, versions: Versions) -> dict[str, Finding]:
    findings = check(of, versions, "evidence")
    assert len({finding.cause for finding in findings}) == len(findings), "one finding a cause"
    return {finding.cause: finding for finding in findings}


PLAIN = functional(
    inputs(4, 4),
    layer("conv", "Conv1D", "x", filters=2, kernel_size=[3], groups=1, dilation_rate=[1]),
    layer("norm", "BatchNormalization", "conv", axis=[2], momentum=0.99, epsilon=0.001),
    layer("act", "LeakyReLU", "norm", alpha=0.3),
    layer("out", "Dense", "act", units=2, activation="softmax", batch_input_shape=[None, 4]),
)


@pytest.mark.parametrize("versions", [KERAS210, KERAS2, TF_KERAS, KERAS33, KERAS36, KERAS310, KERAS315])
def test_what_loads_everywhere_is_left_alone(versions: Versions) -> None:
    assert found(artifact(PLAIN), versions) == {}


def test_every_blocker_is_told_at_once_with_its_places() -> None:
    config = functional(
        inputs(8, 4),
        layer("lstm_1", "LSTM", "x", units=3, time_major=False),
        layer("gru_1", "GRU", "x", units=3, time_major=False),
        layer("dw", "DepthwiseConv2D", "x", kernel_size=[3, 3], groups=1),
        layer("local", "LocallyConnected1D", "x", filters=2, kernel_size=[3]),
    )
    findings = found(artifact(config), KERAS315)
    assert set(findings) == {"keras2-rnn-time-major", "keras2-conv-groups", "class-not-in-this-keras"}
    rnn = findings["keras2-rnn-time-major"]
    assert rnn.where == "lstm_1, gru_1"
    assert rnn.message == (
        "LSTM takes no time_major any more (gone since Keras 3.0); GRU takes no time_major any more "
        "(gone since Keras 3.0); saved with Keras 2.10.0"
    )
    assert rnn.family == "version"
    assert rnn.fails
    assert rnn.remedies
    assert found(artifact(config), KERAS2) == {}


def test_many_places_are_counted() -> None:
    layers = [layer(f"lstm_{number}", "LSTM", "x", units=3, time_major=False) for number in range(8)]
    assert found(artifact(functional(inputs(8, 4), *layers)), KERAS315)["keras2-rnn-time-major"].where == (
        "lstm_0, lstm_1, lstm_2, lstm_3, lstm_4 and 3 more"
    )


def test_a_key_that_is_too_new_says_since_when() -> None:
    dense = native(layer("d", "Dense", units=1, quantization_config=None))
    of = artifact(native(sequential(dense), "keras"), format="keras", keras="3.13.0")
    assert "takes no quantization_config before Keras 3.13" in found(of, KERAS310)["keras3-quantization-config"].message
    assert found(of, KERAS315) == {}


def test_keys_that_keras_takes_out_itself_do_not_alarm() -> None:
    lam = layer("f", "Lambda", "x", function="g", function_type="function", module="m", output_shape_type="raw")
    codes = found(artifact(functional(inputs(4), lam)), KERAS315)
    assert "config-key-rejected" not in codes
    # in an archive nobody takes them out
    lam = native(layer("f", "Lambda", function="g", function_type="function", module="m", output_shape_type="raw"))
    assert "config-key-rejected" in found(artifact(sequential(lam), format="keras", keras="2.15.0"), KERAS315)


def test_a_users_own_class_is_not_measured_by_the_table() -> None:
    own = layer("gate", "acme>Gate", "x", time_major=False, whatever=1)
    assert found(artifact(functional(inputs(4), own)), KERAS315) == {}


@pytest.mark.parametrize(
    ("code", "entry", "loads_on"),
    [
        ("keras2-op-layers", layer("op", "TFOpLambda", "x", function="math.add"), KERAS2),
        ("keras2-policy-dict", layer("d", "Dense", "x", units=1, dtype={"class_name": "Policy", "config": {}}), KERAS2),
        ("keras2-initializer-dtype", layer("d", "Dense", "x", units=1, kernel_initializer=TF1_INITIALIZER), KERAS2),
        ("keras2-wrapped-layer", layer("t", "TimeDistributed", "x", layer=layer("d", "Dense", units=1)), KERAS2),
        ("keras2-call-arguments", layer("s", "Softmax", [[["x", 0, 0, {"mask": ["x", 0, 0]}]]]), KERAS2),
        ("keras2-word-is-function", layer("a", "Attention", "x", score_mode="dot"), KERAS310),
        ("layer-name-slash", layer("a/b", "Dense", "x", units=1), KERAS2),
        ("hard-sigmoid-changed", layer("d", "Dense", "x", units=1, activation="hard_sigmoid"), KERAS2),
        ("hashing-dtype", layer("h", "Hashing", "x", num_bins=3, dtype="float32", mask_value=None), KERAS2),
        ("h5-axis-dropped", layer("ln", "LayerNormalization", "x", axis=[1, 2]), KERAS2),
    ],
)  # fmt: skip
def test_marks_of_keras_2_on_keras_3(code: str, entry: dict[str, Any], loads_on: Versions) -> None:
    of = artifact(functional(inputs(4, 4), entry))
    assert set(found(of, KERAS315)) == {code}
    assert found(of, loads_on) == {}


def test_a_nested_model_that_is_called() -> None:
    inner = functional(inputs(4), layer("d", "Dense", "x", units=4), name="inner")
    inner["inbound_nodes"] = [[["x", 0, 0, {}]]]
    of = artifact(functional(inputs(4), inner, layer("top", "Dense", [[["inner", 1, 0, {}]]], units=1)))
    assert found(of, KERAS315)["nested-model-used-twice"].where == "top"
    assert found(of, KERAS2) == {}


def test_a_sequential_without_an_input_layer() -> None:
    of = artifact(sequential(layer("d", "Dense", units=1, batch_input_shape=[None, 4])))
    assert found(of, KERAS315)["keras2-sequential-input-shape"].where == "d"
    assert found(artifact(sequential(inputs(4), layer("d", "Dense", units=1))), KERAS315) == {}


@pytest.mark.parametrize(
    ("shape", "axis", "differs"),
    [
        ((4, 4), 1, True),
        ((4, 4), 2, False),
        ((4, 4), -1, False),
        ((4, 4), -2, True),
        ((4,), 1, False),
        ((8, 8, 3), 3, False),
    ],
)
def test_an_axis_is_dropped_before_keras_3_9(shape: tuple[int, ...], axis: int, differs: bool) -> None:
    twice = [[["x", 0, 0, {}], ["x", 0, 0, {}]]]
    of = artifact(functional(inputs(*shape), layer("cat", "Concatenate", twice, axis=axis)))
    assert ("h5-axis-dropped" in found(of, KERAS36)) is differs
    assert found(of, KERAS310) == {}


def test_an_axis_of_unknown_rank_does_not_alarm() -> None:
    own = layer("own", "acme>Own", "x")
    of = artifact(functional(inputs(4, 4), own, layer("cat", "Concatenate", "own", axis=1)))
    assert found(of, KERAS36) == {}


def test_normalization_from_hdf5() -> None:
    of = artifact(functional(inputs(4), layer("n", "Normalization", "x", axis=[-1], mean=None, variance=None)))
    assert set(found(of, KERAS33)) == {"normalization-not-restored"}
    assert found(of, KERAS36) == {}
    given = layer("n", "Normalization", "x", axis=[-1], mean=[0.0], variance=[1.0])
    assert found(artifact(functional(inputs(4), given)), KERAS33) == {}


@pytest.mark.parametrize(
    ("code", "training", "fine_on"),
    [
        ("h5-loss-alias", {"loss": "mse"}, KERAS2),
        ("h5-loss-alias", {"loss": "bce"}, KERAS2),
        ("keras2-loss-reduction", {"loss": KERAS2_LOSS}, KERAS2),
        ("optimizer-config-rejected", {"optimizer_config": {"class_name": "Adam", "config": {"lr": 0.1}}}, KERAS210),
        ("training-config-not-read", {"optimizer_config": SCHEDULED}, KERAS2),
    ],
)  # fmt: skip
def test_what_stops_training_is_training_state(code: str, training: dict[str, Any], fine_on: Versions) -> None:
    of = artifact(PLAIN, {"loss_weights": None, "metrics": None, **training})
    findings = found(of, KERAS315)
    assert set(findings) == {code}
    assert findings[code].family == "training-state"
    assert findings[code].where.startswith("compile/")
    assert found(of, fine_on) == {}


@pytest.mark.parametrize("versions", [KERAS33, KERAS315])
def test_short_names_of_metrics_are_read(versions: Versions) -> None:
    training = {"loss_weights": None, "loss": "mean_squared_error", "metrics": ["mae", "mse"]}
    assert found(artifact(PLAIN, training), versions) == {}


def test_optimizers_of_keras_2_10_and_2_11() -> None:
    flags = {"weight_decay": None, "jit_compile": True, "is_legacy_optimizer": False}
    new = {"class_name": "Custom>Adam", "config": {"name": "Adam", **flags}}
    old = {"class_name": "Adam", "config": {"name": "Adam", "learning_rate": 0.1, "decay": 0.0}}
    for written, refused, taken in (
        (new, KERAS210, [KERAS2, TF_KERAS, KERAS315]),
        (old, None, [KERAS210, KERAS2, TF_KERAS, KERAS315]),
    ):
        of = artifact(PLAIN, {"loss": None, "loss_weights": None, "optimizer_config": written})
        for versions in taken:
            assert found(of, versions) == {}
        if refused is not None:
            assert {finding.family for finding in found(of, refused).values()} == {"training-state"}


def test_keras_3_on_keras_2() -> None:
    policy = {"module": "keras", "class_name": "DTypePolicy", "config": {"name": "float32"}, "registered_name": None}
    given = layer("x", "InputLayer", batch_shape=[None, 4], dtype="float32", sparse=False)
    of = artifact(functional(given, layer("d", "Dense", "x", units=1, dtype=policy)), keras="3.6.0")
    assert set(found(of, KERAS2)) == {"keras3-batch-shape", "keras3-dtype-policy"}
    assert set(found(of, TF_KERAS)) == {"keras3-batch-shape", "keras3-dtype-policy"}
    assert found(of, KERAS36) == {}


@pytest.mark.parametrize(
    ("module", "refused", "taken"),
    [
        ("keras.src.engine.functional", [KERAS33, KERAS315], [KERAS2, TF_KERAS]),
        ("tf_keras.src.engine.functional", [KERAS315, KERAS2], [TF_KERAS]),
        ("keras.src.models.functional", [KERAS2, TF_KERAS], [KERAS33, KERAS315]),
    ],
)
def test_module_paths(module: str, refused: list[Versions], taken: list[Versions]) -> None:
    of = artifact(native(functional(native(inputs(4))), module), format="keras", keras=None)
    for versions in refused:
        assert set(found(of, versions)) & {"keras2-module-path", "keras3-module-path"}
    for versions in taken:
        assert not set(found(of, versions)) & {"keras2-module-path", "keras3-module-path"}


def test_operations_in_hdf5() -> None:
    operations = ({**layer(name.lower(), name, "x"), "config": {"name": name.lower()}} for name in ("Mean", "Add"))
    config = functional(inputs(4), *operations)
    of = artifact(config, keras="3.10.0")
    assert found(of, KERAS310)["h5-functional-ops"].where == "mean, add"
    assert found(artifact(functional(inputs(4), layer("add", "Add", "x")), keras="3.10.0"), KERAS310) == {}


def test_an_op_that_tensorflow_does_not_have() -> None:
    of = artifact(None, format="savedmodel", keras=None, ops=frozenset({"MatMul", "DisableCopyOnRead", "CaseFoldUTF8"}))
    old = found(of, Versions("3.10.13", "2.8.4", "2.8.0", "keras2"))["savedmodel-op-missing"]
    assert old.message == "TensorFlow 2.8.4 has no op DisableCopyOnRead (it came with 2.10)"
    assert found(of, KERAS210) == {}
    assert found(of, KERAS315) == {}


def test_an_operation_that_takes_no_name_yet() -> None:
    mean = native({"class_name": "Mean", "name": "mean", "config": {"name": "mean", "axis": 1}}, "keras.src.ops.numpy")
    of = artifact(
        native(functional(native(inputs(4)), mean), "keras.src.models.functional"), format="keras", keras="3.15.1"
    )
    assert "Mean takes no name" in found(of, KERAS310)["config-key-rejected"].message
    assert "config-key-rejected" not in found(of, KERAS315)


def test_a_savedmodel_on_keras_3() -> None:
    made = artifact(PLAIN, format="savedmodel", keras=None, keras_metadata=True)
    assert set(found(made, KERAS315)) == {"savedmodel-needs-keras2"}
    assert found(made, KERAS2) == {}
    assert found(artifact(None, format="savedmodel", keras=None), KERAS315) == {}


def test_inputs_of_a_sequential_inside_a_wrapper() -> None:
    """A SavedModel's layers come back from its graph; the inputs of a Sequential are made from their configuration."""
    inner = sequential({"class_name": "InputLayer", "config": {"name": "in", "optional": False}})
    wrapped = functional(inputs(3, 4), layer("each", "TimeDistributed", layer=inner))
    told = found(artifact(wrapped, format="savedmodel", keras="2.21.0", keras_metadata=True), KERAS2)
    assert told["input-optional"].where == "each/layer/in"


def test_an_archive_on_old_tensorflow() -> None:
    of = artifact(native(sequential(), "keras"), format="keras", keras="2.15.0")
    assert set(found(of, KERAS210)) == {"keras-zip-in-old-tensorflow"}


def test_weights_of_keras_2_13() -> None:
    stored = {"_layer_checkpoint_dependencies/dense": 4, "_layer_checkpoint_dependencies/dense_2": 4}
    of = artifact(sequential(), format="keras", keras="2.13.1", weights=Weights(8, 4, "keras-2.13", stored))
    assert set(found(of, KERAS2)) == {"keras213-weights-layout"}
    assert found(of, KERAS315)["keras213-weights-layout"].where == "_layer_checkpoint_dependencies/dense_2"
    alone = Weights(4, 2, "keras-2.13", {"_layer_checkpoint_dependencies/conv2d": 4})
    one = artifact(sequential(), format="keras", weights=alone)
    assert found(one, KERAS315) == {}
    assert found(of, Versions("3.11.7", "2.13.1", "2.13.1", "keras2")) == {}


def test_policies() -> None:
    newer = artifact(PLAIN, keras="3.14.0")
    assert check(newer, KERAS36, "evidence") == ()
    assert [finding.cause for finding in check(newer, KERAS36, "strict")] == ["saved-by-newer-release"]
    assert check(newer, KERAS315, "strict") == ()
    broken = artifact(functional(inputs(8, 4), layer("l", "LSTM", "x", time_major=True)))
    assert check(broken, KERAS315, "off") == ()
    assert check(artifact(None, format="unknown", keras=None, readable=False), KERAS315, "strict") == ()


def test_an_odd_configuration_is_survived() -> None:
    dense = {"class_name": "Dense", "config": {"name": 4, "axis": {}}}
    for config in (
        {"class_name": "Functional", "config": {"layers": [None, 3], "input_layers": 5}},
        {"class_name": "Sequential", "config": [dense]},
    ):
        found(artifact(config, keras="nightly"), KERAS315)


POLICY_DICT = {"module": "keras", "class_name": "DTypePolicy", "config": {"name": "int64"}, "registered_name": None}


def test_hashing() -> None:
    newer = layer("h", "Hashing", "x", num_bins=3, dtype=POLICY_DICT, mask_value=None, salt=None, output_mode="int")
    assert set(found(artifact(functional(inputs(4), newer), keras="3.6.0"), KERAS33)) == {"hashing-dtype"}
    assert found(artifact(functional(inputs(4), newer), keras="3.6.0"), KERAS36) == {}
    of_tf23 = layer("h", "Hashing", "x", num_bins=3, dtype="int64", salt=[1, 1])
    assert set(found(artifact(functional(inputs(4), of_tf23), keras="2.4.0"), KERAS2)) == {"hashing-salt-written"}
    salted = layer("h", "Hashing", "x", num_bins=3, dtype="int64", mask_value=None, salt=[1, 1])
    assert found(artifact(functional(inputs(4), salted)), KERAS2) == {}


def test_a_custom_function_by_name() -> None:
    of = artifact(functional(inputs(4), layer("d", "Dense", "x", units=1, activation="bent")))
    assert set(found(of, KERAS310)) == {"custom-function-not-json"}
    assert found(of, KERAS315) == {}
    own = artifact(functional(inputs(4), layer("d", "Dense", "x", units=1, activation="tanh")))
    assert found(own, KERAS310) == {}


def test_legacy_optimizers_in_archives() -> None:
    adam = {
        "module": "keras.optimizers.legacy",
        "class_name": "Adam",
        "config": {"decay": 0.0},
        "registered_name": None,
    }
    of = artifact(native(sequential(), "keras"), {"optimizer": adam}, format="keras", keras="2.13.1")
    assert set(found(of, Versions("3.11.7", "2.13.1", "2.13.1", "keras2"))) == {"legacy-optimizer-in-archive"}
    assert found(of, KERAS2) == {}
    assert "optimizer-not-in-this-keras" in found(of, KERAS315)


def test_a_training_configuration_without_loss_weights() -> None:
    of = artifact(PLAIN, {"loss": None, "metrics": None})
    assert set(found(of, KERAS315)) == {"training-config-incomplete"}
    assert found(of, KERAS2) == {}


def test_a_list_of_one_axis() -> None:
    norm = layer("bn", "BatchNormalization", axis=[2], epsilon=0.1)
    assert set(found(artifact(native(sequential(native(norm)), "keras"), format="keras"), KERAS315)) == {
        "keras2-axis-list"
    }
    assert found(artifact(sequential(inputs(4, 4), norm)), KERAS315) == {}


def test_unwrapped_inputs() -> None:
    model = functional(inputs(4))
    model["config"]["input_layers"] = ["x", 0, 0]
    of = artifact(model, keras="3.11.0")
    assert set(found(of, KERAS33)) == {"keras3-unwrapped-inputs"}
    assert found(of, KERAS36) == {}
    model["config"]["input_layers"] = [["x", 0, 0], [["y", 0, 0], ["z", 0, 0]]]
    assert set(found(artifact(model, keras="3.6.0"), KERAS33)) == {"keras3-unwrapped-inputs"}
    model["config"]["input_layers"] = [["x", 0, 0], ["y", 0, 0]]
    assert found(artifact(model, keras="3.6.0"), KERAS33) == {}


def test_newer_weights_on_keras_2_13() -> None:
    old = Versions("3.11.7", "2.13.1", "2.13.1", "keras2")
    weights = Weights(4, 2, "keras", {"layers/dense": 4})
    model = native(sequential(), "keras")
    assert set(found(artifact(model, format="keras", keras="2.15.0", weights=weights), old)) == {
        "keras213-weights-layout"
    }
    assert found(artifact(model, format="keras", keras="2.15.0", weights=weights), KERAS2) == {}
    own = native({"class_name": "Towers", "config": {}}, "acme")
    assert found(artifact(own, format="keras", keras="2.15.0", weights=weights), old) == {}


def test_normalization_from_hdf5_on_tensorflow_2_6() -> None:
    of = artifact(functional(inputs(4), layer("n", "Normalization", "x", axis=[-1], dtype="float32")), keras="2.4.0")
    for tensorflow, keras, codes in (
        ("2.5.3", "2.4.0", set()),
        ("2.6.5", "2.6.0", {"normalization-tf26"}),
        ("2.7.4", "2.7.0", {"normalization-tf26"}),
        ("2.8.4", "2.8.0", set()),
    ):
        assert set(found(of, Versions("3.8.10", tensorflow, keras, "keras2"))) == codes


def test_words_of_lookup_layers() -> None:
    adapted = {"vocabulary": None, "output_mode": "tf_idf"}
    words = artifact(functional(inputs(1), layer("w", "TextVectorization", "x", **adapted)), keras="3.10.0")
    assert set(found(words, KERAS310)) == set(found(words, KERAS315)) == {"h5-lookup-layer"}
    given = functional(inputs(1), layer("w", "StringLookup", "x", vocabulary=["a", "b"], output_mode="int"))
    assert found(artifact(given, keras="3.10.0"), KERAS310) == {}
    archive = native(sequential(native(layer("w", "TextVectorization", **adapted))), "keras")
    of = artifact(archive, format="keras", keras="3.10.0")
    assert set(found(of, KERAS310)) == {"text-vectorization-tf-idf"}
    assert found(of, KERAS315) == {}
    counted = native(sequential(native(layer("w", "TextVectorization", vocabulary=None, output_mode="int"))), "keras")
    assert found(artifact(counted, format="keras", keras="3.10.0"), KERAS310) == {}


def test_bidirectional_from_an_archive() -> None:
    inner = native(layer("lstm", "LSTM", units=2))
    model = native(sequential(native(layer("both", "Bidirectional", layer=inner, backward_layer=inner))), "keras")
    of = artifact(model, format="keras", keras="3.2.1")
    assert set(found(of, Versions("3.11.7", "2.16.1", "3.2.1", "keras3"))) == {"bidirectional-not-restored"}
    assert found(of, KERAS33) == {}


def test_ragged_inputs() -> None:
    ragged = layer("x", "InputLayer", batch_input_shape=[None, None], dtype="float32", sparse=False, ragged=True)
    of = artifact(functional(ragged))
    assert set(found(of, KERAS33)) == {"ragged-input-dropped"}
    assert found(of, KERAS310) == {}
    assert found(of, KERAS2) == {}


def test_initializers_seeded_by_a_generator() -> None:
    seed = {"module": "keras.random", "class_name": "SeedGenerator", "config": {"seed": 1}, "registered_name": None}
    kernel = native({"class_name": "GlorotUniform", "config": {"seed": seed}}, "keras.initializers")
    model = native(sequential(native(layer("d", "Dense", units=1, kernel_initializer=kernel))), "keras")
    of = artifact(model, format="keras", keras="3.5.0")
    assert "seed-generator-not-read" in found(of, KERAS33)
    assert found(of, KERAS36) == {}


def test_remedies_go_the_way_of_the_artifact() -> None:
    told = found(artifact(functional(inputs(4), layer("l", "ThresholdedReLU", "x"))), KERAS315)
    actions = [remedy.action for remedy in told["class-not-in-this-keras"].remedies]
    assert "run with TF_USE_LEGACY_KERAS=1 and tf_keras" in actions
    newer = functional(inputs(4), layer("l", "GroupedQueryAttention", "x"))
    told = found(artifact(newer, keras="3.15.1"), TF_KERAS)
    actions = [remedy.action for remedy in told["class-not-in-this-keras"].remedies]
    assert "run with TF_USE_LEGACY_KERAS=1 and tf_keras" not in actions
    assert actions[0].startswith("load it with Keras 3 ")


def test_a_layer_as_an_activation() -> None:
    """Keras 3.10 is the first that reads it; in HDF5 of Keras 2 it has no module, which no Keras 3 resolves."""
    leaky = {"class_name": "LeakyReLU", "config": {"name": "l", "alpha": 0.2}}
    legacy = artifact(sequential(inputs(4), layer("head", "Dense", units=3, activation=leaky)))
    assert found(legacy, KERAS33)["activation-is-layer"].where == "head"
    assert "keras2-wrapped-layer" in found(legacy, KERAS315)
    assert found(legacy, KERAS2) == {}
    inside = {**leaky, "module": "keras.layers", "registered_name": None}
    of = artifact(native(sequential(inputs(4), layer("head", "Dense", units=3, activation=inside))), format="keras")
    assert "activation-is-layer" in found(of, KERAS36)
    assert "activation-is-layer" not in found(of, KERAS310)
    assert "keras2-wrapped-layer" not in found(of, KERAS315)


def test_a_custom_activation_that_is_called_function() -> None:
    """As Keras 2.13 and later write it into HDF5. What a class of the user's own makes of it is its own affair."""
    bent = {"class_name": "function", "config": "bent", "module": "builtins", "registered_name": "function"}
    of = artifact(sequential(inputs(4), layer("head", "Dense", units=3, activation=bent)))
    assert found(of, KERAS2)["h5-custom-function"].where == "head"
    assert "h5-custom-function" not in found(of, KERAS315)
    own = artifact(sequential(inputs(4), layer("gate", "Gate", units=3, activation=bent)))
    assert "h5-custom-function" not in found(own, KERAS2)


def test_attention_without_the_shapes_it_was_built_with() -> None:
    attention = layer("attend", "MultiHeadAttention", num_heads=2, key_dim=4)
    of = artifact(functional(inputs(3, 4), attention))
    assert found(of, KERAS2)["attention-shapes-missing"].where == "attend"
    assert "attention-shapes-missing" not in found(of, KERAS315)
    own = artifact(functional(inputs(3, 4), layer("attend", "MultiHeadAttention", heads=2)))
    assert "attention-shapes-missing" not in found(own, KERAS2)
    built = layer("attend", "MultiHeadAttention", num_heads=2, key_dim=4, query_shape=None, key_shape=None)
    assert "attention-shapes-missing" not in found(artifact(functional(inputs(3, 4), built)), KERAS2)


# ---- functions that are kept as code


def kept(function: Callable[..., Any], defaults: list[Any] | None = None) -> dict[str, Any]:
    """A Lambda as Keras 2 writes it."""
    code = base64.encodebytes(marshal.dumps(function.__code__)).decode()
    return layer("double", "Lambda", function=[code, defaults, None], function_type="lambda", arguments={})


PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"


def test_a_function_without_the_globals_it_uses() -> None:
    """Keras 2 gives it tf, and the module that it was written in; Keras 3 nothing but what Python has."""
    of = artifact(sequential(inputs(4), kept(lambda x: tf.abs(x) + np.pi)))  # type: ignore[name-defined]  # noqa: F821
    told = found(of, replace(KERAS315, python=PYTHON))["lambda-call-fails"]
    assert told.message.startswith("Keras 3.15.1 runs a function without the np, tf it uses")
    assert told.where == "double"
    assert "lambda-call-fails" not in found(of, replace(KERAS2, python=PYTHON))
    plain = artifact(sequential(inputs(4), kept(lambda x: x * float(len(x.shape)))))
    assert "lambda-call-fails" not in found(plain, replace(KERAS315, python=PYTHON))


@pytest.mark.parametrize(
    ("python", "running", "refused"),
    [
        ("3.7", "3.8.10", True),
        ("3.8", "3.9.1", False),
        ("3.8", "3.10.13", False),
        ("3.10", "3.11.7", True),
        ("3.11", "3.11.7", False),
        ("3.11", "3.12.1", True),
        ("3.13", "3.11.7", True),
        ("3.11", "", False),
    ],
)
def test_code_of_another_python(python: str, running: str, refused: bool) -> None:
    of = artifact(sequential(inputs(4), layer("sums", "Lambda", function=[SUMS[python], None, None])))
    assert ("lambda-python-version" in found(of, replace(KERAS2, python=running))) is refused


def test_a_function_with_default_values() -> None:
    of = artifact(sequential(inputs(4), kept(lambda x, n=2: x * n, [2])))
    assert found(of, replace(KERAS315, python=PYTHON))["lambda-defaults-not-read"].where == "double"
    assert "lambda-defaults-not-read" not in found(of, replace(KERAS2, python=PYTHON))


def test_an_optimizer_that_nothing_knows_beside_keras_3() -> None:
    """tf_keras brings the class along, whichever Keras loads models."""
    export = Artifact(Path("m"), "savedmodel", weights=Weights(10, 2, "checkpoint", optimizer_tensors=4))
    assert "savedmodel-add-slot" in found(export, KERAS315)
    assert found(export, replace(KERAS315, tf_keras="2.21.0")) == {}
    assert found(export, KERAS2) == {}
    assert found(replace(export, weights=Weights(10, 2, "checkpoint")), KERAS315) == {}


def test_a_layer_that_its_own_release_does_not_find() -> None:
    dense = {"class_name": "Dense", "config": {"name": "d", "units": 2}}
    spectral = layer("norm", "SpectralNormalization", power_iterations=1, layer=dense)
    of = artifact(sequential(inputs(4), spectral))
    assert found(of, KERAS2)["spectral-normalization-not-found"].where == "norm"
    assert "spectral-normalization-not-found" in found(of, TF_KERAS)
    assert "class-not-in-this-keras" in found(of, KERAS210)
    assert "spectral-normalization-not-found" not in found(of, KERAS315)
    own = artifact(sequential(inputs(4), layer("norm", "SpectralNormalization", iterations=1)))
    assert "spectral-normalization-not-found" not in found(own, KERAS2)


@pytest.mark.parametrize(("saved", "told"), [("2.3.4", True), ("2.4.1", True), ("2.8.0", False), (None, False)])
def test_tables_of_lookup_layers_in_an_old_savedmodel(saved: str | None, told: bool) -> None:
    model = functional(inputs(1), layer("words", "StringLookup"))
    of = artifact(model, format="savedmodel", keras="2.4.0", keras_metadata=True)
    of = replace(of, saved_with=SavedWith(tensorflow=saved, keras="2.4.0"))
    assert ("savedmodel-lookup-table" in found(of, KERAS210)) is told
    assert "savedmodel-lookup-table" not in found(of, replace(KERAS210, tensorflow="2.4.1", keras="2.4.0"))


def test_a_normalization_that_does_nothing_is_not_missed() -> None:
    """As in an EfficientNet that was trained from nothing: the identity comes back as the identity."""
    model = sequential(inputs(4), layer("norm", "Normalization", axis=[-1]))
    assert "normalization-not-restored" in found(artifact(model, weights=Weights(9, 3, "h5-keras2")), KERAS33)
    idle = Weights(9, 3, "h5-keras2", unadapted=("norm",))
    assert "normalization-not-restored" not in found(artifact(model, weights=idle), KERAS33)


def test_a_global_behind_a_branch_may_never_be_asked_for() -> None:
    branch = kept(lambda x: x * 2 if len(x.shape) == 2 else tf.abs(x))  # type: ignore[name-defined]  # noqa: F821
    first = kept(lambda x: tf.abs(x) if len(x.shape) == 2 else x)  # type: ignore[name-defined]  # noqa: F821
    before = kept(lambda x: tf.abs(x) * (2 if x else 1))  # type: ignore[name-defined]  # noqa: F821
    running = replace(KERAS315, python=PYTHON)
    for function, told in ((branch, False), (first, False), (before, True)):
        assert ("lambda-call-fails" in found(artifact(sequential(inputs(4), function)), running)) is told


def test_functions_are_told_in_one_order() -> None:
    """A load that says nothing of use is told by the first of them."""
    of = artifact(sequential(inputs(4), kept(lambda x, n=2: tf.abs(x) * n, [2])))  # type: ignore[name-defined]  # noqa: F821
    told = [code for code in found(of, replace(KERAS315, python="3.4.1")) if code.startswith("lambda-")]
    assert told == ["lambda-call-fails", "lambda-python-version", "lambda-defaults-not-read"]


def test_a_deep_configuration_is_walked_over_and_not_kept() -> None:
    """The place of what lies 300 levels deep under a name of 100,000 letters is as long, at every level."""
    deep: dict[str, Any] = {}
    for _ in range(300):
        deep = {"a": deep}
    of = artifact(sequential(inputs(4), layer("head", "Dense", units=1, **{"x" * 100_000: deep})))
    tracemalloc.start()
    try:
        assert [mark for rule in LAMBDA_RULES for mark in rule(of, Loader(KERAS315, "3.15.1"))] == []
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()
