"""The members of a ``.keras`` archive as files of a folder, as ``save_model(..., zipped=False)`` of Keras 3 writes."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import IO


class Folder:
    """A folder, asked like an archive. A link is a member too, wherever it leads."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def namelist(self) -> list[str]:
        """The names of the files at the top: those Keras keeps the model in."""
        return sorted(file.name for file in self._path.iterdir() if file.is_file() or file.is_symlink())

    def getinfo(self, name: str) -> zipfile.ZipInfo:
        """A member as an archive describes one that is not packed."""
        info = zipfile.ZipInfo(name)
        info.file_size = info.compress_size = (self._path / name).lstat().st_size
        return info

    def infolist(self) -> list[zipfile.ZipInfo]:
        """All members."""
        return [self.getinfo(name) for name in self.namelist()]

    def open(self, name: str | zipfile.ZipInfo) -> IO[bytes]:
        """A member to be read."""
        return (self._path / (name if isinstance(name, str) else name.filename)).open("rb")
