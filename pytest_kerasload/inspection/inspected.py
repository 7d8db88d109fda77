"""One artifact with all that can be said of it before it is loaded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pytest_kerasload import expected, vetting
from pytest_kerasload.artifacts.layers import is_model, layers_of
from pytest_kerasload.artifacts.reading import read
from pytest_kerasload.artifacts.record import Artifact, ConfigObject
from pytest_kerasload.causes.loader import models
from pytest_kerasload.checks import file, safety
from pytest_kerasload.findings import CheckResult
from pytest_kerasload.inspection.forecast import Outlook, forecast
from pytest_kerasload.inspection.needs import Needs, needs_of


@dataclass(frozen=True)
class Recorded:
    """The expected outputs of an artifact: where they are, and whether they are of this very file.

    ``same`` is None where that is not known: written by hand, or unreadable, which ``problem`` then says.
    """

    path: Path
    same: bool | None = None
    rows: int = 0
    tensorflow: str | None = None
    keras: str | None = None
    problem: str = ""


@dataclass(frozen=True)
class Compiled:
    """What the model was compiled with, by name, as far as the artifact tells."""

    optimizer: str | None
    losses: tuple[str, ...]
    metrics: tuple[str, ...]


@dataclass(frozen=True)
class Inspected:
    """All that is said of one artifact. ``layers`` is None where its architecture is not told."""

    artifact: Artifact
    checks: tuple[CheckResult, ...]
    needs: Needs
    forecast: tuple[Outlook, ...]
    layers: int | None
    compiled: Compiled | None
    recorded: Recorded | None

    @property
    def readable(self) -> bool:
        """Whether it can be read as a model: the ``file`` check passes."""
        return not any(check.check == "file" and check.outcome == "failed" for check in self.checks)


def inspect(path: Path, recorded: Path) -> Inspected:
    """All that can be said of the artifact at a path; ``recorded`` is where its expected outputs would be."""
    artifact = read(path)
    needs = needs_of(artifact)
    checks = []
    for name, check in (("file", file.check), ("safety", safety.check)):
        findings = check(artifact)
        failed = any(finding.fails for finding in findings)
        checks.append(CheckResult(name, "failed" if failed else "passed", findings))
    return Inspected(
        artifact,
        tuple(checks),
        needs,
        forecast(artifact, needs.bytecode),
        _layers(artifact),
        _compiled(artifact),
        _recorded(recorded, artifact),
    )


def _layers(artifact: Artifact) -> int | None:
    """How many layers the configuration has, those of nested models among them and the models themselves not."""
    found = [entry for entry, _ in models(artifact.config)]
    if not found:
        return None
    return sum(1 for entry in found for layer in layers_of(entry) if not is_model(layer))


def _compiled(artifact: Artifact) -> Compiled | None:
    if not artifact.training_config:
        return None
    uses = [use for use in artifact.objects if use.section == "training"]
    optimizer = next((_name(use) for use in uses if use.kind == "optimizer"), None)
    return Compiled(optimizer, tuple(_of_kind("loss", uses)), tuple(_of_kind("metric", uses)))


def _of_kind(kind: str, uses: list[ConfigObject]) -> Iterator[str]:
    """Names of losses or metrics; a metric that Keras wraps a function in goes by that function's name."""
    for place, use in enumerate(uses):
        if use.kind != kind:
            continue
        inner = uses[place + 1] if place + 1 < len(uses) else None
        wraps = use.class_name.endswith("Wrapper") and inner is not None and inner.place == f"{use.place}/fn"
        yield _name(inner if wraps and inner is not None else use)


def _name(use: ConfigObject) -> str:
    return use.name.removeprefix("Custom>")


def _recorded(path: Path, artifact: Artifact) -> Recorded | None:
    if not path.exists():
        return None
    try:
        found = vetting.read(path)
    except (expected.ExpectedUnreadable, OSError) as error:
        return Recorded(path, problem=str(error))
    told = {key: value for key, value in found.provenance.items() if isinstance(value, str)}
    same = told["sha256"] == artifact.sha256 if "sha256" in told else None
    return Recorded(path, same, found.rows, told.get("tensorflow"), told.get("keras"))
