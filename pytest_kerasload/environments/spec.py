"""Environment specs: ``current``, a path, ``tf2.15`` and the like, ``ssh=HOST``, ``+legacy``, ``NAME=SPEC``."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_kerasload.environments.recipe import Recipe


@dataclass(frozen=True)
class EnvironmentSpec:
    """One environment as the user named it: its ``id`` in item names and reports, and how to start it.

    ``legacy`` sets ``TF_USE_LEGACY_KERAS=1``, which makes TensorFlow 2.16 and later bring tf_keras as ``tf.keras``.
    With a ``recipe`` it is made before it is used, and ``python`` is where its interpreter is then.
    """

    id: str
    python: str
    legacy: bool = False
    recipe: Recipe | None = None
    ssh: str = ""
    """Of one on another machine: what ssh is given (``user@host``, perhaps with options before it)."""

    @property
    def ssh_arguments(self) -> list[str]:
        """The arguments of ssh: nothing is asked of a user who is not there."""
        return ["-o", "BatchMode=yes", "-o", "ConnectTimeout=20", *self.ssh.split()]

    @property
    def variables(self) -> dict[str, str]:
        """The variables that its process gets on top of the user's own."""
        return {"TF_USE_LEGACY_KERAS": "1"} if self.legacy else {}


_SSH = re.compile(r"ssh=(?P<ssh>.+?)(?://python=(?P<python>.+))?")
_NAMED = re.compile(r"(?P<name>[A-Za-z0-9_.+-]+)=(?!=)(?P<spec>.+)")


def _interpreter(path: Path) -> Path | None:
    """The interpreter that a path stands for: itself, or the one of the virtual environment there."""
    if path.is_dir():
        for inside in ("bin/python", "bin/python3", "Scripts/python.exe", "python.exe"):
            if (path / inside).exists():
                return path / inside
        return None
    return path if path.is_file() and os.access(path, os.X_OK) else None


def parse(text: str, base: Path) -> EnvironmentSpec:
    """The environment that a SPEC of ``--keras-env`` stands for; relative paths start at ``base``.

    ValueError, with what is wrong and what can be given, for a spec that stands for none.
    """
    match = _NAMED.fullmatch(text) if not text.startswith("ssh=") else None
    name, spec = (match["name"], match["spec"]) if match else (text, text)
    legacy = spec.endswith("+legacy")
    where = spec.removesuffix("+legacy")
    if where == "current":
        return EnvironmentSpec(name, sys.executable, legacy)
    remote = _SSH.fullmatch(where)
    if remote is not None:
        return EnvironmentSpec(name, remote["python"] or "python3", legacy, ssh=remote["ssh"])
    path = _interpreter(base / Path(where).expanduser())
    if path is not None:
        # Not resolved: a virtual environment's interpreter is a link, and what it links to is another environment.
        return EnvironmentSpec(name, os.path.abspath(path), legacy)
    from pytest_kerasload.environments import making, recipe

    if not recipe.looks_like_one(where):
        raise ValueError(
            f"{text!r} is no environment: give 'current', the path of an interpreter or of a virtual environment, or "
            "what to make one of (tf2.15, or tensorflow==2.15.1,keras==2.15.0,python==3.11)"
        )
    wanted = recipe.parse(where, legacy=legacy)
    return EnvironmentSpec(name, str(making.interpreter(wanted)), legacy, wanted)
