"""What loading does besides is seen, and told from what Python, TensorFlow and the user's own code do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from pytest_kerasload.checks import watched

WORKER = Path(watched.__file__).parent.parent / "worker"
Rows = list[tuple[str, str, str]]


def seen(directory: Path, code: str, **variables: str) -> Rows:
    """What is seen of code that runs while it is watched; ``own.py`` beside it is a module of the user's."""
    (directory / "process" / "home").mkdir(parents=True, exist_ok=True)
    (directory / "project").mkdir(exist_ok=True)
    (directory / "project" / "own.py").write_text("def call(function, *args):\n    return function(*args)\n")
    script = f"""
        import json, marshal, os, pickle, socket, subprocess, sys
        sys.path.insert(0, {str(WORKER)!r})
        import watching
        sys.path.insert(0, {str(directory / "project")!r})
        import own
        watch = watching.Watch()
        watch.begin({str(directory / "model.h5")!r})
    """
    text = "\n".join(
        (
            textwrap.dedent(script),
            "try:",
            textwrap.indent(textwrap.dedent(code), "    "),
            "except Exception as error:",
            "    sys.stderr.write(repr(error))",
            "print(json.dumps(watch.end()))",
        )
    )
    environment = {**os.environ, "HOME": str(directory / "process" / "home"), **variables}
    done = subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, cwd=directory / "project", env=environment
    )
    assert done.returncode == 0, done.stderr
    return [(kind, what, whose) for kind, what, whose in json.loads(done.stdout)]


@pytest.mark.parametrize(
    ("code", "kind", "what"),
    [
        ("open('{}/x', 'w').close()", "writes", "{}/x"),
        ("os.close(os.open('{}/x', os.O_CREAT | os.O_WRONLY))", "writes", "{}/x"),
        ("import shutil; shutil.rmtree('{}/x', ignore_errors=True)", "writes", "{}/x"),
        ("os.mkdir('{}/x')", "writes", "{}/x"),
        ("os.rename('{}/nothing', '{}/x')", "writes", "{}/x"),
        ("os.symlink('a', '{}/x')", "writes", "{}/x"),
        ("open('/etc/passwd').close()", "reads", "/etc/passwd"),
        ("subprocess.run(['true', 'x'])", "starts", "true x"),
        ("os.system('true')", "starts", "true"),
        ("os.fork() or os._exit(0)", "starts", "a copy of the process (os.fork)"),
        ("socket.socket().connect(('127.0.0.1', 9))", "connects", "127.0.0.1:9"),
        ("socket.getaddrinfo('localhost', 80)", "connects", "localhost"),
        ("marshal.loads(marshal.dumps((lambda x: x).__code__))", "code", "unmarshals code"),
        ("pickle.loads(pickle.dumps(os.getcwd))", "code", "unpickles posix.getcwd"),
    ],
)
def test_what_the_artifact_does_is_seen(tmp_path: Path, code: str, kind: str, what: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert (kind, what.replace("{}", str(elsewhere)), "") in seen(tmp_path, code.replace("{}", str(elsewhere)))


@pytest.mark.parametrize(
    "code",
    [
        "open(os.path.expanduser('~/x'), 'w').close()",
        "open(os.devnull, 'w').close()",
        "open('/proc/self/status').close()",
        "import xml.dom.minidom, sqlite3",
        "import shutil; os.makedirs(os.path.expanduser('~/a/assets/b')); shutil.rmtree(os.path.expanduser('~/a'))",
        "import linecache; linecache.getlines(own.__file__)",
        "open(json.__file__).close()",
        "os.listdir('/')",
        "os.stat('/etc/passwd')",
    ],
)
def test_what_python_does_is_not_told(tmp_path: Path, code: str) -> None:
    assert seen(tmp_path, code) == []


def test_the_model_itself_may_be_read(tmp_path: Path) -> None:
    (tmp_path / "model.h5").write_text("x")
    elsewhere = tmp_path / "other.h5"
    elsewhere.write_text("x")
    code = f"open({str(tmp_path / 'model.h5')!r}).close(); open({str(elsewhere)!r}).close()"
    assert seen(tmp_path, code) == [("reads", str(elsewhere), "")]


def test_the_users_own_code_is_told_as_theirs(tmp_path: Path) -> None:
    """Whose code it is says the module that it runs in, not the file that bytecode claims to be from."""
    assert seen(tmp_path, "own.call(open, '/etc/passwd').close()") == [("reads", "/etc/passwd", "own")]
    claims = "exec(compile(\"open('/etc/passwd')\", own.__file__, 'exec'), {'__name__': 'own', 'open': open})"
    assert seen(tmp_path, claims) == [("reads", "/etc/passwd", "")]
    assert seen(tmp_path, "own.call(open, 'own.py').close()") == []


def test_what_a_package_does_when_it_is_imported_is_told_as_its_own(tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "lazy.py").write_text("import os\nos.system('true')\n")
    assert seen(tmp_path, "import lazy") == [("starts", "true", "lazy")]


def test_sockets_are_refused_where_the_system_does_not(tmp_path: Path) -> None:
    code = "socket.socket().connect(('127.0.0.1', 9))"
    noted = f"try:\n    {code}\nexcept PermissionError:\n    os.mkdir('/nonexistent/refused')"
    refused = seen(tmp_path, noted, KERASLOAD_SOCKETS="refused")
    assert ("writes", "/nonexistent/refused", "") in refused


# ---- findings


def test_each_kind_is_one_finding() -> None:
    rows = [["writes", "/a", ""], ["writes", "/b", ""], ["connects", "h:80", ""], ["nonsense", "x", ""]]
    found = list(watched.findings(Path("m.h5"), rows, False))
    assert [(one.cause, one.fails) for one in found] == [
        ("loading-writes-files", True),
        ("loading-reaches-network", True),
    ]
    assert found[0].message == "m.h5 is not safe to load: it changes /a, /b"


def test_what_is_the_users_or_trusted_does_not_fail() -> None:
    own = list(watched.findings(Path("m.h5"), [["reads", "/a", "acme.layers"]], False))
    assert [(one.fails, one.message) for one in own] == [(False, "m.h5: acme.layers, which is no part of it, reads /a")]
    trusted = list(watched.findings(Path("m.h5"), [["starts", "sh", ""], ["code", "unmarshals code", ""]], True))
    assert [(one.cause, one.fails) for one in trusted] == [("loading-starts-processes", False)]
