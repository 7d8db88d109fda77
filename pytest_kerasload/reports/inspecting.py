"""The command ``inspect``: what artifacts say of themselves, and which releases will load them. No TensorFlow."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_kerasload.inspection.forecast import Outlook
    from pytest_kerasload.inspection.inspected import Inspected
    from pytest_kerasload.reports.inspected import Line

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

_WIDTH = 80
_WIDEST = 120
_STYLES = {"title": "1", "label": "2", "good": "32", "doubtful": "33", "bad": "31"}


def add(commands: Commands) -> None:
    """Add the command to a parser's."""
    parser = commands.add_parser(
        "inspect",
        help="what an artifact is, what it needs, and which releases will load it; without TensorFlow",
        description="Tell what artifacts say of themselves, and forecast which Keras releases load them. Nothing is "
        "loaded, and TensorFlow is not needed. The exit status is 1 where a path holds no artifact, or one that cannot "
        "be read as a model.",
    )
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="a file, a SavedModel, or a directory")
    parser.add_argument("--json", action="store_true", help="write a JSON list, one object an artifact")
    parser.add_argument(
        "--expected", type=Path, metavar="DIR", help="expected outputs live here, as with --keras-expected"
    )
    parser.set_defaults(run=_run)


def _run(chosen: argparse.Namespace) -> int:
    # Imported here: the other commands need neither NumPy nor h5py.
    from pytest_kerasload.inspection.inspected import inspect
    from pytest_kerasload.reports import inspected

    failed = False
    told: list[dict[str, Any]] = []
    count = unread = 0
    width = min(shutil.get_terminal_size((_WIDTH, 24)).columns, _WIDEST) if sys.stdout.isatty() else _WIDTH
    for path, artifact, recorded in _found(chosen.paths, chosen.expected):
        if artifact is None or recorded is None:
            failed = True
            print(f"inspect: {_no_artifact(path)}", file=sys.stderr)
            continue
        # What is read in a process of its own may be read elsewhere than here.
        one = inspect(artifact.absolute(), recorded)
        count += 1
        unread += not one.readable
        if chosen.json:
            told.append(as_json(one, artifact.as_posix()))
            continue
        if count > 1:
            print()
        for line in inspected.lines(one, artifact.as_posix(), width):
            print(_rendered(line))
    if chosen.json:
        # The name of a file need not be UTF-8: what is not comes as ``\udce9``, which JSON takes.
        text = json.dumps(told, indent=1, ensure_ascii=False).encode("utf-8", "backslashreplace")
        print(text.decode("utf-8"))
    elif count > 1:
        print(f"\n{count} artifacts" + (f", {unread} of them not readable as a model" if unread else ""))
    return 1 if failed or unread else 0


def _found(paths: list[Path], directory: Path | None) -> Iterator[tuple[Path, Path | None, Path | None]]:
    """Artifacts under each path, each once, and where their expected outputs would be; None for a path with none."""
    from pytest_kerasload import discovery, expected

    seen: set[Path] = set()
    for path in paths:
        found = [discovery.artifact_of(file) for file in discovery.walk(path)] if path.exists() else []
        if not found:
            yield path, None, None
        for artifact in found:
            if artifact not in seen:
                seen.add(artifact)
                root = path if path.is_dir() else path.parent
                yield path, artifact, expected.path_for(artifact, root, directory)


def _no_artifact(path: Path) -> str:
    if path.is_symlink() and not path.exists():
        return f"{path} is a link that leads to nothing: fetch what it stands for"
    if not path.exists():
        return f"{path} does not exist"
    return f"{path} holds no artifact: no *.h5, *.hdf5, *.keras and no SavedModel directory (saved_model.pb)"


def _rendered(line: Line) -> str:
    if not (sys.stdout.isatty() and not os.environ.get("NO_COLOR")):
        return "".join(text for text, _ in line).rstrip()
    return "".join(f"\033[{_STYLES[style]}m{text}\033[0m" if style else text for text, style in line).rstrip()


def as_json(inspected: Inspected, path: str) -> dict[str, Any]:
    """An artifact as ``--json`` tells it; docs/inspect.md says what the keys mean."""
    from pytest_kerasload.reports.collected import artifact_json

    artifact, needs, recorded = inspected.artifact, inspected.needs, inspected.recorded
    return {
        **artifact_json(artifact, path),
        "signatures": [
            {
                "name": one.name,
                "inputs": [spec.as_json() for spec in one.inputs],
                "outputs": [spec.as_json() for spec in one.outputs],
            }
            for one in artifact.signatures
        ],
        "layers": inspected.layers,
        "weights": {"parameters": artifact.weights.elements, "tensors": artifact.weights.tensors},
        "compiled": inspected.compiled
        and {
            "optimizer": inspected.compiled.optimizer,
            "losses": list(inspected.compiled.losses),
            "metrics": list(inspected.compiled.metrics),
        },
        "needs": {
            "custom_objects": [
                {"name": one.name, "kind": one.kind, "module": one.module, "where": list(one.places)}
                for one in needs.custom_objects
            ],
            "op_libraries": [{"package": one.package or None, "ops": list(one.ops)} for one in needs.op_libraries],
            "bytecode": needs.bytecode
            and {"pythons": list(needs.bytecode.pythons), "where": list(needs.bytecode.places)},
        },
        "checks": [check.as_json() for check in inspected.checks],
        "expected": recorded
        and {
            "path": recorded.path.as_posix(),
            "same_artifact": recorded.same,
            "rows": recorded.rows,
            "tensorflow": recorded.tensorflow,
            "keras": recorded.keras,
            "problem": recorded.problem or None,
        },
        "forecast": [_outlook(one) for one in inspected.forecast],
    }


def _outlook(one: Outlook) -> dict[str, Any]:
    from pytest_kerasload.findings import CheckResult

    findings = CheckResult("version", "failed", one.findings).as_json()["findings"]
    return {
        "flavour": one.flavour,
        "releases": list(one.releases),
        "outcome": one.outcome,
        "compile": one.compiles,
        "findings": findings,
    }
