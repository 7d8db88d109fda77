"""The command ``merge``: reports of several runs as one, and what of them contradicts each other."""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_kerasload.reports import markdown, sarif, table
from pytest_kerasload.reports.collected import FORMAT, VERSION, summary, write_json
from pytest_kerasload.reports.matrix import Matrix

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

Report = Mapping[str, Any]


class NoReport(Exception):
    """A file holds no report that can be merged: which, and why."""


def add(commands: Commands) -> None:
    """Add the command to a parser's."""
    parser = commands.add_parser("merge", help="put the reports of several runs together (--keras-json)")
    parser.add_argument("reports", nargs="+", type=Path, metavar="REPORT.json")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the merged report")
    parser.add_argument("--markdown", type=Path, metavar="PATH", help="write it as Markdown")
    parser.add_argument("--sarif", type=Path, metavar="PATH", help="write its findings as SARIF")
    parser.set_defaults(run=_run)


def _run(chosen: argparse.Namespace) -> int:
    try:
        merged, conflicts = merge([(path.as_posix(), read(path)) for path in chosen.reports])
        if chosen.json is not None:
            write_json(chosen.json, merged)
        if chosen.markdown is not None:
            markdown.write(chosen.markdown, merged)
        if chosen.sarif is not None:
            sarif.write(chosen.sarif, merged, Path.cwd())
    except (NoReport, OSError) as error:
        print(f"merge: {error}")
        return 2
    for line in table.lines(Matrix.of(merged), shutil.get_terminal_size().columns):
        print("".join(text for text, _ in line).rstrip())
    counts = ", ".join(f"{count} {outcome}" for outcome, count in merged["summary"].items() if count)
    print(f"{len(chosen.reports)} reports, {len(merged['artifacts'])} artifacts: {counts or 'nothing checked'}")
    for conflict in conflicts:
        print(f"conflict: {conflict}")
    return 1 if conflicts else 0


def read(path: Path) -> Report:
    """A report of ``--keras-json``; NoReport where the file holds something else."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NoReport(f"{path} does not exist") from None
    except (OSError, ValueError) as error:
        raise NoReport(f"{path} cannot be read as JSON: {error}") from None
    if not isinstance(told, Mapping) or told.get("format") != FORMAT:
        raise NoReport(f"{path} is no report of --keras-json")
    if told.get("version") != VERSION:
        raise NoReport(f"{path} is a report of version {told.get('version')}; this release reads version {VERSION}")
    return told


def merge(reports: Sequence[tuple[str, Report]]) -> tuple[dict[str, Any], list[str]]:
    """One report out of several, given with their names; and their contradictions, in words.

    An environment id that stands for other releases in another report is told apart by them (every job of a CI matrix
    calls its own ``current``). An artifact that is another file in another report is listed twice. Of a check that was
    made twice, the worse outcome counts.
    """
    names, conflicts = _names(reports)
    environments: dict[str, Any] = {}
    artifacts: dict[tuple[str, str], dict[str, Any]] = {}
    digests: dict[str, dict[str, None]] = {}
    for _, report in reports:
        for artifact in report["artifacts"]:
            digests.setdefault(artifact["path"], {}).update({artifact["sha256"]: None} if artifact["sha256"] else {})
    for source, report in reports:
        own = {one["id"]: names[_identity(one)] for one in report["environments"]}
        for one in report["environments"]:
            environments[own[one["id"]]] = {**one, "id": own[one["id"]]}
        for artifact in report["artifacts"]:
            # One that was skipped in its run has no digest, and is the one that has.
            key = artifact["path"], artifact["sha256"] or next(iter(digests[artifact["path"]]), "")
            entry = artifacts.setdefault(key, {**artifact, "checks": []})
            if artifact["sha256"] and not entry["sha256"]:
                entry |= {**artifact, "checks": entry["checks"]}
            for check in artifact["checks"]:
                renamed = {**check, "environment": _renamed(check["environment"], own)}
                conflicts += _added(entry, renamed, source)
    for path, several in digests.items():
        if len(several) > 1:
            shown = ", ".join(sorted(digest[:12] for digest in several))
            conflicts.append(f"{path} is not the same file in all reports (sha256 {shown}): it is listed once for each")
    found = [artifacts[key] for key in sorted(artifacts)]
    merged = {"format": FORMAT, "version": VERSION, "environments": list(environments.values()), "artifacts": found}
    return {**merged, "summary": summary(check for one in found for check in one["checks"])}, conflicts


def _identity(environment: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(environment.get(key) for key in ("id", "python", "tensorflow", "keras", "flavour"))


def _names(reports: Sequence[tuple[str, Report]]) -> tuple[dict[tuple[Any, ...], str], list[str]]:
    """What each environment is called in the merged report, and which had to be told apart."""
    standing: dict[str, dict[tuple[Any, ...], None]] = {}
    for _, report in reports:
        for one in report["environments"]:
            standing.setdefault(one["id"], {})[_identity(one)] = None
    names: dict[tuple[Any, ...], str] = {}
    conflicts = []
    for id, identities in standing.items():
        if len(identities) == 1:
            names[next(iter(identities))] = id
            continue
        for identity in identities:
            _, python, tensorflow, keras, flavour = identity
            names[identity] = f"{id} (TensorFlow {tensorflow}, {flavour} {keras}, Python {python})"
        told = "; ".join(names[identity].partition(" ")[2].strip("()") for identity in identities)
        conflicts.append(f"{id!r} stands for {len(identities)} environments, which are told apart: {told}")
    return names, conflicts


def _renamed(environment: str | None, own: Mapping[str, str]) -> str | None:
    if environment is None or environment in own:
        return environment if environment is None else own[environment]
    for giver, new in own.items():  # a handover
        taker = environment.removeprefix(f"{giver}->")
        if taker != environment and taker in own:
            return f"{new}->{own[taker]}"
    return environment


_RANK = {"skipped": 0, "passed": 1, "failed": 2, "error": 3}


def _added(entry: dict[str, Any], check: Mapping[str, Any], source: str) -> list[str]:
    """Take a check into an artifact's; what it contradicts."""
    same = [
        (place, other)
        for place, other in enumerate(entry["checks"])
        if all(other[key] == check[key] for key in ("check", "environment", "variant"))
    ]
    if not same:
        entry["checks"].append(check)
        return []
    place, other = same[0]
    if _RANK[check["outcome"]] > _RANK[other["outcome"]]:
        entry["checks"][place] = check
    if check["outcome"] == other["outcome"] or "skipped" in (check["outcome"], other["outcome"]):
        return []
    inside = "-".join(filter(None, (check["environment"], check["variant"])))
    named = f"{entry['path']}::{check['check']}" + (f"[{inside}]" if inside else "")
    worse = max(check["outcome"], other["outcome"], key=_RANK.__getitem__)
    return [f"{named} {check['outcome']} in {source} and {other['outcome']} in another report: {worse} counts"]
