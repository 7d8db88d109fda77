"""The catalogue against what real loaders were seen to say, and against what the checks can find."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from pytest_kerasload.artifacts.record import Artifact, ConfigObject, Format, SavedWith, Weights
from pytest_kerasload.causes import CAUSES, cause, explain, graph_marks, lambda_marks, layer_marks, marks
from pytest_kerasload.causes.directions import KERAS3 as MOVE_TO_KERAS3
from pytest_kerasload.causes.matching import of_rejected_key, of_unknown_class
from pytest_kerasload.causes.remedies import LEGACY_KERAS, NEWER_LOADER, SAME_RELEASE
from pytest_kerasload.environments.versions import Versions

KERAS3 = Versions("3.11.7", "2.21.0", "3.15.1", "keras3")
KERAS310 = Versions("3.11.7", "2.19.1", "3.10.0", "keras3")
KERAS37 = Versions("3.11.7", "2.18.1", "3.7.0", "keras3")
KERAS33 = Versions("3.11.7", "2.16.2", "3.3.3", "keras3")
KERAS32 = Versions("3.11.7", "2.16.1", "3.2.1", "keras3")
KERAS2 = Versions("3.11.7", "2.15.1", "2.15.0", "keras2")
TF210 = Versions("3.10.13", "2.10.1", "2.10.0", "keras2")
TF24 = Versions("3.8.10", "2.4.4", "2.4.0", "keras2")
TF_KERAS = Versions("3.11.7", "2.21.0", "2.21.0", "tf_keras")


def artifact(format: Format, saved: str = "", suffix: str = "", **more: object) -> Artifact:
    path = Path(f"m{suffix or '.' + format}")
    return Artifact(path, format, saved_with=SavedWith(keras=saved or None), **more)  # type: ignore[arg-type]


H5, ARCHIVE, SAVED = artifact("h5"), artifact("keras"), artifact("savedmodel", keras_metadata=True)
OLD_H5, EXPORT = artifact("h5", "2.10.0"), artifact("savedmodel")
LOSS = ConfigObject("pinball", "loss", "compile/loss", "training", "pinball", custom=True)
COMPILED = artifact("h5", "2.10.0", training_config={"loss": "kld", "loss_weights": None})
LISTED = artifact("h5", "2.2.2", config={"class_name": "Sequential", "config": [{"class_name": "Dense", "config": {}}]})

SAID = [
    # custom objects
    ("custom-object-unresolved", "Could not locate class 'Gate'. Make sure custom classes", KERAS3, ARCHIVE),
    ("custom-object-unresolved", "Could not locate class 'Gate'. Make sure custom classes and functions", KERAS3, H5),
    ("custom-object-unresolved", "Unknown layer: Gate", TF24, H5),
    ("custom-object-unresolved", "Unknown layer: Custom>TFBertMainLayer", TF24, H5),
    ("custom-object-unresolved", "Unknown layer: 'Gate'. Please ensure you are using a", KERAS3, H5),
    ("custom-object-unresolved", "Could not locate function 'pinball'. Make sure custom classes", KERAS3, ARCHIVE),
    (
        "custom-function-old-name",
        "Could not locate function 'attention_loss'. Full object config: {'registered_name': 'function'}",
        KERAS37,
        ARCHIVE,
    ),
    (
        "custom-object-rejects-config",
        (
            "<class 'acme.Towers'> could not be deserialized properly. Please ensure that components that are Python "
            "object instances (layers, models, etc.) returned by `get_config()` are explicitly deserialized.\n\n"
            "Exception encountered: Towers.__init__() got an unexpected keyword argument 'trainable'"
        ),
        KERAS3,
        ARCHIVE,
    ),
    ("custom-object-rejects-config", "__init__() got an unexpected keyword argument 'trainable'", KERAS2, H5),
    ("custom-object-rejects-config", "__init__() got an unexpected keyword argument 'dtype'", KERAS2, H5),
    ("custom-object-rejects-config", "__init__() takes exactly 2 arguments (1 given)", TF24, H5),
    ("custom-object-unresolved", "Unable to restore custom object of type _tf_keras_metric currently.", KERAS2, SAVED),
    ("custom-object-unresolved", "Unable to restore custom metric. Please ensure that the layer", KERAS2, SAVED),
    (
        "custom-object-unresolved",
        "Unable to restore a layer of class Gate. Layers of class Gate require that the class be provided",
        KERAS2,
        SAVED,
    ),
    ("hub-layer", "Unknown layer: KerasLayer", TF24, H5),
    ("hub-layer", "Unknown layer: 'KerasLayer'. Please ensure you are using a", KERAS3, H5),
    # Keras 2 on Keras 3
    ("keras2-conv-groups", "Unrecognized keyword arguments passed to DepthwiseConv2D: {'groups': 1}", KERAS3, OLD_H5),
    (
        "keras2-conv-groups",
        "Unrecognized keyword arguments passed to DepthwiseConv2D: {'kernel_initializer': {'class_name': 'Zeros'}}",
        KERAS3,
        OLD_H5,
    ),
    (
        "keras2-conv-groups",
        "Unrecognized keyword arguments passed to SeparableConv2D: {'groups': 1, 'kernel_initializer': None}",
        KERAS3,
        OLD_H5,
    ),
    ("keras2-conv-groups", "Unrecognized keyword arguments passed to Conv2DTranspose: {'groups': 1}", KERAS3, OLD_H5),
    *(
        (
            "keras2-rnn-time-major",
            f"Unrecognized keyword arguments passed to {name}: {{'time_major': False}}",
            KERAS3,
            OLD_H5,
        )
        for name in ("LSTM", "GRU", "SimpleRNN", "RNN", "ConvLSTM2D")
    ),
    (
        "batch-normalization-renorm",
        "Unrecognized keyword arguments passed to BatchNormalization: {'renorm': False, 'virtual_batch_size': None}",
        KERAS310,
        OLD_H5,
    ),
    *(
        ("keras2-op-layers", f"Unknown layer: '{name}'. Please ensure you are using a", KERAS3, OLD_H5)
        for name in ("TFOpLambda", "SlicingOpLambda", "TensorFlowOpLayer", "ClassMethod", "InstanceMethod")
    ),
    *(
        ("class-not-in-this-keras", f"Unknown layer: '{name}'. Please ensure you are using a", KERAS3, OLD_H5)
        for name in (
            *("LocallyConnected1D", "LocallyConnected2D", "ThresholdedReLU", "RandomHeight", "RandomWidth"),
            *("SyncBatchNormalization", "CuDNNLSTM", "CuDNNGRU", "RandomFourierFeatures"),
        )
    ),
    (
        "keras2-module-path",
        (
            "Could not deserialize class 'Functional' because its parent module keras.src.engine.functional cannot be "
            "imported. Full object config: {}"
        ),
        KERAS3,
        ARCHIVE,
    ),
    ("keras2-module-path", "No module named 'keras.src.engine'", KERAS3, ARCHIVE),
    ("h5-loss-alias", "Could not locate function 'mse'. Make sure custom classes", KERAS310, H5),
    (
        "h5-loss-alias",
        "Could not deserialize 'keras.metrics.mse' because it is not a KerasSaveable subclass",
        KERAS3,
        H5,
    ),
    (
        "keras2-loss-reduction",
        "Invalid value for argument `reduction`. Expected one of {'sum', None, 'mean'}. Received: reduction=auto",
        KERAS3,
        OLD_H5,
    ),
    ("keras2-loss-reduction", "Invalid Reduction Key auto.", KERAS3, OLD_H5),
    ("optimizer-config-rejected", "Argument(s) not recognized: {'lr': 0.001}", KERAS3, OLD_H5),
    ("training-config-incomplete", "KeyError: 'loss_weights'", KERAS3, OLD_H5),
    ("training-config-incomplete", "'loss_weights'", KERAS3, OLD_H5),
    (
        "savedmodel-needs-keras2",
        (
            "File format not supported: filepath=m. Keras 3 only supports V3 `.keras` files and legacy H5 format files "
            "(`.h5` extension). Note that the legacy SavedModel format is not supported by `load_model()` in Keras 3."
        ),
        KERAS3,
        SAVED,
    ),
    (
        "keras2-lambda-output-shape",
        "We could not automatically infer the shape of the Lambda's output. Please specify the `output_shape` argument",
        KERAS3,
        OLD_H5,
    ),
    (
        "nested-sequential-two-inputs",
        'Layer "dense" expects 1 input(s), but it received 2 input tensors. Inputs received: []',
        KERAS3,
        OLD_H5,
    ),
    ("nested-sequential-two-inputs", "Layer 'dense' expected 1 input(s). Received 2 instead.", KERAS3, OLD_H5),
    ("keras2-policy-dict", "'str' object has no attribute 'quantization_mode'", KERAS3, OLD_H5),
    ("keras2-policy-dict", "'str' object has no attribute 'convert_input'", KERAS33, OLD_H5),
    (
        "keras2-sequential-input-shape",
        (
            'Input 0 of layer "lstm" is incompatible with the layer: expected ndim=3, found ndim=4. '
            "Full shape received: (None, None, 5, 3)"
        ),
        KERAS3,
        OLD_H5,
    ),
    ("keras2-sequential-input-shape", "Kernel shape must have the same length as input", KERAS3, OLD_H5),
    ("keras2-wrapped-layer", "Could not locate class 'LSTM'. Make sure custom classes", KERAS3, OLD_H5),
    ("keras2-wrapped-layer", "Could not locate class 'Functional'. Make sure custom classes", KERAS3, OLD_H5),
    # Keras 3 on an older Keras 3, on Keras 2 and on tf_keras
    *(
        (
            "keras3-quantization-config",
            f"Unrecognized keyword arguments passed to {name}: {{'quantization_config': None}}",
            KERAS310,
            ARCHIVE,
        )
        for name in ("Dense", "Embedding", "EinsumDense")
    ),
    (
        "keras3-initializer-axes",
        (
            "<class 'keras.src.initializers.random_initializers.GlorotUniform'> could not be deserialized properly. "
            "Please ensure.\n\nException encountered: GlorotUniform.__init__() got an unexpected keyword argument "
            "'input_axes'"
        ),
        KERAS310,
        ARCHIVE,
    ),
    (
        "batch-normalization-renorm",
        (
            "Unrecognized keyword arguments passed to BatchNormalization: "
            "{'renorm': False, 'renorm_clipping': None, 'renorm_momentum': 0.99}"
        ),
        KERAS310,
        ARCHIVE,
    ),
    *(
        (
            "keras3-attention-arguments",
            f"Unrecognized keyword arguments passed to {name}: {{'{key}': False}}",
            KERAS33,
            ARCHIVE,
        )
        for name in ("MultiHeadAttention", "GroupedQueryAttention")
        for key in ("seed", "use_gate", "sliding_window")
    ),
    (
        "keras3-image-data-format",
        "Unrecognized keyword arguments passed to RandomFlip: {'data_format': 'channels_last'}",
        KERAS33,
        ARCHIVE,
    ),
    (
        "keras3-orthogonal",
        (
            "Could not interpret initializer identifier: {'module': 'keras.initializers', 'class_name': 'Orthogonal', "
            "'config': {'seed': None, 'gain': 1.0}, 'registered_name': None}"
        ),
        KERAS33,
        ARCHIVE,
    ),
    ("keras3-unwrapped-inputs", "get_tensor() takes 3 positional arguments but 13 were given", KERAS33, ARCHIVE),
    *(
        ("keras3-unwrapped-inputs", f"functional_from_config.<locals>.get_tensor() {said}", KERAS33, ARCHIVE)
        for said in (
            "takes 3 positional arguments but 13 were given",
            "missing 1 required positional argument: 'tensor_index'",
        )
    ),
    (
        "keras3-module-path",
        (
            "Could not deserialize class 'Functional' because its parent module keras.src.models.functional cannot be "
            "imported. Full object config: {}"
        ),
        KERAS2,
        ARCHIVE,
    ),
    ("keras3-batch-shape", "Unrecognized keyword arguments: ['batch_shape']", KERAS2, H5),
    ("keras3-dtype-policy", "Unknown dtype policy: 'DTypePolicy'. Please ensure you are using a", KERAS2, H5),
    # Keras 2 on another Keras 2
    (
        "keras213-weights-layout",
        "Layer 'conv2d_1' expected 2 variables, but received 0 variables during loading. Expected: ['kernel', 'bias']",
        KERAS2,
        artifact("keras", "2.13.1", weights=Weights(10, 2, "keras-2.13")),
    ),
    ("keras-zip-in-old-tensorflow", "Unable to open file (file signature not found)", TF210, ARCHIVE),
    (
        "optimizer-config-rejected",
        "weight_decay is not a valid argument, kwargs should be empty  for `optimizer_experimental.Optimizer`.",
        KERAS2,
        H5,
    ),
    ("optimizer-config-rejected", "Unexpected keyword argument passed to optimizer: weight_decay", TF210, H5),
    ("optimizer-config-rejected", "decay is deprecated in the new Keras optimizer, please check", KERAS2, H5),
    (
        "legacy-optimizer-checkpoint",
        "You are trying to restore a checkpoint from a legacy Keras optimizer into a v2.11+ Optimizer",
        KERAS2,
        SAVED,
    ),
    (
        "h5-layer-count-differs",
        "Layer count mismatch when loading weights from file. Model expected 110 layers, found 111 saved layers.",
        KERAS2,
        H5,
    ),
    # HDF5
    *(
        ("h5-functional-ops", f"Unknown layer: '{name}'. Please ensure you are using a", KERAS3, H5)
        for name in ("Relu", "GetItem")
    ),
    ("h5-mixed-precision-cast", "Unknown layer: 'Cast'. Please ensure you are using a", KERAS3, H5),
    ("roundtrip-save-names-collide", "Unable to create dataset (name already exists)", KERAS32, None),
    ("roundtrip-save-names-collide", "Unable to synchronously create dataset (name already exists)", KERAS32, None),
    (
        "file-weights-missing",
        "\"Unable to synchronously open object (object 'input_layer_15' doesn't exist)\"",
        KERAS32,
        H5,
    ),
    ("file-weights-only", "No model config found in the file at <_io.BufferedReader name='w.h5'>.", KERAS3, H5),
    ("file-weights-only", "No model found in config file.", TF24, H5),
    ("h5py-too-new", "'str' object has no attribute 'decode'", TF24, H5),
    ("roundtrip-save-header-too-large", "Unable to create attribute (object header message is too large)", KERAS3, H5),
    (
        "h5-layer-count-differs",
        "You are trying to load a weight file containing 3 layers into a model with 2",
        TF24,
        H5,
    ),
    (
        "h5-sequential-unbuilt",
        "You are trying to load a weight file containing 1 layers into a model with 0 layers",
        TF24,
        H5,
    ),
    (
        "h5-sequential-unbuilt",
        "Layer count mismatch when loading weights from file. Model expected 0 layers, found 2 saved layers.",
        KERAS3,
        H5,
    ),
    ("h5-weight-order", "axes don't match array", KERAS2, H5),
    ("h5-weight-order", "Shape mismatch in layer #0 (named norm)for weight gamma. Weight expects shape", KERAS3, H5),
    (
        "h5-lookup-layer",
        "Save or restore weights that is not an instance of `tf.Variable` is not supported in h5",
        KERAS2,
        H5,
    ),
    (
        "private-keras-fork",
        (
            "File tensorflow/python/keras/saving/hdf5_format.py: tensorflow.python.keras: Save or restore weights that is "  # noqa: E501
            "not an instance of `tf.Variable` is not supported in h5. Got <KerasVariable shape=(3, 4)>"
        ),
        KERAS3,
        H5,
    ),
    ("training-config-not-read", "string indices must be integers, not 'str'", KERAS3, COMPILED),
    ("h5-sequential-config-list", "string indices must be integers", KERAS3, LISTED),
    (
        "custom-object-unresolved",
        "string indices must be integers, not 'str'",
        KERAS3,
        artifact("h5", "2.10.0", objects=(LOSS,), training_config={"loss": "pinball"}),
    ),
    ("constant-call-argument", "'float' object has no attribute 'shape'", KERAS2, H5),
    (
        "constant-dtype-changed",
        "Input 'y' of 'AddV2' Op has type float64 that does not match type float32 of argument 'x'.",
        KERAS2,
        H5,
    ),
    # SavedModel
    (
        "savedmodel-without-keras",
        "Unable to create a Keras model from SavedModel at m. This SavedModel",
        KERAS2,
        EXPORT,
    ),
    ("savedmodel-without-keras", "... lacks the Keras metadata file", KERAS2, EXPORT),
    ("savedmodel-without-keras", "list index (0) out of range", KERAS2, EXPORT),
    ("savedmodel-op-missing", "Op type not registered 'SentencepieceOp' in binary running on host.", KERAS2, SAVED),
    ("savedmodel-add-slot", "'_UserObject' object has no attribute 'add_slot'", KERAS2, SAVED),
    (
        "savedmodel-no-matching-function",
        "Could not find matching concrete function to call loaded from the SavedModel. Got:",
        KERAS3,
        SAVED,
    ),
    (
        "savedmodel-endpoint-missing",
        (
            "The specified endpoint `serve` is neither an attribute of the reloaded SavedModel, nor an entry in the "
            "`signatures` field of the reloaded SavedModel."
        ),
        KERAS3,
        EXPORT,
    ),
    ("savedmodel-without-keras", "'_UserObject' object has no attribute 'predict'", KERAS2, EXPORT),
    ("savedmodel-not-callable", "'_UserObject' object is not callable", KERAS3, EXPORT),
    ("savedmodel-not-callable", "'_UserObject' object is not callable", KERAS2, SAVED),
    (
        "savedmodel-no-matching-function",
        "Could not find matching function to call loaded from the SavedModel.",
        TF24,
        SAVED,
    ),
    (
        "savedmodel-call-signature",
        "f(inputs, training, training, training, *, training, training) missing 1 required argument: training",
        KERAS2,
        SAVED,
    ),
    (
        "savedmodel-variables-missing",
        "Unsuccessful TensorSliceReader constructor: Failed to find any matching files for m/variables/variables",
        KERAS2,
        SAVED,
    ),
    ("savedmodel-pb-missing", "SavedModel file does not exist at: m/{saved_model.pbtxt|saved_model.pb}", KERAS2, SAVED),
    ("h5py-missing", "SavedModel file does not exist at: m.h5/{saved_model.pbtxt|saved_model.pb}", KERAS2, H5),
    (
        "savedmodel-variable-untracked",
        "Could not find variable dense/kernel. This could mean that the variable has been deleted.",
        KERAS3,
        EXPORT,
    ),
    ("savedmodel-list-has-no-items", "'list' object has no attribute 'items'", TF24, SAVED),
    (
        "roundtrip-save-not-json",
        "Unable to serialize [2.0896919 2.1128857 2.1081853] to JSON. Unrecognized type <class 'EagerTensor'>.",
        TF210,
        None,
    ),
    # .keras
    (
        "weights-not-found-in-archive",
        (
            "A total of 1 objects could not be loaded. Example error message for object <Dense>:\n\nLayer 'dense' expected "  # noqa: E501
            "2 variables, but received 0 variables during loading. Expected: ['kernel', 'bias']"
        ),
        KERAS3,
        ARCHIVE,
    ),
    (
        "bidirectional-not-restored",
        (
            "A total of 2 objects could not be loaded. Example error message:\n\nLayer 'lstm_cell' expected 3 variables, "  # noqa: E501
            "but received 0 variables during loading. Expected: ['kernel', 'recurrent_kernel', 'bias']"
        ),
        KERAS32,
        ARCHIVE,
    ),
    (
        "weights-not-found-in-archive",
        "Layer 'towers' was never built and thus it doesn't have any variables. However the weights file lists 2",
        KERAS3,
        ARCHIVE,
    ),
    (
        "file-hdf5-named-keras",
        "File not found: filepath=m.keras. Please ensure the file is an accessible `.keras` zip file.",
        KERAS3,
        artifact("h5", suffix=".keras"),
    ),
    ("file-member-missing", "\"There is no item named 'config.json' in the archive\"", KERAS3, ARCHIVE),
    ("file-member-missing", "Expected a model.weights.h5 or model.weights.npz file.", KERAS3, ARCHIVE),
    (
        "file-keras-named-hdf5",
        "Unable to synchronously open file (file signature not found)",
        KERAS3,
        artifact("keras", suffix=".h5"),
    ),
    ("file-unbuilt-model", "You are saving a model that has not yet been built. It might not contain", KERAS3, ARCHIVE),
    ("vocabulary-file-missing", "Loading vocabulary files outside of the model archive is not", KERAS3, ARCHIVE),
    ("text-vectorization-tf-idf", "object of type 'bool' has no len()", KERAS310, ARCHIVE),
    ("lambda-restored-as-string", "'str' object is not callable", KERAS2, ARCHIVE),
    ("nested-sublayers-not-restored", "Skipping nested container at `blocks`", KERAS3, ARCHIVE),
    (
        "seed-generator-not-read",
        "Argument `seed` must be either an integer or an instance of `SeedGenerator`. Received: seed={'module': 'k'}",
        KERAS33,
        ARCHIVE,
    ),
    # training state
    (
        "optimizer-state-not-restored",
        (
            "Error in loading the saved optimizer state. As a result, your model is starting with a freshly initialized "  # noqa: E501
            "optimizer."
        ),
        KERAS2,
        H5,
    ),
    (
        "optimizer-state-not-restored",
        "Skipping variable loading for optimizer 'adam', because it has 10 variables whereas the saved optimizer has 2",
        KERAS3,
        ARCHIVE,
    ),
    ("loss-as-metric", "MeanSquaredError.__init__() got an unexpected keyword argument 'reduction'", KERAS2, H5),
    ("loss-as-metric", "__init__() got an unexpected keyword argument 'reduction'", KERAS2, H5),
    ("metrics-not-built", "Compiled the loaded model, but the compiled metrics have yet to be built.", KERAS3, H5),
    ("not-compiled", "No training configuration found in the save file, so the model was *not* compiled.", KERAS3, H5),
    (
        "savedmodel-dtype-changed",
        "No common supertype of TensorSpec(shape=(None, 4), dtype=tf.float64) and TensorSpec(shape=(None, 4))",
        KERAS2,
        SAVED,
    ),
    (
        "mixed-precision-differs",
        "Input 'y' of 'AddV2' Op has type float16 that does not match type float32 of argument 'x'.",
        KERAS2,
        SAVED,
    ),
    # environment and damage
    ("file-not-a-model", "Unable to synchronously open file (file signature not found)", KERAS3, None),
    (
        "file-truncated",
        "Unable to open file (truncated file: eof = 96, sblock->base_addr = 0, stored_eof = 2048)",
        KERAS3,
        H5,
    ),
    *(
        ("h5-locked", f"Unable to open file (unable to lock file, errno = {number}, error message = 'x')", KERAS3, H5)
        for number in (11, 37, 38, 524)
    ),
    ("lambda-python-version", "bad marshal data (unknown type code)", KERAS3, H5),
    ("lambda-python-version", "unknown opcode", KERAS2, H5),
    ("cudnn-needs-gpu", "No OpKernel was registered to support Op 'CudnnRNN' used by {{node lstm}}", KERAS2, H5),
    ("channels-first-needs-gpu", "The Conv2D op currently only supports the NHWC tensor format on the CPU", KERAS3, H5),
    ("protobuf-too-new", "Descriptors cannot not be created directly.", TF210, None),
    ("protobuf-too-new", "Descriptors cannot be created directly.", TF210, None),
    ("numpy2-abi", "A module that was compiled using NumPy 1.x cannot be run in NumPy 2.0.0", KERAS2, None),
    (
        "legacy-keras-missing",
        "Your environment has TF_USE_LEGACY_KERAS set to True, but you do not have the tf_keras package installed.",
        TF_KERAS,
        None,
    ),
    (
        "custom-object-not-keras",
        "Only instances of `keras.Layer` can be added to a Sequential model. Received: <tf_keras.src.layers.Dense>",
        KERAS3,
        ARCHIVE,
    ),
    # what safe loaders refuse
    (
        "lambda-bytecode",
        "The `function` of this `Lambda` layer is a Python lambda. Deserializing it is unsafe. If you trust",
        KERAS310,
        ARCHIVE,
    ),
    ("lambda-bytecode", "Requested the deserialization of a `Lambda` layer whose `function` is a", KERAS3, ARCHIVE),
    ("external-savedmodel", "Requested the deserialization of a `TFSMLayer`, which loads an external", KERAS3, ARCHIVE),
    ("hdf5-external-data", "Not allowed: H5 file with ExternalLink", KERAS3, ARCHIVE),
    ("hdf5-shape-bomb", "refusing to load a potential decompression/shape bomb", KERAS3, ARCHIVE),
]


@pytest.mark.parametrize(("code", "text", "versions", "of"), SAID)
def test_what_loaders_were_seen_to_say(code: str, text: str, versions: Versions, of: Artifact | None) -> None:
    assert explain(text, versions, of).code == code


def test_a_wording_shows_its_own_cause() -> None:
    """The example that the page gives is one that the signatures of the entry, or the rules beside them, know."""
    for entry in CAUSES.values():
        if entry.wording and entry.signatures:
            by_signature = any(re.search(signature, entry.wording, re.DOTALL) for signature in entry.signatures)
            assert by_signature or explain(entry.wording, KERAS3, H5) is entry, entry.code


def test_what_version_is_said_to_see_is_what_its_marks_say() -> None:
    marked = {"saved-by-newer-release"}
    for module in (marks, graph_marks, layer_marks, lambda_marks):
        for node in ast.walk(ast.parse(Path(module.__file__).read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and node.value in CAUSES:
                marked.add(node.value)
    seen = {code for code, entry in CAUSES.items() if "version" in entry.seen}
    assert marked <= seen
    # The others come from the table of names and keys.
    of_table = {of_unknown_class(name) for name in ("TFOpLambda", "ThresholdedReLU", "Orthogonal", "Lion")}
    for name, key, kind in (
        ("LSTM", "time_major", "layer"),
        ("DepthwiseConv2D", "groups", "layer"),
        ("BatchNormalization", "renorm", "layer"),
        ("MultiHeadAttention", "query_shape", "layer"),
        ("MultiHeadAttention", "use_gate", "layer"),
        ("GlorotUniform", "dtype", "initializer"),
        ("GlorotUniform", "input_axes", "initializer"),
        ("InputLayer", "batch_shape", "layer"),
        ("InputLayer", "optional", "layer"),
        ("Dense", "quantization_config", "layer"),
        ("RandomFlip", "data_format", "layer"),
        ("Dropout", "dynamic", "layer"),
        ("Adam", "jit_compile", "optimizer"),
        ("Huber", "fn", "loss"),
        ("AUC", "dtype_policy", "metric"),
    ):
        of_table.add(of_rejected_key(name, key, kind))
    assert seen - marked <= of_table


def remedies(code: str, versions: Versions, saved: str) -> tuple[str, ...]:
    return cause(code).remedies_for(versions, artifact("h5", saved))


def test_remedies_fit_who_wrote_and_who_loads() -> None:
    code = "class-not-in-this-keras"
    assert LEGACY_KERAS in remedies(code, KERAS3, "2.10.0")
    assert MOVE_TO_KERAS3 not in remedies(code, KERAS3, "2.10.0")
    for loader in (TF_KERAS, KERAS2):
        assert LEGACY_KERAS not in remedies(code, loader, "3.15.1")
        assert MOVE_TO_KERAS3 in remedies(code, loader, "3.15.1")
    assert remedies(code, KERAS33, "3.15.1")[0] == NEWER_LOADER
    assert NEWER_LOADER not in remedies(code, KERAS3, "3.3.3")
    assert SAME_RELEASE not in remedies(code, KERAS3, "3.15.1")
    unknown = remedies(code, KERAS3, "")
    assert LEGACY_KERAS in unknown
    assert NEWER_LOADER in unknown
    assert MOVE_TO_KERAS3 not in unknown


@pytest.mark.parametrize("versions", [KERAS3, KERAS33, KERAS2, TF210, TF_KERAS])
def test_there_is_always_something_to_do(versions: Versions) -> None:
    for entry in CAUSES.values():
        assert all(remedies(entry.code, versions, saved) for saved in ("", "2.2.4", "2.21.0", "3.3.3", "3.15.1"))
        if not versions.keras3:
            assert LEGACY_KERAS not in entry.remedies_for(versions), "it runs already, or cannot"
