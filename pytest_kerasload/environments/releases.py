"""Which Pythons each TensorFlow release was built for, and what has to be held back beside it today."""

from __future__ import annotations

from dataclasses import dataclass

Minor = tuple[int, int]


@dataclass(frozen=True)
class Release:
    """One minor release: the Pythons from 3.8 that it has wheels for, the one to take first in front, and requirements
    that its own metadata lacks because what breaks it came later."""

    minor: Minor
    pythons: tuple[str, ...]
    pins: tuple[str, ...] = ()

    @property
    def spec(self) -> str:
        """How the release is asked for: ``tf2.15``."""
        return f"tf{self.minor[0]}.{self.minor[1]}"


# protobuf 3.21 refuses the generated code of TensorFlow up to 2.11 ("Descriptors cannot not be created directly");
# only their last patch releases say so themselves.
_PROTOBUF = "protobuf<3.21"
# NumPy 2 ended the binary interface that these were built against (tensorflow/tensorflow#67291). Up to 2.6 TensorFlow
# itself asks for NumPy 1.19.
_NUMPY = "numpy<2"
# TensorFlow 2.6.0 takes any Keras 2 of 2.6 or later, and breaks with the first later one (keras-team/keras#15579).
_KERAS_2_6 = ("keras<2.7", "tensorflow-estimator<2.7")

# Source: the wheels of tensorflow-cpu on PyPI for Linux; each of these was made and loaded a model.
RELEASES = (
    Release((2, 3), ("3.8",), (_PROTOBUF, "h5py<3")),
    Release((2, 4), ("3.8",), (_PROTOBUF,)),
    Release((2, 5), ("3.9", "3.8"), (_PROTOBUF,)),
    Release((2, 6), ("3.9", "3.8"), (_PROTOBUF, *_KERAS_2_6)),
    Release((2, 7), ("3.9", "3.8"), (_PROTOBUF, _NUMPY)),
    Release((2, 8), ("3.10", "3.9", "3.8"), (_PROTOBUF, _NUMPY)),
    Release((2, 9), ("3.10", "3.9", "3.8"), (_PROTOBUF, _NUMPY)),
    Release((2, 10), ("3.10", "3.9", "3.8"), (_PROTOBUF, _NUMPY)),
    Release((2, 11), ("3.10", "3.9", "3.8"), (_PROTOBUF, _NUMPY)),
    Release((2, 12), ("3.11", "3.10", "3.9", "3.8"), (_NUMPY,)),
    Release((2, 13), ("3.11", "3.10", "3.9", "3.8"), (_NUMPY,)),
    Release((2, 14), ("3.11", "3.10", "3.9"), (_NUMPY,)),
    Release((2, 15), ("3.11", "3.10", "3.9"), (_NUMPY,)),
    Release((2, 16), ("3.11", "3.12", "3.10", "3.9"), (_NUMPY,)),
    Release((2, 17), ("3.11", "3.12", "3.10", "3.9"), (_NUMPY,)),
    Release((2, 18), ("3.11", "3.12", "3.10", "3.9")),
    Release((2, 19), ("3.11", "3.12", "3.10", "3.9")),
    Release((2, 20), ("3.11", "3.12", "3.13", "3.10", "3.9")),
    Release((2, 21), ("3.11", "3.12", "3.13", "3.10")),
)


def release(minor: Minor) -> Release:
    """What is known of a minor release. A later one than any that is known is taken to want what the last one wants,
    or a later Python; ``ValueError`` for one that is older than all of them, or was never made."""
    for known in RELEASES:
        if known.minor == minor:
            return known
    last = RELEASES[-1]
    if minor < RELEASES[0].minor:
        raise ValueError(f"TensorFlow {minor[0]}.{minor[1]} is older than the oldest that is supported, 2.3")
    return Release(minor, ("3.12", "3.13", "3.14", *(one for one in last.pythons if one not in ("3.12", "3.13"))))


def nearest(minor: Minor) -> list[Release]:
    """The known releases, the nearest first; of two that are as near, the later one."""
    return sorted(RELEASES, key=lambda one: (abs(_distance(one.minor, minor)), -_distance(one.minor, minor)))


def _distance(one: Minor, other: Minor) -> int:
    return (one[0] - other[0]) * 100 + one[1] - other[1]
