"""Where SARIF says that something is: URIs of artifacts, and the places inside of them.

Paths are taken as the report holds them: relative to where pytest was started, or absolute, with forward slashes.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pytest_kerasload.artifacts.sniffing import directory_marker

ROOT = "SRCROOT"
"""What relative URIs start at."""

# A file that is no text has no lines. GitHub shows an alert only where the region is whole, so it is the very start.
_START = {"startLine": 1, "startColumn": 1, "endLine": 1, "endColumn": 1}

_MOST = 100
"""Places told of one finding; the safety check lists no more either."""

_DRIVE = re.compile(r"[A-Za-z]:/")
_MORE = re.compile(r" and \d+ more$")


@dataclass(frozen=True)
class Places:
    """Knows what paths of a report are relative to (``base``), and what URIs are to be relative to (``root``)."""

    base: str
    root: str

    @classmethod
    def of(cls, base: Path) -> Places:
        """For a run that was started in a directory. GitHub reads relative URIs from the root of the repository."""
        root = next((one for one in (base, *base.parents) if os.path.exists(one / ".git")), base)
        return cls(base.as_posix(), root.as_posix())

    def location(self, path: str) -> dict[str, str]:
        """A path as an ``artifactLocation``: relative where it is under the root, else a file URI."""
        absolute = posixpath.normpath(path if _is_absolute(path) else f"{self.base}/{path}")
        inside = _below(absolute, self.root)
        if inside:
            return {"uri": _quoted(inside), "uriBaseId": ROOT}
        if _DRIVE.match(absolute):
            return {"uri": f"file:///{absolute[:2]}{_quoted(absolute[2:])}"}
        # Windows' //server/share names a host, as the two slashes of a URI do.
        return {"uri": f"file:{'' if absolute.startswith('//') else '//'}{_quoted(absolute)}"}

    def artifact(self, artifact: Mapping[str, Any]) -> dict[str, str]:
        """An artifact's location; a directory is shown by the file that makes it one, as alerts are of files."""
        return self.location(self.file(artifact))

    def file(self, artifact: Mapping[str, Any]) -> str:
        """The path of the file by which an artifact is shown."""
        path: str = artifact["path"]
        try:
            marker = directory_marker(Path(self.base, path))
        except OSError:  # a directory that may not be looked into
            marker = None
        if marker is not None:
            return f"{path}/{marker.name}"
        # A merged report may tell of files that are on another machine.
        return f"{path}/saved_model.pb" if artifact["format"] == "savedmodel" else path

    def inside(self, where: str) -> list[str]:
        """The places in the artifact that a finding's ``where`` lists, each once; without how many more there are.

        What it says of files of this machine is cut down to the path under the root: runs elsewhere say the same.
        """
        places = dict.fromkeys(_MORE.sub("", where).split(", "))
        return [_below(place, self.root) or place for place in places if place][:_MOST]


def physical(location: Mapping[str, Any], places: list[str]) -> dict[str, Any]:
    """A ``location``: the start of an artifact's file, and places inside of the artifact."""
    found: dict[str, Any] = {"physicalLocation": {"artifactLocation": dict(location), "region": _START}}
    if places:
        found["logicalLocations"] = [
            {"name": place.rstrip("/").rpartition("/")[2] or place, "fullyQualifiedName": place} for place in places
        ]
    return found


def _is_absolute(path: str) -> bool:
    return path.startswith("/") or bool(_DRIVE.match(path))


def _below(path: str, root: str) -> str:
    """The path from a directory on; empty where it is not under it."""
    start = f"{root.rstrip('/')}/"
    return path[len(start) :] if path.startswith(start) else ""


def _quoted(path: str) -> str:
    """Percent-encoded, but for the slashes; bytes of a name that are no UTF-8 stay these bytes."""
    return quote(path.encode("utf-8", "surrogateescape" if _escapes(path) else "replace"), safe="/")


def _escapes(path: str) -> bool:
    """Whether surrogates in a text are all Python's for bytes: a report out of a file may hold others."""
    return not any("\ud800" <= one < "\udc80" or "\udcff" < one <= "\udfff" for one in path)
