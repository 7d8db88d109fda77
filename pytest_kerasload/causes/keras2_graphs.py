"""Causes that lie with how layers are put together in artifacts of Keras 2, on Keras 3."""

from __future__ import annotations

from pytest_kerasload.causes import remedies as do
from pytest_kerasload.causes.cause import Cause, Entries

_cause = Entries("version")


CAUSES: tuple[Cause, ...] = (
    _cause(
        "keras2-wrapped-layer",
        "Keras 3 does not resolve the layer inside a wrapper as older releases write it into HDF5",
        do.LEGACY_KERAS,
        do.SAVE_AGAIN_OLD,
        formats=("h5",),
        saved_by="Keras 2 and standalone Keras",
        loaded_by="Keras 3",
        seen=("version", "load"),
        explanation="Bidirectional, TimeDistributed and RNN hold another layer in their configuration. Keras 3 "
        "looks for its class by a module that HDF5 of Keras 2 does not name.",
        wording="Could not locate class 'LSTM'. Make sure custom classes are decorated with "
        "`@keras.saving.register_keras_serializable()`.",
        source="reproduced with standalone Keras 2.2.4 files on Keras 3.3 to 3.15",
    ),
    _cause(
        "keras2-call-arguments",
        "Keras 3 does not read call arguments in the graph as Keras 2 writes them into HDF5",
        do.LEGACY_KERAS,
        do.REBUILD,
        formats=("h5",),
        saved_by="Keras 2, tf_keras",
        loaded_by="Keras 3",
        seen=("version", "load"),
        explanation="A tensor given by keyword (mask=, initial_state=) stands in the graph as a list of names, "
        "which Keras 3 passes on as it is.",
        wording="`inputs` not connected to `outputs`",
        signatures=(r"`inputs` not connected to `outputs`", r"'list' object has no attribute 'shape'"),
        source="reproduced on Keras 3.15",
    ),
    _cause(
        "keras2-sequential-input-shape",
        "Keras 3 adds the batch dimension a second time to a Sequential that keeps its shape in its first layer",
        do.LEGACY_KERAS,
        "load it with TensorFlow 2.4 to 2.15 and save it again, which adds an InputLayer",
        formats=("h5",),
        saved_by="standalone Keras up to 2.3, TensorFlow up to 2.2",
        loaded_by="Keras 3",
        seen=("version", "load", "predictions"),
        explanation="Without an InputLayer the shape stands in the first layer as batch_input_shape, with the "
        "batch in it. Keras 3 takes it for a shape without, and adds the batch again: recurrent "
        "layers and convolutions refuse it, Dense loads with one dimension too many and then refuses "
        "its inputs.",
        wording='Input 0 of layer "lstm" is incompatible with the layer: expected ndim=3, found ndim=4. Full '
        "shape received: (None, None, 5, 3)",
        signatures=(
            r"Kernel shape must have the same length as input",
            r"expected (?:min_)?ndim=(?:2, found ndim=3|3, found ndim=4|4, found ndim=5|5, found ndim=6)",
        ),
        source="reproduced with standalone Keras 2.2.4 files on Keras 3.3 to 3.15",
    ),
    _cause(
        "keras2-lambda-output-shape",
        "Keras 3 cannot tell the shape that a Keras 2 Lambda gives back",
        do.LEGACY_KERAS,
        "save it again with output_shape given, or with a registered layer in its place",
        formats=("h5", "keras"),
        saved_by="Keras 2, tf_keras",
        loaded_by="Keras 3",
        seen=("load",),
        explanation="Keras 3 finds the shape by calling the function on a symbol, which functions made of "
        "TensorFlow calls do not always take.",
        wording="We could not automatically infer the shape of the Lambda's output. Please specify the "
        "`output_shape` argument for this Lambda layer.",
        signatures=(r"We could not automatically infer the shape of the Lambda's output",),
        source="sizhuoli/TreeCountSegHeight#6",
    ),
    _cause(
        "nested-model-used-twice",
        "Keras 3 does not find its way through a Keras 2 graph that calls a nested model more than once",
        do.LEGACY_KERAS,
        "build the model with one instance of the nested model a call, or from layers, and load the weights",
        formats=("h5",),
        saved_by="Keras 2, tf_keras",
        loaded_by="Keras 3; 3.3 to 3.10 never end",
        seen=("version", "load"),
        explanation="The calls of a model inside a model are numbered from its own, and Keras 3 looks for a call "
        "that does not exist. Until 3.10 it goes on looking for ever, without a message.",
        wording="The graph of the Functional model either has loops or disconnected nodes.",
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
        formats=("h5",),
        saved_by="Keras 2, Keras 3.0 to 3.4",
        loaded_by="Keras 3",
        seen=("load",),
        explanation="A Sequential around a functional model comes back as one that passes on every tensor of the "
        "model inside.",
        wording='Layer "dense" expects 1 input(s), but it received 2 input tensors.',
        signatures=(r"[Ll]ayer [\"'][^\"']+[\"'] expect(?:s|ed) 1 input\(s\)(?:, but it received|\. Received) \d+",),
        source="tensorflow/tensorflow#63853; keras-team/keras#20084",
    ),
)
