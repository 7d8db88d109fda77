"""Command line options and their ini twins, and the settings that they make."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pytest

from pytest_kerasload import settings as words
from pytest_kerasload import tables
from pytest_kerasload.environments import spec
from pytest_kerasload.settings import BadSetting, Settings

T = TypeVar("T")


def add(parser: pytest.Parser) -> None:
    """Declare every option, in one group, and the ini twin of each lasting one."""
    group = parser.getgroup("kerasload", "Keras model artifacts")
    twins: list[tuple[str, str, str]] = []

    def option(name: str, help: str, *, ini: str | None = "string", **more: Any) -> None:
        group.addoption(f"--keras-{name}", dest=f"keras_{name.replace('-', '_')}", help=help, **more)
        if ini:
            twins.append((f"keras_{name.replace('-', '_')}", help, ini))

    option(
        "models",
        "Collect the Keras model artifacts in this directory (or this file); repeatable",
        ini="args",
        action="append",
        metavar="PATH",
    )
    option(
        "env",
        "Environment to check in: current, the path of an interpreter or a virtual environment; +legacy behind it "
        "for tf_keras, NAME= before it for ids and reports; repeatable (default: current)",
        ini="args",
        action="append",
        metavar="SPEC",
    )
    option(
        "roundtrip",
        f"Formats to save to and load from again: {', '.join(words.FORMATS)} (default: same)",
        metavar="FORMATS",
    )
    option(
        "record",
        "Write expected outputs: missing (the default) never touches an existing file, failing rewrites those whose "
        "check fails, all rewrites",
        ini=None,
        nargs="?",
        const="missing",
        choices=words.RECORD_MODES,
    )
    option("record-in-ci", "Let --keras-record write where CI is set", ini=None, action="store_true")
    option(
        "expected", "Expected outputs live here, mirroring the artifact tree, not beside the artifacts", metavar="DIR"
    )
    option(
        "custom-objects",
        "Custom objects: package.module, package.module:Name, path/to/file.py[:Name] or Alias=REF; imported in the "
        "environment; repeatable",
        ini="args",
        action="append",
        metavar="REF",
    )
    option(
        "version-policy",
        "evidence (default): fail where something in the artifact is known not to load there; strict: fail on any "
        "newer-than-running version too; off",
        choices=words.POLICIES,
    )
    option(
        "inference-only",
        "Report an optimizer, loss or metric that cannot be restored, but do not fail on it",
        ini="bool",
        action="store_true",
        default=None,
    )
    option(
        "trust",
        "Load this artifact although the safety check refuses it: its SHA-256, or its path; repeatable",
        ini="args",
        action="append",
        metavar="SHA256|PATH",
    )
    option("timeout", "Limit on one check in an environment (default: 120 s, and 1 s a megabyte)", metavar="SECONDS")
    option("memory", "Limit on the memory of an environment's process, such as 4G (default: its share)", metavar="SIZE")
    option("examples", "How many generated examples a round trip is tried on (default: 10)", metavar="N")
    option("rtol", "Relative tolerance, over the one chosen from the dtypes", metavar="X")
    option("atol", "Absolute tolerance, over the one chosen from the dtypes", metavar="X")
    option("jobs", "Environment processes at work at once (default: from cores and memory)", metavar="N")
    option("json", "Write a JSON report", metavar="PATH")
    for name, help, kind in twins:
        parser.addini(name, help, type=kind if kind != "string" else None, default=[] if kind == "args" else None)  # type: ignore[arg-type]


class Reader:
    """Reads one setting: command line over ini; paths relative to where each was given."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.invocation_dir = config.invocation_params.dir
        self.ini_dir = config.inipath.parent if config.inipath else config.rootpath

    def value(self, name: str) -> tuple[Any, Path, bool]:
        """The setting, the directory its paths start at, and whether it was given on the command line."""
        given = self.config.getoption(f"keras_{name}")
        if given not in (None, []):
            return given, self.invocation_dir, True
        return self.config.getini(f"keras_{name}"), self.ini_dir, False

    def parsed(self, name: str, parse: Callable[[str, Path], T], default: T) -> T:
        text, base, _ = self.value(name)
        return default if text in (None, "") else parse(str(text), base)

    def every(self, name: str, parse: Callable[[str, Path], T]) -> tuple[T, ...]:
        values, base, _ = self.value(name)
        return tuple(parse(str(value), base) for value in values or ())


def models(config: pytest.Config) -> tuple[tuple[Path, ...], bool]:
    """The artifact roots, absolute, and whether they were given on the command line; none means: not asked for."""
    reader = Reader(config)
    values, base, on_command_line = reader.value("models")
    roots = []
    for value in values or ():
        path = Path(os.path.abspath(base / Path(value).expanduser()))
        if not path.exists():
            raise BadSetting(f"--keras-models: {path} does not exist")
        roots.append(path)
    return tuple(dict.fromkeys(roots)), on_command_line


def read(config: pytest.Config, roots: Sequence[Path]) -> Settings:
    """The settings of a run; BadSetting, naming the option, for a value that cannot be meant."""
    reader = Reader(config)

    def number(name: str, least: float, whole: bool = False) -> Callable[[str, Path], float]:
        return lambda text, base: words.parse_number(text, f"--keras-{name}", least=least, whole=whole)

    record = config.getoption("keras_record")
    if record and os.environ.get("CI") and not config.getoption("keras_record_in_ci"):
        raise BadSetting(
            "--keras-record is refused where CI is set: expected outputs recorded by the run that checks them prove "
            "nothing; record and commit them elsewhere, or add --keras-record-in-ci"
        )
    environments = reader.every("env", spec.parse) or (spec.parse("current", reader.invocation_dir),)
    ids = [environment.id for environment in environments]
    if len(set(ids)) < len(ids):
        raise BadSetting(f"--keras-env: two environments are called {max(ids, key=ids.count)!r}; name them NAME=SPEC")
    policy = reader.parsed("version_policy", lambda text, base: text, "evidence")
    if policy not in words.POLICIES:
        raise BadSetting(f"keras_version_policy: {policy!r} is none of {', '.join(words.POLICIES)}")
    timeout = reader.parsed("timeout", number("timeout", 0.001), 0.0)
    rtol = reader.parsed("rtol", number("rtol", 0.0), -1.0)
    atol = reader.parsed("atol", number("atol", 0.0), -1.0)
    return Settings(
        models=tuple(roots),
        environments=environments,
        invocation_dir=reader.invocation_dir,
        roundtrip=reader.parsed(
            "roundtrip", lambda text, base: words.parse_choices(text, words.FORMATS, "--keras-roundtrip"), ("same",)
        ),
        record=record,
        expected_dir=reader.parsed(
            "expected", lambda text, base: Path(os.path.abspath(base / Path(text).expanduser())), None
        ),
        custom_objects=reader.every("custom_objects", words.parse_reference),
        version_policy=policy,  # type: ignore[arg-type]
        inference_only=bool(reader.value("inference_only")[0]),
        trust=reader.every("trust", lambda text, base: text),
        timeout=timeout or None,
        memory=reader.parsed("memory", lambda text, base: words.parse_size(text), None),
        examples=int(reader.parsed("examples", number("examples", 1, whole=True), 10.0)),
        rtol=rtol if rtol >= 0 else None,
        atol=atol if atol >= 0 else None,
        jobs=int(reader.parsed("jobs", number("jobs", 1, whole=True), 0.0)) or None,
        tables={root: tables.read(root) for root in roots},
    )


def json_path(config: pytest.Config) -> Path | None:
    """Where the JSON report goes, or None when none was asked for."""
    reader = Reader(config)
    return reader.parsed("json", lambda text, base: Path(os.path.abspath(base / Path(text).expanduser())), None)
