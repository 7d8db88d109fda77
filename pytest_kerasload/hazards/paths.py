"""Where the files of a directory lead: links to what is not part of the artifact."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from pytest_kerasload.causes import safety
from pytest_kerasload.hazards.hazard import Hazard

_CONTENT_ADDRESS = re.compile(r"[0-9a-f]{30,}")
"""A file named by the hash of its content: in the stores of Hugging Face, DVC and git-annex, to which they link."""


def hazards(directory: Path) -> Iterator[Hazard]:
    """Symbolic links to what is not part of the artifact."""
    for parent, directories, files in os.walk(directory):
        for name in sorted((*directories, *files)):
            path = Path(parent) / name
            if leads_out(path, directory):
                place = path.relative_to(directory).as_posix()
                yield Hazard(safety.SYMLINK, place, f"a symbolic link to {os.readlink(path)}")


def leads_out(path: Path, directory: Path) -> bool:
    """Whether this is a link to something outside the directory, other than a store of such files."""
    if not path.is_symlink():
        return False
    target = path.resolve()
    return not target.is_relative_to(directory.resolve()) and not _CONTENT_ADDRESS.search(target.name)
