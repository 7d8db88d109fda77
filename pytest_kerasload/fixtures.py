"""The ``keras_artifact`` fixture: tests of the user's own over the artifacts of the run. Imports nothing heavy."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from pytest_kerasload import discovery
from pytest_kerasload.environments.spec import EnvironmentSpec

if TYPE_CHECKING:
    from pytest_kerasload.findings import CheckResult
    from pytest_kerasload.handle import KerasArtifact

FIXTURE = "keras_artifact"
MARKER = "keras_artifacts"


@dataclass(frozen=True)
class Target:
    """One artifact in one environment, to ask in a test."""

    path: Path
    name: str
    environment: EnvironmentSpec


_TARGETS = pytest.StashKey[tuple[Target, ...]]()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", f"{MARKER}(*globs): the artifacts that a test with {FIXTURE} is for, by name (kerasload)"
    )


def _run(config: pytest.Config) -> Any:
    return config.pluginmanager.get_plugin("kerasload-run")


def _targets(config: pytest.Config) -> tuple[Target, ...]:
    """Every artifact under the given paths in each of its environments.

    All of one environment follow each other: its process is started once.
    """
    if _TARGETS not in config.stash:
        run = _run(config)
        paths = {discovery.artifact_of(path) for root in run.settings.models for path in discovery.walk(root)}
        config.stash[_TARGETS] = tuple(
            Target(path, run.settings.name_of(path), environment)
            for environment in run.settings.environments
            for path in sorted(paths)
            if environment in run.settings.environments_of(path)
        )
    return config.stash[_TARGETS]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if FIXTURE not in metafunc.fixturenames or _run(metafunc.config) is None:
        return
    run = _run(metafunc.config)
    every = _targets(metafunc.config)
    _refuse_unknown(metafunc.definition, every)
    targets = [one for one in every if not any(map(run.arguments.ignored, (one.path, *one.path.parents)))]
    several = len(run.settings.environments) > 1
    places: dict[str, set[Path]] = {}
    for target in targets:
        places.setdefault(target.name, set()).add(target.path)
    parameters = []
    for target in targets:
        # Roots apart from each other may hold artifacts of the same name.
        name = target.name if len(places[target.name]) == 1 else target.path.as_posix()
        identifier = f"{name}-{target.environment.id}" if several else name
        parameters.append(pytest.param(target, id=identifier, marks=_marks(metafunc.config, target)))
    metafunc.parametrize(FIXTURE, parameters, indirect=True, scope="session")


def environments(items: Iterable[pytest.Item]) -> set[EnvironmentSpec]:
    """The environments in which tests with ``keras_artifact`` ask."""
    called = (getattr(item, "callspec", None) for item in items)
    asked = (one.params.get(FIXTURE) for one in called if one is not None)
    return {target.environment for target in asked if isinstance(target, Target)}


def _marks(config: pytest.Config, target: Target) -> list[pytest.MarkDecorator]:
    """What ``kerasload.toml`` says of the artifact, as marks; the group that pytest-xdist may keep together."""
    from pytest_kerasload.findings import PredictionFailed

    overrides = _run(config).settings.overrides(target.path)
    marks = []
    if config.pluginmanager.hasplugin("xdist"):
        marks.append(pytest.mark.xdist_group(str(target.path)))
    if overrides.skip:
        marks.append(pytest.mark.skip(reason=overrides.reason))
    if overrides.xfail:
        # The artifact is expected to fail, not the test's own code.
        expected = (AssertionError, PredictionFailed, pytest.fail.Exception)
        marks.append(pytest.mark.xfail(reason=overrides.reason, raises=expected, strict=False))
    return marks


def _globs(item: pytest.Item) -> list[str] | None:
    """The globs of the nearest marker, or None without one."""
    marker = item.get_closest_marker(MARKER)
    return None if marker is None else [str(glob) for glob in marker.args]


def _wanted(target: Target, globs: list[str]) -> bool:
    return any(fnmatch.fnmatchcase(target.name, glob.rstrip("/")) for glob in globs)


def _refuse_unknown(item: pytest.Item, targets: tuple[Target, ...]) -> None:
    """A marker that names no artifact of the run: the test would be passed over in silence."""
    globs = _globs(item)
    if globs is None:
        return
    names = ", ".join(dict.fromkeys(target.name for target in targets))
    if not globs:
        pytest.fail(f"{item.nodeid}: {MARKER} is given no glob; there are {names}", pytrace=False)
    for glob in globs:
        if not any(_wanted(target, [glob]) for target in targets):
            pytest.fail(f"{item.nodeid}: {MARKER}({glob!r}) names no artifact; there are {names}", pytrace=False)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect what markers are not for. Every test has the same parameters: pytest groups by their positions."""
    gone = []
    for item in items:
        parameters = getattr(getattr(item, "callspec", None), "params", {})
        target, globs = parameters.get(FIXTURE), _globs(item)
        if isinstance(target, Target) and globs is not None and not _wanted(target, globs):
            gone.append(item)
    if gone:
        config.hook.pytest_deselected(items=gone)
        left = set(map(id, gone))
        items[:] = [item for item in items if id(item) not in left]


@pytest.fixture(scope="session")
def keras_artifact(request: pytest.FixtureRequest) -> Iterator[KerasArtifact]:
    """Each Keras model artifact of the run (--keras-models), in each environment: what its file says, and predict(x).

    A test that takes it is made once for each; @pytest.mark.keras_artifacts("ranker*", ...) says for which. Give tests
    by their path: pytest tests --keras-models=artifacts/
    """
    run = _run(request.config)
    if run is None:
        pytest.skip(
            "there are no artifacts to ask: give them with --keras-models=PATH, or the ini setting keras_models"
        )
    target = getattr(request, "param", None)
    if not isinstance(target, Target):
        pytest.fail(f"{FIXTURE} has to be an argument of the test, or of a fixture that the test takes", pytrace=False)
    from pytest_kerasload.handle import KerasArtifact

    lender = run.gate().lender
    yield KerasArtifact(target.path, target.name, target.environment, lender, _refusal(target))
    lender.leave()


def _refusal(target: Target) -> Any:
    """Skips a test of an artifact that cannot be asked where the run reports why, and fails it where it does not."""
    from pytest_kerasload.nodes import PluginDefect, UserMistake
    from pytest_kerasload.reports import failure

    def refuse(result: CheckResult, reported: bool) -> NoReturn:
        __tracebackhide__ = True
        if result.outcome == "error":
            raise UserMistake(result.reason) if result.mistake else PluginDefect(result.reason)
        if reported:
            pytest.skip(f"{target.name} cannot be asked, {result.check} failed: {failure.headline(result)}")
        pytest.fail("\n".join(failure.lines(result)), pytrace=False)

    return refuse
