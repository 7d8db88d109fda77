"""Two configurations of what should be the same model: where do they differ in what they mean?"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

# Keys that differ between two descriptions of the same model: identities, not contents.
_IDENTITIES = frozenset({"shared_object_id", "build_config", "compile_config", "keras_version", "backend"})
# The envelope of a serialised object: Keras 2.13 to 2.15 write it with and without these for the same object.
_ENVELOPE = frozenset({"module", "registered_name"})


def differences(one: Any, other: Any) -> list[tuple[str, Any, Any]]:
    """Places at which two configurations differ, with what stood and stands there.

    Names that Keras gave of its own and counts on (``mean`` became ``mean_2``) are the same name.
    """
    return list(_differences(one, other, "", dict(_renamed(one, other))))


def _renamed(one: Any, other: Any) -> Iterator[tuple[str, str]]:
    """Names of layers that were only counted on, new name first, in nested models too."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        if "class_name" in one and one.get("class_name") == other.get("class_name"):
            for old, new in ((_name(one), _name(other)),):
                if old and new and old != new and _stem(old) == _stem(new):
                    yield new, old
        for key in one:
            if key in other:
                yield from _renamed(one[key], other[key])
    elif isinstance(one, list | tuple) and isinstance(other, list | tuple) and len(one) == len(other):
        for left, right in zip(one, other, strict=True):
            yield from _renamed(left, right)


def _name(described: Mapping[str, Any]) -> str | None:
    config = described.get("config")
    inner = config.get("name") if isinstance(config, Mapping) else None
    name = described.get("name", inner)
    return name if isinstance(name, str) else None


def _stem(name: str) -> str:
    return re.sub(r"(_\d+)?$", "", name, count=1)


def _differences(one: Any, other: Any, place: str, renamed: Mapping[str, str]) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        envelope = _ENVELOPE if "class_name" in one and "class_name" in other else frozenset()
        for key in sorted({*one, *other}, key=str):
            if key not in _IDENTITIES and key not in envelope:
                where = f"{place}/{key}" if place else str(key)
                yield from _differences(one.get(key), other.get(key), where, renamed)
    elif isinstance(one, list | tuple) and isinstance(other, list | tuple) and len(one) == len(other):
        for index, (left, right) in enumerate(zip(one, other, strict=True)):
            name = _name(left) if isinstance(left, Mapping) else None
            yield from _differences(left, right, f"{place}/{name or index}", renamed)
    elif isinstance(one, int | float) and isinstance(other, int | float) and not isinstance(one, bool):
        # Numbers come back from float32 variables (learning rates) with seven digits.
        both_nan = one != one and other != other
        if one != other and not both_nan and not math.isclose(one, other, rel_tol=1e-6):
            yield place, one, other
    elif isinstance(other, str) and renamed.get(other, other) == one:
        return
    elif one != other:
        yield place, one, other
