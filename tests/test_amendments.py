"""Configurations changed for another Keras release, the copies that hold them, and the command that writes them."""

from __future__ import annotations

import hashlib
import json
import marshal
import zipfile
from base64 import encodebytes
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import pytest

from conftest import ZOO
from pytest_kerasload.__main__ import main
from pytest_kerasload.amendments import NotWritten, amended, write
from pytest_kerasload.artifacts.reading import read
from pytest_kerasload.artifacts.record import Artifact, ConfigObject
from pytest_kerasload.checks import version
from pytest_kerasload.environments.versions import Versions

ARTIFACTS = ZOO / "artifacts"
KERAS_315 = Versions("3.11.7", "2.21.0", "3.15.1", "keras3")
KERAS_33 = Versions("3.11.7", "2.16.2", "3.3.3", "keras3")
KERAS_215 = Versions("3.11.7", "2.15.1", "2.15.0", "keras2")


def told(name: str, versions: Versions) -> str:
    found = amended(read(ARTIFACTS / name), versions)
    return found.told if found is not None else ""


@pytest.mark.parametrize(
    ("name", "versions", "change"),
    [
        ("tf215/lstm.h5", KERAS_315, "drop time_major from the config"),
        ("tf23/nested_seq_twice.h5", KERAS_315, "count the calls of tower from 0"),
        ("tf115/bidirectional.h5", KERAS_315, "name the module of the layer in Bidirectional"),
        ("tf115/hard_sigmoid.h5", KERAS_315, "give the Sequential an InputLayer of shape [None, 4]"),
        ("tf215/lstm.h5", KERAS_215, ""),
        ("tf215/seq_dense.h5", KERAS_315, ""),
    ],
)
def test_what_is_changed(name: str, versions: Versions, change: str) -> None:
    assert change in told(name, versions) if change else told(name, versions) == ""


def test_functions_as_keras_3_takes_them(tmp_path: Path) -> None:
    """A list with its kinds beside it becomes an object, and default values arguments of the layer."""
    code = encodebytes(marshal.dumps((lambda x, n=2, m=3: x * n + m).__code__)).decode()
    config = {
        "name": "double",
        "function": [code, [2, 3], None],
        "function_type": "lambda",
        "module": "m",
        "output_shape_type": "raw",
        "output_shape_module": None,
        "output_shape": None,
        "arguments": {"m": 5},
    }
    entry = {"class_name": "Lambda", "config": config, "module": "keras.layers", "registered_name": None}
    model = {"class_name": "Sequential", "config": {"name": "s", "layers": [entry]}, "module": "keras"}
    objects = (ConfigObject("Lambda", "layer", "double", "model", "Lambda", "keras.layers", config=config),)
    native = Artifact(tmp_path / "m.keras", "keras", config=model, objects=objects)
    found = amended(native, KERAS_315)
    assert found is not None
    assert found.told == "write the function of Lambda as Keras 3 does; pass n, m as arguments of the Lambda"
    (changed,) = found.config["config"]["layers"]
    inner = {"code": code, "defaults": None, "closure": None}
    assert changed["config"]["function"] == {"class_name": "__lambda__", "config": inner}
    assert changed["config"]["arguments"] == {"n": 2, "m": 5}
    assert not {"function_type", "module", "output_shape_type", "output_shape_module"} & set(changed["config"])
    h5 = amended(replace(native, path=tmp_path / "m.h5", format="h5", objects=()), KERAS_315)
    assert h5 is not None
    assert h5.config["config"]["layers"][0]["config"]["function"] == [code, None, None]
    assert amended(native, KERAS_215) is None


def test_what_keras_3_writes_in_the_words_of_keras_2() -> None:
    artifact = read(Path("examples/artifacts/digits.h5").absolute())
    found = amended(artifact, KERAS_215)
    assert found is not None
    assert "batch_input_shape" in found.told
    assert not found.risky
    layers = found.config["config"]["layers"]
    assert "batch_shape" not in layers[0]["config"]
    assert layers[0]["config"]["batch_input_shape"][0] is None
    assert all(isinstance(layer["config"].get("dtype", ""), str) for layer in layers)


@pytest.mark.parametrize("versions", [KERAS_315, KERAS_33, KERAS_215], ids=lambda one: one.keras)
def test_no_rejected_key_is_left_and_the_original_stays(versions: Versions, tmp_path: Path) -> None:
    """Over all artifacts of the zoo; what is kept as it was read is not touched."""
    changed = 0
    for path in sorted(ARTIFACTS.rglob("*")):
        if path.suffix not in (".h5", ".keras") or not (artifact := read(path)).readable:
            continue
        before = json.dumps(artifact.config)
        found = amended(artifact, versions)
        assert json.dumps(artifact.config) == before
        if found is None:
            continue
        changed += 1
        copy = tmp_path / f"{changed}{path.suffix}"
        write(artifact, found.config, copy)
        codes = {finding.cause for finding in version.check(read(copy), versions, "evidence")}
        assert not codes & {
            *("keras2-rnn-time-major", "keras2-conv-groups", "keras3-batch-shape", "keras3-quantization-config"),
            *("keras3-initializer-axes", "keras2-wrapped-layer", "keras2-sequential-input-shape", "keras2-axis-list"),
            *("nested-model-used-twice", "keras3-unwrapped-inputs", "keras3-orthogonal"),
        }, path
    assert changed > 10


def weights_of(file: h5py.File) -> dict[str, str]:
    found: dict[str, str] = {}

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            found[name] = hashlib.sha256(item[()].tobytes()).hexdigest()

    file.visititems(visit)
    return found


def test_an_hdf5_copy_holds_the_same_weights(tmp_path: Path) -> None:
    path = ARTIFACTS / "tf215" / "lstm.h5"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert main(["repair", str(path), str(tmp_path / "copy.h5"), "--for=keras==3.15.1"]) == 0
    with h5py.File(path) as one, h5py.File(tmp_path / "copy.h5") as other:
        assert weights_of(one) == weights_of(other)
        assert b"time_major" in str(one.attrs["model_config"]).encode()
        assert b"time_major" not in str(other.attrs["model_config"]).encode()
        assert one.attrs["keras_version"] == other.attrs["keras_version"]
    assert hashlib.sha256(path.read_bytes()).hexdigest() == digest
    assert [one.name for one in tmp_path.iterdir()] == ["copy.h5"]


def test_an_archive_copy_holds_the_same_members(tmp_path: Path) -> None:
    path = ARTIFACTS / "tf215" / "seq_dense.keras"
    assert main(["repair", str(path), str(tmp_path / "copy.keras"), "--for=keras==3.15.1"]) == 0
    with zipfile.ZipFile(path) as one, zipfile.ZipFile(tmp_path / "copy.keras") as other:
        assert one.namelist() == other.namelist()
        same = [name for name in one.namelist() if one.read(name) == other.read(name)]
        assert set(one.namelist()) - set(same) == {"config.json"}


def test_nothing_is_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, copy = ARTIFACTS / "tf215" / "lstm.h5", tmp_path / "copy.h5"
    copy.write_bytes(b"mine")
    assert main(["repair", str(path), str(copy), "--for=keras==3.15.1"]) == 1
    assert copy.read_bytes() == b"mine"
    assert "is there already" in capsys.readouterr().err


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    artifact = read(ARTIFACTS / "tf215" / "lstm.h5")
    with pytest.raises(NotWritten, match="could not be written"):
        write(artifact, dict(artifact.config or {}), tmp_path / "nowhere" / "copy.h5")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gone.h5", "copy.h5", "--for=keras==3.15.1"], "does not exist"),
        ([str(ARTIFACTS / "tf215/weights_only.weights.h5"), "copy.h5", "--for=keras==3.15.1"], "weights only"),
        ([str(ARTIFACTS / "tf215/seq_dense.h5"), "copy.h5", "--for=keras==2.15.0"], "nothing is known"),
        ([str(ARTIFACTS / "tf215/nested_lists_sm"), "copy", "--for=keras==3.15.1"], "only HDF5 and .keras"),
    ],
)
def test_what_cannot_be_repaired(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["repair", *arguments]) == 1
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("release", ["3.15", "torch==2.0", "keras==", "keras"])
def test_a_release_that_is_none(release: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["repair", "a.h5", "b.h5", f"--for={release}"])
    assert ended.value.code == 2
    assert "is no release" in capsys.readouterr().err
