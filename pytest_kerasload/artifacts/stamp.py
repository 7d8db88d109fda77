"""Whether an artifact is still the one that was read: what the file system says of its files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

Stamp = tuple[tuple[str, int, int, int, int], ...]
"""Path below the artifact, inode, size, and when content and inode changed last (ns), for each file of an artifact.

When an inode changed nobody sets at will, so a file that was written to and put back in time shows.
"""

EXPECTED = ".expected.npz"
"""How files of the gate's own end; they may lie inside of a directory that is an artifact."""


def files(directory: Path) -> Iterator[Path]:
    """The files of an artifact that is a directory, without those of the gate itself, sorted by relative path."""
    found = (file for file in directory.rglob("*") if file.is_file() and not file.name.endswith(EXPECTED))
    yield from sorted(found, key=lambda file: file.relative_to(directory).as_posix())


def of(path: Path) -> Stamp:
    """The stamp of a file or directory as it is now; empty where it is not there."""
    try:
        parts = list(files(path)) if path.is_dir() else [path]
        return tuple(_line(part, path) for part in parts)
    except OSError:
        return ()


def _line(file: Path, top: Path) -> tuple[str, int, int, int, int]:
    told = os.stat(file)
    name = file.relative_to(top).as_posix() if file != top else ""
    return name, told.st_ino, told.st_size, told.st_mtime_ns, told.st_ctime_ns
