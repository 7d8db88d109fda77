"""Environments on another machine: over ssh to this one, where an sshd is installed."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import builders
import psutil
import pytest

from conftest import causes_of, checks_of
from pytest_kerasload.artifacts.reading import tree_sha256
from pytest_kerasload.environments import spec
from pytest_kerasload.environments.versions import Versions
from pytest_kerasload.worker.store import Store

# ---- what needs no ssh


@pytest.mark.parametrize(
    ("text", "id", "ssh", "python", "legacy"),
    [
        ("ssh=me@far//python=/opt/tf/bin/python", None, "me@far", "/opt/tf/bin/python", False),
        ("ssh=far", None, "far", "python3", False),
        ("far=ssh=-p 2222 -i /k/key me@far//python=/opt/py", "far", "-p 2222 -i /k/key me@far", "/opt/py", False),
        ("ssh=me@far//python=/opt/py+legacy", None, "me@far", "/opt/py", True),
    ],
)
def test_specs(text: str, id: str | None, ssh: str, python: str, legacy: bool) -> None:
    found = spec.parse(text, Path())
    assert (found.id, found.ssh, found.python, found.legacy) == (id or text, ssh, python, legacy)
    assert "BatchMode=yes" in found.ssh_arguments
    assert found.ssh_arguments[-1] == ssh.split()[-1]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "cache"), str(tmp_path / "scratch"))


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_what_was_sent_is_found_by_its_digest(store: Store) -> None:
    one = digest(b"one")
    assert store.find(one, "a.h5") is None
    store.put("t1", "a.h5", b"on")
    store.put("t1", "a.h5", b"e")
    path = store.keep("t1", one, "a.h5")
    assert Path(path).read_bytes() == b"one"
    assert store.find(one, "a.h5") == path
    store.put("t2", "a.h5", b"one")  # sent by another process meanwhile
    assert store.keep("t2", one, "a.h5") == path
    assert os.listdir(store.root) == [one]


def test_what_was_changed_there_is_not_found(store: Store) -> None:
    """A model that is loaded there can write where others are kept."""
    store.put("t", "a.h5", b"one")
    Path(store.keep("t", digest(b"one"), "a.h5")).write_bytes(b"two")
    assert store.find(digest(b"one"), "a.h5") is None
    assert os.listdir(store.root) == []


def test_directories_come_back_as_they_went(store: Store, tmp_path: Path) -> None:
    here = tmp_path / "m"
    for part in ("saved_model.pb", "variables/variables.index", "variables.txt", "a/b"):
        (here / part).parent.mkdir(parents=True, exist_ok=True)
        (here / part).write_text(part)
        store.put("t", f"m/{part}", part.encode())
    files = sorted(path for path in here.rglob("*") if path.is_file())
    wanted = tree_sha256(here, sorted(files, key=lambda file: file.relative_to(here).as_posix()))
    path = store.keep("t", wanted, "m")
    assert store.find(wanted, "m") == path
    assert "saved_model.pb" in store.parts(path)
    assert store.read(path, "saved_model.pb", 2) == {"data": b"ved_model.pb", "more": False}


def test_what_nobody_asked_for_in_a_month_goes(store: Store, tmp_path: Path) -> None:
    old, new = digest(b"old"), digest(b"new")
    for data in (b"old", b"new"):
        store.put("t", "a.h5", data)
        store.keep("t", digest(data), "a.h5")
    long_ago = time.time() - 31 * 24 * 3600
    os.utime(Path(store.root, old), (long_ago, long_ago))
    assert Store(store.root, str(tmp_path / "other")).find(old, "a.h5") is None
    assert store.find(new, "a.h5") is not None


@pytest.mark.parametrize("part", ["../x", "/etc/x", "a/../../x"])
def test_nothing_is_written_elsewhere(store: Store, part: str) -> None:
    with pytest.raises(ValueError, match="leads out of"):
        store.put("t", part, b"x")


def test_a_machine_that_does_not_answer_is_named(pytester: pytest.Pytester) -> None:
    if shutil.which("ssh") is None:
        pytest.skip("needs ssh")
    builders.h5(pytester.path / "clf.h5")
    with socket.socket() as closed:  # bound and not listening: nobody else answers there
        closed.bind(("127.0.0.1", 0))
        env = f"--keras-env=far=ssh=-p {closed.getsockname()[1]} nobody@127.0.0.1//python=/opt/python"
        result = pytester.runpytest_inprocess("--keras-models=clf.h5", env, "-k", "version")
    result.assert_outcomes(failed=1)
    assert "nobody@127.0.0.1 does not answer: 'ssh: connect to host" in " ".join(result.stdout.str().split())


# ---- over ssh

OBJECTS = """
    import time

    import tensorflow as tf

    class Twice(tf.keras.layers.Layer):
        def call(self, x):
            return 2 * x

    class Slow(tf.keras.layers.Layer):
        def call(self, x):
            return x

        @classmethod
        def from_config(cls, config):
            time.sleep(3)
            return cls(**config)
"""

SCRIPT = """
    import sys

    import own
    import tensorflow as tf

    import pytest_kerasload

    keras = tf.keras
    keras.utils.set_random_seed(3)
    for name, layer in (("plain", keras.layers.ReLU()), ("own", own.Twice())):
        x = keras.Input((3,), name="x")
        model = keras.Model(x, keras.layers.Dense(2)(layer(keras.layers.Dense(4)(x))))
        model.save(sys.argv[1] + "/artifacts/" + name + ".h5")
        pytest_kerasload.record(model, sys.argv[1] + "/artifacts/" + name + ".h5")
    keras.Sequential([keras.Input((3,)), own.Slow()]).save(sys.argv[1] + "/slow.h5")
"""


@pytest.fixture(scope="module")
def far(versions: Versions, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """This machine as another one, reached through an sshd of its own, and the cache directory there."""
    sshd = shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin")
    if sshd is None or shutil.which("ssh-keygen") is None or not hasattr(os, "geteuid"):
        pytest.skip("needs an sshd")
    folder = tmp_path_factory.mktemp("ssh")
    for name in ("host", "key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder / 'host'}\nAuthorizedKeysFile {folder / 'key.pub'}\n"
        f"PidFile none\nUsePAM no\nStrictModes no\nPermitRootLogin yes\nSetEnv XDG_CACHE_HOME={folder / 'cache'}\n"
    )
    if os.geteuid() == 0:
        os.makedirs("/run/sshd", exist_ok=True)
    server = subprocess.Popen([sshd, "-D", "-e", "-f", str(folder / "config")], stderr=subprocess.DEVNULL)
    options = f"-p {port} -i {folder / 'key'} -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"
    target = f"ssh={options} -o LogLevel=ERROR 127.0.0.1//python={sys.executable}"
    try:
        for _ in range(50):
            if subprocess.run(["ssh", *options.split(), "127.0.0.1", "true"], capture_output=True).returncode == 0:
                break
            time.sleep(0.1)
        else:
            pytest.skip("the sshd does not let us in")
        yield f"--keras-env=far={target}", folder / "cache" / "pytest-kerasload" / "artifacts"
    finally:
        server.kill()
        server.wait()


@pytest.fixture(scope="module")
def artifacts(versions: Versions, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("far")
    (folder / "own.py").write_text(textwrap.dedent(OBJECTS))
    (folder / "train.py").write_text(textwrap.dedent(SCRIPT))
    (folder / "artifacts").mkdir()
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, str(folder / "train.py"), str(folder)]
    subprocess.run(command, check=True, capture_output=True, env=environment)
    return folder


def test_all_checks_are_made_there(far: tuple[str, Path], artifacts: Path, gate: Callable[..., Any]) -> None:
    env, sent = far
    before = set(Path("/tmp").glob("kerasload-*"))
    options = (f"--keras-models={artifacts / 'artifacts'}", f"--keras-custom-objects={artifacts / 'own.py'}", env)
    report = gate(*options, "--keras-env=near=current", "--keras-handover", "--keras-roundtrip=h5,savedmodel")
    assert report["summary"]["failed"] == report["summary"]["error"] == 0, report["output"][-4000:]
    for name in ("plain.h5", "own.h5"):
        (artifact,) = (one for one in report["artifacts"] if one["path"].endswith(name))
        passed = {(one["check"], one["environment"]) for one in artifact["checks"] if one["outcome"] == "passed"}
        assert {("load", "far"), ("roundtrip", "far"), ("predictions", "far")} < passed
        assert {("handover", "far->near"), ("handover", "near->far")} < passed
    kept = sorted(path.name for path in sent.glob("*/*"))
    assert kept == ["own.h5", "own.py", "plain.h5"]  # what was handed over is not kept
    stamps = {path: path.stat().st_mtime_ns for path in sent.glob("*/*")}
    again = gate(*options, "-k", "load")
    assert again["summary"]["passed"] == 2, again["output"][-3000:]
    assert {path: path.stat().st_mtime_ns for path in sent.glob("*/*")} == stamps  # sent once
    gone = time.monotonic() + 10
    while set(Path("/tmp").glob("kerasload-*")) - before and time.monotonic() < gone:
        time.sleep(0.2)
    assert not set(Path("/tmp").glob("kerasload-*")) - before


@pytest.mark.parametrize(
    ("limit", "cause"), [("--keras-memory=1M", "worker-memory"), ("--keras-timeout=1.5", "worker-timeout")]
)
def test_limits_hold_there_too(
    far: tuple[str, Path], artifacts: Path, gate: Callable[..., Any], limit: str, cause: str
) -> None:
    env, _ = far
    options = (f"--keras-models={artifacts / 'slow.h5'}", f"--keras-custom-objects={artifacts / 'own.py'}", env)
    report = gate(*options, "-k", "load", limit)
    assert causes_of(checks_of(report, "slow.h5")["load"]) == [cause], report["output"][-3000:]
    gone = time.monotonic() + 15
    while time.monotonic() < gone and _workers():
        time.sleep(0.2)
    assert _workers() == []


def _workers() -> list[psutil.Process]:
    """Processes that an sshd started and that import the worker."""
    found = []
    for process in psutil.process_iter():
        try:
            words = process.cmdline()
            if words[:1] == [sys.executable] and any("importlib" in word or "exec(" in word for word in words):
                parents = [parent.name() for parent in process.parents()]
                found += [process] if "sshd" in parents else []
        except psutil.Error:
            continue
    return found
