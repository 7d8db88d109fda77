"""Mutation guided by coverage: ``python -m fuzzing.guided KIND CORPUS -runs=10000``.

KIND is one of config, h5, keras, pb, metadata, index, npz and toml; CORPUS a directory to keep inputs in.
atheris (libFuzzer) keeps what reaches new lines of the static readers and goes on from there. It changes the bytes of
one file; half of the changes are the structured ones of this package. Not with the tests' dependencies: ``pip install
atheris``. What HDF5 does to bytes is found in the process that reads it, of which atheris sees no coverage.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import warnings
import zipfile
from pathlib import Path
from random import Random

import atheris

with atheris.instrument_imports(include=["pytest_kerasload"], enable_loader_override=False):
    from fuzzing import archives, arrays, asking, checkpoints, documents, hdf5_files, messages, mutations

_SMALL = 60_000


def _members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _seed_files(kind: str) -> list[Path]:
    if kind == "h5":
        return [seed.path for seed in mutations.seeds("h5")]
    if kind in ("keras", "config"):
        return [seed.path for seed in mutations.seeds("keras")]
    if kind == "npz":
        return sorted(mutations.ZOO.glob("*/*.expected.npz"))
    names = {"pb": "saved_model.pb", "metadata": "keras_metadata.pb", "index": "variables/variables.index"}
    return sorted(mutations.ZOO.glob(f"*/*/{names[kind]}")) if kind in names else []


class Target:
    """One kind of file, put where the reader of an artifact looks for it."""

    def __init__(self, kind: str, directory: Path) -> None:
        self._kind = kind
        self._path = directory / ("m.keras" if kind in ("keras", "config") else "m.h5")
        self._written = self._path
        if kind in ("pb", "metadata", "index"):
            good = mutations.ZOO / "tf215" / "custom_metric_sm"
            self._path = directory / "sm"
            shutil.copytree(good, self._path)
            names = {"pb": "saved_model.pb", "metadata": "keras_metadata.pb", "index": "variables/variables.index"}
            self._written = self._path / names[kind]
        elif kind == "config":
            self._members = _members(mutations.ZOO / "tf215" / "seq_dense.keras")
        elif kind in ("npz", "toml"):
            shutil.copyfile(mutations.ZOO / "tf215" / "seq_dense.h5", self._path)
            self._written = directory / {"npz": "m.h5.expected.npz", "toml": "kerasload.toml"}.get(kind, "m.h5")

    def one(self, content: bytes) -> None:
        """Asks about one content of the file; a trouble is raised, for atheris to keep the content."""
        if self._kind == "config":
            with zipfile.ZipFile(self._written, "w") as archive:
                for name, kept in self._members.items():
                    archive.writestr(name, content if name == "config.json" else kept)
        else:
            self._written.write_bytes(content)
        answer = asking.ask(self._path, forecast=False)
        if answer.troubles:
            raise AssertionError("\n".join(f"{one.signature}\n{one.detail}" for one in answer.troubles))

    def changed(self, content: bytes, most: int, seed: int) -> bytes:
        """A custom mutator of atheris: structured in half of the calls, libFuzzer's own in the others."""
        rng = Random(seed)
        if rng.random() < 0.5:
            return bytes(atheris.Mutate(content, most))
        try:
            return self._structured(content, rng)[:most]
        except Exception:  # an earlier change left nothing to be opened as what it was
            return messages.flipped(content, rng)[:most]

    def _structured(self, content: bytes, rng: Random) -> bytes:
        with tempfile.TemporaryDirectory() as directory:
            if self._kind == "h5":
                path = Path(directory) / "m.h5"
                path.write_bytes(content)
                hdf5_files.mutated(path, rng, 20)
                return path.read_bytes()
            if self._kind == "keras":
                return archives.mutated(content, Path(directory), rng, 20)
        if self._kind == "config":
            return documents.mutated(content, rng, 20).encode("utf-8", "surrogatepass")
        if self._kind == "pb":
            choice = rng.random() < 0.5
            return messages.saved_model(content, rng, 20) if choice else messages.on_the_wire(content, rng)
        if self._kind == "metadata":
            return messages.keras_metadata(content, rng, 20)
        if self._kind == "index":
            return checkpoints.mutated(content, rng, 20)
        return arrays.expected(content, rng, 20) if self._kind == "npz" else arrays.settings(rng)


def _corpus(kind: str, directory: Path) -> None:
    """Writes the zoo's files of that kind as the corpus to begin with."""
    directory.mkdir(parents=True, exist_ok=True)
    if any(directory.iterdir()):
        return
    for number, path in enumerate(_seed_files(kind)):
        content = path.read_bytes()
        if kind == "config":
            content = _members(path)["config.json"]
        if len(content) < _SMALL:
            (directory / f"seed{number:03}").write_bytes(content)


def main() -> None:
    kind, corpus, *options = sys.argv[1:]
    warnings.simplefilter("ignore")
    asking.hurry()
    own = tempfile.mkdtemp()
    tempfile.tempdir = own
    target = Target(kind, Path(tempfile.mkdtemp()))
    _corpus(kind, Path(corpus))
    atheris.Setup(
        [sys.argv[0], corpus, f"-max_len={2 * _SMALL}", "-len_control=0", *options],
        target.one,
        custom_mutator=target.changed,
    )
    atheris.Fuzz()


if __name__ == "__main__":
    main()
