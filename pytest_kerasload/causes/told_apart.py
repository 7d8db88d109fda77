"""Texts that say the same of several causes, told apart by the artifact and the release."""

from __future__ import annotations

import re

from pytest_kerasload.artifacts.builtins import exists_in, is_builtin
from pytest_kerasload.artifacts.record import Artifact
from pytest_kerasload.causes.catalogue import cause
from pytest_kerasload.causes.cause import Cause
from pytest_kerasload.causes.matching import match, of_unknown_class, release_of, shows
from pytest_kerasload.causes.refusals import CLASS_UNKNOWN
from pytest_kerasload.environments.versions import Versions

_OPERATION_AS_LAYER = r"too many positional arguments|Only input tensors may be passed as positional arguments"
"""Keras 3.15 reads x + y and x + 3.0 out of HDF5 as the layer Add, which takes one argument, a list of tensors."""


def by_artifact(text: str, versions: Versions, artifact: Artifact | None) -> Cause | None:
    """Texts that say the same of several formats."""
    if artifact is None:
        return None
    if artifact.format == "savedmodel":
        if "legacy SavedModel format is not supported" in text:
            return cause("savedmodel-needs-keras2")
        if re.search(r"Please make sure that this class is included in the `custom_objects` arg", text):
            return cause("custom-object-unresolved")
        if "not bound to checkpointed values" in text and "lookup_ops" in text:
            return cause("savedmodel-lookup-table")
        return None
    if "SpectralNormalization" in text or "'str' object is not callable" in text:
        theirs = any(use.class_name == "SpectralNormalization" and not use.custom for use in artifact.objects)
        if theirs and not versions.keras3 and versions.keras_version.release >= (2, 13):
            return cause("spectral-normalization-not-found")
    # Behind what says that objects could not be loaded.
    if "object of type 'bool' has no len()" in text and _counts_words(artifact):
        return cause("text-vectorization-tf-idf")
    if shows(text, cause("h5-custom-function")):
        return cause("h5-custom-function")
    if artifact.format == "keras" and re.search(r"file signature not found|SavedModel file does not exist", text):
        return cause("file-keras-named-hdf5" if artifact.path.suffix != ".keras" else "keras-zip-in-old-tensorflow")
    if "legacy SavedModel format is not supported" in text:
        return cause("file-unusual-suffix")
    if artifact.format == "h5" and shows(text, cause("h5-sequential-unbuilt")) and not _is_sequential(artifact):
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
    name = match(CLASS_UNKNOWN[:1], text, "name")
    if name is None or not is_builtin(name):
        return None
    gone = exists_in(name, None, versions.flavour, release_of(versions)) is False
    return cause(of_unknown_class(name)) if gone else None


def _is_old_keras(release: str) -> bool:
    return release.startswith(("2.12.", "2.13."))


def _is_listed(artifact: Artifact) -> bool:
    """Whether the configuration is that of a Sequential of Keras 2.2.2 or older."""
    return artifact.config is not None and isinstance(artifact.config.get("config"), list)


def _counts_words(artifact: Artifact) -> bool:
    """Whether a lookup layer weighs its words."""
    return any(
        not use.custom and isinstance(use.config, dict) and use.config.get("output_mode") in ("tf_idf", "tf-idf")
        for use in artifact.objects
    )


def _is_sequential(artifact: Artifact) -> bool:
    """Whether the model is a Sequential, or nothing is known of it."""
    return artifact.config is None or artifact.config.get("class_name") in ("Sequential", None)


def _has_custom_loss(artifact: Artifact) -> bool:
    return any(use.custom and use.section == "training" for use in artifact.objects)
