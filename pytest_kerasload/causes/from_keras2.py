"""Causes that lie with artifacts of Keras 2, tf_keras or TensorFlow 1 on Keras 3."""

from __future__ import annotations

from pytest_kerasload.causes import remedies as do
from pytest_kerasload.causes.cause import Cause
from pytest_kerasload.causes.signatures import rejected


def _cause(code: str, title: str, *remedies: str, signatures: tuple[str, ...] = (), source: str = "") -> Cause:
    return Cause(code, "version", title, remedies, signatures, source)


CAUSES: tuple[Cause, ...] = (
    _cause(
        "keras2-rnn-time-major",
        "Recurrent layers take no time_major any more (gone since Keras 3.0), and Keras 2 always writes it",
        do.LEGACY_KERAS,
        "drop time_major from the config (only where it is false: true changes the layout of the data)",
        do.SAVE_AGAIN_OLD,
        signatures=rejected("time_major"),
        source="keras-team/keras#20750; reproduced on Keras 3.3 to 3.15",
    ),
    _cause(
        "keras2-conv-groups",
        "Keras 3 takes no groups (nor kernel_initializer and the like) for this convolution; Keras 2 writes them",
        do.LEGACY_KERAS,
        "drop the rejected keys from the config",
        do.SAVE_AGAIN_OLD,
        signatures=rejected(
            "(?:groups|kernel_initializer|kernel_regularizer|kernel_constraint)",
            "DepthwiseConv[12]D|SeparableConv[12]D|Conv[123]DTranspose",
        ),
        source="keras-team/keras#19151; reproduced on Keras 3.3 to 3.15",
    ),
    _cause(
        "batch-normalization-renorm",
        "BatchNormalization takes no renorm here (gone with Keras 3.0, back in 3.14), or no virtual_batch_size",
        do.LEGACY_KERAS,
        "drop the rejected keys from the config where they have their defaults",
        do.NEWER_LOADER,
        signatures=rejected(
            "(?:renorm|renorm_clipping|renorm_momentum|virtual_batch_size|adjustment|fused)",
            "BatchNormalization(?:V1|V2)?",
        ),
        source="keras-team/keras PR #22047; tensorflow/tensorflow#56556; reproduced on Keras 3.3 to 3.15",
    ),
    _cause(
        "keras2-op-layers",
        "TensorFlow operations in the graph of a Keras 2 model (TFOpLambda and its like) have no layer in Keras 3",
        do.LEGACY_KERAS,
        "rebuild those steps with keras.ops or layers, and load the weights in order",
        signatures=(
            r"Unknown layer: '?(?:TFOpLambda|SlicingOpLambda|TensorFlowOpLayer|ClassMethod|Instance\w+)\b",
            r"class '?(?:TFOpLambda|SlicingOpLambda|TensorFlowOpLayer|ClassMethod|InstanceMethod|InstanceProperty)'?",
            r"parent module \S*tf_op_layer",
        ),
        source="reproduced on Keras 3.3 to 3.15",
    ),
    _cause(
        "keras2-module-path",
        "A .keras file of Keras 2 names modules inside Keras 2 that Keras 3 does not have",
        do.LEGACY_KERAS,
        "load it with TensorFlow 2.13 to 2.15 and save it as HDF5, which names no modules",
        signatures=(
            r"parent module (?:tf_)?keras\.(?:src\.)?(?:engine|layers|optimizers|saving|mixed_precision)\S* cannot be",
            r"No module named '(?:keras|tf_keras)\.(?:src\.)?engine",
        ),
        source="keras-team/keras#19089, #21663",
    ),
    _cause(
        "keras2-policy-dict",
        "Keras 3 cannot read the dtype policy that Keras 2 writes into HDF5 for mixed or half precision",
        do.LEGACY_KERAS,
        "write the layers' dtype as a name, such as mixed_float16, into the config",
        signatures=(
            r"'str' object has no attribute '(?:quantization_mode|convert_input|variable_dtype)'",
            r"Cannot interpret `?(?:dtype|policy)`?.*'class_name': 'Policy(?:V1)?'",
            r"Could not locate class 'Policy(?:V1)?'",
        ),
        source="reproduced on Keras 3.3 to 3.15",
    ),
    _cause(
        "keras2-wrapped-layer",
        "Keras 3 does not resolve the layer inside a wrapper as older releases write it into HDF5",
        do.LEGACY_KERAS,
        do.SAVE_AGAIN_OLD,
        signatures=(),
        source="reproduced with standalone Keras 2.2.4 files on Keras 3.3 to 3.15",
    ),
    _cause(
        "keras2-call-arguments",
        "Keras 3 does not read call arguments in the graph as Keras 2 writes them into HDF5",
        do.LEGACY_KERAS,
        do.REBUILD,
        signatures=(r"`inputs` not connected to `outputs`", r"'list' object has no attribute 'shape'"),
        source="reproduced on Keras 3.15",
    ),
    _cause(
        "keras2-word-is-function",
        "Keras 3 takes a word in the configuration of a Keras 2 layer for a function of that name",
        do.LEGACY_KERAS,
        "save it as .keras with TensorFlow 2.13 to 2.15, or take the word out of the config where it is the default",
        signatures=(r"<function (?:add|average|concatenate|dot|maximum|minimum|multiply|subtract) at ",),
        source="keras/src/legacy/saving/serialization.py; reproduced: Attention(score_mode='dot') on Keras 3.15",
    ),
    _cause(
        "layer-name-slash",
        "Keras 3 takes no slash in the name of a layer",
        do.LEGACY_KERAS,
        "rename the layer, and save again",
        signatures=(r"Argument `name` must be a string and cannot contain character `/`",),
        source="keras/src/utils/naming.py, keras/src/ops/operation.py; reproduced on Keras 3.15",
    ),
    _cause(
        "keras2-axis-list",
        "Keras 3 takes one number as an axis, where Keras 2 writes a list into .keras",
        do.LEGACY_KERAS,
        "write the number instead of the list into the config",
        signatures=(r"int\(\) argument must be a string, a bytes-like object or a (?:real )?number, not 'list'",),
        source="keras/src/layers/normalization/batch_normalization.py; reproduced on Keras 3.15",
    ),
    _cause(
        "hashing-dtype",
        "Keras 3 takes only an integer dtype for Hashing, where TensorFlow 2.7 and older wrote float32",
        do.LEGACY_KERAS,
        "write int64 as the dtype of the Hashing layer into the config",
        signatures=(r"When `output_mode=\"int\"`, `dtype` should be an integer type",),
        source="keras/src/layers/preprocessing/hashing.py; reproduced on Keras 3.15",
    ),
    _cause(
        "keras2-initializer-dtype",
        "Initializers of TensorFlow 1 are written with a dtype, which those of Keras 3 do not take",
        do.LEGACY_KERAS,
        "drop dtype from the initializers' config",
        signatures=(
            r"(?:Uniform|Normal|Scaling|Orthogonal|Identity|s|Constant)\.__init__\(\) got an unexpected .*'dtype'",
            r"passed to (?:\w*Uniform|\w*Normal|VarianceScaling|Orthogonal|Identity|Ones|Zeros|Constant): \{'dtype'",
            r"(?:Zeros|Ones)\(\) takes no arguments",
        ),
        source="reproduced with files of TensorFlow 1.15 on Keras 3.15",
    ),
    _cause(
        "keras2-attention-shapes",
        "MultiHeadAttention takes no query_shape, key_shape and value_shape in Keras 3; Keras 2 writes them once built",
        do.LEGACY_KERAS,
        "drop the rejected keys from the config",
        do.SAVE_AGAIN_OLD,
        signatures=rejected("(?:query_shape|key_shape|value_shape)", r"\w*Attention"),
        source="reproduced on Keras 3.15",
    ),
    _cause(
        "keras2-sequential-input-shape",
        "Keras 3 adds the batch dimension a second time to a Sequential that keeps its shape in its first layer",
        do.LEGACY_KERAS,
        "load it with TensorFlow 2.4 to 2.15 and save it again, which adds an InputLayer",
        signatures=(
            r"Kernel shape must have the same length as input",
            r"expected ndim=\d+, found ndim=\d+",
        ),
        source="reproduced with standalone Keras 2.2.4 files on Keras 3.3 to 3.15",
    ),
    _cause(
        "keras2-lambda-output-shape",
        "Keras 3 cannot tell the shape that a Keras 2 Lambda gives back",
        do.LEGACY_KERAS,
        "save it again with output_shape given, or with a registered layer in its place",
        signatures=(r"We could not automatically infer the shape of the Lambda's output",),
        source="sizhuoli/TreeCountSegHeight#6",
    ),
    _cause(
        "nested-model-used-twice",
        "Keras 3 does not find its way through a Keras 2 graph that calls a nested model more than once",
        do.LEGACY_KERAS,
        "build the model with one instance of the nested model a call, or from layers, and load the weights",
        signatures=(
            r"graph of the Functional model either has loops or disconnected nodes",
            r"following nodes failed to be resolved",
        ),
        source="Keras 3.3 to 3.10 loop in functional_from_config for ever, 3.15 refuses; reproduced",
    ),
    _cause(
        "nested-sequential-two-inputs",
        "Keras 3 calls a layer of a nested model with more tensors than it takes",
        do.LEGACY_KERAS,
        do.REBUILD,
        signatures=(r"[Ll]ayer [\"'][^\"']+[\"'] expect(?:s|ed) 1 input\(s\)(?:, but it received|\. Received) \d+",),
        source="tensorflow/tensorflow#63853; keras-team/keras#20084",
    ),
)
