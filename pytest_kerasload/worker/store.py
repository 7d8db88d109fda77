"""Files on a machine that is not pytest's: artifacts that were sent, by their digest, and what is saved there."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from typing import Any, Dict, List, Optional

_UNUSED_SECONDS = 30 * 24 * 3600.0
"""What was sent and not asked for again is deleted."""
_CHUNK = 4 << 20


class Store:
    """What was sent lies in a cache directory of the user's; what is saved in one that ends with the process."""

    def __init__(self, root: str, scratch: str) -> None:
        self.root = root
        self.scratch = scratch
        os.makedirs(self.root, exist_ok=True)
        os.makedirs(scratch, exist_ok=True)
        for name in os.listdir(self.root):
            path = os.path.join(self.root, name)
            if time.time() - os.path.getmtime(path) > _UNUSED_SECONDS:
                shutil.rmtree(path, ignore_errors=True)

    def find(self, digest: str, name: str) -> Optional[str]:
        """Where the file or directory of a digest lies, if it was sent."""
        path = os.path.join(self.root, digest, name)
        if not os.path.exists(path):
            return None
        if self._digest(path) != digest:  # what was loaded since may have written there
            shutil.rmtree(os.path.dirname(path), ignore_errors=True)
            return None
        os.utime(os.path.join(self.root, digest))
        return path

    def put(self, token: str, part: str, data: bytes) -> None:
        """Add to a file of what is being sent; ``part`` is its path, with the name of what is sent in front."""
        path = self._inside(os.path.join(self.scratch, token), part)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "ab") as stream:
            stream.write(data)

    def keep(self, token: str, digest: str, name: str) -> str:
        """Put what was sent in its place, at once and as a whole, unless somebody else did meanwhile."""
        beside = os.path.join(self.root, "%s.%s" % (digest, token))
        shutil.move(os.path.join(self.scratch, token), beside)
        try:
            os.rename(beside, os.path.join(self.root, digest))
        except OSError:
            shutil.rmtree(beside, ignore_errors=True)
        return os.path.join(self.root, digest, name)

    def folder(self, name: str) -> str:
        """A directory to save into."""
        path = self._inside(self.scratch, name)
        os.makedirs(path, exist_ok=True)
        return path

    def parts(self, path: str) -> List[str]:
        """The files below a directory that was saved; one empty name for a file."""
        if not os.path.isdir(path):
            return [""]
        found = (os.path.join(folder, name) for folder, _, names in os.walk(path) for name in names)
        return sorted(os.path.relpath(one, path) for one in found)

    def read(self, path: str, part: str, offset: int) -> Dict[str, Any]:
        """Some of a file that was saved, from an offset."""
        with open(os.path.join(path, part) if part else path, "rb") as stream:
            stream.seek(offset)
            data = stream.read(_CHUNK)
        return {"data": data, "more": len(data) == _CHUNK}

    def _digest(self, path: str) -> str:
        """The SHA-256 of a file; of a directory over path and digest of each file, as the other side makes it."""
        digest = hashlib.sha256()
        if os.path.isdir(path):
            for part in sorted(part.replace(os.sep, "/") for part in self.parts(path)):
                digest.update(("%s\0%s\n" % (part, self._digest(os.path.join(path, part)))).encode())
            return digest.hexdigest()
        with open(path, "rb") as stream:
            for chunk in iter(lambda: stream.read(_CHUNK), b""):
                digest.update(chunk)
        return digest.hexdigest()

    @staticmethod
    def _inside(root: str, part: str) -> str:
        path = os.path.normpath(os.path.join(root, part))
        if path != root and not path.startswith(root + os.sep):
            raise ValueError("%r leads out of %r" % (part, root))
        return path
