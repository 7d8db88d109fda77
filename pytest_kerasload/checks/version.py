"""The ``version`` check: what in an artifact the Keras of an environment is known to reject, or to read otherwise.

It needs no TensorFlow: it goes by static marks, and by the table of names and keys measured on the releases.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Literal

from pytest_kerasload.artifacts.builtins import accepts, exists_in, key_since, since
from pytest_kerasload.artifacts.layers import class_name
from pytest_kerasload.artifacts.record import Artifact, ConfigObject
from pytest_kerasload.causes import cause
from pytest_kerasload.causes.loader import Loader, Mark, is_legacy, release_number
from pytest_kerasload.causes.marks import marks
from pytest_kerasload.causes.matching import of_rejected_key, of_unknown_class, release_of
from pytest_kerasload.environments.versions import Versions
from pytest_kerasload.findings import Finding, Remedy, listed

_CONFIGURED = (
    "layer",
    "operation",
    "optimizer",
    "schedule",
    "loss",
    "metric",
    "initializer",
    "regularizer",
    "constraint",
)


def check(artifact: Artifact, versions: Versions, policy: Literal["evidence", "strict", "off"]) -> tuple[Finding, ...]:
    """Every blocker of the artifact on that environment at once, one finding a cause.

    What only concerns training comes last, with the family ``training-state``.
    """
    if policy == "off" or not artifact.readable or not versions.keras:
        return ()
    loader = Loader(versions, release_of(versions))
    found = list(marks(artifact, loader))
    if not any(mark.code in _WHOLE for mark in found):
        made = list(_made_anew(artifact, loader))
        found += _unknown_names(made, artifact, loader)
        found += _rejected_keys(made, artifact, loader)
    findings = _grouped(found, artifact, loader)
    if policy == "strict":
        findings += _newer(artifact, versions)
    return tuple(findings)


def as_given(artifact: Artifact, names: Collection[str]) -> Artifact:
    """The artifact with the classes that the user gives under those names as the user's.

    They may have the names of classes that other Keras releases bring along.
    """
    objects = tuple(replace(use, custom=True) if use.name in names else use for use in artifact.objects)
    return replace(artifact, objects=objects)


_WHOLE = ("savedmodel-needs-keras2", "keras-zip-in-old-tensorflow")


def _made_anew(artifact: Artifact, loader: Loader) -> Iterator[ConfigObject]:
    """The objects that loading makes from their configuration and from nothing else.

    Layers of a SavedModel come back from its graph where they cannot be made: always since Keras 2.12, before only
    where their class is not known. The inputs of a Sequential have to be made (keras/saving/saved_model/load.py,
    _revive_layer_or_model_from_config and _reconstruct_model).
    """
    if artifact.format != "savedmodel":
        yield from artifact.objects
        return
    owners = {use.place: use.class_name for use in artifact.objects if use.kind in ("layer", "model")}
    owners[""] = class_name(artifact.config) if artifact.config else ""
    for use in artifact.objects:
        if use.class_name == "InputLayer":
            needed = owners.get(use.place.rpartition("/")[0]) == "Sequential"
        else:
            known = exists_in(use.class_name, "layer", loader.versions.flavour, loader.release)
            needed = loader.keras < (2, 12) and use.kind == "layer" and bool(known)
        if needed or use.section == "training":
            yield use


def _unknown_names(uses: list[ConfigObject], artifact: Artifact, loader: Loader) -> Iterator[Mark]:
    for use in uses:
        if use.custom or use.kind == "policy" or _compat(use, artifact, loader):
            continue
        name = use.class_name.removeprefix("Custom>") if use.config is not None else use.name
        if name == "function":
            name = use.name
        if exists_in(name, None, loader.versions.flavour, loader.release) is False:
            first = since(name, None, loader.versions.flavour)
            hint = f" (new in {_keras(loader)} {first})" if first else ""
            yield Mark(of_unknown_class(name), f"{{loader}} has no {name}{hint}", use.place)


def _rejected_keys(uses: list[ConfigObject], artifact: Artifact, loader: Loader) -> Iterator[Mark]:
    for use, key in _rejected(uses, artifact, loader):
        name = use.class_name.rpartition(">")[2]
        code = of_rejected_key(name, key, use.kind)
        yield Mark(code, f"{name} takes no {key}{_when(name, key, use, loader)}", use.place)


def rejected(artifact: Artifact, loader: Loader) -> Iterator[tuple[ConfigObject, str]]:
    """Every object of the artifact with a configuration key that its class does not take there."""
    yield from _rejected(list(_made_anew(artifact, loader)), artifact, loader)


def _rejected(uses: list[ConfigObject], artifact: Artifact, loader: Loader) -> Iterator[tuple[ConfigObject, str]]:
    for use in uses:
        if use.custom or use.kind not in _CONFIGURED or not isinstance(use.config, Mapping):
            continue
        if _compat(use, artifact, loader):
            continue
        name = use.class_name.rpartition(">")[2]
        table_name = f"legacy>{name}" if _is_legacy_optimizer(use, loader) else name
        for key in use.config:
            if _dropped(use, key, loader):
                continue
            if accepts(table_name, key, loader.versions.flavour, loader.release, use.kind) is False:
                yield use, key


def _is_legacy_optimizer(use: ConfigObject, loader: Loader) -> bool:
    """Whether Keras 2.11 to 2.15 and tf_keras read the configuration as one of an older optimizer.

    keras/src/optimizers/__init__.py, deserialize: without is_legacy_optimizer it is one.
    """
    if use.kind != "optimizer" or loader.keras3 or not isinstance(use.config, Mapping):
        return False
    if not exists_in(f"legacy>{use.class_name}", "optimizer", loader.versions.flavour, loader.release):
        return False
    return ".legacy" in (use.module or "") or bool(use.config.get("is_legacy_optimizer", use.module is None))


def _when(name: str, key: str, use: ConfigObject, loader: Loader) -> str:
    """When the key came or went, as far as it was measured."""
    first = key_since(name, key, loader.versions.flavour, use.kind)
    if first is not None and tuple(map(int, first.split("."))) > loader.keras:
        return f" before {_keras(loader)} {first}"
    if loader.keras3 and first is None and key_since(name, key, "keras2", use.kind):
        return " any more (gone since Keras 3.0)"
    return f" on {loader.label}"


def _keras(loader: Loader) -> str:
    return "tf_keras" if loader.versions.flavour == "tf_keras" else "Keras"


def _compat(use: ConfigObject, artifact: Artifact, loader: Loader) -> bool:
    """Whether the loader has code of its own that reads such an object in another way."""
    if use.module == "keras._legacy.layers":
        # Keras 3 keeps some layers of Keras 2 for .keras archives only (keras/src/legacy/layers.py).
        return loader.keras3 and artifact.format == "keras"
    # Keras 3 takes the optimizer of that name with its defaults (legacy/saving/saving_utils.py,
    # _resolve_compile_arguments_compat).
    return loader.keras3 and artifact.format == "h5" and use.class_name.startswith("Custom>")


_LAMBDA_KEYS = frozenset({"module", "function_type", "output_shape_type", "output_shape_module"})


def _dropped(use: ConfigObject, key: str, loader: Loader) -> bool:
    """Whether Keras takes the key out, or turns it into another, before the class sees it.

    keras/src/legacy/saving/saving_utils.py, model_from_config.
    """
    if loader.keras3 and is_legacy(use) and use.kind == "layer":
        return key in ("batch_input_shape", "axis") or (use.class_name == "Lambda" and key in _LAMBDA_KEYS)
    return False


def _grouped(found: list[Mark], artifact: Artifact, loader: Loader) -> list[Finding]:
    """One finding a cause: its messages joined, its places listed."""
    groups: dict[str, list[Mark]] = {}
    for mark in found:
        groups.setdefault(mark.code, []).append(mark)
    saved = artifact.saved_with.keras or artifact.saved_with.tensorflow
    by = f"; saved with {'Keras' if artifact.saved_with.keras else 'TensorFlow'} {saved}" if saved else ""
    found_by_code = [
        cause(code).finding(
            _message(group).replace("{loader}", loader.label) + by,
            where=listed(mark.place for mark in group),
            remedies=tuple(Remedy(action) for action in cause(code).remedies_for(loader.versions, artifact)),
        )
        for code, group in groups.items()
    ]
    return sorted(found_by_code, key=lambda finding: finding.family == "training-state")


def _message(group: list[Mark]) -> str:
    return listed((mark.message for mark in group), "; ")


def _newer(artifact: Artifact, versions: Versions) -> list[Finding]:
    """The finding that the artifact comes from a newer release than the running one, whatever is in it."""
    for what, saved, running in (
        ("Keras", artifact.saved_with.keras, versions.keras),
        ("TensorFlow", artifact.saved_with.tensorflow, versions.tensorflow),
    ):
        theirs, ours = release_number(saved), release_number(running)
        if theirs is not None and ours is not None and theirs > ours:
            message = f"saved with {what} {saved}, newer than {running} here"
            return [cause("saved-by-newer-release").finding(message)]
    return []
