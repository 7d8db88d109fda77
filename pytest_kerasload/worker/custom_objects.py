"""The user's own classes and functions: importing them, and resolving what an artifact asks for."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import sys
from typing import Any, Dict, List, Optional, Sequence, Tuple

from . import suspects, watching


def _module_from_file(path: str) -> Any:
    """The module in a Python file; imported once, under a name of its own."""
    path = os.path.abspath(path)
    name = watching.FROM_FILE + "".join(char if char.isalnum() else "_" for char in path)
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            raise ImportError("%s is not a Python file" % path)
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        folder = os.path.dirname(path)
        if folder not in sys.path:
            sys.path.append(folder)  # what lies beside the file can be imported by it
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
    return sys.modules[name]


def _public(runtime: Any, module: Any) -> Dict[str, Any]:
    """The classes and functions that a module defines itself (and what it imports from modules beside it)."""
    found = {}
    foreign = ("tensorflow", "keras", "tf_keras", "numpy", "builtins", "typing")
    for name, value in vars(module).items():
        if name.startswith("__") or not (inspect.isclass(value) or inspect.isfunction(value)):
            continue
        if str(getattr(value, "__module__", "")).split(".")[0] not in foreign:
            found[name] = value
    return found


def _registered_name(runtime: Any, value: Any) -> Optional[str]:
    for place in ("saving", "utils"):
        lookup = getattr(getattr(runtime.keras, place, None), "get_registered_name", None)
        if lookup is not None:
            return str(lookup(value))
    return None


def load(runtime: Any, references: Sequence[Dict[str, Any]], paths: Sequence[str]) -> Dict[str, Any]:
    """The objects that the references name, by the name under which an artifact asks for them.

    A reference is ``{"alias", "module" or "file", "name"}``. ImportError (or whatever the user's module raises)
    when one cannot be imported; AttributeError when a module has no such name.
    """
    for path in paths:
        if path not in sys.path:
            sys.path.append(path)
    objects: Dict[str, Any] = {}
    for reference in references:
        if reference.get("file"):
            module = _module_from_file(reference["file"])
        else:
            module = importlib.import_module(reference["module"])
        if reference.get("name"):
            value: Any = module
            for part in reference["name"].split("."):
                value = getattr(value, part)
            found = {reference["name"].split(".")[-1]: value}
        else:
            found = _public(runtime, module)
        if reference.get("alias"):
            value = next(iter(found.values())) if len(found) == 1 else module
            objects[reference["alias"]] = value
            continue
        for name, value in found.items():
            objects[name] = value
            registered = _registered_name(runtime, value)
            if registered:
                objects.setdefault(registered, value)
    return objects


def _lookup(runtime: Any, name: str, objects: Dict[str, Any], used: Dict[str, Any]) -> Any:
    """What a name stands for there: given objects, registered ones, then the module that the artifact names."""
    registered = used.get("registered_name")
    for key in (registered, used.get("class_name"), name):
        if key and key in objects:
            return objects[key]
    registries = []
    for place in ("saving", "utils"):
        getter = getattr(getattr(runtime.keras, place, None), "get_registered_object", None)
        if getter is not None:
            registries.append(getter)
    for getter in registries:
        for key in (registered, used.get("class_name"), name):
            if key:
                value = getter(key)
                if value is not None:
                    return value
    module = used.get("module")
    if module and module != "builtins":
        try:
            return getattr(importlib.import_module(module), name.split(">")[-1], None)
        except ImportError:
            return None
    return None


def _constructor_complaint(runtime: Any, value: Any, used: Dict[str, Any]) -> Optional[Dict[str, str]]:
    """What the class says when it is made from the saved configuration, or None when it accepts it."""
    config = used.get("config")
    if not inspect.isclass(value) or not isinstance(config, dict) or used.get("kind") == "model":
        return None
    build = getattr(value, "from_config", None)
    if build is None:
        return None
    try:
        build(dict(config))
    except Exception as error:  # the user's own code may raise anything
        return {"type": type(error).__name__, "text": str(error)}
    return None


def resolve(runtime: Any, wanted: List[Dict[str, Any]], objects: Dict[str, Any]) -> List[Dict[str, Any]]:
    """For every use of a custom object: is it found, and does its class accept the saved configuration?"""
    answers = []
    scope = getattr(runtime.keras.utils, "custom_object_scope", None) or runtime.keras.utils.CustomObjectScope
    with scope(objects):
        for used in wanted:
            value = _lookup(runtime, used["name"], objects, used)
            complaint = None
            forgotten: List[Tuple[str, str]] = []
            if value is not None:
                complaint = _constructor_complaint(runtime, value, used)
                if complaint is None and isinstance(used.get("config"), dict):
                    forgotten = suspects.forgotten_arguments(value, used["config"])
            answers.append(
                {
                    "found": value is not None,
                    "complaint": complaint,
                    "forgotten": [list(one) for one in forgotten],
                    "what": "%s.%s" % (getattr(value, "__module__", ""), getattr(value, "__qualname__", "")),
                }
            )
    return answers
