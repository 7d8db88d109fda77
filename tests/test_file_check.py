"""The ``file`` check: each way in which a file is not the model it is said to be, with its cause."""

from __future__ import annotations

import io
import json
import random
import re
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import builders
import h5py
import numpy as np
import pytest

from pytest_kerasload.artifacts.reading import read
from pytest_kerasload.artifacts.record import Artifact
from pytest_kerasload.causes import file as causes
from pytest_kerasload.checks import file as check
from pytest_kerasload.findings import Finding


def found(path: Path) -> list[str]:
    return [finding.cause for finding in check.check(read(path))]


def only(path: Path) -> tuple[Artifact, Finding]:
    """The artifact and the one thing that is wrong with it."""
    artifact = read(path)
    (finding,) = check.check(artifact)
    return artifact, finding


def rezipped(path: Path, change: Callable[[dict[str, bytes]], Any], **how: Any) -> Path:
    """Writes an archive again with its members changed."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    with zipfile.ZipFile(path, "w", **how) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def test_good_files(tmp_path: Path) -> None:
    for path in (
        builders.h5(tmp_path / "a.h5"),
        builders.h5(tmp_path / "a.hdf5"),
        builders.keras(tmp_path / "a.keras"),
        builders.saved_model(tmp_path / "a"),
    ):
        artifact = read(path)
        assert artifact.readable
        assert check.check(artifact) == ()
        assert re.fullmatch(r"[0-9a-f]{64}", artifact.sha256)
        assert artifact.bytes > 0


def test_what_an_hdf5_model_says(tmp_path: Path) -> None:
    artifact = read(builders.h5(tmp_path / "a.h5"))
    assert (artifact.format, artifact.saved_with.keras, artifact.saved_with.backend) == ("h5", "2.10.0", "tensorflow")
    assert (artifact.weights.elements, artifact.weights.tensors, artifact.weights.style) == (8, 2, "h5-keras2")
    assert dict(artifact.weights.layers) == {"score": 8}
    assert [(spec.name, spec.shape) for spec in artifact.inputs] == [("x", (None, 3))]
    assert [(spec.name, spec.shape) for spec in artifact.outputs] == [("score", (None, 2))]


def test_what_an_archive_says(tmp_path: Path) -> None:
    artifact = read(builders.keras(tmp_path / "a.keras"))
    assert (artifact.format, artifact.saved_with.keras, artifact.saved_with.date) == (
        "keras",
        "3.6.0",
        "2024-01-01@00:00:00",
    )
    assert (artifact.weights.elements, artifact.weights.style) == (8, "keras")
    assert dict(artifact.weights.layers) == {"layers/dense": 8}


def test_state_is_no_weight(tmp_path: Path) -> None:
    def change(members: dict[str, bytes]) -> None:
        store = io.BytesIO(members["model.weights.h5"])
        with h5py.File(store, "a") as file:
            file["optimizer/vars/0"] = np.zeros(())
            file["optimizer/vars/1"] = np.zeros((3, 2))
            file["metrics/mean/vars/0"] = np.zeros(())
            file["layers/dropout/seed_generator/vars/0"] = np.zeros(2, "uint32")
            file["layers/norm/vars/0"] = np.zeros(4)
            file["layers/shared"] = file["layers/norm"]
        members["model.weights.h5"] = store.getvalue()

    weights = read(rezipped(builders.keras(tmp_path / "a.keras"), change)).weights
    assert (weights.elements, weights.tensors, weights.optimizer_tensors) == (12, 3, 2)


@pytest.mark.parametrize(
    ("content", "cause", "said"),
    [
        (b"", "file-empty", "m.keras is empty (0 bytes)"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 132735373\n",
            "file-lfs-pointer",
            "m.keras is a Git LFS pointer of 74 bytes; the file of 132735373 bytes it stands for was not fetched",
        ),
        (
            b"<!DOCTYPE html>\n<html><head><title>\n Sign in\n to Acme</title>",
            "file-error-page",
            "m.keras is a web page of 61 bytes, titled 'Sign in to Acme', not a model",
        ),
        (
            b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>",
            "file-error-page",
            "m.keras is a web page of 61 bytes, titled 'AccessDenied', not a model",
        ),
        (
            b'{"error": "not found"}',
            "file-not-a-model",
            'm.keras is text of 22 bytes, not a model: it begins \'{"error": "not found"}\'',
        ),
        (
            b"\x1f\x8b\x08\x00stuff",
            "file-packed",
            "m.keras is gzip-compressed (9 bytes, beginning 1f 8b 08 00)",
        ),
        (
            b"\x80\x04\x95\x10\x00\x00",
            "file-not-a-model",
            "m.keras is a Python pickle (6 bytes, beginning 80 04 95 10 00 00)",
        ),
        (
            bytes(range(200, 220)),
            "file-not-a-model",
            "m.keras is neither HDF5 nor a zip archive (20 bytes, beginning c8 c9 ca cb cc cd ce cf)",
        ),
    ],
)
def test_no_container_of_a_model(tmp_path: Path, content: bytes, cause: str, said: str) -> None:
    path = tmp_path / "m.keras"
    path.write_bytes(content)
    artifact, finding = only(path)
    assert (finding.cause, finding.message) == (cause, said)
    assert (artifact.format, artifact.readable) == ("unknown", False)
    assert finding.fails
    assert finding.family == "file"
    assert finding.remedies


def test_a_tar_archive(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "m.h5", "w") as archive:
        archive.add(builders.keras(tmp_path / "inside.keras"))
    assert found(tmp_path / "m.h5") == ["file-packed"]


def test_other_people_s_containers(tmp_path: Path) -> None:
    artifact, finding = only(builders.plain_h5(tmp_path / "data.h5"))
    assert finding.cause == "file-plain-hdf5"
    assert finding.message.endswith("it holds measurements")
    assert (artifact.format, artifact.readable) == ("unknown", False)
    with zipfile.ZipFile(tmp_path / "m.keras", "w") as archive:
        archive.writestr("slides/1.xml", "")
    _, finding = only(tmp_path / "m.keras")
    assert finding.cause == "file-plain-zip"
    assert finding.message.endswith("it holds slides/1.xml")


def test_suffix_against_content(tmp_path: Path) -> None:
    artifact, finding = only(builders.h5(tmp_path / "m.keras"))
    assert (finding.cause, artifact.format, artifact.readable) == ("file-hdf5-named-keras", "h5", True)
    artifact, finding = only(builders.keras(tmp_path / "m.h5"))
    assert (finding.cause, artifact.format, artifact.readable) == ("file-keras-named-hdf5", "keras", True)
    artifact, finding = only(builders.h5(tmp_path / "model"))
    assert (finding.cause, finding.fails, artifact.readable) == ("file-unusual-suffix", False, True)


def test_weights_without_an_architecture(tmp_path: Path) -> None:
    artifact, finding = only(builders.weights_h5(tmp_path / "m.h5"))
    assert (finding.cause, artifact.format, artifact.readable) == ("file-weights-only", "weights", False)
    assert finding.message.startswith("m.h5 holds weights only (2 tensors, 8 elements, saved with Keras 2.10.0)")
    with h5py.File(tmp_path / "m.weights.h5", "w") as file:
        file["_layer_checkpoint_dependencies/dense/vars/0"] = np.zeros((3, 2))
    artifact, finding = only(tmp_path / "m.weights.h5")
    assert (finding.cause, artifact.weights.elements, artifact.weights.style) == ("file-weights-only", 6, "keras-2.13")


def test_a_model_that_lost_its_configuration(tmp_path: Path) -> None:
    path = builders.h5(tmp_path / "m.h5")
    with h5py.File(path, "a") as file:
        del file.attrs["model_config"]
    artifact, finding = only(path)
    assert (finding.cause, artifact.weights.elements) == ("file-weights-only", 8)


def test_names_in_pieces_and_as_text(tmp_path: Path) -> None:
    path = builders.h5(tmp_path / "m.h5")
    with h5py.File(path, "a") as file:
        weights = file["model_weights"]
        del weights.attrs["layer_names"]
        weights.attrs["layer_names0"] = ["score"]
        weights.attrs["layer_names1"] = ["other"]
        weights.create_group("other").attrs["weight_names"] = np.array([], dtype="S1")
        file.attrs["model_config"] = np.bytes_(file.attrs["model_config"].encode())
        file.attrs["keras_version"] = b"2.2.4"
    artifact = read(path)
    assert artifact.problems == ()
    assert (artifact.weights.elements, artifact.saved_with.keras) == (8, "2.2.4")


def test_half_written_weights(tmp_path: Path) -> None:
    path = builders.h5(tmp_path / "m.h5")
    with h5py.File(path, "a") as file:
        del file["model_weights/score/score/bias:0"]
        file["model_weights"].attrs["layer_names"] = [b"score", b"never_written"]
    artifact, finding = only(path)
    assert finding.cause == "file-weights-missing"
    assert finding.message == "m.h5 lists weights that are not in it: score/score/bias:0, never_written"
    assert artifact.readable


def test_unbuilt_models(tmp_path: Path) -> None:
    path = builders.h5(tmp_path / "m.h5")
    with h5py.File(path, "a") as file:
        del file["model_weights"]
    _, finding = only(path)
    assert (finding.cause, finding.where) == ("file-unbuilt-model", "score")

    def without(members: dict[str, bytes]) -> None:
        store = io.BytesIO()
        with h5py.File(store, "w") as file:
            file.create_group("layers/dense/vars")
        members["model.weights.h5"] = store.getvalue()

    assert found(rezipped(builders.keras(tmp_path / "m.keras"), without)) == ["file-unbuilt-model"]
    lookup = {"class_name": "Sequential", "config": {"name": "m", "layers": [{"class_name": "Flatten", "config": {}}]}}
    path = builders.h5(tmp_path / "flat.h5", lookup)
    with h5py.File(path, "a") as file:
        del file["model_weights"]
    assert found(path) == []


@pytest.mark.parametrize("written", ["", "{", "[]", "null", '{"class_name": "Dense"}', '{"config": {}}'])
def test_a_configuration_that_is_none(tmp_path: Path, written: str) -> None:
    path = builders.h5(tmp_path / "m.h5")
    with h5py.File(path, "a") as file:
        file.attrs["model_config"] = written
    artifact, finding = only(path)
    assert (finding.cause, finding.where) == ("file-config-unreadable", "model_config")
    assert not artifact.readable

    def change(members: dict[str, bytes]) -> None:
        members["config.json"] = written.encode()

    artifact, finding = only(rezipped(builders.keras(tmp_path / "m.keras"), change))
    assert (finding.cause, finding.where) == ("file-config-unreadable", "config.json")
    assert not artifact.readable


def test_a_configuration_of_another_type(tmp_path: Path) -> None:
    path = builders.h5(tmp_path / "m.h5")
    with h5py.File(path, "a") as file:
        file.attrs["model_config"] = np.arange(3)
        file.attrs["training_config"] = "null"
    assert found(path) == ["file-config-unreadable"]


@pytest.mark.parametrize("name", ["config.json", "model.weights.h5"])
def test_missing_members(tmp_path: Path, name: str) -> None:
    path = rezipped(builders.keras(tmp_path / "m.keras"), lambda members: members.pop(name))
    artifact, finding = only(path)
    assert (finding.cause, finding.where) == ("file-member-missing", name)
    # The safety check still has the configuration to look at.
    assert (artifact.format, artifact.readable) == ("keras", name != "config.json")


def test_metadata_may_be_missing(tmp_path: Path) -> None:
    path = rezipped(builders.keras(tmp_path / "m.keras"), lambda members: members.pop("metadata.json"))
    assert found(path) == []
    assert read(path).saved_with.keras is None


def test_packed_and_npz_weights(tmp_path: Path) -> None:
    path = rezipped(builders.keras(tmp_path / "m.keras"), lambda members: None, compression=zipfile.ZIP_DEFLATED)
    assert read(path).weights.elements == 8

    def change(members: dict[str, bytes]) -> None:
        members["model.weights.npz"] = members.pop("model.weights.h5")

    artifact = read(rezipped(path, change))
    assert artifact.problems == ()
    assert (artifact.weights.elements, artifact.weights.style) == (None, "npz")


def test_a_damaged_member(tmp_path: Path) -> None:
    path = builders.keras(tmp_path / "m.keras")
    content = bytearray(path.read_bytes())
    at = content.index(b"\x89HDF") + 900
    content[at] ^= 1
    path.write_bytes(content)
    artifact, finding = only(path)
    assert (finding.cause, finding.where) == ("file-corrupt", "model.weights.h5")
    assert "Bad CRC-32" in finding.message
    assert not artifact.readable


@pytest.mark.parametrize("build", [builders.h5, builders.keras])
def test_cut_off_at_any_place(tmp_path: Path, build: Callable[[Path], Path]) -> None:
    path = build(tmp_path / ("m.h5" if build is builders.h5 else "m.keras"))
    whole = path.read_bytes()
    for size in [*range(8, 100, 9), *range(100, len(whole), len(whole) // 20)]:
        path.write_bytes(whole[:size])
        artifact = read(path)
        assert not artifact.readable, size
        (finding,) = artifact.problems
        assert finding.cause in ("file-truncated", "file-corrupt", "file-not-a-model"), size
    path.write_bytes(whole[:-1])
    assert found(path) == ["file-truncated"] if build is builders.h5 else found(path)


@pytest.mark.parametrize("build", [builders.h5, builders.keras])
def test_damage_is_never_an_exception(tmp_path: Path, build: Callable[[Path], Path]) -> None:
    path = build(tmp_path / ("m.h5" if build is builders.h5 else "m.keras"))
    whole = path.read_bytes()
    chance = random.Random(7)
    for _ in range(60):
        damaged = bytearray(whole)
        start = chance.randrange(len(damaged))
        damaged[start : start + 64] = chance.randbytes(len(damaged[start : start + 64]))
        path.write_bytes(damaged)
        artifact = read(path)
        assert artifact.readable or artifact.problems
        assert all(finding.message and finding.remedies for finding in artifact.problems)


def test_no_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = builders.h5(tmp_path / "m.h5")

    def refuse(self: Path, *_: Any, **__: Any) -> Any:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "open", refuse)
    artifact, finding = only(path)
    assert finding.cause == "file-no-permission"
    assert finding.message == "m.h5 cannot be opened: permission denied"
    assert not artifact.readable


def test_nothing_there(tmp_path: Path) -> None:
    assert found(tmp_path / "m.h5") == ["file-missing"]


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "m.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", json.dumps(builders.dense()))
        with archive.open("model.weights.h5", "w", force_zip64=True) as member:
            for _ in range(300):
                member.write(bytes(1024 * 1024))
    artifact = read(path)
    assert artifact.weights.elements is None


def test_notes_come_last() -> None:
    note, failure = causes.SUFFIX.finding("a note", fails=False), causes.EMPTY.finding("a failure")
    assert check.check(Artifact(Path("m"), "h5", problems=(note, failure))) == (failure, note)


def test_every_cause_can_be_looked_up() -> None:
    codes = [cause.code for cause in causes.CAUSES]
    assert len(codes) == len(set(codes))
    for cause in causes.CAUSES:
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", cause.code)
        assert cause.remedies
        for signature in cause.signatures:
            re.compile(signature)
