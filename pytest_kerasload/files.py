"""Files that are replaced as a whole (a run that is killed leaves the old one or the new one), and ones that go."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

_MOST_DIRECTORIES = 1_000_000


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A stream whose content takes the place of the file at ``path`` when the block ends, and only then."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=path.name + ".", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(name, 0o666 & ~umask)  # mkstemp's own mode would keep the file from the user's colleagues
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def away(path: Path) -> None:
    """Delete what is there, as far as the system lets us: also what was made to be hard to delete."""
    if path.is_symlink() or not path.is_dir():
        with suppress(OSError):
            path.unlink()
        return
    with suppress(RecursionError):
        shutil.rmtree(path, ignore_errors=True)
    # What is left lies deeper than Python recurses, or may not be entered: made flat, level by level.
    with suppress(OSError):
        _flattened(path)
    with suppress(OSError, RecursionError):
        shutil.rmtree(path, ignore_errors=True)


def _flattened(path: Path) -> None:
    """Empty a directory however deep it is. By descriptors: a link that takes a directory's place is not followed."""
    top = _entered(os.fspath(path), None)
    number = 0
    try:
        while names := [entry.name for entry in os.scandir(top) if entry.is_dir(follow_symlinks=False)]:
            for name in names:
                inner = _entered(name, top)
                try:
                    for entry in list(os.scandir(inner)):
                        if entry.is_dir(follow_symlinks=False):
                            number += 1
                            os.rename(entry.name, f"{number}.flat", src_dir_fd=inner, dst_dir_fd=top)
                        else:
                            os.unlink(entry.name, dir_fd=inner)
                finally:
                    os.close(inner)
                os.rmdir(name, dir_fd=top)
            if number > _MOST_DIRECTORIES:
                return
    finally:
        os.close(top)


def _entered(name: str, within: int | None) -> int:
    """A descriptor of a directory that may be read and changed now; OSError where it is none, or a link."""
    flags = os.O_DIRECTORY | os.O_NOFOLLOW
    place = os.open(name, getattr(os, "O_PATH", os.O_RDONLY) | flags, dir_fd=within)
    try:
        with suppress(OSError):
            os.chmod(f"/proc/self/fd/{place}", 0o700)
        return os.open(name, os.O_RDONLY | flags, dir_fd=within)
    finally:
        os.close(place)
