"""What an environment's process may answer: each reply is held against the form of the question's answers.

The process holds an artifact that nobody trusts yet. A reply of another form, or larger than any real one, is refused
before a check sees it.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from pytest_kerasload import npy
from pytest_kerasload.environments.channel import parts

_LARGEST_TEXT = 1 << 20
_LARGEST_DOCUMENT = 1 << 25
"""Bytes of JSON. A list of empty lists takes thirty times its text in memory."""

_MOST = 1_000_000
_LARGEST_NUMBER = 1 << 62
_KINDS = "biufcSU"

Check = Callable[[Any, Sequence[memoryview]], Any]
"""Gives the value back, byte strings in place of their numbers; ValueError for a value that is none of its kind."""


class ReplyRefused(ValueError):
    """A reply that no question has; the text says what is wrong with it, ready to follow "it answered with"."""


def unpacked(question: str, data: Any) -> dict[str, Any]:
    """The reply that these bytes hold; ReplyRefused where they hold none to this question."""
    try:
        if not isinstance(data, bytes):
            raise ValueError("what is no byte string")
        found = parts(data)
        if len(found[0]) > _LARGEST_DOCUMENT:
            raise ValueError(f"{len(found[0]):,} bytes of JSON")
        reply = json.loads(bytes(found[0]))
        form = {**_COMMON, **(_FORMS[question] if reply.get("ok") is True else {"error": _ERROR})}
        checked: dict[str, Any] = _record(form)(reply, found)
        return checked
    except (ValueError, AttributeError, RecursionError) as error:
        raise ReplyRefused(str(error)[:300] or "what cannot be read") from None


# ---- kinds of values


def _text(value: Any, _: Sequence[memoryview]) -> str:
    if not isinstance(value, str) or len(value) > _LARGEST_TEXT:
        raise ValueError("what is no text, or too long")
    # Half of a surrogate pair cannot be printed.
    return value.encode("utf-8", "replace").decode("utf-8")


def _whole(value: Any, _: Sequence[memoryview]) -> int:
    if type(value) is not int or abs(value) > _LARGEST_NUMBER:
        raise ValueError("what is no whole number")
    return value


def _real(value: Any, found: Sequence[memoryview]) -> float:
    return value if type(value) is float else float(_whole(value, found))


def _flag(value: Any, _: Sequence[memoryview]) -> bool:
    if type(value) is not bool:
        raise ValueError("what is neither true nor false")
    return value


def _bytes(value: Any, found: Sequence[memoryview]) -> bytes:
    if type(value) is not int or not 0 < value < len(found):
        raise ValueError("what is no byte string")
    return bytes(found[value])


def _array(value: Any, found: Sequence[memoryview]) -> NDArray[Any]:
    """The array in ``.npy`` bytes: numbers or text, and as much of it as the bytes hold."""
    data = _bytes(value, found)
    stream = io.BytesIO(data)
    array = npy.load(stream, len(data))
    if array.dtype.kind not in _KINDS or stream.read(1):
        raise ValueError("what is no array of numbers or text")
    return array


def _anything(value: Any, _: Sequence[memoryview]) -> Any:
    """Plain data of whatever form; how deep and how long it is was bounded when it was read."""
    return value


def _plain_record(value: Any, _: Sequence[memoryview]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("what is no record")
    return value


def _none(value: Any, _: Sequence[memoryview]) -> None:
    if value is not None:
        raise ValueError("what is not nothing")


def _or_none(check: Check) -> Check:
    return lambda value, found: None if value is None else check(value, found)


def _list(check: Check, most: int = _MOST) -> Check:
    def checked(value: Any, found: Sequence[memoryview]) -> list[Any]:
        if not isinstance(value, list) or len(value) > most:
            raise ValueError("what is no list, or too long")
        return [check(item, found) for item in value]

    return checked


def _row(*checks: Check) -> Check:
    def checked(value: Any, found: Sequence[memoryview]) -> list[Any]:
        if not isinstance(value, list) or len(value) != len(checks):
            raise ValueError(f"what is no row of {len(checks)}")
        return [check(item, found) for check, item in zip(checks, value, strict=True)]

    return checked


def _record(form: Mapping[str, Check]) -> Check:
    """A dict with these keys. Those with a question mark may be missing; what else is there is left out."""

    def checked(value: Any, found: Sequence[memoryview]) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise ValueError("what is no record")
        answer = {}
        for key, check in form.items():
            name = key.rstrip("?")
            if name in value or name == key:
                try:
                    answer[name] = check(value.get(name), found)
                except ValueError as error:
                    raise ValueError(f"{name}: {error}") from None
        return answer

    return checked


# ---- the forms

_texts = _list(_text)
_input = _record(
    {
        "name": _text,
        "aliases": _texts,
        "shape": _or_none(_list(_or_none(_whole))),
        "dtype": _text,
        "ragged?": _or_none(_flag),
        "sparse?": _or_none(_flag),
        "bound?": _or_none(_whole),
        "vocabulary?": _or_none(_texts),
        "endpoint?": _text,
        "sentences?": _or_none(_flag),
        "choices?": _or_none(_list(_whole)),
        "centre?": _or_none(_list(_real)),
        "spread?": _or_none(_list(_real)),
        "padding?": _or_none(_real),
    }
)
_difference = _record(
    {
        "counts": _row(_whole, _whole),
        "names": _row(_texts, _texts),
        "places": _list(_row(_text, _whole, _text, _text, _or_none(_real))),
    }
)
_fingerprint = _record({"name": _text, "shape": _list(_whole), "sum": _real, "mean": _real, "rms": _real})
_said = _record({"type": _text, "text": _text})
_answer = _record({"found": _flag, "complaint": _or_none(_said), "what": _text, "forgotten": _list(_row(_text, _text))})
_file = _record({"data": _bytes, "more": _flag})

_ERROR = _record({"type": _text, "text": _text, "traceback": _text})
_COMMON: dict[str, Check] = {
    "ok": _flag,
    "remarks": _list(_text, 100),
    "watched?": _list(_row(_text, _text, _text), 100),
}
_FORMS: dict[str, dict[str, Check]] = {
    "hello": {"python": _text, "tensorflow": _text, "keras": _text, "flavour": _text},
    "declare": {"names": _texts},
    "resolve": {"answers": _list(_answer)},
    "load": {"kind": _text, "inputs": _list(_input), "endpoints": _texts},
    "predict": {"outputs": _list(_row(_texts, _array))},
    "weights": {"weights": _list(_row(_text, _list(_whole), _text, _whole)), "elements": _whole},
    "fingerprints": {"weights": _list(_fingerprint)},
    "nested": {"found": _list(_record({"layer": _text, "class": _text, "attribute": _text}))},
    "perturb": {"variables": _whole},
    "restore": {},
    "compare": {
        "weights": _difference,
        "optimizer": _difference,
        "config?": _row(_anything, _anything),
        "compile?": _row(_plain_record, _plain_record),
    },
    "save": {},
    "release": {},
    "latency": {"seconds": _list(_real)},
    "files open": {"answer": _none},
    "files put": {"answer": _none},
    "files find": {"answer": _or_none(_text)},
    "files keep": {"answer": _text},
    "files folder": {"answer": _text},
    "files parts": {"answer": _texts},
    "files read": {"answer": _file},
}
