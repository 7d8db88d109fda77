"""Functions that read files with native libraries, run in a child process that a damaged file can take down.

One wrong bit in an HDF5 file can send the HDF5 library into an endless loop (seen with HDF5 2.0 in an attribute's
heap: no exception, the interpreter never gets control back) or crash it. In the pytest process that would be the end
of the gate, so such files are opened here. The child is started once, at the first such file, and lives as long as the
process that asks it; it imports neither pytest nor TensorFlow, and is confined like the processes that do.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import json
import math
import os
import queue
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pytest_kerasload.environments.confinement import LAUNCHER, Confinement
from pytest_kerasload.files import away

CPU_SECONDS = 60
"""What one call may take of the processor: files of a hundred thousand groups take half of it."""

_FILE_BYTES = 1 << 40
"""A member of an archive is unpacked to a file, when it is not too large for its packed size."""

_WALL_SECONDS = 900
"""What one call may take by the clock, where the system knows no limit of the other kind; storage can be slow."""


class ChildGone(Exception):
    """The child crashed or never came back; the text says which, ready to go on from "the HDF5 library"."""


def isolated(function: Callable[..., Any], *arguments: str, seconds: int = CPU_SECONDS) -> Any:
    """What a module-level function returns for these arguments: JSON values, called in the child.

    ChildGone where the child did not survive it; RuntimeError, with the traceback, for an exception it let through.
    """
    global _child
    request = json.dumps([function.__module__, function.__qualname__, arguments, seconds])
    with _lock:
        if _child is None or not _child.usable:
            _child = _Child()
        answer = _child.ask(request)
    if "error" in answer:
        raise RuntimeError(answer["error"])
    return answer["result"]


class _Child:
    def __init__(self) -> None:
        self._owner = os.getpid()
        # No process that ends with its parent: that would be the thread that happened to ask first.
        self._directory = Path(tempfile.mkdtemp(prefix="kerasload-"))
        variables = {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        told = Confinement().told(str(self._directory), variables, None, _FILE_BYTES)
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(LAUNCHER), told, "-m", __name__],
            env=Confinement().environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="ascii",
        )
        self._answers: queue.SimpleQueue[str] = queue.SimpleQueue()
        threading.Thread(target=self._listen, daemon=True).start()
        atexit.register(self.end)

    @property
    def usable(self) -> bool:
        """Whether it still runs, and was not inherited by a fork."""
        return self._process.poll() is None and self._owner == os.getpid()

    def ask(self, request: str) -> dict[str, Any]:
        assert self._process.stdin is not None
        answer = ""
        slow = False
        with contextlib.suppress(OSError):
            self._process.stdin.write(request + "\n")
            self._process.stdin.flush()
            try:
                answer = self._answers.get(timeout=_WALL_SECONDS)
            except queue.Empty:
                slow = True
        if answer:
            return dict(json.loads(answer))
        self.end()
        code = self._process.returncode
        if slow or code == -_cpu_signal():
            raise ChildGone("never comes back from reading it")
        raise ChildGone(f"crashes on reading it ({f'signal {-code}' if code < 0 else f'exit code {code}'})")

    def end(self) -> None:
        """Stops the child, at work or not."""
        if self._owner == os.getpid():
            if self._process.poll() is None:
                self._process.kill()
            self._process.wait()
            if self._process.stdin is not None:
                with contextlib.suppress(OSError):
                    self._process.stdin.close()
            away(self._directory)

    def _listen(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as answers:
            for line in answers:
                self._answers.put(line)
        # The pipe closes a moment before the exit code is there.
        self._process.wait()
        self._answers.put("")


_child: _Child | None = None
_lock = threading.Lock()


def _cpu_signal() -> int:
    import signal

    return int(getattr(signal, "SIGXCPU", 0))


def _serve() -> None:
    """The child: answers one request a line until its input ends. Whatever else is printed goes nowhere."""
    answers = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    for line in sys.stdin:
        module, name, arguments, seconds = json.loads(line)
        _limit(seconds)
        try:
            answer = {"result": getattr(importlib.import_module(module), name)(*arguments)}
        except Exception:
            answer = {"error": traceback.format_exc()}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def _limit(seconds: int) -> None:
    """Lets the system end this process after so much more of the processor; not on Windows."""
    try:
        import resource
    except ImportError:
        return
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    wanted = math.ceil(used.ru_utime + used.ru_stime) + seconds
    if hard == resource.RLIM_INFINITY or wanted < hard:
        resource.setrlimit(resource.RLIMIT_CPU, (wanted, hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


if __name__ == "__main__":
    _serve()
