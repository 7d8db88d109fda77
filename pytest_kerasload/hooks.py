"""What users answer through hooks, validated. Knows nothing of pytest: the hook is a callable in the settings."""

from __future__ import annotations

import difflib
import threading
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_kerasload import batches, tables
from pytest_kerasload.artifacts.record import Artifact
from pytest_kerasload.environments.session import InputSpec
from pytest_kerasload.settings import BadSetting, Settings

Array = NDArray[Any]
Inputs = Mapping[str, Mapping[str, Any] | Array]

_NAME = "pytest_kerasload_inputs"
# The threads of the pool ask; a user's function need not be made for several at once.
_lock = threading.Lock()


class HookMistake(Exception):
    """A user's hook raised, or gave what cannot be meant: neither the artifact's failure nor this plugin's defect."""


def inputs_for(settings: Settings, artifact: Artifact, specs: Sequence[InputSpec]) -> Inputs:
    """What the user says of the inputs of a loaded model, by input name: a table, or a batch of real rows.

    The hook's words, and over them those of ``kerasload.toml``: its keys over those of a table from the hook, its
    table over a batch. HookMistake, with where the hook is, for an answer that cannot be meant.
    """
    found: dict[str, Mapping[str, Any] | Array] = dict(_answer(settings, artifact, specs))
    for name, table in settings.overrides(artifact.path).inputs.items():
        place = batches.called(name, specs)
        key = name if place is None else specs[place].name
        earlier = found.get(key)
        found[key] = {**earlier, **table} if isinstance(earlier, Mapping) else table
    return found


def _answer(settings: Settings, artifact: Artifact, specs: Sequence[InputSpec]) -> Inputs:
    hook = settings.inputs_hook
    if hook is None:
        return {}
    where = getattr(hook, "origin", "") or getattr(hook, "__qualname__", "")
    told = f"{_NAME} ({where}), asked about {artifact.path.name}"
    try:
        with _lock:
            answer = hook(artifact, tuple(specs))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # pytest.skip and its like are no Exception, and would end the thread that asks
        raise HookMistake(f"{told}, raised {type(error).__name__}: {error}\n{_frames(error)}".rstrip()) from None
    if answer is None:
        return {}
    try:
        return _checked(answer, specs)
    except ValueError as error:
        raise HookMistake(f"{told}: {error}") from None


def _checked(answer: Any, specs: Sequence[InputSpec]) -> Inputs:
    """The answer by the inputs' own names; ValueError when it cannot be meant."""
    if not isinstance(answer, Mapping):
        raise BadSetting(
            f"it gave {_shown(answer)}; give None, or a dict of input names and what is tried for each: a table "
            "such as {'max': 999}, or a NumPy array of rows"
        )
    found: dict[str, Mapping[str, Any] | Array] = {}
    for name, given in answer.items():
        place = batches.called(name, specs)
        if place is None:
            raise BadSetting(_unknown(name, specs))
        spec = specs[place]
        if spec.name in found:
            raise BadSetting(f"input {spec.name!r} is given twice")
        try:
            found[spec.name] = tables.input_table(given) if isinstance(given, Mapping) else _rows(given, spec)
        except ValueError as error:
            raise BadSetting(f"inputs.{name}: {error}") from None
    for endpoint in dict.fromkeys(spec.endpoint for spec in specs):
        rows = {
            spec.name: len(array)
            for spec in specs
            if spec.endpoint == endpoint and isinstance(array := found.get(spec.name), np.ndarray)
        }
        if len(set(rows.values())) > 1:
            sizes = ", ".join(f"{name} has {size}" for name, size in rows.items())
            raise BadSetting(f"batches of one model have one number of rows: {sizes}")
    return found


def _unknown(name: Any, specs: Sequence[InputSpec]) -> str:
    names = [spec.name for spec in specs]
    near = difflib.get_close_matches(str(name), names, n=1)
    known = f"did you mean {near[0]!r}?" if near else f"its inputs are {', '.join(map(repr, names)) or 'not known'}"
    return f"the model has no input {name!r}; {known}"


def _rows(given: Any, spec: InputSpec) -> Array:
    if not hasattr(given, "__array__"):
        raise BadSetting(f"it is {_shown(given)}; give a table or a NumPy array of rows")
    array = batches.as_array(given)
    fitting = batches.fitting(array, spec)
    if fitting is None:
        raise BadSetting(f"it is {batches.shown(array)}; the input takes {batches.told(spec)}")
    if fitting.ndim == 0 or not len(fitting):
        raise BadSetting("it holds no row")
    return fitting


def _shown(value: Any) -> str:
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) <= 80 else text[:80] + '...'}"


def _frames(error: BaseException) -> str:
    """Where in the user's code it was raised: the traceback without the way that leads there."""
    here = Path(__file__).parent
    frames = traceback.extract_tb(error.__traceback__)
    kept = [f for f in frames if "pluggy" not in Path(f.filename).parts and here not in Path(f.filename).parents]
    return "".join(traceback.format_list(kept))
