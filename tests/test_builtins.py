"""The table of Keras' own names, and what is answered between and beyond the releases that were measured."""

from __future__ import annotations

import pytest

from pytest_kerasload.artifacts import builtins
from pytest_kerasload.artifacts.builtins import accepts, exists_in, is_builtin, key_since, since


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("LSTM", "layer"),
        ("LSTM", None),
        ("TFOpLambda", "layer"),
        ("CuDNNGRU", "layer"),
        ("Functional", "model"),
        ("Relu", "operation"),
        ("Adam", "optimizer"),
        ("Custom>Adam", "optimizer"),
        ("ExponentialDecay", "schedule"),
        ("Huber", "loss"),
        ("mse", "loss"),
        ("accuracy", "metric"),
        ("AUC", "metric"),
        ("GlorotUniform", "initializer"),
        ("L2", "regularizer"),
        ("MaxNorm", "constraint"),
        ("hard_sigmoid", "activation"),
        ("LeakyReLU", "activation"),
        ("Policy", "policy"),
        ("DTypePolicy", "policy"),
    ],
)
def test_keras_own_names_are_known(name: str, kind: str | None) -> None:
    assert is_builtin(name, kind)


@pytest.mark.parametrize(
    ("name", "kind"),
    [("Gate", None), ("acme>Gate", None), ("LSTM", "optimizer"), ("KerasLayer", None), ("deserialize", None)],
)
def test_other_names_are_not(name: str, kind: str | None) -> None:
    assert not is_builtin(name, kind)


@pytest.mark.parametrize(
    ("name", "kind", "flavour", "version", "there"),
    [
        ("TFOpLambda", "layer", "keras2", "2.15.1", True),
        ("TFOpLambda", "layer", "tf_keras", "2.19.0", True),
        ("TFOpLambda", "layer", "keras3", "3.10.0", False),
        ("Orthogonal", "initializer", "keras3", "3.3.3", False),
        ("Orthogonal", "initializer", "keras3", "3.10.0", True),
        ("GroupNormalization", "layer", "keras2", "2.10.1", False),
        ("GroupNormalization", "layer", "keras2", "2.11.1", True),
        ("LSTM", "layer", "keras3", "3.99.0", True),  # newer than all: as in the newest
        ("TFOpLambda", "layer", "keras3", "3.99.0", False),
        ("LSTM", "layer", "keras2", "1.4.0", None),  # older than all
        ("LSTM", "layer", "keras2", "2.5.0", True),  # between two that agree
        ("ConvLSTM1D", "layer", "keras2", "2.5.0", None),  # between two that do not
        ("LSTM", "layer", "theano", "1.0", None),
    ],
)
def test_a_release_has_a_name(name: str, kind: str, flavour: str, version: str, there: bool | None) -> None:
    assert exists_in(name, kind, flavour, version) is there


@pytest.mark.parametrize(
    ("owner", "key", "flavour", "version", "taken"),
    [
        ("LSTM", "time_major", "keras2", "2.15.0", True),
        ("LSTM", "time_major", "tf_keras", "2.21.0", True),
        ("LSTM", "time_major", "keras3", "3.0.5", False),
        ("LSTM", "implementation", "keras3", "3.15.1", True),
        ("DepthwiseConv2D", "groups", "keras3", "3.15.1", False),
        ("BatchNormalization", "renorm", "keras3", "3.13.2", False),
        ("BatchNormalization", "renorm", "keras3", "3.14.1", True),
        ("Dense", "quantization_config", "keras3", "3.12.4", False),
        ("Dense", "quantization_config", "keras3", "3.13.2", True),
        ("GlorotUniform", "input_axes", "keras3", "3.14.1", False),
        ("GlorotUniform", "input_axes", "keras3", "3.15.1", True),
        ("InputLayer", "batch_shape", "keras2", "2.15.0", False),
        ("InputLayer", "optional", "tf_keras", "2.16.0", False),
        ("InputLayer", "optional", "tf_keras", "2.21.0", True),
        ("LeakyReLU", "alpha", "keras3", "3.15.1", True),
        ("MultiHeadAttention", "query_shape", "keras3", "3.15.1", False),
        ("Discretization", "trainable", "keras3", "3.15.1", False),
        ("Adam", "weight_decay", "keras2", "2.15.0", True),
        ("Adam", "weight_decay", "keras2", "2.10.1", False),
        ("legacy>Adam", "decay", "keras2", "2.15.0", True),
        ("Dense", "no_such_key_ever", "keras3", "3.15.1", None),
        ("Gate", "units", "keras3", "3.15.1", None),
    ],
)
def test_a_class_takes_a_key(owner: str, key: str, flavour: str, version: str, taken: bool | None) -> None:
    assert accepts(owner, key, flavour, version) is taken


def test_the_first_release_is_told() -> None:
    assert key_since("Dense", "quantization_config", "keras3", "layer") == "3.13"
    assert since("Orthogonal", "initializer", "keras3") == "3.4"
    assert since("TFOpLambda", "layer", "keras3") is None


def test_the_table_is_small_and_read_once() -> None:
    assert builtins.table() is builtins.table()
    assert len(builtins.table().releases) > 30
    assert {flavour for flavour, _ in builtins.table().releases} == {"standalone", "keras2", "tf_keras", "keras3"}


def test_the_first_tf_keras_is_keras_2_15() -> None:
    assert accepts("InputLayer", "optional", "tf_keras", "2.15.1") is False
    assert accepts("InputLayer", "optional", "tf_keras", "2.21.0") is True
    assert exists_in("LocallyConnected1D", "layer", "tf_keras", "2.15.0") is True
