"""What stands in an HDF5 file, as plain JSON values; called through ``isolation``, because of what damage can do.

Attributes and shapes only: no data is read, and no link to another file or place is followed.
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import asdict
from typing import Any

import h5py

from pytest_kerasload.artifacts.record import Weights
from pytest_kerasload.artifacts.weights import has_store, layered_weights, member, names, stored_weights, text
from pytest_kerasload.artifacts.zip_errors import ZIP_ERRORS

_ERRORS: tuple[type[Exception], ...] = (*ZIP_ERRORS, TypeError, AttributeError, MemoryError)
"""What h5py raises on damaged files, depending on where the damage is, and zipfile below it."""


def contents(path: str, zipped: str = "") -> dict[str, Any]:
    """The contents of a file, or of the HDF5 member ``zipped`` of an archive.

    ``kind`` is ``model`` (with ``model_config`` and ``training_config`` as written), ``weights`` or ``other``. Only
    ``error`` where it does not open; ``weights_error`` where its weights alone cannot be told.
    """
    try:
        if not zipped:
            with h5py.File(path, "r") as file:
                return _contents(file)
        with zipfile.ZipFile(path) as archive, archive.open(zipped) as packed:
            # Keras stores the member uncompressed, so that seeking in it is cheap.
            seekable = archive.getinfo(zipped).compress_type == zipfile.ZIP_STORED
            with h5py.File(packed if seekable else io.BytesIO(packed.read()), "r") as file:
                return _contents(file)
    except _ERRORS as error:
        return {"error": _said(error)}


def _said(error: BaseException) -> str:
    lines = str(error).strip().strip("'\"").splitlines()
    return lines[0] if lines else type(error).__name__


def _contents(file: h5py.File) -> dict[str, Any]:
    # Root attributes, and those of model_weights, which weights files and old models have alone.
    group = member(file, "model_weights")
    places = [file.attrs] + ([group.attrs] if isinstance(group, h5py.Group) else [])
    found: dict[str, Any] = {
        key: next((value for place in places if (value := text(place.get(key)))), None)
        for key in ("keras_version", "backend")
    }
    for key in ("model_config", "training_config"):
        value = file.attrs.get(key)
        found[key] = None if value is None else text(value) or repr(value)[:200]
    weights = Weights(None)
    missing: tuple[str, ...] = ()
    error = ""
    kind = "model" if found["model_config"] is not None else "other"
    try:
        listed = file if names(file, "layer_names") is not None or not isinstance(group, h5py.Group) else group
        layered = kind == "model" or names(listed, "layer_names") is not None
        if layered:
            weights, missing = layered_weights(file)
        else:
            weights = stored_weights(file)
        if kind == "other" and (layered or has_store(file)):
            kind = "weights"
    except _ERRORS as raised:
        error = _said(raised)
        if kind == "other":
            return {"error": error}
    return {
        **found,
        "kind": kind,
        "members": list(file)[:10],
        "weights": asdict(weights),
        "weights_error": error,
        "missing": list(missing),
    }
