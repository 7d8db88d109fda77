"""A copy of an artifact with what was changed in it: everything else is as in the original."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from google.protobuf.message import DecodeError

from pytest_kerasload.artifacts import protos
from pytest_kerasload.artifacts.isolation import ChildGone, isolated
from pytest_kerasload.artifacts.keras_nodes import is_keras
from pytest_kerasload.artifacts.record import Artifact
from pytest_kerasload.artifacts.zip_errors import ZIP_ERRORS

if TYPE_CHECKING:
    from pytest_kerasload.amendments.amendment import Amendment


_ERRORS: tuple[type[Exception], ...] = (*ZIP_ERRORS, DecodeError, RecursionError)


class NotWritten(OSError):
    """The copy was not made; the message says why."""


def write(artifact: Artifact, amendment: Amendment, target: Path) -> None:
    """Write a copy of an artifact with what was changed in it.

    As a whole or not at all: it is written beside the target and renamed. NotWritten where it cannot be, and for a
    target that is there.
    """
    if os.path.lexists(target):
        raise NotWritten(f"{target} is there already: name another file, or move it away")
    try:
        with tempfile.TemporaryDirectory(prefix=".kerasload-", dir=target.parent) as folder:
            beside = Path(folder) / target.name
            if artifact.path.is_dir():
                _directory(artifact.path, beside) if artifact.format == "savedmodel" else _folder(
                    artifact.path, amendment.config, beside
                )
                os.rename(beside, target)
                return
            if artifact.format == "h5":
                _hdf5(artifact.path, amendment.config, beside)
            else:
                _archive(artifact.path, amendment, beside)
            os.link(beside, target) if hasattr(os, "link") else shutil.move(beside, target)
    except FileExistsError:
        raise NotWritten(f"{target} is there already: name another file, or move it away") from None
    except ChildGone as error:
        raise NotWritten(f"{target} could not be written: the HDF5 library {error}") from error
    except _ERRORS as error:
        said = next(iter(str(error).strip().splitlines()[-1:]), type(error).__name__)
        raise NotWritten(f"{target} could not be written: {said}") from error


def _directory(path: Path, target: Path) -> None:
    """A SavedModel as an export: its object graph names no slots of an optimizer, and no class of Keras.

    Graph, signatures, variables and all else of it, what is not read here too, are as they were.
    """
    shutil.copytree(path, target, ignore=shutil.ignore_patterns("keras_metadata.pb"))
    saved = protos.message("SavedModel")
    saved.ParseFromString((path / "saved_model.pb").read_bytes())
    for graph in saved.meta_graphs:
        for node in graph.object_graph_def.nodes:
            node.ClearField("slot_variables")
            if is_keras(node):
                node.user_object.identifier, node.user_object.metadata = "_generic_user_object", ""
    (target / "saved_model.pb").write_bytes(saved.SerializeToString())


def _folder(path: Path, config: Mapping[str, Any], target: Path) -> None:
    shutil.copytree(path, target)
    (target / "config.json").write_text(json.dumps(config), "utf-8")


def _hdf5(path: Path, config: Mapping[str, Any], target: Path) -> None:
    _taken(isolated(with_config, str(path), json.dumps(config)), target)


def _taken(made: str, target: Path) -> None:
    """Take over a file that the child made, which can write among its own temporary files only."""
    shutil.copyfile(made, target)
    os.unlink(made)


def _copied(path: str) -> str:
    """Where a copy of a file lies that may be written to; called through ``isolation``."""
    handle, copy = tempfile.mkstemp(suffix=".h5")
    os.close(handle)
    shutil.copyfile(path, copy)
    return copy


def with_config(path: str, config: str) -> str:
    """Where a copy of an HDF5 file lies that has another configuration; called through ``isolation``, because of what
    damage can do."""
    import h5py

    copy = _copied(path)
    with h5py.File(copy, "r+") as file:
        # As Keras writes it: of variable length, which alone may be longer than 64 kB (HDF5, object header messages).
        file.attrs["model_config"] = config.encode()
    return copy


_WEIGHTS = "model.weights.h5"


def _archive(path: Path, amendment: Amendment, target: Path) -> None:
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(target, "w") as copy:
        for info in source.infolist():
            if info.filename == "config.json":
                copy.writestr(info, json.dumps(amendment.config))
                continue
            with source.open(info) as member, copy.open(info, "w", force_zip64=True) as written:
                if info.filename == _WEIGHTS and amendment.relaid:
                    _relay(member, written, target.with_suffix(".h5"))
                else:
                    shutil.copyfileobj(member, written, 1 << 20)


_OLD, _NEW = "_layer_checkpoint_dependencies", "layers"


def _relay(member: IO[bytes], written: IO[bytes], beside: Path) -> None:
    """The weights as Keras 2.14 and later keep them, by way of a file of their own."""
    with beside.open("wb") as stream:
        shutil.copyfileobj(member, stream, 1 << 20)
    _taken(isolated(renamed, str(beside)), beside)
    with beside.open("rb") as stream:
        shutil.copyfileobj(stream, written, 1 << 20)
    beside.unlink()


def renamed(path: str) -> str:
    """Where a copy of an HDF5 file lies whose groups have the names of later releases; called through ``isolation``."""
    import h5py

    copy = _copied(path)
    with h5py.File(copy, "r+") as file:
        _rename(file)
    return copy


def _rename(group: Any) -> None:
    """Give the groups of layers the names of later releases, in models inside of models too.

    Keras 2.13 walks over a layer with weights twice and counts both times: the second Dense is dense_2 there, and
    dense_1 later (keras/src/saving/saving_lib.py, _save_container_state, 2.13 and 2.15).
    """
    import h5py

    for name in list(group):
        if isinstance(group[name], h5py.Group):
            _rename(group[name])
    if _OLD not in group:
        return
    layers = group[_OLD]
    numbers: dict[str, list[int]] = {}
    for name in layers:
        base, _, number = name.rpartition("_")
        known = bool(base) and number.isdigit()
        numbers.setdefault(base if known else name, []).append(int(number) if known else 0)
    for base, found in numbers.items():
        for place, number in enumerate(sorted(found)):
            if number != place:
                layers.move(f"{base}_{number}", f"{base}_{place}" if place else base)
    group.move(_OLD, _NEW)
