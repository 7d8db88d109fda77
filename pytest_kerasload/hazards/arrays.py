"""Weights as ``.npz``: pickled objects, and arrays that are not there."""

from __future__ import annotations

import tokenize
import zipfile
from collections.abc import Iterator
from typing import IO

from numpy.lib import format as npy

from pytest_kerasload.artifacts.layers import product
from pytest_kerasload.causes import safety
from pytest_kerasload.hazards.hazard import Hazard, size, unfolds

_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_LONGEST_HEADER = 1 << 20


def hazards(content: IO[bytes], document: str) -> Iterator[Hazard]:
    """The hazards of an ``.npz`` file; ``document`` is its name in the archive."""
    head = content.read(len(npy.MAGIC_PREFIX))
    if not head.startswith(_ZIP):
        # np.load takes what is neither .npz nor .npy for a pickle.
        if head and head != npy.MAGIC_PREFIX:
            yield Hazard(safety.PICKLED_WEIGHTS, document, "is no .npz file, and then NumPy takes it for a pickle")
        return
    content.seek(0)
    with zipfile.ZipFile(content) as archive:
        infos = archive.infolist()
        whole, packed = sum(info.file_size for info in infos), sum(info.compress_size for info in infos)
        if unfolds(whole, packed):
            yield Hazard(safety.ARCHIVE_BOMB, document, f"unfolds to {size(whole)} out of {size(packed)}")
        for info in infos:
            # np.load goes by the content of a member, not by its suffix.
            yield from _array(archive, info, f"{document}: {info.filename.removesuffix('.npy')}")


def _array(archive: zipfile.ZipFile, info: zipfile.ZipInfo, place: str) -> Iterator[Hazard]:
    with archive.open(info) as member:
        try:
            version = npy.read_magic(member)
        except ValueError:
            return
        try:
            read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
            shape, _, dtype = read(member, max_header_size=_LONGEST_HEADER)
        except (ValueError, tokenize.TokenError, MemoryError, RecursionError):  # Python parses it
            yield Hazard(safety.UNINSPECTABLE, place, "an array whose header cannot be read")
            return
    if dtype.hasobject:
        yield Hazard(safety.PICKLED_WEIGHTS, place, "an array of Python objects, which is a pickle")
    elif unfolds(declared := product(shape) * dtype.itemsize, info.compress_size):
        yield Hazard(safety.HDF5_BOMB, place, f"claims {size(declared)}, and {size(info.compress_size)} are stored")
