"""Zip archives changed member by member, and in the bytes of their headers."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from random import Random

from fuzzing import documents, hdf5_files, messages

_NAMES = (
    *("../x", "/etc/x", "C:\\x", "", "config.json", "model.weights.h5", "model.weights.npz", "assets/", "a\\b"),
    *("x" * 5000, "\u202econfig.json", "config.json\0x", "CONFIG.JSON", "./config.json", "code.py", "metadata.json"),
)
_SIGNATURES = (b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06")

Member = tuple[str, bytes, int]
"""Name, content, and whether it is stored or packed."""


def mutated(content: bytes, directory: Path, rng: Random, scale: int = 100) -> bytes:
    """A .keras archive, or any other, with changed members and headers."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = [(info.filename, archive.read(info), info.compress_type) for info in archive.infolist()]
    choice = rng.random()
    if choice < 0.8:
        for _ in range(rng.choice((1, 1, 1, 2))):
            rng.choice(_MUTATORS)(members, directory, rng, scale)
        content = written(members, rng)
    if choice > 0.65:
        for _ in range(rng.choice((1, 1, 3))):
            content = _header(content, rng)
    return content


def written(members: list[Member], rng: Random) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content, method in members:
            info = zipfile.ZipInfo(name)
            info.compress_type = method
            if rng.random() < 0.02:
                info.external_attr = 0o120777 << 16
            with archive.open(info, "w", force_zip64=rng.random() < 0.1) as member:
                member.write(content)
        if rng.random() < 0.1:
            archive.comment = rng.choice((b"x" * 65535, b"PK\x05\x06" + b"\0" * 18, b"\xff"))
    return stream.getvalue()


def _json(members: list[Member], directory: Path, rng: Random, scale: int) -> None:
    _change(members, ".json", rng, lambda old: documents.mutated(old, rng, scale).encode("utf-8", "surrogatepass"))


def _hdf5(members: list[Member], directory: Path, rng: Random, scale: int) -> None:
    def change(old: bytes) -> bytes:
        path = directory / "member.h5"
        path.write_bytes(old)
        hdf5_files.mutated(path, rng, scale)
        changed = path.read_bytes()
        path.unlink()
        return changed

    _change(members, ".h5", rng, change)


def _change(members: list[Member], ending: str, rng: Random, change: Callable[[bytes], bytes]) -> None:
    found = [place for place, member in enumerate(members) if member[0].endswith(ending)]
    if found:
        place = rng.choice(found)
        name, content, method = members[place]
        members[place] = name, change(content), method


def _members(members: list[Member], directory: Path, rng: Random, scale: int) -> None:
    if not members:
        return
    place = rng.randrange(len(members))
    name, content, _ = members[place]
    method = rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA))
    choice = rng.randrange(8)
    if choice == 0:
        del members[place]
    elif choice == 1:
        members.append((name, content[: len(content) // 2], method))
    elif choice == 2:
        members[place] = rng.choice(_NAMES), content, method
    elif choice == 3:
        members.append((rng.choice(_NAMES), content[:100], method))
    elif choice == 4:
        members[place] = name, messages.flipped(content, rng), method
    elif choice == 5:
        members[place] = name, b"", method
    elif choice == 6:
        members[place] = name, content, method
    else:
        for number in range(10 * scale):
            members.append((f"assets/{number}", b"", zipfile.ZIP_STORED))


def _bomb(members: list[Member], directory: Path, rng: Random, scale: int) -> None:
    """A member that unfolds to many times its size, below and above what is taken for a bomb."""
    name = rng.choice(("config.json", "metadata.json", "model.weights.h5", "assets/x"))
    filler = rng.choice((b"[", b" ", b"\0", b'{"a":1},'))
    content = filler * (rng.choice((1000, 10_000 * scale)) // len(filler))
    members[:] = [member for member in members if member[0] != name or rng.random() < 0.1]
    members.append((name, content, zipfile.ZIP_DEFLATED))


def _npz(members: list[Member], directory: Path, rng: Random, scale: int) -> None:
    from fuzzing import arrays

    members[:] = [member for member in members if member[0] != "model.weights.h5"]
    members.append(("model.weights.npz", arrays.archive(rng), zipfile.ZIP_STORED))


def _header(content: bytes, rng: Random) -> bytes:
    """One field of a local header, of the central directory or of its end set to something else."""
    changed = bytearray(content)
    mark = rng.choice(_SIGNATURES)
    places = []
    at = content.find(mark)
    while at >= 0 and len(places) < 100:
        places.append(at)
        at = content.find(mark, at + 1)
    if not places or rng.random() < 0.2:
        return messages.flipped(content, rng)
    at = rng.choice(places)
    # Offsets within the three headers (APPNOTE.TXT, 4.3.7, 4.3.12 and 4.3.16).
    shorts, longs = {
        b"PK\x03\x04": ((4, 6, 8, 26, 28), (14, 18, 22)),
        b"PK\x01\x02": ((6, 8, 10, 28, 30, 32), (16, 20, 24, 38, 42)),
        b"PK\x05\x06": ((8, 10, 20), (12, 16)),
    }[mark]
    if rng.random() < 0.5:
        value = rng.choice((0, 1, 8, 9, 12, 14, 93, 99, 0x800, 0x2041, 0x7FFF, 0xFFFF))
        where, piece = rng.choice(shorts), struct.pack("<H", value)
    else:
        value = rng.choice((0, 1, 10, len(content), 1 << 20, 0x7FFFFFFF, 0xFFFFFFFF, 0xFFFFFFFE))
        where, piece = rng.choice(longs), struct.pack("<I", value)
    changed[at + where : at + where + len(piece)] = piece
    return bytes(changed)


_MUTATORS: tuple[Callable[[list[Member], Path, Random, int], None], ...] = (
    *(_json, _json, _json, _json, _hdf5, _hdf5, _members, _members, _bomb, _npz),
)
