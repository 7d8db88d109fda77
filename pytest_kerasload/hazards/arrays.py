"""Arrays as ``.npz`` and ``.npy``: pickled objects, and arrays that are not there."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from typing import IO

from numpy.lib.format import MAGIC_PREFIX

from pytest_kerasload import npy
from pytest_kerasload.artifacts.layers import product
from pytest_kerasload.causes import safety
from pytest_kerasload.hazards.hazard import Hazard, size, unfolds

_ZIP = (b"PK\x03\x04", b"PK\x05\x06")


def hazards(content: IO[bytes], document: str) -> Iterator[Hazard]:
    """The hazards of an ``.npz`` or ``.npy`` file; ``document`` is its name in the archive."""
    head = content.read(len(MAGIC_PREFIX))
    if not head.startswith(_ZIP):
        # np.load takes what is neither .npz nor .npy for a pickle.
        if head == MAGIC_PREFIX:
            yield from _array(content, content.seek(0, io.SEEK_END), document)
        elif head:
            yield Hazard(safety.PICKLED_WEIGHTS, document, "is no array file, and then NumPy takes it for a pickle")
        return
    content.seek(0)
    with zipfile.ZipFile(content) as archive:
        infos = archive.infolist()
        whole, packed = sum(info.file_size for info in infos), sum(info.compress_size for info in infos)
        if unfolds(whole, packed):
            yield Hazard(safety.ARCHIVE_BOMB, document, f"unfolds to {size(whole)} out of {size(packed)}")
        for info in infos:
            # np.load goes by the content of a member, not by its suffix.
            with archive.open(info) as member:
                place = f"{document}: {info.filename.removesuffix('.npy')}"
                yield from _array(member, info.compress_size, place)


def _array(content: IO[bytes], stored: int, place: str) -> Iterator[Hazard]:
    content.seek(0)
    if content.read(len(MAGIC_PREFIX)) != MAGIC_PREFIX:
        return
    content.seek(0)
    try:
        shape, _, dtype = npy.header(content)
    except ValueError:
        yield Hazard(safety.UNINSPECTABLE, place, "an array whose header cannot be read")
        return
    declared = product(shape) * dtype.itemsize
    if dtype.hasobject:
        yield Hazard(safety.PICKLED_WEIGHTS, place, "an array of Python objects, which is a pickle")
    elif unfolds(declared, stored):
        yield Hazard(safety.HDF5_BOMB, place, f"claims {size(declared)}, and {size(stored)} are stored")
