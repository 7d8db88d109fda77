"""The driver of one environment's process: makes the checks of one artifact after the other in it."""

from __future__ import annotations

import errno
import os
import tempfile
import time
import traceback
from collections import deque
from collections.abc import Mapping
from concurrent.futures import CancelledError
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.version import Version

from pytest_kerasload.artifacts import stamp
from pytest_kerasload.environments.confinement import largest_file
from pytest_kerasload.environments.process import Limits, Process, RequestFailed, WorkerBroken, WorkerEnded
from pytest_kerasload.environments.session import Session
from pytest_kerasload.environments.spec import EnvironmentSpec
from pytest_kerasload.files import away
from pytest_kerasload.findings import CheckResult, Finding
from pytest_kerasload.gate import SAVING
from pytest_kerasload.hooks import HookMistake
from pytest_kerasload.settings import Reference

if TYPE_CHECKING:
    from pytest_kerasload.checks.handover import Handed
    from pytest_kerasload.checks.verdict import Context
    from pytest_kerasload.gate import Gate, Task

# One answer of a process may take this long, and as much longer as a slow disk needs to read the artifact. A check
# asks several times: how often depends on the artifact, how long the longest answer takes hardly does.
_SECONDS = 120.0
_SECONDS_A_MEGABYTE = 1.0
_LEAST_MEMORY = 2 << 30
# TensorFlow keeps something of every model; a process that grew by this much is replaced before its next artifact.
_GROWTH = 2 << 30

_FULL = (errno.ENOSPC, errno.EDQUOT)

Key = tuple[EnvironmentSpec, tuple[Reference, ...]]
"""What a process is started for: an environment, and the custom objects imported in it."""


@dataclass
class Group:
    """The checks of one artifact in one environment that are waiting to be made, and the answers so far."""

    path: Path
    key: Key
    waiting: deque[Task] = field(default_factory=deque)
    claimed: bool = False
    results: dict[Task, CheckResult] = field(default_factory=dict)
    handed: Handed | None = None
    """What its environment hands over to others, until the gate has it."""


class Driver:
    """Drives one process: starts it, makes checks in it, and replaces it."""

    def __init__(self, gate: Gate, directory: Path, threads: int, memory: int) -> None:
        self.gate = gate
        self.settings = gate.settings
        self._directory = directory
        self._threads = threads
        self._memory = memory
        self.key: Key | None = None
        self._process: Process | None = None
        self._session: Session | None = None
        self._import_error: RequestFailed | None = None
        self._broken: dict[Key, WorkerBroken] = {}
        self._others: dict[str, Process] = {}
        self._size = 0
        self._tainted = False
        """Code of an artifact's ran in the process: what it changed there is not for the next one."""

    # ---- one check

    def make(self, group: Group, task: Task) -> CheckResult:
        """The answer to one check: whatever goes wrong on the way becomes one."""
        began = time.monotonic()
        try:
            if "load" in (needs := self._needs(task)):
                load = task.other("load")
                if load not in group.results:
                    group.results[load] = self.make(group, load)
            if task in group.results:
                return group.results[task]
            result = self.gate.unmet(task, group.results if needs else None) or self.gate.changed(task)
            if result is None:
                began_with = stamp.of(self.gate.artifact(task.path).path)
                result = self._watched(task, self._judge(group, task))
                result = self.gate.changed(task, began_with) or result
        except CancelledError:
            raise
        except HookMistake as mistake:
            result = replace(self.gate.skipped(task, str(mistake)), outcome="error", mistake=True)
        except Exception as error:
            if isinstance(error, OSError) and error.errno in _FULL:
                result = self.gate.answer(task, (_disk_full(task, error),))
            else:  # a defect of this plugin is told apart from a failing artifact
                result = replace(self.gate.skipped(task, ""), outcome="error", reason=traceback.format_exc())
        result = replace(result, seconds=time.monotonic() - began)
        group.results[task] = result
        if task.check == SAVING:
            self.gate.saved(task, result, group.handed)
            group.handed = None
        elif task.check == "handover":
            self.gate.taken_over(task)
        return result

    def _watched(self, task: Task, result: CheckResult) -> CheckResult:
        """The result, with what the artifact did in this driver's processes besides answering."""
        from pytest_kerasload.checks import watched

        rows = self._drained()
        if not rows:
            return result
        trusted = bool(self.settings.trusted(task.path, self.gate.artifact(task.path).sha256))
        found = tuple(watched.findings(task.path, rows, trusted))
        if not any(finding.fails for finding in found):
            return replace(result, findings=(*result.findings, *found))
        return replace(result, outcome="failed", findings=(*found, *result.findings))

    def _drained(self) -> list[list[str]]:
        """What was seen in this driver's processes since it was last asked."""
        rows: list[list[str]] = []
        for process in (self._process, *self._others.values()):
            if process is not None:
                rows += [row for row in process.watched if row not in rows]
                process.watched = []
        self._tainted = self._tainted or any(not whose for _, _, whose in rows)
        return rows

    @staticmethod
    def _needs(task: Task) -> tuple[str, ...]:
        return ("load",) if task.check in ("roundtrip", "predictions", SAVING) else ()

    def _judge(self, group: Group, task: Task) -> CheckResult:
        from pytest_kerasload.causes.catalogue import cause
        from pytest_kerasload.checks import custom_objects, handover, load, predictions, reasons, roundtrip
        from pytest_kerasload.gate import environment_finding

        environment = group.key[0]
        versions = self.gate.versions(environment)
        if versions.problem:
            return self.gate.answer(task, (environment_finding(versions, environment),))
        try:
            context = self.context(group, records=self.gate.writer(task) == task)
            if task.check == SAVING:
                formats = self.gate.formats(task.path)
                group.handed = handover.hand_over(
                    context, formats, Path(tempfile.mkdtemp(dir=context.session.process.kept))
                )
                return self.gate.answer(task, ())
            if task.check == "handover":
                result, handed = self.gate.handed(task)
                if handed is None:  # as it was told there
                    return replace(result, check=task.check, environment=task.where)
                assert task.giver is not None
                verdict = handover.check(context, handed, task.giver.id)
            elif task.check == "roundtrip":
                verdict = roundtrip.check(context, task.variant)  # type: ignore[arg-type]
            else:
                check = {"custom-objects": custom_objects, "load": load, "predictions": predictions}[task.check]
                verdict = check.check(context)
        except WorkerBroken as error:
            self._broken[group.key] = error
            return self.gate.answer(task, (cause(error.cause).finding(error.message, detail=error.log),))
        except WorkerEnded as error:
            return self.gate.answer(task, (reasons.ended(self.gate.artifact(group.path), versions, error),))
        except RequestFailed as error:
            # Not where a check expected it: said as it is, under the check that met it.
            return self.gate.answer(task, (_unexpected(error, versions, self.gate, group.path),))
        if verdict.skipped and not any(finding.fails for finding in verdict.findings):
            return self.gate.skipped(task, verdict.skipped, verdict.findings)
        return self.gate.answer(task, verdict.findings, measured=verdict.measured)

    # ---- the process

    def context(self, group: Group, *, records: bool = False) -> Context:
        """The artifact of a group in this driver's process, which is started where there is none (any more)."""
        from pytest_kerasload.checks.verdict import Context

        return Context(self._session_for(group), self.settings, self._import_error, records=records)

    def _session_for(self, group: Group) -> Session:
        artifact = self.gate.artifact(group.path)
        if self._session is not None and self._process is not None and self._process.pid is not None:
            self._session.limits = self._limits(artifact.bytes)
            return self._session
        process = self._started(group.key, artifact.bytes)
        self._session = session = Session(
            artifact=artifact,
            process=process,
            versions=self.gate.versions(group.key[0]),
            limits=self._limits(artifact.bytes),
            directory=Path(tempfile.mkdtemp(dir=self._directory)),
            trusted=bool(self.settings.trusted(group.path, artifact.sha256)),
        )
        session.elsewhere = lambda: self._elsewhere(session)
        session.legacy = lambda: self._legacy(session)
        return session

    def _elsewhere(self, session: Session) -> tuple[str, Session] | None:
        """The artifact at hand in a second process that computes otherwise; None where that cannot be started."""
        assert self.key is not None
        release = Version(session.versions.tensorflow or "0").release
        # On by default since TensorFlow 2.9 (its release notes), and known since 2.5.
        onednn = os.environ.get("TF_ENABLE_ONEDNN_OPTS", "1" if release >= (2, 9) else "0")
        flipped, threads = ("0" if onednn == "1" else "1"), (1 if self._threads > 1 else 2)
        what = f"oneDNN {'on' if flipped == '1' else 'off'}, threads: {threads}"
        second = self._beside("elsewhere", session, self.key, threads, {"TF_ENABLE_ONEDNN_OPTS": flipped})
        return None if second is None else (what, second)

    def _legacy(self, session: Session) -> Session | None:
        """The artifact at hand in a process of the same interpreter that has tf_keras for Keras; None without one."""
        assert self.key is not None
        spec = replace(self.key[0], legacy=True)
        versions = self.gate.versions(spec)
        if versions.problem or versions.flavour != "tf_keras":
            return None
        found = self._beside("legacy", session, (spec, self.key[1]), self._threads)
        return None if found is None else replace(found, versions=versions)

    def _beside(
        self, name: str, session: Session, key: Key, threads: int, more: Mapping[str, str] | None = None
    ) -> Session | None:
        """The artifact at hand in another process beside this driver's own; None where that cannot be started."""
        try:
            process = self._others.get(name)
            if process is None or process.pid is None:
                self._others[name] = process = self._start(key[0], session.artifact.bytes, threads, more)
                self._declare(process, key)
            other = replace(session, process=process, loads={}, plans={}, elsewhere=None, legacy=None)
            other.close()  # the models of the artifact before
        except (WorkerEnded, RequestFailed):
            return None
        return other

    def _limits(self, size: int) -> Limits:
        memory = self.settings.memory or max(self._memory, _LEAST_MEMORY)
        if self.settings.timeout:
            return Limits(self.settings.timeout, memory, time.monotonic() + self.settings.timeout)
        return Limits(_SECONDS + _SECONDS_A_MEGABYTE * size / 1e6, memory)

    def _started(self, key: Key, size: int) -> Process:
        """The process for a key, and for an artifact of so many bytes."""
        if key in self._broken:
            raise self._broken[key]
        if self._process is not None:
            small = self._process.file_bytes < largest_file(size)
            if self._process.pid is None or self.key != key or small:
                self.end()
        if self._process is None:
            self.key = key
            self._process = self._start(key[0], size, self._threads)
            self._size = self._process.size()
            self._import_error = None
            try:
                self._declare(self._process, key)
            except RequestFailed as error:
                self._import_error = error
        return self._process

    def _start(self, spec: EnvironmentSpec, size: int, threads: int, more: Mapping[str, str] | None = None) -> Process:
        """A process of an environment, here or on the machine that it is on."""
        from pytest_kerasload.environments.remote import RemoteProcess

        kind = RemoteProcess if spec.ssh else Process
        return kind(spec, threads, self._directory, self.settings.confinement, size, more)

    def _declare(self, process: Process, key: Key) -> None:
        """Import the user's custom objects there."""
        if key[1]:
            process.ask(
                "declare",
                self._limits(0),
                references=[reference.as_request(process.place) for reference in key[1]],
                paths=[] if key[0].ssh else [str(self.settings.invocation_dir)],
            )

    def leave(self) -> None:
        """Let go of the artifact at hand; the process is kept unless it grew, or ran code out of the artifact."""
        session, self._session = self._session, None
        if session is None:
            return
        away(session.directory)
        self._drained()  # what tests of the user's own asked is not the next artifact's
        if self._tainted:
            self.end()
        if self._process is None or self._process.pid is None:
            return
        try:
            session.close()
        except (WorkerEnded, RequestFailed):
            self.end()
            return
        if self._process.size() > self._size + _GROWTH:
            self.end()

    def end(self) -> None:
        """End the process, and those beside it."""
        for process in (self._process, *self._others.values()):
            if process is not None:
                process.close()
        self._process, self._others = None, {}
        self._tainted = False


def _disk_full(task: Task, error: OSError) -> Finding:
    from pytest_kerasload.causes.catalogue import cause

    return cause("disk-full").finding(f"{task.path.name}: {error}")


def _unexpected(error: RequestFailed, versions: object, gate: Gate, path: Path) -> Finding:
    from pytest_kerasload.causes.explaining import explain
    from pytest_kerasload.environments.versions import Versions

    assert isinstance(versions, Versions)
    found = explain(error.text, versions, gate.artifact(path))
    first = (error.text.strip().splitlines() or [""])[0][:300]
    return found.finding(f"{path.name}: {error.type}: {first}", traceback=error.traceback)
