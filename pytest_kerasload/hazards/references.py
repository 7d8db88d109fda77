"""What a configuration asks a loader to import: ``module`` and a name in it, as Keras 2.13 and later resolve them."""

from __future__ import annotations

import ast
import importlib
import re
import sys
import sysconfig
from functools import cache
from pathlib import Path

from pytest_kerasload import syntax
from pytest_kerasload.causes import safety
from pytest_kerasload.causes.cause import Cause
from pytest_kerasload.hazards.policy import is_denied_function, is_tensor_function, table

Danger = tuple[Cause, str, bool]
"""A cause, what would happen in words, and whether that makes the check fail."""

_KERAS = re.compile(r"(?:tf_keras|keras_core|keras|tensorflow(?:_core)?\.(?:python\.|_api\.v\d\.)?keras)\.(.+)")
_INNER = frozenset({"src", "api", "_tf_keras", "keras", "_legacy", "legacy", "_v1", "_v2", "python"})
_TENSORFLOW_OPS = re.compile(
    r"python\.(?:ops\.(?!(?:gen_)?(?:io|script)_ops|summary|gen_\w*dataset)|framework\.\w*ops?\b)"
)


def hazard_of(module: str, name: str, function: bool) -> Danger | None:
    """Why resolving ``name`` in ``module`` is dangerous; None where it is not.

    A function that a model names may be called while the model is rebuilt, so only functions that compute are let
    through. Classes are less of a danger: a loader takes only those with a ``from_config``. What no loader would
    find without the user's own code (``acme.layers.Gate``) is not dangerous: that code is theirs.
    """
    dotted = f"{module}.{name}"
    tail = dotted.rpartition(".")[2]
    if tail == "TFSMLayer":
        return safety.EXTERNAL_MODEL, "loads another SavedModel", True
    if tail == "TorchModuleWrapper":
        return safety.TORCH_PICKLE, "unpickles a PyTorch module", True
    named_as_function = function
    # A loader returns a function that is named as a class.
    function = function or tail[:1].islower()
    if keras := _KERAS.fullmatch(dotted):
        return _in_keras(dotted, keras[1], function)
    if module.partition(".")[0] in ("tensorflow", "tensorflow_core", "tf"):
        return _in_tensorflow(dotted, function)
    if module == "builtins":
        # How Keras writes every registered function: only what Python itself has is meant otherwise.
        dangerous = name in table("python_builtins")
        return (safety.CODE_REFERENCE, f"would call Python's {name}", True) if dangerous else None
    found = safety.CODE_REFERENCE, f"would import and call {dotted}"
    if dotted.startswith(tuple(table("foreign"))) or _in_standard_library(dotted):
        return *found, True
    # Keras writes the module "builtins" for every function, so this was written by something else.
    return (*found, False) if named_as_function else None


def _in_keras(dotted: str, path: str, function: bool) -> Danger | None:
    *modules, name = path.split(".")
    parts = [part for part in modules if part not in _INNER]
    where = parts[0] if parts else ""
    found = safety.KERAS_GADGET, f"would call {dotted}", True
    if name in table("keras_denied_names"):
        return found
    if name in table("keras_harmless"):
        return None
    if not function:
        return found if where in table("keras_gadget_modules") else None
    if where in table("keras_functions") or (where == "backend" and len(parts) == 1):
        return None
    return found


def _in_tensorflow(dotted: str, function: bool) -> Danger | None:
    if not function:
        return None
    path = re.sub(r"^\w+\.(?:_api\.v\d\.)?", "", dotted)
    if _TENSORFLOW_OPS.match(path):
        harmless = not is_denied_function(path.rpartition(".")[2])
    else:
        harmless = not path.startswith("python.") and is_tensor_function(path)
    return None if harmless else (safety.CODE_REFERENCE, f"would call {dotted}", True)


def _in_standard_library(dotted: str) -> bool:
    """Whether a name is in a module of Python's standard library.

    Modules of users have names of the library too (``code``, ``types``, ``test``), so the name has to be there.
    """
    parts = dotted.split(".")
    if parts[0] not in sys.stdlib_module_names:
        return False
    for length in range(len(parts) - 1, 0, -1):
        names = _names_in(tuple(parts[:length]))
        if names is not None:
            return parts[length] in names or "*" in names
    return False


@cache
def _names_in(module: tuple[str, ...]) -> frozenset[str] | None:
    """The names at the top of a module of the standard library, not imported; None where there is no such module.

    ``*`` stands for names that cannot be told: of a star import, or of a module without source.
    """
    if len(module) == 1 and module[0] in sys.builtin_module_names:
        return frozenset(dir(importlib.import_module(module[0])))
    base = Path(sysconfig.get_path("stdlib")).joinpath(*module)
    source = next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None)
    if source is None:
        return frozenset("*") if len(module) == 1 else None
    found: set[str] = set()
    waiting: list[ast.AST] = [syntax.tree(source.read_bytes())]
    while waiting:
        node = waiting.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            found.update((alias.asname or alias.name).partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        else:
            waiting.extend(ast.iter_child_nodes(node))
    return frozenset(found)
