"""What a process takes with all that it started, and their end."""

from __future__ import annotations

import contextlib
import time

import psutil

_SECONDS = 0.5
"""So long a list of processes is good for: making one asks for every process of the machine."""

_SUPERVISING = 2
"""Processes of the launcher's own: itself, and the first of its namespace."""


class Tree:
    """A process and all below it. Those that were left by their parents are below the launcher's too."""

    def __init__(self, pid: int) -> None:
        self._root: psutil.Process | None = None
        with contextlib.suppress(psutil.Error):  # it ended already
            self._root = psutil.Process(pid)
        self._below: list[psutil.Process] = []
        self._known = 0.0

    def _listed(self) -> list[psutil.Process]:
        if self._root is not None and time.monotonic() - self._known > _SECONDS:
            with contextlib.suppress(psutil.Error):
                self._below = self._root.children(recursive=True)
            self._known = time.monotonic()
        return self._below

    def _rooted(self) -> list[psutil.Process]:
        return [] if self._root is None else [self._root]

    def bytes(self) -> int:
        """Resident bytes of all of them."""
        total = 0
        for process in (*self._rooted(), *self._listed()):
            with contextlib.suppress(psutil.Error):
                total += int(process.memory_info().rss)
        return total

    def count(self) -> int:
        """How many there are that loading a model did not ask for."""
        return max(0, len(self._listed()) - _SUPERVISING)

    def kill(self) -> None:
        """End all of them, and wait until they are gone."""
        found = self._rooted()
        for root in self._rooted():
            with contextlib.suppress(psutil.Error):
                found += root.children(recursive=True)
        for process in found:
            with contextlib.suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(found[1:], timeout=5)
