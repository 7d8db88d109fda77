"""Environments made on demand: in the user's cache, once however many processes ask, and kept until they are pruned."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version

from pytest_kerasload.environments import uv
from pytest_kerasload.environments.recipe import Recipe
from pytest_kerasload.environments.releases import nearest

Tell = Callable[[str], None]

HALF = ".making"
"""What directories of the cache end with that are being made or deleted, or were when their process ended."""
_TOLD = "kerasload.json"
"""In a directory of the cache once its environment is whole: what it was made of."""
_TRIED = 5
"""How many others are tried to find one that can be had."""


class Unavailable(Exception):
    """An environment cannot be had: why, and the nearest that can."""


@dataclass(frozen=True)
class Kept:
    """An environment in the cache. ``used`` is when a run last asked for it, in seconds since 1970."""

    directory: Path
    requirements: tuple[str, ...]
    python: str
    packages: tuple[str, ...]
    used: float

    @property
    def name(self) -> str:
        """What was asked for: ``tensorflow-cpu==2.15.*, keras==3.3.3``."""
        return ", ".join(self.requirements)


def cache() -> Path:
    """Where environments are kept: ``pytest-kerasload/environments`` in the user's cache directory."""
    from platformdirs import user_cache_path

    return user_cache_path("pytest-kerasload", appauthor=False) / "environments"


def interpreter(recipe: Recipe) -> Path:
    """The interpreter of a recipe's environment, whether it is made yet or not."""
    return _python(cache() / recipe.key)


def _python(directory: Path) -> Path:
    return directory / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def ready(recipe: Recipe) -> bool:
    """Whether a recipe's environment is there, whole and with the interpreter that it was made with."""
    return _whole(cache() / recipe.key)


def _whole(directory: Path) -> bool:
    return (directory / _TOLD).is_file() and os.access(_python(directory), os.X_OK)


def make(recipes: Sequence[tuple[str, Recipe]], tell: Tell) -> None:
    """Make what is not there yet of several environments, given with the specs that ask for them.

    All of them are resolved before the first is made. Unavailable for one that cannot be had; ``tell`` gets a line for
    each step.
    """
    for _, recipe in recipes:
        if ready(recipe):
            _touch(cache() / recipe.key)
    missing = {recipe.key: (spec, recipe) for spec, recipe in recipes if not ready(recipe)}
    plans = [(spec, recipe, *_planned(spec, recipe)) for spec, recipe in missing.values()]
    for spec, recipe, python, packages in plans:
        _make(spec, recipe, python, packages, tell)


def _planned(spec: str, recipe: Recipe) -> tuple[str, tuple[str, ...]]:
    """The interpreter and the packages of an environment."""
    try:
        return _found(recipe)
    except uv.UvRefused as refused:
        raise Unavailable(f"{spec}: {_why(recipe, refused)}. {_instead(recipe, refused)}") from None


def resolvable(recipe: Recipe) -> bool:
    """Whether an environment can be had, without making it; UvRefused where that cannot be told."""
    try:
        return bool(_found(recipe))
    except uv.UvRefused as refused:
        if refused.reason in ("no-solution", "python"):
            return False
        raise


def _found(recipe: Recipe) -> tuple[str, tuple[str, ...]]:
    uv.binary()
    python = uv.python(recipe.pythons) or uv.downloaded(recipe.pythons[0])
    return python, _resolved(recipe, python)


def _resolved(recipe: Recipe, python: str) -> tuple[str, ...]:
    """``name==version`` of every package of an environment.

    What needs ``tensorflow`` (tf_keras does) is content with ``tensorflow-cpu``: both together would be twice the same
    files, of which the last to be installed would win.
    """
    twice = "" if Requirement(recipe.requirements[0]).name == "tensorflow" else "tensorflow"
    return uv.resolve([*recipe.requirements, *recipe.pins], python, without=twice)


def _why(recipe: Recipe, refused: uv.UvRefused) -> str:
    if refused.reason == "uv":
        return refused.said
    if refused.reason == "python":
        needs = f"TensorFlow {recipe.tensorflow[0]}.{recipe.tensorflow[1]} runs on Python {_either(recipe.pythons)}"
        none = "none of them is installed or" if len(recipe.pythons) > 1 else "it is neither installed, nor"
        return f"{needs}, and {none} can be downloaded by uv ({refused.said})"
    if refused.reason == "network":
        return f"the package index cannot be reached ({refused.said})"
    wanted = Requirement(recipe.requirements[0])
    if re.search(
        rf"(no version of|[Oo]nly( the following versions of)?) {re.escape(wanted.name)}[<>=\s]", refused.said
    ):
        return f"the package index has no {wanted}"
    return f"no such environment can be made: {refused.said.rstrip('.')}"


def _either(names: Sequence[str]) -> str:
    return " or ".join((", ".join(names[:-1]), names[-1]) if len(names) > 1 else names)


def _instead(recipe: Recipe, refused: uv.UvRefused) -> str:
    """What can be had: the nearest environments, each of which was resolved."""
    if refused.reason == "uv":
        return "pip install 'pytest-kerasload[uv]', or give the path of an environment of your own"
    if refused.reason == "network":
        there = ", ".join(one.name for one in kept())
        return f"In the cache: {there}" if there else "Nothing is in the cache; give the path of an environment"
    found = [spec for group in _near(recipe) if (spec := _first(group))]
    if not found:
        return "Nothing near it can be had; give the path of an environment"
    return f"The nearest that can be had: {' or '.join(dict.fromkeys(found[:2]))}"


def _near(recipe: Recipe) -> Iterator[list[Recipe]]:
    """Environments like the one that cannot be had, in groups of which one will do: another patch release, other
    versions of what is beside TensorFlow, another TensorFlow."""
    if (patched := recipe.any_patch()) != recipe:
        yield [patched]
    if len(recipe.requirements) > 1:
        yield [recipe.any_beside(), recipe.alone()]
    others = (known for known in nearest(recipe.tensorflow) if known.minor != recipe.tensorflow)
    yield [recipe.on(known) for known in others if uv.python(known.pythons) is not None][:_TRIED]


def _first(group: Sequence[Recipe]) -> str:
    """The spec, with versions, of the first that can be had; empty where none can."""
    for recipe in group:
        try:
            python = uv.python(recipe.pythons)
            if python is not None:
                return _exactly(recipe, _resolved(recipe, python))
        except uv.UvRefused:
            continue
    return ""


def _exactly(recipe: Recipe, packages: Sequence[str]) -> str:
    """A spec with the versions that were found for what the user named."""
    versions = {one.name: str(one.specifier) for one in map(Requirement, packages)}
    names = [Requirement(one).name for one in recipe.requirements]
    return ",".join(f"{name}{versions.get(name, '')}" for name in names)


def _make(spec: str, recipe: Recipe, python: str, packages: Sequence[str], tell: Tell) -> None:
    from filelock import FileLock, Timeout

    directory = cache() / recipe.key
    lock = FileLock(f"{directory}.lock")
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        tell(f"{spec}: another process is making it; waiting")
        lock.acquire()
    except OSError as error:
        raise Unavailable(f"{spec}: it cannot be kept in {directory.parent}: {error.strerror or error}") from None
    try:
        if _whole(directory):
            return
        began = time.monotonic()
        name = Requirement(recipe.requirements[0]).name
        which = next((one for one in packages if one.startswith(f"{name}==")), name)
        tell(f"{spec}: making it of {which} and {len(packages) - 1} other packages, with {python}")
        with _aside(directory) as aside:
            uv.create(aside, python)
            uv.install(_python(aside), packages, lambda line: _progress(spec, line, tell))
            told = {"requirements": list(recipe.requirements), "python": python, "packages": list(packages)}
            (aside / _TOLD).write_text(json.dumps(told, indent=1), encoding="utf-8")
            if directory.exists():  # one whose interpreter is gone
                shutil.rmtree(directory)
            os.replace(aside, directory)
        tell(f"{spec}: made in {time.monotonic() - began:.0f} s")
    except uv.UvRefused as refused:
        what = "the network failed on the way" if refused.reason == "network" else "uv could not install it"
        raise Unavailable(f"{spec}: {what}: {refused.said}. Nothing of it is left; run again to try again") from None
    finally:
        lock.release()


def _progress(spec: str, line: str, tell: Tell) -> None:
    """Of what uv says, how far it is; not each package."""
    if line.startswith(("Resolved", "Downloading", "Prepared", "Building", "Installed")):
        tell(f"{spec}: {line[0].lower()}{line[1:]}")


@contextmanager
def _aside(directory: Path) -> Iterator[Path]:
    """A directory beside the one that is wanted, gone at the end unless it was renamed."""
    folder = Path(tempfile.mkdtemp(prefix=f"{directory.name}.", suffix=HALF, dir=directory.parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _touch(directory: Path) -> None:
    with suppress(OSError):  # a cache that somebody else owns
        os.utime(directory / _TOLD)


def used(directory: Path) -> float:
    """When a run last asked for an environment, in seconds since 1970; for half of one, when it was begun."""
    told = directory / _TOLD
    return (told if told.is_file() else directory).stat().st_mtime


def kept() -> list[Kept]:
    """Every environment in the cache, by name; what an interrupted run left half made is not among them."""
    found = []
    for path in sorted(cache().glob(f"*/{_TOLD}"), key=lambda one: Version(one.parent.name[2:].partition("-")[0])):
        if _whole(path.parent) and path.parent.suffix != HALF:
            told = json.loads(path.read_text(encoding="utf-8"))
            rest = tuple(told["requirements"]), told["python"], tuple(told["packages"])
            found.append(Kept(path.parent, *rest, used=used(path.parent)))
    return found
