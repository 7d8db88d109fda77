"""What a file is by its bytes, and which files of a directory are artifacts."""

from __future__ import annotations

import zipfile
from pathlib import Path

import builders
import h5py
import pytest

from pytest_kerasload.artifacts.sniffing import content_of, directory_marker, is_artifact, savedmodel_marker

HDF5 = b"\x89HDF\r\n\x1a\n"


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", "empty"),
        (HDF5, "hdf5"),
        (bytes(512) + HDF5, "hdf5"),
        (bytes(4096) + HDF5, "hdf5"),
        (bytes(700) + HDF5, "unknown"),
        (b"PK\x03\x04rest", "zip"),
        (b"PK\x05\x06" + bytes(18), "zip"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 5\n", "lfs-pointer"),
        (b"<!DOCTYPE html><html><title>x</title>", "html"),
        (b"\n  <HTML>", "html"),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "html"),
        (b"\x1f\x8b\x08\x00", "gzip"),
        (bytes(257) + b"ustar\x0000", "tar"),
        (b"BZh91AY", "packed"),
        (b"7z\xbc\xaf\x27\x1c", "packed"),
        (b"\x80\x04\x95\x10", "pickle"),
        ("Grüße".encode() * 2000, "text"),
        (b"\x00\x01\x02", "unknown"),
        (b"\x08\x01\x12\xff", "unknown"),
    ],
)
def test_content(tmp_path: Path, content: bytes, kind: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    assert content_of(path) == kind


@pytest.mark.parametrize("name", ["a.h5", "a.hdf5", "a.keras", "a.H5", "a.weights.h5"])
def test_a_suffix_of_keras_is_enough(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"damaged beyond recognition")
    assert is_artifact(path)


def test_other_suffixes_go_by_content(tmp_path: Path) -> None:
    model = builders.h5(tmp_path / "model")
    assert is_artifact(model)
    assert is_artifact(builders.keras(tmp_path / "model.zip"))
    assert is_artifact(builders.weights_h5(tmp_path / "model.ckpt"))
    assert not is_artifact(builders.plain_h5(tmp_path / "data.bin"))
    for suffix in (".nc", ".mat", ".h5ad", ".loom"):
        assert not is_artifact(model.rename(model.with_suffix(suffix)))
        model = model.with_suffix(suffix)
    with zipfile.ZipFile(tmp_path / "arrays.expected.npz", "w") as archive:
        archive.writestr("inputs/0.npy", b"")
    assert not is_artifact(tmp_path / "arrays.expected.npz")
    (tmp_path / "cut.zip").write_bytes((tmp_path / "model.zip").read_bytes()[:100])
    assert not is_artifact(tmp_path / "cut.zip")
    assert not is_artifact(tmp_path / "not-there")


def test_weights_of_keras_3_are_recognised_by_their_groups(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "last", "w") as file:
        file.create_dataset("layers/dense/vars/0", shape=(2, 2), dtype="f4")
    assert is_artifact(tmp_path / "last")
    with h5py.File(tmp_path / "other", "w") as file:
        file.create_dataset("layers/rocks/depth", shape=(2, 2), dtype="f4")
    assert not is_artifact(tmp_path / "other")


def test_marker_of_a_savedmodel(tmp_path: Path) -> None:
    assert savedmodel_marker(tmp_path) is None
    (tmp_path / "keras_metadata.pb").touch()
    assert savedmodel_marker(tmp_path) is None, "without variables/ it may be anything"
    (tmp_path / "variables").mkdir()
    assert savedmodel_marker(tmp_path) == tmp_path / "keras_metadata.pb"
    (tmp_path / "saved_model.pbtxt").touch()
    assert savedmodel_marker(tmp_path) == tmp_path / "saved_model.pbtxt"
    (tmp_path / "saved_model.pb").touch()
    assert savedmodel_marker(tmp_path) == tmp_path / "saved_model.pb"


def test_marker_of_an_unpacked_archive(tmp_path: Path) -> None:
    path = builders.unpacked(tmp_path / "model")
    assert directory_marker(path) == path / "config.json"
    (path / "model.weights.h5").unlink()
    assert directory_marker(path) == path / "config.json", "Keras' metadata says what it was"
    (path / "metadata.json").write_text("{}")
    assert directory_marker(path) is None
    (path / "model.weights.h5").symlink_to("gone")
    assert directory_marker(path) == path / "config.json"
