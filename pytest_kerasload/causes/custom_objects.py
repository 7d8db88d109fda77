"""Causes that lie with classes and functions of the user's own."""

from __future__ import annotations

from pytest_kerasload.causes import remedies as do
from pytest_kerasload.causes.cause import Cause, Entries

_cause = Entries("custom-object")


CAUSES: tuple[Cause, ...] = (
    _cause(
        "hub-layer",
        "A KerasLayer of tensorflow_hub needs that package, and Keras 2 or tf_keras",
        "install tensorflow_hub, and give --keras-custom-objects=tensorflow_hub:KerasLayer",
        do.LEGACY_KERAS,
        "save the model as a SavedModel",
        formats=("h5", "keras"),
        saved_by="Keras 2 with tensorflow_hub",
        loaded_by="any without it; Keras 3 proper",
        seen=("custom-objects", "load"),
        explanation="The layer is stored as the address of a model, which is fetched when it is loaded. The class"
        " is one of Keras 2.",
        wording="Unknown layer: 'KerasLayer'. Please ensure you are using a `keras.utils.custom_object_scope`",
        signatures=(r"Unknown layer: '?KerasLayer\b", r"Could not locate class 'KerasLayer'"),
        source="tensorflow/tensorflow#26835",
    ),
    _cause(
        "custom-function-old-name",
        "Keras 3.7 and 3.8 do not find a custom function under the name that Keras 3.6 and older wrote",
        "load it with Keras 3.9 or later",
        "give the function under its bare name: --keras-custom-objects=package.module:name",
        formats=("keras",),
        saved_by="Keras 3.6 and older",
        loaded_by="Keras 3.7 and 3.8",
        seen=("load",),
        explanation="Older releases write the bare name of a registered function, which 3.7 and 3.8 look for "
        "under package>name only.",
        wording="Could not locate function 'attention_loss'. ... 'registered_name': 'function'",
        signatures=(r"Could not locate function '[^']+'.*'registered_name': 'function'",),
        source="keras-team/keras#20806, PRs #20406, #20824",
    ),
    _cause(
        "custom-objects-not-importable",
        "The custom objects given cannot be imported in the environment",
        "install what they need there, or correct the reference given to --keras-custom-objects",
        "their process sees few variables, has no network and writes to its temporary directory only: "
        "--keras-pass-env=NAME for a variable that they read, --keras-allow-network where they fetch something",
        seen=("custom-objects", "load"),
        explanation="The module that was given fails to import: it is not there, or needs a package that is not "
        "installed in that environment.",
    ),
    _cause(
        "custom-object-rejects-config",
        "A custom object is found, but does not take the configuration it was saved with",
        "let __init__ take **kwargs and pass them to super().__init__, and let get_config hold every required argument",
        "deserialize nested objects in from_config",
        formats=("h5", "keras", "savedmodel"),
        saved_by="any",
        loaded_by="any",
        seen=("custom-objects", "load"),
        explanation="Keras passes name, trainable and dtype beside what get_config holds, and a class without "
        '**kwargs takes none of them. Text such as "could not be deserialized properly" is only the '
        "wrapper around the reason.",
        wording="Gate.__init__() got an unexpected keyword argument 'trainable'",
        signatures=(
            r"__init__\(\) got an unexpected keyword argument",
            r"__init__\(\) missing \d+ required (?:positional|keyword-only) argument",
            r"takes exactly \d+ arguments",
            r"__init__\(\) takes (?:from )?\d+ (?:to \d+ )?positional arguments? but",
            r"Unable to revive model from config",
            r"missing a `from_config\(\)` method",
            r"Cannot deserialize object of type",
            r"Could not parse config",
            r"is not a (?:valid )?Keras (?:config|object)",
        ),
        source="keras-team/keras#19899, #20167, #20128, #7000",
    ),
    _cause(
        "custom-object-call-fails",
        "A custom object is made, and its code fails when it is called on this release",
        "mend its call() for this release, and give compute_output_shape() where Keras 3 asks for it",
        do.LEGACY_KERAS,
        formats=("h5", "keras"),
        saved_by="any",
        loaded_by="any",
        seen=("load",),
        explanation="The class is found and made. Its call() then uses what this release does not have, or not on"
        " symbols.",
        wording="Exception encountered when calling Gate.call().",
        signatures=(r"Could not automatically infer the output shape / dtype of",),
        source="reproduced with wrappers of Keras 2 on Keras 3.15",
    ),
    _cause(
        "custom-object-unresolved",
        "A class or function that no Keras brings along is not known to the loader",
        do.CUSTOM_OBJECTS,
        do.REGISTER,
        formats=("h5", "keras", "savedmodel"),
        saved_by="any",
        loaded_by="any",
        seen=("custom-objects", "load"),
        explanation="Artifacts hold names of the user's own classes and functions, and not their code. The module"
        " has to be imported, and the name has to be the one in the file, with its Package> before "
        "it: a changed package or name is not found either. Metrics of a SavedModel are looked up "
        "even with compile=False.",
        wording="Could not locate class 'Gate'. Make sure custom classes and functions are decorated with "
        "`@keras.saving.register_keras_serializable()`.",
        signatures=(
            r"Could not locate (?:class|function) ",
            r"Unknown (?:layer|model|object|(?:loss|metric|activation) ?(?:function)?|optimizer|initializer)\b:? ",
            r"Unknown (?:regularizer|constraint|config_item|decay|(?:dtype )?policy|function)\b:? ",
            r"Could not interpret (?:\w+ )*identifier",
            r"Could not interpret (?:activation|loss|metric|initializer|optimizer|regularizer|constraint)",
            r"Could not deserialize (?:class|function) '?[^']+'? because its parent module (?!keras\b|tf_keras\b)",
            r"Unable to restore custom object of (?:class|type)",
            r"Unable to restore a layer of class",
            r"Unable to restore custom metric",
            r"The `?custom_objects`? argument of",
            r"Could not resolve (?:class|function)",
        ),
        source="keras-team/keras#4871, #19899, #21046; tensorflow/tensorflow#43721, #53606",
    ),
    _cause(
        "custom-object-name-clash",
        "A custom function has the name of a word in a configuration, and takes its place",
        "give the function a name that is no value in any configuration (not `same`, not `relu`)",
        formats=("h5",),
        saved_by="any",
        loaded_by="Keras 3",
        seen=("predictions",),
        explanation="Reading HDF5, Keras 3 takes every string that equals the name of a registered function for "
        "that function. The model fails, or silently computes something else.",
        source="keras/src/legacy/saving/serialization.py",
    ),
    _cause(
        "custom-object-not-keras",
        "A custom object was made for the other Keras: keras and tf_keras objects do not mix",
        "import keras in the module of the custom object the way the environment does (tf.keras, keras or tf_keras)",
        formats=("h5", "keras"),
        saved_by="any",
        loaded_by="any",
        seen=("custom-objects", "load"),
        explanation="keras and tf_keras are two packages with the same names, and a layer of one is nothing to "
        "the other.",
        wording="Only instances of `keras.Layer` can be added to a Sequential model. Received: "
        "<tf_keras.src.layers.Dense> (of type <class 'tf_keras.src.layers.Dense'>)",
        signatures=(
            r"Only instances of `?keras\.(?:Layer|Operation)`? can be added",
            r"Unexpected object from deserialization, expected a layer or operation",
            r"The added layer must be an instance of class (?:Layer|keras)",
            r"is not a KerasSaveable subclass",
        ),
        source="huggingface/huggingface_hub PR #2107",
    ),
    _cause(
        "get-config-forgets-argument",
        "get_config of a custom class forgets an argument, which comes back with its default",
        "let get_config hold every argument of __init__, and save again",
        "on Keras 3, leave get_config out where all arguments are plain values: they are then noted by themselves",
        saved_by="any",
        loaded_by="any",
        seen=("roundtrip", "predictions"),
        explanation="What get_config does not hold is in no file. Where the argument has a default, loading succeeds "
        "and nothing is said. A round trip from the file shows nothing, as the default is there already: only "
        "outputs recorded from the live model do.",
        source="tensorflow/tensorflow#39793; measured on Keras 2.8 to 3.15, .h5 and .keras",
    ),
)
