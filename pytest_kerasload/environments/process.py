"""One environment's process: started over execnet, asked one thing at a time, watched, and ended.

The process runs the environment's own interpreter and gets the sources of ``pytest_kerasload.worker`` over the
channel; nothing of the pytest process's site-packages is put on its path.
"""

from __future__ import annotations

import os
import re
import signal
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import execnet

from pytest_kerasload.environments import channel, replies
from pytest_kerasload.environments.confinement import LAUNCHER, PROCESSES, Confinement, largest_file
from pytest_kerasload.environments.spec import EnvironmentSpec
from pytest_kerasload.environments.usage import Tree
from pytest_kerasload.files import away

_POLL_SECONDS = 0.1
_START_SECONDS = 300.0
_LONGEST = 20_500
_LONG_WORD = re.compile(r"(\w{200})\w+")
"""No name is as long, and signatures that begin with a name take time quadratic in it."""
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
        self.text = _LONG_WORD.sub(r"\1...", _COLOURS.sub("", error["text"])[:_LONGEST])
        self.traceback = _COLOURS.sub("", error["traceback"])
        super().__init__(f"{self.type}: {self.text}")
        self.remarks = remarks


@cache
def _sources() -> dict[str, str]:
    """The modules of the worker, by name."""
    folder = Path(__file__).parent.parent / "worker"
    return {path.stem: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.py"))}


class Process:
    """A started environment. Not thread-safe: one thread asks at a time.

    ``directory`` is where it may write, and goes with it; :attr:`kept` is for what it hands over, and stays.
    """

    def __init__(
        self,
        spec: EnvironmentSpec,
        threads: int,
        directory: Path,
        confinement: Confinement,
        artifact: int = 0,
        more: Mapping[str, str] | None = None,
    ) -> None:
        self.spec = spec
        self.pid: int | None = None
        self.watched: list[list[str]] = []
        """What loading did besides, since this was emptied: a kind, what, and whose code it was."""
        self.directory = Path(tempfile.mkdtemp(prefix="process-", dir=directory))
        # Beside it, where the process cannot put something else in its place.
        self.kept = Path(tempfile.mkdtemp(prefix="kept-", dir=directory))
        self.file_bytes = largest_file(artifact)
        self._confinement = confinement
        self._log = self.directory / "log"
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
        self._group = execnet.Group()
        self._gateway: Any = None
        try:
            self._gateway = self._opened(variables)
            self.pid = self._gateway._io.popen.pid
            self._tree = Tree(self.pid)
            self._channel = self._gateway.remote_exec(_sources()["bootstrap"])
            self._channel.send({"sources": _sources(), "log": self._log_there()})
        except (OSError, EOFError, execnet.HostNotFound, execnet.RemoteError) as error:
            self.close()
            raise WorkerBroken(
                "tensorflow-broken", f"the interpreter {spec.python} could not be started: {error}"
            ) from error
        reply = self._receive(Limits(_START_SECONDS, 0), "hello", "starting TensorFlow")
        if not reply["ok"]:
            said = reply["error"]
            self.close()
            raise WorkerBroken(
                "tensorflow-broken",
                f"TensorFlow cannot be imported there: {said['type']}: {said['text']}",
                said["traceback"],
            )
        self.describes: dict[str, Any] = reply

    def _opened(self, variables: Mapping[str, str]) -> Any:
        """The gateway to the process, which is started by its launcher."""
        directory, kept = str(self.directory), [str(self.kept)]
        told = self._confinement.told(directory, variables, os.getpid(), self.file_bytes, kept)
        command = [self.spec.python, "-I", "-S", str(LAUNCHER), told, *channel.COMMAND]
        return channel.opened(self._group, command, self._confinement.environment())

    def _log_there(self) -> str:
        """Where the process writes what it prints."""
        return str(self._log)

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
        limits, or answered what cannot be an answer (it is gone then).
        """
        channel.asking(self._gateway)
        try:
            self._channel.send({"do": do, **arguments})
        except OSError as error:  # it died since it was last asked
            raise self._died(do, 0.0, str(error)) from None
        reply = self._receive(limits, f"{do} {arguments['what']}" if do == "files" else do, do)
        self.watched += [row for row in reply.get("watched", ()) if row not in self.watched]
        if not reply["ok"]:
            raise RequestFailed(reply["error"], reply["remarks"])
        return reply

    def _receive(self, limits: Limits, question: str, what: str) -> dict[str, Any]:
        began = time.monotonic()
        while True:
            try:
                return replies.unpacked(question, self._channel.receive(_POLL_SECONDS))
            except self._channel.TimeoutError:
                pass
            except replies.ReplyRefused as error:
                raise self._ended("worker-reply-refused", f"its process answered with {error} ({what})") from None
            except (EOFError, execnet.RemoteError) as error:
                raise self._died(what, time.monotonic() - began, str(error)) from None
            seconds = time.monotonic() - began
            if seconds > limits.seconds or (limits.deadline is not None and time.monotonic() > limits.deadline):
                raise self._ended("worker-timeout", f"no answer after {seconds:.0f} s ({what})")
            size = self.size()
            if limits.bytes and size > limits.bytes:
                grown = f"its process grew to {size:,} bytes, over the limit of {limits.bytes:,} ({what})"
                raise self._ended("worker-memory", grown)
            if self.processes() > PROCESSES:
                raise self._ended("worker-processes", f"it started more than {PROCESSES} processes ({what})")

    def _ended(self, cause: str, message: str) -> WorkerEnded:
        """The process ended here and now, and why."""
        log = self.log()
        self.close()
        return WorkerEnded(cause, f"{message}; it was ended", log)

    def size(self) -> int:
        """Resident bytes of the process now, with what it started; 0 when it is gone."""
        return self._tree.bytes() if self.pid else 0

    def processes(self) -> int:
        """How many processes the process has below it."""
        return self._tree.count() if self.pid else 0

    def _died(self, what: str, seconds: float, said: str) -> WorkerEnded:
        abuse = channel.abuse(self._gateway)
        if abuse:
            return self._ended("worker-reply-refused", f"its process broke the channel: {abuse} ({what})")
        try:
            code = self._gateway._io.popen.wait(timeout=10)
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
        log = self.log()
        self.close()
        return WorkerEnded("worker-crashed", f"its process {how} after {seconds:.1f} s ({what})", log)

    def log(self) -> str:
        """The end of what the process wrote to its standard output and error."""
        try:
            # The process may have put something else in its place.
            flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
            with open(self._log, "rb", opener=lambda path, _: os.open(path, flags)) as stream:
                stream.seek(max(0, os.fstat(stream.fileno()).st_size - 4000))
                return stream.read(4000).decode("utf-8", "replace")
        except OSError:
            return ""

    def close(self) -> None:
        """End the process and everything that it started, at once; nothing of it is left but what was handed over."""
        if self.pid is not None:
            self._tree.kill()
            self.pid = None
        if self._gateway is not None:
            try:
                self._gateway._io.popen.wait(timeout=10)
                self._gateway.join(timeout=2)
            except Exception:  # the process is gone either way
                pass
        self._group.terminate(timeout=0.5)
        away(self.directory)
