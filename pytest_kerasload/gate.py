"""The engine: which checks an artifact gets, in which order they depend on each other, and who makes them.

Knows nothing of pytest. Static checks are made where they are asked for; those that need TensorFlow by the pool
(``environments/pool.py``), ahead of the question.
"""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import permutations
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pytest_kerasload.artifacts.record import Artifact, Format
from pytest_kerasload.environments.spec import EnvironmentSpec
from pytest_kerasload.environments.versions import Versions, probe
from pytest_kerasload.findings import CheckResult, Finding, listed, shortened
from pytest_kerasload.settings import Settings

if TYPE_CHECKING:
    from pytest_kerasload.artifacts.stamp import Stamp
    from pytest_kerasload.checks import elsewhere
    from pytest_kerasload.checks.handover import Handed
    from pytest_kerasload.lending import Lender

K = TypeVar("K")
V = TypeVar("V")

STATIC = ("file", "safety", "version")
LIVE = ("custom-objects", "load", "roundtrip", "predictions", "handover")
SAVING = "saving"
"""The step before handovers, in the environment that saves: no item reports it."""

# What has to hold before a check makes sense. `version` is missing on purpose: a static forecast does not keep the
# loader from having the last word.
_NEEDS = {
    "safety": ("file",),
    "version": ("file",),
    "custom-objects": ("file", "safety"),
    "load": ("file", "safety"),
    "roundtrip": ("file", "safety", "load"),
    "predictions": ("file", "safety", "load"),
    SAVING: ("file", "safety", "load"),
    "handover": ("file", "safety"),
}


@dataclass(frozen=True)
class Task:
    """One check of one artifact: in an environment where it needs one, to a format where it is a round trip.

    A handover is made in the environment that loads; ``giver`` is the one that saves.
    """

    path: Path
    check: str
    environment: EnvironmentSpec | None = None
    variant: str | None = None
    giver: EnvironmentSpec | None = None

    @property
    def where(self) -> str | None:
        """The environment's id in item ids and reports: ``tf2.15``, ``tf2.15->tf2.21``."""
        if self.environment is None:
            return None
        return f"{self.giver.id}->{self.environment.id}" if self.giver is not None else self.environment.id

    @property
    def saving(self) -> Task:
        """Of a handover, the step before it, which saves."""
        return Task(self.path, SAVING, self.giver)

    def other(self, check: str) -> Task:
        """Another check of the same artifact in the same environment."""
        needs_environment = check not in ("file", "safety")
        return Task(self.path, check, self.environment if needs_environment else None)


def tasks_for(path: Path, format: Format, settings: Settings) -> list[Task]:
    """The checks of an artifact, in the order in which they are made and reported."""
    overrides = settings.overrides(path)
    found = [Task(path, "file"), Task(path, "safety")]
    for environment in settings.environments_of(path):
        found += [Task(path, check, environment) for check in ("version", "custom-objects", "load")]
        for variant in variants(format, overrides.roundtrip or settings.roundtrip):
            found.append(Task(path, "roundtrip", environment, variant))
        found.append(Task(path, "predictions", environment))
    if settings.handover:
        pairs = permutations(settings.environments_of(path), 2)
        found += [Task(path, "handover", taker, giver=giver) for giver, taker in pairs]
    return found


def variants(format: Format, wanted: Sequence[str]) -> list[Format]:
    """The formats to save an artifact to, ``same`` and ``all`` spelled out."""
    every: tuple[Format, ...] = ("h5", "keras", "savedmodel")
    own: Format = format if format in every else "h5"
    spelled: dict[str, tuple[Format, ...]] = {"same": (own,), "all": every, **{name: (name,) for name in every}}
    return list(dict.fromkeys(name for word in wanted for name in spelled[word]))


class Gate:
    """Answers for checks; every answer is made once and kept."""

    def __init__(self, settings: Settings) -> None:
        from pytest_kerasload.environments.pool import Pool

        self.settings = settings
        self._planned: frozenset[Task] = frozenset()
        self._ahead = False
        self._lock = threading.RLock()
        self._artifacts: dict[Path, Future[Artifact]] = {}
        self._touched: dict[Path, Stamp] = {}
        self._versions: dict[EnvironmentSpec, Future[Versions]] = {}
        self._results: dict[Task, CheckResult] = {}
        self._saved: dict[Task, tuple[CheckResult, Handed | None]] = {}
        self._takers: dict[Task, int] = {}
        self._pool = Pool(self)

    # ---- facts

    def artifact(self, path: Path) -> Artifact:
        """What the artifact says of itself, read once."""
        from pytest_kerasload.artifacts.reading import read

        return self._once(self._artifacts, path, lambda: read(path))

    def changed(self, task: Task, since: Stamp | None = None) -> CheckResult | None:
        """The result of a check of an artifact that is not any more what was read; None where it still is.

        ``since`` is its stamp when the check began: what came and went meanwhile counts too.
        """
        from pytest_kerasload.artifacts import stamp
        from pytest_kerasload.artifacts.reading import digest
        from pytest_kerasload.causes import file

        artifact = self.artifact(task.path)
        now = stamp.of(artifact.path)
        if not artifact.stamp or (since in (None, now) and now in (artifact.stamp, self._touched.get(task.path))):
            return None
        try:
            found = digest(artifact.path)
        except OSError:
            found = ""
        if found == artifact.sha256 and since in (None, now):
            self._touched[task.path] = now
            return None
        what = f"changed (its SHA-256 was {artifact.sha256[:12]}, and is {found[:12]})" if found else "is gone"
        if found == artifact.sha256:
            what = "was written to or put back"
        return self.answer(task, (file.CHANGED.finding(f"{artifact.path.name} {what} while it was checked"),))

    def versions(self, environment: EnvironmentSpec) -> Versions:
        """The releases of an environment, probed once."""
        return self._once(self._versions, environment, lambda: probe(environment))

    def _once(self, kept: dict[K, Future[V]], key: K, make: Callable[[], V]) -> V:
        with self._lock:
            mine = key not in kept
            future = kept.setdefault(key, Future())
        if mine:
            try:
                future.set_result(make())
            except BaseException as error:
                future.set_exception(error)
                raise
        return future.result()

    # ---- answers

    def plan(self, tasks: Iterable[Task], *, ahead: bool, lending: bool = False) -> None:
        """Tell which checks the run selected; with ``ahead``, begin to make them before they are asked for.

        ``lending``: the run has tests that ask artifacts themselves (:attr:`lender`).
        """
        wanted = list(tasks)
        self._planned, self._ahead = frozenset(wanted), ahead
        if lending:
            self._pool.make_room()
        if ahead:
            self._pool.submit([task for task in wanted if task.check in LIVE])

    def before(self, task: Task) -> Task | None:
        """What has to be made before a check, in another environment: what it takes over, or what it reads."""
        return task.saving if task.check == "handover" else self.writer(task)

    def saved(self, saving: Task, result: CheckResult, handed: Handed | None) -> None:
        """Keep what an environment handed over, for those that take it over."""
        with self._lock:
            self._saved[saving] = result, handed
            self._takers[saving] = sum(
                1 for task in self._planned if task.check == "handover" and task.saving == saving
            )

    def handed(self, task: Task) -> tuple[CheckResult, Handed | None]:
        """What a handover takes over, and the result of the step that saved it."""
        return self._saved[task.saving]

    def formats(self, path: Path) -> list[Format]:
        """The formats in which an artifact is handed over: those of its round trips."""
        wanted = self.settings.overrides(path).roundtrip or self.settings.roundtrip
        return variants(self.artifact(path).format, wanted)

    def taken_over(self, task: Task) -> None:
        """A handover is made; the last one of those that take the same copies over deletes them."""
        with self._lock:
            self._takers[task.saving] -= 1
            result, handed = self._saved[task.saving]
            if self._takers[task.saving] == 0 and handed is not None:
                handed.away()
                self._saved[task.saving] = result, None

    def writer(self, task: Task) -> Task | None:
        """With ``--keras-record``, the check that may write what this one reads; None where nothing does.

        One file serves every environment: the first one writes it, the others are compared with what it wrote.
        """
        if self.settings.record is None or task.check != "predictions":
            return None
        first = replace(task, environment=self.settings.environments_of(task.path)[0])
        return first if first == task or first in self._planned else None

    def planned(self, task: Task) -> bool:
        """Whether the run selected this check too."""
        return task in self._planned

    @cached_property
    def lender(self) -> Lender:
        """Lends artifacts to tests that ask them themselves."""
        from pytest_kerasload.lending import Lender

        return Lender(self, self._pool)

    def result(self, task: Task) -> CheckResult:
        """The answer to one check."""
        if task.check in STATIC:
            return self.static(task)
        result = self._pool.result(task)
        if task.check in ("load", "predictions") and result.outcome == "failed" and self._ahead:
            from pytest_kerasload.checks import elsewhere

            return elsewhere.advised(result, self._neighbours(task))
        return result

    def _neighbours(self, task: Task) -> Iterator[elsewhere.Neighbour]:
        """What other environments of the run answered for the artifact, where they were asked the same."""
        from pytest_kerasload.checks import elsewhere

        for environment in self.settings.environments_of(task.path):
            asked = [replace(task, check=check, environment=environment) for check in ("load", "predictions")]
            if environment != task.environment and self._planned.issuperset(asked):
                load, predictions = map(self._pool.result, asked)
                yield elsewhere.Neighbour(environment.id, self.versions(environment), load, predictions)

    def static(self, task: Task) -> CheckResult:
        """The answer to a check that needs no TensorFlow, made here and now unless it is known."""
        with self._lock:
            known = self._results.get(task)
        if known is None:
            began = time.monotonic()
            try:
                known = self.unmet(task) or self._judge(task)
                known = self.changed(task) or known
            except Exception:  # a defect of this plugin is told apart from a failing artifact
                known = replace(self.skipped(task, ""), outcome="error", reason=traceback.format_exc())
            known = replace(known, seconds=time.monotonic() - began)
            with self._lock:
                known = self._results.setdefault(task, known)
        return known

    def _judge(self, task: Task) -> CheckResult:
        from pytest_kerasload.checks import file, safety, version

        artifact = self.artifact(task.path)
        if task.check == "file":
            return self.answer(task, file.check(artifact))
        if task.check == "safety":
            findings = safety.check(artifact)
            by = self.settings.trusted(task.path, artifact.sha256)
            if by:
                findings = tuple(
                    replace(f, message=f"trusted by {by}: {f.message}", fails=False, trusted=f.fails) for f in findings
                )
            return self.answer(task, findings)
        assert task.environment is not None
        versions = self.versions(task.environment)
        if versions.problem:
            return self.answer(task, (environment_finding(versions, task.environment),))
        own = version.as_given(artifact, self.settings.provided(task.path))
        findings = version.check(own, versions, self.settings.version_policy)
        if self.settings.inference_only:
            findings = tuple(replace(f, fails=False) if f.family == "training-state" else f for f in findings)
        return self.answer(task, findings)

    @staticmethod
    def answer(task: Task, findings: Sequence[Finding], **more: object) -> CheckResult:
        """A result that fails when one of its findings does."""
        failed = any(finding.fails for finding in findings)
        return CheckResult(
            check=task.check,
            outcome="failed" if failed else "passed",
            findings=tuple(findings),
            environment=task.where,
            variant=task.variant,
            **more,  # type: ignore[arg-type]
        )

    @staticmethod
    def skipped(task: Task, reason: str, findings: Sequence[Finding] = ()) -> CheckResult:
        """A result for a check that was not made."""
        return CheckResult(
            check=task.check,
            outcome="skipped",
            findings=tuple(findings),
            environment=task.where,
            variant=task.variant,
            reason=reason,
        )

    def unmet(self, task: Task, live: dict[Task, CheckResult] | None = None) -> CheckResult | None:
        """The result of a check that cannot be made because another one failed, or None when nothing is in the way.

        Skipped where the run reports that other check too. Where it does not (``-k predictions``), the check fails
        with the other one's findings: a run that selects only what cannot be answered must not be green.
        """
        for name in _NEEDS.get(task.check, ()):
            other = task.other(name)
            if name == "file":
                stops = not self.artifact(task.path).readable
            elif name == "safety":
                stops = self.static(other).outcome != "passed"
            else:
                stops = live is not None and live[other].outcome in ("failed", "error")
            if not stops:
                continue
            if other in self._planned:
                where = f"[{other.where}]" if task.check == SAVING else ""
                told = "" if name not in ("file", "safety") else self._told(self.static(other))
                return self.skipped(task, f"{name}{where} failed{told}")
            found = live[other] if live is not None and name not in STATIC else self.static(other)
            failing = [finding for finding in found.findings if finding.fails]
            if found.outcome == "error":
                return replace(self.skipped(task, found.reason), outcome="error", mistake=found.mistake)
            return self.answer(task, failing) if failing else self.skipped(task, f"{name} did not pass")
        return None

    @staticmethod
    def _told(result: CheckResult) -> str:
        """The findings that made a check fail, by cause and place."""
        failing = [finding for finding in result.findings if finding.fails]
        found = [f"{one.cause} ({shortened(one.where)})" if one.where else one.cause for one in failing]
        return f": {listed(found, most=3)}" if found else ""

    def close(self) -> None:
        """End every environment process."""
        self._pool.close()


def environment_finding(versions: Versions, environment: EnvironmentSpec) -> Finding:
    """The finding for an environment that cannot load anything."""
    from pytest_kerasload.causes.catalogue import cause

    if versions.tensorflow is None:
        code = "tensorflow-missing" if versions.python else "tensorflow-broken"
    else:
        code = "legacy-keras-missing" if versions.flavour == "tf_keras" else "tensorflow-broken"
    return cause(code).finding(f"{environment.id} ({environment.python}): {versions.problem}")
