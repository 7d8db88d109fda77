"""The launcher: what a process may still do that it started, with all that the system offers and with less."""

from __future__ import annotations

import base64
import json
import os
import pty
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from pytest_kerasload.environments.confinement import LAUNCHER, Confinement, header, held_back, largest_file

linux = pytest.mark.skipif(sys.platform != "linux", reason="the confinement of Linux")
SOURCE = LAUNCHER.read_text(encoding="utf-8")
WEAKER = {
    "all": {},
    "no namespaces": {"def _namespaces(": "def _namespaces(wanted):\n    return ()\n\n\ndef _unused_namespaces("},
    "no mounts": {"def _read_only(": "def _read_only(writable):\n    return False\n\n\ndef _unused_read_only("},
    "no landlock": {"def _landlock(": "def _landlock(writable):\n    return False\n\n\ndef _unused_landlock("},
}
"""What to replace in the launcher for a system that lets us do less."""

Run = Callable[..., subprocess.CompletedProcess[str]]


def command(directory: Path, code: str, source: str = SOURCE, **more: Any) -> list[str]:
    told = Confinement(more.pop("network", False), tuple(more.pop("pass_env", ()))).told(
        str(directory / "own"), {"GIVEN": "1"}, os.getpid(), largest_file(0)
    )
    told = base64.urlsafe_b64encode(
        json.dumps({**json.loads(base64.urlsafe_b64decode(told)), **more}).encode()
    ).decode()
    return [sys.executable, "-I", "-S", "-c", source, told, "-c", textwrap.dedent(code)]


@pytest.fixture(params=list(WEAKER))
def weaker(request: pytest.FixtureRequest) -> str:
    source = SOURCE
    for old, new in WEAKER[request.param].items():
        assert old in source
        source = source.replace(old, new)
    return source


def run(directory: Path, code: str, source: str = SOURCE, **more: Any) -> subprocess.CompletedProcess[str]:
    variables = Confinement(pass_env=tuple(more.get("pass_env", ()))).environment()
    words = command(directory, code, source, **more)
    return subprocess.run(words, capture_output=True, text=True, timeout=60, env=variables)


def test_variables_are_those_that_tensorflow_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = ("AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN", "TF_VAR_password", "TF_TOKEN_app", "ACME_ONE", "SSH_AUTH_SOCK")
    for name in (*secrets, "TF_ENABLE_ONEDNN_OPTS", "OMP_NUM_THREADS", "LC_ALL"):
        monkeypatch.setenv(name, "C.UTF-8" if name == "LC_ALL" else "1")
    done = run(tmp_path, "import json, os; print(json.dumps(dict(os.environ)))", pass_env=["ACME_*"])
    found = json.loads(done.stdout)
    assert set(secrets) & set(found) == {"ACME_ONE"}
    assert {"TF_ENABLE_ONEDNN_OPTS", "OMP_NUM_THREADS", "LC_ALL", "PATH", "GIVEN"} <= set(found)
    own = str(tmp_path / "own")
    assert (found["HOME"], found["TMPDIR"]) == (f"{own}/home", f"{own}/tmp")


def test_a_script_that_stands_for_the_interpreter_may_set_more(tmp_path: Path) -> None:
    told = command(tmp_path, "import os; print(os.environ['FROM_SCRIPT'])")
    script = tmp_path / "python"
    script.write_text(f'#!/bin/sh\nFROM_SCRIPT=yes exec {sys.executable} "$@"\n')
    script.chmod(0o755)
    assert subprocess.run([str(script), *told[1:]], capture_output=True, text=True).stdout == "yes\n"


@linux
def test_nothing_is_written_elsewhere(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.write_text("user's")
    code = f"""
        import os, tempfile
        for path in ({str(tmp_path / "new")!r}, {str(kept)!r}):
            for mode in ("w", "a", "r+"):
                try:
                    open(path, mode).write("x")
                    print("wrote", path)
                except OSError:
                    pass
        for change in (lambda: os.remove({str(kept)!r}), lambda: os.rename({str(kept)!r}, {str(tmp_path / "b")!r}),
                       lambda: os.truncate({str(kept)!r}, 0), lambda: os.mkdir({str(tmp_path / "d")!r}),
                       lambda: os.symlink("a", {str(tmp_path / "s")!r})):
            try:
                change()
                print("changed")
            except OSError:
                pass
        with tempfile.NamedTemporaryFile() as own:
            own.write(b"x")
        open(os.path.expanduser("~/y"), "w").close()
        open("/dev/null", "w").close()
        print("own", open({str(kept)!r}).read())
    """
    assert run(tmp_path, code).stdout == "own user's\n"
    assert {path.name for path in tmp_path.iterdir()} == {"kept", "own"}


@linux
def test_modes_and_owners_stay_as_they_are(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.write_text("user's")
    kept.chmod(0o644)
    code = f"""
        import os
        for change in (lambda: os.chmod({str(kept)!r}, 0o4777), lambda: os.utime({str(kept)!r}, (1, 1)),
                       lambda: os.chown({str(kept)!r}, 1001, 1001), lambda: os.setxattr({str(kept)!r}, "user.x", b"1"),
                       lambda: open("/dev/shm/kerasload-left", "w").close()):
            try:
                change()
                print("changed")
            except OSError:
                print("refused")
    """
    found = run(tmp_path, code).stdout
    if "mounts" in held_back(False).values():
        assert found == "refused\n" * 4 + "changed\n"  # what is in /dev/shm is its own
    assert kept.stat().st_mode & 0o7777 in (0o644, 0o4777 if "mounts" not in held_back(False).values() else 0o644)
    assert not Path("/dev/shm/kerasload-left").exists() or "mounts" not in held_back(False).values()


@linux
def test_it_has_no_terminal(tmp_path: Path, weaker: str) -> None:
    code = """
        import fcntl, os
        try:
            os.open("/dev/tty", os.O_RDONLY)
            print("a terminal")
        except OSError:
            print("none")
        try:
            fcntl.ioctl(0, 0x5412, b"x")
            print("typed")
        except PermissionError:
            print("refused")
        except OSError:
            print("failed")
    """
    main, other = pty.openpty()
    process = subprocess.run(
        command(tmp_path, code, weaker),
        stdin=other,
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
        start_new_session=True,
    )
    os.close(main)
    os.close(other)
    assert process.stdout == "none\nrefused\n"


@linux
def test_a_script_may_stand_between(tmp_path: Path, weaker: str) -> None:
    script = tmp_path / "python"
    script.write_text(f'#!/bin/sh\n{sys.executable} "$@"\nexit $?\n')
    script.chmod(0o755)
    beside = tmp_path / "beside"
    beside.mkdir()
    words = command(tmp_path, "print('here')", weaker)
    done = subprocess.run([str(script), *words[1:]], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "here\n")
    assert beside.is_dir()


@linux
@pytest.mark.parametrize("family", ["AF_INET", "AF_INET6", "AF_UNIX"])
def test_no_socket_is_made(tmp_path: Path, weaker: str, family: str) -> None:
    code = f"""
        import socket
        one, other = socket.socketpair()
        try:
            socket.socket(socket.{family})
        except PermissionError as error:
            print("refused")
    """
    assert run(tmp_path, code, weaker).stdout == "refused\n"
    allowed = run(tmp_path, code, weaker, network=True)
    assert (allowed.stdout, allowed.stderr) == ("", "")


@linux
def test_what_it_started_ends_with_it(tmp_path: Path, weaker: str) -> None:
    mark = f"marked-{tmp_path.name}"
    code = f"""
        import os, subprocess, sys
        if not os.fork():
            os.setsid()
            if not os.fork():
                os.execv(sys.executable, [sys.executable, "-c", "import time; time.sleep(100)", {mark!r}])
            os._exit(0)
        os.wait()
        print("started")
    """
    assert run(tmp_path, code, weaker).stdout == "started\n"
    assert not [p for p in psutil.process_iter(["cmdline"]) if mark in (p.info["cmdline"] or [])]


@linux
def test_other_processes_are_not_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, weaker: str) -> None:
    code = f"""
        try:
            print("SECRET" in open("/proc/{os.getpid()}/environ").read())
        except OSError:
            print("hidden")
        import os
        try:
            os.kill({os.getpid()}, 0)
            print("reached")
        except OSError:
            print("out of reach")
    """
    found = run(tmp_path, code, weaker).stdout
    assert found.startswith("hidden\n") or "_unused_landlock" in weaker
    assert "True" not in found


@linux
def test_files_are_of_a_size(tmp_path: Path) -> None:
    code = """
        import os, tempfile
        try:
            open(os.path.join(tempfile.gettempdir(), "large"), "wb").write(bytes(2 << 20))
        except OSError as error:
            print(error.strerror)
    """
    assert run(tmp_path, code, file_bytes=1 << 20).stdout == "File too large\n"


@linux
@pytest.mark.parametrize(
    ("code", "status"),
    [*((f"import os; os.kill(os.getpid(), {number})", -number) for number in (6, 9, 11)), ("raise SystemExit(7)", 7)],
)
def test_its_end_is_told_as_it_was(tmp_path: Path, weaker: str, code: str, status: int) -> None:
    assert run(tmp_path, code, weaker).returncode == status


@linux
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_it_does_not_outlive_its_parent(tmp_path: Path, weaker: str, end: signal.Signals) -> None:
    mark = f"marked-{tmp_path.name}"
    (tmp_path / "run").mkdir()
    told = command(tmp_path / "run", f"import time; print({mark!r}, flush=True); time.sleep(100)", weaker)
    # The parent that the launcher is told of is the process that is killed here.
    parent = f"""
        import base64, json, os, subprocess, sys
        command = {told!r}
        told = json.loads(base64.urlsafe_b64decode(command[5]))
        told["parent"] = os.getpid()
        command[5] = base64.urlsafe_b64encode(json.dumps(told).encode()).decode()
        subprocess.run(command)
    """
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(parent)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == mark + "\n"
    process.send_signal(end)
    ended = time.monotonic() + 10
    while time.monotonic() < ended and ((tmp_path / "run").exists() or _running(mark)):
        time.sleep(0.05)
    assert not _running(mark)
    assert not (tmp_path / "run").exists()
    process.wait()  # nobody waited for it until now
    process.stdout.close()


def _running(mark: str) -> list[psutil.Process]:
    return [p for p in psutil.process_iter(["cmdline"]) if any(mark in word for word in p.info["cmdline"] or [])]


@linux
def test_the_header_says_what_holds_here() -> None:
    found = held_back(False)
    assert set(found) >= {"network"}
    told = header(Confinement(pass_env=("ACME_*",)))
    assert told.startswith("confined: network ")
    assert told.endswith("; passes ACME_*")
    assert "allowed (--keras-allow-network)" in header(Confinement(network=True))
