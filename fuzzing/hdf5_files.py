"""HDF5 files changed through h5py, and in the bytes of their structures."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import h5py
import numpy as np

from fuzzing import documents, messages

_STRUCTURES = (b"\x89HDF", b"TREE", b"HEAP", b"SNOD", b"GCOL", b"OHDR", b"FRHP", b"FHDB", b"BTHD", b"OCHK")
"""What parts of an HDF5 file begin with (HDF5 File Format Specification, III)."""

_NAMES = ("layer_names", "weight_names", "backend", "keras_version", "model_config", "training_config", "layer_names0")
_PATHS = (
    "model_weights",
    "vars",
    "optimizer_weights",
    "top_level_model_weights",
    "layers",
    "metrics",
    "x",
    "\u00fc",
    ".",
)


def mutated(path: Path, rng: Random, scale: int = 100) -> None:
    """Changes a file in place: its contents first, its bytes after that or instead."""
    choice = rng.random()
    if choice < 0.75:
        # What an earlier change damaged is not opened again.
        with contextlib.suppress(OSError, RuntimeError, KeyError, ValueError), h5py.File(path, "r+") as file:
            for _ in range(rng.choice((1, 1, 2, 4))):
                rng.choice(_MUTATORS)(file, rng, scale)
    if choice > 0.7:
        path.write_bytes(damaged(path.read_bytes(), rng))


def damaged(content: bytes, rng: Random) -> bytes:
    """A file with bytes changed in or behind one of its structures, or cut off."""
    places = [at for mark in _STRUCTURES if (at := content.find(mark)) >= 0]
    for _ in range(rng.choice((1, 1, 2, 5))):
        if places and rng.random() < 0.7:
            mark = rng.choice(_STRUCTURES)
            found = _finds(content, mark) or places
            at = rng.choice(found)
            piece = messages.flipped(content[at : at + 96], rng)[:96]
            content = content[:at] + piece + content[at + len(piece) :]
        else:
            content = messages.flipped(content, rng)
    return content


def _finds(content: bytes, mark: bytes) -> list[int]:
    found, at = [], content.find(mark)
    while at >= 0 and len(found) < 100:
        found.append(at)
        at = content.find(mark, at + 1)
    return found


def _groups(file: h5py.File) -> list[Any]:
    found = [file]
    file.visititems(lambda _, item: found.append(item) if isinstance(item, h5py.Group) else None)
    return found


def _config(file: h5py.File, rng: Random, scale: int) -> None:
    name = rng.choice(("model_config", "model_config", "training_config"))
    old = file.attrs.get(name, '{"class_name": "Sequential", "config": {"name": "s", "layers": []}}')
    if not isinstance(old, (str, bytes)):
        return
    text = documents.mutated(old, rng, scale).encode("utf-8", "surrogatepass")
    _attribute(file, name, np.bytes_(text) if b"\0" not in text and rng.random() < 0.5 else text)


def _attribute(owner: Any, name: str, value: Any, **how: Any) -> None:
    """Sets an attribute; what HDF5 refuses (too large for a header, no such type) is not there then."""
    try:
        if name in owner.attrs:
            del owner.attrs[name]
        owner.attrs.create(name, value, **how)
    except (OSError, TypeError, ValueError, RuntimeError, KeyError):
        return


def _odd_attribute(file: h5py.File, rng: Random, scale: int) -> None:
    owner = rng.choice(_groups(file))
    name = rng.choice(_NAMES)
    _attribute(owner, name, rng.choice(_values(file)))


def _values(file: h5py.File) -> list[Any]:
    compound = np.zeros(2, dtype=[("a", "i4"), ("b", "S3")])
    return [
        *(1, -1.5, True, "", "x", b"", b"\xff\xfe", "\u00fc" * 500, np.nan, np.float16(1), np.complex64(1j)),
        *(np.arange(3), np.zeros((2, 2), "S4"), np.array([], "S1"), np.array([b"\0a", b"a/b", b"/", b".."])),
        *(np.array(["a", "b/c", "", "."], dtype=h5py.string_dtype()), compound, np.void(b"opaque\0\1")),
        *(h5py.Empty("f"), h5py.Empty("S10"), h5py.Empty(h5py.string_dtype()), file.ref),
        *(np.array([file.ref], dtype=h5py.ref_dtype), np.array([b"x"] * 1000), np.array(b"{}"), np.array([b"{}"])),
        np.array(1, dtype=h5py.enum_dtype({"A": 0, "B": 1}, basetype="i")),
    ]


def _names(file: h5py.File, rng: Random, scale: int) -> None:
    """Another list of layers or weights than there is."""
    owner = rng.choice(_groups(file))
    names = rng.choice(
        (
            [b"a", b"a", b"a"],
            [b""],
            [b"/"],
            [b"/model_weights"],
            [b"../x"],
            [b"a\0b"],
            [b"\xff\xfe"],
            [b"."],
            ["\u00fc".encode()] * 2,
            list(owner.keys())[:20] or [b"none"],
            [f"l{number}".encode() for number in range(10 * scale)],
        )
    )
    name = rng.choice(("layer_names", "weight_names"))
    kinds = (None, h5py.string_dtype(), h5py.string_dtype("utf-8", 5))
    if rng.random() < 0.2:
        for piece in range(rng.choice((2, scale))):
            _attribute(owner, f"{name}{piece}", names[:50])
    else:
        _attribute(owner, name, names, dtype=rng.choice(kinds))


def _drop(file: h5py.File, rng: Random, scale: int) -> None:
    owner = rng.choice(_groups(file))
    names = list(owner.attrs) if rng.random() < 0.5 else list(owner)
    if names:
        name = rng.choice(names)
        if name in owner.attrs:
            del owner.attrs[name]
        elif name in owner:
            del owner[name]


def _link(file: h5py.File, rng: Random, scale: int) -> None:
    owner, target = rng.choice(_groups(file)), rng.choice(_groups(file))
    made = rng.choice(
        (
            target,
            target,
            file,
            h5py.SoftLink("/nowhere"),
            h5py.SoftLink(target.name),
            h5py.ExternalLink("/etc/passwd", "/"),
            h5py.ExternalLink("\u00fc" * 100, "/x"),
        )
    )
    name = rng.choice((*_PATHS, "l" * 300))
    if name not in owner and name != ".":
        owner[name] = made


def _dataset(file: h5py.File, rng: Random, scale: int) -> None:
    """A dataset of an odd type or shape, in place of a weight or beside it."""
    owner = rng.choice(_groups(file))
    names = [*_PATHS[:-1], *(name for name in owner if owner.get(name, getlink=True).__class__ is h5py.HardLink)]
    name = rng.choice(names)
    if name in owner:
        del owner[name]
    choice = rng.randrange(8)
    try:
        if choice == 0:
            owner.create_dataset(name, data=rng.choice(_values(file)))
        elif choice == 1:
            dtype = rng.choice(("f4", "S100000", "V7", "c16", "f2", h5py.string_dtype(), h5py.vlen_dtype("i4")))
            owner.create_dataset(name, shape=rng.choice(((), (0,), (3,), (1 << 40,), (1 << 31,) * 3)), dtype=dtype)
        elif choice == 2:
            owner.create_dataset(name, (1 << 20, 1 << 20), "f8", chunks=(1, 1 << 20), fillvalue=0)
        elif choice == 3:
            owner.create_dataset(name, (4,) * 32, "u1", chunks=(1,) * 32)
        elif choice == 4:
            owner.create_dataset(name, data=np.zeros(1 << 16), compression="gzip")
        elif choice == 5:
            owner[name] = np.dtype([("x", "f4", (1000,))])
        elif choice == 6:
            layout = h5py.VirtualLayout((4,), "f4")
            layout[:] = h5py.VirtualSource("/etc/passwd", "x", shape=(4,))
            owner.create_virtual_dataset(name, layout)
        else:
            owner.create_dataset(name, (1 << 36,), "f4", external=[("/nowhere/x", 0, h5py.h5f.UNLIMITED)])
    except (OSError, TypeError, ValueError, RuntimeError, OverflowError, KeyError):
        return


def _many(file: h5py.File, rng: Random, scale: int) -> None:
    """Many groups, deep or beside each other."""
    owner = rng.choice(_groups(file))
    if rng.random() < 0.5:
        for number in range(2 * scale):
            owner.require_group(f"many{number}")
    else:
        for _ in range(rng.choice((3, scale))):
            owner = owner.require_group("vars")


_MUTATORS: tuple[Callable[[Any, Random, int], None], ...] = (
    *(_config, _config, _config, _config, _config, _odd_attribute, _odd_attribute, _names, _names, _drop, _drop),
    *(_link, _dataset, _dataset, _many),
)
