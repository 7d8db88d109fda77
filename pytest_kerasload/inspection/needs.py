"""What has to be there for an artifact to load, besides TensorFlow and Keras."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pytest_kerasload.artifacts.record import Artifact
from pytest_kerasload.causes.loader import release_number
from pytest_kerasload.environments.releases import RELEASES
from pytest_kerasload.hazards.bytecode import decoded, is_dump
from pytest_kerasload.hazards.documents import Node, nodes
from pytest_kerasload.hazards.policy import known_ops
from pytest_kerasload.inspection.marshalled import ALIKE, pythons


@dataclass(frozen=True)
class CustomObject:
    """A class or function of the artifact's own, under the name that is looked up, and every place of its use."""

    name: str
    kind: str
    places: tuple[str, ...]
    module: str | None = None


@dataclass(frozen=True)
class OpLibrary:
    """Ops that no TensorFlow has; ``package`` is what to import before loading, empty where it is not known."""

    package: str
    ops: tuple[str, ...]


@dataclass(frozen=True)
class Bytecode:
    """Functions that are in the file as code of one Python: ``pythons`` are those that may have written them all.

    Empty where that cannot be told.
    """

    pythons: tuple[str, ...]
    places: tuple[str, ...]

    @property
    def label(self) -> str:
        """``Python 3.11 or 3.12``; empty where none is known."""
        if self.pythons == ALIKE[1]:
            return f"Python {self.pythons[-1]} or older"
        return f"Python {' or '.join(self.pythons)}" if self.pythons else ""


@dataclass(frozen=True)
class Needs:
    """What an artifact needs; ``bytecode`` is None where none of its functions is kept as code."""

    custom_objects: tuple[CustomObject, ...] = ()
    op_libraries: tuple[OpLibrary, ...] = ()
    bytecode: Bytecode | None = None


def needs_of(artifact: Artifact) -> Needs:
    """What the artifact needs, as far as it tells."""
    return Needs(tuple(_custom_objects(artifact)), _libraries(artifact), _bytecode(artifact))


def _custom_objects(artifact: Artifact) -> Iterator[CustomObject]:
    for name, uses in artifact.custom_objects.items():
        places = tuple(dict.fromkeys(use.place or "the model itself" for use in uses))
        # Keras 3 writes builtins for a function whose module it does not tell.
        modules = (use.module for use in uses if use.module and use.module != "builtins")
        yield CustomObject(name, uses[0].kind, places, next(modules, None))


_PREFIXES = {
    "TFText>": "tensorflow_text",
    "Sentencepiece": "tensorflow_text",
    "Addons>": "tensorflow_addons",
    "SimpleML": "tensorflow_decision_forests",
    "IO>": "tensorflow_io",
    "Scann>": "scann",
    "TFRA>": "tensorflow_recommenders_addons",
    "Horovod": "horovod.tensorflow",
}
"""How the names of a library's ops begin. ``SentencepieceOp`` was tf_sentencepiece's before TensorFlow 2."""

# fmt: off
_TEXT_OPS = frozenset({
    "CaseFoldUTF8", "ConstrainedSequence", "FastBertNormalize", "FastWordpieceTokenizeWithOffsets",
    "FindSourceOffsets", "MaxSpanningTree", "NormalizeUTF8", "NormalizeUTF8WithOffsetsMap", "PhraseTokenize",
    "RegexSplitWithOffsets", "RougeL", "SentenceFragments", "SentenceFragmentsV2",
    "SplitMergeFromLogitsTokenizeWithOffsets", "SplitMergeTokenizeWithOffsets", "TokenizerFromLogits",
    "UnicodeScriptTokenizeWithOffsets", "WhitespaceTokenizeWithOffsets", "WhitespaceTokenizeWithOffsetsV2",
    "WordpieceTokenizeWithOffsets",
})
# fmt: on
"""Ops that tensorflow_text registers without a prefix (its ``core/ops`` and ``core/kernels``)."""


def _libraries(artifact: Artifact) -> tuple[OpLibrary, ...]:
    found: dict[str, list[str]] = {}
    for op in sorted(artifact.ops - known_ops()):
        if not op.startswith("_"):  # TensorFlow's own, made when a graph runs
            found.setdefault(_package(op), []).append(op)
    return tuple(OpLibrary(package, tuple(ops)) for package, ops in sorted(found.items()))


def _package(op: str) -> str:
    if op in _TEXT_OPS:
        return "tensorflow_text"
    return next((package for prefix, package in _PREFIXES.items() if op.startswith(prefix)), "")


def _bytecode(artifact: Artifact) -> Bytecode | None:
    found = [*functions(nodes(artifact.config)), *functions(nodes(artifact.training_config, "compile"))]
    if not found:
        return None
    told = [pythons(code) for _, code in found]
    both = [one for one in told[0] if all(one in other for other in told)]
    return Bytecode(_narrowed(tuple(both), artifact), tuple(dict.fromkeys(place for place, _ in found)))


def functions(found: Iterable[Node]) -> Iterator[tuple[str, bytes]]:
    """Every function that is kept as code, with the place of what it belongs to (hazards/configs.py finds the same)."""
    for node in found:
        where = node.owner or node.place or "the model itself"
        inner = node.value.get("config")
        if node.value.get("class_name") == "__lambda__":
            code = inner.get("code") if isinstance(inner, dict) else None
            yield where, decoded(code) if isinstance(code, str) else b""
            continue
        for item in node.value.values():
            code = item[0] if isinstance(item, list) and item else item
            if isinstance(code, str) and is_dump(item) and pythons(decoded(code)):
                yield where, decoded(code)


def _narrowed(found: tuple[str, ...], artifact: Artifact) -> tuple[str, ...]:
    """Without the Pythons that its TensorFlow does not run on, where the artifact tells which saved it."""
    saved = release_number(artifact.saved_with.tensorflow) or release_number(artifact.saved_with.keras)
    # Keras 2 has the numbers of its TensorFlow since 2.6, and tf_keras always.
    minor = saved.release[:2] if saved is not None else ()
    for release in RELEASES:
        if release.minor == minor >= (2, 6):
            return tuple(one for one in found if one in release.pythons) or found
    return found
