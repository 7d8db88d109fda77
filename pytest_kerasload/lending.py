"""Artifacts lent to tests that ask them themselves: loaded in a process beside the pool's, one at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from pytest_kerasload.artifacts.record import Artifact
from pytest_kerasload.checks.verdict import Context
from pytest_kerasload.environments.driver import Driver, Group
from pytest_kerasload.environments.pool import Pool
from pytest_kerasload.environments.process import RequestFailed, WorkerEnded
from pytest_kerasload.environments.session import Loaded
from pytest_kerasload.environments.spec import EnvironmentSpec
from pytest_kerasload.findings import CheckResult

if TYPE_CHECKING:
    from pytest_kerasload.gate import Gate

__tracebackhide__ = True  # as in handle.py

Refuse = Callable[[CheckResult, bool], NoReturn]
"""Told why an artifact cannot be asked, and whether the run reports that check too; raises what the test shall see."""


class Lender:
    """Lends one artifact after the other. Not thread-safe: tests run one at a time."""

    def __init__(self, gate: Gate, pool: Pool) -> None:
        self.gate = gate
        self._pool = pool
        self._driver: Driver | None = None
        self._group: Group | None = None

    def readable(self, path: Path, refuse: Refuse) -> Artifact:
        """What an artifact says of itself, where the ``file`` check finds that it says anything."""
        from pytest_kerasload.gate import Task

        artifact = self.gate.artifact(path)
        if not artifact.readable:
            task = Task(path, "file")
            refuse(self.gate.static(task), self.gate.planned(task))
        return artifact

    def loaded(self, path: Path, environment: EnvironmentSpec, refuse: Refuse) -> tuple[Context, Loaded]:
        """The artifact's model, loaded as the ``load`` check accepts it."""
        from pytest_kerasload.gate import Task

        self.readable(path, refuse)
        safety, load = Task(path, "safety"), Task(path, "load", environment)
        found = self.gate.static(safety)
        if found.outcome != "passed":
            refuse(found, self.gate.planned(safety))
        driver, group = self._lent(path, environment)
        with self.asking():
            found = driver.make(group, load)
        if found.outcome != "passed":
            # The run's own load has to have failed too: this one may have for another reason, a limit or a crash.
            refuse(found, self.gate.planned(load) and self.gate.result(load).outcome in ("failed", "error"))
        with self.asking():
            context = driver.context(group)  # started anew where an earlier request ended the process
            return context, context.loaded()

    def _lent(self, path: Path, environment: EnvironmentSpec) -> tuple[Driver, Group]:
        if self._driver is None:
            self._driver = self._pool.beside()
        if self._group is None or (self._group.path, self._group.key[0]) != (path, environment):
            self.leave()
            self._group = Group(path, (environment, self.gate.settings.references(path)))
        return self._driver, self._group

    @contextmanager
    def asking(self) -> Iterator[None]:
        """While a request is under way: a test that is interrupted leaves no answer behind that another would read."""
        try:
            yield
        except (RequestFailed, WorkerEnded):
            raise
        except BaseException:
            if self._driver is not None:
                self._driver.end()
            raise

    def alone(self) -> AbstractContextManager[None]:
        """While nothing else of this run is at work."""
        return self._pool.quiet()

    def leave(self) -> None:
        """Let go of the artifact at hand."""
        self._group = None
        if self._driver is not None:
            self._driver.leave()
