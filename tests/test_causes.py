"""The catalogue of causes, and what texts of real loaders are explained by."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from pytest_kerasload.artifacts.record import Artifact, ConfigObject, Format, SavedWith, Weights
from pytest_kerasload.causes import CAUSES, cause, explain
from pytest_kerasload.causes.explaining import understood
from pytest_kerasload.causes.matching import of_rejected_key, of_unknown_class
from pytest_kerasload.environments.versions import Versions
from pytest_kerasload.findings import Family

KERAS3 = Versions("3.11.7", "2.21.0", "3.15.1", "keras3")
KERAS33 = Versions("3.11.7", "2.16.2", "3.3.3", "keras3")
KERAS37 = Versions("3.11.7", "2.18.1", "3.7.0", "keras3")
KERAS2 = Versions("3.11.7", "2.15.1", "2.15.0", "keras2")
TF210 = Versions("3.10.13", "2.10.1", "2.10.0", "keras2")
TF_KERAS = Versions("3.11.7", "2.21.0", "2.21.0", "tf_keras")

WRAPPED = (
    "<class 'keras.src.models.sequential.Sequential'> could not be deserialized properly. Please ensure that "
    "components that are Python object instances (layers, models, etc.) returned by `get_config()` are explicitly "
    "deserialized in the model's `from_config()` method.\n\nconfig={{'module': 'keras', 'reduction': 'auto'}}.\n\n"
    "Exception encountered: {}"
)
NO_MODULE = (
    "Could not deserialize class 'Functional' because its parent module {} cannot be imported. Full object config: {{}}"
)
UNKNOWN_LAYER = "Unknown layer: '{}'. Please ensure you are using a `keras.utils.custom_object_scope` and that"
NOT_LOCATED = "Could not locate {} '{}'. Make sure custom classes and functions are decorated with"


def artifact(format: Format, custom: tuple[str, ...] = (), **more: object) -> Artifact:
    objects = tuple(ConfigObject(name, "layer", name, "model", name, custom=True) for name in custom)
    return Artifact(Path(f"m.{format}"), format, objects=objects, **more)  # type: ignore[arg-type]


H5, KERAS, SAVEDMODEL = artifact("h5"), artifact("keras"), artifact("savedmodel", keras_metadata=True)

CUSTOM = artifact("h5", ("Tower",))
SUBCLASSED = artifact("h5", ("Tower",), config={"class_name": "Tower", "config": {}})
BUILD = "MultiHeadAttention.build() missing 1 required positional argument: 'value_shape'"
NO_LAYERS = "Layer count mismatch when loading weights from file. Model expected 0 layers, found 3 saved layers."

TEXTS = [
    # Calls and builds
    ("call-argument-rejected", "ZerosLike.call() got an unexpected keyword argument 'dtype'", KERAS3, KERAS),
    ("custom-object-call-fails", "Tower.call() got an unexpected keyword argument 'mask'", KERAS3, CUSTOM),
    ("custom-object-call-fails", BUILD, KERAS3, CUSTOM),
    ("call-argument-rejected", BUILD, KERAS3, H5),
    ("config-key-rejected", "DTypePolicy.__new__() missing 1 required positional argument: 'name'", KERAS33, KERAS),
    (
        "savedmodel-lookup-table",
        "Found 1 Python objects that were not bound to checkpointed values: [<tensorflow.python.ops.lookup_ops.Mut",
        KERAS2,
        SAVEDMODEL,
    ),
    ("lambda-defaults-not-read", "arg 4 (defaults) must be None or tuple", KERAS3, H5),
    ("shape-not-inferred", "Shapes used to initialize variables must be fully-defined (no `None` dim", KERAS3, H5),
    ("h5-subclassed-unbuilt", NO_LAYERS, KERAS2, SUBCLASSED),
    ("h5-sequential-unbuilt", NO_LAYERS, KERAS2, H5),
    (
        "class-not-in-this-keras",
        "Could not deserialize class 'WideDeepModel' because its parent module keras.experimental cannot be imported.",
        KERAS3,
        KERAS,
    ),
    # Keras 2 artifacts on Keras 3
    ("keras2-rnn-time-major", "Unrecognized keyword arguments passed to LSTM: {'time_major': False}", KERAS3, H5),
    ("keras2-conv-groups", "Unrecognized keyword arguments passed to DepthwiseConv2D: {'groups': 1}", KERAS3, H5),
    ("keras2-conv-groups", "Unrecognized keyword arguments passed to Conv2DTranspose: {'groups': 1}", KERAS3, H5),
    (
        "batch-normalization-renorm",
        "Unrecognized keyword arguments passed to BatchNormalization: {'renorm': False, 'virtual_batch_size': None}",
        KERAS33,
        H5,
    ),
    (
        "keras2-attention-shapes",
        "Unrecognized keyword arguments passed to MultiHeadAttention: {'query_shape': [None, 4, 8]}",
        KERAS3,
        H5,
    ),
    ("keras2-initializer-dtype", "GlorotUniform.__init__() got an unexpected keyword argument 'dtype'", KERAS3, H5),
    ("keras2-initializer-dtype", "Zeros() takes no arguments", KERAS3, H5),
    ("config-key-rejected", "SpatialDropout1D.__init__() got an unexpected keyword argument 'trainable'", KERAS3, H5),
    ("config-key-rejected", "Unrecognized keyword arguments passed to Attention: {'causal': False}", KERAS3, H5),
    ("config-key-rejected", "('Keyword argument not understood:', 'invert')", TF210, H5),
    ("keras2-op-layers", UNKNOWN_LAYER.format("TFOpLambda"), KERAS3, H5),
    ("class-not-in-this-keras", UNKNOWN_LAYER.format("LocallyConnected1D"), KERAS3, H5),
    (
        "class-not-in-this-keras",
        "Could not deserialize 'keras.layers.ThresholdedReLU' because it is not a KerasSaveable subclass",
        KERAS3,
        KERAS,
    ),
    (
        "keras2-module-path",
        NO_MODULE.format("keras.src.engine.functional"),
        KERAS3,
        KERAS,
    ),
    ("keras2-module-path", WRAPPED.format("No module named 'keras.src.engine'"), KERAS3, KERAS),
    ("keras2-module-path", NOT_LOCATED.format("class", "Functional"), KERAS3, KERAS),
    ("keras2-wrapped-layer", NOT_LOCATED.format("class", "LSTM"), KERAS3, H5),
    ("keras2-policy-dict", "'str' object has no attribute 'quantization_mode'", KERAS3, H5),
    (
        "layer-name-slash",
        "Argument `name` must be a string and cannot contain character `/`. Received: a/b",
        KERAS3,
        H5,
    ),
    (
        "keras2-word-is-function",
        WRAPPED.format("Invalid value for argument score_mode. Received: score_mode=<function dot at 0x7f>"),
        KERAS3,
        H5,
    ),
    (
        "keras2-axis-list",
        "int() argument must be a string, a bytes-like object or a real number, not 'list'",
        KERAS3,
        KERAS,
    ),
    (
        "nested-model-used-twice",
        "The graph of the Functional model either has loops or disconnected nodes",
        KERAS3,
        H5,
    ),
    (
        "savedmodel-needs-keras2",
        "Note that the legacy SavedModel format is not supported by `load_model()`",
        KERAS3,
        SAVEDMODEL,
    ),
    (
        "savedmodel-not-revived",
        "VariableSpec.__init__() takes from 2 to 4 positional arguments but 5 were given",
        KERAS2,
        SAVEDMODEL,
    ),
    # the same words about a file with another suffix
    ("file-unusual-suffix", "Note that the legacy SavedModel format is not supported by `load_model()`", KERAS3, H5),
    # Keras 3 artifacts on older releases
    ("keras3-batch-shape", "Unrecognized keyword arguments: ['batch_shape', 'optional']", KERAS2, H5),
    ("input-optional", "Unrecognized keyword arguments: ['optional']", KERAS2, H5),
    (
        "keras3-module-path",
        NO_MODULE.format("keras.src.models.functional"),
        KERAS2,
        KERAS,
    ),
    (
        "keras3-module-path",
        NO_MODULE.format("tf_keras.src.models.functional"),
        TF_KERAS,
        KERAS,
    ),
    ("keras3-dtype-policy", "Unknown dtype policy: 'DTypePolicy'. Please ensure you are using", KERAS2, H5),
    ("keras3-quantization-config", "('Keyword argument not understood:', 'quantization_config')", KERAS2, H5),
    (
        "keras3-quantization-config",
        "Unrecognized keyword arguments passed to Dense: {'quantization_config': None}",
        KERAS33,
        KERAS,
    ),
    (
        "keras3-initializer-axes",
        WRAPPED.format("GlorotUniform.__init__() got an unexpected keyword argument 'input_axes'"),
        KERAS33,
        KERAS,
    ),
    (
        "keras3-orthogonal",
        "Could not interpret initializer identifier: {'module': 'keras.initializers', 'class_name': 'Orthogonal'}",
        KERAS33,
        KERAS,
    ),
    ("keras3-unwrapped-inputs", "get_tensor() takes 3 positional arguments but 13 were given", KERAS33, KERAS),
    ("keras-zip-in-old-tensorflow", "Unable to open file (file signature not found)", TF210, KERAS),
    ("class-not-in-this-keras", "Unknown layer: GroupNormalization. Please ensure this object is passed to", TF210, H5),
    # weights
    (
        "keras213-weights-layout",
        "Layer 'dense' expected 2 variables, but received 0 variables during loading. Expected: ['kernel', 'bias']",
        KERAS2,
        artifact("keras", weights=Weights(10, 2, "keras-2.13")),
    ),
    (
        "keras3-weights-layout",
        "Layer 'dense' expected 2 variables, but received 0 variables during loading. Expected: ['kernel', 'bias']",
        KERAS2,
        artifact("keras", saved_with=SavedWith(keras="3.6.0")),
    ),
    (
        "weights-not-found-in-archive",
        "1 objects could not be loaded: expected 2 variables, but received 0 variables during loading",
        KERAS3,
        artifact("keras", saved_with=SavedWith(keras="3.6.0")),
    ),
    # what compile() was given
    ("h5-loss-alias", "Could not locate function 'mse'. Make sure custom classes are decorated with", KERAS33, H5),
    (
        "h5-loss-alias",
        "Could not deserialize 'keras.metrics.mse' because it is not a KerasSaveable subclass",
        KERAS3,
        H5,
    ),
    (
        "keras2-loss-reduction",
        "Invalid value for argument `reduction`. Expected one of {'sum', None}. Received: reduction=auto",
        KERAS3,
        H5,
    ),
    ("loss-config-rejected", "Huber.__init__() got an unexpected keyword argument 'fn'", KERAS3, H5),
    ("optimizer-config-rejected", "Argument(s) not recognized: {'lr': 0.001}", KERAS3, H5),
    (
        "optimizer-config-rejected",
        "weight_decay is not a valid argument, kwargs should be empty  for `optimizer_exp",
        TF210,
        H5,
    ),
    ("training-config-not-read", NOT_LOCATED.format("class", "ExponentialDecay"), KERAS3, H5),
    # the user's own classes
    ("custom-object-unresolved", UNKNOWN_LAYER.format("acme>Gate"), KERAS3, H5),
    ("custom-object-unresolved", "Unknown loss function: 'Pinball'. Please ensure you are using a", KERAS2, H5),
    ("custom-object-unresolved", "Could not interpret activation function identifier: bent", KERAS3, H5),
    (
        "custom-object-unresolved",
        NOT_LOCATED.format("class", "UnitNormalization"),
        KERAS3,
        artifact("keras", custom=("acme>UnitNormalization",)),
    ),
    (
        "custom-function-old-name",
        NOT_LOCATED.format("function", "f") + " {'registered_name': 'function'}",
        KERAS37,
        KERAS,
    ),
    ("hub-layer", UNKNOWN_LAYER.format("KerasLayer"), KERAS3, H5),
    ("custom-object-rejects-config", "Gate.__init__() got an unexpected keyword argument 'trainable'", KERAS3, H5),
    ("custom-object-rejects-config", "Gate.__init__() missing 1 required positional argument: 'levels'", KERAS2, H5),
    (
        "custom-object-rejects-config",
        "<acme.Wrap object at 0x7f> could not be deserialized properly. Please ensure that components",
        KERAS2,
        H5,
    ),
    (
        "custom-object-call-fails",
        WRAPPED.format("Exception encountered when calling Wrap.call().\n\nCould not automatically infer the output"),
        KERAS3,
        H5,
    ),
    ("custom-object-call-fails", "Exception encountered when calling layer 'gate' (type Gate).\n\nNo.", KERAS2, H5),
    ("config-value-rejected", "Exception encountered when calling layer 'c_1' (type Conv2D).\n\nNo.", KERAS2, H5),
    ("config-value-rejected", 'Exception encountered when calling layer "c_1" (type Conv2D).\n\nNo.', KERAS2, H5),
    ("keras2-rnn-time-major", "Unrecognized keyword arguments passed to MyLSTM: {'time_major': False}", KERAS3, H5),
    # operations in HDF5
    ("h5-functional-ops", UNKNOWN_LAYER.format("NotEqual"), KERAS3, H5),
    ("h5-functional-ops", "too many positional arguments", KERAS3, H5),
    (
        "h5-functional-ops",
        "Only input tensors may be passed as positional arguments. The following argument value should be passed as",
        KERAS3,
        H5,
    ),
    ("h5-mixed-precision-cast", UNKNOWN_LAYER.format("Cast"), KERAS3, H5),
    ("h5-custom-function", "Unknown activation function: 'function'. Please ensure you are using a", KERAS2, H5),
    ("custom-object-unresolved", "Unknown activation function: 'swish2'. Please ensure you are using a", KERAS2, H5),
    # tables of lookup layers
    (
        "h5-lookup-layer",
        "Exception encountered when calling TextVectorization.call().\n\nTable not initialized. [Op:LookupTableFindV2]",
        KERAS3,
        H5,
    ),
    # bytecode
    (
        "lambda-bytecode",
        "Requested the deserialization of a Lambda layer with a Python `lambda` inside it.",
        KERAS2,
        KERAS,
    ),
    ("lambda-bytecode", "Requested the deserialization of a `Lambda` layer whose `function` is a Python", KERAS3, H5),
    ("lambda-python-version", "bad marshal data (unknown type code)", KERAS2, H5),
    # SavedModels
    ("savedmodel-without-keras", "list index (0) out of range", KERAS2, artifact("savedmodel")),
    ("savedmodel-not-revived", "'<=' not supported between instances of 'NoneType' and 'int'", KERAS2, SAVEDMODEL),
    ("savedmodel-op-missing", "Op type not registered 'CaseFoldUTF8' in binary running on host", KERAS2, SAVEDMODEL),
    # environments and machines
    ("protobuf-too-new", "Descriptors cannot be created directly.\nIf this call came from a _pb2.py file", TF210, None),
    ("legacy-keras-missing", "No module named 'tf_keras'", TF_KERAS, None),
    ("channels-first-needs-gpu", "The Conv2D op currently only supports the NHWC tensor format on the CPU", KERAS3, H5),
    (
        "processor-lacks-kernel",
        "Operation received an exception:Status: 3, message: could not create a primitive descriptor for a convolution",
        KERAS2,
        SAVEDMODEL,
    ),
    ("h5-locked", "unable to lock file, errno = 11, error message = 'Resource temporarily unavailable'", KERAS3, H5),
    ("unknown-load-error", "the moon is in the wrong phase", KERAS3, H5),
    ("unknown-load-error", "", KERAS3, None),
]


@pytest.mark.parametrize(("code", "text", "versions", "of"), TEXTS)
def test_a_loaders_text_is_explained(code: str, text: str, versions: Versions, of: Artifact | None) -> None:
    assert explain(text, versions, of).code == code


def test_what_a_model_says_is_not_taken_for_what_a_loader_does() -> None:
    """An export that answers nothing loads all the same: that it is one is no reason."""
    text = "Graph execution error: Cast string to float is not supported"
    export = artifact("savedmodel")
    assert explain(text, KERAS3, export).code == "savedmodel-without-keras"
    assert understood(text, KERAS3, export) is None
    assert understood("OOM when allocating tensor", KERAS3, export) is cause("worker-memory")


@pytest.mark.parametrize("code", sorted(CAUSES))
def test_an_entry_is_whole(code: str) -> None:
    entry = cause(code)
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", code)
    assert entry.family in get_args(Family)
    assert entry.title
    assert not entry.title.endswith(".")
    assert entry.remedies, "a cause without anything to do about it"
    for signature in entry.signatures:
        re.compile(signature)
        assert not re.search(signature, ""), "matches everything"


def test_codes_are_told_once() -> None:
    from pytest_kerasload.causes.catalogue import _MODULES, entries

    codes = [entry.code for module in _MODULES for entry in entries(module)]
    assert len(codes) == len(set(codes)) == len(CAUSES)


@pytest.mark.parametrize(
    ("name", "key", "kind", "code"),
    [
        ("GRU", "time_major", "layer", "keras2-rnn-time-major"),
        ("SeparableConv2D", "groups", "layer", "keras2-conv-groups"),
        ("RandomFlip", "data_format", "layer", "keras3-image-data-format"),
        ("Dropout", "dynamic", "layer", "config-key-rejected"),
        ("Huber", "fn", "loss", "loss-config-rejected"),
        ("Adam", "jit_compile", "optimizer", "optimizer-config-rejected"),
        ("AUC", "dtype_policy", "metric", "metric-config-rejected"),
    ],
)
def test_a_rejected_key_has_the_cause_that_its_text_has(name: str, key: str, kind: str, code: str) -> None:
    assert of_rejected_key(name, key, kind) == code


def test_an_unknown_class_has_a_cause() -> None:
    assert of_unknown_class("SlicingOpLambda") == "keras2-op-layers"
    assert of_unknown_class("LocallyConnected2D") == "class-not-in-this-keras"
    assert of_unknown_class("Lion") == "optimizer-not-in-this-keras"


def test_an_unknown_code_is_a_defect() -> None:
    with pytest.raises(KeyError):
        cause("no-such-cause")


def test_names_keep_their_capitals_behind_a_colon() -> None:
    from pytest_kerasload.checks.load import _lower

    first = {_lower(entry.title).split()[0] for entry in CAUSES.values()}
    assert not first & {"keras", "tensorFlow", "normalization", "bidirectional", "multiHeadAttention"}
    assert {"Keras", "TensorFlow", "layers", "a", "the", "HDF5"} <= first
