"""The first thing that an environment's process runs: puts the worker's modules in place and serves.

Run by execnet as ``__channelexec__`` with ``channel`` in its globals; importing it does nothing.
"""

import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
from typing import Any, Dict, Optional


class Sources(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Imports ``kerasload_worker`` from sources that came over the channel."""

    def __init__(self, sources: Dict[str, str]) -> None:
        self.sources = sources

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Optional[importlib.machinery.ModuleSpec]:
        if name.split(".")[0] != "kerasload_worker" or self._stem(name) not in self.sources:
            return None
        return importlib.util.spec_from_loader(name, self, is_package="." not in name)

    def get_source(self, name: str) -> str:
        return self.sources[self._stem(name)]

    @staticmethod
    def _stem(name: str) -> str:
        return name.partition(".")[2] or "__init__"


def start(channel: Any) -> None:
    """Redirect the process's output to its log, and answer requests."""
    told = channel.receive()
    sys.dont_write_bytecode = True
    descriptor = os.open(told["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)
    import faulthandler

    faulthandler.enable()
    sys.meta_path.insert(0, Sources(told["sources"]))
    from kerasload_worker.serving import serve  # type: ignore[import-not-found]

    serve(channel)


if __name__ == "__channelexec__":
    start(channel)  # type: ignore[name-defined]  # noqa: F821 - execnet's own global
