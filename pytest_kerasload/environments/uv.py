"""uv, which finds Pythons, resolves requirements and installs them; and what it means when it says no."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

# A wheel of TensorFlow is some hundred megabytes; a proxy that answers nothing must not hang the run for ever.
_SECONDS = 1800.0

Tell = Callable[[str], None]


class UvRefused(Exception):
    """uv did not do it. ``reason`` is ``uv`` (there is none), ``network``, ``no-solution``, ``python`` or ``other``."""

    def __init__(self, reason: str, said: str) -> None:
        super().__init__(said)
        self.reason = reason
        self.said = said


def binary() -> str:
    """The path of uv: of its Python package where that is installed beside this one, else on PATH."""
    try:
        from uv import find_uv_bin  # type: ignore[import-not-found,unused-ignore]

        return str(find_uv_bin())
    except (ImportError, FileNotFoundError):
        found = shutil.which("uv")
    if found is None:
        raise UvRefused("uv", "environments are made by uv, which is not installed")
    return found


def python(wanted: Sequence[str]) -> str | None:
    """The interpreter of the first of these Pythons (``3.11``, ``3.11.7``) that is installed; None where none is."""
    return next((found for version in wanted if (found := _installed(version))), None)


@cache
def _installed(version: str) -> str:
    try:
        found = _run(["python", "find", "--no-project", "--no-python-downloads", version]).strip()
    except UvRefused as refused:
        if refused.reason == "uv":
            raise
        found = _of_pyenv(version)  # whose shims on PATH end uv's search
    return found if found and _runs(found) else ""


def downloaded(version: str) -> str:
    """The interpreter of a Python that uv downloads, where the user's settings of uv let it."""
    with tempfile.TemporaryDirectory(prefix="kerasload-") as folder:
        create(Path(folder, "empty"), version)
        return _base(Path(folder, "empty"))


def _base(environment: Path) -> str:
    """The interpreter that a virtual environment was made with."""
    told = dict(line.split(" = ", 1) for line in (environment / "pyvenv.cfg").read_text().splitlines() if " = " in line)
    home = Path(told["home"])
    return next(str(home / name) for name in ("python3", "python", "python.exe") if (home / name).exists())


def _of_pyenv(version: str) -> str:
    """The newest interpreter of a version that pyenv has; empty where it has none."""
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    exact = version.count(".") > 1
    found = sorted(root.glob(version if exact else f"{version}.*"), key=lambda path: _digits(path.name))
    interpreters = [path / "bin" / "python" for path in reversed(found)]
    return next((str(path) for path in interpreters if os.access(path, os.X_OK)), "")


def _digits(name: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", name)]


def _runs(interpreter: str) -> bool:
    try:
        return subprocess.run([interpreter, "-c", ""], capture_output=True, timeout=60).returncode == 0
    except (OSError, subprocess.SubprocessError):
        return False


def resolve(requirements: Sequence[str], interpreter: str, without: str = "") -> tuple[str, ...]:
    """``name==version`` (or ``name @ url``) of every package that the requirements bring along, ``without`` one."""
    told = _compiled(requirements, interpreter, without=without)
    return tuple(line.strip() for line in told.splitlines() if re.match(r"[\w.-]+(==| @ )", line))


def newest(requirement: str, interpreter: str) -> str | None:
    """The newest version of a package that a requirement allows and the index has for an interpreter, if any."""
    try:
        return _compiled([requirement], interpreter, "--no-deps").strip().partition("==")[2]
    except UvRefused as refused:
        if refused.reason == "no-solution":
            return None
        raise


def _compiled(requirements: Sequence[str], interpreter: str, *more: str, without: str = "") -> str:
    """What uv pins the requirements to, a line each."""
    with tempfile.TemporaryDirectory(prefix="kerasload-") as folder:
        wanted = Path(folder, "wanted.in")
        wanted.write_text("\n".join(requirements) + "\n", encoding="utf-8")
        options = ["-q", "--no-header", "--no-annotate", "-p", interpreter, *more]
        if without:  # an override whose marker never holds
            Path(folder, "without.txt").write_text(f"{without}; python_version < '0'\n", encoding="utf-8")
            options += ["--override", str(Path(folder, "without.txt"))]
        return _run(["pip", "compile", *options, str(wanted)])


def create(directory: Path, interpreter: str) -> None:
    """A virtual environment without anything in it; ``interpreter`` is a path, or a version for uv to download."""
    _run(["venv", "-q", "--no-project", "--relocatable", "-p", interpreter, str(directory)])


def install(interpreter: Path, packages: Sequence[str], tell: Tell) -> None:
    """Install packages as they were resolved; ``tell`` gets what uv says on the way, a line each."""
    with tempfile.TemporaryDirectory(prefix="kerasload-") as folder:
        wanted = Path(folder, "wanted.txt")
        wanted.write_text("\n".join(packages) + "\n", encoding="utf-8")
        _run(["pip", "install", "--no-deps", "-p", str(interpreter), "-r", str(wanted)], tell)


def _run(arguments: Sequence[str], tell: Tell | None = None) -> str:
    """What uv printed; UvRefused where it did not do it."""
    command = [binary(), "--no-progress", *arguments]
    environment = {key: value for key, value in os.environ.items() if key not in ("VIRTUAL_ENV", "PYTHONPATH")}
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE if tell is None else subprocess.STDOUT,
        text=True,
        errors="replace",
        env={**environment, "NO_COLOR": "1"},
        cwd=tempfile.gettempdir(),
    ) as process:
        try:
            out, said = process.communicate(timeout=_SECONDS) if tell is None else _followed(process, tell)
        except subprocess.TimeoutExpired:
            raise UvRefused("network", f"uv did not end within {_SECONDS:.0f} s") from None
        finally:
            if process.poll() is None:  # Ctrl-C
                process.kill()
    if process.returncode:
        raise UvRefused(_reason(said), _shortened(said))
    return out


def _followed(process: subprocess.Popen[str], tell: Tell) -> tuple[str, str]:
    """All that a process prints, each line told as it comes."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        tell(line.rstrip())
    process.wait(timeout=_SECONDS)
    return "".join(lines), "".join(lines)


_NETWORK = (
    "Failed to fetch",
    "Failed to download",
    "error sending request",
    "network was disabled",
    "Could not connect",
)
_PYTHON = ("No interpreter found", "Failed to inspect Python", "No download found", "Python downloads are")


def _reason(said: str) -> str:
    if any(text in said for text in _PYTHON):
        return "python"
    if any(text in said for text in _NETWORK):
        return "network"
    return "no-solution" if "No solution found" in said or "unsatisfiable" in said else "other"


def _shortened(said: str) -> str:
    """What uv said, without its conclusion, in one line."""
    words = " ".join(said.split())
    words = re.sub(r"error: No solution found when resolving dependencies:?\s*(cause:|╰─▶)?\s*", "", words)
    words = re.sub(r",? we can conclude that your requirements are unsatisfiable\.", "", words)
    return words[:600]
