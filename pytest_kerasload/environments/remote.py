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
from pytest_kerasload.environments.process import Limits, Process
from pytest_kerasload.environments.spec import EnvironmentSpec

_CHUNK = 4 << 20
# Sending takes as long as the network does; only a connection that hangs is to end.
_SECONDS = 600.0

# Run beside the worker: says how large the process is, and ends it, with what it saved, when pytest is gone.
_WATCH = """
import os, shutil, time
scratch, log = channel.receive()
while True:
    try:
        with open("/proc/self/statm") as stream:
            size = int(stream.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        size = 0
    try:
        channel.send(size)
    except Exception:
        shutil.rmtree(scratch, ignore_errors=True)
        if os.path.exists(log):
            os.unlink(log)
        os._exit(0)
    time.sleep(0.5)
"""


class RemoteProcess(Process):
    """A process on another machine. Artifacts are sent there once, by their digest, and stay in the user's cache."""

    def __init__(
        self, spec: EnvironmentSpec, threads: int, directory: Path, more: Mapping[str, str] | None = None
    ) -> None:
        self._directory = directory
        self._there: dict[Path, str] = {}
        self._size = 0
        name = f"kerasload-{uuid.uuid4().hex}"
        self._scratch, self._remote_log = f"/tmp/{name}", f"/tmp/{name}.log"
        super().__init__(spec, threads, directory, more)
        self._watch = self._gateway.remote_exec(_WATCH)
        self._watch.setcallback(self._grown)
        self._watch.send((self._scratch, self._remote_log))
        self._files("open", scratch=self._scratch)

    def _spec(self) -> str:
        return f"ssh={' '.join(self.spec.ssh_arguments)}//python={shlex.quote(self.spec.python)}//dont_write_bytecode"

    def _told(self) -> dict[str, Any]:
        return {"log": self._remote_log, "parent": None}

    def _grown(self, size: int) -> None:
        self._size = size

    def size(self) -> int:
        """Resident bytes of the process there, as it said last; 0 when it is gone."""
        return self._size if self.pid else 0

    def log(self) -> str:
        """The end of what the process wrote there."""
        ask = f"tail -c 4000 {self._remote_log}; rm -f {self._remote_log}"
        return run(self.spec, ask).stdout

    # ---- files

    def place(self, path: Path) -> str:
        """Where the process finds a file or directory of this machine; sent there first, unless it is there."""
        if path not in self._there:
            parts = [path] if path.is_file() else sorted(one for one in path.rglob("*") if one.is_file())
            if path.is_relative_to(self._directory):  # what this run saved: nobody will ask for it again
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
                while more:
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
