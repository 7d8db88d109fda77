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
from pytest_kerasload.hazards.hazard import BOMB_RATIO, Hazard, size, unfolds

CODE_SUFFIXES = (
    *(".py", ".pyc", ".pyo", ".pyd", ".pyw", ".pth", ".so", ".dll", ".dylib", ".exe", ".com", ".scr", ".msi", ".elf"),
    *(".sh", ".bash", ".bat", ".cmd", ".ps1", ".vbs", ".js", ".jar", ".class", ".rb", ".pl", ".php", ".lnk"),
    *(".pkl", ".pickle", ".pt", ".joblib", ".dill", ".cloudpickle", ".marshal", ".whl", ".egg"),
)
_CODE_STARTS = (b"\x7fELF", b"MZ", b"#!", *(bytes((0x80, protocol)) for protocol in range(2, 6)))
"""Programs, scripts and pickles by their first bytes."""

_WEIGHTS = (".h5", ".hdf5")
_ENCRYPTED, _UTF8 = 0x1, 0x800
_NAMED = 20
_POLYGLOT = "a zip archive and HDF5 in one file: loaders read either"


def is_bomb(info: zipfile.ZipInfo) -> bool:
    """Whether a member unfolds to far more than it takes in the archive, so that it must not be read to its end."""
    return unfolds(info.file_size, info.compress_size)


def hazards(path: Path, elements: int | None = None) -> Iterator[Hazard]:
    """The hazards of an archive. ``elements`` is how many numbers are stored as weights, where known."""
    with zipfile.ZipFile(path) as archive, path.open("rb") as file:
        members = [info for info in archive.infolist() if not info.filename.endswith("/")]
        yield from _polyglot(archive, file)
        yield from _names(archive.infolist())
        yield from _headers(members, file)
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
    # Unpacked on Windows and macOS, names that differ in their case alone are one file.
    spelled = [posixpath.normpath(info.filename.replace("\\", "/")) for info in members]
    counted = Counter(name.casefold() for name in spelled)
    for name, times in counted.items():
        if times > 1:
            place = next(one for one in spelled if one.casefold() == name)
            yield Hazard(
                safety.AMBIGUOUS, place, f"a member that is there {times} times: loaders differ on which counts"
            )
    for info in members:
        name = info.filename
        if name.startswith(("/", "\\")) or re.match(r"[A-Za-z]:", name) or ".." in re.split(r"[/\\]", name):
            yield Hazard(safety.PATH_TRAVERSAL, name, "a member that is unpacked outside of the archive's folder")
        if stat.S_ISLNK(info.external_attr >> 16):
            yield Hazard(safety.SYMLINK, name, "a member that is a symbolic link")
        if "\0" in info.orig_filename:
            text = f"a member that is called {info.orig_filename!r}: readers differ on where the name ends"
            yield Hazard(safety.AMBIGUOUS, name, text)
        if info.flag_bits & _ENCRYPTED:
            yield Hazard(safety.UNINSPECTABLE, name, "an encrypted member")
        if name.lower().endswith(CODE_SUFFIXES):
            yield Hazard(safety.UNUSUAL_MEMBER, name, "a file with code")


def _headers(members: list[zipfile.ZipInfo], file: IO[bytes]) -> Iterator[Hazard]:
    """What is told twice in an archive, in its directory and before each member, and differs."""
    first = min((info.header_offset for info in members), default=0)
    if first > 0:
        file.seek(0)
        text = f"{first} bytes before the archive, beginning {file.read(8)!r}: another reader takes them for the file"
        yield Hazard(safety.AMBIGUOUS, "before the archive", text)
    for info in members:
        file.seek(info.header_offset + 26)
        length = int.from_bytes(file.read(4)[:2], "little")
        name = file.read(length)
        if name != info.orig_filename.encode("utf-8" if info.flag_bits & _UTF8 else "cp437", "replace"):
            text = f"a member that is called {name.decode('utf-8', 'replace')!r} where it begins"
            yield Hazard(safety.AMBIGUOUS, info.filename, text)


def _sizes(archive: zipfile.ZipFile, members: list[zipfile.ZipInfo]) -> Iterator[Hazard]:
    bombs = [info for info in members if is_bomb(info)]
    for info in bombs:
        text = f"unfolds to {size(info.file_size)} out of {size(info.compress_size)}"
        yield Hazard(safety.ARCHIVE_BOMB, info.filename, text)
    whole, packed = sum(info.file_size for info in members), sum(info.compress_size for info in members)
    length = archive.fp.seek(0, io.SEEK_END) if archive.fp else packed
    if not bombs and unfolds(whole, min(packed, length)):
        text = f"all members together unfold to {size(whole)} out of {size(min(packed, length))}"
        thin = sorted(members, key=lambda info: info.compress_size * BOMB_RATIO - info.file_size)
        for info in thin[:_NAMED]:
            if info.file_size > BOMB_RATIO * info.compress_size:
                yield Hazard(safety.ARCHIVE_BOMB, info.filename, text)


def _content(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo, elements: int | None) -> Iterator[Hazard]:
    name = info.filename
    if name == "config.json":
        yield from configs.text_hazards(archive.read(info), name, elements=elements)
    elif name == "metadata.json":
        yield from configs.text_hazards(archive.read(info), name, name)
    elif name.endswith(_WEIGHTS):
        yield from hdf5.hazards(path, name)[0]
    elif name.endswith((".npz", ".npy")):
        with archive.open(info) as content:
            yield from arrays.hazards(content, name)
    elif not name.lower().endswith(CODE_SUFFIXES):
        with archive.open(info) as content:
            if is_code(content.read(4)):
                yield Hazard(safety.UNUSUAL_MEMBER, name, "a program, a script or a pickle by its first bytes")


def is_code(head: bytes) -> bool:
    """Whether a file that begins like this is a program, a script or a pickle."""
    return head.startswith(_CODE_STARTS)


def is_archive(path: Path) -> bool:
    """Whether a file can be read as a zip archive with members in it, whatever else it is."""
    try:
        with zipfile.ZipFile(path) as archive:
            return bool(archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return False
