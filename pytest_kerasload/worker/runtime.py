"""The TensorFlow and Keras of this process."""

from __future__ import annotations

import os
import sys
from typing import Any, Dict, Tuple


def release(text: str) -> Tuple[int, ...]:
    """The numbers of a version: ``2.16.0-rc1`` is (2, 16, 0)."""
    numbers = []
    for part in str(text).split(".")[:3]:
        digits = ""
        for char in part:
            if not char.isdigit():
                break
            digits += char
        if not digits:
            break
        numbers.append(int(digits))
    return tuple(numbers)


class Runtime:
    """TensorFlow (``tf``), the Keras it brings or was told to use (``keras``), and their releases."""

    def __init__(self) -> None:
        # Keras 3 would otherwise follow the user's keras.json, and a TensorFlow environment is what was asked for.
        os.environ.setdefault("KERAS_BACKEND", "tensorflow")
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
        import tensorflow as tf

        self.tf = tf
        self.keras = tf.keras
        version = getattr(tf.keras, "__version__", None)
        if version is None:  # tf_keras' API module does not hold its version, the package does
            version = sys.modules[tf.keras.__name__.split(".")[0]].__version__
        self.keras_version = str(version)
        self.keras3 = release(self.keras_version) >= (3,)
        if self.keras3:
            self.flavour = "keras3"
        elif tf.keras.__name__.split(".")[0] == "tf_keras":
            self.flavour = "tf_keras"
        else:
            self.flavour = "keras2"

    @classmethod
    def of(cls, model: Any) -> "Runtime":
        """The runtime that a live model belongs to: its own Keras, where a process holds two (Keras 3 and tf_keras)."""
        runtime = cls()
        names = {str(base.__module__).split(".")[0] for base in type(model).__mro__}
        if runtime.keras3 and "tf_keras" in names:
            import tf_keras

            runtime.keras = tf_keras
            runtime.keras_version = str(tf_keras.__version__)
            runtime.keras3, runtime.flavour = False, "tf_keras"
        elif runtime.flavour == "tf_keras" and "keras" in names and "tf_keras" not in names:
            import keras

            runtime.keras = keras
            runtime.keras_version = str(keras.__version__)
            runtime.keras3, runtime.flavour = True, "keras3"
        return runtime

    def describe(self) -> Dict[str, Any]:
        """The releases, as text."""
        return {
            "python": "%d.%d.%d" % sys.version_info[:3],
            "tensorflow": str(self.tf.__version__),
            "keras": self.keras_version,
            "flavour": self.flavour,
        }

    def load_model(self, path: str, **kwargs: Any) -> Any:
        """``tf.keras.models.load_model``."""
        return self.keras.models.load_model(path, **kwargs)

    def forget(self) -> None:
        """Drop what Keras keeps of earlier models: graphs, names, learning phases."""
        if self.keras3:
            # Without the garbage collection that it asks for, which takes longer than loading a small model.
            self.keras.backend.clear_session(free_memory=False)
        else:
            self.keras.backend.clear_session()
