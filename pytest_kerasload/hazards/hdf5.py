"""HDF5 content: data that comes from elsewhere, and data that is not there.

Asked through links and creation properties only. No external link is followed and no data is read, so that the
questions are answered before anything happens that they are about. ``scanned`` is called through
:mod:`pytest_kerasload.artifacts.isolation`, because of what damage can do to the HDF5 library.
"""

from __future__ import annotations

import math
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import h5py

from pytest_kerasload.artifacts.isolation import isolated
from pytest_kerasload.artifacts.weights import text
from pytest_kerasload.causes import safety
from pytest_kerasload.causes.catalogue import cause
from pytest_kerasload.hazards.hazard import BOMB_BYTES, Hazard, size, unfolds

_OWN_FILTERS = frozenset({1, 2, 3, 4, 5, 6, 32000})
"""Filters that are built into HDF5 (deflate, shuffle, fletcher32, szip, nbit, scaleoffset) or h5py (lzf)."""


_CONFIGS = ("model_config", "training_config")
_SPOOLED = 64 * 1024 * 1024


def hazards(path: Path, member: str = "") -> tuple[list[Hazard], dict[str, str]]:
    """The hazards of a file, or of a member of an archive, and its configurations as written.

    ChildGone or RuntimeError, and what else :func:`isolated` raises, where the file cannot be gone through.
    """
    found = isolated(scanned, str(path), member)
    return [Hazard(cause(code), *told) for code, *told in found["hazards"]], found["configs"]


def scanned(path: str, member: str) -> dict[str, Any]:
    """What :func:`hazards` gives, as JSON values."""
    if not member:
        with h5py.File(path, "r") as file:
            return _scanned(file, "")
    with zipfile.ZipFile(path) as archive, archive.open(member) as packed:
        # Keras stores members uncompressed, and then nothing is copied.
        stored = archive.getinfo(member).compress_type == zipfile.ZIP_STORED
        with h5py.File(packed if stored else _unpacked(packed), "r") as file:
            return _scanned(file, member)


def _unpacked(packed: IO[bytes]) -> Any:
    content = tempfile.SpooledTemporaryFile(_SPOOLED)  # noqa: SIM115 (lives as long as the HDF5 file on it)
    shutil.copyfileobj(packed, content)
    return content


def _scanned(file: h5py.File, document: str) -> dict[str, Any]:
    written = {name: text(file.attrs[name]) for name in _CONFIGS if name in file.attrs}
    found = [(hazard.cause.code, hazard.place, hazard.text, hazard.fails) for hazard in hazards_in(file, document)]
    return {"hazards": found, "configs": {name: value for name, value in written.items() if value is not None}}


def hazards_in(file: h5py.File, document: str = "") -> Iterator[Hazard]:
    """The hazards of a file; ``document`` is its name in the archive it is a member of."""
    declared = stored = 0
    bombs = False
    # The groups above each group, by address: one that is among them contains itself.
    waiting: list[tuple[Any, str, tuple[int, ...]]] = [(file.id, "", ())]
    seen: set[int] = set()
    while waiting:
        group, path, above = waiting.pop()
        address = h5py.h5o.get_info(group).addr
        if address in above:
            yield Hazard(safety.HDF5_CYCLE, _place(document, path), "a group inside itself")
        if address in seen:
            continue
        seen.add(address)
        for name in group:
            child = f"{path}/{name.decode('utf-8', 'replace')}".lstrip("/")
            kind = group.links.get_info(name).type
            if kind != h5py.h5l.TYPE_HARD:
                yield _link(group, name, kind, _place(document, child))
                continue
            item = h5py.h5o.open(group, name)
            if isinstance(item, h5py.h5g.GroupID):
                waiting.append((item, child, (*above, address)))
            elif isinstance(item, h5py.h5d.DatasetID):
                for hazard in _dataset(item, _place(document, child)):
                    bombs = bombs or hazard.cause is safety.HDF5_BOMB
                    yield hazard
                declared += _declared(item)
                stored += item.get_storage_size()
    if not bombs and unfolds(declared, stored):
        claim = f"the datasets claim {size(declared)} together, and {size(stored)} are stored"
        yield Hazard(safety.HDF5_BOMB, document or "all datasets", claim)


def _place(document: str, path: str) -> str:
    return f"{document}: {path}" if document else path


def _link(group: Any, name: bytes, kind: int, place: str) -> Hazard:
    if kind == h5py.h5l.TYPE_EXTERNAL:
        file, path = group.links.get_val(name)
        target = f"{path.decode('utf-8', 'replace')} in {file.decode('utf-8', 'replace')!r}"
        return Hazard(safety.HDF5_EXTERNAL, place, f"an external link to {target}")
    if kind == h5py.h5l.TYPE_SOFT:
        target = group.links.get_val(name).decode("utf-8", "replace")
        return Hazard(safety.HDF5_SOFT_LINK, place, f"a soft link to {target!r}", fails=False)
    return Hazard(safety.UNINSPECTABLE, place, f"a link of the user-defined kind {kind}, resolved by a library")


def _dataset(dataset: Any, place: str) -> Iterator[Hazard]:
    properties = dataset.get_create_plist()
    for number in range(properties.get_external_count()):
        file = properties.get_external(number)[0].decode("utf-8", "replace")
        yield Hazard(safety.HDF5_EXTERNAL, place, f"its data is in the file {file!r}")
    if properties.get_layout() == h5py.h5d.VIRTUAL:
        sources = {properties.get_virtual_filename(number) for number in range(properties.get_virtual_count())}
        for source in sorted(sources - {"."}):
            yield Hazard(safety.HDF5_EXTERNAL, place, f"its data is mapped from the file {source!r}")
    for number in range(properties.get_nfilters()):
        code, _, _, name = properties.get_filter(number)
        if code not in _OWN_FILTERS:
            said = name.decode("utf-8", "replace") or "without a name"
            yield Hazard(safety.HDF5_FILTER, place, f"needs the HDF5 filter {code} ({said})", fails=False)
    declared, stored = _declared(dataset), dataset.get_storage_size()
    if unfolds(declared, stored):
        yield Hazard(safety.HDF5_BOMB, place, f"claims {size(declared)}, and {size(stored)} are stored")
    elif properties.get_layout() == h5py.h5d.CHUNKED:
        chunk = math.prod(properties.get_chunk()) * dataset.get_type().get_size()
        if chunk > BOMB_BYTES and unfolds(chunk, stored):
            yield Hazard(safety.HDF5_BOMB, place, f"is in chunks of {size(chunk)}, and {size(stored)} are stored")


def _declared(dataset: Any) -> int:
    shape = dataset.shape
    return 0 if shape is None else math.prod(shape) * int(dataset.get_type().get_size())
