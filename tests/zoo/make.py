"""Save small models of about 100 kinds in every format that this TensorFlow can write, with the live model's outputs.

    python make.py OUTDIR [--only KIND ...]

Writes ``OUTDIR/<kind>.h5``, ``.keras``, ``.weights.h5`` and the directories ``<kind>_sm`` (Keras SavedModel) and
``<kind>_export`` (``model.export`` or ``tf.saved_model.save``), ``<artifact>.expected.npz`` beside each, and
``OUTDIR/made.json``: kind, format, path or the reason why there is none, seconds. Runs on Python 3.7 to 3.13 with
TensorFlow 1.15 to 2.21; a kind that takes the interpreter down costs only itself.
"""

import argparse
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
LIMIT = 180


def parent(outdir, only):
    """Run the kinds in a child; when one of them kills or hangs it, note that and go on with the next."""
    log = os.path.join(outdir, "made.jsonl")
    if os.path.exists(log):
        os.remove(log)
    skip = []
    while True:
        command = [sys.executable, os.path.abspath(__file__), outdir, "--child"]
        command += ["--only", *only] if only else []
        command += ["--skip", *skip] if skip else []
        child = subprocess.Popen(command)
        started, seen = time.time(), -1
        while child.poll() is None:
            size = os.path.getsize(log) if os.path.exists(log) else 0
            if size != seen:
                started, seen = time.time(), size
            if time.time() - started > LIMIT:
                child.kill()
            time.sleep(0.2)
        entries = read(log)
        open_kinds = [e["begun"] for e in entries if "begun" in e]
        if child.returncode == 0 or not open_kinds:
            break
        skip = open_kinds
        with open(log, "a") as stream:
            ended = {"kind": open_kinds[-1], "format": None, "path": None, "seconds": None}
            stream.write(json.dumps(dict(ended, reason=f"the interpreter ended with {child.returncode}")) + "\n")
    made = [e for e in read(log) if "begun" not in e]
    if only and os.path.exists(os.path.join(outdir, "made.json")):
        with open(os.path.join(outdir, "made.json")) as stream:
            made = [e for e in json.load(stream)["made"] if e["kind"] not in only] + made
    with open(os.path.join(outdir, "made.json"), "w") as stream:
        json.dump({"releases": releases_of(outdir), "made": made}, stream, indent=1, sort_keys=True)
    for name in ("made.jsonl", "releases.json"):
        if os.path.exists(os.path.join(outdir, name)):
            os.remove(os.path.join(outdir, name))
    failed = [e for e in made if e["path"] is None]
    print(f"{outdir}: {len(made) - len(failed)} artifacts, {len(failed)} not made")


def read(log):
    if not os.path.exists(log):
        return []
    with open(log) as stream:
        return [json.loads(line) for line in stream if line.endswith("\n")]


def releases_of(outdir):
    path = os.path.join(outdir, "releases.json")
    if not os.path.exists(path):
        return None
    with open(path) as stream:
        return json.load(stream)


def child(outdir, only, skip):
    """Make the kinds, one line of the log each."""
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.path.insert(0, HERE)
    sys.dont_write_bytecode = True
    import numpy as np
    import tensorflow as tf

    tf.get_logger().setLevel("ERROR")
    import kinds

    maker = Maker(tf, np, kinds)
    with open(os.path.join(outdir, "releases.json"), "w") as stream:
        json.dump(maker.releases, stream)
    with open(os.path.join(outdir, "made.jsonl"), "a") as log:

        def say(entry):
            log.write(json.dumps(entry) + "\n")
            log.flush()

        for name, (function, formats) in kinds.KINDS.items():
            if (only and name not in only) or name in skip:
                continue
            say({"begun": name})
            for entry in maker.make(name, function, formats, outdir):
                say(entry)


def told(error):
    """An exception as one line."""
    lines = [line for line in str(error).strip().splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0] if lines else ''}"[:300]


class Maker:
    """Builds, saves and asks models of one release."""

    def __init__(self, tf, np, kinds):
        self.tf, self.np, self.kinds, self.keras = tf, np, kinds, tf.keras
        self.eager = tf.executing_eagerly()
        self.releases = {"tensorflow": tf.__version__, "keras": kinds.RELEASE,
                         "numpy": np.__version__, "python": platform.python_version(), "machine": platform.machine(),
                         "legacy": os.environ.get("TF_USE_LEGACY_KERAS") == "1"}

    def make(self, name, function, formats, outdir):
        """Yield one entry a format."""
        started = time.time()
        self.keras.backend.clear_session()
        self.np.random.seed(11)
        (self.tf.random.set_seed if self.kinds.TF >= (2, 0) else self.tf.compat.v1.set_random_seed)(11)
        try:
            built = function()
            if not isinstance(built, self.kinds.Built):
                built = self.kinds.Built(built)
            live = None
            if built.save is None and built.random:
                self.randomise(built.model)
            if built.save is None and built.answers:
                live = self.ask(built)
                self.forget(built.model)
        except Exception as error:  # whatever this release says is what is recorded
            yield {"kind": name, "format": None, "path": None, "reason": "build: " + told(error),
                   "seconds": round(time.time() - started, 2)}
            return
        for form in formats:
            started = time.time()
            entry = {"kind": name, "format": form, "path": None, "reason": None}
            path = None
            try:
                path = self.path(outdir, name, form)
                remove(path)
                expected = self.save(built, path, form, live)
                if expected is not None:
                    self.write(path, *expected)
                entry["path"] = os.path.basename(path)
            except Exception as error:
                entry["reason"] = told(error)
                if path is not None:
                    remove(path)
            entry["seconds"] = round(time.time() - started, 2)
            yield entry

    def path(self, outdir, name, form):
        suffix = {"h5": ".h5", "keras": ".keras", "sm": "_sm", "export": "_export", "weights": ".weights.h5",
                  "legacy_weights": "_weights.h5"}[form]
        keras = self.kinds.KERAS
        if form == "sm" and self.kinds.KERAS3:
            raise ValueError("Keras 3 writes no Keras SavedModel")
        if form == "keras" and keras < (2, 12) and name not in ("seq_dense", "trained_adam"):
            raise ValueError("before Keras 2.12 a .keras file is HDF5; made of two kinds only")
        if form == "legacy_weights" and self.kinds.KERAS3:
            raise ValueError("Keras 3 writes weights only as .weights.h5")
        return os.path.join(outdir, name + suffix)

    def randomise(self, model):
        """Give every weight a value that no initializer would: a lost weight has to be seen in the outputs."""
        rng = self.np.random.RandomState(42)
        for weight in model.weights:
            if not hasattr(weight, "shape") or not hasattr(weight, "name"):
                continue  # the words of a lookup layer
            name = weight.name.split(":")[0].split("/")[-1]
            shape = tuple(int(d) for d in weight.shape)
            dtype = self.tf.as_dtype(weight.dtype)
            if name in ("mean", "variance", "count") or not (dtype.is_floating or "bfloat16" in dtype.name):
                continue
            positive = name == "moving_variance"
            value = rng.uniform(0.5, 1.5, size=shape) if positive else rng.normal(0.0, 0.5, size=shape)
            value = value.astype("float32" if dtype.name == "bfloat16" else dtype.as_numpy_dtype)
            if self.eager:
                weight.assign(value)
            else:
                self.keras.backend.set_value(weight, value)

    # The live model's answers.

    def inputs(self, built):
        """Arrays by name, in the order of the model's inputs."""
        model, np = built.model, self.np
        if set(built.values) and (set(built.values) != {"0"}):
            return list(built.values.items())
        tensors = getattr(model, "inputs", None)
        if not tensors:
            return list(built.values.items())
        rng, out = np.random.RandomState(1), []
        tensors = self.tf.nest.flatten(tensors)
        for tensor, name in zip(tensors, self.names(model, "input", tensors)):
            if "0" in built.values:
                out.append((name, built.values["0"]))
                continue
            shape = [d if d is None or isinstance(d, int) else d.value for d in tensor.shape]
            shape = [shape[0] or self.kinds.ROWS] + [d or built.free for d in shape[1:]]
            dtype = self.tf.as_dtype(tensor.dtype)
            if name in built.bounds or dtype.is_integer:
                value = rng.randint(0, built.bounds.get(name, 2), size=shape)
            else:
                value = rng.normal(size=shape)
            numpy_type = "float32" if dtype.name == "bfloat16" else dtype.as_numpy_dtype  # NumPy has no such type
            out.append((name, value.astype(numpy_type)))
        return out

    def names(self, model, which, tensors):
        names = getattr(model, which + "_names", None)
        if names and len(names) == len(tensors):
            return list(names)
        return [tensor._keras_history.operation.name for tensor in tensors]

    def ask(self, built):
        """(inputs by name, outputs by name) of the live model."""
        named = self.inputs(built)
        model = built.model
        if not self.eager:
            values = [value for _, value in named]
            got = model.predict(values if len(values) > 1 else values[0], batch_size=len(values[0]))
        else:
            tensors = [(name, self.tf.constant(value)) for name, value in named]
            structures = [getattr(model, name, None) for name in ("_nested_inputs", "_inputs_struct")]
            whole = any(isinstance(structure, dict) for structure in structures)
            if whole or (not getattr(model, "inputs", None) and len(tensors) > 1):
                got = model(dict(tensors), training=False)
            else:
                got = model([t for _, t in tensors] if len(tensors) > 1 else tensors[0][1], training=False)
        if isinstance(got, dict):
            got = sorted(got.items())
        else:
            got = list(got) if isinstance(got, (list, tuple)) else [got]
            try:
                names = self.names(model, "output", self.tf.nest.flatten(model.outputs))
            except Exception:  # a subclassed model has none
                names = []
            if len(names) != len(got):
                names = [str(i) for i in range(len(got))]
            got = list(zip(names, got))
        return dict(named), {name: self.array(value) for name, value in got}

    def forget(self, model):
        """Set stateful layers back: a SavedModel keeps their states, and the question asked has changed them."""
        for layer in model.layers:
            if getattr(layer, "stateful", False) and hasattr(layer, "reset_states"):
                layer.reset_states()
            elif getattr(layer, "stateful", False) and hasattr(layer, "reset_state"):
                layer.reset_state()

    def array(self, value):
        value = value.numpy() if hasattr(value, "numpy") else self.np.asarray(value)
        if value.dtype.name == "bfloat16":
            value = value.astype("float32")
        return value.astype("S") if value.dtype == object else value

    # Saving.

    def save(self, built, path, form, live):
        """Save, and return what the artifact is to answer: (inputs, outputs), or None."""
        if built.save is not None:
            return built.save(path)
        model, keras = built.model, self.kinds.KERAS
        if form == "h5":
            model.save(path, **({} if self.kinds.KERAS3 else {"save_format": "h5"}))
        elif form == "keras":
            model.save(path, **({"save_format": "keras"} if (2, 12) <= keras < (2, 13) else {}))
        elif form == "sm":
            model.save(path, save_format="tf")
        elif form in ("weights", "legacy_weights"):
            model.save_weights(path)
            return None
        elif self.kinds.KERAS3 or keras >= (2, 13):
            model.export(path)
        else:
            self.tf.saved_model.save(model, path)
        if live is None:
            return None
        return self.signature(path, *live) if form == "export" else live

    def signature(self, path, inputs, outputs):
        """The same values under the names of the export's default signature, which are its own."""
        if self.eager:
            signature = self.tf.saved_model.load(path).signatures["serving_default"]
            specs, targets = signature.structured_input_signature[1], signature.structured_outputs
        else:
            with self.tf.Graph().as_default(), self.tf.compat.v1.Session() as session:
                loaded = self.tf.compat.v1.saved_model.load(session, ["serve"], path)
                signature = loaded.signature_def["serving_default"]
                specs, targets = dict(signature.inputs), dict(signature.outputs)
        if set(specs) != set(inputs):
            order = sorted(specs) if len(specs) > 1 else list(specs)
            inputs = dict(zip(order, inputs.values()))
        if set(targets) != set(outputs):
            outputs = dict(zip(sorted(targets), outputs.values()))
        return inputs, outputs

    def write(self, path, inputs, outputs):
        """Write ``<artifact>.expected.npz``."""
        sha256 = None
        if os.path.isfile(path):
            with open(path, "rb") as stream:
                sha256 = hashlib.sha256(stream.read()).hexdigest()
        provenance = {"format": 1, "sha256": sha256, "recorded_from": "live model", "noise": None}
        provenance.update({k: v for k, v in self.releases.items() if k != "legacy"})
        arrays = {"inputs/" + name: value for name, value in inputs.items()}
        arrays.update({"outputs/" + name: value for name, value in outputs.items()})
        with open(path + ".expected.npz", "wb") as stream:
            self.np.savez_compressed(stream, provenance=self.np.array(json.dumps(provenance, sort_keys=True)), **arrays)


def remove(path):
    for item in (path, path + ".expected.npz"):
        if os.path.isdir(item):
            shutil.rmtree(item)
        elif os.path.exists(item):
            os.remove(item)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("outdir")
    parser.add_argument("--only", nargs="+", default=[])
    parser.add_argument("--skip", nargs="+", default=[])
    parser.add_argument("--child", action="store_true")
    options = parser.parse_args()
    outdir = os.path.abspath(options.outdir)
    if not os.path.isdir(outdir):
        os.makedirs(outdir)
    if options.child:
        child(outdir, options.only, options.skip)
    else:
        parent(outdir, options.only)


if __name__ == "__main__":
    main()
