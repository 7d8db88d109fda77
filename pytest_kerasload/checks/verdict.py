"""What a check that needs TensorFlow works with, and what it comes back with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from pytest_kerasload import expected as expected_files
from pytest_kerasload.artifacts.record import Artifact
from pytest_kerasload.checks import version
from pytest_kerasload.environments.process import RequestFailed
from pytest_kerasload.environments.session import Loaded, Session
from pytest_kerasload.expected import Expected
from pytest_kerasload.findings import Finding, Measured
from pytest_kerasload.settings import Settings


@dataclass(frozen=True)
class Verdict:
    """The findings of a check, what it measured, and, when it could not be made, why it was skipped."""

    findings: tuple[Finding, ...] = ()
    measured: Measured = field(default_factory=Measured)
    skipped: str = ""


@dataclass(frozen=True)
class Context:
    """One artifact in one environment, and what the user asked for."""

    session: Session
    settings: Settings
    import_error: RequestFailed | None = None
    """Why the user's custom objects could not be imported there."""
    known: Expected | None = None
    """Expected outputs, where they are others than those that are stored."""
    records: bool = True
    """Whether ``--keras-record`` writes from this environment: one file serves all, so one of them does."""

    @property
    def artifact(self) -> Artifact:
        return self.session.artifact

    @property
    def label(self) -> str:
        """The environment's Keras, for messages."""
        return self.session.versions.label

    def forecast(self) -> tuple[Finding, ...]:
        """What the file tells beforehand: everything in it that the environment's Keras rejects, or reads otherwise."""
        given = version.as_given(self.artifact, self.settings.provided(self.artifact.path))
        return version.check(given, self.session.versions, "evidence")

    @property
    def expected_path(self) -> Path:
        """Where the artifact's expected outputs are, or would be."""
        settings, path = self.settings, self.artifact.path
        return expected_files.path_for(path, settings.root_of(path), settings.expected_dir)

    def shown(self, path: Path) -> str:
        """A path as messages show it: relative to where pytest was started, where it lies below."""
        base = self.settings.invocation_dir
        return path.relative_to(base).as_posix() if path.is_relative_to(base) else path.as_posix()

    def loaded(self) -> Loaded:
        """The artifact, loaded in the way in which the ``load`` check accepts it; RequestFailed when it does not."""
        for way in self.ways():
            try:
                return way()
            except RequestFailed as error:
                last = error
        raise last

    def ways(self) -> list[Callable[[], Loaded]]:
        """Ways of loading that the user accepts, plainest first."""
        load = self.session.load
        ways: list[Callable[[], Loaded]] = [load]
        if self.session.way == "keras":
            if self.unsafe:
                ways.append(lambda: load(unsafe=True))
            if self.settings.inference_only:
                ways.append(lambda: load(compile=False))
                if self.session.trusted:
                    ways.append(lambda: load(compile=False, unsafe=True))
        return ways

    @property
    def unsafe(self) -> bool:
        """Whether the user trusts the artifact, and there is a ``safe_mode`` to switch off.

        Keras 2.13 and later take it too, for ``.keras`` files.
        """
        versions = self.session.versions
        native = self.artifact.format == "keras" and versions.keras_version.release >= (2, 13)
        return self.session.trusted and self.session.way == "keras" and (versions.keras3 or native)
