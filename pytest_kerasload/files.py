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
    number = 0
    with suppress(OSError):
        while path.is_dir() and number < _MOST_DIRECTORIES:
            os.chmod(path, 0o700)
            directories = [entry for entry in os.scandir(path) if entry.is_dir(follow_symlinks=False)]
            for directory in directories:
                os.chmod(directory, 0o700)
                for entry in list(os.scandir(directory)):
                    if entry.is_dir(follow_symlinks=False):
                        os.rename(entry, path / f"{number}.flat")
                        number += 1
                    else:
                        os.unlink(entry)
                os.rmdir(directory)
            if not directories:
                shutil.rmtree(path, ignore_errors=True)
                return
