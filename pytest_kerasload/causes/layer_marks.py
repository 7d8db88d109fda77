"""Static marks in what single layers and initializers are made with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pytest_kerasload.artifacts.builtins import is_builtin
from pytest_kerasload.artifacts.layers import class_name
from pytest_kerasload.artifacts.record import Artifact
from pytest_kerasload.causes.loader import Loader, Mark, Rule, built_in, release_number


def _normalization(artifact: Artifact, loader: Loader) -> Iterator[Mark]:
    """Keras 2.8 and 3.6 are the first of theirs that call finalize_state() after they read weights from HDF5.

    keras/saving/hdf5_format.py; before 2.6 the layer computed with its weights themselves.
    """
    if artifact.format != "h5":
        return
    if loader.keras3:
        code = "normalization-not-restored" if loader.keras < (3, 6) else ""
    else:
        code = "normalization-tf26" if (2, 6) <= loader.keras < (2, 8) else ""
    for use in artifact.objects if code else ():
        config = use.config
        if use.place.rpartition("/")[2] in artifact.weights.unadapted:
            continue
        if use.class_name == "Normalization" and isinstance(config, Mapping) and config.get("mean") is None:
            yield Mark(code, "Normalization acts as the identity on {loader}", use.place)


_LOOKUPS = frozenset({"StringLookup", "IntegerLookup", "TextVectorization"})


def _lookups(artifact: Artifact, loader: Loader) -> Iterator[Mark]:
    """Layers whose words are not in their configuration: they were adapted, and the words are an asset of the layer."""
    if not loader.keras3:
        return
    for use, config in built_in(artifact, *_LOOKUPS):
        if use.section != "model" or config.get("vocabulary") is not None:
            continue
        if artifact.format == "h5":
            yield Mark("h5-lookup-layer", f"HDF5 does not hold the words of {use.class_name}", use.place)
        if artifact.format == "keras" and config.get("output_mode") == "tf_idf" and loader.keras < (3, 14):
            # keras/src/layers/preprocessing/index_lookup.py, load_assets: idf_weights=False
            message = f"{{loader}} does not bring back the weights of words of {use.class_name}"
            yield Mark("text-vectorization-tf-idf", message, use.place)


def _tables(artifact: Artifact, loader: Loader) -> Iterator[Mark]:
    saved = release_number(artifact.saved_with.tensorflow)
    if artifact.format != "savedmodel" or loader.keras3 or loader.tensorflow < (2, 8) or saved is None:
        return
    for use in artifact.objects if artifact.keras_metadata and (2, 3) <= saved.release[:2] < (2, 5) else ():
        if use.class_name in _LOOKUPS and not use.custom:
            yield Mark("savedmodel-lookup-table", f"{{loader}} does not find the table of {use.class_name}", use.place)


def _bidirectional(artifact: Artifact, loader: Loader) -> Iterator[Mark]:
    """keras/src/layers/rnn/bidirectional.py: until 3.2 build() makes the layers inside anew, built or not."""
    if artifact.format != "keras" or not loader.keras3 or loader.keras >= (3, 3):
        return
    for use in artifact.objects:
        if use.class_name == "Bidirectional" and not use.custom and use.section == "model":
            message = "{loader} does not bring back the weights of Bidirectional"
            yield Mark("bidirectional-not-restored", message, use.place)


def _inputs(artifact: Artifact, loader: Loader) -> Iterator[Mark]:
    if not loader.keras3 or loader.keras >= (3, 9):
        return
    for use in artifact.objects:
        if use.class_name == "InputLayer" and isinstance(use.config, Mapping) and use.config.get("ragged") is True:
            yield Mark("ragged-input-dropped", "{loader} takes this ragged input for a dense one", use.place)


def _seeds(artifact: Artifact, loader: Loader) -> Iterator[Mark]:
    if not loader.keras3 or loader.keras >= (3, 6):
        return
    for use in artifact.objects:
        seed = use.config.get("seed") if isinstance(use.config, Mapping) else None
        seeded = isinstance(seed, Mapping) and class_name(seed) == "SeedGenerator"
        if use.kind == "initializer" and not use.custom and seeded:
            yield Mark("seed-generator-not-read", f"{{loader}} does not read the seed of {use.class_name}", use.place)


def _hashing(artifact: Artifact, loader: Loader) -> Iterator[Mark]:
    """keras/src/layers/preprocessing/hashing.py asks for an integer dtype where output_mode is int, its default."""
    for use, config in built_in(artifact, "Hashing"):
        dtype = config.get("dtype")
        if loader.keras3 and config.get("output_mode", "int") == "int":
            if isinstance(dtype, str) and "float" in dtype:
                yield Mark("hashing-dtype", f"{{loader}} takes no {dtype} as the dtype of Hashing", use.place)
            if isinstance(dtype, Mapping) and loader.keras < (3, 4):
                yield Mark("hashing-dtype", "{loader} takes only a name as the dtype of Hashing", use.place)
        if "mask_value" not in config and isinstance(config.get("salt"), list):
            yield Mark("hashing-salt-written", "Hashing puts words into other bins than when it was saved", use.place)


def _activations(artifact: Artifact, loader: Loader) -> Iterator[Mark]:
    """A layer in the place of an activation; functions of the user's own in HDF5 of Keras 2.13 and later."""
    owners = {use.place: use.custom for use in artifact.objects}
    for use in artifact.objects:
        owner, _, key = use.place.rpartition("/")
        if use.section != "model" or key not in ("activation", "recurrent_activation") or owners.get(owner, True):
            continue
        layer = is_builtin(use.class_name, "layer") and isinstance(use.config, Mapping)
        if layer and loader.keras3 and loader.keras < (3, 10) and artifact.format in ("h5", "keras"):
            yield Mark("activation-is-layer", f"{{loader}} does not read the layer {use.class_name} as an {key}", owner)
        if use.class_name == "function" and use.custom and artifact.format == "h5" and not loader.keras3:
            message = f"{{loader}} looks for a function called `function` where {use.name} is meant"
            yield Mark("h5-custom-function", message, owner)


def _spectral(artifact: Artifact, loader: Loader) -> Iterator[Mark]:
    if loader.keras3 or loader.keras < (2, 13) or artifact.format not in ("h5", "keras"):
        return
    for use, config in built_in(artifact, "SpectralNormalization"):
        # A class of the user's by that name has other arguments: releases before 2.13 had none.
        if "power_iterations" in config:
            message = "{loader} does not find its own SpectralNormalization"
            yield Mark("spectral-normalization-not-found", message, use.place)


def _attention(artifact: Artifact, loader: Loader) -> Iterator[Mark]:
    if loader.keras3 or loader.tensorflow < (2, 6) or artifact.format not in ("h5", "keras"):
        return
    for use, config in built_in(artifact, "MultiHeadAttention"):
        if {"num_heads", "key_dim"} <= set(config) and "query_shape" not in config:
            message = "{loader} asks for the query_shape of MultiHeadAttention, which was not saved"
            yield Mark("attention-shapes-missing", message, use.place)


LAYER_RULES: tuple[Rule, ...] = (
    _normalization,
    _lookups,
    _tables,
    _bidirectional,
    _inputs,
    _seeds,
    _hashing,
    _activations,
    _attention,
    _spectral,
)
