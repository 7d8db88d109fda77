"""The catalogue of causes: every entry by its code, and the entry that a loader's text shows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from pytest_kerasload.causes import (
    custom_objects,
    drift,
    environment,
    expected,
    file,
    formats,
    from_keras2,
    from_keras3,
    numeric,
    resource,
    roundtrip,
    safety,
    savedmodel,
    training,
    unknown,
    version,
)
from pytest_kerasload.causes.cause import Cause

VERSION = (from_keras2, from_keras3, drift, formats, savedmodel, version)
"""The modules of the family ``version``, in the order in which their signatures are asked."""

_MODULES = (
    *(file, environment, resource, safety, training, *VERSION, custom_objects, roundtrip, numeric, expected, unknown),
)


def entries(module: object) -> Iterator[Cause]:
    """The causes of one family's module, in the order in which it has them."""
    yield from module.CAUSES if hasattr(module, "CAUSES") else file.FILE_CAUSES


CAUSES: Mapping[str, Cause] = MappingProxyType({entry.code: entry for module in _MODULES for entry in entries(module)})
"""Every cause by its code."""


def cause(code: str) -> Cause:
    """The cause of that code; a code that is not in the catalogue is a defect of the caller's."""
    return CAUSES[code]
