"""Causes that lie with artifacts of a newer Keras on an older one: new keys, names and ways of writing."""

from __future__ import annotations

from pytest_kerasload.causes import remedies as do
from pytest_kerasload.causes.cause import Cause
from pytest_kerasload.causes.signatures import rejected


def _cause(code: str, title: str, *remedies: str, signatures: tuple[str, ...] = (), source: str = "") -> Cause:
    return Cause(code, "version", title, remedies, signatures, source)


CAUSES: tuple[Cause, ...] = (
    _cause(
        "keras3-module-path",
        "A .keras file of Keras 3 names modules that Keras 2 and tf_keras do not have",
        "load it with Keras 3 (TensorFlow 2.16 or later, without TF_USE_LEGACY_KERAS)",
        signatures=(
            r"parent module (?:tf_)?keras\.src\.(?:models|ops|dtype_policies|backend)\S* cannot be imported",
            r"No module named '(?:tf_)?keras\.src\.(?:models|ops|dtype_policies)",
            r"parent module keras\.(?:dtype_policies|ops|random)\b\S* cannot be imported",
            r"Could not deserialize class '\w+' because its parent module keras\.",
        ),
        source="tensorflow/tensorflow#70866",
    ),
    _cause(
        "keras3-batch-shape",
        "Keras 3 writes an input's shape as batch_shape, which Keras 2 and tf_keras do not take",
        "load it with Keras 3 (TensorFlow 2.16 or later, without TF_USE_LEGACY_KERAS)",
        "rename batch_shape to batch_input_shape in the config of an HDF5 file",
        signatures=rejected("batch_shape"),
        source="tensorflow/tensorflow#64685, #66381",
    ),
    _cause(
        "input-optional",
        "Newer tf_keras and Keras write optional for an input, which this release does not take",
        "load it with the tf_keras that saved it, or a newer one",
        "drop optional from the config where it is false",
        do.SAVE_FOR_OLDEST,
        signatures=rejected("optional", "InputLayer"),
        source="reproduced: tf_keras 2.21 on Keras 2.15",
    ),
    _cause(
        "keras3-dtype-policy",
        "Keras 3.4 and later write a dtype as an object, which this release cannot read",
        "load it with Keras 3 (TensorFlow 2.16 or later, without TF_USE_LEGACY_KERAS)",
        "write the layers' dtype as a name, such as float32, into the config",
        signatures=(
            r"'class_name': 'DTypePolicy'[^}]*\}[^}]*\}? (?:to EagerTensor|is not|cannot)",
            r"Cannot convert value \{[^}]*DTypePolicy",
            r"Unknown (?:policy|dtype policy|object): '?DTypePolicy",
            r"unhashable type: 'dict'",
            r"^'str' object has no attribute 'name'$",
        ),
        source="zsylvester/segmenteverygrain#21; keras-team/keras PR #19752",
    ),
    _cause(
        "keras3-quantization-config",
        "Keras 3.13 and later write a quantization_config that older releases do not take",
        "load it with Keras 3.13 or later",
        "drop quantization_config from the config where it is null",
        do.SAVE_FOR_OLDEST,
        signatures=rejected("quantization_config"),
        source="keras-team/keras PR #21928; reproduced on Keras 3.2 to 3.12",
    ),
    _cause(
        "keras3-initializer-axes",
        "Keras 3.15 writes input_axes and output_axes of an initializer, which older releases do not take",
        "load it with Keras 3.15 or later",
        "drop input_axes and output_axes from the config",
        do.SAVE_FOR_OLDEST,
        signatures=rejected("(?:input_axes|output_axes)"),
        source="keras-team/keras PR #22789; reproduced on Keras 3.14",
    ),
    _cause(
        "keras3-attention-arguments",
        "Newer Keras writes arguments of attention layers (seed, use_gate, sliding_window) that older ones do not take",
        do.NEWER_LOADER,
        "drop the rejected keys from the config where they have their defaults",
        do.SAVE_FOR_OLDEST,
        signatures=rejected("(?:seed|use_gate|sliding_window|flash_attention)", r"\w*Attention"),
        source="keras-team/keras PRs #22372, #22814; reproduced",
    ),
    _cause(
        "keras3-image-data-format",
        "Newer Keras writes data_format for image preprocessing layers, which older releases do not take",
        do.NEWER_LOADER,
        "drop data_format from the config where it is the default",
        do.SAVE_FOR_OLDEST,
        signatures=rejected("data_format", r"Random\w+|Rescaling|Resizing|CenterCrop|[A-Z]\w*(?:Mix|Contrast|Crop)\w*"),
        source="reproduced: 3.6 and later on 3.2 to 3.5, 3.15 on 3.14 and older",
    ),
    _cause(
        "keras3-orthogonal",
        "Keras 3.7 and later call an initializer Orthogonal that Keras 3.3 and older do not know by that name",
        "load it with Keras 3.4 or later",
        do.SAVE_FOR_OLDEST,
        signatures=(r"'class_name': 'Orthogonal'",),
        source="reproduced: 3.7 and later on 3.2 and 3.3",
    ),
    _cause(
        "keras3-unwrapped-inputs",
        "Keras 3.11 and later write the single input and output of a model in a way that 3.3 and older cannot read",
        "load it with Keras 3.4 or later",
        do.SAVE_FOR_OLDEST,
        signatures=(
            r"get_tensor\(\) takes 3 positional arguments",
            r"get_tensor\(\) missing \d+ required positional arguments?",
        ),
        source="reproduced: 3.11 and later on 3.2 and 3.3",
    ),
)
