"""Arrays in ``.npy`` and ``.npz`` form that are not what they say: expected outputs, weights of an archive."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from random import Random

import numpy as np

from fuzzing import documents, messages

_SHAPES = ("()", "(3,)", "(-1,)", "(1000000000000, 1000000000000)", "(3,", "3", "(True, 2)", f"({'9' * 30},)", "(0,)")
_DTYPES = (
    *("'<f4'", "'|O'", "'|V2'", "'<U999999999'", "[('a', '<f4')]", "'<M8[ns]'", "'x'", "None", "'|S3'", "'<f2'", "'?'"),
    *("'<c16'", "'<m8'", "{'names': ['a'], 'formats': ['<f4'], 'offsets': [9]}", "'|V2000000000'"),
)


def array(rng: Random) -> bytes:
    """One ``.npy`` file."""
    shape, dtype = rng.choice(_SHAPES), rng.choice(_DTYPES)
    header = f"{{'descr': {dtype}, 'fortran_order': {rng.choice(('False', 'True', '0'))}, 'shape': {shape}, }}"
    if rng.random() < 0.2:
        header = rng.choice(("(" * 5000, "-" * 90000, "", "{}", "[]", "{'descr': 1}", "\xff", "9" * 90000, "{" * 300))
    version = rng.choice(((1, 0), (1, 0), (2, 0), (3, 0), (9, 9)))
    text = header.encode("latin-1") + b"\n"
    length = struct.pack("<H", min(len(text), 65535)) if version == (1, 0) else struct.pack("<I", len(text))
    if rng.random() < 0.1:
        length = b"\xff" * len(length)
    return b"\x93NUMPY" + bytes(version) + length + text + b"\0" * rng.choice((0, 12, 4000))


def archive(rng: Random) -> bytes:
    """A ``.npz`` file with such arrays."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as made:
        for name in range(rng.choice((0, 1, 3))):
            content = (
                array(rng) if rng.random() < 0.9 else rng.choice((b"", b"\x80\x04N.", b"\x93NUMPY", b"PK\x03\x04"))
            )
            made.writestr(rng.choice((f"arr_{name}.npy", f"outputs/{name}.npy", f"inputs/{name}", "x")), content)
    return stream.getvalue()


def expected(content: bytes, rng: Random, scale: int = 100) -> bytes:
    """Expected outputs with arrays changed, exchanged, renamed, or another provenance."""
    choice = rng.random()
    if choice < 0.2:
        return messages.flipped(content, rng)
    if choice < 0.3:
        return rng.choice(
            (b"", array(rng), archive(rng), b"\x80\x04N.", b"version https://git-lfs.github.com/spec/v1\n")
        )
    with np.load(io.BytesIO(content)) as found:
        members = {name: _npy(found[name]) for name in found.files}
        text = str(found["provenance"].item()) if "provenance" in found.files else "{}"
    for _ in range(rng.choice((1, 1, 2))):
        name = rng.choice(list(members))
        kind = rng.randrange(6)
        if kind == 0:
            members[name] = array(rng)
        elif kind == 1:
            members[rng.choice(("inputs/", "outputs/", "outputs/a\0b", "provenance", "x", "\ud7ff", ""))] = members[
                name
            ]
        elif kind == 2:
            members[name] = messages.flipped(members[name], rng)
        elif kind == 3:
            members[f"inputs/r/{rng.choice(('values', 'row_lengths'))}"] = _npy(
                np.array(rng.choice(([1, 2, -5], [1 << 40], [], [[1]], [1.5, float("nan")], [b"x"], 3)))
            )
        else:
            changed = documents.mutated(text, rng, scale) if rng.random() < 0.8 else rng.choice(("", "1", "[]", "{"))
            members["provenance"] = _npy(np.array(changed.encode("utf-8", "surrogatepass")))
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as made:
        for name, inner in members.items():
            made.writestr(f"{name}.npy", inner)
    return stream.getvalue()


def _npy(value: object) -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.asarray(value), allow_pickle=False)
    return stream.getvalue()


_SETTINGS = ("skip", "xfail", "reason", "rtol", "atol", "outputs", "max_mismatch", "inputs", "custom_objects", "trust")
_WORDS = (
    *(
        "true",
        "1",
        "-1.5",
        "nan",
        "inf",
        "1e999",
        '"x"',
        '""',
        "[]",
        '["same"]',
        "{}",
        "{a = 1}",
        "1979-05-27",
        "'''x'''",
    ),
    *('{a = {shape = ["a"], dtype = "float32"}}', "{a = {min = nan}}", "{a = {shape = [-5, 99999999999999999999]}}"),
    *("{a = {values = [1, 'x']}}", "[" * 2000 + "]" * 2000, '"\\ud800"', "0x" + "f" * 5000, "9" * 5000),
    *("{a = {rtol = inf}}", '{"" = {}}', "{a = {values = []}}", "{a = {min = 3, max = 1}}", '["tf99=="]'),
)


def settings(rng: Random) -> bytes:
    """A ``kerasload.toml``."""
    lines = []
    for _ in range(rng.choice((1, 2))):
        lines.append(rng.choice(('["*.h5"]', '["**/["]', '["\\u0000"]', '[""]', "[[a]]", '["*"]', "", "[a.b]")))
        for _ in range(rng.randrange(4)):
            key = rng.choice((*_SETTINGS, "roundtrip", "environments", "x", '""', "skip.x"))
            lines.append(f"{key} = {rng.choice(_WORDS)}")
    content = "\n".join(lines).encode("utf-8", "surrogatepass")
    if rng.random() < 0.2:
        content = messages.flipped(content, rng)
    return json.dumps({}).encode() if rng.random() < 0.01 else content
