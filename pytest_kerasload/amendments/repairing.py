"""``python -m pytest_kerasload repair``: a copy of an artifact whose configuration another Keras release takes."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import Any

from packaging.version import InvalidVersion, Version

from pytest_kerasload.amendments.amendment import amended
from pytest_kerasload.amendments.writing import NotWritten, write
from pytest_kerasload.artifacts.reading import read
from pytest_kerasload.environments.versions import Versions
from pytest_kerasload.expected import path_for


def add(commands: Any) -> None:
    """Add the command to those of ``python -m pytest_kerasload``."""
    parser = commands.add_parser(
        "repair",
        help="write a copy of an artifact that another Keras release takes",
        description="Writes a copy of an artifact that the release takes; the values of weights and everything else "
        "stay as they are. Gate the copy before you ship it.",
    )
    parser.add_argument("artifact", type=Path)
    parser.add_argument("copy", type=Path, help="where the copy is written; never over a file that is there")
    parser.add_argument(
        "--for",
        dest="release",
        type=release,
        required=True,
        metavar="RELEASE",
        help="keras==3.15.1, keras==2.15.0 or tf_keras==2.21.0",
    )
    parser.set_defaults(run=run)


def release(text: str) -> Versions:
    """The release that ``--for`` names; argparse.ArgumentTypeError, with what can be given, for anything else."""
    name, _, number = text.partition("==")
    try:
        version = Version(number)
    except InvalidVersion:
        version = None
    if name not in ("keras", "tf_keras", "tf-keras") or version is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no release: give keras==3.15.1, keras==2.15.0 or tf_keras==...")
    if name != "keras":
        return Versions("", str(version), str(version), "tf_keras")
    flavour = "keras3" if version.major >= 3 else "keras2"
    return Versions("", "2.21.0" if flavour == "keras3" else str(version), str(version), flavour)


def run(chosen: argparse.Namespace) -> int:
    """Write the copy and say what was changed; 1 where there is nothing to change or nothing can be written."""
    artifact = read(chosen.artifact) if chosen.artifact.exists() else None
    if artifact is None:
        return _refused(f"{chosen.artifact} does not exist")
    if not artifact.readable:
        return _refused("; ".join(problem.message for problem in artifact.problems))
    if artifact.format not in ("h5", "keras", "savedmodel"):
        return _refused(f"{chosen.artifact} is a {artifact.format}: there is no model in it to repair")
    amendment = amended(artifact, chosen.release)
    if amendment is None:
        return _refused(f"{chosen.artifact}: nothing is known that could be changed for {chosen.release.label}")
    try:
        write(artifact, amendment, chosen.copy)
    except NotWritten as error:
        return _refused(str(error))
    print(f"{chosen.copy}: {amendment.told}")
    for change in amendment.risky:
        print(f"  not its default: {change.what} of {change.where}; compare the copy's predictions before you ship it")
    if artifact.format == "savedmodel":
        print("  load_model of Keras 3 reads none: call tf.saved_model.load(path).signatures, or wrap it in TFSMLayer")
    outputs, copied = (path_for(path, path, None) for path in (chosen.artifact, chosen.copy))
    if outputs.is_file() and not copied.exists():
        print(f"hold it to the outputs of the original: cp {shlex.quote(str(outputs))} {shlex.quote(str(copied))}")
    print(f"gate it: pytest --keras-models={shlex.quote(str(chosen.copy))}")
    return 0


def _refused(message: str) -> int:
    print(f"kerasload: {message}", file=sys.stderr)
    return 1
