"""What the user asked for: options, ini settings and ``kerasload.toml``, as one frozen record."""

from __future__ import annotations

import ast
import fnmatch
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pytest_kerasload import syntax
from pytest_kerasload.environments.confinement import Confinement
from pytest_kerasload.environments.spec import EnvironmentSpec

Policy = Literal["evidence", "strict", "off"]
RecordMode = Literal["missing", "failing", "all"]

FORMATS = ("same", "h5", "keras", "savedmodel", "all")
POLICIES = ("evidence", "strict", "off")
RECORD_MODES = ("missing", "failing", "all")
DTYPES = (
    *("float16", "bfloat16", "float32", "float64", "complex64", "complex128", "bool", "string"),
    *("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
)
"""Of inputs that can be made up."""


SHA256 = re.compile(r"[0-9a-fA-F]{64}")


class BadSetting(ValueError):
    """A value that cannot be meant; the message says which, where it was given and what can be."""


@dataclass(frozen=True)
class Reference:
    """One reference to custom objects: a module or a Python file, one name in it or all, under an alias or its own."""

    module: str | None = None
    file: Path | None = None
    name: str | None = None
    alias: str | None = None

    def as_request(self, place: Callable[[Path], str]) -> dict[str, Any]:
        """The reference as the worker takes it; ``place`` says where it finds a file."""
        return {
            "module": self.module,
            "file": place(self.file) if self.file else None,
            "name": self.name,
            "alias": self.alias,
        }


@dataclass(frozen=True)
class Overrides:
    """What ``kerasload.toml`` says of one artifact; empty values where it says nothing."""

    skip: bool = False
    xfail: bool = False
    reason: str = ""
    rtol: float | None = None
    atol: float | None = None
    outputs: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    max_mismatch: float = 0.0
    inputs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    custom_objects: tuple[Reference, ...] = ()
    trust: bool = False
    roundtrip: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()


@dataclass(frozen=True)
class Generation:
    """What hypothesis was told: the profile that the user chose (a ``hypothesis.settings``), a seed, how much to say.

    Without a profile and a seed, runs are derandomised and keep no database.
    """

    profile: Any = None
    seed: str | None = None
    verbosity: str | None = None


@dataclass(frozen=True)
class Settings:
    """Everything that a run was told."""

    models: tuple[Path, ...]
    environments: tuple[EnvironmentSpec, ...]
    invocation_dir: Path
    roundtrip: tuple[str, ...] = ("same",)
    handover: bool = False
    record: RecordMode | None = None
    expected_dir: Path | None = None
    custom_objects: tuple[Reference, ...] = ()
    version_policy: Policy = "evidence"
    inference_only: bool = False
    trust: tuple[str, ...] = ()
    """SHA-256 digests, and absolute paths of artifacts or of directories that hold them."""
    timeout: float | None = None
    memory: int | None = None
    examples: int = 10
    confinement: Confinement = field(default_factory=Confinement)
    generation: Generation = Generation()
    examples_dir: Path | None = None
    """Where examples that fail are saved and tried again in the next run; None: nowhere."""
    rtol: float | None = None
    atol: float | None = None
    jobs: int | None = None
    json: Path | None = None
    markdown: Path | None = None
    sarif: Path | None = None
    given: tuple[str, ...] = ()
    """The options among these that the command line gave, as they are written there: for commands in messages."""
    tables: Mapping[Path, tuple[tuple[str, Mapping[str, Any]], ...]] = field(default_factory=dict)
    """``kerasload.toml`` by artifact root: glob and the fields of Overrides that it gives, in the order of the file."""
    copies: Mapping[Path, Path] = field(default_factory=dict)
    """Copies of artifacts that were saved on the way, by the artifacts of which they are: what holds for one of those
    holds for them."""
    inputs_hook: Callable[..., Any] | None = None
    """Gives what users say of an artifact's inputs through their hook (:func:`pytest_kerasload.hooks.inputs_for`)."""

    def root_of(self, artifact: Path) -> Path:
        """The ``--keras-models`` path under which an artifact was found."""
        artifact = self.copies.get(artifact, artifact)
        above = [root for root in self.models if artifact == root or artifact.is_relative_to(root)]
        return max(above, key=lambda root: len(root.parts), default=artifact.parent)

    def name_of(self, artifact: Path) -> str:
        """What an artifact goes by: its path under its root, with forward slashes."""
        root, artifact = self.root_of(artifact), self.copies.get(artifact, artifact)
        return artifact.relative_to(root).as_posix() if artifact != root and root.is_dir() else artifact.name

    def named(self, artifact: Path, glob: str) -> bool:
        """Whether a glob of ``kerasload.toml`` names an artifact: by its path under the root, or its last part."""
        names = self.name_of(artifact), self.copies.get(artifact, artifact).name
        return any(fnmatch.fnmatchcase(name, glob.rstrip("/")) for name in names)

    def overrides(self, artifact: Path) -> Overrides:
        """What ``kerasload.toml`` says of an artifact: every table whose glob matches, later ones over earlier."""
        merged: dict[str, Any] = {}
        for glob, given in self.tables.get(self.root_of(artifact), ()):
            if self.named(artifact, glob):
                for key, value in given.items():
                    merged[key] = {**merged.get(key, {}), **value} if isinstance(value, Mapping) else value
        return Overrides(**merged)

    def environments_of(self, artifact: Path) -> tuple[EnvironmentSpec, ...]:
        """The environments that an artifact is checked in."""
        wanted = self.overrides(artifact).environments
        return tuple(one for one in self.environments if not wanted or one.id in wanted)

    def references(self, artifact: Path) -> tuple[Reference, ...]:
        """Where the custom objects of an artifact are."""
        return (*self.custom_objects, *self.overrides(artifact).custom_objects)

    def provided(self, artifact: Path) -> frozenset[str]:
        """Names of custom objects that are known to be given for an artifact, without importing anything.

        Those of Python files and of references that name one; what a whole module holds only its environment knows.
        """
        names: set[str] = set()
        for reference in self.references(artifact):
            if reference.name:
                names.add(reference.alias or reference.name.split(".")[-1])
            elif reference.file:
                names |= _defined(reference.file)
        return frozenset(names)

    def trusted(self, artifact: Path, sha256: str) -> str:
        """By what the user lets this artifact through the safety check; empty where they do not."""
        if self.overrides(artifact).trust:
            return "kerasload.toml"
        for entry in self.trust:
            if SHA256.fullmatch(entry):
                if entry.lower() == sha256:
                    return f"--keras-trust={entry[:12]}..."
            elif artifact.is_relative_to(entry) or artifact.resolve() == Path(entry).resolve():
                return f"--keras-trust={entry}"
        return ""


@cache
def _defined(file: Path) -> frozenset[str]:
    """Names of the classes and functions that a Python file defines; none for a file that cannot be parsed."""
    try:
        tree = syntax.tree(file.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return frozenset()
    kinds = (ast.ClassDef, ast.FunctionDef)
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, kinds))


def parse_reference(text: str, base: Path) -> Reference:
    """A ``--keras-custom-objects`` value; BadSetting when it has none of the four forms."""
    alias, rest = None, text
    match = re.fullmatch(r"([\w>.\-/ ]+)=(?!=)(.+)", text)
    if match:
        alias, rest = match[1], match[2]
    # A drive letter's colon is no separator.
    place, colon, name = rest.rpartition(":")
    if not colon or len(place) == 1 or "/" in name or "\\" in name:
        place, name = rest, ""
    if place.endswith(".py") or "/" in place or "\\" in place:
        file = base / Path(place).expanduser()
        if not file.is_file():
            raise BadSetting(f"custom objects {text!r}: there is no file {file}")
        reference = Reference(file=file, name=name or None, alias=alias)
    elif all(part.isidentifier() for part in place.split(".")):
        reference = Reference(module=place, name=name or None, alias=alias)
    else:
        forms = "package.module, package.module:Name, path/to/file.py[:Name] or Alias=one of these"
        raise BadSetting(f"custom objects {text!r}: give {forms}")
    if alias and not name:
        raise BadSetting(f"custom objects {text!r}: an alias stands for one object: give {rest}:Name")
    return reference


def parse_size(text: str) -> int:
    """Bytes of ``800M``, ``2G``, ``1.5GiB`` or a plain number."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?\s*", text, re.IGNORECASE)
    if not match or float(match[1]) <= 0:
        raise BadSetting(f"{text!r} is no size: give a number with K, M, G or T, such as 2G")
    return int(float(match[1]) * 1024 ** " KMGT".index(match[2].upper() or " "))


def parse_number(text: str, *, least: float, whole: bool = False) -> float:
    """A number of at least ``least``; BadSetting when it is none."""
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not value >= least or value == float("inf") or (whole and value != int(value)):
        kind = "a whole number" if whole else "a number"
        raise BadSetting(f"{text!r} is not {kind} of at least {least:g}")
    return value


def parse_choices(text: str, choices: Sequence[str]) -> tuple[str, ...]:
    """Words separated by commas or spaces, each one of the choices, in order and once."""
    words = tuple(dict.fromkeys(re.split(r"[,\s]+", text.strip()))) if text.strip() else ()
    bad = [word for word in words if word not in choices]
    if bad or not words:
        raise BadSetting(f"{text!r} is none of {', '.join(choices)}")
    return words
