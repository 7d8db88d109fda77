"""What comes back from a process is looked at before anything is made of it."""

from __future__ import annotations

import io
import os
import struct
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import execnet
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_kerasload.causes.explaining import explain
from pytest_kerasload.environments import channel, process, replies
from pytest_kerasload.environments.confinement import Confinement
from pytest_kerasload.environments.process import Limits, Process, RequestFailed, WorkerBroken, WorkerEnded
from pytest_kerasload.environments.spec import EnvironmentSpec
from pytest_kerasload.environments.versions import Versions
from pytest_kerasload.files import away
from pytest_kerasload.worker.packing import pack

HELLO = {"ok": True, "remarks": [], "python": "3.11", "tensorflow": "2.15", "keras": "2.15", "flavour": "keras2"}


def npy(array: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def predicted(data: bytes) -> bytes:
    return pack({"ok": True, "remarks": [], "outputs": [[["y"], data]]})


# ---- replies


def test_a_reply_comes_back_as_it_was_sent() -> None:
    assert replies.unpacked("hello", pack(HELLO)) == HELLO
    (row,) = replies.unpacked("predict", predicted(npy(np.arange(6.0).reshape(2, 3))))["outputs"]
    assert row[0] == ["y"]
    np.testing.assert_array_equal(row[1], np.arange(6.0).reshape(2, 3))
    error = {"ok": False, "remarks": [], "error": {"type": "T", "text": "t", "traceback": ""}}
    assert replies.unpacked("load", pack(error)) == error


def test_what_was_not_asked_for_is_left_out() -> None:
    assert replies.unpacked("hello", pack({**HELLO, "more": [1] * 9})) == HELLO


@pytest.mark.parametrize(
    ("question", "reply", "said"),
    [
        ("hello", {**HELLO, "python": 3}, "python: what is no text"),
        ("hello", {**HELLO, "remarks": ["x"] * 101}, "remarks: what is no list, or too long"),
        ("hello", {**HELLO, "keras": "x" * (1 << 21)}, "keras: what is no text, or too long"),
        ("hello", {key: value for key, value in HELLO.items() if key != "flavour"}, "flavour: what is no text"),
        ("hello", {**HELLO, "ok": 1}, "ok: what is neither true nor false"),
        ("predict", {"ok": True, "remarks": [], "outputs": [["y", b"x"]]}, "no list"),
        ("predict", {"ok": True, "remarks": [], "outputs": [[["y"], 7]]}, "no byte string"),
        ("weights", {"ok": True, "remarks": [], "weights": [["w", [1 << 70], "f", 1]], "elements": 1}, "whole number"),
        ("perturb", {"ok": True, "remarks": [], "variables": True}, "whole number"),
        ("latency", {"ok": True, "remarks": [], "seconds": ["0.1"]}, "whole number"),
        ("files read", {"ok": True, "remarks": [], "answer": {"data": "x", "more": False}}, "byte string"),
    ],
)
def test_another_form_is_refused(question: str, reply: dict[str, Any], said: str) -> None:
    with pytest.raises(replies.ReplyRefused, match=said):
        replies.unpacked(question, pack(reply))


HEADER = "{'descr': '%s', 'fortran_order': False, 'shape': (%s,), }"


@pytest.mark.parametrize(
    ("descr", "shape", "length"), [("<f4", "4000000000000", 8), ("|O", "1", 8), ("<f4", "1", 8), ("|S0", "9" * 15, 0)]
)
def test_an_array_that_is_not_there_is_refused(descr: str, shape: str, length: int) -> None:
    text = (HEADER % (descr, shape)).encode()
    data = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + bytes(length)
    began = time.monotonic()
    with pytest.raises(replies.ReplyRefused):
        replies.unpacked("predict", predicted(data))
    assert time.monotonic() - began < 2


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_or_read(data: bytes) -> None:
    for question in ("hello", "predict", "load"):
        with pytest.raises(replies.ReplyRefused):
            replies.unpacked(question, data)


@given(st.data())
def test_a_changed_reply_is_refused_or_read(data: st.DataObject) -> None:
    sound = bytearray(predicted(npy(np.arange(4.0))))
    for _ in range(data.draw(st.integers(1, 4))):
        sound[data.draw(st.integers(0, len(sound) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = replies.unpacked("predict", bytes(sound))
    except replies.ReplyRefused:
        return
    assert found["ok"] in (True, False)


def test_deep_and_long_documents_are_refused() -> None:
    deep = b"[" * 200_000
    large = b'{"ok": true, "x": "' + b"y" * (1 << 25) + b'"}'
    for text in (deep, large, b"nothing", b"[]", b"null", b"\xff"):
        with pytest.raises(replies.ReplyRefused):
            replies.unpacked("hello", struct.pack("!QQ", 1, len(text)) + text)


# ---- the pipe

GREETING = "import sys\nsys.stdin.readline()\nout = sys.stdout.buffer\nout.write(b'1')\nout.flush()\n"
BOMB = """
    import struct
    # A list of two thousand million elements, in twenty bytes.
    payload = b"K" + struct.pack("!i", 0x7FFFFFFF) + b"Q"
    out.write(struct.pack("!bii", 4, 1, len(payload)) + payload)
"""
CLAIM = """
    import struct
    out.write(struct.pack("!bii", 4, 1, 0x7FFFFFFF))
"""
CODE = """
    import struct
    out.write(struct.pack("!bii", 3, 1, 4) + b"1/0\\n")
"""
NOISE = "out.write(bytes(range(256)) * 10)"


@pytest.mark.parametrize(
    ("sends", "said"),
    [(BOMB, "no byte string"), (CLAIM, "2,147,483,647 bytes"), (CODE, "kind 3"), (NOISE, "kind")],
    ids=["bomb", "claim", "code", "noise"],
)
def test_messages_that_are_no_byte_strings_are_not_read(sends: str, said: str) -> None:
    code = GREETING + textwrap.dedent(sends) + "\nout.flush()\nimport time\ntime.sleep(60)\n"
    group = execnet.Group()
    gateway = channel.opened(group, [sys.executable, "-c", code])
    channel.asking(gateway)
    try:
        with pytest.raises(EOFError):
            gateway.newchannel().receive(10)
        assert said in channel.abuse(gateway)
    finally:
        gateway._io.kill()
        group.terminate(1)


FLOOD = """
    import struct
    data = b"A" + struct.pack("!i", 1000) + bytes(1000) + b"Q"
    for _ in range(3):
        out.write(struct.pack("!bii", 4, 1, len(data)) + data)
"""
ELSEWHERE = """
    import struct
    text = b"\\x1b]0;owned\\x07"
    data = b"N" + struct.pack("!i", len(text)) + text + b"Q"
    out.write(struct.pack("!bii", 6, 99, len(data)) + data)
"""


@pytest.mark.parametrize(("sends", "said"), [(FLOOD, "nobody asked for"), (ELSEWHERE, "channel 99")])
def test_answers_that_nobody_asked_for_end_it(sends: str, said: str, capfd: pytest.CaptureFixture[str]) -> None:
    code = GREETING + textwrap.dedent(sends) + "\nout.flush()\nimport time\ntime.sleep(60)\n"
    group = execnet.Group()
    gateway = channel.opened(group, [sys.executable, "-c", code])
    try:
        questions = gateway.newchannel()
        received = iter(lambda: questions.receive(10), None)
        with pytest.raises(EOFError):
            list(received)
        assert said in channel.abuse(gateway)
    finally:
        gateway._io.kill()
        group.terminate(1)
    assert "owned" not in "".join(capfd.readouterr())


# ---- a process that answers what it should not


def hostile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str) -> Process:
    """A process whose worker says hello, and then answers every request with what ``answer`` sends."""
    hello = repr(pack(HELLO))
    code = f"import sys\nchannel.receive()\nchannel.send({hello})\nfor request in channel:\n    {answer}\n"
    monkeypatch.setattr(process, "_sources", lambda: {"bootstrap": code})
    return Process(EnvironmentSpec("here", sys.executable), 1, tmp_path, Confinement())


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("channel.send(b'x' * 100)", "answered with"),
        ("channel.send([1, 2])", "broke the channel"),
        (f"channel.send({pack({'ok': True, 'remarks': []})!r})", "kind: what is no text"),
    ],
)
def test_its_process_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str, said: str) -> None:
    found = hostile(tmp_path, monkeypatch, answer)
    with pytest.raises(WorkerEnded, match=said) as caught:
        found.ask("load", Limits(20, 0))
    assert caught.value.cause == "worker-reply-refused"
    assert found.pid is None
    assert not found.directory.exists()


def test_processes_that_multiply_are_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = "import os, time; [os.fork() or time.sleep(30) for _ in range(100)]; time.sleep(30)"
    found = hostile(tmp_path, monkeypatch, answer)
    with pytest.raises(WorkerEnded) as caught:
        found.ask("load", Limits(20, 0))
    assert caught.value.cause == "worker-processes"


def test_a_log_that_was_replaced_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret").write_text("secret")
    place = "os.path.join(os.path.dirname(os.path.expanduser('~')), 'log')"
    answer = f"import os; os.symlink({str(tmp_path / 'secret')!r}, {place}); os._exit(3)"
    found = hostile(tmp_path, monkeypatch, answer)
    with pytest.raises(WorkerEnded, match="exit status 3") as caught:
        found.ask("load", Limits(20, 0))
    assert caught.value.log == ""


def test_an_interpreter_that_is_none_is_broken(tmp_path: Path) -> None:
    with pytest.raises(WorkerBroken):
        Process(EnvironmentSpec("here", "/bin/false"), 1, tmp_path, Confinement())
    with pytest.raises(WorkerBroken):
        Process(EnvironmentSpec("here", str(tmp_path / "nothing")), 1, tmp_path, Confinement())


def test_an_error_is_explained_in_time() -> None:
    for text in ("Unknown layer: 'L" + "a" * 19_000 + "'", "_" * 1_000_000):
        error = RequestFailed({"type": "ValueError", "text": text, "traceback": ""}, [])
        began = time.process_time()
        explain(error.text, Versions("3.11", "2.21.0", "3.15.1", "keras3"), None)
        assert time.process_time() - began < 2


# ---- what a process leaves


def test_what_is_hard_to_delete_goes_too(tmp_path: Path) -> None:
    top = tmp_path / "top"
    top.mkdir()
    here = os.getcwd()
    try:
        os.chdir(top)
        for _ in range(1500):
            os.mkdir("d")
            os.chdir("d")
        Path("file").write_text("x")
    finally:
        os.chdir(here)
    closed = top / "closed"
    (closed / "in").mkdir(parents=True)
    closed.chmod(0)
    (top / "link").symlink_to(tmp_path / "kept", target_is_directory=True)
    (tmp_path / "kept").mkdir()
    away(top)
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
