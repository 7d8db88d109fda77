"""How small a change of a good artifact does the gate catch?

Makes the models of ``models.py``, records what they predict, changes copies of them (``mutations.py``), runs the gate
once over all copies and prints the share that was caught, by kind of change and size::

    python benchmarks/sensitivity.py [--quick] [--work DIR] [--json PATH] [-- OPTIONS OF THE GATE]

HDF5 files are edited in place with h5py; ``.keras`` files and SavedModels are loaded, changed and saved by Keras.
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
from pathlib import Path
from typing import Any

import gating
import models
import mutations
import numpy as np
from mutations import Change, Parts

SUFFIX = ".expected.npz"
QUICK = (
    *("mlp_relu", "linear_large", "mlp_hard_sigmoid", "mlp_batchnorm", "multi_output", "resnet", "conv1d_dilated"),
    *("lstm", "text_masked", "transformer", "two_towers_served", "half_mlp"),
)


def write(folder: Path, name: str, index: int, change: Change, suffix: str) -> tuple[Path, dict[str, Any]]:
    """Where a copy goes, and what is remembered of it."""
    size = "" if change.size is None else f"-{change.size:.0e}"
    path = folder / f"{name}--{index:03}-{change.kind.replace(' ', '-')}{size}{suffix}"
    told = {"model": name, "kind": change.kind, "size": change.size, "where": change.where, "harmless": change.harmless}
    return path, told


def changes_of(name: str, parts: Parts, samples: int, sizes: list[float]) -> list[Change]:
    """Every change made to a model; the same for the same arguments."""
    rng = np.random.default_rng(1 + sorted(models.RECIPES).index(name))
    wanted = 1 if models.RECIPES[name].large else samples
    found = [change for function in mutations.MUTATIONS for change in function(parts, rng, wanted)]
    return [change for change in found if change.size is None or change.size in sizes or change.kind.startswith("norm")]


# ---- HDF5 files, with h5py


def read_h5(path: Path) -> Parts:
    """The parts of an HDF5 artifact."""
    import h5py

    weights: dict[str, Any] = {}
    with h5py.File(path, "r") as file:
        config = json.loads(file.attrs["model_config"])
        file["model_weights"].visititems(
            lambda place, item: weights.update({place: item[()]}) if isinstance(item, h5py.Dataset) else None
        )
    return Parts(config, weights)


def edit_h5(original: Path, path: Path, change: Change) -> None:
    """A copy of an HDF5 artifact with the change in it."""
    import h5py

    shutil.copyfile(original, path)
    with h5py.File(path, "r+") as file:
        for place, value in change.weights.items():
            file["model_weights"][place][...] = value
        if change.config is not None:
            file.attrs.modify("model_config", np.bytes_(json.dumps(change.config).encode()))


# ---- other formats, by Keras


def read_live(model: Any) -> Parts:
    """The parts of a live model."""
    weights = {}
    for layer in model.layers:
        for index, weight in enumerate(layer.weights):
            weights[f"{layer.name}/{index}/{models.base_name(weight)}"] = weight.numpy()
    return Parts(json.loads(model.to_json()), weights)


def rebuilt(k: Any, parts: Parts, change: Change) -> Any:
    """A live model with the change in it."""
    model = k.models.model_from_json(json.dumps(change.config or parts.config))
    for layer in model.layers:
        mine = [change.weights.get(p, v) for p, v in parts.weights.items() if p.split("/")[0] == layer.name]
        if mine:
            layer.set_weights(mine)
            if hasattr(layer, "finalize_state"):  # Normalization computes with what it makes of its weights
                layer.finalize_state()
    return model


def stage_live(work: Path, names: list[str], samples: int, sizes: list[float]) -> None:
    """Make the models (first call), or the copies that only Keras can make; runs in a process with TensorFlow."""
    import tensorflow as tf

    k = tf.keras
    manifest: dict[str, Any] = {}
    for name in names:
        recipe = models.RECIPES[name]
        original = models.path_of(work / "originals", name, recipe.format)
        live = models.make(k, recipe) if recipe.format == "savedmodel" else k.models.load_model(original, compile=False)
        again, told = write(work / "copies", name, 0, Change("saved again", "", harmless=True), original.suffix)
        models.save(k, live, again)
        manifest[again.name] = told
        if recipe.format == "h5":
            continue
        parts = read_live(live)
        for index, change in enumerate(changes_of(name, parts, samples, sizes), 1):
            path, told = write(work / "copies", name, index, change, original.suffix)
            try:
                models.save(k, rebuilt(k, parts, change), path)
            except Exception as error:  # an activation this Keras does not know by name
                print(f"not made: {path.name}: {str(error).splitlines()[0][:150]}", flush=True)
                continue
            manifest[path.name] = told
        if name == "mlp_gelu":
            path, told = write(work / "copies", name, 900, Change("activation", "gelu -> gelu by tanh"), "")
            models.save(k, models.make(k, recipe, approximate=True), path)
            manifest[path.name] = told
    (work / "live.json").write_text(json.dumps(manifest))


def make_copies(python: str, work: Path, names: list[str], samples: int, sizes: list[float]) -> dict[str, Any]:
    """Every copy beside its expected outputs; what was changed in each, by name."""
    copies = work / "copies"
    copies.mkdir()
    command = [python, __file__, "--stage", "--work", str(work), "--samples", str(samples), "--only", ",".join(names)]
    command += ["--sizes", ",".join(map(str, sizes))]
    subprocess.run(command, check=True, env=gating.environment(), stderr=subprocess.DEVNULL)
    manifest: dict[str, Any] = json.loads((work / "live.json").read_text())
    known = known_activations(python)
    for name in names:
        if models.RECIPES[name].format != "h5":
            continue
        original = models.path_of(work / "originals", name, "h5")
        for index, change in enumerate(changes_of(name, read_h5(original), samples, sizes), 1):
            if change.kind == "activation" and change.where.split(" -> ")[1] not in known:
                continue
            path, told = write(copies, name, index, change, ".h5")
            edit_h5(original, path, change)
            manifest[path.name] = told
    for copy, told in manifest.items():
        original = models.path_of(work / "originals", told["model"], models.RECIPES[told["model"]].format)
        os.link(f"{original}{SUFFIX}", copies / (copy + SUFFIX))
    return manifest


def known_activations(python: str) -> set[str]:
    """The names of activations that the Keras at hand knows."""
    wanted = sorted({name for names in mutations._ACTIVATIONS.values() for name in names})
    code = (
        "import json, sys, tensorflow as tf\nfound = []\n"
        "for name in json.loads(sys.argv[1]):\n"
        "    try:\n        tf.keras.layers.Dense(1, activation=name)\n        found.append(name)\n"
        "    except Exception:\n        pass\n"
        "print(json.dumps(found))"
    )
    done = subprocess.run(
        [python, "-c", code, json.dumps(wanted)], env=gating.environment(), capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


# ---- what came of it


def usual_sizes(originals: Path) -> dict[str, float]:
    """The largest of the outputs' root mean squares, by model."""
    found: dict[str, float] = {}
    for path in originals.glob(f"*{SUFFIX}"):
        with np.load(path) as stored:
            outputs = [stored[name].astype(float) for name in stored.files if name.startswith("outputs/")]
        name = path.name.removesuffix(SUFFIX).split(".")[0]
        found[name] = max(float(np.sqrt((output**2).mean())) for output in outputs)
    return found


def judge(manifest: dict[str, Any], report: gating.Report, sizes: dict[str, float]) -> list[dict[str, Any]]:
    """One row a copy: what was changed, whether it was caught, and how far the outputs moved."""
    rows = []
    for name, _, check in gating.predictions(report):
        told = manifest[name]
        error = (check.get("measured") or {}).get("max_abs_error")
        rows.append(
            {
                **told,
                "copy": name,
                "caught": check["outcome"] == "failed",
                "outcome": check["outcome"],
                "causes": gating.failing(check),
                "said": gating.said(check),
                "max_abs_error": error,
                "share_of_usual": None if error is None else error / (sizes[told["model"]] or 1.0),
                "seconds": check.get("seconds"),
            }
        )
    return rows


def table(rows: list[dict[str, Any]]) -> None:
    """Print the shares that were caught: in all, and by what the outputs show."""
    groups: dict[tuple[bool, str, float], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        groups[row["harmless"], row["kind"], -(row["size"] or 0)].append(row)
    print(f"{'kind of change':<30}{'size':>8}{'copies':>8}{'caught':>8}{'share':>8}{'by outputs':>12}{'same bits':>11}")
    for (harmless, kind, size), group in sorted(groups.items(), key=lambda item: item[0]):
        caught = sum(row["caught"] for row in group)
        shown = sum(by_outputs(row) for row in group)
        same = sum(row["max_abs_error"] == 0 for row in group)
        words = (
            f"{kind:<30}{'' if not size else f'{-size:.0e}':>8}{len(group):>8}{caught:>8}{caught / len(group):>8.0%}"
        )
        print(words + f"{shown / len(group):>12.0%}{same:>11}" + ("   (must be 0)" if harmless else ""))
    real = [row for row in rows if not row["harmless"]]
    caught, shown = sum(row["caught"] for row in real), sum(by_outputs(row) for row in real)
    alarms = [row for row in rows if row["harmless"] and row["outcome"] != "passed"]
    odd = [row for row in rows if not row["harmless"] and row["outcome"] not in ("passed", "failed")]
    print(f"\n{caught} of {len(real)} changes caught, {shown} by outputs; ", end="")
    print(f"{len(alarms)} alarms for {len(rows) - len(real)} harmless copies")
    for row in (*alarms, *odd):
        print(f"  {row['outcome']}: {row['copy']}: {row['causes']} {row['said']}")


def by_outputs(row: dict[str, Any]) -> bool:
    """Whether the outputs show a change that was caught; else the fingerprints of the weights do."""
    return bool(row["caught"]) and set(row["causes"]) != {"expected-weights-differ"}


def missed(rows: list[dict[str, Any]], limit: int) -> None:
    """Print what was not caught, the largest effect first."""
    found = [row for row in rows if not row["harmless"] and row["outcome"] == "passed"]
    found.sort(key=lambda row: (row["size"] or 1.0, row["share_of_usual"] or 0.0), reverse=True)
    print(f"\nmissed: {len(found)}" + (f", of which {limit} are" if len(found) > limit else ""))
    for row in found[:limit]:
        moved = (
            "nothing measured" if row["share_of_usual"] is None else f"moved {row['share_of_usual']:.1e} of the usual"
        )
        print(f"  {row['model']:<22}{row['kind']:<26}{row['size'] or '':<8}{row['where'][:50]:<52}{moved}")


def main() -> None:
    """Make, record, change, gate, print."""
    own, more = sys.argv[1:], []
    if "--" in own:
        own, more = own[: own.index("--")], own[own.index("--") + 1 :]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, help="folder to work in (default: a temporary one, removed at the end)")
    parser.add_argument("--only", default="", help="names of models, with commas between them")
    parser.add_argument("--samples", type=int, default=3, help="copies of a kind, a size and a model (default: 3)")
    parser.add_argument("--sizes", default=",".join(map(str, mutations.SIZES)))
    parser.add_argument("--quick", action="store_true", help="a dozen models, one sample, two sizes")
    parser.add_argument("--json", type=Path, help="write one record a copy here")
    parser.add_argument("--missed", type=int, default=60, help="how many of the missed to print")
    parser.add_argument("--stage", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args(own)
    names = given.only.split(",") if given.only else list(QUICK if given.quick else models.RECIPES)
    sizes = [1e-1, 1e-3] if given.quick else [float(size) for size in given.sizes.split(",")]
    samples = 1 if given.quick else given.samples
    if given.stage:
        stage_live(given.work, names, samples, sizes)
        return
    work = (given.work or Path(tempfile.mkdtemp(prefix="kerasload-sensitivity-"))).absolute()
    for folder in ("originals", "copies"):
        shutil.rmtree(work / folder, ignore_errors=True)
    work.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    command = [sys.executable, models.__file__, "--out", str(work / "originals"), "--only", ",".join(names)]
    subprocess.run(command, env=gating.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    recorded = gating.run(sys.executable, work / "originals", ["--keras-record", *more], work / "recorded.json")
    for name, _, check in gating.predictions(recorded):
        if gating.failing(check) or check["outcome"] == "error":
            print(f"not recorded: {name}: {gating.said(check)}")
            names = [one for one in names if one != name.split(".")[0]]
    print(f"{len(names)} models made and recorded, {time.monotonic() - began:.0f} s", flush=True)
    manifest = make_copies(sys.executable, work, names, samples, sizes)
    print(f"{len(manifest)} copies made, {time.monotonic() - began:.0f} s", flush=True)
    report = gating.run(sys.executable, work / "copies", more, work / "report.json")
    print(f"gated, {time.monotonic() - began:.0f} s (the gate: {report['seconds']:.0f} s)\n")
    rows = judge(manifest, report, usual_sizes(work / "originals"))
    table(rows)
    missed(rows, given.missed)
    if given.json:
        given.json.write_text(json.dumps(rows, indent=1))
    if given.work is None:
        shutil.rmtree(work)


if __name__ == "__main__":
    main()
