"""A hostile or broken artifact out of a good one."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from typing import Literal

from fuzzing import archives, arrays, checkpoints, documents, hdf5_files, messages

ZOO = Path(__file__).resolve().parent.parent / "tests" / "zoo" / "artifacts"

Kind = Literal["h5", "keras", "savedmodel", "expected", "settings"]
KINDS: tuple[Kind, ...] = ("h5", "keras", "savedmodel", "expected", "settings")

_LARGEST = 80_000
"""Bytes of a seed: what is small is read often."""


@dataclass(frozen=True)
class Seed:
    """A good artifact of the zoo."""

    kind: Kind
    path: Path


@cache
def seeds(kind: Kind) -> tuple[Seed, ...]:
    """The zoo's small artifacts of a kind, by name. Expected outputs and settings hang on an HDF5 file."""
    if kind == "savedmodel":
        marks = sorted(ZOO.glob("*/*/saved_model.pb"))
        return tuple(Seed(kind, mark.parent) for mark in marks if mark.stat().st_size < _LARGEST)
    suffix = ".keras" if kind == "keras" else ".h5"
    found = [path for path in sorted(ZOO.glob(f"*/*{suffix}")) if path.stat().st_size < _LARGEST]
    if kind == "keras":  # before Keras 2.12 the suffix stood for HDF5
        found = [path for path in found if path.read_bytes()[:2] == b"PK"]
    if kind == "expected":
        found = [path for path in found if path.with_name(f"{path.name}.expected.npz").is_file()]
    return tuple(Seed(kind, path) for path in found)


def made(directory: Path, rng: Random, kind: Kind | None = None, scale: int = 100) -> Path:
    """Makes one artifact in an empty directory; ``scale`` bounds how much is repeated in it."""
    kind = kind or rng.choice(("h5", "h5", "keras", "keras", "savedmodel", "savedmodel", "expected", "settings"))
    seed = rng.choice(seeds(kind))
    path = directory / seed.path.name
    if kind == "savedmodel":
        shutil.copytree(seed.path, path)
        _savedmodel(path, rng, scale)
        return path
    shutil.copyfile(seed.path, path)
    recorded = path.with_name(f"{path.name}.expected.npz")
    if kind == "h5":
        hdf5_files.mutated(path, rng, scale)
    elif kind == "keras":
        path.write_bytes(archives.mutated(path.read_bytes(), directory, rng, scale))
    elif kind == "expected":
        good = seed.path.with_name(recorded.name)
        recorded.write_bytes(arrays.expected(good.read_bytes(), rng, scale))
    else:
        (directory / "kerasload.toml").write_bytes(arrays.settings(rng))
    return path


def _savedmodel(directory: Path, rng: Random, scale: int) -> None:
    graph, metadata = directory / "saved_model.pb", directory / "keras_metadata.pb"
    index = directory / "variables" / "variables.index"
    choice = rng.randrange(12)
    if choice < 5:
        graph.write_bytes(messages.saved_model(graph.read_bytes(), rng, scale))
    elif choice < 7:
        graph.write_bytes(messages.on_the_wire(graph.read_bytes(), rng))
    elif choice == 7 and index.is_file():
        index.write_bytes(checkpoints.mutated(index.read_bytes(), rng, scale))
    elif choice == 8:
        _files(directory, rng)
    elif choice == 9:
        text = rng.choice(
            ("meta_graphs {}", "meta_graphs {" * 2000, "\0", "meta_graphs { graph_def { node { name: 1 }}}")
        )
        graph.unlink()
        (directory / "saved_model.pbtxt").write_text(rng.choice((text, documents.mutated("{}", rng, scale)[:9999])))
    elif metadata.is_file():
        change = messages.on_the_wire if rng.random() < 0.3 else None
        old = metadata.read_bytes()
        metadata.write_bytes(change(old, rng) if change else messages.keras_metadata(old, rng, scale))
    else:
        graph.write_bytes(messages.saved_model(graph.read_bytes(), rng, scale))


def _files(directory: Path, rng: Random) -> None:
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    path = rng.choice(files)
    choice = rng.randrange(6)
    if choice == 0:
        path.unlink()
    elif choice == 1:
        path.write_bytes(b"")
    elif choice == 2:
        path.unlink()
        path.symlink_to(rng.choice(("/etc/passwd", path.name, "/nowhere", ".", "..")))
    elif choice == 3:
        path.unlink()
        path.mkdir()
    elif choice == 4:
        path.write_bytes(messages.flipped(path.read_bytes(), rng))
    else:
        (directory / "fingerprint.pb").write_bytes(rng.choice((b"", b"\xff", b"\x28\x01", b"\x2a" * 50)))
