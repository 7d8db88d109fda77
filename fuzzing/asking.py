"""All that the gate asks of an artifact before it starts an environment, and what is wrong with how it answers.

Nothing may raise, nothing may take long or much memory, nothing may be left over, and what is said has to be text
that reports can hold.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import tempfile
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

import psutil
from google.protobuf.message import DecodeError

from pytest_kerasload import amendments, expected, tables, vetting
from pytest_kerasload.artifacts import isolation, json_text, outline, reading
from pytest_kerasload.artifacts.record import Artifact
from pytest_kerasload.artifacts.zip_errors import ZIP_ERRORS
from pytest_kerasload.checks import file, safety, version
from pytest_kerasload.environments.versions import Versions, of_packages
from pytest_kerasload.findings import CheckResult, Finding
from pytest_kerasload.inspection.inspected import inspect
from pytest_kerasload.reports import collected, failure, inspected, inspecting, markdown
from pytest_kerasload.settings import BadSetting

SECONDS = 5.0
"""What all questions together may take of the processor."""

MEMORY = 1 << 30
"""How much more memory this process, or the one that reads HDF5, may have at once while it answers."""

LIBRARY_SECONDS = 3
"""What the HDF5 library may take here before it is taken to loop; the gate waits longer (``isolation.CPU_SECONDS``)."""

_HERE = os.path.join("pytest_kerasload", "")
_FORESEEN = (ValueError, OSError, *ZIP_ERRORS, DecodeError, isolation.ChildGone, json_text.TooLarge)
"""What may make the ``safety`` check refuse an artifact as one that cannot be gone through: damage, told as such."""

_NOT_FORESEEN = (UnicodeError, RecursionError)
"""Kinds of those, or of RuntimeError, that are none of the file's."""


@dataclass(frozen=True)
class Trouble:
    """One thing that is wrong with an answer; those of the same kind and place are one defect."""

    kind: str
    place: str
    detail: str = ""

    @property
    def signature(self) -> str:
        return f"{self.kind} at {self.place}"


@dataclass(frozen=True)
class Answer:
    """What was asked, how it went: outcomes of the static checks with their causes, and the troubles."""

    outcomes: tuple[str, ...] = ()
    troubles: tuple[Trouble, ...] = ()
    seconds: float = 0.0
    memory: int = 0


class TooLong(BaseException):
    """Raised in the middle of what takes too long; no exception, so that nothing takes it for a file's."""


def ask(path: Path, *, forecast: bool = True) -> Answer:
    """Asks everything of one artifact; its expected outputs are beside it, and ``kerasload.toml`` too.

    Without the forecast, the command ``inspect`` is left out, which asks the ``version`` check of fifty releases.
    """
    troubles: list[Trouble] = []
    outcomes: list[str] = []
    before = _hold()
    isolation.isolated(os.getpid)  # started here, and not among the temporary files of one artifact
    _forget_peak(os.getpid())
    child = _child()
    if child is not None:
        _forget_peak(child)
    began = time.process_time()
    refused: list[Exception] = []
    try:
        with _limited(4 * SECONDS), _recorded(refused), _temporary(troubles):
            outcomes.extend(_asked(path, forecast))
    except TooLong as error:
        troubles.append(Trouble("never ends", _place(error.__traceback__), _told(error)))
    except Exception as error:
        troubles.append(Trouble(f"raises {type(error).__name__}", _place(error.__traceback__), _told(error)))
    seconds = time.process_time() - began
    troubles += filter(None, map(_refusal, refused))
    if seconds > SECONDS and not any(one.kind == "never ends" for one in troubles):
        troubles.append(Trouble("takes long", path.suffix or "directory", f"{seconds:.1f} s"))
    memory = max(_peak(os.getpid()) - before, _peak(child) if child is not None else 0)
    if memory > MEMORY:
        troubles.append(Trouble("takes much memory", path.suffix or "directory", f"{memory >> 20} MiB"))
    troubles += _processes_left()
    return Answer(tuple(outcomes), tuple(troubles), seconds, memory)


def _asked(path: Path, forecast: bool) -> Iterator[str]:
    recorded = path.with_name(f"{path.name}.expected.npz")
    artifact = reading.read(path)
    results = [_result("file", file.check(artifact)), _result("safety", safety.check(artifact))]
    if not artifact.readable and results[0].outcome != "failed":
        raise AssertionError("what is not readable passes the check of the file")
    for result in results:
        yield f"{result.check}:{result.outcome}"
        yield from (f"{result.check}:{finding.cause}" for finding in result.findings)
    for versions in _VERSIONS:
        for policy in ("evidence", "strict"):
            own = version.as_given(artifact, ())
            results.append(_result("version", version.check(own, versions, policy)))  # type: ignore[arg-type]
    outline.of(artifact.config)
    if recorded.exists():
        with contextlib.suppress(expected.ExpectedUnreadable, OSError):
            vetting.rows(vetting.read(recorded))
    with contextlib.suppress(BadSetting):
        tables.read(path.parent)
    _reported(artifact, results)
    small = artifact.bytes < _SMALL and (not recorded.is_file() or recorded.stat().st_size < _SMALL)
    if forecast and small and len(artifact.objects) < _FORECAST:
        found = inspect(path, recorded)
        list(inspected.lines(found, path.name, 80))
        json.dumps(inspecting.as_json(found, path.name), ensure_ascii=False).encode()
        for versions in _VERSIONS:
            _amended(artifact, versions)


def _amended(artifact: Artifact, versions: Versions) -> None:
    """What a check of loading tries as a remedy: a copy of the artifact as another release takes it."""
    found = amendments.amended(artifact, versions)
    if found is not None:
        with tempfile.TemporaryDirectory() as directory, contextlib.suppress(amendments.NotWritten):
            amendments.write(artifact, found, Path(directory) / artifact.path.name)
            assert found.told


_FORECAST = 300
_SMALL = 300_000
"""Objects and bytes of an artifact that the command ``inspect`` is asked about too: it reads it once more, and asks of
fifty releases."""


def _result(check: str, findings: tuple[Finding, ...]) -> CheckResult:
    return CheckResult(check, "failed" if any(finding.fails for finding in findings) else "passed", findings)


_VERSIONS = (
    of_packages("", {"tensorflow": "2.21.0", "keras": "3.15.1"}, legacy=False),
    of_packages("", {"tensorflow": "2.10.1", "keras": "2.10.0"}, legacy=False),
)


def _reported(artifact: Artifact, results: list[CheckResult]) -> None:
    """All reports of the answers: text for a terminal, JSON and Markdown, as bytes."""
    told = collected.Collected()
    for result in results:
        shown = "\n".join(failure.lines(result, 2))
        shown.encode()
        if any(sign in shown for sign in "\x1b\r\b\0"):
            raise AssertionError("a report moves the cursor of a terminal")
        told.add({"artifact": collected.artifact_json(artifact, "a"), "check": result.as_json(), "environments": []})
        # What pytest-xdist sends to the process that reports.
        json.dumps(dataclasses.asdict(result), ensure_ascii=False).encode()
    report = told.as_json({})
    directory = Path(tempfile.mkdtemp())
    try:
        collected.write_json(directory / "report.json", report)
        markdown.text(report).encode()
    finally:
        (directory / "report.json").unlink(missing_ok=True)
        directory.rmdir()


@contextlib.contextmanager
def _recorded(refused: list[Exception]) -> Iterator[None]:
    """Keeps what made the ``safety`` check refuse an artifact, which it tells as a finding."""
    original = safety._hazards

    def hazards(artifact: Artifact) -> Iterator[Any]:
        try:
            yield from original(artifact)
        except Exception as error:
            refused.append(error)
            raise

    safety._hazards = hazards
    try:
        yield
    finally:
        safety._hazards = original


def _refusal(error: Exception) -> Trouble | None:
    """The trouble with an exception that made an artifact uninspectable; None for one that tells of damage."""
    text = str(error)
    if isinstance(error, RuntimeError) and text.startswith("Traceback"):
        return _isolated(text)
    innermost = Path(traceback.extract_tb(error.__traceback__)[-1].filename)
    if isinstance(error, RecursionError) and innermost.parent.name == "json":
        return None  # what is nested too deep for this parser may not be for another
    theirs = isinstance(error, (KeyError, IndexError, RuntimeError)) and _HERE in str(innermost)
    if isinstance(error, _FORESEEN) and not theirs and not isinstance(error, _NOT_FORESEEN):
        return None
    return Trouble(f"is refused for {type(error).__name__}", _place(error.__traceback__), _told(error))


def _isolated(text: str) -> Trouble | None:
    """The same for one out of the process that reads HDF5, of which there is the text."""
    lines = text.strip().splitlines()
    places = [line.split('"') for line in lines if line.startswith("  File ")]
    name = lines[-1].partition(":")[0]
    where = f"{Path(places[-1][1]).name}{places[-1][2]}" if places else ""
    if (places and _HERE in places[-1][1]) or name in ("MemoryError", "RecursionError", "UnicodeDecodeError"):
        return Trouble(f"is refused for {name}", where, text)
    return None


def _place(trace: TracebackType | None) -> str:
    """The innermost line of the plugin's own that was at work."""
    found = [frame for frame in traceback.extract_tb(trace) if _HERE in frame.filename]
    if not found:
        return "fuzzing"
    name = found[-1].filename.rpartition(_HERE)[2]
    return f"{name}:{found[-1].lineno} {found[-1].name}"


def _told(error: BaseException) -> str:
    lines = "".join(traceback.format_exception(error, limit=-12)).splitlines()
    return "\n".join(line[:200] for line in lines if line.strip(" ^~"))[-4000:]


@contextlib.contextmanager
def _limited(seconds: float) -> Iterator[None]:
    """Raises TooLong in what goes on, once it took so much of the processor."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise TooLong

    old = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, old)


def hurry() -> None:
    """Makes the process that reads HDF5 give up on a file sooner than the gate does."""
    isolation.isolated.__kwdefaults__["seconds"] = LIBRARY_SECONDS


def _child() -> int | None:
    """The process that reads HDF5, below its launcher's."""
    child = isolation._child
    if child is None or not child.usable:
        return None
    below = psutil.Process(child._process.pid).children(recursive=True)
    return below[-1].pid if below else None


def _hold() -> int:
    return int(psutil.Process().memory_info().rss)


def _forget_peak(process: int) -> None:
    """Begins to measure the largest size of a process anew; only Linux can (proc(5), clear_refs)."""
    with contextlib.suppress(OSError):
        Path(f"/proc/{process}/clear_refs").write_text("5")


def _peak(process: int) -> int:
    with contextlib.suppress(OSError, StopIteration):
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) * 1024
    return 0


@contextlib.contextmanager
def _temporary(troubles: list[Trouble]) -> Iterator[None]:
    """A directory for temporary files of its own, and the trouble that some are left there."""
    kept = tempfile.tempdir
    with tempfile.TemporaryDirectory(prefix="kerasload-fuzzing-") as folder:
        tempfile.tempdir = folder
        try:
            yield
        finally:
            tempfile.tempdir = kept
            child = isolation._child
            names = set(os.listdir(folder)) - {child._directory.name if child is not None else ""}
            if names:
                troubles.append(Trouble("leaves a file", "the directory for temporary ones", ", ".join(sorted(names))))
            if child is not None and child._directory.parent == Path(folder):
                child.end()  # its own directory goes with this one


def _processes_left() -> Iterator[Trouble]:
    child = isolation._child
    known = child._process.pid if child is not None else None
    others = [process.pid for process in psutil.Process().children() if process.pid != known]
    if others:
        yield Trouble("leaves a process", "beside that which reads HDF5", str(others))
