"""The commands ``environments`` and ``prune``: what is in the cache of environments, and away with what nobody uses."""

from __future__ import annotations

import argparse
import os
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_kerasload.environments import making

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

_DAYS = 30.0
_DAY = 24 * 3600.0


def add(commands: Commands) -> None:
    """Add the two commands to a parser's."""
    shown = commands.add_parser("environments", help="list the environments that were made for --keras-env=tfX.Y")
    shown.set_defaults(run=_show)
    pruned = commands.add_parser("prune", help="delete those of them that no run has asked for lately")
    pruned.add_argument(
        "--days", type=float, default=_DAYS, metavar="N", help="unused for so many days (%(default)g); 0 deletes all"
    )
    pruned.set_defaults(run=_prune)


def _show(_: argparse.Namespace) -> int:
    kept = making.kept()
    print(f"{making.cache()}: {len(kept)} environment{'' if len(kept) == 1 else 's'}")
    for one in kept:
        days = (time.time() - one.used) / _DAY
        print(
            f"  {one.name:<50} {_size(one.directory) / 1e6:>7,.0f} MB   last used {_ago(days)}   {one.directory.name}"
        )
    return 0


def _prune(chosen: argparse.Namespace) -> int:
    """Delete environments, and what interrupted runs left of some; nothing that is being made or used now."""
    from filelock import FileLock, Timeout

    deleted = 0
    cache = making.cache()
    for path in sorted(cache.iterdir()) if cache.is_dir() else []:
        half = path.suffix == making.HALF
        if not path.is_dir() or (not half and (time.time() - making.used(path)) / _DAY < chosen.days):
            continue
        key = path.stem.rpartition(".")[0] if half else path.name
        lock = FileLock(f"{cache / key}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            print(f"left {path.name}: it is being made")
            continue
        try:
            user = _user(path)
            if user is not None:
                print(f"left {path.name}: process {user} runs in it")
                continue
            size = _size(path)
            aside = path if half else path.with_name(f"{path.name}.{os.getpid()}{making.HALF}")
            os.replace(path, aside)  # at once: no run finds half of it
            shutil.rmtree(aside)
            deleted += 1
            print(f"deleted {path.name} ({size / 1e6:,.0f} MB)")
        finally:
            lock.release()
    print(f"{deleted} environment{'' if deleted == 1 else 's'} deleted, {len(making.kept())} left in {cache}")
    return 0


def _user(directory: Path) -> int | None:
    """A process whose interpreter is in a directory; None where none can be seen."""
    import psutil

    for process in psutil.process_iter(["cmdline"]):
        command = process.info["cmdline"]  # None of what another user runs
        if command and Path(command[0]).is_relative_to(directory):
            return int(process.pid)
    return None


def _size(directory: Path) -> int:
    """Bytes of all files; packages that uv's own cache shares with it count."""
    return sum(path.lstat().st_size for path in directory.rglob("*") if not path.is_dir())


def _ago(days: float) -> str:
    return "today" if days < 1 else "yesterday" if days < 2 else f"{days:.0f} days ago"
