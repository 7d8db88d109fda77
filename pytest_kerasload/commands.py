"""Commands that messages end in: pasted where pytest was started, they ask of the artifacts what this run asked."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable
from pathlib import Path

from pytest_kerasload.settings import Settings


def command(settings: Settings, shown: Callable[[Path], str], roots: Iterable[Path], *words: str) -> str:
    """``pytest`` with these words, the artifacts under these roots, and what else the run was given."""
    options = [f"--keras-models={shown(root)}" for root in roots]
    if settings.expected_dir is not None:
        options.append(f"--keras-expected={shown(settings.expected_dir)}")
    return " ".join(map(_quoted, ("pytest", *words, *options, *settings.given)))


def _quoted(word: str) -> str:
    """A word as a shell takes it; of an option, the value is quoted."""
    name, equals, value = word.partition("=")
    return f"{name}={shlex.quote(value)}" if equals and name.startswith("--") else shlex.quote(word)
