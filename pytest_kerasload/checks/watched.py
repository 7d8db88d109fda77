"""What a model did while it was loaded and asked, besides answering."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from pytest_kerasload.causes import watched
from pytest_kerasload.causes.cause import Cause
from pytest_kerasload.findings import Finding, listed

_KINDS: dict[str, tuple[Cause, str]] = {
    "writes": (watched.WRITES, "changes {}"),
    "reads": (watched.READS, "reads {}"),
    "starts": (watched.STARTS, "starts {}"),
    "connects": (watched.CONNECTS, "reaches for {}"),
    "code": (watched.RUNS_CODE, "{}"),
}
"""The kinds of ``worker/watching.py``."""


def findings(path: Path, rows: Iterable[Iterable[str]], trusted: bool) -> Iterator[Finding]:
    """One finding for each kind of thing that was seen; what the user's own code did does not fail a check."""
    groups: dict[tuple[str, str], list[str]] = {}
    for kind, what, whose in rows:
        if kind in _KINDS:
            groups.setdefault((kind, whose), []).append(what)
    for (kind, whose), things in groups.items():
        cause, words = _KINDS[kind]
        said = words.format(listed(things))
        if whose:
            yield cause.finding(f"{path.name}: {whose}, which is no part of it, {said}", where=whose, fails=False)
        elif trusted:
            if kind != "code":  # which is what it is trusted with
                yield cause.finding(f"{path.name} is trusted: it {said}", fails=False)
        else:
            yield cause.finding(f"{path.name} is not safe to load: it {said}")
