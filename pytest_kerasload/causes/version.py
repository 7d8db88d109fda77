"""Causes that any two releases can show."""

from __future__ import annotations

from pytest_kerasload.causes import remedies as do
from pytest_kerasload.causes.cause import Cause, Entries
from pytest_kerasload.causes.directions import KERAS3

_cause = Entries("version")


CAUSES: tuple[Cause, ...] = (
    _cause(
        "class-not-in-this-keras",
        "A class of Keras' own that this release does not have",
        do.LEGACY_KERAS,
        KERAS3,
        do.NEWER_LOADER,
        do.SAME_RELEASE,
        "replace the class by one that both releases have",
        formats=("h5", "keras"),
        saved_by="any",
        loaded_by="any",
        seen=("version", "load"),
        explanation="Keras 3 dropped classes of Keras 2 (LocallyConnected1D, ThresholdedReLU, CuDNNLSTM, "
        "RandomHeight), and every release adds some that older ones do not know.",
        wording="Unknown layer: 'LocallyConnected1D'. Please ensure you are using a `keras.utils.custom_object_scope`",
        source="keras-team/keras#18467; measured on the releases",
    ),
    _cause(
        "spectral-normalization-not-found",
        "Keras 2 and tf_keras write SpectralNormalization, and do not find it when they load",
        "give it as a custom object: --keras-custom-objects=tensorflow.keras.layers:SpectralNormalization",
        KERAS3,
        formats=("h5", "keras"),
        saved_by="any",
        loaded_by="Keras 2.13 to 2.15, tf_keras",
        seen=("version", "load"),
        explanation="The layer was never added to the list in which these releases look names up. Given by its name "
        "it loads.",
        wording="The added layer must be an instance of class Layer. Received: layer=SpectralNormalization of type "
        "<class 'str'>.",
        signatures=(r"layer=SpectralNormalization of type <class 'str'>",),
        source="keras/src/layers/serialization.py of 2.13, 2.15 and tf_keras 2.21: the only layer that is not there; "
        "reproduced on 2.15 and tf_keras 2.21",
    ),
    _cause(
        "config-value-rejected",
        "A class of Keras' own does not take a value in its configuration on this release",
        do.LEGACY_KERAS,
        KERAS3,
        do.SAME_RELEASE,
        formats=("h5", "keras"),
        saved_by="any",
        loaded_by="any",
        seen=("load",),
        explanation="The class is there and takes the key, but not what is written behind it, or not together "
        "with the rest.",
    ),
    _cause(
        "call-argument-rejected",
        "A layer or operation of Keras' own does not take an argument that it is called with on this release",
        do.SAME_RELEASE,
        do.LEGACY_KERAS,
        KERAS3,
        "save it again without that argument, where it has its default",
        formats=("h5", "keras"),
        saved_by="any",
        loaded_by="any",
        seen=("load", "roundtrip", "predictions"),
        explanation="A functional model keeps the arguments of every call. Releases differ in which they take, as they "
        "do in configuration keys.",
        wording="ZerosLike.call() got an unexpected keyword argument 'dtype'",
        source="reproduced with keras.ops.zeros_like of Keras 3.6 on Keras 3.15",
    ),
    _cause(
        "shape-not-inferred",
        "A layer does not learn the size of its input on this release, and its weights cannot be made",
        "give the sizes that the configuration leaves open (output_shape of EinsumDense, input shapes)",
        do.LEGACY_KERAS,
        do.SAME_RELEASE,
        formats=("h5", "keras"),
        saved_by="any",
        loaded_by="any",
        seen=("load",),
        explanation="Keras 2 filled open sizes in from what a layer answered; Keras 3 goes by what the layer says of "
        "its output, and leaves them open.",
        wording="Shapes used to initialize variables must be fully-defined (no `None` dimensions). Received: "
        "shape=(None, 2) for variable path='sequential/dense/kernel'",
        signatures=(
            r"Shapes used to initialize variables must be fully-defined",
            r"The last dimension of the inputs to a? ?`?Dense`?.* should be defined",
        ),
        source="reproduced: EinsumDense(output_shape=(None, 2, 3)) of Keras 2.4 before a Flatten, on Keras 3.15",
    ),
    _cause(
        "config-key-rejected",
        "A class of Keras' own does not take a configuration key on this release",
        "drop the rejected key from the config where it has its default",
        do.LEGACY_KERAS,
        KERAS3,
        do.NEWER_LOADER,
        do.SAME_RELEASE,
        formats=("h5", "keras"),
        saved_by="any",
        loaded_by="any",
        seen=("version", "load"),
        explanation="Keys come and go between releases, and most are written also where they have their defaults."
        " Such a key can be left out.",
        wording="Unrecognized keyword arguments passed to Attention: {'causal': False}",
        source="measured on the releases",
    ),
    _cause(
        "mixed-precision-differs",
        "Layers meet with different dtypes: the precision policy is part of each layer",
        "build the model with the policy it is to run with, and copy the weights",
        formats=("h5", "savedmodel"),
        saved_by="Keras 2, tf_keras",
        loaded_by="any",
        seen=("load", "predictions"),
        explanation="Setting another policy before loading changes nothing: every layer is saved with its own.",
        wording="Input 'y' of 'AddV2' Op has type float16 that does not match type float32 of argument 'x'.",
        signatures=(
            r"has type b?float16 that does not match type float32",
            r"has type float32 that does not match type b?float16",
        ),
        source="keras-team/keras#16129; tensorflow/tensorflow#35379",
    ),
    _cause(
        "constant-dtype-changed",
        "A constant in the graph was saved with another dtype than the layer it meets",
        "write it behind the tensor (x + 1.0), or save it with Keras 3",
        formats=("h5", "savedmodel"),
        saved_by="Keras 2.14 and 2.15, tf_keras",
        loaded_by="the same",
        seen=("load",),
        explanation="1.0 + x in a functional model is saved with the constant as float32 or int32, whatever x is.",
        wording="Input 'y' of 'AddV2' Op has type float64 that does not match type float32 of argument 'x'.",
        signatures=(r"has type float(?:64|16) that does not match type (?:float|int)\d+",),
        source="tensorflow/tensorflow#62209",
    ),
    _cause(
        "saved-by-newer-release",
        "The artifact was saved by a newer release than the one it is to be loaded on",
        do.NEWER_LOADER,
        do.SAVE_FOR_OLDEST,
        "--keras-version-policy=evidence, to fail only where something in it is known not to load",
        saved_by="newer than the loader",
        loaded_by="older than the writer",
        seen=("version",),
        explanation="TensorFlow and Keras promise that old artifacts load on new releases, and nothing about the "
        "other direction. It is told with --keras-version-policy=strict only.",
        source="tensorflow.org/guide/versions promises no forward compatibility",
    ),
)
