"""The .keras archive: a zip of ``config.json``, ``metadata.json`` and ``model.weights.h5``, read member by member."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

from pytest_kerasload.artifacts import json_text, specs
from pytest_kerasload.artifacts.configs import objects_in
from pytest_kerasload.artifacts.folder import Folder
from pytest_kerasload.artifacts.hdf5 import contents_of, damage, first_line, without_weights
from pytest_kerasload.artifacts.layers import is_object
from pytest_kerasload.artifacts.record import Artifact, SavedWith, Weights
from pytest_kerasload.artifacts.zip_errors import ZIP_ERRORS
from pytest_kerasload.causes import file as causes
from pytest_kerasload.findings import Finding

_JSON_ERRORS: tuple[type[Exception], ...] = (*ZIP_ERRORS, RecursionError, json_text.TooLarge)
_WEIGHTS = ("model.weights.h5", "model.weights.npz")
_JSON_LIMIT = 256 * 1024 * 1024
"""Bytes of JSON that are read from a member; the largest real ones have a few megabytes."""


def read(path: Path) -> Artifact:
    """What a zip file says of itself: a Keras model (``keras``), or something else (``unknown``)."""
    try:
        with zipfile.ZipFile(path) as archive:
            return _read(path, archive)
    except ZIP_ERRORS as error:
        return Artifact(path, "unknown", readable=False, problems=(_broken(path, error),))


def read_folder(path: Path) -> Artifact:
    """What an unpacked archive says of itself."""
    return _read(path, Folder(path))


def _broken(path: Path, error: BaseException) -> Finding:
    size = path.stat().st_size
    if not _has_directory(path):
        return causes.TRUNCATED.finding(
            f"{path.name} is cut off: it begins as a zip archive, and its directory, which has to be at its end, "
            f"is not within its {size} bytes",
            detail=str(error),
        )
    return causes.CORRUPT.finding(f"{path.name} is a damaged zip archive: {first_line(error)}", detail=str(error))


def _has_directory(path: Path) -> bool:
    """Whether the record that ends a zip archive is in the last 64 kB (APPNOTE.TXT, 4.3.16)."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 65536 - 22))
        return b"PK\x05\x06" in file.read()


def _read(path: Path, archive: zipfile.ZipFile | Folder) -> Artifact:
    members = archive.namelist()
    store = next((name for name in _WEIGHTS if name in members), None)
    if "config.json" not in members and store is None and "metadata.json" not in members:
        held = ", ".join(members[:5]) or "nothing"
        problem = causes.NOT_A_KERAS_ZIP.finding(f"{path.name} is a zip archive without a Keras model: it holds {held}")
        return Artifact(path, "unknown", readable=False, problems=(problem,))
    problems: list[Finding] = _bad_members(path, archive)
    bad = {finding.where for finding in problems}
    for name, wanted in (("config.json", "config.json" in members), (_WEIGHTS[0], store is not None)):
        if not wanted:
            problems.append(
                causes.MEMBER_MISSING.finding(
                    f"{path.name} has no {name}: it holds {', '.join(members[:5])}", where=name
                )
            )
    # What the safety check has to tell must not end here: there are loaders that take the other of two members.
    there = {name for name in ("config.json", store) if name in members}
    unsafe = {name for name in there if members.count(name) > 1 or _bomb_in(archive, name)}
    config = None
    if "config.json" in there and not _bomb_in(archive, "config.json"):
        config = _json(path, archive, "config.json", problems)
    if config is not None and not is_object(config):
        problems.append(
            causes.CONFIG_NOT_JSON.finding(
                f"config.json of {path.name} is JSON, but no configuration with class_name and config",
                where="config.json",
            )
        )
        config = None
    # Keras loads an archive without metadata.json, so nothing about it is a problem.
    metadata = _json(path, archive, "metadata.json", []) if "metadata.json" in members else None
    training = config.get("compile_config") if config is not None else None
    training = training if isinstance(training, dict) else None
    weights = Weights(None)
    if store is not None and store not in bad and not _bomb_in(archive, store):
        weights = _weights(path, store, problems)
    objects = objects_in(config, training)
    if weights.elements == 0:
        problems.extend(without_weights(path, objects))
    return Artifact(
        path,
        "keras",
        readable=(config is not None or "config.json" in unsafe)
        # Without weights it does not load, but what its configuration would do is still to be told.
        and not (bad - unsafe).intersection({"config.json", store}),
        problems=tuple(problems),
        saved_with=_saved_with(metadata),
        config=config,
        training_config=training,
        objects=objects,
        inputs=specs.inputs_of(config) if config is not None else (),
        outputs=specs.outputs_of(config) if config is not None else (),
        weights=weights,
    )


_READ = 256 * 1024 * 1024
_RATIO = 100
"""Of what unfolds to more than so much, and so many times the size of the archive, not every member is read."""


def _bomb_in(archive: zipfile.ZipFile | Folder, name: str) -> bool:
    return _is_bomb(archive.getinfo(name))


def _is_bomb(info: zipfile.ZipInfo) -> bool:
    """Whether a member unfolds to far more than Keras would ever store packed: not to be read to its end."""
    return info.file_size > 256 * 1024 * 1024 and info.file_size > 100 * info.compress_size


def _bad_members(path: Path, archive: zipfile.ZipFile | Folder) -> list[Finding]:
    """Every member whose content does not come out whole; reading one to its end checks its CRC."""
    problems: list[Finding] = []
    if isinstance(archive, Folder):
        return problems
    infos = archive.infolist()
    if sum(info.file_size for info in infos) > max(_READ, _RATIO * path.stat().st_size):
        return problems  # a bomb of many members, which the safety check tells
    for info in infos:
        # ZipInfo.is_dir() knows no member without a name.
        if info.filename.endswith("/") or _is_bomb(info):
            continue
        try:
            with archive.open(info) as member:
                while member.read(1024 * 1024):
                    pass
        except ZIP_ERRORS as error:
            problems.append(
                causes.CORRUPT.finding(
                    f"{info.filename} in {path.name} is damaged: {first_line(error)}", where=info.filename
                )
            )
    return problems


def _json(path: Path, archive: zipfile.ZipFile | Folder, name: str, problems: list[Finding]) -> dict[str, Any] | None:
    written = b""
    try:
        with archive.open(name) as member:
            written = member.read(_JSON_LIMIT)
        found = json_text.loads(written)
    except _JSON_ERRORS as error:
        if not any(finding.where == name for finding in problems):
            problems.append(
                causes.CONFIG_NOT_JSON.finding(
                    f"{name} of {path.name} is not JSON ({first_line(error)}): it begins {written[:40]!r}", where=name
                )
            )
        return None
    return found if isinstance(found, dict) else {}


def _saved_with(metadata: dict[str, Any] | None) -> SavedWith:
    def told(key: str) -> str | None:
        value = (metadata or {}).get(key)
        return value if isinstance(value, str) else None

    return SavedWith(keras=told("keras_version"), date=told("date_saved"))


def _weights(path: Path, store: str, problems: list[Finding]) -> Weights:
    if store.endswith(".npz"):
        # Its arrays hold pickled dicts: there is nothing to count without running them.
        return Weights(None, style="npz")
    found, said = contents_of(path / store) if path.is_dir() else contents_of(path, store)
    if found is None or found["weights_error"]:
        said = said or f"the HDF5 library says {found['weights_error'] if found else ''}"
        problems.append(damage(f"{store} in {path.name}", said))
        return Weights(None)
    return Weights(**found["weights"])
