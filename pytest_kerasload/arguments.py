"""What pytest is given to collect: the artifact roots among its arguments, and arguments that it would misread."""

from __future__ import annotations

import fnmatch
import os
import re
from pathlib import Path

import pytest


class Arguments:
    """pytest's arguments with the artifact roots among them.

    ``only_artifacts`` says that nothing else is collected; ``selected`` holds paths with ``[`` or ``::`` in them, for
    which a directory above is collected, and what was selected there (a check's name, or nothing).
    """

    def __init__(self, config: pytest.Config, models: tuple[Path, ...], on_command_line: bool) -> None:
        self.config = config
        self.models = models
        self.only_artifacts = False
        self.selected: list[tuple[Path, str]] = []
        self._choose(on_command_line)

    def _choose(self, on_command_line: bool) -> None:
        """Put the artifact roots among pytest's arguments, unless those select something already."""
        config = self.config
        given = config.args_source == pytest.Config.ArgsSource.ARGS
        roots = [str(root) for root in self.models]
        arguments = [self._without_brackets(argument) for argument in config.args]
        inside = [self.under_root(self._path_of(argument)) for argument in config.args]
        if not given and on_command_line:
            self.only_artifacts = True
            config.args[:] = [self._without_brackets(root) for root in roots]
        elif given and any(inside):
            self.only_artifacts = all(inside)
            config.args[:] = arguments
        elif not given or on_command_line:
            config.args[:] = arguments + [
                self._without_brackets(root)
                for root in roots
                if not any(Path(root).is_relative_to(self._path_of(argument)) for argument in arguments)
            ]
        # ini roots beside arguments that lie elsewhere: the user runs something else, as with testpaths

    def _path_of(self, argument: str) -> Path:
        path = self._existing(argument)[0]
        return Path(os.path.abspath(self.config.invocation_params.dir / path))

    def _existing(self, argument: str) -> tuple[str, str]:
        """Path and selection of an argument; a path may itself hold ``[`` and ``::``."""
        base = self.config.invocation_params.dir
        if (base / argument).exists():
            return argument, ""
        for match in reversed(list(re.finditer("::", argument))):
            if (base / argument[: match.start()]).exists():
                return argument[: match.start()], argument[match.end() :]
        return argument.partition("::")[0], argument.partition("::")[2]

    def _without_brackets(self, argument: str) -> str:
        """An argument that pytest takes: it reads ``[`` and ``::`` in a path as a selection, so the directory above
        stands for such a path, and only what was selected is collected there."""
        text, selection = self._existing(argument)
        if "[" not in text and "::" not in text:
            return argument
        path = Path(os.path.abspath(self.config.invocation_params.dir / text))
        self.selected.append((path, selection))
        while "[" in str(path) or "::" in str(path):
            path = path.parent
        return str(path)

    def under_root(self, path: Path) -> bool:
        return any(path == root or path.is_relative_to(root) for root in self.models)

    def deselected(self, path: Path) -> bool:
        """Whether a path lies outside what was selected in place of an argument with brackets."""
        if not self.selected:
            return False
        plain = [
            Path(os.path.abspath(self.config.invocation_params.dir / a.partition("::")[0])) for a in self.config.args
        ]
        stands_in = {above for chosen, _ in self.selected for above in chosen.parents}
        if any((path == one or path.is_relative_to(one)) and one not in stands_in for one in plain):
            return False
        return not any(
            path == chosen or path.is_relative_to(chosen) or chosen.is_relative_to(path) for chosen, _ in self.selected
        )

    def ignored(self, path: Path) -> bool:
        """Whether ``--ignore`` or ``--ignore-glob`` names the path."""
        base = self.config.invocation_params.dir
        names = [os.path.abspath(base / name) for name in self.config.getoption("ignore") or ()]
        globs = [os.path.abspath(base / glob) for glob in self.config.getoption("ignore_glob") or ()]
        return str(path) in names or any(fnmatch.fnmatch(str(path), glob) for glob in globs)
