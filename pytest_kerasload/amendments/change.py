"""One change of a configuration, and the configuration while it is being changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from pytest_kerasload.artifacts.record import Artifact, ConfigObject
from pytest_kerasload.causes.loader import Loader, built_in


@dataclass(frozen=True)
class Change:
    """One change: ``verb`` has room for ``what``, or for several of them; ``where`` is the user's place."""

    verb: str
    what: str
    where: str = ""
    harmless: bool = True
    """Whether the model is the same without it: it had its default, or says the same in other words."""


@dataclass(frozen=True)
class Draft:
    """A copy of an artifact's configuration that rules change in place.

    ``copies`` are the copies of its objects by the identity of the original: ``artifact.objects`` point into that.
    """

    artifact: Artifact
    loader: Loader
    config: dict[str, Any]
    copies: dict[int, Any]

    def built_in(self, name: str) -> Iterator[tuple[ConfigObject, dict[str, Any]]]:
        """Every object of a class of Keras' own, with the copy of its configuration."""
        for use, config in built_in(self.artifact, name):
            copied = self.copies.get(id(config))
            if isinstance(copied, dict):
                yield use, copied

    def entries(self) -> Iterator[dict[str, Any]]:
        """Every serialised object of the copy, those in others too."""
        yield from _entries(self.config, 0)


Rule = Callable[[Draft], Iterator[Change]]


def _entries(value: Any, depth: int) -> Iterator[dict[str, Any]]:
    if depth > 200:
        return
    if isinstance(value, dict):
        if isinstance(value.get("class_name"), str) and "config" in value:
            yield value
        for item in list(value.values()):
            yield from _entries(item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            yield from _entries(item, depth + 1)
