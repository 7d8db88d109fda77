"""What ``kerasload.toml`` and ``--keras-trust`` say and no artifact heeds: globs, digests and paths that name none,
inputs and outputs that none has."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pytest_kerasload import discovery
from pytest_kerasload.reports.collected import Collected
from pytest_kerasload.settings import SHA256, Settings
from pytest_kerasload.tables import FILE_NAME

Shown = Callable[[Path], str]
"""A path as reports show it."""


def lines(settings: Settings, collected: Collected, shown: Shown) -> list[str]:
    """One line for each, with the name that was probably meant.

    Lines and no error: a table may speak of an artifact that comes back tomorrow, or of an input as another release
    names it. A root that is one artifact tells nothing of the globs for the others.
    """
    try:
        found = [line for root in settings.models if root.is_dir() for line in _lines(root, settings, collected, shown)]
    except OSError:  # no reason to end a run
        found = []
    return [*found, *_trust(settings, collected, shown)]


def _trust(settings: Settings, collected: Collected, shown: Shown) -> Iterator[str]:
    """What ``--keras-trust`` names and is not there: most often the digest of a file that was released again."""
    digests = {entry.get("sha256") for entry in collected.artifacts.values()}
    for entry in settings.trust:
        if SHA256.fullmatch(entry):
            if entry.lower() not in digests and any(root.is_dir() for root in settings.models):
                yield f"--keras-trust={entry}: no artifact of this run has this digest"
        elif not Path(entry).exists():
            yield f"--keras-trust={shown(Path(entry))}: there is no such path, and a digest has 64 digits"


def _lines(root: Path, settings: Settings, collected: Collected, shown: Shown) -> Iterator[str]:
    tables = settings.tables.get(root, ())
    if not tables:
        return
    artifacts = list(dict.fromkeys(discovery.artifact_of(path) for path in discovery.walk(root)))
    names = [settings.name_of(artifact) for artifact in artifacts]
    for glob, given in tables:
        told = f'{shown(root / FILE_NAME)}: ["{glob}"]'
        mine = [artifact for artifact in artifacts if settings.named(artifact, glob)]
        if not mine:
            yield f"{told} names no artifact{_meant(glob, names)}"
            continue
        entries = [collected.artifacts.get(shown(artifact)) for artifact in mine]
        for kind in ("inputs", "outputs"):
            known = [_names(entry, kind) for entry in entries]
            if all(known):  # of an artifact that this run left out, or that does not tell, nothing is said
                every = dict.fromkeys(name for one in known for name in one)
                for name in given.get(kind, {}):
                    if name not in every and not name.isdecimal() and "/" not in name:
                        yield f"{told}: no {kind.removesuffix('s')} is called {name!r}{_meant(name, every)}"


def _names(entry: Mapping[str, Any] | None, kind: str) -> list[str]:
    return [str(spec["name"]) for spec in entry[kind]] if entry is not None else []


def _meant(word: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""
