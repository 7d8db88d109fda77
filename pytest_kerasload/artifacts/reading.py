"""One artifact, read once: the record that every check asks."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from pathlib import Path

from pytest_kerasload.artifacts import archive, hdf5, savedmodel, stamp
from pytest_kerasload.artifacts.record import Artifact
from pytest_kerasload.artifacts.sniffing import Content, content_of, directory_marker, keras_marker, savedmodel_marker
from pytest_kerasload.causes import file as causes
from pytest_kerasload.causes.cause import Cause
from pytest_kerasload.findings import Finding

_MARKERS = ("saved_model.pb", "saved_model.pbtxt", "keras_metadata.pb", "fingerprint.pb")
_TRIES = 3
_TITLE = re.compile(r"<(title|h1|message|code)[^>]*>\s*(.*?)\s*</\1>", re.IGNORECASE | re.DOTALL)


def read(path: Path) -> Artifact:
    """What the file or directory (a SavedModel, an unpacked ``.keras``) at ``path`` says of itself.

    Never raises for a bad artifact: what is wrong is in ``problems``. For the file on which a directory hangs
    (``saved_model.pb``, ``config.json``) the artifact is the directory.
    """
    if (path.name in _MARKERS and path.is_file()) or directory_marker(path.parent) == path:
        path = path.parent
    for _ in range(_TRIES):
        before = stamp.of(path)
        found = replace(_read(path), stamp=before)
        if stamp.of(path) == before:
            return found
    changing = causes.CHANGED.finding(f"{path.name} changed each time it was read: something writes to it")
    return replace(_unreadable(path, changing), format=found.format)


def digest(path: Path) -> str:
    """The SHA-256 of a file; of a directory one over all of its files. OSError where they cannot be read."""
    return tree_sha256(path, list(stamp.files(path))) if path.is_dir() else sha256(path)


def _read(path: Path) -> Artifact:
    try:
        if path.is_dir():
            unpacked = savedmodel_marker(path) is None and keras_marker(path) is not None
            found = archive.read_folder(path) if unpacked else savedmodel.read(path)
            files = list(stamp.files(path))
            return replace(found, bytes=sum(file.stat().st_size for file in files), sha256=tree_sha256(path, files))
        if not path.exists():
            return _unreadable(path, causes.MISSING.finding(f"{path.name} is not there", where=str(path)))
        if not path.is_file():
            return _unreadable(path, causes.NOT_A_MODEL.finding(f"{path.name} is a pipe or a device, and no file"))
        found = _read_file(path)
        return replace(found, bytes=path.stat().st_size, sha256=sha256(path))
    except PermissionError as error:
        blocked = Path(error.filename).name if isinstance(error.filename, str) else path.name
        return _unreadable(path, causes.NO_PERMISSION.finding(f"{blocked} cannot be opened: permission denied"))
    except OSError as error:
        return _unreadable(path, causes.CORRUPT.finding(f"{path.name} cannot be read: {error.strerror or error}"))


def _read_file(path: Path) -> Artifact:
    content = content_of(path)
    suffix = path.suffix.lower()
    if content == "hdf5":
        found = hdf5.read(path)
        return _named(found, path, "HDF5", causes.HDF5_NAMED_KERAS if suffix == ".keras" else None, (".h5", ".hdf5"))
    if content == "zip":
        found = archive.read(path)
        wrong = causes.ZIP_NAMED_HDF5 if suffix in (".h5", ".hdf5") else None
        return _named(found, path, "a .keras archive", wrong, (".keras",))
    return _unreadable(path, _other(path, content))


def _named(found: Artifact, path: Path, what: str, wrong: Cause | None, suffixes: tuple[str, ...]) -> Artifact:
    """The artifact with what there is to say about a suffix that does not fit its content."""
    if found.format not in ("h5", "keras"):
        return found
    if wrong is not None:
        finding = wrong.finding(f"{path.name} is {what}, and its suffix {path.suffix} says otherwise")
    elif path.suffix.lower() not in suffixes:
        suffix = f"the suffix {path.suffix}" if path.suffix else "no suffix"
        # Keras 2 loads it all the same.
        finding = causes.SUFFIX.finding(f"{path.name} is {what} with {suffix}; Keras 3 does not load that", fails=False)
    else:
        return found
    return replace(found, problems=(*found.problems, finding))


def _unreadable(path: Path, problem: Finding) -> Artifact:
    return Artifact(path, "unknown", readable=False, problems=(problem,))


def _other(path: Path, content: Content) -> Finding:
    """The finding for a file that is no container of a model at all."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(4096)
    if content == "empty":
        return causes.EMPTY.finding(f"{path.name} is empty (0 bytes)")
    words = head.decode("utf-8", "replace")
    if content == "lfs-pointer":
        fields = dict(line.split(" ", 1) for line in words.splitlines() if " " in line)
        real = f" of {fields['size']} bytes" if fields.get("size", "").isdigit() else ""
        return causes.LFS_POINTER.finding(
            f"{path.name} is a Git LFS pointer of {size} bytes; the file{real} it stands for was not fetched"
        )
    if content == "html":
        title = _TITLE.search(words)
        said = f", titled {' '.join(title[2].split())[:80]!r}" if title else ""
        return causes.HTML_PAGE.finding(f"{path.name} is a web page of {size} bytes{said}, not a model")
    if content in ("gzip", "tar", "packed"):
        kind = {"gzip": "gzip-compressed", "tar": "a tar archive", "packed": "a compressed archive"}[content]
        return causes.PACKED.finding(f"{path.name} is {kind} ({size} bytes, beginning {head[:4].hex(' ')})")
    if content == "text":
        start = " ".join(words.split())[:60]
        return causes.NOT_A_MODEL.finding(f"{path.name} is text of {size} bytes, not a model: it begins {start!r}")
    kind = "a Python pickle" if content == "pickle" else "neither HDF5 nor a zip archive"
    return causes.NOT_A_MODEL.finding(f"{path.name} is {kind} ({size} bytes, beginning {head[:8].hex(' ')})")


def sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1024 * 1024):
            digest.update(chunk)
    return digest.hexdigest()


def tree_sha256(directory: Path, files: list[Path]) -> str:
    """One digest over the relative POSIX path and the digest of every file of a directory."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.relative_to(directory).as_posix()}\0{sha256(file)}\n".encode())
    return digest.hexdigest()
