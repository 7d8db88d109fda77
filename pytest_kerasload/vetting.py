"""Files of expected outputs read with care: what is wrong with one is said before it is relied on."""

from __future__ import annotations

import zipfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import psutil

from pytest_kerasload import expected
from pytest_kerasload.artifacts.sniffing import Content, content_of
from pytest_kerasload.expected import Expected, ExpectedUnreadable
from pytest_kerasload.hazards.hazard import size

_LARGE = 4 << 30
_RATIO = 100
_COMPARABLE = "biufcSU"
_INPUTS = ("input", "inputs", "in", "x", "feature", "features", "args")
_OUTPUTS = ("output", "outputs", "out", "y", "expected", "prediction", "predictions", "predicted", "result", "results")


def read(path: Path) -> Expected:
    """The expected outputs in a file; ExpectedUnreadable, with what is wrong, when they cannot be relied on."""
    _archive(path)
    known = expected.read(path)
    _version(known)
    for kind, arrays in (("inputs", known.inputs), ("outputs", known.outputs)):
        for name, array in arrays.items():
            if not name:
                raise ExpectedUnreadable(f"an array is named {kind}/ and no more; by position it is {kind}/0")
            if array.dtype.kind not in _COMPARABLE:
                raise ExpectedUnreadable(f"{kind}/{name} holds {array.dtype}; it can hold numbers, bool or text")
            if not array.size and (kind == "outputs" or not array.shape[0]):
                raise ExpectedUnreadable(f"{kind}/{name} is empty (shape {list(array.shape)})")
    return known


def rows(known: Expected) -> str:
    """In words, when inputs and outputs have different numbers of rows; empty when they have the same.

    No fault of its own: a model may answer a batch with something that is none.
    """
    counts = {f"inputs/{name}": array.shape[:1] for name, array in known.inputs.items()}
    counts |= {f"outputs/{name}": array.shape[:1] for name, array in known.outputs.items()}
    if len(set(counts.values())) < 2:
        return ""
    told = ", ".join(f"{name} has {count[0] if count else 'no'}" for name, count in counts.items())
    return f"numbers of rows in the file: {told}"


def _archive(path: Path) -> None:
    """What the file's own list of contents shows, before any of it is unpacked."""
    content = content_of(path)
    if content != "zip":
        raise ExpectedUnreadable(_instead(path, content))
    try:
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
    except OSError:
        raise
    except Exception as error:  # of several kinds, by where the damage is
        raise ExpectedUnreadable(f"it is cut off or damaged ({error})") from error
    whole, packed = sum(info.file_size for info in infos), sum(info.compress_size for info in infos)
    memory = psutil.virtual_memory().total
    if whole > memory // 2 or whole > max(_LARGE, _RATIO * packed):
        raise ExpectedUnreadable(
            f"it unpacks to {size(whole)} out of {size(packed)}, which is more than expected outputs are; record fewer "
            "rows"
        )
    names = Counter(info.filename.removesuffix(".npy") for info in infos)
    twice = [name for name, count in names.items() if count > 1]
    if twice:
        raise ExpectedUnreadable(f"it holds {', '.join(map(repr, twice[:5]))} twice: which one counts?")
    foreign = [n for n in names if not n.startswith(("inputs/", "outputs/")) and n != "provenance"]
    if foreign:
        raise ExpectedUnreadable(
            f"it holds {', '.join(map(repr, foreign[:5]))}; arrays are named inputs/<name> and outputs/<name>, "
            f"by the model's names or by position{_meant(foreign)}"
        )


def _instead(path: Path, content: Content) -> str:
    """What a file that is no zip archive is instead."""
    if content == "lfs-pointer":
        return "it is a Git LFS pointer, and the file that it stands for was not fetched: git lfs pull"
    with path.open("rb") as stream:
        if stream.read(6) == b"\x93NUMPY":
            return "it is a single array (.npy) under another name: numpy.savez writes several, by their names"
    known = {"empty": "empty (0 bytes)", "html": "a web page", "pickle": "a Python pickle, which is not opened"}
    return f"it is {known.get(content, 'something else')}, no NumPy .npz"


def _meant(foreign: Iterable[str]) -> str:
    """The names that were probably meant, for those that tell: ``: 'y' may be 'outputs/0'``."""
    found = []
    for name in foreign:
        first, _, rest = name.replace("\\", "/").strip("/").partition("/")
        word = first.lower().rstrip("_0123456789")
        kind = "inputs" if word in _INPUTS else "outputs" if word in _OUTPUTS else ""
        number = first[len(word) :].lstrip("_")
        if kind:
            found.append(f"{name!r} may be {f'{kind}/{rest or number or 0}'!r}")
    return f": {', '.join(found[:5])}" if found else ""


def _version(known: Expected) -> None:
    version = known.provenance.get("format_version", expected.FORMAT_VERSION)
    if type(version) is not int or not 1 <= version <= expected.FORMAT_VERSION:
        raise ExpectedUnreadable(
            f"its provenance says format version {str(version)[:40]!r}; there are 1 to {expected.FORMAT_VERSION}: "
            "write it again, or leave the version out"
        )
