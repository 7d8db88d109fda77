"""What a file is by its first bytes: cheap enough to ask of every file in a directory tree.

Nothing but the standard library is imported here: this runs while pytest collects.
"""

from __future__ import annotations

import errno
import mmap
import os
import re
import zipfile
from pathlib import Path
from typing import BinaryIO, Literal

Content = Literal["hdf5", "zip", "lfs-pointer", "html", "empty", "gzip", "tar", "packed", "pickle", "text", "unknown"]

HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
MODEL_SUFFIXES = (".h5", ".hdf5", ".keras")
_OTHER_HDF5_SUFFIXES = (".nc", ".nc4", ".mat", ".h5ad", ".loom")
"""NetCDF, MATLAB, AnnData and loom files are HDF5 too, and never Keras."""

_ZIP_SIGNATURES = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
_PACKED_SIGNATURES = (b"BZh", b"\xfd7zXZ\x00", b"7z\xbc\xaf\x27\x1c", b"\x28\xb5\x2f\xfd", b"Rar!\x1a\x07")
_HTML = re.compile(rb"\s*(?:\xef\xbb\xbf)?\s*<(?:!doctype\s+html|html|head|body|\?xml|!--)", re.IGNORECASE)
_STORES = ("model.weights.h5", "model.weights.npz", "model.weights.json")
_HEAD = 4096
_SCANNED = 4 * 1024 * 1024
"""How much of either end of an HDF5 file is searched for marks of Keras: names of groups and attributes of the
root sit there, whatever lies between."""


def content_of(path: Path) -> Content:
    """What the bytes of ``path`` are, whatever its suffix says; OSError where it cannot be read."""
    if path.exists() and not (path.is_file() or path.is_dir()):  # to open a pipe waits for someone who writes
        raise OSError(errno.EINVAL, "it is a pipe or a device, and no file")
    with path.open("rb") as file:
        return _content(file)


def _content(file: BinaryIO) -> Content:
    head = file.read(_HEAD)
    if not head:
        return "empty"
    found = hdf5_offset(file)
    # HDF5 may have anything before it, but what only begins as an archive is a damaged one.
    if head.startswith(_ZIP_SIGNATURES) and (not found or zipfile.is_zipfile(file)):
        return "zip"
    if found is not None:
        return "hdf5"
    if head.startswith(b"version https://git-lfs"):
        return "lfs-pointer"
    if _HTML.match(head):
        return "html"
    if head.startswith(b"\x1f\x8b"):
        return "gzip"
    if head[257:262] == b"ustar":
        return "tar"
    if head.startswith(_PACKED_SIGNATURES):
        return "packed"
    # An archive may have anything before it too: its directory is at its end, and Keras looks there.
    if zipfile.is_zipfile(file):
        return "zip"
    if head[0] == 0x80 and len(head) > 1 and 2 <= head[1] <= 5:
        return "pickle"
    if _is_text(head):
        return "text"
    return "unknown"


def hdf5_offset(file: BinaryIO) -> int | None:
    """Where the HDF5 signature is: at 0, 512, 1024, 2048 and so on (HDF5 File Format Specification, II.A)."""
    size = os.fstat(file.fileno()).st_size
    offset = 0
    while offset + len(HDF5_SIGNATURE) <= size:
        file.seek(offset)
        if file.read(len(HDF5_SIGNATURE)) == HDF5_SIGNATURE:
            return offset
        offset = max(512, offset * 2)
    return None


def _is_text(head: bytes) -> bool:
    if any(byte < 32 and byte not in b"\t\n\f\r" for byte in head):
        return False
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        # The head may end in the middle of a character.
        return len(head) == _HEAD and error.start >= len(head) - 3
    return True


def is_artifact(path: Path) -> bool:
    """Whether a file found in a directory is a Keras artifact to be checked.

    By suffix for those Keras saves to, whatever is inside: a damaged model must not drop out of the gate. By
    content for all others; a file that cannot be read there is none.
    """
    suffix = path.suffix.lower()
    if suffix in MODEL_SUFFIXES:
        return True
    if suffix in _OTHER_HDF5_SUFFIXES or not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            head = file.read(len(HDF5_SIGNATURE))
            if head.startswith(_ZIP_SIGNATURES):
                return _is_keras_zip(file)
            return head == HDF5_SIGNATURE and _has_keras_marks(file)
    except (OSError, ValueError):
        return False


def _is_keras_zip(file: BinaryIO) -> bool:
    try:
        with zipfile.ZipFile(file) as archive:
            names = set(archive.namelist())
    except (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError):
        return False
    return "config.json" in names and not names.isdisjoint({"model.weights.h5", "model.weights.npz"})


def _has_keras_marks(file: BinaryIO) -> bool:
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        size = len(content)
        for start, end in ((0, min(_SCANNED, size)), (max(_SCANNED, size - _SCANNED), size)):
            if any(
                content.find(mark, start, end) >= 0
                for mark in (b"model_config", b"layer_names", b"_layer_checkpoint_dependencies")
            ):
                return True
            # Weights of Keras 3: group names, each ended by a zero byte in the heap that holds them.
            if content.find(b"layers\x00", start, end) >= 0 and content.find(b"vars\x00", start, end) >= 0:
                return True
    return False


def directory_marker(directory: Path) -> Path | None:
    """The file that makes ``directory`` an artifact, on which its items hang; None where it is none."""
    return savedmodel_marker(directory) or keras_marker(directory)


def keras_marker(directory: Path) -> Path | None:
    """The file that makes ``directory`` an unpacked ``.keras``: ``config.json``, beside others that Keras puts there.

    ``save_model(..., zipped=False)`` of Keras 3 writes it, and what it uploads to Hugging Face.
    """
    config = directory / "config.json"
    if not config.is_file():
        return None
    return config if any(os.path.lexists(directory / name) for name in _STORES) or _is_ours(directory) else None


def _is_ours(directory: Path) -> bool:
    """Whether ``metadata.json`` is Keras': many a tool has a file of that name."""
    try:
        with (directory / "metadata.json").open("rb") as file:
            return b'"keras_version"' in file.read(_HEAD)
    except OSError:
        return False


def is_part(path: Path) -> bool:
    """Whether a file is part of the unpacked ``.keras`` that its directory is, and no artifact of its own."""
    return path.name.startswith("model.weights.") and keras_marker(path.parent) is not None


def savedmodel_marker(directory: Path) -> Path | None:
    """The file that makes ``directory`` a SavedModel: ``saved_model.pb``, else ``saved_model.pbtxt``.

    For a SavedModel that lost both, ``keras_metadata.pb`` or ``fingerprint.pb`` beside ``variables/``, so that the
    loss is reported. None for any other directory.
    """
    for name in ("saved_model.pb", "saved_model.pbtxt"):
        if (directory / name).is_file():
            return directory / name
    for name in ("keras_metadata.pb", "fingerprint.pb"):
        if (directory / name).is_file() and (directory / "variables").is_dir():
            return directory / name
    return None
