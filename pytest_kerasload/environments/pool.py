"""The pool: threads that each drive one environment's process, and make checks ahead of the items that report them.

Checks of one artifact in one environment form a group. A group is made by one thread in one process, so that one
load serves all of its checks; the process is used again for the next group, and replaced when it died or grew.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from pytest_kerasload.environments.driver import Driver, Group, Key
from pytest_kerasload.environments.spec import EnvironmentSpec
from pytest_kerasload.files import away
from pytest_kerasload.findings import CheckResult
from pytest_kerasload.settings import Settings

if TYPE_CHECKING:
    from pytest_kerasload.gate import Gate, Task

# What one process takes with TensorFlow and a model of a usual size in it.
_BYTES_A_JOB = 4 << 30


def default_jobs(beside: int = 0) -> int:
    """As many processes as there are cores and memory for, with ``beside`` others; under pytest-xdist, this pytest
    process' share of them."""
    return max(1, min(cores(), psutil.virtual_memory().total // _BYTES_A_JOB - beside) // pytests())


def pytests() -> int:
    """How many pytest processes share the machine: more than one under pytest-xdist."""
    return int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Pool:
    """Hands groups to threads in the order of the run, and their answers to whoever asks."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.settings: Settings = gate.settings
        self.jobs = self.settings.jobs or default_jobs()
        self._groups: dict[tuple[Path, EnvironmentSpec], Group] = {}
        self._futures: dict[Task, Future[CheckResult]] = {}
        self._changed = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._closing = False
        self._beside = 0
        self._busy: set[int] = set()
        self._quiet = False
        self._workers: set[Driver] = set()
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
                    group = self._groups[task.path, task.environment] = Group(task.path, key)
                first = self.gate.before(task)
                if first is None or first == task:
                    group.waiting.append(task)
                    continue
                self.submit([first])
                self._futures[first].add_done_callback(partial(self._release, group, task))
            open_groups = sum(1 for group in self._groups.values() if group.waiting)
            while len(self._threads) < min(self.jobs, open_groups):
                thread = threading.Thread(target=self._drive, name=f"kerasload-{len(self._threads)}", daemon=True)
                self._threads.append(thread)
                thread.start()
            self._changed.notify_all()

    def _release(self, group: Group, task: Task, _: Future[CheckResult]) -> None:
        """Let a check be made that had to wait for another one."""
        with self._changed:
            group.waiting.append(task)
            self._changed.notify_all()

    def result(self, task: Task) -> CheckResult:
        """The answer to one check, made now if nobody has asked for it yet."""
        if task not in self._futures:
            self.submit([task])
        return self._futures[task].result()

    def make_room(self) -> None:
        """Leave memory for the process of :meth:`beside`; to be said before the first check is queued."""
        self._beside = 1
        self.jobs = self.settings.jobs or default_jobs(self._beside)

    def beside(self) -> Driver:
        """A driver for whoever asks artifacts something else than checks do; its process ends with the pool's."""
        worker = Driver(self.gate, self.directory, threads=max(1, cores() // pytests()), memory=self._memory())
        self._workers.add(worker)
        return worker

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """No process of the pool works meanwhile; begins when those at work have made their check."""
        with self._changed:
            self._quiet = True
            self._changed.wait_for(lambda: not self._busy)
        try:
            yield
        finally:
            with self._changed:
                self._quiet = False
                self._changed.notify_all()

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
        away(self.directory)

    def _memory(self) -> int:
        """What one process may grow to: its share of most of the machine's memory."""
        return psutil.virtual_memory().total * 4 // 5 // (self.jobs + self._beside)

    # ---- the threads

    def _next(self, current: Group | None, key: Key | None) -> Group | None:
        """The group to work on: the current one while it has work, else one for the same process, else any."""
        with self._changed:
            self._rest()
            while not self._closing:
                if self._quiet:
                    self._changed.wait()
                    continue
                if current is not None and current.waiting:
                    self._busy.add(threading.get_ident())
                    return current
                open_groups = [g for g in self._groups.values() if g.waiting and not g.claimed]
                chosen = next((g for g in open_groups if g.key == key), None) or next(iter(open_groups), None)
                if chosen is not None:
                    if current is not None:
                        current.claimed = False
                    chosen.claimed = True
                    self._busy.add(threading.get_ident())
                    return chosen
                self._changed.wait()
            return None

    def _rest(self) -> None:
        """This thread is at work no more."""
        with self._changed:
            self._busy.discard(threading.get_ident())
            self._changed.notify_all()

    def _give_up(self, group: Group | None, error: Exception) -> None:
        with self._changed:
            for task, future in self._futures.items():
                mine = group is not None and (task.path, task.environment) == (group.path, group.key[0])
                if not future.done() and (mine or len(self._threads) == 1):
                    future.set_exception(error)
            if group is not None:
                group.waiting.clear()

    def _drive(self) -> None:
        worker = Driver(self.gate, self.directory, threads=max(1, cores() // self.jobs), memory=self._memory())
        self._workers.add(worker)
        group: Group | None = None
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
        except Exception as error:
            # A process that was ended under this thread's hands while the run closes is no news. Anything else is a
            # defect, and nobody may wait for what this thread will not answer any more.
            self._give_up(group, error)
        finally:
            worker.end()
            self._rest()
