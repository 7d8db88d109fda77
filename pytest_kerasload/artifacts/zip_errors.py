"""What :mod:`zipfile` raises on archives that are damaged, encrypted or packed in an odd way."""

from __future__ import annotations

import struct
import zipfile
import zlib

try:
    from lzma import LZMAError
except ImportError:  # a Python that was built without it unpacks nothing of the kind
    LZMAError = zipfile.BadZipFile  # type: ignore[misc,assignment]

ZIP_ERRORS: tuple[type[Exception], ...] = (
    *(zipfile.BadZipFile, zipfile.LargeZipFile, OSError, EOFError, KeyError, ValueError, IndexError, RuntimeError),
    *(NotImplementedError, struct.error, zlib.error, LZMAError),
)
"""By where the damage is: in the directory, in a header, or in what is packed."""
