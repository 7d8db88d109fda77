"""pytest's hooks: each hands over to the part that does the work. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from pytest_kerasload import discovery, fixtures, hookspecs, options
from pytest_kerasload.arguments import Arguments
from pytest_kerasload.artifacts.sniffing import savedmodel_marker
from pytest_kerasload.environments.spec import EnvironmentSpec
from pytest_kerasload.settings import BadSetting, Settings

_CHECKS = ("file", "safety", "version", "custom-objects", "load", "roundtrip", "predictions", "handover")


def pytest_addoption(parser: pytest.Parser) -> None:
    options.add(parser)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    pluginmanager.add_hookspecs(hookspecs)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "keras_models: every check of a Keras model artifact (kerasload)")
    for check in _CHECKS:
        config.addinivalue_line("markers", f"keras_{check.replace('-', '_')}: the {check} check (kerasload)")
    config.pluginmanager.register(fixtures, "kerasload-fixtures")
    try:
        roots, on_command_line = options.models(config)
        if not roots:
            return
        settings = replace(options.read(config, roots), inputs_hook=hookspecs.InputsHook(config))
        if not hasattr(config, "workerinput"):
            _refuse_empty(roots)
    except ValueError as error:  # BadSetting, and what parsers raise
        raise pytest.UsageError(f"kerasload: {error}") from error
    config.pluginmanager.register(Run(config, settings, on_command_line), "kerasload-run")


def _refuse_empty(roots: tuple[Path, ...]) -> None:
    """A path without artifacts is an error: it must never look like a green run."""
    for root in roots:
        if next(discovery.walk(root), None) is None:
            raise BadSetting(f"no Keras model artifact (*.h5, *.hdf5, *.keras, SavedModel directory) under {root}")


class Run:
    """One run of pytest in which artifacts are collected."""

    def __init__(self, config: pytest.Config, settings: Settings, on_command_line: bool) -> None:
        from pytest_kerasload.reports.collected import Collected

        self.config = config
        self.settings = settings
        self.collected = Collected()
        self.arguments = Arguments(config, settings.models, on_command_line)
        self._gate: Any = None
        self._unwritten: list[str] = []

    # ---- what is collected

    @pytest.hookimpl(tryfirst=True)
    def pytest_ignore_collect(self, collection_path: Path) -> bool | None:
        if self.arguments.deselected(collection_path) or self.arguments.ignored(collection_path):
            return True
        if not self.arguments.under_root(collection_path):
            return None
        if collection_path.is_dir():
            if collection_path in self.settings.models:
                return False
            root = self.settings.root_of(collection_path)
            if not discovery.descends(collection_path, root):
                return True if self.arguments.only_artifacts or not _ours(collection_path, root) else None
            return False
        if discovery.is_collected(collection_path, self.settings.models):
            return False
        return True if self.arguments.only_artifacts else None

    def pytest_collect_file(self, file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
        if not self.arguments.under_root(file_path) or not discovery.is_collected(file_path, self.settings.models):
            return None
        from pytest_kerasload.nodes import ArtifactFile

        return ArtifactFile.make(parent, file_path, self.settings, self.gate)

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(
        self, collector: pytest.Collector
    ) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        report = yield
        if report.passed and isinstance(collector, pytest.Directory) and self.arguments.under_root(collector.path):
            from pytest_kerasload.nodes import ArtifactFile

            # pytest passes over links that lead to nothing: such an artifact would drop out of the gate in silence.
            report.result += [
                ArtifactFile.make(collector, path, self.settings, self.gate)
                for path in discovery.lost(collector.path)
                if not self.arguments.deselected(path) and not self.arguments.ignored(path)
            ]
        return report

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        names = {path: selection for path, selection in self.arguments.selected if selection}
        if names:
            gone = [item for item in items if item.path in names and item.name != names[item.path]]
            self.config.hook.pytest_deselected(items=gone)
            items[:] = [item for item in items if item not in gone]

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        option = self.config.option
        if option.collectonly or (session.testsfailed and not option.continue_on_collection_errors):
            return  # nothing is run
        from pytest_kerasload.nodes import ArtifactItem

        tasks = [item.task for item in session.items if isinstance(item, ArtifactItem) and not _skipped(item)]
        self._refuse_shared_expectations({task.path for task in tasks})
        wanted = {task.environment for task in tasks if task.environment is not None}
        self._make_environments(wanted | fixtures.environments(session.items))
        if tasks:
            # An xdist worker sees every item and runs some: it begins with each when it is asked for it.
            lending = any("keras_artifact" in getattr(item, "fixturenames", ()) for item in session.items)
            self.gate().plan(tasks, ahead=not hasattr(self.config, "workerinput"), lending=lending)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        """Before pytest-xdist starts its workers: none of them can tell how far it is."""
        if self.config.getoption("dist", "no") != "no" and not self.config.option.collectonly:
            self._make_environments(set(self.settings.environments))

    def _make_environments(self, wanted: set[EnvironmentSpec]) -> None:
        recipes = [(one.id, one.recipe) for one in self.settings.environments if one.recipe and one in wanted]
        if not recipes or hasattr(self.config, "workerinput"):
            return
        from pytest_kerasload.environments import making

        reporter = self.config.pluginmanager.get_plugin("terminalreporter")
        try:
            making.make(recipes, lambda line: reporter.write_line(f"kerasload: {line}") if reporter else None)
        except making.Unavailable as error:
            raise pytest.UsageError(f"kerasload: --keras-env={error}") from None

    def _refuse_shared_expectations(self, artifacts: set[Path]) -> None:
        """With ``--keras-expected`` and several roots, no two artifacts may have the same file of expected outputs."""
        if self.settings.expected_dir is None or len(self.settings.models) < 2:
            return
        from pytest_kerasload import expected

        owners: dict[Path, Path] = {}
        for path in sorted(artifacts):
            stored = expected.path_for(path, self.settings.root_of(path), self.settings.expected_dir)
            other = owners.setdefault(stored, path)
            if other != path:
                raise pytest.UsageError(
                    f"kerasload: --keras-expected: {other} and {path} would share {stored}; run their roots apart, "
                    "each with a directory of its own"
                )

    # ---- running

    def gate(self) -> Any:
        """The engine, made when it is first needed."""
        if self._gate is None:
            from pytest_kerasload.gate import Gate

            self._gate = Gate(options.late(self.config, self.settings))
        return self._gate

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        from pytest_kerasload.nodes import ArtifactItem
        from pytest_kerasload.reports import telling

        if isinstance(item, ArtifactItem):
            telling.complete(item, call, report, self)
        return report

    def pytest_report_teststatus(self, report: pytest.CollectReport | pytest.TestReport) -> tuple[str, str, str] | None:
        """A defect of this plugin is an error, told apart from an artifact that fails."""
        told = getattr(report, "kerasload", None)
        if told is not None and report.failed and told["check"]["outcome"] == "error":
            return "error", "E", "ERROR"
        return None

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        told = getattr(report, "kerasload", None)
        if told is not None:
            self.collected.add(told)

    # ---- telling

    def pytest_report_header(self) -> list[str]:
        from pytest_kerasload.environments import confinement
        from pytest_kerasload.nodes import display

        roots = ", ".join(display(root, self.config) for root in self.settings.models)
        ids = ", ".join(environment.id for environment in self.settings.environments)
        lines = [f"kerasload: artifacts in {roots}; environments: {ids}"]
        if not self.config.option.collectonly:
            lines.append(f"kerasload: {confinement.header(self.settings.confinement)}")
        return lines

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        for unwritten in self._unwritten:
            terminalreporter.write_line(f"kerasload: {unwritten}", red=True)
        if not self.collected.artifacts:
            return
        from pytest_kerasload import unheeded, unused
        from pytest_kerasload.commands import command
        from pytest_kerasload.nodes import display
        from pytest_kerasload.reports import terminal

        def shown(path: Path) -> str:
            return display(path, self.config)

        terminalreporter.section("keras models")
        left = [found for each in (unused, unheeded) for found in each.lines(self.settings, self.collected, shown)]
        last_failed = ["--lf"] if self.config.pluginmanager.hasplugin("lfplugin") else []
        replay = command(self.settings, shown, self.settings.models, *last_failed)
        width = terminalreporter._tw.fullwidth
        for line in terminal.lines(self.collected, self._report(), replay, width, left):
            for text, colour in line:
                terminalreporter.write(text, **({colour: True} if colour else {}))
            terminalreporter.write("\n")

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self._gate is not None:
            self._gate.close()
            self._gate = None
        if hasattr(self.config, "workerinput") or self.config.option.collectonly:
            return
        report = self._report()
        for path, write in self._reports():
            try:
                write(path, report)
            except OSError as error:  # what was found is still told; a run without its report is not green
                self._unwritten.append(f"the report {path} could not be written: {error.strerror or error}")
                session.exitstatus = pytest.ExitCode.INTERNAL_ERROR

    def _reports(self) -> Iterator[tuple[Path, Callable[[Path, dict[str, Any]], None]]]:
        """The reports that were asked for, each with what writes it."""
        if self.settings.json is not None:
            from pytest_kerasload.reports.collected import write_json

            yield self.settings.json, write_json
        if self.settings.markdown is not None:
            from pytest_kerasload.reports import markdown

            yield self.settings.markdown, markdown.write
        if self.settings.sarif is not None:
            from pytest_kerasload.reports import sarif

            yield self.settings.sarif, partial(sarif.write, base=self.settings.invocation_dir)

    def _report(self) -> dict[str, Any]:
        return self.collected.as_json({name: rank for rank, name in enumerate(_CHECKS)})

    def pytest_unconfigure(self) -> None:
        if self._gate is not None:
            self._gate.close()


def _ours(directory: Path, root: Path) -> bool:
    """Whether a directory that is not descended into is none of a SavedModel's: pytest may look for tests there."""
    return savedmodel_marker(directory.parent) is None and directory != root


def _skipped(item: pytest.Item) -> bool:
    return item.get_closest_marker("skip") is not None
