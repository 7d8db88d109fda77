"""Where artifacts are: which files of a tree are collected, and which directories are looked into.

Imports neither h5py nor NumPy: it runs at collection, over every file under the given paths.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from pytest_kerasload.artifacts.record import Format
from pytest_kerasload.artifacts.sniffing import (
    content_of,
    directory_marker,
    is_artifact,
    is_part,
    keras_marker,
    savedmodel_marker,
)

# Never artifacts, wherever they stand. Unlike pytest's own list this one has no `build` and no `dist`: models are
# put there, and one that is passed over in silence was not gated.
_SKIPPED = frozenset({"__pycache__", "node_modules"})


def descends(directory: Path, root: Path) -> bool:
    """Whether the directory is looked into for artifacts: not a SavedModel's inside, not hidden, no link in a loop.

    What the user gave by name is.
    """
    if directory == root:
        return True
    if directory.name.startswith(".") or directory.name in _SKIPPED or (directory / "pyvenv.cfg").exists():
        return False
    if keras_marker(directory.parent) is not None and directory.name == "assets":
        return False
    return savedmodel_marker(directory.parent) is None and not _loops(directory, root)


def _loops(directory: Path, root: Path) -> bool:
    """Whether a link leads back: to a directory that it was reached through, or that one of those lies in."""
    if not directory.is_symlink():
        return False
    real = os.path.realpath(directory)
    above = directory.parent
    while True:
        if Path(os.path.realpath(above)).is_relative_to(real):
            return True
        if above == root or above == above.parent:
            return False
        above = above.parent


def lost(directory: Path) -> list[Path]:
    """Links in a directory that are named like a model and lead to nothing: an artifact that was not fetched."""
    found = (path for path in directory.iterdir() if path.is_symlink() and not path.exists())
    return sorted(path for path in found if is_artifact(path) and not is_part(path))


def is_collected(path: Path, roots: tuple[Path, ...]) -> bool:
    """Whether a file is the one on which an artifact's items hang."""
    if path in roots:
        return True
    marker = savedmodel_marker(path.parent)
    if marker is not None:
        return path == marker
    # Beside an unpacked .keras, in a repository, there may be other models.
    return path == keras_marker(path.parent) or (is_artifact(path) and not is_part(path))


def artifact_of(path: Path) -> Path:
    """The artifact that a collected file stands for: itself, or the directory that it makes one."""
    return path.parent if directory_marker(path.parent) == path else path


def format_of(artifact: Path) -> Format:
    """The format by what the artifact holds, else by its name; good enough to name its round trip."""
    if artifact.is_dir():
        return "savedmodel" if savedmodel_marker(artifact) is not None or keras_marker(artifact) is None else "keras"
    try:
        content = content_of(artifact)
    except OSError:  # what keeps it from being read is for the file check to say
        content = "unknown"
    if content == "zip" or (content != "hdf5" and artifact.suffix == ".keras"):
        return "keras"
    return "h5"


def walk(root: Path) -> Iterator[Path]:
    """The files under a path on which artifacts hang, in order."""
    if root.is_file():
        yield root
        return
    for folder, names, files in os.walk(root, followlinks=True):
        here = Path(folder)
        marker = savedmodel_marker(here)
        if marker is not None:
            names.clear()
            yield marker
            continue
        names[:] = sorted(name for name in names if descends(here / name, root))
        for name in sorted(files):
            if is_collected(here / name, ()):
                yield here / name
