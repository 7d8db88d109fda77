"""A configuration as another Keras release takes it: what was changed in it, and where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pytest_kerasload.amendments import functions, graph, values
from pytest_kerasload.amendments.change import Change, Draft
from pytest_kerasload.artifacts.record import Artifact
from pytest_kerasload.causes.loader import Loader
from pytest_kerasload.causes.matching import release_of
from pytest_kerasload.environments.versions import Versions
from pytest_kerasload.findings import listed


@dataclass(frozen=True)
class Amendment:
    """The changed configuration of an artifact, for one loader; the values of its weights stay as they are."""

    config: Mapping[str, Any]
    changes: tuple[Change, ...]
    relaid: bool = False
    """Whether the weights of a .keras file of Keras 2.13 are put where later releases look for them."""

    @property
    def told(self) -> str:
        """The changes in words, those of one kind together: ``drop time_major, groups from the config``."""
        found: dict[str, list[str]] = {}
        for change in self.changes:
            found.setdefault(change.verb, []).append(change.what)
        return "; ".join(verb.format(listed(names, most=6)) for verb, names in found.items())

    @property
    def risky(self) -> tuple[Change, ...]:
        """Changes that take out something that is not the default: the model may be another one without it."""
        return tuple(change for change in self.changes if not change.harmless)


def amended(artifact: Artifact, versions: Versions) -> Amendment | None:
    """The artifact's configuration as that release takes it; None where nothing is known to change.

    That the release then loads it, and predicts the same, has to be tried.
    """
    if artifact.format == "savedmodel":
        return _without_slots(artifact, versions)
    if artifact.format not in ("h5", "keras") or artifact.config is None or not versions.keras:
        return None
    loader = Loader(versions, release_of(versions))
    config, copies = _copied(artifact.config)
    draft = Draft(artifact, loader, config, copies)
    changes: list[Change] = []
    for rule in _RULES:
        changes += rule(draft)
    relaid = artifact.weights.style == "keras-2.13" and (loader.keras3 or loader.keras >= (2, 14))
    if relaid:
        changes.append(Change("put {} where this release looks for them", "the weights"))
    return Amendment(config, tuple(changes), relaid) if changes else None


def _copied(config: Mapping[str, Any]) -> tuple[dict[str, Any], dict[int, Any]]:
    """A copy of a configuration, and the copies of all that is in it by the identity of the original.

    Not by copy.deepcopy, which takes three calls of Python for each level and JSON may have a thousand.
    """
    copies: dict[int, Any] = {}
    waiting: list[Any] = []

    def of(one: Any) -> Any:
        if not isinstance(one, (dict, list)):
            return one
        if id(one) not in copies:
            copies[id(one)] = type(one)()
            waiting.append(one)
        return copies[id(one)]

    whole = of(dict(config))
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            copies[id(one)].update({key: of(item) for key, item in one.items()})
        else:
            copies[id(one)].extend(map(of, one))
    return whole, copies


def _without_slots(artifact: Artifact, versions: Versions) -> Amendment | None:
    """A SavedModel without what its optimizer remembers of each weight, where nothing knows the optimizer's class."""
    if not (artifact.weights.optimizer_tensors and versions.keras3) or versions.tf_keras:
        return None
    return Amendment(artifact.config or {}, (Change("make an export of it, without {} of its optimizer", "the slots"),))


_RULES = (*functions.RULES, *values.RULES, *graph.RULES)
