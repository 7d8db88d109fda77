"""What an environment that is made on demand is made of: ``tf2.15``, ``tensorflow==2.15.1,python==3.11``."""

from __future__ import annotations

import hashlib
import json
import platform
import re
import sys
from dataclasses import dataclass, replace

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from pytest_kerasload.environments.releases import Minor, Release, release

_FORMAT = 1
"""Of what is kept in the cache; another one is not looked at."""


@dataclass(frozen=True)
class Recipe:
    """One environment to be made: what is installed in it, in the order of the user, and for which Python.

    ``requirements`` are those that the user named, ``pins`` those that this release needs beside them; ``pythons``
    holds the Pythons that will do, the best first.
    """

    tensorflow: Minor
    requirements: tuple[str, ...]
    pins: tuple[str, ...]
    pythons: tuple[str, ...]

    @property
    def key(self) -> str:
        """The name of its directory in the cache: the same for specs that stand for the same environment."""
        told = [_FORMAT, sorted({*self.requirements, *self.pins}), self.pythons, sys.platform, platform.machine()]
        digest = hashlib.sha256(json.dumps(told).encode()).hexdigest()[:12]
        return f"tf{self.tensorflow[0]}.{self.tensorflow[1]}-{digest}"

    def any_patch(self) -> Recipe:
        """The same with any patch release of its TensorFlow."""
        first, *others = self.requirements
        return replace(self, requirements=(f"{Requirement(first).name}=={_any(self.tensorflow)}", *others))

    def any_beside(self) -> Recipe:
        """The same with any version of the packages beside TensorFlow."""
        first, *others = self.requirements
        return replace(self, requirements=(first, *(Requirement(one).name for one in others)))

    def alone(self) -> Recipe:
        """Its TensorFlow with nothing beside it but what that brings along."""
        return replace(self, requirements=self.requirements[:1])

    def on(self, other: Release) -> Recipe:
        """The same on another TensorFlow."""
        name = Requirement(self.requirements[0]).name
        return Recipe(other.minor, (f"{name}=={_any(other.minor)}", *self.requirements[1:]), other.pins, other.pythons)


def _any(minor: Minor) -> str:
    return f"{minor[0]}.{minor[1]}.*"


# tf2.15, tf2.15.1, tensorflow==…, tensorflow-cpu==…, perhaps with more behind a comma.
_SHORT = re.compile(r"tf(?P<version>\d+\.\d+(?:\.\d+\w*)?)")
_TENSORFLOWS = ("tensorflow", "tensorflow-cpu", "tensorflow-macos", "tensorflow-intel", "intel-tensorflow")


def looks_like_one(text: str) -> bool:
    """Whether a spec stands for an environment to be made, rather than for a path."""
    first = text.split(",")[0].strip()
    if _SHORT.fullmatch(first):
        return True
    name = re.match(r"[A-Za-z0-9_.-]+(\[[^\]]*\])?(?=\s*(==|~=|>=|<=|!=|<|>))", first)
    return name is not None


def parse(text: str, *, legacy: bool = False) -> Recipe:
    """The environment that a spec asks for; ValueError, with what can be given, for one that makes no sense."""
    first, *others = _parts(text)
    if "" in others:
        raise ValueError(f"{text!r}: nothing stands behind a comma")
    tensorflow, minor = _tensorflow(first, text)
    known = release(minor)
    pythons = known.pythons
    found: list[Requirement] = []
    for one in map(_requirement, others):
        if one.name.lower() == "python":
            pythons = (_python(one, text),)
            if known.minor == minor and not _may_run(pythons[0], known):
                raise ValueError(
                    f"{text!r}: TensorFlow {minor[0]}.{minor[1]} was never built for Python {pythons[0]}; it was for "
                    f"{_listed(known.pythons)}"
                )
            continue
        if not one.specifier and not one.url:
            raise ValueError(f"{text!r}: {one.name} without a version; give {one.name}==X")
        if _name(one) in _TENSORFLOWS:
            raise ValueError(f"{text!r}: TensorFlow is named twice")
        found.append(one)
    # TensorFlow 2.15 heeds TF_USE_LEGACY_KERAS too (its lazy_loader.py), and brings no tf.keras without tf_keras then.
    if legacy and minor >= (2, 15) and "tf-keras" not in map(_name, found):
        found.append(Requirement(f"tf-keras~={minor[0]}.{minor[1]}.0"))
    exact = {_name(one) for one in found if one.url or any(part.operator == "==" for part in one.specifier)}
    pins = tuple(pin for pin in known.pins if _name(Requirement(pin)) not in exact)
    return Recipe(minor, (str(tensorflow), *map(str, found)), pins, pythons)


def _parts(text: str) -> list[str]:
    """The requirements of a spec; ``numpy>=1,<2`` is one of them."""
    parts: list[str] = []
    for part in text.split(","):
        if parts and re.match(r"\s*(==|~=|>=|<=|!=|<|>)", part):
            parts[-1] += f",{part.strip()}"
        else:
            parts.append(part.strip())
    return parts


def _tensorflow(first: str, text: str) -> tuple[Requirement, Minor]:
    short = _SHORT.fullmatch(first)
    if short:
        version = short["version"]
        exact = version if version.count(".") > 1 else f"{version}.*"
        return Requirement(f"{_distribution(version)}=={exact}"), _minor(version)
    found = _requirement(first)
    version = next((one.version for one in found.specifier if one.operator in ("==", "===", "~=")), "")
    if _name(found) not in _TENSORFLOWS or not version:
        raise ValueError(f"{text!r}: the first requirement is TensorFlow's: tf2.15, or tensorflow==2.15.1")
    found.name = _name(found)
    return found, _minor(version.removesuffix(".*"))


def _minor(version: str) -> Minor:
    release = Version(version).release
    return release[0], release[1] if len(release) > 1 else 0


def _distribution(version: str) -> str:
    """The smallest distribution that has TensorFlow for this machine: without code for graphics cards where one is
    made (Linux and Windows on x86)."""
    if sys.platform == "darwin" and platform.machine() == "arm64" and _minor(version) < (2, 13):
        return "tensorflow-macos"
    small = sys.platform != "darwin" and platform.machine().lower() in ("x86_64", "amd64")
    return "tensorflow-cpu" if small else "tensorflow"


def _requirement(text: str) -> Requirement:
    try:
        return Requirement(text)
    except InvalidRequirement as error:
        raise ValueError(f"{text!r} is no requirement (like keras==3.3.3): {str(error).splitlines()[0]}") from None


def _name(requirement: Requirement) -> str:
    return canonicalize_name(requirement.name)


def _python(requirement: Requirement, text: str) -> str:
    match = re.fullmatch(r"==(\d+\.\d+(\.\d+)?)(\.\*)?", str(requirement.specifier))
    if match is None:
        raise ValueError(f"{text!r}: give one Python: python==3.11")
    return match[1]


def _may_run(python: str, known: Release) -> bool:
    return ".".join(python.split(".")[:2]) in known.pythons


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(sorted(names, key=Version))
