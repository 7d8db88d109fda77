"""From the text that a loader raised to the cause in the catalogue."""

from __future__ import annotations

import re
from collections.abc import Iterator
from types import ModuleType

from pytest_kerasload.artifacts.builtins import exists_in, is_builtin
from pytest_kerasload.artifacts.record import Artifact
from pytest_kerasload.causes import custom_objects, environment, resource, roundtrip, training
from pytest_kerasload.causes.catalogue import FILE, SAFETY, VERSION, cause, entries
from pytest_kerasload.causes.cause import Cause
from pytest_kerasload.environments.versions import Versions

_INNER = "Exception encountered:"
"""Keras 3 puts this before the reason, behind what it was doing: the last one is the reason."""

_DUMPED = re.compile(r"Full object config: .*?(?=\n\n|$)|\bconfig=\{.*?(?=\n\n|$)", re.DOTALL)
"""Whole configurations in a text: what is in them says nothing about what went wrong."""

_CLASS_UNKNOWN = (
    r"Could not deserialize class '(?P<name>[^']+)' because its parent module",
    r"Could not locate (?:class|function) '(?P<name>[^']+)'",
    r"Could not deserialize '(?:[\w.]+\.)?(?P<name>\w+)' because it is not a KerasSaveable subclass",
    r"Unknown [a-z_ ]+?:? '?(?P<name>[\w>.]+)'?\. Please ensure",
    r"Unknown [a-z_ ]+?: '?(?P<name>[\w>.]+)'?",
    r"Unable to restore a layer of class (?P<name>[\w>]+)",
    r"Could not interpret \w+(?: function)? identifier: \{.*?'class_name': '(?P<name>[^']+)'",
    r"Could not interpret \w+(?: function)? identifier: (?P<name>[\w>.]+)",
    r"The added layer must be an instance of class Layer\. Received: layer=(?P<name>\w+) of type <class 'str'>",
    r"Cannot convert '(?P<name>\w+)' to EagerTensor",
    r"Argument `cell` should have a `call` method\. The RNN was passed: cell=(?P<name>\w+)$",
)
"""How releases say that they do not find a class or function."""

_KEY_REJECTED = (
    r"Unrecognized keyword arguments passed to (?P<owner>\w+): \{",
    r"(?P<owner>\w+)(?:\.__init__)?\(\) got an unexpected keyword argument '",
    r"\b(?!get_tensor\b)(?P<owner>\w+)(?:\.__init__)?\(\) missing \d+ required",
    r"(?P<owner>\w+)\(\) takes no arguments",
)
"""How releases say that a class does not take a configuration key, and say which class."""


_OPERATION_AS_LAYER = r"too many positional arguments|Only input tensors may be passed as positional arguments"
"""Keras 3.15 reads x + y and x + 3.0 out of HDF5 as the layer Add, which takes one argument, a list of tensors."""

_REJECTED = {
    "optimizer": "optimizer-config-rejected",
    "schedule": "optimizer-config-rejected",
    "loss": "loss-config-rejected",
    "metric": "metric-config-rejected",
}


def explain(text: str, versions: Versions, artifact: Artifact | None) -> Cause:
    """The cause that a loader's text shows; ``unknown-load-error`` where it shows none.

    The text behind the last ``Exception encountered:`` is asked first, then the whole text. What it says about a
    class is told apart by whether the class is Keras' own, and whether this release has it.
    """
    found = understood(text, versions, artifact)
    if found is not None:
        return found
    if artifact is not None and artifact.format == "savedmodel":
        # Without Keras metadata the loader of Keras 2 stops at an index (list index (0) out of range), or says so.
        return cause("savedmodel-not-revived" if artifact.keras_metadata else "savedmodel-without-keras")
    return cause("unknown-load-error")


def understood(text: str, versions: Versions, artifact: Artifact | None) -> Cause | None:
    """The cause that a text shows, whatever a loader or a model was asked; None where it shows none."""
    old_name = _old_function_name(text, versions)
    if old_name is not None:
        return old_name
    for part in dict.fromkeys((text.rpartition(_INNER)[2], text)):
        for found in _candidates(_DUMPED.sub("", part).strip(), versions, artifact):
            if found is not None:
                return found
    return None


def _old_function_name(text: str, versions: Versions) -> Cause | None:
    entry = cause("custom-function-old-name")
    affected = versions.keras3 and versions.keras_version.release[:2] in ((3, 7), (3, 8))
    return entry if affected and re.search(entry.signatures[0], text, re.DOTALL) else None


def of_rejected_key(name: str, key: str, kind: str) -> str:
    """The code of the cause that a class of Keras' own does not take a configuration key."""
    known = _by_signature(f"Unrecognized keyword arguments passed to {name}: {{'{key}': None}}", training, *VERSION)
    return known.code if known is not None else _REJECTED.get(kind, "config-key-rejected")


def of_unknown_class(name: str) -> str:
    """The code of the cause that a release does not have a class of Keras' own."""
    if name == "Orthogonal":
        return "keras3-orthogonal"
    known = _by_signature(f"Unknown layer: '{name}'", *VERSION)
    if known is not None:
        return known.code
    return "optimizer-not-in-this-keras" if _is_optimizer(name) else "class-not-in-this-keras"


def _is_optimizer(name: str) -> bool:
    return is_builtin(name, "optimizer") and not is_builtin(name, "layer")


def _candidates(text: str, versions: Versions, artifact: Artifact | None) -> Iterator[Cause | None]:
    yield _by_format(text, versions, artifact)
    yield _by_signature(text, environment, resource)
    yield _refused_call(text, versions, artifact)
    yield _rejected_key(text, artifact)
    yield _by_signature(text, training, *VERSION)
    yield _unknown_class(text, versions, artifact)
    yield _refused_object(text, artifact)
    yield _by_signature(text, custom_objects, *SAFETY, *FILE, roundtrip)


def _by_signature(text: str, *modules: ModuleType) -> Cause | None:
    for module in modules:
        for entry in entries(module):
            if any(re.search(signature, text, re.DOTALL) for signature in entry.signatures):
                return entry
    return None


def _by_format(text: str, versions: Versions, artifact: Artifact | None) -> Cause | None:
    """Texts that say the same of several formats."""
    if artifact is None:
        return None
    if artifact.format == "savedmodel":
        if "legacy SavedModel format is not supported" in text:
            return cause("savedmodel-needs-keras2")
        if re.search(r"Please make sure that this class is included in the `custom_objects` arg", text):
            return cause("custom-object-unresolved")
        return None
    if "SpectralNormalization" in text or "'str' object is not callable" in text:
        theirs = any(use.class_name == "SpectralNormalization" and not use.custom for use in artifact.objects)
        if theirs and not versions.keras3 and versions.keras_version.release >= (2, 13):
            return cause("spectral-normalization-not-found")
    if "object of type 'bool' has no len()" in text:  # behind what says that objects could not be loaded
        return cause("text-vectorization-tf-idf")
    if re.search(r"Unknown \w+ function: '?function\b", text):
        return cause("h5-custom-function")
    if artifact.format == "keras" and re.search(r"file signature not found|SavedModel file does not exist", text):
        return cause("file-keras-named-hdf5" if artifact.path.suffix != ".keras" else "keras-zip-in-old-tensorflow")
    if "legacy SavedModel format is not supported" in text:
        return cause("file-unusual-suffix")
    if artifact.format == "h5" and _is_unbuilt(text) and not _is_sequential(artifact):
        return cause("h5-subclassed-unbuilt")
    if artifact.format == "h5" and "Table not initialized" in text:
        # Keras 3 writes lookup layers into HDF5 without a word, and reads them back without their vocabulary.
        return cause("h5-lookup-layer")
    if artifact.format == "h5" and versions.keras3 and re.search(_OPERATION_AS_LAYER, text):
        return cause("h5-functional-ops")
    if re.search(r"expected \d+ variables, but received \d+ variables during loading", text):
        saved = artifact.saved_with.keras or ""
        if artifact.weights.style == "keras-2.13" or _is_old_keras(saved) or _is_old_keras(versions.keras or ""):
            return cause("keras213-weights-layout")
        if saved and saved.startswith("3") != versions.keras3:
            return cause("keras3-weights-layout")
    if versions.keras3 and "its parent module" in text and artifact.format == "keras":
        return _not_there(text, versions)
    if "expected str, bytes or os.PathLike object, not NoneType" in text and artifact.format == "keras":
        return cause("keras213-weights-layout")
    if artifact.format == "h5" and "SavedModel file does not exist" in text:
        # Keras 2 takes for a SavedModel what h5py does not open, and everything where there is no h5py.
        return cause("h5py-missing")
    if versions.keras3 and "string indices must be integers" in text:
        # saving_utils._resolve_compile_arguments_compat takes the name of a function for a dict.
        if _has_custom_loss(artifact):
            return cause("custom-object-unresolved")
        if artifact.training_config is not None and not _is_listed(artifact):
            return cause("training-config-not-read")
    return None


def _not_there(text: str, versions: Versions) -> Cause | None:
    """On Keras 3, a module of Keras 2 that cannot be imported: because of its path, or with the class that is gone."""
    name = _match(_CLASS_UNKNOWN[:1], text, "name")
    if name is None or not is_builtin(name):
        return None
    gone = exists_in(name, None, versions.flavour, release_of(versions)) is False
    return cause(of_unknown_class(name)) if gone else None


def _is_old_keras(release: str) -> bool:
    return release.startswith(("2.12.", "2.13."))


def _is_listed(artifact: Artifact) -> bool:
    """Whether the configuration is that of a Sequential of Keras 2.2.2 or older."""
    return artifact.config is not None and isinstance(artifact.config.get("config"), list)


def _is_unbuilt(text: str) -> bool:
    return any(re.search(signature, text) for signature in cause("h5-sequential-unbuilt").signatures)


def _is_sequential(artifact: Artifact) -> bool:
    """Whether the model is a Sequential, or nothing is known of it."""
    return artifact.config is None or artifact.config.get("class_name") in ("Sequential", None)


def _has_custom_loss(artifact: Artifact) -> bool:
    return any(use.custom and use.section == "training" for use in artifact.objects)


_CALLED = r"(\w+)\.(call|build)\(\) (?:got an unexpected keyword argument|missing \d+ required)"


def _uses(name: str, artifact: Artifact) -> bool:
    """Whether a class of Keras' own is a layer of an artifact in HDF5."""
    return artifact.format == "h5" and any(use.class_name == name and not use.custom for use in artifact.objects)


def _refused_call(text: str, versions: Versions, artifact: Artifact | None) -> Cause | None:
    """A class that does not take what it is called or built with: Keras' own, or by code of the user's."""
    found = re.search(_CALLED, text)
    if found is None or "'time_major'" in text:
        return None
    if found[2] == "build" and versions.keras3 and artifact is not None and _uses(found[1], artifact):
        # Without the tensors that were keyword arguments of the call.
        return cause("keras2-call-arguments")
    theirs = artifact is not None and bool(artifact.custom_objects)
    if _is_custom(found[1], artifact) or (theirs and (found[2] == "build" or not is_builtin(found[1]))):
        return cause("custom-object-call-fails")
    return _by_signature(text, training, *VERSION) or cause("call-argument-rejected")


def _match(patterns: tuple[str, ...], text: str, group: str) -> str | None:
    for pattern in patterns:
        found = re.search(pattern, text, re.DOTALL)
        if found:
            return found[group]
    return None


def _rejected_key(text: str, artifact: Artifact | None) -> Cause | None:
    owner = _match(_KEY_REJECTED, text, "owner")
    if "'time_major'" in text:  # Keras' own, even where a class of the user's inherits it
        return None
    if owner is None:
        return _key_without_owner(text, artifact)
    if owner == "__init__":  # Python 3.9 and older do not say whose
        return _by_signature(text, training) or cause("custom-object-rejects-config")
    if not is_builtin(owner) or _is_custom(owner, artifact):
        return cause("custom-object-rejects-config")
    known = _by_signature(text, training, *VERSION)
    if known is not None:
        return known
    used = [use.kind for use in artifact.objects if use.class_name == owner] if artifact is not None else []
    told = [one for one in _REJECTED if is_builtin(owner, one) and not is_builtin(owner, "layer")]
    kind = (used or told or ["layer"])[0]
    return cause(_REJECTED.get(kind, "config-key-rejected"))


def _key_without_owner(text: str, artifact: Artifact | None) -> Cause | None:
    """Keras 2 names the keys that the base class of layers does not take, but not the layer."""
    found = re.search(
        r"Keyword argument not understood:'?, '(\w+)'|Unrecognized keyword argument(?:s: \[|\(s\): \{)'(\w+)'", text
    )
    if found is None:
        return None
    known = _by_signature(text, training, *VERSION)
    if known is not None:
        return known
    key = found[1] or found[2]
    uses = artifact.objects if artifact is not None else ()
    custom = any(use.custom and isinstance(use.config, dict) and key in use.config for use in uses)
    return cause("custom-object-rejects-config" if custom else "config-key-rejected")


def _refused_object(text: str, artifact: Artifact | None) -> Cause | None:
    """Texts that name the class that could not be made, or called, behind a reason that says nothing else."""
    if re.search(r"Requested the deserialization of a (?:Python lambda|`?Lambda`? layer)", text):
        return cause("lambda-bytecode")
    for pattern, code in (
        (r"Error when deserializing class '(\w+)'", "custom-object-rejects-config"),
        (
            r"<(?:class ')?[\w.]*?(\w+)(?:'| object at 0x\w+)> could not be deserialized properly",
            "custom-object-rejects-config",
        ),
        (
            r"Exception encountered when calling (?:layer (?:'[^']*'|\"[^\"]*\") \(type )?(\w+)",
            "custom-object-call-fails",
        ),
    ):
        found = re.search(pattern, text)
        if found:
            own = is_builtin(found[1]) and not _is_custom(found[1], artifact)
            return cause("config-value-rejected" if own else code)
    if "likely due to name conflict with built-in Keras class" in text:
        return cause("config-key-rejected")
    return None


def _is_custom(name: str, artifact: Artifact | None) -> bool:
    """Whether the artifact has a class or function of its own by that name."""
    bare = name.rpartition(">")[2]
    return artifact is not None and any(
        use.custom and bare in (use.class_name, use.name.rpartition(">")[2]) for use in artifact.objects
    )


def _unknown_class(text: str, versions: Versions, artifact: Artifact | None) -> Cause | None:
    name = _match(_CLASS_UNKNOWN, text, "name")
    if name is None:
        return None
    if _is_custom(name, artifact) or not is_builtin(name.removeprefix("Custom>")):
        return cause("hub-layer" if name == "KerasLayer" else "custom-object-unresolved")
    name = name.removeprefix("Custom>")
    if is_builtin(name, "operation") and not is_builtin(name, "layer"):
        return cause("h5-mixed-precision-cast" if name == "Cast" else "h5-functional-ops")
    here = exists_in(name, None, versions.flavour, release_of(versions))
    if _is_optimizer(name):
        return cause("optimizer-not-in-this-keras" if here is False else "training-config-not-read")
    if here is False:
        return cause("class-not-in-this-keras")
    if is_builtin(name, "schedule") or is_builtin(name, "loss") or is_builtin(name, "metric"):
        return cause("training-config-not-read")
    if not versions.keras3:
        return None
    return cause("keras2-wrapped-layer" if artifact is None or artifact.format == "h5" else "keras2-module-path")


def release_of(versions: Versions) -> str:
    """The version by which the table of built-in names is asked: that of TensorFlow where Keras was a part of it."""
    bundled = versions.flavour == "keras2" and versions.tensorflow is not None
    return (versions.tensorflow if bundled else versions.keras) or "0"
