"""HDF5 content: data that comes from elsewhere, and data that is not there.

Asked through links and creation properties only. No external link is followed and no data is read, so that the
questions are answered before anything happens that they are about. ``scanned`` is called through
:mod:`pytest_kerasload.artifacts.isolation`, because of what damage can do to the HDF5 library.
"""

from __future__ import annotations

import json
import math
import posixpath
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
from pytest_kerasload.hazards.cycles import looped
from pytest_kerasload.hazards.hazard import BOMB_BYTES, BOMB_RATIO, Hazard, size, unfolds

_OWN_FILTERS = frozenset({1, 2, 3, 4, 5, 6, 32000})
"""Filters that are built into HDF5 (deflate, shuffle, fletcher32, szip, nbit, scaleoffset) or h5py (lzf)."""


_CONFIGS = ("model_config", "training_config")
_SPOOLED = 64 * 1024 * 1024

_KNOWN_BYTES = 1 << 32
"""Up to here an array of zeros may be packed as well as it goes, where the configuration has its shape: a layer that
was not trained yet, in a file that was packed again. 4 GiB, the floor Keras 3.15 has for one dataset."""

_SMALL = 1 << 20
"""A dataset that claims less is not named as a part of what is too much together."""

_NAMED = 20


def hazards(path: Path, member: str = "", document: str = "") -> tuple[list[Hazard], dict[str, str]]:
    """The hazards of a file, or of a member of an archive, and its configurations as written.

    ``document`` is the name of a file that is part of an unpacked archive.
    ChildGone or RuntimeError, and what else :func:`isolated` raises, where the file cannot be gone through.
    """
    found = isolated(scanned, str(path), member, document)
    return [Hazard(cause(code), *told) for code, *told in found["hazards"]], found["configs"]


def scanned(path: str, member: str, document: str) -> dict[str, Any]:
    """What :func:`hazards` gives, as JSON values."""
    if not member:
        beside = Path(path).with_name("config.json")
        config = beside.read_bytes() if document and beside.is_file() else b""
        with h5py.File(path, "r") as file:
            return _scanned(file, document, config)
    with zipfile.ZipFile(path) as archive, archive.open(member) as packed:
        # Keras stores members uncompressed, and then nothing is copied.
        stored = archive.getinfo(member).compress_type == zipfile.ZIP_STORED
        config = archive.read("config.json") if "config.json" in archive.namelist() else b""
        with h5py.File(packed if stored else _unpacked(packed), "r") as file:
            return _scanned(file, member, config)


def _unpacked(packed: IO[bytes]) -> Any:
    content = tempfile.SpooledTemporaryFile(_SPOOLED)  # noqa: SIM115 (lives as long as the HDF5 file on it)
    shutil.copyfileobj(packed, content)
    return content


def _scanned(file: h5py.File, document: str, config: str | bytes = "") -> dict[str, Any]:
    written = {name: text(file.attrs[name]) for name in _CONFIGS if name in file.attrs}
    known = _sizes_in(config or written.get("model_config") or "")
    found = [
        (hazard.cause.code, hazard.place, hazard.text, hazard.fails) for hazard in hazards_in(file, document, known)
    ]
    return {"hazards": found, "configs": {name: value for name, value in written.items() if value is not None}}


def _sizes_in(config: str | bytes) -> frozenset[int]:
    """Every whole number in a configuration: what the dimensions of its weights are taken from."""
    found: set[int] = set()
    try:
        waiting = [json.loads(config)] if config else []
    except (ValueError, RecursionError):
        return frozenset()
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
        elif isinstance(value, int):
            found.add(value)
    return frozenset(found)


def hazards_in(file: h5py.File, document: str = "", known: frozenset[int] = frozenset()) -> Iterator[Hazard]:
    """The hazards of a file; ``document`` is its name in the archive it is a member of.

    ``known`` are the sizes in the configuration of the model.
    """
    declared = stored = 0
    bombs = False
    thin: list[str] = []
    soft: dict[str, str] = {}
    yield from _user_block(file, document)
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
                if kind == h5py.h5l.TYPE_SOFT:
                    target = group.links.get_val(name).decode("utf-8", "replace")
                    soft[child] = posixpath.normpath(posixpath.join("/", path, target)).strip("/")
                yield _link(group, name, kind, _place(document, child))
                continue
            item = h5py.h5o.open(group, name)
            if isinstance(item, h5py.h5g.GroupID):
                waiting.append((item, child, (*above, address)))
            elif isinstance(item, h5py.h5d.DatasetID):
                honest = _is_known(item, known)
                for hazard in _dataset(item, _place(document, child), honest):
                    bombs = bombs or hazard.cause is safety.HDF5_BOMB
                    yield hazard
                if not honest:
                    declared += _declared(item)
                    stored += item.get_storage_size()
                    if _declared(item) > max(_SMALL, BOMB_RATIO * item.get_storage_size()):
                        thin.append(_place(document, child))
    if not bombs and unfolds(declared, stored):
        claim = f"the datasets claim {size(declared)} together, and {size(stored)} are stored"
        for place in thin[:_NAMED] or [document or "all datasets"]:
            yield Hazard(safety.HDF5_BOMB, place, claim)
    for link in sorted(looped(soft)):
        yield Hazard(
            safety.HDF5_CYCLE, _place(document, link), f"a soft link that leads back to itself, {soft[link]!r}"
        )


def _user_block(file: h5py.File, document: str) -> Iterator[Hazard]:
    """What stands before the HDF5 content: zeros, or something that another reader takes the file for."""
    length = file.userblock_size
    if length and not document:
        with open(file.filename, "rb") as content:
            head = content.read(length)
        if head.strip(b"\0"):
            text_of = (
                f"{length} bytes before the HDF5 content, beginning {head[:8]!r}: another reader takes them for it"
            )
            yield Hazard(safety.AMBIGUOUS, "user block", text_of)


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


def _is_known(dataset: Any, known: frozenset[int]) -> bool:
    """Whether every chunk of a dataset is stored, and the configuration has the numbers of its shape."""
    properties = dataset.get_create_plist()
    if properties.get_layout() != h5py.h5d.CHUNKED or not set(dataset.shape or (0,)) <= known:
        return False
    chunks = math.prod(-(-length // chunk) for length, chunk in zip(dataset.shape, properties.get_chunk(), strict=True))
    return _declared(dataset) <= _KNOWN_BYTES and int(dataset.get_num_chunks()) == chunks


def _dataset(dataset: Any, place: str, honest: bool) -> Iterator[Hazard]:
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
            yield Hazard(safety.HDF5_FILTER, place, f"needs the HDF5 filter {code} ({said})")
    if honest:
        return
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
