"""``kerasload.toml``: what a team says of single artifacts, read and validated."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterable, Mapping
from math import inf, isfinite
from pathlib import Path
from typing import Any

from pytest_kerasload.settings import DTYPES, FORMATS, BadSetting, parse_reference

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FILE_NAME = "kerasload.toml"

_NUMBER = (int, float)
_KEYS: Mapping[str, tuple[type, ...]] = {
    "skip": (bool,),
    "xfail": (bool,),
    "reason": (str,),
    "rtol": _NUMBER,
    "atol": _NUMBER,
    "outputs": (dict,),
    "max_mismatch": _NUMBER,
    "inputs": (dict,),
    "custom_objects": (str, list),
    "trust": (bool,),
    "roundtrip": (str, list),
    "environments": (str, list),
}
_WORDS = frozenset({"custom_objects", "roundtrip", "environments"})
_OUTPUT_KEYS: Mapping[str, tuple[type, ...]] = {"rtol": _NUMBER, "atol": _NUMBER}
_INPUT_KEYS: Mapping[str, tuple[type, ...]] = {
    "shape": (list,),
    "dtype": (str,),
    "min": _NUMBER,
    "max": _NUMBER,
    "values": (list,),
}


def read(root: Path) -> tuple[tuple[str, Mapping[str, Any]], ...]:
    """The tables of the file in an artifact root: a glob, and the fields of Overrides that are given for it.

    BadSetting, with file, table and key, for anything that the format does not know. Empty without a file.
    """
    path = (root if root.is_dir() else root.parent) / FILE_NAME
    if not path.is_file():
        return ()
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:  # of the text's encoding, the format, numbers of a thousand digits
        raise BadSetting(f"{path}: it is no TOML ({error})") from error
    _check_numbers(path, content)
    found = []
    for glob, table in content.items():
        if not isinstance(table, dict):
            raise BadSetting(f'{path}: {glob!r} stands outside a table; settings go under a glob: ["*.h5"]')
        try:
            found.append((glob, _fields(table, path.parent)))
        except BadSetting as error:
            raise BadSetting(f'{path}: ["{glob}"]: {error}') from None
    return tuple(found)


def _check_numbers(path: Path, content: Any) -> None:
    """BadSetting for a whole number that TOML has no room for: it takes hexadecimal ones of any length."""
    waiting = [content]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            waiting.extend(one.values())
        elif isinstance(one, list):
            waiting.extend(one)
        elif isinstance(one, int) and one.bit_length() > 64:
            raise BadSetting(f"{path}: a number of {one.bit_length()} bits, where TOML has 64")


def _fields(table: Mapping[str, Any], base: Path) -> Mapping[str, Any]:
    """A table's keys as fields of Overrides."""
    _check(table, _KEYS)
    for name, keys in (("outputs", _OUTPUT_KEYS), ("inputs", _INPUT_KEYS)):
        for key, value in table.get(name, {}).items():
            if not isinstance(value, dict):
                raise BadSetting(f"{name}.{key} = {value!r} should be a table")
            try:
                _check(value, keys)
            except BadSetting as error:
                raise BadSetting(f"{name}.{key}: {error}") from None
    if (table.get("xfail") or table.get("skip")) and not table.get("reason"):
        raise BadSetting('say why with reason = "...": it is shown in the report')
    fields = dict(table)
    for name in _WORDS & set(table):
        fields[name] = tuple(map(str, [table[name]] if isinstance(table[name], str) else table[name]))
    for word in fields.get("roundtrip", ()):
        if word not in FORMATS:
            raise BadSetting(f"roundtrip = {word!r} is none of {', '.join(FORMATS)}")
    if "custom_objects" in fields:
        fields["custom_objects"] = tuple(parse_reference(text, base) for text in fields["custom_objects"])
    return fields


def input_table(given: Mapping[str, Any]) -> dict[str, Any]:
    """The table of one input that was given in Python; BadSetting as for one of the file.

    Tuples and arrays stand for lists, None for a size that is free.
    """
    table = {key: _plain(value) for key, value in given.items()}
    if isinstance(table.get("shape"), list):
        table["shape"] = [-1 if size is None else size for size in table["shape"]]
    _check(table, _INPUT_KEYS)
    return table


def _plain(value: Any) -> Any:
    """A value as TOML would have given it: NumPy's scalars as numbers, arrays and tuples as lists."""
    if hasattr(value, "tolist"):
        return value.tolist()
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _check(table: Mapping[str, Any], keys: Mapping[str, tuple[type, ...]]) -> None:
    """BadSetting for a key that is not known, or a value of another type or out of range."""
    for key, value in table.items():
        if key not in keys:
            raise BadSetting(f"unknown key {key!r}{_hint(key, keys)}")
        allowed: Any = keys[key]  # typed, it would narrow the value to object
        if not isinstance(value, allowed) or (isinstance(value, bool) and bool not in keys[key]):
            wanted = " or ".join(
                {bool: "true/false", str: "text", list: "a list", dict: "a table"}.get(t, "a number") for t in keys[key]
            )
            raise BadSetting(f"{key} = {value!r} should be {wanted}")
        if keys[key] == _NUMBER and not (isfinite(value) and (key in ("min", "max") or value >= 0)):
            raise BadSetting(f"{key} = {value!r} is out of range")
        if key == "max_mismatch" and value >= 1:
            raise BadSetting(f"{key} = {value!r} is out of range: it is a share of the elements, below 1")
        if key == "shape" and not all(type(size) is int and (size > 0 or size == -1) for size in value):
            raise BadSetting(f"{key} = {value!r} should be whole numbers, batch first, -1 where any size will do")
        if key == "dtype" and value not in DTYPES:
            raise BadSetting(f"{key} = {value!r} is no dtype{_hint(value, DTYPES)}")
        if key == "values" and not value:
            raise BadSetting(f"{key} = {value!r} should hold the values to choose from")
    if table.get("min", -inf) > table.get("max", inf):
        raise BadSetting(f"min = {table['min']!r} is over max = {table['max']!r}")


def _hint(word: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; it can be one of {', '.join(known)}"
