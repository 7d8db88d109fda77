"""Command line options and their ini twins, and the settings that they make."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

import pytest

from pytest_kerasload import settings as words
from pytest_kerasload import tables
from pytest_kerasload.environments import spec
from pytest_kerasload.environments.confinement import Confinement
from pytest_kerasload.settings import BadSetting, Generation, Settings

T = TypeVar("T")

_HYPOTHESIS_EXAMPLES = 100  # what hypothesis itself tries, unless told otherwise


# What a command that asks the same again has to repeat.
_REPEATED = (
    *("env", "roundtrip", "handover", "custom-objects", "version-policy", "inference-only", "trust", "timeout"),
    *("memory", "examples", "rtol", "atol", "jobs", "allow-network", "pass-env"),
)


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
        "Environment to check in: current, the path of an interpreter or a virtual environment, or tf2.15 and the "
        "like for one that uv makes, or ssh=user@host//python=PATH; +legacy behind it for tf_keras, NAME= before it "
        "for ids and reports; repeatable (default: current)",
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
        "handover",
        "Also every ordered pair of environments: save in one, load and predict in the other",
        ini="bool",
        action="store_true",
        default=None,
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
    option(
        "allow-network",
        "Let the processes that load models reach the network (default: they have none)",
        ini="bool",
        action="store_true",
        default=None,
    )
    option(
        "pass-env",
        "A variable that the processes that load models shall see too, or a pattern such as ACME_*; repeatable "
        "(default: what TensorFlow needs)",
        ini="args",
        action="append",
        metavar="NAME",
    )
    option("json", "Write a JSON report", metavar="PATH")
    option("markdown", "Write the table and what fails as Markdown, for a job's summary", metavar="PATH")
    option("sarif", "Write findings as SARIF 2.1.0, for GitHub code scanning and the like", metavar="PATH")
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
        """One value; BadSetting that names the option (or the ini setting) when it cannot be meant."""
        text, base, on_command_line = self.value(name)
        if text is None or (text == "" and not on_command_line):
            return default
        return self._named(name, on_command_line, parse, str(text), base)

    def every(self, name: str, parse: Callable[[str, Path], T]) -> tuple[T, ...]:
        """Every value of a setting that can be given repeatedly."""
        values, base, on_command_line = self.value(name)
        return tuple(self._named(name, on_command_line, parse, str(value), base) for value in values or ())

    @staticmethod
    def _named(name: str, on_command_line: bool, parse: Callable[[str, Path], T], text: str, base: Path) -> T:
        try:
            if not text.strip():
                raise BadSetting("it is given without a value")
            return parse(text, base)
        except ValueError as error:
            shown = f"--keras-{name.replace('_', '-')}" if on_command_line else f"keras_{name}"
            raise BadSetting(f"{shown}: {error}") from error


def _path(text: str, base: Path) -> Path:
    """An absolute path; relative ones start where they were given."""
    return Path(os.path.abspath(base / Path(text).expanduser()))


def _directory(text: str, base: Path) -> Path:
    path = _path(text, base)
    if path.exists() and not path.is_dir():
        raise BadSetting(f"{path} is no directory")
    return path


def _report(text: str, base: Path) -> Path:
    path = _path(text, base)
    if path.is_dir():
        raise BadSetting(f"{path} is a directory")
    return path


def _existing(text: str, base: Path) -> Path:
    path = _path(text, base)
    if not path.exists():
        raise BadSetting(f"{path} does not exist")
    if path.suffix == ".py" and path.is_file():  # pytest imports what it is given by name
        raise BadSetting(f"{path} is Python code, not a model; give tests by their path, without this option")
    return path


def _variable(text: str, base: Path) -> str:
    if "=" in text or any(char.isspace() for char in text):
        raise BadSetting(f"{text!r} is no name of a variable: its value is taken from where pytest runs")
    return text


def _number(least: float, whole: bool = False) -> Callable[[str, Path], float]:
    return lambda text, base: words.parse_number(text, least=least, whole=whole)


def _choice(choices: Sequence[str]) -> Callable[[str, Path], str]:
    def parse(text: str, base: Path) -> str:
        if text not in choices:
            raise BadSetting(f"{text!r} is none of {', '.join(choices)}")
        return text

    return parse


# pytest-xdist's ways of handing out items that leave those of one artifact to one worker. Its loadgroup does not:
# version 3.8 writes groups where pytest 9.2 does not read them, and hands out each item by itself.
_TOGETHER = ("no", "loadfile", "loadscope")


def _in_ci() -> bool:
    """Whether ``CI`` is set, and not to what says that it is none. (pytest itself takes any text for a yes.)"""
    return os.environ.get("CI", "").strip().lower() not in ("", "0", "false", "no", "off")


def models(config: pytest.Config) -> tuple[tuple[Path, ...], bool]:
    """The artifact roots, absolute, and whether they were given on the command line; none means: not asked for."""
    reader = Reader(config)
    roots = reader.every("models", _existing)
    if config.getoption("keras_record") and not roots:
        raise BadSetting("--keras-record: there is nothing to record for; give --keras-models=PATH too")
    return tuple(dict.fromkeys(roots)), reader.value("models")[2]


def read(config: pytest.Config, roots: Sequence[Path]) -> Settings:
    """The settings of a run; BadSetting, naming the option, for a value that cannot be meant."""
    reader = Reader(config)
    record = config.getoption("keras_record")
    if record and _in_ci() and not config.getoption("keras_record_in_ci"):
        raise BadSetting(
            "--keras-record is refused where CI is set: expected outputs recorded by the run that checks them prove "
            "nothing; record and commit them elsewhere, or add --keras-record-in-ci"
        )
    environments = reader.every("env", spec.parse) or (spec.parse("current", reader.invocation_dir),)
    ids = [environment.id for environment in environments]
    if len(set(ids)) < len(ids):
        raise BadSetting(f"--keras-env: two environments are called {max(ids, key=ids.count)!r}; name them NAME=SPEC")
    if record and len(environments) > 1 and config.getoption("dist", "no") not in _TOGETHER:
        raise BadSetting(
            "--keras-record with several environments: the first one writes what the others are compared with, so the "
            "checks of an artifact have to stay together; add --dist=loadfile, or leave out -n"
        )
    inference_only, handover, network = (
        _flag(reader, name) for name in ("inference_only", "handover", "allow_network")
    )
    if handover and len(environments) < 2:
        raise BadSetting("--keras-handover takes at least two environments: give --keras-env twice")
    return Settings(
        models=tuple(roots),
        environments=environments,
        invocation_dir=reader.invocation_dir,
        roundtrip=reader.parsed("roundtrip", lambda text, base: words.parse_choices(text, words.FORMATS), ("same",)),
        record=record,
        expected_dir=reader.parsed("expected", _directory, None),
        custom_objects=reader.every("custom_objects", words.parse_reference),
        version_policy=reader.parsed("version_policy", _choice(words.POLICIES), "evidence"),  # type: ignore[arg-type]
        handover=handover,
        inference_only=inference_only,
        trust=reader.every(
            "trust", lambda text, base: text if words.SHA256.fullmatch(text) else str(_path(text, base))
        ),
        timeout=reader.parsed("timeout", _number(0.001), None),
        memory=reader.parsed("memory", lambda text, base: words.parse_size(text), None),
        examples=int(reader.parsed("examples", _number(1, whole=True), 10.0)),
        rtol=reader.parsed("rtol", _number(0), None),
        atol=reader.parsed("atol", _number(0), None),
        confinement=Confinement(network, reader.every("pass_env", _variable)),
        json=reader.parsed("json", _report, None),
        markdown=reader.parsed("markdown", _report, None),
        sarif=reader.parsed("sarif", _report, None),
        jobs=int(reader.parsed("jobs", _number(1, whole=True), 0.0)) or None,
        given=_given(config),
        tables={root: tables.read(root) for root in roots},
    )


def _given(config: pytest.Config) -> tuple[str, ...]:
    """Options of this run as a command line has them, but for those that say where artifacts and expected outputs are,
    that record and that report; without those of ``addopts``, which pytest finds again."""
    words = [*config.getini("addopts"), *shlex.split(os.environ.get("PYTEST_ADDOPTS", ""))]
    found_again = {*words, *(f"{option}={value}" for option, value in pairwise(words))}
    written = []
    for name in _REPEATED:
        values = config.getoption(f"keras_{name.replace('-', '_')}")
        for value in values if isinstance(values, list) else [values]:
            if value is True:
                written.append(f"--keras-{name}")
            elif value is not None:
                written.append(f"--keras-{name}={value}")
    return tuple(word for word in written if word not in found_again)


def _flag(reader: Reader, name: str) -> bool:
    try:
        return bool(reader.value(name)[0])
    except (ValueError, pytest.UsageError) as error:  # pytest 8, pytest 9
        raise BadSetting(f"keras_{name}: {error}") from error


def late(config: pytest.Config, settings: Settings) -> Settings:
    """The settings with what is known once conftest files were read: hypothesis' profile, where examples are kept."""
    cache = getattr(config, "cache", None)  # none with -p no:cacheprovider
    try:
        directory = None if cache is None else cache.mkdir("kerasload")
    except OSError:  # a project that may only be read
        directory = None
    settings = replace(settings, examples_dir=directory)
    hypothesis = sys.modules.get("hypothesis")
    if hypothesis is None:  # then nobody loaded a profile or gave a seed
        return settings
    chosen, name = hypothesis.settings.default, hypothesis.settings.get_current_profile_name()
    seed = config.getoption("hypothesis_seed", None)
    generation = Generation(
        seed=None if seed is None else str(seed), verbosity=config.getoption("hypothesis_verbosity", None)
    )
    # Its own profiles are called so; a project may have put others under these names.
    own = name.partition("-with-")[0] in ("default", "ci") and chosen.max_examples == _HYPOTHESIS_EXAMPLES
    if not own or config.getoption("hypothesis_profile", None):
        generation = replace(generation, profile=chosen)
        if Reader(config).value("examples")[0] in (None, ""):
            settings = replace(settings, examples=chosen.max_examples)
    return replace(settings, generation=generation)
