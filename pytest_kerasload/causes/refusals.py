"""What loaders say of a class, function, key or call that they refuse, and whose it is."""

from __future__ import annotations

import re

from pytest_kerasload.artifacts.builtins import exists_in, is_builtin
from pytest_kerasload.artifacts.record import Artifact
from pytest_kerasload.causes import training
from pytest_kerasload.causes.catalogue import VERSION, cause
from pytest_kerasload.causes.cause import Cause
from pytest_kerasload.causes.matching import REJECTED, by_signature, is_custom, is_optimizer, match, release_of
from pytest_kerasload.environments.versions import Versions

CLASS_UNKNOWN = (
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
    r"(?P<owner>\w+)(?:\.__(?:init|new)__)?\(\) got an unexpected keyword argument '",
    r"\b(?!get_tensor\b)(?P<owner>\w+)(?:\.__(?:init|new)__)?\(\) missing \d+ required",
    r"(?P<owner>\w+)\(\) takes no arguments",
)
"""How releases say that a class does not take a configuration key, and say which class."""


_CALLED = r"(?:(\w+)\.)?\b(call|build)\(\) (?:got an unexpected keyword argument|missing \d+ required)"


def refused_call(text: str, versions: Versions, artifact: Artifact | None) -> Cause | None:
    """A class that does not take what it is called or built with: Keras' own, or by code of the user's."""
    found = re.search(_CALLED, text)
    if found is None or "'time_major'" in text:
        return None
    name = found[1] or ""  # older Pythons do not say whose
    if found[2] == "build" and versions.keras3 and artifact is not None and _uses(name, artifact):
        # Without the tensors that were keyword arguments of the call.
        return cause("keras2-call-arguments")
    theirs = artifact is not None and bool(artifact.custom_objects)
    if is_custom(name, artifact) or (theirs and (found[2] == "build" or not is_builtin(name))):
        return cause("custom-object-call-fails")
    if not name:
        return None
    return by_signature(text, training, *VERSION) or cause("call-argument-rejected")


def _uses(name: str, artifact: Artifact) -> bool:
    """Whether a class of Keras' own is a layer of an artifact in HDF5."""
    return artifact.format == "h5" and any(use.class_name == name and not use.custom for use in artifact.objects)


def rejected_key(text: str, artifact: Artifact | None) -> Cause | None:
    owner = match(_KEY_REJECTED, text, "owner")
    if "'time_major'" in text:  # Keras' own, even where a class of the user's inherits it
        return None
    if owner is None:
        return _key_without_owner(text, artifact)
    if owner == "__init__":  # Python 3.9 and older do not say whose
        return by_signature(text, training) or cause("custom-object-rejects-config")
    if not is_builtin(owner) or is_custom(owner, artifact):
        return cause("custom-object-rejects-config")
    known = by_signature(text, training, *VERSION)
    if known is not None:
        return known
    used = [use.kind for use in artifact.objects if use.class_name == owner] if artifact is not None else []
    told = [one for one in REJECTED if is_builtin(owner, one) and not is_builtin(owner, "layer")]
    kind = (used or told or ["layer"])[0]
    return cause(REJECTED.get(kind, "config-key-rejected"))


def _key_without_owner(text: str, artifact: Artifact | None) -> Cause | None:
    """Keras 2 names the keys that the base class of layers does not take, but not the layer."""
    found = re.search(
        r"Keyword argument not understood:'?, '(\w+)'|Unrecognized keyword argument(?:s: \[|\(s\): \{)'(\w+)'", text
    )
    if found is None:
        return None
    known = by_signature(text, training, *VERSION)
    if known is not None:
        return known
    key = found[1] or found[2]
    uses = artifact.objects if artifact is not None else ()
    custom = any(use.custom and isinstance(use.config, dict) and key in use.config for use in uses)
    return cause("custom-object-rejects-config" if custom else "config-key-rejected")


def refused_object(text: str, artifact: Artifact | None) -> Cause | None:
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
            own = is_builtin(found[1]) and not is_custom(found[1], artifact)
            return cause("config-value-rejected" if own else code)
    if "likely due to name conflict with built-in Keras class" in text:
        return cause("config-key-rejected")
    return None


def unknown_class(text: str, versions: Versions, artifact: Artifact | None) -> Cause | None:
    name = match(CLASS_UNKNOWN, text, "name")
    if name is None:
        return None
    if is_custom(name, artifact) or not is_builtin(name.removeprefix("Custom>")):
        return cause("hub-layer" if name == "KerasLayer" else "custom-object-unresolved")
    name = name.removeprefix("Custom>")
    if is_builtin(name, "operation") and not is_builtin(name, "layer"):
        return cause("h5-mixed-precision-cast" if name == "Cast" else "h5-functional-ops")
    here = exists_in(name, None, versions.flavour, release_of(versions))
    if is_optimizer(name):
        return cause("optimizer-not-in-this-keras" if here is False else "training-config-not-read")
    if here is False:
        return cause("class-not-in-this-keras")
    if is_builtin(name, "schedule") or is_builtin(name, "loss") or is_builtin(name, "metric"):
        return cause("training-config-not-read")
    if not versions.keras3:
        return None
    return cause("keras2-wrapped-layer" if artifact is None or artifact.format == "h5" else "keras2-module-path")
