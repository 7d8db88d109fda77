"""Arrays as bytes, and tensors as arrays: what crosses the channel is ``.npy`` bytes, never a pickle."""

from __future__ import annotations

import io
from typing import Any, List, Tuple

import numpy as np


def as_array(value: Any) -> np.ndarray:
    """A NumPy array of a dense tensor (or of anything array-like).

    Strings become fixed-width bytes (UTF-8); types that NumPy's format does not know (bfloat16, float8) become
    float32, which holds all their values.
    """
    if hasattr(value, "numpy"):
        value = value.numpy()
    array = np.asarray(value)
    if array.dtype.kind == "O":
        items = [item.encode("utf-8") if isinstance(item, str) else bytes(item) for item in array.ravel()]
        array = np.array(items, dtype="S" if items else "S1").reshape(array.shape)
    elif array.dtype.kind == "U":
        array = np.char.encode(array, "utf-8")
    elif array.dtype.kind == "V" or array.dtype.name in ("bfloat16",) or array.dtype.name.startswith("float8"):
        array = array.astype(np.float32)
    return array


def dump(array: np.ndarray) -> bytes:
    """The array in NumPy's ``.npy`` format."""
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def parse(data: bytes) -> np.ndarray:
    """The array held by ``.npy`` bytes; ValueError when they hold Python objects."""
    array: np.ndarray = np.load(io.BytesIO(data), allow_pickle=False)
    return array


def flatten(tf: Any, name: str, value: Any) -> List[Tuple[str, np.ndarray]]:
    """Named arrays of one output: one for a dense or sparse tensor, values and row lengths for a ragged one."""
    if isinstance(value, tf.RaggedTensor):
        parts = [(name + "/values", as_array(value.flat_values))]
        for depth, lengths in enumerate(value.nested_row_lengths()):
            suffix = "/row_lengths" if depth == 0 else "/row_lengths_%d" % depth
            parts.append((name + suffix, as_array(lengths)))
        return parts
    if isinstance(value, tf.SparseTensor):
        value = tf.sparse.to_dense(value)
    return [(name, as_array(value))]


def lengths(array: np.ndarray) -> np.ndarray:
    """How long each row of a padded batch is: what stands behind it is NaN, the lowest whole number, or no text."""
    if array.dtype.kind in "fc":
        empty = np.isnan(array)
    elif array.dtype.kind in "iu":
        empty = array == (np.iinfo(array.dtype).min if array.dtype.kind == "i" else np.iinfo(array.dtype).max)
    else:
        empty = array == np.zeros((), array.dtype)
    used = ~empty.reshape(array.shape[0], array.shape[1], -1).all(axis=2)
    places = np.arange(1, array.shape[1] + 1, dtype=np.int64)
    found: np.ndarray = (used * places).max(axis=1, initial=0)
    return found


def ragged(tf: Any, dtype: str, array: np.ndarray) -> Any:
    """A padded batch as a tensor whose second dimension is ragged."""
    found = lengths(array)
    used = np.arange(array.shape[1]) < found[:, None]
    return tf.RaggedTensor.from_row_lengths(tensor(tf, dtype, array[used]), found)


def tensor(tf: Any, dtype: str, array: np.ndarray, is_ragged: bool = False, is_sparse: bool = False) -> Any:
    """A tensor of the named dtype; bytes become strings, numbers are cast as the model asks for them."""
    if is_ragged and array.ndim > 1:
        return ragged(tf, dtype, array)
    if is_sparse:
        return tf.sparse.from_dense(tensor(tf, dtype, array))
    if dtype == "string":
        return tf.constant(array.astype(object) if array.dtype.kind in "SU" else array, dtype=tf.string)
    wanted = tf.as_dtype(dtype)
    if wanted == tf.bfloat16:
        return tf.cast(tf.constant(array.astype(np.float32)), wanted)
    return tf.constant(array.astype(wanted.as_numpy_dtype))


def named(variables: Any) -> List[Tuple[str, np.ndarray]]:
    """Name and value of every variable that holds an array; lookup tables and their like are not weights."""
    found = []
    for variable in variables:
        if variable is None or not (hasattr(variable, "numpy") or hasattr(variable, "read_value")):
            continue
        name = getattr(variable, "path", None) or getattr(variable, "name", None) or ""
        found.append((str(name), as_array(variable)))
    return found
