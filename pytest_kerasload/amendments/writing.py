"""A copy of an artifact with another configuration: the weights and everything else are those of the original."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytest_kerasload.artifacts.record import Artifact


class NotWritten(OSError):
    """The copy was not made; the message says why."""


def write(artifact: Artifact, config: Mapping[str, Any], target: Path) -> None:
    """Write a copy of an h5 or .keras artifact with this model configuration.

    As a whole or not at all: it is written beside the target and renamed. NotWritten where it cannot be, and for a
    target that is there.
    """
    if os.path.lexists(target):
        raise NotWritten(f"{target} is there already: name another file, or move it away")
    try:
        with tempfile.TemporaryDirectory(prefix=".kerasload-", dir=target.parent) as folder:
            beside = Path(folder) / target.name
            if artifact.format == "h5":
                _hdf5(artifact.path, config, beside)
            else:
                _archive(artifact.path, config, beside)
            os.link(beside, target) if hasattr(os, "link") else shutil.move(beside, target)
    except FileExistsError:
        raise NotWritten(f"{target} is there already: name another file, or move it away") from None
    except (OSError, zipfile.BadZipFile, KeyError, ValueError) as error:
        raise NotWritten(f"{target} could not be written: {error}") from error


def _hdf5(path: Path, config: Mapping[str, Any], target: Path) -> None:
    import h5py

    shutil.copyfile(path, target)
    with h5py.File(target, "r+") as file:
        # As Keras writes it: of variable length, which alone may be longer than 64 kB (HDF5, object header messages).
        file.attrs["model_config"] = json.dumps(config).encode()


def _archive(path: Path, config: Mapping[str, Any], target: Path) -> None:
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(target, "w") as copy:
        for info in source.infolist():
            if info.filename == "config.json":
                copy.writestr(info, json.dumps(config))
                continue
            with source.open(info) as member, copy.open(info, "w", force_zip64=True) as written:
                shutil.copyfileobj(member, written, 1 << 20)
