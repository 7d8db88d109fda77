"""The catalogue of causes: every entry by its code, and the entry that a loader's text shows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType, ModuleType

from pytest_kerasload.causes import (
    archive,
    custom_objects,
    drift,
    environment,
    expected,
    file,
    from_keras2,
    from_keras3,
    graph_safety,
    hdf5,
    keras2_graphs,
    lambdas,
    numeric,
    resource,
    roundtrip,
    safety,
    savedmodel,
    savedmodel_files,
    training,
    unknown,
    version,
    watched,
)
from pytest_kerasload.causes.cause import Cause

VERSION = (from_keras2, keras2_graphs, from_keras3, drift, hdf5, archive, lambdas, savedmodel, version)
"""The modules of the family ``version``, in the order in which their signatures are asked."""

FILE = (file, savedmodel_files)
SAFETY = (safety, graph_safety, watched)

_MODULES = (
    *(*FILE, environment, resource, *SAFETY, training, *VERSION, custom_objects, roundtrip, numeric, expected, unknown),
)


def entries(module: ModuleType) -> Iterator[Cause]:
    """The causes of one module, in the order in which it has them."""
    yield from module.CAUSES


CAUSES: Mapping[str, Cause] = MappingProxyType({entry.code: entry for module in _MODULES for entry in entries(module)})
"""Every cause by its code."""


def cause(code: str) -> Cause:
    """The cause of that code; a code that is not in the catalogue is a defect of the caller's."""
    return CAUSES[code]
