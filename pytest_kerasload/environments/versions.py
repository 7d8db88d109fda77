"""Which TensorFlow and Keras an environment holds, read from its package metadata without importing either."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from packaging.version import Version


@dataclass(frozen=True)
class Versions:
    """The releases of one environment.

    ``flavour`` is ``keras2`` (tf.keras before TensorFlow 2.16), ``keras3``, or ``tf_keras``
    (``TF_USE_LEGACY_KERAS=1``; ``keras`` is then tf_keras' own version). ``tensorflow`` and ``keras`` are None
    where there is none.
    """

    python: str
    tensorflow: str | None
    keras: str | None
    flavour: str
    problem: str = ""
    """Why this environment cannot run anything, or nothing."""

    @property
    def keras_version(self) -> Version:
        """The version of the Keras that loads models here; 0 where there is none."""
        return Version(self.keras or "0")

    @property
    def keras3(self) -> bool:
        return self.flavour == "keras3"

    @property
    def label(self) -> str:
        """``Keras 3.15.1``, ``Keras 2.15.0``, ``tf_keras 2.21.0``."""
        return f"{'tf_keras' if self.flavour == 'tf_keras' else 'Keras'} {self.keras or '(none)'}"

    def as_json(self) -> dict[str, Any]:
        return {
            "python": self.python,
            "tensorflow": self.tensorflow,
            "keras": self.keras,
            "flavour": self.flavour,
        }
