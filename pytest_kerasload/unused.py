"""Files of expected outputs that no artifact uses any more: its artifact was renamed, or is gone."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

from pytest_kerasload import discovery, expected, vetting
from pytest_kerasload.artifacts.sniffing import directory_marker
from pytest_kerasload.gate import tasks_for
from pytest_kerasload.reports.collected import Collected
from pytest_kerasload.settings import Settings

Shown = Callable[[Path], str]
"""A path as reports show it."""


def lines(settings: Settings, collected: Collected, shown: Shown) -> list[str]:
    """One line a file, which ends in the command to give; none after a run that did not report every check of every
    artifact under the roots (``-k``, ``-x``, ``--lf``, an id, a path inside a root): it was about something else."""
    try:
        return list(_lines(settings, collected, shown))
    except OSError as error:  # no reason to end a run
        return [f"expected outputs that no artifact uses could not be looked for: {error}"]


def _lines(settings: Settings, collected: Collected, shown: Shown) -> Iterator[str]:
    stored = list(_stored(settings))
    if not stored:
        return
    artifacts = list(dict.fromkeys(discovery.artifact_of(p) for root in settings.models for p in discovery.walk(root)))
    used = {_file_of(artifact, settings): artifact for artifact in artifacts}
    left = [path for path in stored if path not in used]
    if not left or not _complete(settings, collected, artifacts, shown):
        return
    by_digest = {collected.artifacts[shown(one)].get("sha256"): one for one in artifacts}
    for path in left:
        told = f"no artifact uses {shown(path)} any more: {_gone(path, settings)}"
        same = by_digest.get(_digest(path))
        if same is None:
            yield f"{told}; rm {shlex.quote(shown(path))}"
            continue
        own = _file_of(same, settings)
        if os.path.lexists(own):
            yield f"{told}; {shown(same)} is the same file, with expected outputs; rm {shlex.quote(shown(path))}"
        else:
            yield f"{told}; renamed to {same.name}? mv {shlex.quote(shown(path))} {shlex.quote(shown(own))}"


def _file_of(artifact: Path, settings: Settings) -> Path:
    return expected.path_for(artifact, settings.root_of(artifact), settings.expected_dir)


def _stored(settings: Settings) -> Iterator[Path]:
    """The files of expected outputs that belong to the roots, in order."""
    trees = [root for root in settings.models if root.is_dir() and directory_marker(root) is None]
    if settings.expected_dir is not None:
        # Single artifacts tell nothing of the others whose files are kept there.
        trees = [settings.expected_dir] if len(trees) == len(settings.models) else []
    found: dict[Path, None] = {}
    for tree in trees:
        for folder, names, files in os.walk(tree, followlinks=True):
            here = Path(folder)
            names[:] = sorted(name for name in names if discovery.descends(here / name, tree))
            found |= dict.fromkeys(here / name for name in sorted(files) if name.endswith(expected.SUFFIX))
    yield from found


def _complete(settings: Settings, collected: Collected, artifacts: list[Path], shown: Shown) -> bool:
    """Whether every check of every artifact was reported: the run was filtered by nothing, and stopped by nothing."""
    reported = {(path, c["check"], c["environment"], c["variant"]) for path, c in collected.checks}
    return all(
        (shown(task.path), task.check, task.environment.id if task.environment else None, task.variant) in reported
        for artifact in artifacts
        for task in tasks_for(artifact, discovery.format_of(artifact), settings)
    )


def _gone(path: Path, settings: Settings) -> str:
    """What became of the artifact that the file is named after."""
    name = path.name.removesuffix(expected.SUFFIX)
    folders = [path.parent]
    if settings.expected_dir is not None:
        folders = [root / path.relative_to(settings.expected_dir).parent for root in settings.models]
    if any(os.path.lexists(folder / name) for folder in folders):
        return f"{name} is there, and is no model"
    return f"{name} is gone"


def _digest(path: Path) -> str | None:
    """The digest of the artifact that the outputs were recorded from; None where the file does not tell."""
    try:
        digest = vetting.read(path).provenance.get("sha256")
    except (OSError, expected.ExpectedUnreadable):
        return None
    return digest if isinstance(digest, str) and digest else None
