"""What a user can do, in words that are the same wherever they are said; and what a way that was tried tells of it."""

from __future__ import annotations

import re
from typing import Literal

LEGACY_KERAS = "run with TF_USE_LEGACY_KERAS=1 and tf_keras"
COMPILE_FALSE = "load with compile=False, and compile again where the model is trained on"
INFERENCE_ONLY = "--keras-inference-only, if the model is only used for inference"
SIGNATURES = "load it with tf.saved_model.load and call its signatures"
TFSM_LAYER = "wrap it: keras.layers.TFSMLayer(path, call_endpoint='serving_default')"
NEWER_LOADER = "load it with the Keras release that saved it, or a newer one"
SAME_RELEASE = "load it with the release that saved it"
SAVE_FOR_OLDEST = "save with the oldest Keras release the artifact has to load on"
SAVE_AS_KERAS = "save it as .keras instead of HDF5"
SAVE_AGAIN_OLD = "load it with Keras 2 (TensorFlow 2.15 or older), take out what is rejected, and save it again"
CUSTOM_OBJECTS = "--keras-custom-objects=package.module (where it is defined)"
REGISTER = "decorate it with keras.saving.register_keras_serializable(package=...) and import its module before loading"
REBUILD = "build the model again from its code with this release, and load the weights into it"
RECORD_AGAIN = "--keras-record=failing, once the difference is understood and accepted"

WayName = Literal["compile", "amend", "legacy", "signatures"]
"""The ways to load an artifact that are tried (checks/ways.py)."""

_ANSWERED: dict[WayName, re.Pattern[str]] = {
    "compile": re.compile(r"compile=False"),
    "amend": re.compile(
        r"^(?:drop|rename|write) .*\bconfig\b|take out what is rejected|^put the weights of|^make an export of"
    ),
    "legacy": re.compile(re.escape(LEGACY_KERAS)),
    "signatures": re.compile(rf"{re.escape(SIGNATURES)}|{re.escape(TFSM_LAYER)}|^tf\.saved_model\.load"),
}


def answers(way: WayName, action: str) -> bool:
    """Whether trying that way tells whether the remedy of the catalogue works."""
    return _ANSWERED[way].search(action) is not None
