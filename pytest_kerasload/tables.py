"""``kerasload.toml``: what a team says of single artifacts, read and validated."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytest_kerasload.settings import FORMATS, BadSetting, Overrides, parse_reference

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
_OUTPUT_KEYS: Mapping[str, tuple[type, ...]] = {"rtol": _NUMBER, "atol": _NUMBER}
_INPUT_KEYS: Mapping[str, tuple[type, ...]] = {
    "shape": (list,),
    "dtype": (str,),
    "min": _NUMBER,
    "max": _NUMBER,
    "values": (list,),
}


def read(root: Path) -> tuple[tuple[str, Overrides], ...]:
    """The tables of the file in an artifact root, as glob and overrides; empty without one.

    BadSetting, with file, table and key, for anything that the format does not know.
    """
    path = (root if root.is_dir() else root.parent) / FILE_NAME
    if not path.is_file():
        return ()
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadSetting(f"{path}: it is no TOML ({error})") from error
    found = []
    for glob, table in content.items():
        if not isinstance(table, dict):
            raise BadSetting(f'{path}: {glob!r} stands outside a table; settings go under a glob: ["*.h5"]')
        found.append((glob, _overrides(table, path, glob)))
    return tuple(found)


def _check(table: Mapping[str, Any], keys: Mapping[str, tuple[type, ...]], where: str) -> None:
    for key, value in table.items():
        if key not in keys:
            near = difflib.get_close_matches(key, keys, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; it can be one of {', '.join(keys)}"
            raise BadSetting(f"{where}: unknown key {key!r}{hint}")
        if not isinstance(value, keys[key]) or (isinstance(value, bool) and bool not in keys[key]):
            wanted = " or ".join(
                {bool: "true/false", str: "text", list: "a list", dict: "a table"}.get(t, "a number") for t in keys[key]
            )
            raise BadSetting(f"{where}: {key} = {value!r} should be {wanted}")
        if isinstance(value, int | float) and not isinstance(value, bool) and key in ("rtol", "atol", "max_mismatch"):
            if value < 0 or (key == "max_mismatch" and value >= 1):
                raise BadSetting(f"{where}: {key} = {value!r} is out of range")


def _words(value: str | list[Any]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(str(item) for item in value)


def _overrides(table: Mapping[str, Any], path: Path, glob: str) -> Overrides:
    where = f'{path}: ["{glob}"]'
    _check(table, _KEYS, where)
    for name, keys in (("outputs", _OUTPUT_KEYS), ("inputs", _INPUT_KEYS)):
        for key, value in table.get(name, {}).items():
            if not isinstance(value, dict):
                raise BadSetting(f"{where}: {name}.{key} = {value!r} should be a table")
            _check(value, keys, f"{where}: {name}.{key}")
    roundtrip = _words(table.get("roundtrip", []))
    for word in roundtrip:
        if word not in FORMATS:
            raise BadSetting(f"{where}: roundtrip = {word!r} is none of {', '.join(FORMATS)}")
    if (table.get("xfail") or table.get("skip")) and not table.get("reason"):
        raise BadSetting(f'{where}: say why with reason = "...": it is shown in the report')
    return Overrides(
        skip=table.get("skip", False),
        xfail=table.get("xfail", False),
        reason=table.get("reason", ""),
        rtol=table.get("rtol"),
        atol=table.get("atol"),
        outputs=table.get("outputs", {}),
        max_mismatch=table.get("max_mismatch", 0.0),
        inputs=table.get("inputs", {}),
        custom_objects=tuple(parse_reference(text, path.parent) for text in _words(table.get("custom_objects", []))),
        trust=table.get("trust", False),
        roundtrip=roundtrip,
        environments=_words(table.get("environments", [])),
    )
