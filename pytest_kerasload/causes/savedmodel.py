"""Causes that lie with SavedModels."""

from __future__ import annotations

from pytest_kerasload.causes import remedies as do
from pytest_kerasload.causes.cause import Cause, Entries

_cause = Entries("version")


CAUSES: tuple[Cause, ...] = (
    _cause(
        "savedmodel-needs-keras2",
        "load_model of Keras 3 reads no SavedModel",
        do.LEGACY_KERAS,
        do.SIGNATURES,
        do.TFSM_LAYER,
        formats=("savedmodel",),
        saved_by="Keras 2, tf_keras",
        loaded_by="Keras 3",
        seen=("version", "load"),
        explanation="Keras 3 dropped the reader. The graph itself loads on any TensorFlow, and answers through "
        "its signatures.",
        wording="File format not supported: filepath=ranker. ... Note that the legacy SavedModel format is "
        "not supported by `load_model()` in Keras 3.",
        signatures=(r"legacy SavedModel format is not supported by `load_model\(\)` in Keras 3",),
        source="keras-team/keras-core#664; reproduced on Keras 3.3 to 3.15",
    ),
    _cause(
        "savedmodel-without-keras",
        "The SavedModel has nothing to bring a Keras model back from: it is an export",
        do.SIGNATURES,
        do.TFSM_LAYER,
        formats=("savedmodel",),
        saved_by="tf.saved_model.save, model.export, TensorFlow 1, estimators",
        loaded_by="Keras 2, tf_keras",
        seen=("load",),
        explanation="An export is a graph with signatures and no Keras model: it has no predict(), and load_model"
        " has nothing to build.",
        wording="Unable to create a Keras model from SavedModel at ranker. This SavedModel was exported with "
        "`tf.saved_model.save`",
        signatures=(
            r"Unable to create a (?:TF-)?Keras model from (?:this )?SavedModel",
            r"lacks the Keras metadata file",
            r"SavedModel saved prior to TF 2\.5 detected",
            r"'_UserObject' object has no attribute '(?:predict|call|compile)'",
        ),
        source="keras v2.15 saving/legacy/saved_model/load.py; FigmaAI/design-system-detector#1",
    ),
    _cause(
        "savedmodel-op-missing",
        "The graph holds an op that this TensorFlow does not have",
        "load it with the TensorFlow that saved it, or a newer one",
        "import the library that brings the op (tensorflow_text and its like) before loading, in the matching version",
        formats=("savedmodel",),
        saved_by="newer TensorFlow, or libraries of ops",
        loaded_by="any",
        seen=("version", "load"),
        explanation="Ops come with TensorFlow or with a library (tensorflow_text, TensorFlow Addons, "
        "SentencePiece) that has to be imported before loading.",
        wording="Op type not registered 'CaseFoldUTF8' in binary running on host.",
        signatures=(r"Op type not registered '[^']+'",),
        source="tensorflow/tensorflow#38597, #47301; tensorflow/hub#729",
    ),
    _cause(
        "savedmodel-op-attribute",
        "The graph was made by a newer TensorFlow whose ops have attributes this one does not know",
        "load it with the TensorFlow that saved it, or a newer one",
        formats=("savedmodel",),
        saved_by="newer TensorFlow",
        loaded_by="older TensorFlow",
        seen=("load",),
        explanation="Ops get new attributes, and an older TensorFlow refuses those it does not know where they do"
        " not have their defaults.",
        wording="NodeDef mentions attr 'debug_name' not in Op<name=VarHandleOp>",
        signatures=(
            r"NodeDef mentions attr '?\w+'? not in Op",
            r"NodeDef expected inputs .* do not match",
            r"GraphDef (?:producer version|is too new)",
        ),
        source="tensorflow.org/guide/versions",
    ),
    _cause(
        "savedmodel-add-slot",
        "The optimizer in the SavedModel does not come back, and its slots find no owner",
        "install tf_keras there: pip install tf_keras (TensorFlow then knows the optimizer)",
        "make an export of it, without the slots of its optimizer: python -m pytest_kerasload repair IN OUT "
        "--for=keras==3.15.1",
        "export it without its optimizer: model.save(path, include_optimizer=False), or model.export(path)",
        formats=("savedmodel",),
        saved_by="TensorFlow 2.0 to 2.10; later with an optimizer of keras.optimizers.legacy",
        loaded_by="TensorFlow 2.16 and later without tf_keras",
        seen=("version", "load"),
        explanation="The slots of the optimizer are part of the saved object, and its class is not known where there "
        "is no Keras 2.",
        wording="'_UserObject' object has no attribute 'add_slot'",
        signatures=(r"has no attribute 'add_slot'",),
        source="tensorflow/tensorflow#52370, #61972; reproduced on TensorFlow 2.16 to 2.21 with and without tf_keras",
    ),
    _cause(
        "savedmodel-no-matching-function",
        "The SavedModel was traced for other inputs than it was called with",
        "call it with exactly the shapes, dtypes and structure of its signature",
        "save it again with an input_signature that fits",
        formats=("savedmodel",),
        saved_by="any",
        loaded_by="any",
        seen=("load", "predictions"),
        explanation="Functions in a SavedModel exist only for the shapes, dtypes and structures they were traced with.",
        wording="Could not find matching concrete function to call loaded from the SavedModel. Got: "
        "Positional arguments (2 total)",
        signatures=(r"Could not find matching (?:concrete )?function to call loaded from the SavedModel",),
        source="tensorflow/tensorflow#35932, #37298",
    ),
    _cause(
        "savedmodel-endpoint-missing",
        "The SavedModel has no endpoint of that name",
        "use one that it lists, such as serving_default or serve",
        formats=("savedmodel",),
        saved_by="any",
        loaded_by="any",
        seen=("load",),
        explanation="TFSMLayer was asked for an endpoint that the export does not have.",
        wording="The specified endpoint `serve` is neither an attribute of the reloaded SavedModel, nor an "
        "entry in the `signatures` field",
        signatures=(r"is neither an attribute of the reloaded SavedModel, nor an entry in the `signatures` field",),
        source="keras/src/export/tfsm_layer.py",
    ),
    _cause(
        "savedmodel-call-signature",
        "A layer was saved with arguments of call that it does not come back with",
        "give the class with --keras-custom-objects, so that the layer is made by its code",
        do.SIGNATURES,
        formats=("savedmodel",),
        saved_by="TensorFlow 2.0 to 2.8, after a second saving",
        loaded_by="the same",
        seen=("load", "roundtrip"),
        explanation="A custom layer that was loaded without its class is a stand-in. Saving it again writes its "
        "arguments once more, and the next load fails.",
        wording="f(inputs, training, training, training, *, training) missing 1 required argument: training",
        signatures=(
            r"missing \d+ required (?:positional )?arguments?: '?training",
            r"f\(inputs, training(?:, \*?,? ?training)+\)",
        ),
        source="keras-team/keras#15565; tensorflow/tensorflow#33085",
    ),
    _cause(
        "savedmodel-lookup-table",
        "Lookup layers of TensorFlow 2.3 and 2.4 do not find their table in a SavedModel on newer releases",
        do.SIGNATURES,
        "load it with TensorFlow 2.4, and make the layers again with set_vocabulary(get_vocabulary()) on a newer one",
        formats=("savedmodel",),
        saved_by="TensorFlow 2.3 and 2.4",
        loaded_by="TensorFlow 2.8 to 2.15, tf_keras",
        seen=("version", "load"),
        explanation="StringLookup, IntegerLookup and TextVectorization kept their words in a table that later "
        "releases made another object of. The graph still answers through its signatures.",
        wording="Found 1 Python objects that were not bound to checkpointed values: "
        "[<tensorflow.python.ops.lookup_ops.MutableHashTable object at 0x7f2a>]",
        source="reproduced with TensorFlow 2.3 and 2.4 on 2.8, 2.10, 2.15 and tf_keras 2.21",
    ),
    _cause(
        "savedmodel-not-revived",
        "This release cannot make the Keras model again from what the SavedModel says of it",
        do.SIGNATURES,
        do.SAME_RELEASE,
        formats=("savedmodel",),
        saved_by="any of another generation",
        loaded_by="Keras 2, tf_keras",
        seen=("load",),
        explanation="The objects in the SavedModel do not fit the classes of this release. The graph still "
        "answers through its signatures.",
        wording="'NoneType' object has no attribute '_serialized_attributes'",
        signatures=(
            r"has no attribute '_serialized_attributes'",
            r"were not bound to checkpointed values",
            r"Cannot call custom layer .* because the call function was not serialized",
            r"Called Trackable\._track_trackable\(\)",
            r"\b(?:VariableSpec\.)?__init__\(\) takes from 2 to 4 positional arguments but 5 were given",
        ),
        source="reproduced with SavedModels of TensorFlow 1.15 on 2.15, and of 2.15 with a stateful layer on 2.10",
    ),
    _cause(
        "savedmodel-list-has-no-items",
        "TensorFlow 2.1 to 2.4 fail to bring back the metrics of this SavedModel",
        do.COMPILE_FALSE,
        do.SAME_RELEASE,
        formats=("savedmodel",),
        saved_by="TensorFlow 2.0 to 2.3",
        loaded_by="TensorFlow 2.1 to 2.4",
        seen=("load",),
        explanation="Metrics are saved as a list where the loader expects a dict. Only training is concerned.",
        wording="'list' object has no attribute 'items'",
        signatures=(r"'list' object has no attribute 'items'",),
        source="tensorflow/tensorflow#35934",
    ),
    _cause(
        "savedmodel-dtype-changed",
        "A layer of the SavedModel gets inputs of another dtype than it was traced with",
        "cast explicitly in the model, and save it again",
        do.SIGNATURES,
        formats=("savedmodel",),
        saved_by="TensorFlow 2.9 to 2.15",
        loaded_by="Keras 2, tf_keras",
        seen=("load",),
        explanation="A layer made with autocast=False comes back without it, and casts inputs that it did not "
        "cast before.",
        wording="No common supertype of TensorSpec(shape=(None, 4), dtype=tf.float64) and "
        "TensorSpec(shape=(None, 4), dtype=tf.float32)",
        signatures=(r"No common supertype of TensorSpec",),
        source="keras-team/keras#17362",
    ),
    _cause(
        "savedmodel-not-callable",
        "What the SavedModel brings back cannot be called: it answers through its signatures only",
        do.SIGNATURES,
        do.TFSM_LAYER,
        "export it with the function that is to be called: tf.saved_model.save(module, path, signatures=...)",
        formats=("savedmodel",),
        saved_by="any",
        loaded_by="any",
        seen=("load", "predictions"),
        explanation="tf.saved_model.load brings back an object without a class. It can be called only where a traced "
        "__call__ was saved with it; exports of object detection, many tf.Modules and models that were never called "
        "have none.",
        wording="'_UserObject' object is not callable",
        signatures=(r"'_UserObject' object is not callable",),
        source="tensorflow/tensorflow#37439, #38309; tensorflow/models#9635",
    ),
    _cause(
        "savedmodel-variable-untracked",
        "The graph reads a variable that was not exported with it",
        "export it with Keras 3.1 or later, with the layer that holds the variable as an attribute of the model",
        do.SAME_RELEASE,
        formats=("savedmodel",),
        saved_by="model.export of Keras 3.0, or code that keeps variables out of sight",
        loaded_by="any",
        seen=("load", "predictions"),
        explanation="Only variables that are reached through attributes of the exported object are saved. The graph "
        "loads, and fails when it is called.",
        wording="Could not find variable dense/kernel. This could mean that the variable has been deleted.",
        signatures=(
            r"Could not find variable \S+\. This could mean",
            r"Error while reading resource variable \S+ from Container",
        ),
        source="keras-team/keras#19274",
    ),
    Cause(
        "savedmodel-no-signatures",
        "file",
        "The SavedModel has no signatures: nothing in it can be called by what loads it",
        ("export it with a signature: tf.saved_model.save(module, path, signatures=...), or model.export(path)",),
        formats=("savedmodel",),
        saved_by="any",
        loaded_by="any",
        seen=("load",),
        explanation="It loads, and nothing tells how it is called: TensorFlow Serving and TFSMLayer find no endpoint.",
    ),
)
