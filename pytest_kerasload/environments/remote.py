"""An environment on another machine, over ssh: as its process here, but for where files are and what watches it."""

from __future__ import annotations

import hashlib
import shlex
import subprocess
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pytest_kerasload.artifacts.reading import sha256, tree_sha256
from pytest_kerasload.environments import channel
from pytest_kerasload.environments.confinement import LAUNCHER, Confinement
from pytest_kerasload.environments.process import Limits, Process
from pytest_kerasload.environments.spec import EnvironmentSpec

_CHUNK = 4 << 20
# Sending takes as long as the network does; only a connection that hangs is to end.
_SECONDS = 600.0

# Run beside the worker: says how large the process is.
_WATCH = """
import os, time
while True:
    try:
        with open("/proc/self/statm") as stream:
            size = int(stream.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        size = 0
    try:
        channel.send(b"%d" % size)
    except Exception:
        os._exit(0)
    time.sleep(0.5)
"""

# What is sent stays in the cache of the user there; the process itself has another home.
_CACHE = 'd="${XDG_CACHE_HOME:-$HOME/.cache}/pytest-kerasload/artifacts"; mkdir -p "$d" && echo "$d"'


class RemoteProcess(Process):
    """A process on another machine. Artifacts are sent there once, by their digest, and stay in the user's cache."""

    def __init__(
        self,
        spec: EnvironmentSpec,
        threads: int,
        directory: Path,
        confinement: Confinement,
        artifact: int = 0,
        more: Mapping[str, str] | None = None,
    ) -> None:
        self._pool = directory
        self._there: dict[Path, str] = {}
        self._size = 0
        self._cache = ""
        self._scratch = f"/tmp/kerasload-{uuid.uuid4().hex}"
        super().__init__(spec, threads, directory, confinement, artifact, more)
        self._watch = self._gateway.remote_exec(_WATCH)
        self._watch.setcallback(self._grown)
        self._files("open", root=self._cache, scratch=f"{self._scratch}/sent")

    def _opened(self, variables: Mapping[str, str]) -> Any:
        self._cache = run(self.spec, _CACHE).stdout.strip()
        told = self._confinement.told(self._scratch, variables, None, self.file_bytes, [self._cache])
        source = LAUNCHER.read_text(encoding="utf-8")
        command = shlex.join([self.spec.python, "-I", "-S", "-c", source, told, *channel.COMMAND])
        arguments = ["ssh", "-C", *self.spec.ssh_arguments, command]
        return channel.opened(self._group, arguments, ssh=self.spec.ssh)

    def _log_there(self) -> str:
        return f"{self._scratch}/log"

    def _grown(self, size: bytes) -> None:
        self._size = int(size)

    def size(self) -> int:
        """Resident bytes of the process there, as it said last; 0 when it is gone."""
        return self._size if self.pid else 0

    def processes(self) -> int:
        """Not counted there; the launcher's limit holds."""
        return 0

    def log(self) -> str:
        """The end of what the process wrote there."""
        return run(self.spec, f"tail -c 4000 {self._log_there()}").stdout

    # ---- files

    def place(self, path: Path) -> str:
        """Where the process finds a file or directory of this machine; sent there first, unless it is there."""
        if path not in self._there:
            parts = (
                [path]
                if path.is_file()
                else sorted((one for one in path.rglob("*") if one.is_file()), key=Path.as_posix)
            )
            if path.is_relative_to(self._pool):  # what this run saved: nobody will ask for it again
                self._there[path] = f"{self._files('folder', name=self._send(path, parts))}/{path.name}"
                return self._there[path]
            digest = sha256(path) if path.is_file() else tree_sha256(path, parts)
            found = self._files("find", digest=digest, name=path.name)
            if found is None:
                found = self._files("keep", token=self._send(path, parts), digest=digest, name=path.name)
            self._there[path] = found
        return self._there[path]

    def _send(self, path: Path, parts: list[Path]) -> str:
        """The name under which files were sent."""
        token = uuid.uuid4().hex
        for part in parts:
            name = part.relative_to(path.parent).as_posix()
            for data in _chunks(part):
                self._files("put", token=token, part=name, data=data)
        return token

    def target(self, path: Path) -> str:
        """Where the process writes what is to lie at a path of this machine."""
        if path not in self._there:
            folder = self._files("folder", name=hashlib.sha256(str(path.parent).encode()).hexdigest()[:16])
            self._there[path.parent] = folder
            self._there[path] = f"{folder}/{path.name}"
        return self._there[path]

    def bring(self, path: Path) -> None:
        """Have here what the process wrote for a path."""
        there = self._there[path]
        for part in self._files("parts", path=there):
            here = path / part if part else path
            if not here.resolve().is_relative_to(path.resolve()):  # what comes back is trusted as little as an artifact
                raise ValueError(f"{part!r} leads out of {path}")
            here.parent.mkdir(parents=True, exist_ok=True)
            with here.open("wb") as stream:
                more = True
                while more and stream.tell() <= self.file_bytes:
                    answer = self._files("read", path=there, part=part, offset=stream.tell())
                    stream.write(answer["data"])
                    more = answer["more"]

    def _files(self, what: str, **arguments: Any) -> Any:
        return self.ask("files", Limits(_SECONDS, 0), what=what, arguments=arguments)["answer"]


def run(spec: EnvironmentSpec, command: str) -> subprocess.CompletedProcess[str]:
    """What a command says on an environment's machine."""
    words = ["ssh", *spec.ssh_arguments, command]
    return subprocess.run(words, capture_output=True, text=True, errors="replace", timeout=60, check=False)


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as stream:
        data = stream.read(_CHUNK)
        yield data
        while data := stream.read(_CHUNK):
            yield data
