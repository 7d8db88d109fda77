"""The collector of an artifact and the item of a check."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from _pytest._code.code import ReprEntryNative, ReprExceptionInfo, ReprFileLocation, ReprTraceback, TerminalRepr

from pytest_kerasload import discovery
from pytest_kerasload.findings import CheckResult
from pytest_kerasload.gate import Task, tasks_for
from pytest_kerasload.reports import failure
from pytest_kerasload.settings import Overrides, Settings

MARKER = "keras_models"


class ArtifactFailed(Exception):
    """A check failed; carries its result."""

    def __init__(self, result: CheckResult) -> None:
        super().__init__(failure.headline(result))
        self.result = result


class PluginDefect(Exception):
    """A check could not be made because of a defect of this plugin."""


class UserMistake(Exception):
    """A check could not be made because a hook of the user's own gave what cannot be meant."""


class ArtifactFile(pytest.File):
    """The file on which an artifact's items hang."""

    settings: Settings
    gate: Any
    """Gives the run's Gate; called when an item runs, because the engine brings NumPy and h5py."""

    @classmethod
    def make(cls, parent: pytest.Collector, path: Path, settings: Settings, gate: Any) -> ArtifactFile:
        """The collector for a file that :func:`discovery.is_collected`."""
        node: ArtifactFile = cls.from_parent(parent, path=path)
        node.settings, node.gate = settings, gate
        node.obj = None  # type: ignore[attr-defined] # other plugins look for it
        return node

    def collect(self) -> Iterator[ArtifactItem]:
        artifact = discovery.artifact_of(self.path)
        overrides = self.settings.overrides(artifact)
        several = len(self.settings.environments) > 1
        for task in tasks_for(artifact, discovery.format_of(artifact), self.settings):
            yield ArtifactItem.make(self, task, overrides, several)


class ArtifactItem(pytest.Item):
    """One check of one artifact."""

    task: Task
    result: CheckResult | None
    gate: Any

    @classmethod
    def make(cls, parent: ArtifactFile, task: Task, overrides: Overrides, several: bool) -> ArtifactItem:
        """The item of a task, named as the contract says."""
        name = name_of(task, several)
        # pytest 9.2 takes an id apart at its bracket when it reads one (--lf, --sw), and not when it makes one of a
        # name: only an id that was read is equal to it.
        node: ArtifactItem = cls.from_parent(parent, name=name, nodeid=f"{parent.nodeid}::{name}")
        node.task, node.result, node.gate = task, None, parent.gate
        node.obj = None  # type: ignore[attr-defined]
        node.add_marker(MARKER)
        node.add_marker(f"keras_{task.check.replace('-', '_')}")
        if node.config.pluginmanager.hasplugin("xdist"):
            node.add_marker(pytest.mark.xdist_group(str(task.path)))
        if overrides.skip:
            node.add_marker(pytest.mark.skip(reason=overrides.reason))
        if overrides.xfail:
            # The artifact is expected to fail, not this plugin.
            node.add_marker(pytest.mark.xfail(reason=overrides.reason, raises=ArtifactFailed, strict=False))
        return node

    def runtest(self) -> None:
        result = self.result = self.gate().result(self.task)
        if result.outcome == "error":
            raise UserMistake(result.reason) if result.mistake else PluginDefect(result.reason)
        if result.outcome == "failed":
            raise ArtifactFailed(result)
        if result.outcome == "skipped":
            pytest.skip(result.reason)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> str | TerminalRepr:
        error = excinfo.value
        if isinstance(error, ArtifactFailed):
            verbose = self.config.get_verbosity()
            return _repr(self, failure.headline(error.result), failure.lines(error.result, verbose))
        if isinstance(error, UserMistake):
            lines = f"kerasload: {error}".splitlines()
            return _repr(self, lines[0], lines)
        if isinstance(error, PluginDefect):
            lines = [
                "kerasload: internal error, a defect of the plugin and not of the artifact:",
                *str(error).splitlines(),
            ]
            return _repr(self, "kerasload: internal error", lines)
        return super().repr_failure(excinfo)

    def reportinfo(self) -> tuple[os.PathLike[str] | str, int | None, str]:
        # The space keeps pytest from taking the path for a Python one: with -v it shows clf.h5::load as clf::h5::load.
        return self.path, 0, f"{display(self.task.path, self.config)}::{self.name} "


def name_of(task: Task, several: bool) -> str:
    """``load``, ``roundtrip[keras]``; with several environments ``load[tf2.15]``, ``roundtrip[tf2.15-keras]``,
    ``handover[tf2.15->tf2.21]``."""
    inside = [task.where] if several and task.where is not None else []
    if task.variant is not None:
        inside.append(task.variant)
    return f"{task.check}[{'-'.join(inside)}]" if inside else task.check


def display(path: Path, config: pytest.Config) -> str:
    """An artifact's path as reports show it: relative to where pytest was started, else as it is."""
    base = config.invocation_params.dir
    return path.relative_to(base).as_posix() if path.is_relative_to(base) else path.as_posix()


def _repr(item: ArtifactItem, summary: str, lines: list[str]) -> TerminalRepr:
    # Built from pytest's own classes: they are the ones that survive the way from an xdist worker, and whose
    # `reprcrash` the short summary shows.
    entry = ReprEntryNative([line + "\n" for line in lines])
    crash = ReprFileLocation(str(item.path), 1, summary)
    return ReprExceptionInfo(ReprTraceback([entry], None, "native"), crash)
