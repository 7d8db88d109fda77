"""An unpacked ``.keras``: a folder of what would be members of the archive."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from pytest_kerasload.causes import safety
from pytest_kerasload.hazards import arrays, configs, hdf5, paths
from pytest_kerasload.hazards.archive import CODE_SUFFIXES, is_code
from pytest_kerasload.hazards.hazard import BOMB_BYTES, Hazard, size

_TEXTS = ("config.json", "metadata.json")


def hazards(directory: Path, elements: int | None = None) -> Iterator[Hazard]:
    """The hazards of a folder. ``elements`` is how many numbers are stored as weights, where known."""
    yield from paths.hazards(directory)
    for parent, folders, files in os.walk(directory):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            file = Path(parent) / name
            # Where else a link leads was told above; what is there is not part of the artifact.
            if file.is_file() and not paths.leads_out(file, directory):
                yield from _content(file, file.relative_to(directory).as_posix(), elements)


def _content(file: Path, name: str, elements: int | None) -> Iterator[Hazard]:
    inside = name.startswith("assets/")
    if name in _TEXTS:
        length = file.stat().st_size
        if length > BOMB_BYTES:
            yield Hazard(safety.UNINSPECTABLE, name, f"{size(length)} of JSON, which is no configuration")
            return
        place = "" if name == "config.json" else name
        yield from configs.text_hazards(file.read_bytes(), name, place, elements)
    elif name.startswith("model.weights.") or inside:
        if name.endswith((".h5", ".hdf5")):
            yield from hdf5.hazards(file, document=name)[0]
        elif name.endswith((".npz", ".npy")):
            with file.open("rb") as content:
                yield from arrays.hazards(content, name)
        elif inside:
            with file.open("rb") as content:
                code = is_code(content.read(4))
            if code or name.lower().endswith(CODE_SUFFIXES):
                yield Hazard(safety.UNUSUAL_MEMBER, name, "a file with code")
    elif name.lower().endswith(CODE_SUFFIXES):
        # A repository keeps its scripts beside the model, and nothing loads them with it.
        yield Hazard(safety.UNUSUAL_MEMBER, name, "a file with code", fails=False)
