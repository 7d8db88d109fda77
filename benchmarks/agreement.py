"""Do equal models stay green? Record in one environment, check in others and on other paths of computation.

Every ``predictions`` that fails although the model loads is a false alarm, unless the releases truly differ::

    python benchmarks/agreement.py --python tf2.10=/envs/tf210 --python tf2.21=/envs/tf221 \\
        --record tf2.10:h5 --record tf2.21:keras [--work DIR] [--json PATH] [-- OPTIONS OF THE GATE]

Each record is checked in every environment given, as it is there, and in its own and the last one on each path of
VARIANTS. Run it with an interpreter that has the plugin. Beside the gate's verdicts it prints how far the outputs were
from the stored ones, from a plain load and call in the same environments (``obtained.py``).
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
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gating
import models
import numpy as np
from obtained import SUFFIX

VARIANTS: dict[str, dict[str, str]] = {
    "as it is": {},
    "oneDNN off": {"TF_ENABLE_ONEDNN_OPTS": "0"},
    "oneDNN SSE4.1": {"ONEDNN_MAX_CPU_ISA": "SSE41", "DNNL_MAX_CPU_ISA": "SSE41"},
    "oneDNN AVX2": {"ONEDNN_MAX_CPU_ISA": "AVX2", "DNNL_MAX_CPU_ISA": "AVX2"},
    "oneDNN AVX512": {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE", "DNNL_MAX_CPU_ISA": "AVX512_CORE"},
    "one core": {},
    "XLA": {"TF_XLA_FLAGS": "--tf_xla_auto_jit=2 --tf_xla_cpu_global_jit"},
    "compiled": {"BENCHMARK_CALL": "compiled"},
}
"""Paths of computation: variables of the environment. The gate sets the threads from the cores that it may use.

XLA's flags reach what runs as a graph, which is SavedModels' signatures; ``compiled`` is the plain call of a Keras
model compiled by XLA as a whole, which the gate never does: it is measured only.
"""


@dataclass(frozen=True)
class Environment:
    """An environment as given: its name, its interpreter, and whether tf_keras is asked for."""

    name: str
    spec: str

    @property
    def python(self) -> str:
        """The interpreter."""
        path = Path(self.spec.removesuffix("+legacy"))
        return str(path / "bin/python" if path.is_dir() else path)

    @property
    def variables(self) -> dict[str, str]:
        """What its processes get on top."""
        return {"TF_USE_LEGACY_KERAS": "1"} if self.spec.endswith("+legacy") else {}


def cores_of(variant: str) -> set[int]:
    """The cores that a variant may use."""
    mine = os.sched_getaffinity(0)
    return set(sorted(mine)[:1]) if variant == "one core" else set(mine)


def plain_outputs(
    environment: Environment, variant: str, folder: Path, out: Path
) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """What the models of a folder answer in an environment, by artifact and output; and what did not load."""
    cores = cores_of(variant)
    threads = dict.fromkeys(("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"), str(len(cores)))
    command = [environment.python, str(Path(__file__).with_name("obtained.py")), str(folder), str(out)]
    crashed: list[str] = []
    while True:
        done = subprocess.run(
            [*command, *crashed],
            env=gating.environment({**threads, **environment.variables, **VARIANTS[variant]}),
            capture_output=True,
            text=True,
            preexec_fn=lambda: os.sched_setaffinity(0, cores),
        )
        if done.returncode == 0:
            break
        if done.returncode > 0 or not done.stdout.split():
            raise SystemExit(f"{' '.join(command)}\n{done.stderr[-3000:]}")
        crashed.append(done.stdout.split()[-1])  # oneDNN held to SSE4.1 does so on half precision
        print(f"  {environment.name} ({variant}): signal {-done.returncode} on {crashed[-1]}", flush=True)
    found: dict[str, dict[str, Any]] = defaultdict(dict)
    with np.load(out) as file:
        errors: dict[str, str] = json.loads(str(file["errors"]))
        for key in file.files:
            if key != "errors":
                artifact, name = key.split("|")
                found[artifact][name] = file[key]
    return found, errors


def distances(stored: Path, obtained: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """For each output: the largest difference, the usual size, their ratio (in all, and in the worst column), noise."""
    with np.load(stored, allow_pickle=False) as file:
        expected = {name[8:]: file[name] for name in file.files if name.startswith("outputs/")}
        provenance = json.loads(str(file["provenance"])) if "provenance" in file.files else {}
    expected = {name: value for name, value in expected.items() if name in obtained or "/" not in name}
    if set(expected) != set(obtained) and len(expected) == len(obtained):
        obtained = dict(zip(expected, obtained.values(), strict=True))
    found: dict[str, dict[str, Any]] = {}
    noise = provenance.get("noise") or {}
    for name, known in expected.items():
        if name not in obtained or known.dtype.kind not in "fiu" or known.shape != obtained[name].shape:
            found[name] = {"max_abs": None, "usual": None, "share": None, "share_by_column": None, "noise": None}
            continue
        one, other = known.astype(np.float64), obtained[name].astype(np.float64)
        delta = np.abs(one - other)
        usual = float(np.sqrt((one**2).mean())) or 1.0
        rows = one.reshape(-1, one.shape[-1]) if one.ndim > 1 else one[:, None]
        columns = np.sqrt((rows**2).mean(axis=0))
        columns = np.maximum(columns, max(1e-2 * float(np.median(columns)), 1e-30))
        found[name] = {
            "max_abs": float(delta.max()),
            "usual": usual,
            "share": float(delta.max()) / usual,
            "share_by_column": float((delta.reshape(rows.shape).max(axis=0) / columns).max()),
            "noise": noise.get(name) if isinstance(noise, dict) else None,
        }
    return found


def number(noise: Any) -> float | None:
    """The largest number in what a file says of the noise of an output."""
    if isinstance(noise, dict):
        return max((value for value in map(number, noise.values()) if value is not None), default=None)
    return float(noise) if isinstance(noise, int | float) and not isinstance(noise, bool) else None


# ---- the pairs


def record(environment: Environment, format: str, folder: Path, only: list[str], more: list[str]) -> None:
    """The models, saved in an environment and recorded there."""
    command = [environment.python, models.__file__, "--out", str(folder), "--format", format]
    command += ["--only", ",".join(only)] if only else []
    variables = gating.environment(environment.variables)
    subprocess.run(command, env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    arguments = [f"--keras-env={environment.name}={environment.spec}", "--keras-record", *more]
    report = gating.run(sys.executable, folder, arguments, folder.with_suffix(".recorded.json"))
    for name, _, check in gating.predictions(report):
        if gating.failing(check) or check["outcome"] == "error":
            print(f"  not recorded: {name}: {gating.said(check)}", flush=True)


def plan(
    own: Environment, environments: list[Environment], variants: list[str]
) -> Iterator[tuple[str, list[Environment]]]:
    """Variant and environments of each run for one record."""
    for variant in variants:
        if variant == "as it is":
            yield variant, environments
        else:
            yield variant, list({environment.name: environment for environment in (own, environments[-1])}.values())


def pairs_of(
    recorded: str, own: Environment, environments: list[Environment], folder: Path, given: argparse.Namespace
) -> Iterator[dict[str, Any]]:
    """One row a model, environment and variant."""
    for variant, checked in plan(own, environments, given.variant or list(VARIANTS)):
        arguments = [f"--keras-env={environment.name}={environment.spec}" for environment in checked]
        verdicts: dict[tuple[str, str], dict[str, Any]] = {}
        began = time.monotonic()
        if variant != "compiled" and not given.no_gate:
            told = folder.with_suffix(".report.json")
            mine = os.sched_getaffinity(0)
            os.sched_setaffinity(0, cores_of(variant))
            try:
                report = gating.run(sys.executable, folder, [*arguments, *given.more], told, VARIANTS[variant])
            finally:
                os.sched_setaffinity(0, mine)
            verdicts = {(name, environment): check for name, environment, check in gating.predictions(report)}
        gated = time.monotonic() - began
        alarms = 0
        for environment in checked:
            outputs: dict[str, dict[str, Any]] = {}
            errors: dict[str, str] = {}
            if not given.no_plain:
                outputs, errors = plain_outputs(environment, variant, folder, folder.with_suffix(".obtained.npz"))
            for stored in sorted(folder.glob("*" + SUFFIX)):
                artifact = stored.name.removesuffix(SUFFIX)
                check = verdicts.get((artifact, environment.name))
                measured = (check.get("measured") or {}).get("max_abs_error") if check else None
                loads = artifact in outputs or measured is not None
                failed = check is not None and check["outcome"] != "passed"
                alarms += failed and loads
                yield {
                    "model": artifact.split(".")[0],
                    "artifact": artifact,
                    "recorded": recorded,
                    "checked": environment.name,
                    "variant": variant,
                    "loads": loads,
                    "error": errors.get(artifact, ""),
                    "outcome": check and check["outcome"],
                    "alarm": failed and loads,
                    "causes": gating.failing(check) if check else [],
                    "said": gating.said(check) if check else "",
                    "gate_max_abs_error": measured,
                    "outputs": distances(stored, outputs[artifact]) if artifact in outputs else {},
                }
        names = ", ".join(environment.name for environment in checked)
        seconds = time.monotonic() - began
        print(f"{recorded} -> {names} ({variant}): {alarms} alarms, {seconds:.0f} s, gate {gated:.0f} s", flush=True)


# ---- what came of it


def worst(row: dict[str, Any], key: str) -> float | None:
    """The largest value of a key over the outputs of a pair."""
    return max((output[key] for output in row["outputs"].values() if output[key] is not None), default=None)


def ratio(row: dict[str, Any]) -> float | None:
    """The largest difference over stored noise, over the outputs for which there is noise."""
    found = []
    for output in row["outputs"].values():
        noise = number(output["noise"])
        if noise and output["max_abs"] is not None:
            found.append(output["max_abs"] / noise)
    return max(found, default=None)


def spread(values: list[float], form: str = ".1e") -> str:
    """Median, ninth decile and largest."""
    return " ".join(f"{value:>9{form}}" for value in np.quantile(values, (0.5, 0.9, 1.0))) if values else " " * 29


def summary(rows: list[dict[str, Any]]) -> None:
    """Print the distributions by model and by pair of environments, and the alarms."""
    loaded = [row for row in rows if row["loads"]]
    head = f"{'difference / usual size: median, 90 %, max':>44}"
    print(f"\n{'model':<24}{'pairs':>6}{'alarms':>8}{head}{'difference / stored noise':>32}")
    for by in ("model", ("recorded", "checked", "variant")):
        groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for row in loaded:
            groups[row["model"] if by == "model" else " ".join(row[key] for key in by)].append(row)
        for name, group in sorted(groups.items()):
            shares = [share for row in group if (share := worst(row, "share_by_column")) is not None]
            ratios = [value for row in group if (value := ratio(row)) is not None]
            alarms = sum(row["alarm"] for row in group)
            print(f"{name:<42}{len(group):>6}{alarms:>8}   {spread(shares)}   {spread(ratios, '.1f')}")
        print()
    alarms = [row for row in loaded if row["alarm"]]
    silent = [row for row in rows if not row["loads"] and row["outcome"] == "passed"]
    print(
        f"{len(loaded)} pairs, {len(alarms)} alarms; {len(rows) - len(loaded)} more do not load where they are checked"
    )
    for row in alarms:
        share = worst(row, "share_by_column")
        size = "" if share is None else f"{share:.1e} of the usual"
        where = f"{row['artifact']:<26}{row['recorded']:<14}{row['checked']:<14}{row['variant']:<14}"
        print(f"  {where}{size:<22}{row['said'][:110]}")
    for row in silent:
        print(f"  the gate passed what a plain load refuses: {row['artifact']} {row['checked']}: {row['error'][:100]}")


def main() -> None:
    """Record, check, measure, print."""
    own, more = sys.argv[1:], []
    if "--" in own:
        own, more = own[: own.index("--")], own[own.index("--") + 1 :]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", action="append", required=True, metavar="NAME=PATH[+legacy]")
    parser.add_argument("--record", action="append", required=True, metavar="NAME:FORMAT")
    parser.add_argument("--variant", action="append", choices=list(VARIANTS), help="repeatable (default: all)")
    parser.add_argument("--only", default="", help="names of models, with commas between them")
    parser.add_argument("--no-gate", action="store_true", help="measure distances only")
    parser.add_argument("--no-plain", action="store_true", help="the gate's verdicts only")
    parser.add_argument("--keep", action="store_true", help="use the records that are in --work already")
    parser.add_argument("--work", type=Path, help="folder to work in (default: a temporary one, removed at the end)")
    parser.add_argument("--json", type=Path, help="write one record a pair here")
    given = parser.parse_args(own)
    given.more = more
    only = [name for name in given.only.split(",") if name]
    environments = [Environment(*text.split("=", 1)) for text in given.python]
    work = (given.work or Path(tempfile.mkdtemp(prefix="kerasload-agreement-"))).absolute()
    work.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    for text in given.record:
        name, format = text.split(":")
        recorder = next(environment for environment in environments if environment.name == name)
        folder = work / f"{name}-{format}".replace(".", "_")
        if not (given.keep and folder.exists()):
            shutil.rmtree(folder, ignore_errors=True)
            record(recorder, format, folder, only, more)
        rows += pairs_of(text, recorder, environments, folder, given)
        if given.json:
            given.json.write_text(json.dumps(rows, indent=1))
    summary(rows)
    if given.work is None:
        shutil.rmtree(work)


if __name__ == "__main__":
    main()
