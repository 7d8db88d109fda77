"""The kinds of model the zoo keeps: one function each, under whatever Keras ``tf.keras`` is.

A kind returns a model, or a ``Built`` with what cannot be told from the model. A kind this release cannot build raises;
``make.py`` writes the reason down.
"""

import collections
import os

import acme
import numpy as np
import tensorflow as tf

keras = tf.keras
L = keras.layers
TF = tuple(int(part) for part in tf.__version__.split("-")[0].split(".")[:2])


def release():
    """The version of the Keras that ``tf.keras`` is; TensorFlow 2.13 to 2.15 do not tell it there."""
    told = getattr(keras, "__version__", None)
    if told is None:
        import importlib

        legacy = os.environ.get("TF_USE_LEGACY_KERAS") == "1" and TF >= (2, 16)
        told = importlib.import_module("tf_keras" if legacy else "keras").__version__
    return told


RELEASE = release()
KERAS = tuple(int(part) for part in RELEASE.split("-")[0].split(".")[:2])
KERAS3 = KERAS >= (3, 0)
ROWS = 8

KINDS = collections.OrderedDict()


class Built:
    """A model, and what the maker has to know of it.

    ``values``: arrays by input name, for inputs that plain random numbers do not suit. ``bounds``: exclusive upper
    bounds of integers by input name. ``free``: what to take for a free dimension. ``save``: a function of a path that
    writes an export and returns (inputs, outputs). ``random``: give the weights random values before saving.
    ``answers``: the model can be asked for outputs.
    """

    def __init__(self, model=None, values=None, bounds=None, free=5, save=None, random=True, answers=True):
        self.model = model
        self.values = values or {}
        self.bounds = bounds or {}
        self.free = free
        self.save = save
        self.random = random
        self.answers = answers


def kind(formats=("h5", "keras", "sm")):
    """Register a kind with the formats it is saved in."""

    def register(function):
        KINDS[function.__name__] = (function, formats)
        return function

    return register


EVERY = ("h5", "keras", "sm", "export")


def layer(*names):
    """The first of these layers that this release has, wherever it keeps it."""
    for name in names:
        for place in (L, getattr(getattr(L, "experimental", None), "preprocessing", None)):
            if place is not None and hasattr(place, name):
                return getattr(place, name)
    raise AttributeError("no layer " + " or ".join(names))


def sequential(shape, *layers, **options):
    """A Sequential that knows its input."""
    dtype = options.pop("dtype", "float32")
    batch = options.pop("batch", None)
    first = keras.Input(shape=shape, batch_size=batch, dtype=dtype)
    if not KERAS3:
        first = L.InputLayer(input_shape=shape, batch_size=batch, dtype=dtype)
    return keras.Sequential([first, *layers], **options)


def compiled(model, optimizer=None, loss="mse", train=True, **options):
    """The model compiled, and trained for two steps on noise so that the optimizer has a state."""
    model.compile(optimizer=optimizer or "adam", loss=loss, **options)
    if train:
        rng = np.random.RandomState(7)
        x = rng.normal(size=(ROWS, *(int(d) for d in model.inputs[0].shape[1:]))).astype("float32")
        ys = [rng.normal(size=(ROWS, *(int(d) for d in t.shape[1:]))).astype("float32") for t in model.outputs]
        for _ in range(2):
            model.train_on_batch(x, ys if len(ys) > 1 else ys[0])
    return Built(model, random=not train)


@kind(EVERY)
def seq_dense():
    if KERAS3:
        return sequential((4,), L.Dense(5, activation="relu", name="hidden"), L.Dense(3, name="out"))
    return keras.Sequential([L.Dense(5, activation="relu", input_shape=(4,), name="hidden"), L.Dense(3, name="out")])


@kind()
def seq_by_call():
    model = keras.Sequential([L.Dense(5, activation="tanh"), L.Dense(2, activation="softmax")])
    if TF < (2, 0):
        model.build((None, 4))
    else:
        model(np.zeros((2, 4), "float32"))
    return Built(model, values={"0": np.random.RandomState(3).normal(size=(ROWS, 4)).astype("float32")})


@kind(EVERY)
def multi_io():
    left, right = keras.Input((4,), name="left"), keras.Input((3,), name="right")
    both = L.Concatenate(name="both")([L.Dense(4, activation="relu", name="l")(left), right])
    outputs = [L.Dense(2, name="score")(both), L.Dense(1, activation="sigmoid", name="flag")(both)]
    return keras.Model([left, right], outputs)


@kind()
def shared_layer():
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    dense = L.Dense(3, activation="tanh", name="shared")
    return keras.Model([a, b], L.Dot(axes=-1, name="dot")([dense(a), dense(b)]))


@kind()
def nested_functional():
    x = keras.Input((4,), name="x")
    inner_in = keras.Input((4,), name="inner_x")
    inner = keras.Model(inner_in, L.Dense(3, activation="tanh", name="inner_dense")(inner_in), name="inner")
    return keras.Model(x, L.Dense(2, name="top")(inner(x)))


@kind()
def nested_seq_twice():
    a, b = keras.Input((4,), name="a"), keras.Input((4,), name="b")
    tower = sequential((4,), L.Dense(3, activation="relu", name="t1"), L.Dense(2, name="t2"), name="tower")
    return keras.Model([a, b], L.Subtract(name="gap")([tower(a), tower(b)]))


@kind(EVERY)
def conv_bn():
    return sequential((8, 8, 3), L.Conv2D(4, 3, name="conv"), L.BatchNormalization(name="bn"), L.ReLU(name="relu"),
                      L.MaxPooling2D(name="pool"), L.GlobalAveragePooling2D(name="gap"), L.Dense(2, name="out"))


@kind()
def separable():
    return sequential((8, 8, 3), L.DepthwiseConv2D(3, name="dw"), L.SeparableConv2D(4, 3, name="sep"),
                      L.Flatten(name="flat"), L.Dense(2, name="out"))


@kind()
def conv_transpose():
    return sequential((4, 4, 2), L.Conv2DTranspose(3, 3, strides=2, padding="same", name="up"),
                      L.Conv2D(2, 1, name="mix"))


@kind(EVERY)
def conv1d_crop():
    x = keras.Input((None, 4), name="dna")
    y = L.Conv1D(4, 11, dilation_rate=4, padding="same", activation="relu", name="wide")(x)
    y = L.Cropping1D(20, name="crop")(y)
    return Built(keras.Model(x, L.Conv1D(3, 1, activation="softmax", name="out")(y)), free=64)


@kind(EVERY)
def lstm():
    return sequential((6, 3), L.LSTM(4, name="lstm"), L.Dense(2, name="out"))


@kind()
def gru_after():
    return sequential((6, 3), L.GRU(4, reset_after=True, name="gru"), L.Dense(2, name="out"))


@kind()
def gru_before():
    return sequential((6, 3), L.GRU(4, reset_after=False, name="gru"), L.Dense(2, name="out"))


@kind()
def bidirectional():
    return sequential((6, 3), L.Bidirectional(L.LSTM(3, return_sequences=True, name="lstm"), name="bi"),
                      L.Dense(2, name="out"))


@kind()
def stateful_rnn():
    return sequential((6, 3), L.GRU(3, stateful=True, name="gru"), L.Dense(2, name="out"), batch=4)


@kind()
def simple_rnn_cells():
    return sequential((6, 3), L.RNN([L.LSTMCell(3), L.SimpleRNNCell(4)], name="stack"), L.Dense(2, name="out"))


@kind()
def masked_embedding():
    x = keras.Input((7,), dtype="int32", name="tokens")
    y = L.LSTM(4, name="lstm")(L.Embedding(11, 4, mask_zero=True, name="embed")(x))
    return Built(keras.Model(x, L.Dense(2, name="out")(y)), bounds={"tokens": 11})


@kind()
def embedding_float():
    x = keras.Input((5,), name="tokens")
    y = L.Flatten(name="flat")(L.Embedding(9, 3, name="embed")(x))
    return Built(keras.Model(x, L.Dense(2, name="out")(y)), bounds={"tokens": 9})


@kind()
def embedding_shared():
    a, b = keras.Input((3,), dtype="int64", name="query"), keras.Input((5,), dtype="int64", name="doc")
    embed = L.Embedding(13, 4, name="embed")
    mean = L.GlobalAveragePooling1D(name="mean")
    return Built(keras.Model([a, b], L.Dot(axes=-1, name="dot")([mean(embed(a)), mean(embed(b))])),
                 bounds={"query": 13, "doc": 13})


@kind()
def attention():
    x = keras.Input((5, 4), name="x")
    y = L.MultiHeadAttention(num_heads=2, key_dim=3, name="mha")(x, x)
    return keras.Model(x, L.LayerNormalization(name="ln")(L.Add(name="add")([x, y])))


@kind()
def attention_plain():
    q, v = keras.Input((4, 3), name="q"), keras.Input((5, 3), name="v")
    return keras.Model([q, v], L.Attention(use_scale=True, name="attend")([q, v]))


@kind()
def layer_norm():
    return sequential((5, 4), L.LayerNormalization(name="ln"), L.Dense(2, name="out"))


@kind(EVERY)
def normalization():
    norm = layer("Normalization")(name="norm")
    norm.adapt(np.random.RandomState(5).normal(3.0, 2.0, size=(64, 4)).astype("float32"))
    return sequential((4,), norm, L.Dense(2, name="out"))


@kind()
def image_preprocessing():
    return sequential((9, 9, 3), layer("Resizing")(6, 6, name="resize"), layer("Rescaling")(1.0 / 255, name="rescale"),
                      layer("RandomFlip")("horizontal", name="flip"), layer("RandomRotation")(0.1, name="rotate"),
                      layer("CenterCrop")(4, 4, name="crop"), L.Flatten(name="flat"), L.Dense(2, name="out"))


WORDS = ["ash", "birch", "cedar", "elm", "oak"]


def texts(*rows):
    return np.array([[row] for row in (rows * ROWS)[:ROWS]], dtype="S32")


@kind(("keras", "sm", "export"))
def string_lookup():
    x = keras.Input((1,), dtype="string", name="tree")
    lookup = layer("StringLookup")(vocabulary=WORDS, name="lookup")
    y = L.Embedding(8, 3, name="embed")(lookup(x))
    return Built(keras.Model(x, L.Dense(2, name="out")(L.Flatten(name="flat")(y))),
                 values={"tree": texts("oak", "elm", "yew", "ash", "")})


@kind()
def integer_lookup():
    x = keras.Input((3,), dtype="int64", name="codes")
    y = layer("IntegerLookup")(vocabulary=[10, 20, 30, 45], name="lookup")(x)
    y = L.Embedding(8, 3, name="embed")(y)
    rng = np.random.RandomState(4)
    return Built(keras.Model(x, L.Dense(2, name="out")(L.Flatten(name="flat")(y))),
                 values={"codes": rng.choice([10, 20, 30, 45, 99], size=(ROWS, 3)).astype("int64")})


@kind(("keras", "sm", "export"))
def text_vectorization():
    x = keras.Input((1,), dtype="string", name="text")
    vectorize = layer("TextVectorization")(max_tokens=12, output_sequence_length=4, name="vectorize")
    vectorize.adapt(["the oak and the elm", "an ash by the oak", "cedar and elm"])
    y = L.Embedding(12, 3, name="embed")(vectorize(x))
    return Built(keras.Model(x, L.Dense(2, name="out")(L.GlobalAveragePooling1D(name="mean")(y))),
                 values={"text": texts("The oak!", "an elm and a yew", "ash", "")})


@kind()
def discretization():
    return sequential((3,), layer("Discretization")(bin_boundaries=[-1.0, 0.0, 1.0], name="bins"),
                      L.Embedding(5, 2, name="embed"), L.Flatten(name="flat"), L.Dense(2, name="out"))


@kind()
def lambda_python():
    return sequential((4,), L.Dense(3, name="dense"), L.Lambda(lambda t: t * 2.0 + 1.0, name="double"))


@kind()
def lambda_named():
    return sequential((4,), L.Dense(3, name="dense"), L.Lambda(acme.wavy, output_shape=(3,), name="wave"))


@kind()
def tf_ops():
    x = keras.Input((5, 4), name="x")
    y = tf.reduce_mean(x * 2.0, axis=1) + x[:, 0]
    return keras.Model(x, L.Dense(2, name="out")(y))


@kind(("h5", "keras", "export"))
def keras_ops():
    ops = keras.ops
    x = keras.Input((5, 4), name="x")
    y = ops.mean(x * 2.0, axis=1) + x[:, 0]
    return keras.Model(x, L.Dense(2, name="out")(ops.softmax(y)))


@kind(EVERY)
def custom_registered():
    return sequential((4,), L.Dense(3, name="dense"), acme.Gate(sharpness=2.0, name="gate"))


@kind()
def custom_unregistered():
    return sequential((4,), L.Dense(3, name="dense"), acme.Scale(factor=3.0, name="scale"))


@kind()
def custom_forgetful():
    return sequential((4,), L.Dense(3, name="dense"), acme.Forgetful(power=3.0, name="power"))


@kind()
def custom_demanding():
    return sequential((4,), L.Dense(3, name="dense"), acme.Demanding(4, name="levels"))


@kind()
def custom_closed():
    return sequential((4,), L.Dense(3, name="dense"), acme.Closed(slope=0.1))


@kind()
def custom_shadow():
    return sequential((4,), L.Dense(3, name="dense"), acme.UnitNormalization(name="unit"))


@kind()
def custom_cell():
    return sequential((5, 3), L.RNN(acme.Leaky(4, leak=0.6), name="leaky"), L.Dense(2, name="out"))


@kind()
def custom_activation():
    return sequential((4,), L.Dense(3, activation=acme.bent, name="bent"), L.Dense(2, activation=acme.wavy, name="out"))


@kind()
def custom_loss():
    return compiled(sequential((4,), L.Dense(3, name="dense")), loss=acme.lopsided)


@kind()
def custom_loss_class():
    return compiled(sequential((4,), L.Dense(3, name="dense")), loss=acme.Pinball(tau=0.8))


@kind()
def custom_metric():
    return compiled(sequential((4,), L.Dense(3, name="dense")), metrics=[acme.Hits(threshold=0.7), acme.within])


@kind()
def custom_schedule():
    return compiled(sequential((4,), L.Dense(3, name="dense")), optimizer=keras.optimizers.Adam(acme.Warmup(steps=5)))


@kind()
def custom_slots():
    slots = {"kernel_initializer": acme.Checker(0.2), "kernel_regularizer": acme.Ridge(0.05)}
    return sequential((4,), L.Dense(3, name="d", **slots))


def by_call(model, value):
    if TF < (2, 0):
        model._set_inputs(value)
    else:
        model(value)
    return Built(model, values={"0": value}, random=False)


@kind(("keras", "sm", "export", "h5"))
def custom_model():
    return by_call(acme.Ranker(units=5), np.random.RandomState(3).normal(size=(ROWS, 4)).astype("float32"))


@kind(("keras", "sm"))
def nested_lists():
    return by_call(acme.Towers(towers=2), np.random.RandomState(3).normal(size=(ROWS, 4)).astype("float32"))


@kind()
def nested_lists_layer():
    return sequential((4,), acme.Bundle(2, name="bundle"), L.Dense(2, name="out"))


@kind(("keras", "sm", "export"))
def custom_dict_model():
    rng = np.random.RandomState(3)
    values = {name: rng.normal(size=(ROWS, 4)).astype("float32") for name in ("left", "right")}
    model = acme.TwoWay()
    model(dict(values))
    return Built(model, values=values, random=False)


@kind(("sm", "export"))
def custom_plain_model():
    return by_call(acme.Plain(), np.random.RandomState(3).normal(size=(ROWS, 4)).astype("float32"))


def policy(name):
    """A dtype policy for layers, wherever this release keeps it."""
    if KERAS3 and KERAS < (3, 2):
        return keras.mixed_precision.DTypePolicy(name)
    if KERAS3:
        return keras.dtype_policies.DTypePolicy(name)
    if hasattr(keras.mixed_precision, "Policy"):
        return keras.mixed_precision.Policy(name)
    return keras.mixed_precision.experimental.Policy(name)


@kind()
def mixed_float16():
    return sequential((4,), L.Dense(5, activation="relu", dtype=policy("mixed_float16"), name="hidden"),
                      L.Dense(3, dtype="float32", name="out"))


@kind()
def mixed_float16_out():
    half = policy("mixed_float16")
    return sequential((4,), L.Dense(5, activation="relu", dtype=half, name="hidden"),
                      L.Dense(3, dtype=half, name="out"))


@kind()
def mixed_bfloat16():
    half = policy("mixed_bfloat16")
    return sequential((4,), L.Dense(5, activation="relu", dtype=half, name="hidden"),
                      L.Dense(3, dtype=half, name="out"))


@kind()
def float64():
    return sequential((4,), L.Dense(5, activation="tanh", dtype="float64", name="hidden"),
                      L.Dense(3, dtype="float64", name="out"), dtype="float64")


@kind()
def hard_sigmoid():
    return sequential((4,), L.Dense(3, activation="hard_sigmoid", name="hard"))


@kind()
def lstm_hard_sigmoid():
    return sequential((6, 3), L.LSTM(4, recurrent_activation="hard_sigmoid", name="lstm"), L.Dense(2, name="out"))


@kind()
def trained_adam():
    return compiled(sequential((4,), L.Dense(3, name="dense"), L.Dense(2, name="out")))


@kind()
def compiled_strings():
    return compiled(sequential((4,), L.Dense(3, name="dense")), optimizer="rmsprop", loss="mse", metrics=["mae", "mse"])


@kind()
def compiled_objects():
    x = keras.Input((4,), name="x")
    model = keras.Model(x, [L.Dense(2, name="score")(x), L.Dense(1, activation="sigmoid", name="flag")(x)])
    return compiled(model, optimizer=keras.optimizers.SGD(0.01, momentum=0.9),
                    loss={"score": keras.losses.Huber(), "flag": keras.losses.BinaryCrossentropy()},
                    loss_weights={"score": 1.0, "flag": 0.3},
                    metrics={"score": [keras.metrics.RootMeanSquaredError()], "flag": [keras.metrics.AUC(name="auc")]},
                    train=False)


@kind()
def compiled_schedule():
    rate = keras.optimizers.schedules.ExponentialDecay(0.01, 100, 0.9)
    return compiled(sequential((4,), L.Dense(3, name="dense")), optimizer=keras.optimizers.Adam(rate), loss="mae")


@kind()
def optimizer_legacy():
    legacy = keras.optimizers.legacy.Adam(0.01)
    return compiled(sequential((4,), L.Dense(3, name="dense")), optimizer=legacy)


@kind()
def optimizer_lr():
    return compiled(sequential((4,), L.Dense(3, name="dense")), optimizer=keras.optimizers.Adam(lr=0.01, decay=1e-4))


@kind()
def dropout_noise():
    return sequential((6, 3), L.Dropout(0.3, name="drop"), L.GaussianNoise(0.1, name="noise"),
                      L.SpatialDropout1D(0.2, name="spatial"), L.GaussianDropout(0.2, name="gauss"),
                      L.Flatten(name="flat"), L.Dense(2, name="out"))


@kind()
def dict_inputs():
    inputs = {name: keras.Input((3,), name=name) for name in ("price", "age")}
    both = L.Concatenate(name="both")([inputs["price"], inputs["age"]])
    return keras.Model(inputs, L.Dense(2, name="out")(both))


@kind(EVERY)
def dict_outputs():
    x = keras.Input((3,), name="x")
    return keras.Model(x, {"score": L.Dense(2, name="score")(x), "flag": L.Dense(1, name="flag")(x)})


@kind()
def repeat_time():
    return sequential((4,), L.RepeatVector(3, name="repeat"), L.TimeDistributed(L.Dense(2, name="inner"), name="each"),
                      L.Reshape((6,), name="shape"), L.Dense(2, name="out"))


@kind()
def activations():
    newer = "gelu" if TF >= (2, 4) else "selu"
    last = L.Activation("swish", name="swish") if TF >= (2, 2) else L.Softmax(name="soft")
    return sequential((4,), L.Dense(5, name="d1"), L.PReLU(name="prelu"), L.Dense(5, name="d2"),
                      L.LeakyReLU(0.2, name="leaky"), L.ELU(name="elu"), L.Dense(5, activation=newer, name="d3"), last)


@kind()
def thresholded_relu():
    return sequential((4,), L.Dense(5, name="d1"), L.ThresholdedReLU(0.3, name="threshold"))


@kind()
def locally_connected():
    return sequential((6, 3), L.LocallyConnected1D(2, 3, name="local"), L.Flatten(name="flat"))


@kind()
def names_odd():
    x = keras.Input((4,), name="mesure")
    y = L.Dense(3, name="gr\u00f6\u00dfe" if KERAS3 else "gro.sse-1")(x)
    return keras.Model(x, L.Dense(2, name="score_out")(y), name="mod\u00e8le" if KERAS3 else "modele")


@kind()
def names_slash():
    x = keras.Input((4,), name="x")
    y = L.Dense(3, name="block/dense")(x)
    return keras.Model(x, L.Dense(2, name="head/score")(y))


@kind()
def upsampling():
    return sequential((3, 3, 2), L.ZeroPadding2D(1, name="pad"), L.UpSampling2D(2, interpolation="bilinear", name="up"),
                      L.Conv2D(2, 3, name="conv"))


@kind()
def pooling_3d():
    return sequential((4, 4, 4, 1), L.Conv3D(2, 2, name="conv"), L.AveragePooling3D(2, name="pool"),
                      L.Flatten(name="flat"))


@kind()
def objects_in_slots():
    return sequential((4,), L.Dense(3, kernel_regularizer=keras.regularizers.l2(0.01),
                                    bias_regularizer=keras.regularizers.l1_l2(0.01, 0.02),
                                    kernel_constraint=keras.constraints.MaxNorm(2.0),
                                    kernel_initializer=keras.initializers.VarianceScaling(2.0, mode="fan_out"),
                                    bias_initializer=keras.initializers.Constant(0.1), name="dense"))


@kind()
def orthogonal_lstm():
    start = keras.initializers.Orthogonal(gain=0.9)
    return sequential((5, 3), L.LSTM(3, recurrent_initializer=start, unit_forget_bias=True, name="lstm"))


@kind(("h5", "keras"))
def fixed_batch():
    return sequential((3,), L.Dense(2, name="out"), batch=2)


@kind(("h5", "keras"))
def frozen():
    model = sequential((4,), L.Dense(3, name="dense"), L.BatchNormalization(name="bn"), L.Dense(2, name="out"))
    model.layers[0].trainable = False
    return model


@kind()
def conv_lstm():
    return sequential((3, 4, 4, 2), L.ConvLSTM2D(2, 2, name="clstm"), L.GlobalAveragePooling2D(name="gap"))


@kind()
def masking():
    x = np.random.RandomState(1).normal(size=(ROWS, 6, 3)).astype("float32")
    x[::2, 3:] = 0.0
    inputs = keras.Input((6, 3), name="x")
    y = L.GRU(3, name="gru")(L.Masking(0.0, name="mask")(inputs))
    return Built(keras.Model(inputs, L.Dense(2, name="out")(y)), values={"x": x})


@kind()
def attention_kwargs():
    q, v = keras.Input((4, 3), name="q"), keras.Input((5, 3), name="v")
    mask = keras.Input((4, 5), dtype="bool", name="mask")
    return keras.Model([q, v, mask], L.MultiHeadAttention(2, 3, name="mha")(q, value=v, attention_mask=mask))


@kind()
def einsum_dense():
    return sequential((5, 4), L.EinsumDense("abc,cd->abd", output_shape=(None, 3), bias_axes="d", name="einsum"))


@kind()
def group_norm():
    return sequential((4, 4, 6), L.GroupNormalization(groups=3, name="gn"), L.Flatten(name="flat"),
                      L.Dense(2, name="out"))


@kind()
def group_query():
    x = keras.Input((5, 4), name="x")
    return keras.Model(x, L.GroupQueryAttention(3, 4, 2, name="gqa")(x, x))


@kind()
def free_image():
    x = keras.Input((None, None, 3), name="image")
    return Built(keras.Model(x, L.Conv2D(2, 3, strides=2, name="conv")(x)), free=9)


@kind()
def bool_input():
    x, keep = keras.Input((4,), name="x"), keras.Input((4,), dtype="bool", name="keep")
    return keras.Model([x, keep], L.Dense(2, name="out")(L.Softmax(name="soft")(x, keep)))


@kind()
def hashing_strings():
    x = keras.Input((1,), dtype="string", name="tree")
    y = L.Embedding(6, 3, name="embed")(layer("Hashing")(6, name="hash")(x))
    return Built(keras.Model(x, L.Dense(2, name="out")(L.Flatten(name="flat")(y))),
                 values={"tree": texts("oak", "elm", "yew", "ash", "")})


@kind(("h5", "sm"))
def ragged_input():
    x = keras.Input((None,), dtype="int64", ragged=True, name="tokens")
    y = L.LSTM(3, name="lstm")(L.Embedding(9, 3, name="embed")(x))
    return Built(keras.Model(x, L.Dense(2, name="out")(y)), answers=False)


@kind(("h5",))
def cudnn_lstm():
    x = keras.Input((5, 3), name="x")
    lstm = tf.compat.v1.keras.layers.CuDNNLSTM(3, name="lstm")
    return Built(keras.Model(x, lstm(x)), answers=False)


@kind()
def float16_policy():
    return sequential((4,), L.Dense(3, dtype=policy("float16"), name="out"))


@kind()
def custom_block():
    return sequential((4,), acme.Block(5, name="block"), L.Dense(2, name="out"))


@kind()
def custom_late():
    return sequential((4,), acme.Late(5, name="late"), L.Dense(2, name="out"))


@kind()
def custom_wrap():
    return sequential((4,), acme.Wrap(L.Dense(3, name="inside"), name="wrap"), L.Dense(2, name="out"))


@kind()
def custom_auto():
    return sequential((4,), acme.Auto(3, name="auto"), L.Dense(2, name="out"))


@kind()
def custom_nested():
    x = keras.Input((4,), name="x")
    return keras.Model(x, L.Dense(2, name="out")(acme.Ranker(units=3, name="ranker")(x)))


@kind(("weights", "legacy_weights"))
def weights_only():
    return sequential((4,), L.Dense(5, activation="relu", name="hidden"), L.BatchNormalization(name="bn"),
                      L.Dense(3, name="out"))


@kind(("keras", "h5", "sm"))
def unbuilt():
    return Built(keras.Sequential([L.Dense(3, name="hidden"), L.Dense(2, name="out")]), random=False, answers=False)


# SavedModels that no Keras model stands behind.


@kind(("export",))
def module_two_signatures():
    class Scorer(tf.Module):
        def __init__(self):
            super().__init__()
            self.w = tf.Variable(np.random.RandomState(2).normal(size=(4, 2)).astype("float32"))

        @tf.function(input_signature=[tf.TensorSpec([None, 4], tf.float32, name="features")])
        def score(self, features):
            return {"score": tf.nn.softmax(features @ self.w)}

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
        def length(self, text):
            return {"length": tf.strings.length(text)}

    def save(path):
        module = Scorer()
        x = np.random.RandomState(1).normal(size=(ROWS, 4)).astype("float32")
        tf.saved_model.save(module, path, signatures={"serving_default": module.score, "length": module.length})
        return {"features": x}, {"score": module.score(tf.constant(x))["score"].numpy()}

    return Built(save=save)


@kind(("export",))
def module_string_input():
    class Tagger(tf.Module):
        def __init__(self):
            super().__init__()
            self.table = tf.Variable(np.random.RandomState(2).normal(size=(16, 3)).astype("float32"))

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
        def tag(self, text):
            rows = tf.strings.to_hash_bucket_fast(text, 16)
            return {"vector": tf.gather(self.table, rows), "upper": tf.strings.upper(text)}

    def save(path):
        module = Tagger()
        text = texts("oak", "elm tree", "gr\u00fcn".encode("utf-8"))[:, 0]
        tf.saved_model.save(module, path, signatures=module.tag)
        out = module.tag(tf.constant(text))
        return {"text": text}, {"vector": out["vector"].numpy(), "upper": out["upper"].numpy().astype("S")}

    return Built(save=save)


@kind(("export",))
def module_no_signature():
    class Adder(tf.Module):
        def __init__(self):
            super().__init__()
            self.b = tf.Variable([1.0, 2.0])

        @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float32)])
        def __call__(self, x):
            return x + self.b

    def save(path):
        tf.saved_model.save(Adder(), path)

    return Built(save=save)


@kind(("export",))
def tf1_string():
    v1 = tf.compat.v1

    def save(path):
        text = texts("oak", "elm tree", "ash")[:, 0]
        with tf.Graph().as_default(), v1.Session() as session:
            placeholder = v1.placeholder(tf.string, [None], name="text")
            start = np.random.RandomState(2).normal(size=(16, 3)).astype("float32")
            table = v1.get_variable("table", initializer=start, use_resource=True)
            vector = tf.gather(table, tf.strings.to_hash_bucket_fast(placeholder, 16), name="vector")
            session.run(v1.global_variables_initializer())
            builder = v1.saved_model.Builder(path)
            signature = v1.saved_model.predict_signature_def({"text": placeholder}, {"vector": vector})
            builder.add_meta_graph_and_variables(session, ["serve"], {"serving_default": signature})
            builder.save()
            return {"text": text}, {"vector": session.run(vector, {placeholder: text})}

    return Built(save=save)


@kind(("export",))
def tf1_lookup_table():
    v1 = tf.compat.v1

    def save(path):
        words = texts("oak", "yew", "ash")[:, 0]
        with tf.Graph().as_default(), v1.Session() as session:
            placeholder = v1.placeholder(tf.string, [None], name="word")
            keys = tf.lookup.KeyValueTensorInitializer(tf.constant(WORDS), tf.constant(list(range(5)), tf.int64))
            table = tf.lookup.StaticHashTable(keys, -1)
            code = tf.identity(table.lookup(placeholder), name="code")
            session.run([v1.global_variables_initializer(), v1.tables_initializer()])
            builder = v1.saved_model.Builder(path)
            signature = v1.saved_model.predict_signature_def({"word": placeholder}, {"code": code})
            builder.add_meta_graph_and_variables(session, ["serve"], {"serving_default": signature},
                                                 main_op=v1.tables_initializer())
            builder.save()
            return {"word": words}, {"code": session.run(code, {placeholder: words})}

    return Built(save=save)


@kind(("export",))
def estimator():
    import shutil
    import tempfile

    v1 = tf.compat.v1
    columns = [tf.feature_column.numeric_column("age"), tf.feature_column.numeric_column("price")]

    def save(path):
        rng = np.random.RandomState(1)
        data = {name: rng.normal(size=(ROWS, 1)).astype("float32") for name in ("age", "price")}
        folder = tempfile.mkdtemp()
        regressor = tf.estimator.LinearRegressor(columns, model_dir=folder)
        regressor.train(v1.estimator.inputs.numpy_input_fn(data, np.ones((ROWS, 1), "float32"), shuffle=False), steps=2)
        live = list(regressor.predict(v1.estimator.inputs.numpy_input_fn(data, shuffle=False)))
        spec = tf.feature_column.make_parse_example_spec(columns)
        receiver = tf.estimator.export.build_parsing_serving_input_receiver_fn(spec)
        made = regressor.export_saved_model(folder + "/export", receiver)
        shutil.move(made.decode() if isinstance(made, bytes) else made, path)
        rows = []
        for i in range(ROWS):
            features = {n: tf.train.Feature(float_list=tf.train.FloatList(value=data[n][i])) for n in data}
            rows.append(tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString())
        shutil.rmtree(folder)
        return {"inputs": np.array(rows, dtype="S")}, {"outputs": np.stack([row["predictions"] for row in live])}

    return Built(save=save)
