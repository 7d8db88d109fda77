"""The pool: threads that each drive one environment's process, and make checks ahead of the items that report them.

Checks of one artifact in one environment form a group. A group is made by one thread in one process, so that one
load serves all of its checks; the process is used again for the next group, and replaced when it died or grew.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
import traceback
from collections import deque
from collections.abc import Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from pytest_kerasload.environments.process import Limits, Process, RequestFailed, WorkerBroken, WorkerEnded
from pytest_kerasload.environments.session import Session
from pytest_kerasload.environments.spec import EnvironmentSpec
from pytest_kerasload.findings import CheckResult, Finding
from pytest_kerasload.settings import Reference, Settings

if TYPE_CHECKING:
    from pytest_kerasload.gate import Gate, Task

# One answer of a process may take this long, and as much longer as a slow disk needs to read the artifact. A check
# asks several times: how often depends on the artifact, how long the longest answer takes hardly does.
_SECONDS = 120.0
_SECONDS_A_MEGABYTE = 1.0
# What one process takes with TensorFlow and a model of a usual size in it.
_BYTES_A_JOB = 4 << 30
_LEAST_MEMORY = 2 << 30
# TensorFlow keeps something of every model; a process that grew by this much is replaced before its next artifact.
_GROWTH = 2 << 30

_Key = tuple[EnvironmentSpec, tuple[Reference, ...]]


@dataclass
class _Group:
    """The checks of one artifact in one environment that are waiting to be made, and the answers so far."""

    path: Path
    key: _Key
    waiting: deque[Task] = field(default_factory=deque)
    claimed: bool = False
    results: dict[Task, CheckResult] = field(default_factory=dict)


def default_jobs() -> int:
    """As many processes as there are cores and memory for."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, psutil.virtual_memory().total // _BYTES_A_JOB))


class Pool:
    """Hands groups to threads in the order of the run, and their answers to whoever asks."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.settings: Settings = gate.settings
        self.jobs = self.settings.jobs or default_jobs()
        self._groups: dict[tuple[Path, EnvironmentSpec], _Group] = {}
        self._futures: dict[Task, Future[CheckResult]] = {}
        self._changed = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._closing = False
        self._workers: set[_Worker] = set()
        self.directory = Path(tempfile.mkdtemp(prefix="kerasload-"))

    def submit(self, tasks: Sequence[Task]) -> None:
        """Queue checks; threads are started as far as there is work for them."""
        with self._changed:
            for task in tasks:
                if task in self._futures:
                    continue
                assert task.environment is not None
                self._futures[task] = Future()
                group = self._groups.get((task.path, task.environment))
                if group is None:
                    key = (task.environment, self.settings.references(task.path))
                    group = self._groups[task.path, task.environment] = _Group(task.path, key)
                group.waiting.append(task)
            open_groups = sum(1 for group in self._groups.values() if group.waiting)
            while len(self._threads) < min(self.jobs, open_groups):
                thread = threading.Thread(target=self._drive, name=f"kerasload-{len(self._threads)}", daemon=True)
                self._threads.append(thread)
                thread.start()
            self._changed.notify_all()

    def result(self, task: Task) -> CheckResult:
        """The answer to one check, made now if nobody has asked for it yet."""
        if task not in self._futures:
            self.submit([task])
        return self._futures[task].result()

    def close(self) -> None:
        """End all processes at once, whatever they are doing."""
        with self._changed:
            self._closing = True
            for future in self._futures.values():
                future.cancel()
            self._changed.notify_all()
        for worker in list(self._workers):
            worker.end()
        for thread in self._threads:
            thread.join(timeout=10)
        shutil.rmtree(self.directory, ignore_errors=True)

    # ---- the threads

    def _next(self, current: _Group | None, key: _Key | None) -> _Group | None:
        """The group to work on: the current one while it has work, else one for the same process, else any."""
        with self._changed:
            while not self._closing:
                if current is not None and current.waiting:
                    return current
                open_groups = [g for g in self._groups.values() if g.waiting and not g.claimed]
                chosen = next((g for g in open_groups if g.key == key), None) or next(iter(open_groups), None)
                if chosen is not None:
                    if current is not None:
                        current.claimed = False
                    chosen.claimed = True
                    return chosen
                self._changed.wait()
            return None

    def _drive(self) -> None:
        worker = _Worker(self)
        self._workers.add(worker)
        group: _Group | None = None
        try:
            while True:
                chosen = self._next(group, worker.key)
                if chosen is None:
                    return
                if chosen is not group:
                    worker.leave()
                    group = chosen
                task = group.waiting.popleft()
                result = worker.make(group, task)
                future = self._futures[task]
                if not future.cancelled():
                    future.set_result(result)
        except Exception:
            if not self._closing:  # a process that was ended under this thread's hands is no news then
                raise
        finally:
            worker.end()


class _Worker:
    """One thread's process, and the session of the artifact at hand."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.gate = pool.gate
        self.settings = pool.settings
        self.key: _Key | None = None
        self._process: Process | None = None
        self._session: Session | None = None
        self._import_error: RequestFailed | None = None
        self._broken: dict[_Key, WorkerBroken] = {}
        self._size = 0

    # ---- one check

    def make(self, group: _Group, task: Task) -> CheckResult:
        """The answer to one check: whatever goes wrong on the way becomes one."""
        began = time.monotonic()
        try:
            if "load" in (needs := self._needs(task)):
                load = task.other("load")
                if load not in group.results:
                    group.results[load] = self.make(group, load)
            if task in group.results:
                return group.results[task]
            result = self.gate.unmet(task, group.results if needs else None) or self._judge(group, task)
        except CancelledError:
            raise
        except Exception:  # a defect of this plugin is told apart from a failing artifact
            result = replace(self.gate.skipped(task, ""), outcome="error", reason=traceback.format_exc())
        result = replace(result, seconds=time.monotonic() - began)
        group.results[task] = result
        return result

    @staticmethod
    def _needs(task: Task) -> tuple[str, ...]:
        return ("load",) if task.check in ("roundtrip", "predictions") else ()

    def _judge(self, group: _Group, task: Task) -> CheckResult:
        from pytest_kerasload.causes.catalogue import cause
        from pytest_kerasload.checks import custom_objects, load, predictions, roundtrip
        from pytest_kerasload.checks.verdict import Context
        from pytest_kerasload.gate import environment_finding

        environment = group.key[0]
        versions = self.gate.versions(environment)
        if versions.problem:
            return self.gate.answer(task, (environment_finding(versions, environment),))
        try:
            context = Context(self._session_for(group), self.settings, self._import_error)
            if task.check == "roundtrip":
                verdict = roundtrip.check(context, task.variant)  # type: ignore[arg-type]
            else:
                check = {"custom-objects": custom_objects, "load": load, "predictions": predictions}[task.check]
                verdict = check.check(context)
        except WorkerBroken as error:
            self._broken[group.key] = error
            return self.gate.answer(task, (cause(error.cause).finding(error.message, detail=error.log),))
        except WorkerEnded as error:
            name = group.path.name
            return self.gate.answer(task, (cause(error.cause).finding(f"{name}: {error.message}", detail=error.log),))
        except RequestFailed as error:
            # Not where a check expected it: said as it is, under the check that met it.
            return self.gate.answer(task, (_unexpected(error, versions, self.gate, group.path),))
        if verdict.skipped and not any(finding.fails for finding in verdict.findings):
            return self.gate.skipped(task, verdict.skipped, verdict.findings)
        return self.gate.answer(task, verdict.findings, measured=verdict.measured)

    # ---- the process

    def _session_for(self, group: _Group) -> Session:
        artifact = self.gate.artifact(group.path)
        if self._session is not None and self._process is not None and self._process.pid is not None:
            self._session.limits = self._limits(artifact.bytes)
            return self._session
        process = self._started(group.key)
        self._session = Session(
            artifact=artifact,
            process=process,
            versions=self.gate.versions(group.key[0]),
            limits=self._limits(artifact.bytes),
            directory=Path(tempfile.mkdtemp(dir=self.pool.directory)),
            trusted=self.settings.trusted(group.path, artifact.sha256),
        )
        return self._session

    def _limits(self, size: int) -> Limits:
        available = psutil.virtual_memory().total * 4 // 5 // self.pool.jobs
        memory = self.settings.memory or max(available, _LEAST_MEMORY)
        if self.settings.timeout:
            return Limits(self.settings.timeout, memory, time.monotonic() + self.settings.timeout)
        return Limits(_SECONDS + _SECONDS_A_MEGABYTE * size / 1e6, memory)

    def _started(self, key: _Key) -> Process:
        if key in self._broken:
            raise self._broken[key]
        if self._process is not None and (self._process.pid is None or self.key != key):
            self.end()
        if self._process is None:
            cores = default_jobs() if self.pool.jobs == 1 else max(1, (os.cpu_count() or 1) // self.pool.jobs)
            self.key = key
            self._process = Process(key[0], cores, self.pool.directory)
            self._size = self._process.size()
            self._import_error = None
            if key[1]:
                try:
                    self._process.ask(
                        "declare",
                        self._limits(0),
                        references=[reference.as_request() for reference in key[1]],
                        paths=[str(self.settings.invocation_dir)],
                    )
                except RequestFailed as error:
                    self._import_error = error
        return self._process

    def leave(self) -> None:
        """Let go of the artifact at hand; the process is kept unless it grew."""
        session, self._session = self._session, None
        if session is None:
            return
        shutil.rmtree(session.directory, ignore_errors=True)
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
        """End the process."""
        process, self._process = self._process, None
        if process is not None:
            process.close()


def _unexpected(error: RequestFailed, versions: object, gate: Gate, path: Path) -> Finding:
    from pytest_kerasload.causes.explaining import explain
    from pytest_kerasload.environments.versions import Versions

    assert isinstance(versions, Versions)
    found = explain(error.text, versions, gate.artifact(path))
    first = (error.text.strip().splitlines() or [""])[0][:300]
    return found.finding(f"{path.name}: {error.type}: {first}", traceback=error.traceback)
