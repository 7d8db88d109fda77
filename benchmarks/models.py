"""About fifty good models of the kinds that teams keep, as if trained, built by the TensorFlow at hand (2.8 to 2.21).

``python models.py --out DIR`` saves them. Plain ``tf.keras`` code that Keras 2 and Keras 3 both take, no custom
objects, everything seeded. "As if trained": biases, gammas and betas away from their defaults, units of different
norms, embeddings of the size that training gives them, moving statistics of batch normalisations that fit the data.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

Keras = Any
"""The module ``tf.keras``; typed as Any because two APIs hide behind it."""


@dataclass(frozen=True)
class Recipe:
    """How a model is made: ``build`` gives it, ``settle`` makes its weights as if trained."""

    name: str
    build: Callable[..., Any]
    format: str = "h5"
    """The format that it is saved in unless asked otherwise."""
    policy: str = "float32"
    low: float = -2.0
    high: float = 2.0
    """The range of values that batch normalisations see."""
    gain: float = 1.0
    """How far the last layer's answers spread before their activation."""
    large: bool = False
    """Takes seconds to load: fewer samples are made of it."""


RECIPES: dict[str, Recipe] = {}


def recipe(**more: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Enter a builder in RECIPES under its own name."""

    def enter(build: Callable[..., Any]) -> Callable[..., Any]:
        RECIPES[build.__name__] = Recipe(build.__name__, build, **more)
        return build

    return enter


# ---- multilayer perceptrons


def _dense(k: Keras, sizes: list[int], activation: str | None, inputs: int, last: Any, **more: Any) -> Any:
    """A Sequential of Dense layers of one activation, ended by the layers in ``last``."""
    layers = [k.Input((inputs,), name="features")]
    layers += [k.layers.Dense(size, activation=activation, **more) for size in sizes]
    return k.Sequential([*layers, *last])


@recipe(gain=3)
def mlp_relu(k: Keras) -> Any:
    return _dense(
        k, [64, 64, 32], "relu", 20, [k.layers.Dense(10, activation="softmax")], kernel_initializer="he_normal"
    )


@recipe()
def mlp_tanh(k: Keras) -> Any:
    return _dense(k, [64, 64], "tanh", 13, [k.layers.Dense(1)])


@recipe(gain=3)
def mlp_sigmoid(k: Keras) -> Any:
    return _dense(k, [128, 64], "sigmoid", 30, [k.layers.Dense(1, activation="sigmoid")])


@recipe()
def linear_large(k: Keras) -> Any:
    return _dense(k, [], None, 8, [k.layers.Dense(1, name="price")])


@recipe(gain=2e4)
def regression_large(k: Keras) -> Any:
    return _dense(k, [64, 32], "relu", 12, [k.layers.Dense(3, name="sales")], kernel_initializer="he_normal")


@recipe()
def mlp_elu(k: Keras) -> Any:
    return _dense(k, [48, 48], "elu", 16, [k.layers.Dense(4)])


@recipe()
def mlp_selu(k: Keras) -> Any:
    return _dense(k, [64] * 6, "selu", 16, [k.layers.Dense(4)], kernel_initializer="lecun_normal")


@recipe(format="savedmodel")
def mlp_gelu(k: Keras, approximate: bool = False) -> Any:
    activation: Any = "gelu"
    if approximate:
        import tensorflow as tf

        def activation(x: Any) -> Any:
            return tf.nn.gelu(x, approximate=True)

    return _dense(k, [64, 64], activation, 16, [k.layers.Dense(4)], kernel_initializer="he_normal")


@recipe()
def mlp_gelu_h5(k: Keras) -> Any:
    return mlp_gelu(k)


@recipe(format="keras")
def mlp_swish(k: Keras) -> Any:
    return _dense(k, [64, 64], "swish", 16, [k.layers.Dense(4)], kernel_initializer="he_normal")


@recipe()
def mlp_softplus(k: Keras) -> Any:
    return _dense(k, [32, 32], "softsign", 10, [k.layers.Dense(2, activation="softplus")])


@recipe(gain=2)
def mlp_hard_sigmoid(k: Keras) -> Any:
    return _dense(k, [32, 32], "hard_sigmoid", 10, [k.layers.Dense(3, activation="hard_sigmoid")])


@recipe()
def mlp_deep(k: Keras) -> Any:
    return _dense(k, [32] * 50, "relu", 16, [k.layers.Dense(4)], kernel_initializer="he_normal")


@recipe()
def mlp_deep_tanh(k: Keras) -> Any:
    return _dense(k, [24] * 30, "tanh", 16, [k.layers.Dense(2)])


@recipe(gain=4)
def softmax_1000(k: Keras) -> Any:
    return _dense(k, [256], "relu", 128, [k.layers.Dense(1000, activation="softmax")], kernel_initializer="he_normal")


@recipe(gain=2)
def mlp_batchnorm(k: Keras) -> Any:
    layers: list[Any] = [k.Input((24,), name="features")]
    for size in (64, 64, 32):
        layers += [k.layers.Dense(size), k.layers.BatchNormalization(), k.layers.ReLU(), k.layers.Dropout(0.3)]
    return k.Sequential([*layers, k.layers.Dense(5, activation="softmax")])


@recipe()
def mlp_layernorm(k: Keras) -> Any:
    layers: list[Any] = [k.Input((24,), name="features")]
    for size in (64, 64):
        layers += [k.layers.Dense(size), k.layers.LayerNormalization(), k.layers.Activation("relu")]
    return k.Sequential([*layers, k.layers.Dense(3)])


@recipe(format="keras")
def multi_output(k: Keras) -> Any:
    x = k.Input((16,), name="features")
    y = k.layers.Dense(48, activation="relu", kernel_initializer="he_normal")(x)
    heads = [
        k.layers.Dense(4, activation="softmax", name="colour")(y),
        k.layers.Dense(4, activation="softmax", name="shape")(y),
        k.layers.Dense(1, name="value")(y),
    ]
    return k.Model(x, heads)


@recipe()
def multi_output_h5(k: Keras) -> Any:
    x = k.Input((16,), name="features")
    y = k.layers.Dense(48, activation="tanh")(x)
    return k.Model(x, [k.layers.Dense(3, name="start")(y), k.layers.Dense(3, name="end")(y)])


@recipe(format="savedmodel")
def outputs_by_name(k: Keras) -> Any:
    x = k.Input((16,), name="features")
    y = k.layers.Dense(48, activation="relu", kernel_initializer="he_normal")(x)
    outputs = {
        "risk": k.layers.Dense(1, activation="sigmoid", name="risk")(y),
        "loss": k.layers.Dense(1, name="loss")(y),
    }
    return k.Model(x, outputs)


@recipe()
def multi_input(k: Keras) -> Any:
    wide, deep, flag = k.Input((12,), name="wide"), k.Input((40,), name="deep"), k.Input((3,), name="flag")
    hidden = k.layers.Dense(32, activation="relu", kernel_initializer="he_normal")(deep)
    hidden = k.layers.Dense(16, activation="relu", kernel_initializer="he_normal")(hidden)
    joined = k.layers.Concatenate()([wide, hidden, flag])
    return k.Model([wide, deep, flag], k.layers.Dense(2, activation="sigmoid")(joined))


@recipe()
def scaled_columns(k: Keras) -> Any:
    """Outputs of very different scales by column."""
    return _dense(k, [48, 48], "relu", 16, [k.layers.Dense(6, name="columns")], kernel_initializer="he_normal")


@recipe()
def cancellation(k: Keras) -> Any:
    """Small differences of large numbers: what float32 leaves of them is noise to a thousandth."""
    x = k.Input((16,), name="features")
    y = k.layers.Dense(64, activation="relu", kernel_initializer="he_normal")(x)
    return k.Model(x, k.layers.Subtract()([k.layers.Dense(4, name="gain")(y), k.layers.Dense(4, name="loss")(y)]))


# ---- images


@recipe(low=0, high=1, gain=2)
def cnn_small(k: Keras) -> Any:
    x = y = k.Input((28, 28, 1), name="image")
    for filters in (16, 32):
        y = k.layers.Conv2D(filters, 3, activation="relu", kernel_initializer="he_normal")(y)
        y = k.layers.MaxPooling2D()(y)
    y = k.layers.Dropout(0.5)(k.layers.Flatten()(y))
    return k.Model(x, k.layers.Dense(10, activation="softmax")(y))


def _residual(k: Keras, y: Any, filters: int, stride: int) -> Any:
    short = y
    if stride > 1 or y.shape[-1] != filters:
        short = k.layers.BatchNormalization()(k.layers.Conv2D(filters, 1, strides=stride, use_bias=False)(y))
    y = k.layers.Conv2D(filters, 3, strides=stride, padding="same", use_bias=False, kernel_initializer="he_normal")(y)
    y = k.layers.ReLU()(k.layers.BatchNormalization()(y))
    y = k.layers.Conv2D(filters, 3, padding="same", use_bias=False, kernel_initializer="he_normal")(y)
    return k.layers.ReLU()(k.layers.Add()([k.layers.BatchNormalization()(y), short]))


@recipe(gain=2)
def resnet(k: Keras) -> Any:
    x = k.Input((32, 32, 3), name="image")
    y = k.layers.Conv2D(16, 3, padding="same", kernel_initializer="he_normal")(x)
    y = k.layers.ReLU()(k.layers.BatchNormalization()(y))
    for filters, stride in ((16, 1), (16, 1), (32, 2), (32, 1), (64, 2), (64, 1)):
        y = _residual(k, y, filters, stride)
    y = k.layers.GlobalAveragePooling2D()(y)
    return k.Model(x, k.layers.Dense(10, activation="softmax")(y))


@recipe(low=-1, high=1, gain=2, large=True)
def mobilenet_v2(k: Keras) -> Any:
    return k.applications.MobileNetV2((96, 96, 3), alpha=0.35, weights=None, classes=10)


@recipe(low=0, high=255, gain=2, large=True)
def efficientnet_b0(k: Keras) -> Any:
    return k.applications.EfficientNetB0(weights=None, input_shape=(96, 96, 3), classes=10)


@recipe(low=0, high=1, gain=2)
def unet(k: Keras) -> Any:
    def twice(y: Any, filters: int) -> Any:
        for _ in range(2):
            y = k.layers.Conv2D(filters, 3, padding="same", use_bias=False, kernel_initializer="he_normal")(y)
            y = k.layers.Activation("relu")(k.layers.BatchNormalization()(y))
        return y

    x = y = k.Input((128, 128, 1), name="image")
    kept = []
    for filters in (8, 16, 32):
        y = twice(y, filters)
        kept.append(y)
        y = k.layers.MaxPooling2D()(y)
    y = twice(y, 64)
    for filters in (32, 16, 8):
        y = k.layers.Conv2DTranspose(filters, 2, strides=2, padding="same")(y)
        y = twice(k.layers.Concatenate()([y, kept.pop()]), filters)
    return k.Model(x, k.layers.Conv2D(1, 1, activation="sigmoid", name="mask")(y))


@recipe(low=0, high=1)
def separable(k: Keras) -> Any:
    x = k.Input((32, 32, 3), name="image")
    y = k.layers.Conv2D(16, 3, strides=2, padding="same", activation="relu")(x)
    y = k.layers.DepthwiseConv2D(3, padding="same")(y)
    y = k.layers.LeakyReLU()(k.layers.BatchNormalization()(y))
    y = k.layers.SeparableConv2D(32, 3, padding="same", activation="relu")(y)
    y = k.layers.AveragePooling2D(2)(y)
    return k.Model(x, k.layers.Dense(6)(k.layers.GlobalMaxPooling2D()(y)))


@recipe(low=0, high=1, format="keras")
def squeeze_excite(k: Keras) -> Any:
    x = k.Input((24, 24, 3), name="image")
    y = k.layers.Conv2D(24, 3, padding="same", activation="swish")(x)
    squeezed = k.layers.Dense(6, activation="relu")(k.layers.GlobalAveragePooling2D()(y))
    gates = k.layers.Dense(24, activation="sigmoid")(squeezed)
    y = k.layers.Multiply()([y, k.layers.Reshape((1, 1, 24))(gates)])
    return k.Model(x, k.layers.Dense(5)(k.layers.GlobalAveragePooling2D()(y)))


@recipe(low=0, high=255)
def cnn_rescaling(k: Keras) -> Any:
    return k.Sequential(
        [
            k.Input((32, 32, 3), name="image"),
            k.layers.Rescaling(1 / 127.5, offset=-1),
            k.layers.ZeroPadding2D(1),
            k.layers.Conv2D(16, 3, strides=2, use_bias=False, kernel_initializer="he_normal"),
            k.layers.BatchNormalization(),
            k.layers.ReLU(6.0),
            k.layers.Conv2D(16, 3, activation="relu", kernel_initializer="he_normal"),
            k.layers.Flatten(),
            k.layers.Dense(4, activation="softmax"),
        ]
    )


@recipe(low=0, high=1)
def cnn_prelu(k: Keras) -> Any:
    x = k.Input((24, 24, 3), name="image")
    y = k.layers.PReLU(shared_axes=[1, 2])(k.layers.Conv2D(16, 3)(x))
    y = k.layers.ELU()(k.layers.Conv2D(16, 3, strides=2)(y))
    return k.Model(x, k.layers.Dense(3)(k.layers.Flatten()(y)))


@recipe(low=0, high=1)
def conv3d(k: Keras) -> Any:
    x = k.Input((8, 16, 16, 1), name="volume")
    y = k.layers.Conv3D(8, 3, activation="relu", kernel_initializer="he_normal")(x)
    y = k.layers.Conv3D(8, 3, padding="same", activation="relu", kernel_initializer="he_normal")(
        k.layers.MaxPooling3D()(y)
    )
    return k.Model(x, k.layers.Dense(2, activation="softmax")(k.layers.GlobalAveragePooling3D()(y)))


@recipe(low=0, high=1)
def autoencoder_conv(k: Keras) -> Any:
    x = k.Input((32, 32, 1), name="image")
    y = k.layers.Conv2D(8, 3, strides=2, padding="same", activation="relu")(x)
    y = k.layers.Conv2D(16, 3, strides=2, padding="same", activation="relu")(y)
    y = k.layers.Conv2DTranspose(8, 3, strides=2, padding="same", activation="relu")(y)
    y = k.layers.UpSampling2D(2)(y)
    return k.Model(x, k.layers.Conv2D(1, 3, padding="same", activation="sigmoid")(y))


@recipe(format="keras")
def autoencoder_dense(k: Keras) -> Any:
    return _dense(k, [64, 16, 64], "relu", 100, [k.layers.Dense(100)], kernel_initializer="he_normal")


# ---- sequences


@recipe(gain=2)
def conv1d(k: Keras) -> Any:
    x = y = k.Input((128, 6), name="signal")
    for filters in (32, 32):
        y = k.layers.Conv1D(filters, 5, activation="relu", kernel_initializer="he_normal")(y)
        y = k.layers.MaxPooling1D()(y)
    return k.Model(x, k.layers.Dense(6, activation="softmax")(k.layers.GlobalAveragePooling1D()(y)))


@recipe()
def conv1d_dilated(k: Keras) -> Any:
    x = k.Input((128, 4), name="signal")
    y = k.layers.Conv1D(24, 1)(x)
    for dilation in (1, 2, 4, 8, 16):
        z = k.layers.Conv1D(24, 2, padding="causal", dilation_rate=dilation, activation="relu")(y)
        y = k.layers.Add()([y, k.layers.LayerNormalization()(z)])
    return k.Model(x, k.layers.Dense(1, name="forecast")(y))


@recipe()
def lstm(k: Keras) -> Any:
    return k.Sequential([k.Input((64, 8), name="series"), k.layers.LSTM(32), k.layers.Dense(1)])


@recipe()
def gru(k: Keras) -> Any:
    return k.Sequential([k.Input((64, 8), name="series"), k.layers.GRU(32), k.layers.Dense(1)])


@recipe()
def lstm_stacked(k: Keras) -> Any:
    layers = [k.layers.LSTM(24, return_sequences=True, dropout=0.2) for _ in range(2)]
    last = k.layers.TimeDistributed(k.layers.Dense(2))
    return k.Sequential([k.Input((64, 8), name="series"), *layers, last])


@recipe()
def bidirectional(k: Keras) -> Any:
    x = k.Input((64, 8), name="series")
    y = k.layers.Bidirectional(k.layers.LSTM(16, return_sequences=True))(x)
    y = k.layers.Bidirectional(k.layers.GRU(16))(y)
    return k.Model(x, k.layers.Dense(3, activation="softmax")(y))


@recipe()
def simple_rnn(k: Keras) -> Any:
    return k.Sequential([k.Input((64, 4), name="series"), k.layers.SimpleRNN(24), k.layers.Dense(2)])


@recipe()
def lstm_masking(k: Keras) -> Any:
    layers = [k.layers.Masking(0.0), k.layers.LSTM(24), k.layers.Dense(1, activation="sigmoid")]
    return k.Sequential([k.Input((64, 5), name="series"), *layers])


# ---- text and tokens

VOCABULARY = 5000


@recipe(gain=2, format="keras")
def text_masked(k: Keras) -> Any:
    x = k.Input((64,), dtype="int32", name="tokens")
    y = k.layers.Embedding(VOCABULARY, 32, mask_zero=True)(x)
    return k.Model(x, k.layers.Dense(4, activation="softmax")(k.layers.LSTM(32)(y)))


@recipe(gain=2, format="keras")
def text_pooling(k: Keras) -> Any:
    x = k.Input((64,), dtype="int32", name="tokens")
    y = k.layers.GlobalAveragePooling1D()(k.layers.Embedding(VOCABULARY, 16, mask_zero=True)(x))
    return k.Model(x, k.layers.Dense(1, activation="sigmoid")(k.layers.Dense(24, activation="relu")(y)))


@recipe()
def text_conv(k: Keras) -> Any:
    x = k.Input((64,), dtype="int32", name="tokens")
    y = k.layers.Conv1D(32, 5, activation="relu")(k.layers.Embedding(VOCABULARY, 24)(x))
    return k.Model(x, k.layers.Dense(2, activation="softmax")(k.layers.GlobalMaxPooling1D()(y)))


def _encoder(k: Keras, y: Any, size: int, blocks: int) -> Any:
    for _ in range(blocks):
        z = k.layers.MultiHeadAttention(4, size // 4, dropout=0.1)(y, y)
        y = k.layers.LayerNormalization(epsilon=1e-6)(k.layers.Add()([y, z]))
        z = k.layers.Dense(size)(k.layers.Dense(2 * size, activation="gelu")(y))
        y = k.layers.LayerNormalization(epsilon=1e-6)(k.layers.Add()([y, k.layers.Dropout(0.1)(z)]))
    return y


@recipe(gain=2)
def transformer(k: Keras) -> Any:
    x = k.Input((48,), dtype="int32", name="tokens")
    y = _encoder(k, k.layers.Embedding(VOCABULARY, 32)(x), 32, 2)
    return k.Model(x, k.layers.Dense(4, activation="softmax")(k.layers.GlobalAveragePooling1D()(y)))


@recipe(format="keras")
def transformer_series(k: Keras) -> Any:
    x = k.Input((48, 6), name="series")
    y = _encoder(k, k.layers.Dense(32)(x), 32, 3)
    return k.Model(x, k.layers.Dense(2)(y))


@recipe(format="keras")
def attention(k: Keras) -> Any:
    query, value = k.Input((20, 16), name="query"), k.Input((30, 16), name="value")
    y = k.layers.Attention(use_scale=True)([k.layers.Dense(16)(query), k.layers.Dense(16)(value)])
    return k.Model([query, value], k.layers.Dense(4)(k.layers.GlobalAveragePooling1D()(y)))


# ---- recommenders and tables


@recipe()
def two_towers(k: Keras) -> Any:
    user, item = k.Input((1,), dtype="int32", name="user"), k.Input((1,), dtype="int32", name="item")

    def tower(x: Any, rows: int) -> Any:
        y = k.layers.Flatten()(k.layers.Embedding(rows, 24)(x))
        return k.layers.Dense(16)(k.layers.Dense(32, activation="relu")(y))

    score = k.layers.Dot(1, name="score")([tower(user, VOCABULARY), tower(item, 2000)])
    return k.Model([user, item], score)


@recipe(format="savedmodel")
def two_towers_served(k: Keras) -> Any:
    return two_towers(k)


@recipe(low=900, high=1100)
def tabular_normalization(k: Keras) -> Any:
    layer = k.layers.Normalization(mean=np.linspace(950, 1050, 12), variance=np.full(12, 2500.0))
    layers = [layer, k.layers.Dense(32, activation="relu"), k.layers.Dense(1)]
    return k.Sequential([k.Input((12,), name="measurements"), *layers])


@recipe(low=900, high=1100, format="keras")
def tabular_adapted(k: Keras) -> Any:
    layer = k.layers.Normalization()
    layer.adapt(np.random.default_rng(5).normal(1000, 50, (512, 12)).astype("float32"))
    layers = [layer, k.layers.Dense(32, activation="relu"), k.layers.Dense(3)]
    return k.Sequential([k.Input((12,), name="measurements"), *layers])


@recipe(low=0, high=100)
def tabular_binned(k: Keras) -> Any:
    age, income = k.Input((1,), name="age"), k.Input((4,), name="income")
    bins = k.layers.Discretization(bin_boundaries=[-1.0, -0.5, 0.0, 0.5, 1.0, 18.0, 30.0, 45.0, 60.0, 75.0])(age)
    hot = k.layers.CategoryEncoding(num_tokens=11, output_mode="one_hot")(bins)
    y = k.layers.Concatenate()([hot, k.layers.Dense(8, activation="relu")(income)])
    return k.Model([age, income], k.layers.Dense(1, activation="sigmoid")(k.layers.Dense(16, activation="relu")(y)))


@recipe(low=0, high=4)
def tabular_categories(k: Keras) -> Any:
    shop, day, amount = (
        k.Input((1,), dtype="int32", name="shop"),
        k.Input((1,), dtype="int32", name="day"),
        k.Input((3,), name="amount"),
    )
    parts = [
        k.layers.Flatten()(k.layers.Embedding(200, 8)(shop)),
        k.layers.Flatten()(k.layers.Embedding(7, 3)(day)),
        amount,
    ]
    y = k.layers.Dense(32, activation="relu")(k.layers.Concatenate()(parts))
    return k.Model([shop, day, amount], k.layers.Dense(1, name="demand")(y))


# ---- other precisions


@recipe(policy="mixed_float16", low=0, high=1)
def half_cnn(k: Keras) -> Any:
    x = k.Input((24, 24, 3), name="image")
    y = k.layers.Conv2D(16, 3, use_bias=False, kernel_initializer="he_normal")(x)
    y = k.layers.ReLU()(k.layers.BatchNormalization()(y))
    y = k.layers.Conv2D(16, 3, activation="relu", kernel_initializer="he_normal")(y)
    return k.Model(x, k.layers.Dense(5, activation="softmax", dtype="float32")(k.layers.GlobalAveragePooling2D()(y)))


@recipe(policy="mixed_float16")
def half_mlp(k: Keras) -> Any:
    last = [k.layers.Dense(4), k.layers.Activation("linear", dtype="float32")]
    return _dense(k, [64, 64], "relu", 16, last, kernel_initializer="he_normal")


@recipe(policy="mixed_bfloat16")
def brain_mlp(k: Keras) -> Any:
    last = [k.layers.Dense(4), k.layers.Activation("linear", dtype="float32")]
    return _dense(k, [64, 64], "relu", 16, last, kernel_initializer="he_normal")


@recipe(policy="float64")
def double_mlp(k: Keras) -> Any:
    layers = [k.layers.Dense(48, activation="tanh"), k.layers.Dense(48, activation="tanh"), k.layers.Dense(3)]
    return k.Sequential([k.Input((16,), dtype="float64", name="features"), *layers])


# ---- weights as if trained


def base_name(weight: Any) -> str:
    """``kernel`` of ``dense/kernel:0``, under Keras 2 and 3."""
    return str(weight.name).split(":")[0].split("/")[-1]


def settle(k: Keras, model: Any, made: Recipe, seed: int) -> None:
    """Give the model weights as if it had been trained."""
    rng = np.random.default_rng(seed)
    values = []
    for weight in model.weights:
        name, value = base_name(weight), weight.numpy()
        shape = value.shape
        if name == "bias" or name.endswith("_bias"):
            value = value + rng.normal(0, 0.1, shape)
        elif name == "gamma":
            value = rng.uniform(0.6, 1.4, shape)
        elif name == "beta":
            value = rng.normal(0, 0.2, shape)
        elif name == "embeddings":
            value = rng.normal(0, 0.5, shape)
        elif name == "alpha":
            value = rng.uniform(0.05, 0.4, shape)
        elif name in ("kernel", "depthwise_kernel", "pointwise_kernel"):
            value = value * rng.uniform(0.7, 1.3, shape[-1:])
        values.append(value.astype(weight.numpy().dtype))
    model.set_weights(values)
    data = _data(model, made, rng)
    _fit_statistics(model, data)
    _fit_last_layer(k, model, made, data, rng)
    if made.name == "linear_large":
        model.set_weights([values[0] * np.float32(1e5), values[1] + np.float32(5e5)])
    if made.name == "scaled_columns":
        values = model.get_weights()
        columns = np.array([1e-3, 1.0, 1e5, 1e-2, 10.0, 1e3], "float32")
        model.set_weights([*values[:-2], values[-2] * columns, values[-1] * columns])
    if made.name == "cancellation":
        values = model.get_weights()
        large = [value * np.float32(3e3) for value in values[2:4]]
        model.set_weights([*values[:2], *large, values[4] + large[0], values[5] + large[1]])


def _data(model: Any, made: Recipe, rng: np.random.Generator) -> Any:
    """A batch like those that the model was trained on."""
    tables = [layer.input_dim for layer in model.layers if type(layer).__name__ == "Embedding"]
    batch = []
    for spec in model.inputs:
        shape = (32, *spec.shape[1:])
        if "int" in str(spec.dtype):
            batch.append(rng.integers(0, min(tables), shape).astype("int32"))
        else:
            width = "float64" if "float64" in str(spec.dtype) else "float32"
            values = rng.uniform(made.low, made.high, shape)
            if len(shape) > 2:  # images and signals differ in brightness and contrast
                middle, one = (made.low + made.high) / 2, (len(values), *[1] * (len(shape) - 1))
                contrast = rng.uniform(0.2, 1, one)
                values = middle + contrast * (values - middle)
                values += (1 - contrast) * rng.uniform(-0.5, 0.5, one) * (made.high - made.low)
            batch.append(values.astype(width))
    return batch[0] if len(batch) == 1 else batch


def _fit_statistics(model: Any, data: Any) -> None:
    """Moving statistics of batch normalisations that fit the data."""
    normalisations = [layer for layer in model.layers if type(layer).__name__ == "BatchNormalization"]
    momenta = [layer.momentum for layer in normalisations]
    for layer in normalisations:
        layer.momentum = 0.0
    if normalisations:
        model(data, training=True)
    for layer, momentum in zip(normalisations, momenta):  # noqa: B905 # Python 3.8 and 3.9 know no strict
        layer.momentum = momentum


def _fit_last_layer(k: Keras, model: Any, made: Recipe, data: Any, rng: np.random.Generator) -> None:
    """The last Dense layer answers as one that was trained: centred, as large as the recipe says, unlike by row."""
    last = model.layers[-1]
    if type(last).__name__ != "Dense" or len(model.outputs) > 1:
        return
    features = k.Model(model.inputs, last.input)(data, training=False).numpy().astype("float64")
    kernel, bias = last.get_weights()
    answers = features.reshape(-1, kernel.shape[0]) @ kernel.astype("float64")
    spread = np.maximum(answers.std(axis=0), 0.1 * np.sqrt((answers**2).mean()))
    factor = made.gain / spread * rng.uniform(0.7, 1.3, bias.shape)
    shift = rng.normal(0, 0.3, bias.shape) * made.gain - answers.mean(axis=0) * factor
    last.set_weights([(kernel * factor).astype(kernel.dtype), shift.astype(bias.dtype)])


def make(k: Keras, made: Recipe, **variant: Any) -> Any:
    """The model of a recipe, the same each time."""
    seed = 1 + sorted(RECIPES).index(made.name)
    k.backend.clear_session()  # names of layers start anew
    k.utils.set_random_seed(seed)
    k.mixed_precision.set_global_policy(made.policy)
    try:
        model = made.build(k, **variant)
        settle(k, model, made, seed)
    finally:
        k.mixed_precision.set_global_policy("float32")
    return model


# ---- saving


def keras3(k: Keras) -> bool:
    """Whether this ``tf.keras`` is Keras 3."""
    return not str(getattr(k, "__version__", "2")).startswith("2")


def save(k: Keras, model: Any, path: Path) -> None:
    """Save a model in the format that the path's name says; a directory is a SavedModel (an export under Keras 3)."""
    if path.suffix or not keras3(k):
        model.save(str(path), **({} if path.suffix == ".keras" else {"include_optimizer": False}))
    else:
        model.export(str(path), verbose=False)


def path_of(out: Path, name: str, format: str) -> Path:
    """Where a model of this name and format is saved."""
    return out / (name + {"h5": ".h5", "keras": ".keras", "savedmodel": ""}[format])


def main() -> int:
    """Save the models; the exit status is the number of those that could not be saved."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--format", default="own", choices=["own", "h5", "keras", "savedmodel"])
    parser.add_argument("--only", default="", help="names of models, with commas between them")
    arguments = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
    import tensorflow as tf

    arguments.out.mkdir(parents=True, exist_ok=True)
    failed = 0
    for name in arguments.only.split(",") if arguments.only else RECIPES:
        began = time.monotonic()
        made = RECIPES[name]
        path = path_of(arguments.out, name, made.format if arguments.format == "own" else arguments.format)
        try:
            save(tf.keras, make(tf.keras, made), path)
        except Exception as error:  # one model that a release cannot save leaves the others
            failed += 1
            text = (str(error).splitlines() or [""])[0]
            print(f"not saved: {path.name}: {type(error).__name__}: {text[:200]}", flush=True)
            (shutil.rmtree if path.is_dir() else lambda p: p.unlink(missing_ok=True))(path)
        else:
            print(f"{path.name}  {time.monotonic() - began:.1f} s", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main())
