"""What the artifacts of a folder answer to their stored inputs, in the TensorFlow at hand; plain load and call.

``python obtained.py FOLDER FILE.npz [ARTIFACT...]`` writes arrays named ``<artifact>|<output>``, and the texts of what
did not work under ``errors``; artifacts named behind are left out. It prints each name before it loads it: the last
one is what the process crashed on, if it did. It runs in any environment with TensorFlow 2.8 or later and needs nothing
of the plugin.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

SUFFIX = ".expected.npz"


def named(names: list[str], given: dict[str, Any]) -> list[Any]:
    """The arrays in the order of the names; by position where the names are others."""
    if set(names) <= set(given):
        return [given[name] for name in names]
    if len(names) > 1 and len(set(names) & set(given)) > 0:
        raise KeyError(f"stored {sorted(given)}, wanted {names}")
    return list(given.values())


def keras_outputs(tf: Any, model: Any, given: dict[str, Any]) -> dict[str, Any]:
    """Outputs by name, of a Keras model."""
    names = list(getattr(model, "input_names", None) or [t.name.split(":")[0] for t in model.inputs])
    arrays = named(names, given)
    tensors = [a.astype(str(getattr(t.dtype, "name", t.dtype))) for a, t in zip(arrays, model.inputs)]  # noqa: B905
    packed = tensors[0] if len(tensors) == 1 else tensors
    if os.environ.get("BENCHMARK_CALL") == "compiled":
        found = tf.function(lambda x: model(x, training=False), jit_compile=True)(packed)
    else:
        found = model(packed, training=False)
    if isinstance(found, dict):
        return {str(name): np.asarray(value) for name, value in found.items()}
    flat = list(found) if isinstance(found, (list, tuple)) else [found]
    names = list(getattr(model, "output_names", None) or map(str, range(len(flat))))  # Keras 3's Sequential has none
    return {str(name): np.asarray(value) for name, value in zip(names, flat)}  # noqa: B905


def export_outputs(tf: Any, path: Path, given: dict[str, Any]) -> dict[str, Any]:
    """Outputs by name, of an export, by its default signature."""
    loaded = tf.saved_model.load(str(path))
    signature = loaded.signatures["serving_default"]
    specs = signature.structured_input_signature[1]
    plain = {name: value for name, value in given.items() if "/" not in name}
    arrays = named(list(specs), plain)
    tensors = {n: tf.constant(a, dtype=s.dtype) for (n, s), a in zip(specs.items(), arrays)}  # noqa: B905
    return {name: value.numpy() for name, value in signature(**tensors).items()}


def main() -> None:
    """Load each artifact that has expected outputs, and store what it answers."""
    import tensorflow as tf

    folder, out = Path(sys.argv[1]), Path(sys.argv[2])
    arrays: dict[str, Any] = {}
    errors: dict[str, str] = {}
    for stored in sorted(folder.glob("*" + SUFFIX)):
        path = folder / stored.name[: -len(SUFFIX)]
        if path.name in sys.argv[3:]:
            errors[path.name] = "the process crashed"
            continue
        print(path.name, flush=True)
        try:
            with np.load(stored, allow_pickle=False) as file:
                given = {name[len("inputs/") :]: file[name] for name in file.files if name.startswith("inputs/")}
            tf.keras.backend.clear_session()
            if path.is_dir() and not (path / "keras_metadata.pb").exists():
                found = export_outputs(tf, path, given)
            else:
                found = keras_outputs(tf, tf.keras.models.load_model(str(path), compile=False), given)
        except Exception as error:
            errors[path.name] = f"{type(error).__name__}: {error}"[:500]
            continue
        for name, value in found.items():
            arrays[f"{path.name}|{name}"] = value.astype("float32") if value.dtype.kind == "V" else value
    np.savez(out, errors=np.array(json.dumps(errors)), **arrays)


if __name__ == "__main__":
    main()
