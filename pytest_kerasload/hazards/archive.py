"""The .keras archive: its members, and what is inside those that hold weights."""

from __future__ import annotations

import io
import posixpath
import re
import stat
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from pytest_kerasload.artifacts.sniffing import HDF5_SIGNATURE
from pytest_kerasload.causes import safety
from pytest_kerasload.hazards import arrays, configs, hdf5
from pytest_kerasload.hazards.hazard import Hazard, size, unfolds

_CODE_SUFFIXES = (
    *(".py", ".pyc", ".pyd", ".so", ".dll", ".dylib", ".exe", ".sh", ".bat", ".jar"),
    *(".pkl", ".pickle", ".pt"),
)
_ENCRYPTED = 0x1
_POLYGLOT = "a zip archive and HDF5 in one file: loaders read either"


def is_bomb(info: zipfile.ZipInfo) -> bool:
    """Whether a member unfolds to far more than it takes in the archive, so that it must not be read to its end."""
    return unfolds(info.file_size, info.compress_size)


def hazards(path: Path, elements: int | None = None) -> Iterator[Hazard]:
    """The hazards of an archive. ``elements`` is how many numbers are stored as weights, where known."""
    with zipfile.ZipFile(path) as archive, path.open("rb") as file:
        members = [info for info in archive.infolist() if not info.filename.endswith("/")]
        yield from _polyglot(archive, file)
        yield from _names(members)
        yield from _sizes(archive, members)
        for info in members:
            # What was named above is not read.
            if not info.flag_bits & _ENCRYPTED and not is_bomb(info):
                yield from _content(path, archive, info, elements)


def _polyglot(archive: zipfile.ZipFile, file: IO[bytes]) -> Iterator[Hazard]:
    """The hazard of a file that is an archive and HDF5 in one.

    HDF5 is recognised at 0, 512, 1024, 2048 and so on; an uncompressed member of an honest archive may happen to begin
    at such a place.
    """
    starts = {info.header_offset + 30 + _name_and_extra(file, info) for info in archive.infolist()}
    length = file.seek(0, io.SEEK_END)
    at = 0
    while at < length:
        file.seek(at)
        if file.read(len(HDF5_SIGNATURE)) == HDF5_SIGNATURE and at not in starts:
            yield Hazard(safety.AMBIGUOUS, f"byte {at}", _POLYGLOT)
            return
        at = max(512, at * 2)


def _name_and_extra(file: IO[bytes], info: zipfile.ZipInfo) -> int:
    """How long name and extra field of a local header are (APPNOTE.TXT, 4.3.7)."""
    file.seek(info.header_offset + 26)
    lengths = file.read(4)
    return int.from_bytes(lengths[:2], "little") + int.from_bytes(lengths[2:], "little")


def _names(members: list[zipfile.ZipInfo]) -> Iterator[Hazard]:
    counted = Counter(posixpath.normpath(info.filename.replace("\\", "/")) for info in members)
    for name, times in counted.items():
        if times > 1:
            yield Hazard(
                safety.AMBIGUOUS, name, f"a member that is there {times} times: loaders differ on which counts"
            )
    for info in members:
        name = info.filename
        if name.startswith(("/", "\\")) or re.match(r"[A-Za-z]:", name) or ".." in re.split(r"[/\\]", name):
            yield Hazard(safety.PATH_TRAVERSAL, name, "a member that is unpacked outside of the archive's folder")
        if stat.S_ISLNK(info.external_attr >> 16):
            yield Hazard(safety.SYMLINK, name, "a member that is a symbolic link")
        if info.flag_bits & _ENCRYPTED:
            yield Hazard(safety.UNINSPECTABLE, name, "an encrypted member")
        if name.lower().endswith(_CODE_SUFFIXES):
            yield Hazard(safety.UNUSUAL_MEMBER, name, "a file with code", fails=False)


def _sizes(archive: zipfile.ZipFile, members: list[zipfile.ZipInfo]) -> Iterator[Hazard]:
    bombs = [info for info in members if is_bomb(info)]
    for info in bombs:
        text = f"unfolds to {size(info.file_size)} out of {size(info.compress_size)}"
        yield Hazard(safety.ARCHIVE_BOMB, info.filename, text)
    whole, packed = sum(info.file_size for info in members), sum(info.compress_size for info in members)
    length = archive.fp.seek(0, io.SEEK_END) if archive.fp else packed
    if not bombs and unfolds(whole, min(packed, length)):
        text = f"all members together unfold to {size(whole)} out of {size(min(packed, length))}"
        yield Hazard(safety.ARCHIVE_BOMB, "all members", text)


def _content(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo, elements: int | None) -> Iterator[Hazard]:
    name = info.filename
    if name == "config.json":
        yield from configs.text_hazards(archive.read(info), name, elements=elements)
    elif name == "metadata.json":
        yield from configs.text_hazards(archive.read(info), name, name)
    elif name.endswith((".h5", ".hdf5")):
        yield from hdf5.hazards(path, name)[0]
    elif name.endswith(".npz"):
        with archive.open(info) as content:
            yield from arrays.hazards(content, name)


def is_archive(path: Path) -> bool:
    """Whether a file can be read as a zip archive with members in it, whatever else it is."""
    try:
        with zipfile.ZipFile(path) as archive:
            return bool(archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return False
