"""One environment's process: started over execnet, asked one thing at a time, watched, and ended.

The process runs the environment's own interpreter and gets the sources of ``pytest_kerasload.worker`` over the
channel; nothing of the pytest process's site-packages is put on its path.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import execnet
import psutil

from pytest_kerasload.environments.spec import EnvironmentSpec

_POLL_SECONDS = 0.1
_START_SECONDS = 300.0
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
"""Keras 3 writes some of its messages in bold, whatever they are written to."""


@dataclass(frozen=True)
class Limits:
    """What an answer may take: seconds of wall time, bytes of resident memory.

    ``deadline`` (of ``time.monotonic``) ends a whole check, where the user gave a limit for it.
    """

    seconds: float
    bytes: int
    deadline: float | None = None


class WorkerEnded(Exception):
    """The process did not answer: it died, hung or grew over its memory. ``cause`` is a code of the catalogue."""

    def __init__(self, cause: str, message: str, log: str = "") -> None:
        super().__init__(message)
        self.cause = cause
        self.message = message
        self.log = log


class WorkerBroken(WorkerEnded):
    """The process could not be started, or TensorFlow cannot be imported in it."""


class RequestFailed(Exception):
    """What an artifact (or TensorFlow) raised while a request ran, as text."""

    def __init__(self, error: dict[str, str], remarks: list[str]) -> None:
        self.type = error["type"]
        self.text = _COLOURS.sub("", error["text"])
        self.traceback = _COLOURS.sub("", error["traceback"])
        super().__init__(f"{self.type}: {self.text}")
        self.remarks = remarks


@cache
def _sources() -> dict[str, str]:
    """The modules of the worker, by name."""
    folder = Path(__file__).parent.parent / "worker"
    return {path.stem: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.py"))}


class Process:
    """A started environment. Not thread-safe: one thread asks at a time."""

    def __init__(
        self, spec: EnvironmentSpec, threads: int, directory: Path, more: Mapping[str, str] | None = None
    ) -> None:
        self.spec = spec
        self.pid: int | None = None
        self._log = Path(tempfile.mkstemp(prefix="worker-", suffix=".log", dir=directory)[1])
        variables = {
            "OMP_NUM_THREADS": str(threads),
            "TF_NUM_INTRAOP_THREADS": str(threads),
            "TF_NUM_INTEROP_THREADS": str(threads),
            "PYTHONUNBUFFERED": "1",
            "KERAS_BACKEND": "tensorflow",
            "HDF5_USE_FILE_LOCKING": os.environ.get("HDF5_USE_FILE_LOCKING", "FALSE"),
            **spec.variables,
            **(more or {}),
        }
        text = self._spec()
        text += "".join(f"//env:{key}={value}" for key, value in variables.items())
        self._group = execnet.Group()
        try:
            self._gateway = self._group.makegateway(text)
            self.pid = self._gateway._io.popen.pid  # type: ignore[attr-defined]
            self._channel = self._gateway.remote_exec(_sources()["bootstrap"])
            self._channel.send({"sources": _sources(), **self._told()})
        except (OSError, EOFError, execnet.HostNotFound, execnet.RemoteError) as error:
            raise WorkerBroken(
                "tensorflow-broken", f"the interpreter {spec.python} could not be started: {error}"
            ) from error
        reply = self._receive(Limits(_START_SECONDS, 0), "starting TensorFlow")
        if not reply["ok"]:
            said = reply["error"]
            self.close()
            raise WorkerBroken(
                "tensorflow-broken",
                f"TensorFlow cannot be imported there: {said['type']}: {said['text']}",
                said["traceback"],
            )
        self.describes: dict[str, Any] = reply

    def _spec(self) -> str:
        """How execnet starts the process."""
        return f"popen//python={shlex.quote(self.spec.python)}//dont_write_bytecode"

    def _told(self) -> dict[str, Any]:
        """What the process is told first."""
        return {"log": str(self._log), "parent": os.getpid()}

    def place(self, path: Path) -> str:
        """Where the process finds a file or directory."""
        return str(path)

    def target(self, path: Path) -> str:
        """Where the process writes what is to lie at a path."""
        return str(path)

    def bring(self, path: Path) -> None:
        """Have at a path what the process wrote for it."""

    def ask(self, do: str, limits: Limits, **arguments: Any) -> dict[str, Any]:
        """The reply to one request.

        RequestFailed when it raised there; WorkerEnded when the process died, took longer or grew larger than the
        limits (it is gone then).
        """
        try:
            self._channel.send({"do": do, **arguments})
        except OSError as error:  # it died since it was last asked
            raise self._died(do, 0.0, str(error)) from None
        reply = self._receive(limits, do)
        if not reply["ok"]:
            raise RequestFailed(reply["error"], reply["remarks"])
        return reply

    def _receive(self, limits: Limits, what: str) -> dict[str, Any]:
        began = time.monotonic()
        while True:
            try:
                received: dict[str, Any] = self._channel.receive(_POLL_SECONDS)
                return received
            except self._channel.TimeoutError:
                pass
            except (EOFError, execnet.RemoteError) as error:
                raise self._died(what, time.monotonic() - began, str(error)) from None
            seconds = time.monotonic() - began
            if seconds > limits.seconds or (limits.deadline is not None and time.monotonic() > limits.deadline):
                self.close()
                raise WorkerEnded(
                    "worker-timeout",
                    f"no answer after {seconds:.0f} s ({what}); its process was ended",
                    self.log(),
                )
            size = self.size()
            if limits.bytes and size > limits.bytes:
                self.close()
                raise WorkerEnded(
                    "worker-memory",
                    f"its process grew to {size:,} bytes, over the limit of {limits.bytes:,} ({what}); it was ended",
                    self.log(),
                )

    def size(self) -> int:
        """Resident bytes of the process now; 0 when it is gone."""
        try:
            return int(psutil.Process(self.pid).memory_info().rss) if self.pid else 0
        except psutil.Error:
            return 0

    def _died(self, what: str, seconds: float, said: str) -> WorkerEnded:
        popen = self._gateway._io.popen  # type: ignore[attr-defined]
        try:
            code = popen.wait(timeout=10)
        except Exception:  # a process that closed its pipes and lives on is ended below
            code = None
        if code is not None and code < 0:
            try:
                name = signal.Signals(-code).name
            except ValueError:
                name = f"signal {-code}"
            how = f"was killed by {name}"
        elif code is not None:
            how = f"ended with exit status {code}"
        else:
            how = f"stopped answering ({said.strip() or 'its channel closed'})"
        self.close()
        return WorkerEnded("worker-crashed", f"its process {how} after {seconds:.1f} s ({what})", self.log())

    def log(self) -> str:
        """The end of what the process wrote to its standard output and error."""
        try:
            return self._log.read_bytes()[-4000:].decode("utf-8", "replace")
        except OSError:
            return ""

    def close(self) -> None:
        """End the process and everything that it started, at once."""
        if self.pid is not None:
            try:
                root = psutil.Process(self.pid)
                for process in (*root.children(recursive=True), root):
                    process.kill()
            except psutil.Error:
                pass
            self.pid = None
        try:
            self._gateway._io.popen.wait(timeout=10)  # type: ignore[attr-defined]
            self._gateway.join(timeout=2)  # execnet's receiver has seen the end of the pipe: nothing is written later
        except Exception:  # the process is gone either way
            pass
        self._group.terminate(timeout=0.5)
