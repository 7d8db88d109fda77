"""What really happens when one release loads the artifacts of the zoo: the truth that the plugin is tested against.

    python truth.py RESULT.json DIR ... [--root DIR] [--limit SECONDS]

Shares no code with the plugin. For every artifact under the directories, each tried in a worker that is replaced when
it hangs or dies, RESULT.json holds, under the artifact's path relative to ``--root``:

``ways``: by way of loading (``plain``, ``compile=False``, ``safe_mode=False``, ``custom`` (objects of acme.py given),
``custom,compile=False``, ``custom,safe_mode=False``, ``custom,compile=False,safe_mode=False``, ``signature`` (through
``tf.saved_model.load``)): ``loads``, ``returns`` (``model`` or the type that came back), else ``error`` (type, first
and last line; ``timeout``; ``crash -11``); where there are expected outputs ``max_abs`` and ``same``, or ``call``, the
complaint of a model that loaded and could not be called. ``compile=False`` and ``safe_mode=False`` are tried where
``plain`` does not load, ``custom`` where it does not load and answer the same, and so on; ``signature`` always.
``best`` names the first way that answers the same (``signature`` last), else the first that loads; ``stable`` says
whether two loads that way have the same weights.
"""

import argparse
import inspect
import json
import os
import queue
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
WAYS = ("plain", "compile=False", "safe_mode=False", "signature", "custom", "custom,compile=False",
        "custom,safe_mode=False", "custom,compile=False,safe_mode=False")
TOLERANCES = (("bfloat16", 3e-2), ("float16", 3e-3))  # by kind, absolute and relative; everything else below
TOLERANCE = 1e-4


def artifacts(folders):
    """Files and SavedModel directories, in order."""
    found = []
    for folder in folders:
        for base, names, files in os.walk(folder):
            names.sort()
            if "saved_model.pb" in files:
                found.append(base)
                del names[:]
                continue
            found += [os.path.join(base, name) for name in files if name.endswith((".h5", ".hdf5", ".keras"))]
    return sorted(found)


# The worker: imports TensorFlow once, answers one request a line.


def worker():
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    answers = os.fdopen(os.dup(1), "w")
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    sys.dont_write_bytecode = True
    sys.path.remove(HERE)  # a .keras file names the module of its classes, and Keras imports it where it can
    import numpy as np
    import tensorflow as tf

    loader = Loader(tf, np)
    answers.write(json.dumps({"ready": loader.releases}) + "\n")
    answers.flush()
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = loader.answer(**request)
        except Exception as error:  # a defect of this harness must not pass for one of the artifact
            answer = {"harness": told(error)}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def told(error):
    lines = [line.strip() for line in str(error).strip().splitlines() if line.strip()] or [""]
    entry = {"type": type(error).__name__, "first": lines[0][:400], "last": lines[-1][:400]}
    inner = str(error).rsplit("Exception encountered:", 1)
    if len(inner) == 2:
        entry["inner"] = inner[1].strip().splitlines()[0][:400]
    return entry


class Loader:
    """Loads artifacts under this release, and compares what they answer."""

    def __init__(self, tf, np):
        self.tf, self.np, self.keras = tf, np, tf.keras
        parameters = inspect.signature(self.keras.models.load_model).parameters
        self.knows_safe_mode = "safe_mode" in parameters or ("kwargs" in parameters and tf.__version__ >= "2.16")
        self.custom = None
        self.asked = 0
        keras = getattr(tf.keras, "__version__", None)
        if keras is None:
            import importlib

            legacy = os.environ.get("TF_USE_LEGACY_KERAS") == "1" and int(tf.__version__.split(".")[1]) >= 16
            keras = importlib.import_module("tf_keras" if legacy else "keras").__version__
        self.releases = {"tensorflow": tf.__version__, "keras": keras, "python": sys.version.split()[0],
                         "numpy": np.__version__, "legacy": os.environ.get("TF_USE_LEGACY_KERAS") == "1"}

    def answer(self, path, way, twice=False):
        self.asked += 1
        if self.asked % 25 == 0:
            self.keras.backend.clear_session()  # under Keras 3 half a second each, for the garbage it collects
        if "safe_mode=False" in way and not self.knows_safe_mode:
            return {"skipped": "no safe_mode"}
        if way == "signature" and not os.path.isdir(path):
            return {"skipped": "a file"}
        inputs, outputs = self.expected(path)
        entry = {"loads": False}
        started = time.time()
        try:
            model = self.load(path, way)
        except BaseException as error:
            entry["error"] = told(error)
            entry["seconds"] = round(time.time() - started, 2)
            return entry
        entry["loads"] = True
        entry["seconds"] = round(time.time() - started, 2)
        entry["returns"] = "model" if isinstance(model, self.keras.Model) else type(model).__name__
        if way == "signature":
            entry["returns"] = sorted(model.signatures)
            if not model.signatures:
                entry["loads"] = False
                entry["error"] = {"type": "none", "first": "it has no signature", "last": ""}
                return entry
        if twice:
            return self.stable(model, self.load(path, way))
        if inputs is not None and (way == "signature" or entry["returns"] == "model"):
            try:
                got = self.call(model, way, inputs, outputs)
            except BaseException as error:
                entry["call"] = told(error)
                return entry
            entry.update(self.compare(got, outputs, tolerance(path)))
        return entry

    def load(self, path, way):
        if way == "signature":
            return self.tf.saved_model.load(path)
        options = {}
        if "compile=False" in way:
            options["compile"] = False
        if "safe_mode=False" in way:
            options["safe_mode"] = False
        if "custom" in way:
            if self.custom is None:
                sys.path.insert(0, HERE)
                import acme

                self.custom = acme.custom_objects()
            options["custom_objects"] = dict(self.custom)
        return self.keras.models.load_model(path, **options)

    def expected(self, path):
        if not os.path.exists(path + ".expected.npz"):
            return None, None
        inputs, outputs = [], []
        with self.np.load(path + ".expected.npz", allow_pickle=False) as stored:
            for key in stored.files:
                if key.startswith("inputs/"):
                    inputs.append((key[7:], stored[key]))
                elif key.startswith("outputs/"):
                    outputs.append((key[8:], stored[key]))
        return inputs, outputs

    def call(self, model, way, inputs, outputs):
        tensors = [(name, self.tf.constant(value)) for name, value in inputs]
        if way == "signature":
            chosen = model.signatures.get("serving_default") or next(iter(model.signatures.values()))
            wanted = sorted(chosen.structured_input_signature[1])
            if set(wanted) != {name for name, _ in tensors}:
                tensors = list(zip(wanted, [tensor for _, tensor in tensors]))
            got = chosen(**dict(tensors))
        else:
            structures = [getattr(model, name, None) for name in ("_nested_inputs", "_inputs_struct")]
            names = [name for name, _ in tensors]
            positions = all(name.isdigit() for name in names)
            functional = any(structure is not None for structure in structures)
            if any(isinstance(s, dict) for s in structures) or (len(names) > 1 and not functional and not positions):
                got = model(dict(tensors), training=False)
            else:
                got = model([t for _, t in tensors] if len(tensors) > 1 else tensors[0][1], training=False)
        if isinstance(got, dict):
            if set(got) == {name for name, _ in outputs}:
                return [self.array(got[name]) for name, _ in outputs]
            return [self.array(got[name]) for name in sorted(got)]
        return [self.array(value) for value in (got if isinstance(got, (list, tuple)) else [got])]

    def array(self, value):
        value = value.numpy() if hasattr(value, "numpy") else self.np.asarray(value)
        if value.dtype.name == "bfloat16":
            value = value.astype("float32")
        return value.astype("S") if value.dtype == object else value

    def compare(self, got, outputs, within):
        np = self.np
        if len(got) != len(outputs) or any(g.shape != e.shape for g, (_, e) in zip(got, outputs)):
            return {"same": False, "shapes": [[list(e.shape) for _, e in outputs], [list(g.shape) for g in got]]}
        same, worst = True, 0.0
        for value, (_, wanted) in zip(got, outputs):
            if wanted.dtype.kind in "SUb":
                same = same and bool(np.array_equal(value, wanted))
                continue
            value, wanted = value.astype("float64"), wanted.astype("float64")
            worst = max(worst, float(np.max(np.abs(value - wanted))) if wanted.size else 0.0)
            same = same and bool(np.allclose(value, wanted, rtol=within, atol=within, equal_nan=True))
        return {"same": same, "max_abs": worst}

    def stable(self, first, second):
        if not hasattr(first, "get_weights"):
            return {"stable": None}
        one, two = first.get_weights(), second.get_weights()
        return {"stable": len(one) == len(two) and all(self.np.array_equal(a, b) for a, b in zip(one, two))}


def tolerance(path):
    for part, value in TOLERANCES:
        if part in os.path.basename(path):
            return value
    return TOLERANCE


# The parent: never imports TensorFlow.


class Worker:
    """One worker process; asking it something that takes it down answers so."""

    def __init__(self, limit):
        self.limit = limit
        self.process = None
        self.releases = None

    def start(self):
        self.process = subprocess.Popen([sys.executable, os.path.abspath(__file__), "--worker"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, universal_newlines=True)
        self.lines = queue.Queue()
        threading.Thread(target=self.read, args=(self.process, self.lines), daemon=True).start()
        self.releases = json.loads(self.lines.get(timeout=180))["ready"]

    @staticmethod
    def read(process, lines):
        for line in process.stdout:
            lines.put(line)
        lines.put("")

    def ask(self, **request):
        if self.process is None:
            self.start()
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
            line = self.lines.get(timeout=self.limit)
        except queue.Empty:
            self.stop()
            return {"loads": False, "error": {"type": "timeout", "first": f"no end within {self.limit} s", "last": ""}}
        except BrokenPipeError:
            line = ""
        if not line:
            code = self.process.wait()
            self.process = None
            return {"loads": False, "error": {"type": f"crash {code}", "first": "the interpreter died", "last": ""}}
        return json.loads(line)

    def stop(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


def fine(entry):
    """It loads as a model or a signature, and answers the same where that could be asked."""
    whole = entry.get("returns") == "model" or isinstance(entry.get("returns"), list)
    return entry.get("loads") and whole and entry.get("same", True) and "call" not in entry


def run(result, folders, root, limit):
    found = artifacts(folders)
    truth, started = {path: {"ways": {}} for path in found}, time.time()
    releases = None
    # The custom objects register themselves when they are imported: what loads without them is asked first.
    for ways in (WAYS[:4], WAYS[4:]):
        asked = Worker(limit)
        for number, path in enumerate(found):
            entries = truth[path]["ways"]
            if ways[0] != "plain" and fine(entries["plain"]):
                continue
            hung = any(e.get("error", {}).get("type") == "timeout" for e in entries.values())
            for way in ways:
                before = [entries[w] for w in ways if w in entries and w != "signature"]
                if way != "signature" and (hung or any(e.get("loads") for e in before)):
                    continue
                entry = asked.ask(path=path, way=way)
                releases = asked.releases or releases
                if "skipped" in entry:
                    continue
                entries[way] = entry
                hung = hung or entry.get("error", {}).get("type") == "timeout"
            if number % 200 == 0:
                print(f"{ways[0]}: {number} of {len(found)}, {time.time() - started:.0f} s", flush=True)
        if ways[0] == "plain":
            asked.stop()
    for path in found:
        entries = truth[path]["ways"]
        loading = [way for way in WAYS if way != "signature" and entries.get(way, {}).get("loads")]
        loading += ["signature"] if entries.get("signature", {}).get("loads") else []
        best = [way for way in loading if fine(entries[way])] or loading
        truth[path]["best"] = best[0] if best else None
        keras = [way for way in best if way != "signature" and entries[way]["returns"] == "model"]
        if keras and (os.path.isfile(path) or "nested" in path or "custom" in path):
            truth[path]["stable"] = asked.ask(path=path, way=keras[0], twice=True).get("stable")
    asked.stop()
    document = {"loader": releases, "limit": limit, "artifacts": {os.path.relpath(p, root): truth[p] for p in found}}
    with open(result, "w") as stream:
        json.dump(document, stream, indent=1, sort_keys=True)
    print(f"{result}: {len(found)} artifacts in {time.time() - started:.0f} s")


def main():
    if sys.argv[1:] == ["--worker"]:
        return worker()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("result")
    parser.add_argument("folders", nargs="+")
    parser.add_argument("--root", default=".")
    parser.add_argument("--limit", type=float, default=60)
    options = parser.parse_args()
    folders = [os.path.abspath(folder) for folder in options.folders]
    return run(options.result, folders, os.path.abspath(options.root), options.limit)


if __name__ == "__main__":
    main()
