"""Hostile artifacts through a real environment: ``python -m fuzzing.workers --env tf2.15 --inputs 100 --seed 1``.

Those that the static checks let through are put between good ones of the zoo, and pytest is run over all of them as a
user runs it. What is asked: that no check ends in an error of the plugin's, that the good ones are answered as they
are without the others, that the run ends in time, and that no process and no file for the time being is left.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import psutil

from fuzzing import asking, mutations

GOOD = ("tf215/seq_dense.h5", "tf215/shared_layer.keras", "tf215/lstm.h5", "tf215/fixed_batch.keras")
"""Artifacts that load in TensorFlow 2.13 and later, with their expected outputs."""

_MARK = "KERASLOAD_FUZZING"
"""Set for a run, and so for all that it starts."""

_SUSPECT = ("unknown", "environment", "resource")
"""Families of causes behind which a defect of the plugin may hide: told, for someone to look at."""


@dataclass(frozen=True)
class Gated:
    """What one run of pytest gave."""

    status: int
    seconds: float
    artifacts: dict[str, dict[str, Any]]
    output: str
    left: tuple[str, ...]


def hostile(directory: Path, inputs: int, seed: int) -> list[Path]:
    """So many mutated models that the static checks let through, named so that they come between the good ones."""
    rng = Random(seed)
    found: list[Path] = []
    tried = 0
    while len(found) < inputs:
        tried += 1
        with tempfile.TemporaryDirectory() as own:
            made = mutations.made(Path(own), rng, rng.choice(("h5", "keras", "savedmodel")), 30)
            answer = asking.ask(made, forecast=False)
            if "file:passed" in answer.outcomes and "safety:passed" in answer.outcomes:
                name = f"{rng.randrange(1000):03}_{len(found):03}{made.suffix}"
                copy = shutil.copytree if made.is_dir() else shutil.copyfile
                copy(made, directory / name)  # type: ignore[operator]
                found.append(directory / name)
    print(f"{len(found)} of {tried} mutated artifacts pass the static checks", flush=True)
    return found


def good(directory: Path) -> list[str]:
    """Copies good artifacts with their expected outputs; gives their names."""
    names = []
    for number, path in enumerate(GOOD):
        source = mutations.ZOO / path
        name = f"{number * 300:03}_good{source.suffix}"
        shutil.copyfile(source, directory / name)
        shutil.copyfile(source.with_name(f"{source.name}.expected.npz"), directory / f"{name}.expected.npz")
        names.append(name)
    return names


def gated(directory: Path, options: list[str], seconds: float) -> Gated:
    """Runs pytest over a directory of artifacts; ends it, and all it started, after so many seconds."""
    temporary = Path(tempfile.mkdtemp())
    report = temporary.parent / f"{temporary.name}.json"
    token = temporary.name
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "--tb=short", "-p", "no:randomly"]
    command += [f"--keras-models={directory}", f"--keras-json={report}", *options]
    environment = {**os.environ, _MARK: token, "TMPDIR": str(temporary), "CUDA_VISIBLE_DEVICES": ""}
    environment.pop("CI", None)
    began = time.monotonic()
    with subprocess.Popen(
        command, cwd=directory, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        try:
            output, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            output = f"{process.communicate()[0]}\nthe run took more than {seconds:.0f} s and was ended"
    took = time.monotonic() - began
    time.sleep(2)  # what was told to end may take a moment
    left = [f"the process {one.pid}: {' '.join(one.cmdline())[:200]}" for one in _marked(token)]
    for one in _marked(token):
        one.kill()
    left += [f"the file {name}" for name in sorted(os.listdir(temporary)) if not name.startswith("pytest-of-")]
    told = json.loads(report.read_text(encoding="utf-8")) if report.exists() else {"artifacts": []}
    shutil.rmtree(temporary, ignore_errors=True)
    report.unlink(missing_ok=True)
    artifacts = {Path(one["path"]).name: one for one in told["artifacts"]}
    return Gated(process.returncode, took, artifacts, output, tuple(left))


def _marked(token: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(_MARK) == token:
                found.append(process)
        except psutil.Error:
            continue
    return found


def answers(artifact: dict[str, Any]) -> list[tuple[Any, ...]]:
    """What is the same from run to run of what was answered for an artifact."""
    return [
        (one["check"], one["variant"], one["outcome"], sorted(finding["cause"] for finding in one["findings"]))
        for one in artifact.get("checks", [])
    ]


def troubles(alone: Gated, among: Gated, names: list[str], expected: int) -> list[str]:
    """What is wrong with a run with hostile artifacts, given one without."""
    found = [f"left: {what}" for what in (*alone.left, *among.left)]
    if len(among.artifacts) != expected:
        found.append(
            f"{len(among.artifacts)} of {expected} artifacts are in the report, pytest ended with {among.status}"
        )
    for name in names:
        before, after = answers(alone.artifacts.get(name, {})), answers(among.artifacts.get(name, {}))
        if not before or before != after:
            found.append(f"{name} is answered otherwise: {after} where it was {before}")
    for name, artifact in among.artifacts.items():
        for one in artifact["checks"]:
            if one["outcome"] == "error":
                found.append(f"{name}::{one['check']} is an error")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--env", required=True, help="as for --keras-env")
    parser.add_argument("--inputs", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=1800.0, help="what the run may take")
    parser.add_argument("--keep", type=Path, help="put the artifacts and what pytest printed there")
    parser.add_argument("options", nargs="*", help="more options for pytest, after --")
    chosen = parser.parse_args()
    warnings.simplefilter("ignore")
    asking.hurry()
    # A private place: other programs' files in the shared one are not ours to count.
    with tempfile.TemporaryDirectory() as own:
        tempfile.tempdir = own
        kept = chosen.keep or Path(own) / "artifacts"
        for name in ("alone", "among"):
            (kept / name).mkdir(parents=True)
        options = [f"--keras-env={chosen.env}", *chosen.options]
        names = good(kept / "alone")
        good(kept / "among")
        made = hostile(kept / "among", chosen.inputs, chosen.seed)
        alone = gated(kept / "alone", options, chosen.seconds)
        among = gated(kept / "among", options, chosen.seconds)
        (kept / "output.txt").write_text(among.output, encoding="utf-8", errors="replace")
        found = troubles(alone, among, names, len(made) + len(names))
    causes = Counter(
        f"{one['check']} {one['outcome']}: {finding['family']} {finding['cause']}"
        for artifact in among.artifacts.values()
        for one in artifact["checks"]
        for finding in one["findings"]
    )
    print(f"alone {alone.seconds:.0f} s, with {len(made)} hostile ones {among.seconds:.0f} s")
    for what, count in causes.most_common():
        print(f"  {count:5} {what}{'   <- look at it' if what.split(': ')[1].split()[0] in _SUSPECT else ''}")
    for what in found:
        print(f"  TROUBLE {what}")
    if not among.artifacts:
        print(among.output[-3000:])
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
