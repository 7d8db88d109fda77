"""Which TensorFlow and Keras an environment holds, read from its package metadata without importing either."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from packaging.version import Version

from pytest_kerasload.environments.spec import EnvironmentSpec

OLDEST_PYTHON = (3, 8)
"""In which the worker, and execnet's part of it, runs."""


@dataclass(frozen=True)
class Versions:
    """The releases of one environment.

    ``flavour`` is ``keras2`` (tf.keras up to TensorFlow 2.15), ``keras3``, or ``tf_keras``
    (``TF_USE_LEGACY_KERAS=1``; ``keras`` is then tf_keras' own version). ``tensorflow`` and ``keras`` are None
    where there is none.
    """

    python: str
    tensorflow: str | None
    keras: str | None
    flavour: str
    problem: str = ""
    """Why this environment cannot run anything, or nothing."""
    tf_keras: str | None = None
    """The release of tf_keras that lies beside Keras 3, where one does: TensorFlow knows its objects then."""

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


# Run by the environment's own interpreter. Package metadata tells in milliseconds what importing TensorFlow would.
_PROBE = """
import json, sys
try:
    import importlib.metadata as m
    found = ((d.metadata["Name"], d.version) for d in m.distributions())
except ImportError:  # Python 3.7
    import glob, os
    places = (p for folder in sys.path for p in glob.glob(os.path.join(folder, "*.dist-info")))
    found = (os.path.basename(p)[:-10].split("-")[:2] for p in places)
names = {}
for name, version in found:
    n = (name or "").lower().replace("_", "-")
    if n.startswith(("tensorflow", "tf-nightly", "keras", "tf-keras", "intel-tensorflow")):
        names.setdefault(n, version)
print(json.dumps({"python": "%d.%d.%d" % sys.version_info[:3], "packages": names}))
"""

_TENSORFLOW = (
    "tensorflow",
    "tensorflow-cpu",
    "tensorflow-gpu",
    "tensorflow-macos",
    "tensorflow-intel",
    "tensorflow-rocm",
    "tensorflow-aarch64",
    "intel-tensorflow",
    "tf-nightly",
    "tf-nightly-cpu",
)


def of_packages(python: str, packages: Mapping[str, str], legacy: bool) -> Versions:
    """The versions of an environment that holds these packages (distribution name → version)."""
    tensorflow = next((packages[name] for name in _TENSORFLOW if name in packages), None)
    if tensorflow is None:
        return Versions(python, None, None, "keras3", "TensorFlow is not installed there")
    minor = Version(tensorflow).release[:2]
    if minor < (2, 6):  # Keras was a part of TensorFlow; tf.keras called itself 2.4.0 in both 2.4 and 2.5
        return Versions(python, tensorflow, "2.4.0" if minor >= (2, 4) else _bundled(minor), "keras2")
    keras3 = Version(packages.get("keras") or "0").major >= 3
    # TensorFlow 2.15 takes either already where it is asked to (its lazy_loader.py); it comes with Keras 2.
    if minor < (2, 15) or (minor == (2, 15) and not legacy and not keras3):
        keras = packages.get("keras") or packages.get("keras-nightly") or tensorflow
        if keras3:  # installed by hand; tf.keras stays what TensorFlow was built with
            keras = tensorflow
        return Versions(python, tensorflow, keras, "keras2")
    beside = packages.get("tf-keras") or packages.get("tf-keras-nightly")
    if legacy:
        problem = "" if beside else "TF_USE_LEGACY_KERAS is set there, but tf_keras is not installed"
        return Versions(python, tensorflow, beside, "tf_keras", problem)
    found = packages.get("keras") or packages.get("keras-nightly")
    return Versions(python, tensorflow, found, "keras3", "" if found else "Keras is not installed there", beside)


def _bundled(minor: tuple[int, ...]) -> str:
    """The version that tf.keras of TensorFlow 1.15 to 2.3 gives as its own."""
    known: dict[tuple[int, ...], str] = {
        (1, 15): "2.2.4-tf",
        (2, 0): "2.2.4-tf",
        (2, 1): "2.2.4-tf",
        (2, 2): "2.3.0-tf",
    }
    return known.get(minor, "2.4.0")


def probe(spec: EnvironmentSpec) -> Versions:
    """The versions of an environment, asked of its interpreter without importing TensorFlow."""
    environment = {**os.environ, **spec.variables}
    legacy = environment.get("TF_USE_LEGACY_KERAS", "").lower() in ("1", "true")
    command = [spec.python, "-c", _PROBE]
    if spec.ssh:
        legacy = spec.legacy
        command = ["ssh", *spec.ssh_arguments, shlex.join(command)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, check=True)
        told = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        said = (getattr(error, "stderr", None) or str(error)).strip().splitlines()
        what = f"ssh {spec.ssh} does not answer" if spec.ssh else "its interpreter does not run"
        return Versions("", None, None, "keras3", f"{what}: {said[-1] if said else error!r}")
    found = of_packages(told["python"], told["packages"], legacy)
    if Version(found.python).release < OLDEST_PYTHON and not found.problem:
        oldest = ".".join(map(str, OLDEST_PYTHON))
        return replace(found, problem=f"Python {found.python} is too old: the gate works in Python {oldest} and later")
    return found
