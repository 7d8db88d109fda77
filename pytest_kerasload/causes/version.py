"""Causes that any two releases can show."""

from __future__ import annotations

from pytest_kerasload.causes import remedies as do
from pytest_kerasload.causes.cause import Cause


def _cause(code: str, title: str, *remedies: str, signatures: tuple[str, ...] = (), source: str = "") -> Cause:
    return Cause(code, "version", title, remedies, signatures, source)


CAUSES: tuple[Cause, ...] = (
    _cause(
        "class-not-in-this-keras",
        "A class of Keras' own that this release does not have",
        do.LEGACY_KERAS,
        do.SAME_RELEASE,
        "replace the class by one that both releases have",
        signatures=(),
        source="keras-team/keras#18467; measured on the releases",
    ),
    _cause(
        "config-value-rejected",
        "A class of Keras' own does not take a value in its configuration on this release",
        do.LEGACY_KERAS,
        do.SAME_RELEASE,
    ),
    _cause(
        "config-key-rejected",
        "A class of Keras' own does not take a configuration key on this release",
        "drop the rejected key from the config where it has its default",
        do.SAME_RELEASE,
        signatures=(),
        source="measured on the releases",
    ),
    _cause(
        "mixed-precision-differs",
        "Layers meet with different dtypes: the precision policy is part of each layer",
        "build the model with the policy it is to run with, and copy the weights",
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
        signatures=(r"has type float(?:64|16) that does not match type (?:float|int)\d+",),
        source="tensorflow/tensorflow#62209",
    ),
    _cause(
        "saved-by-newer-release",
        "The artifact was saved by a newer release than the one it is to be loaded on",
        do.NEWER_LOADER,
        do.SAVE_FOR_OLDEST,
        "--keras-version-policy=evidence, to fail only where something in it is known not to load",
        source="tensorflow.org/guide/versions promises no forward compatibility",
    ),
)
