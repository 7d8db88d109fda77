"""Ops that save and restore checkpoints: harmless in the saver of a SavedModel, and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pytest_kerasload.causes import graph_safety
from pytest_kerasload.hazards.dataflow import Flow, node_name
from pytest_kerasload.hazards.hazard import Hazard

_PREFIX_INPUTS = {"MergeV2Checkpoints": 1}
"""The input that says where the checkpoint is; the first for all other ops."""


class Checkpoints:
    """Tells the checkpoint ops of a graph that belong to its saver (``saver_def``) from those that a call runs."""

    def __init__(self, flow: Flow) -> None:
        self._flow = flow
        objects = {entry.key for entry in flow.meta.object_graph_def.concrete_functions}
        self._called = flow.reached(flow.served - flow.saver, objects)
        self._saving = flow.reached(flow.saver)
        self._given: dict[str, set[str]] = {}

    def hazards(self, scope: str, node: Any, place: str) -> Iterator[Hazard]:
        """What is wrong with a checkpoint op at its place.

        Savers that are left over from training (``save/SaveV2`` beside ``save_1/SaveV2``) are never run.
        """
        if scope in self._called if scope else node.name in self._flow.served:
            yield Hazard(graph_safety.GRAPH_CHECKPOINT, place, f"{node.op} runs when the model is loaded or called")
        elif (scope in self._saving if scope else node.name in self._flow.saver) and not self._takes_path(scope, node):
            yield Hazard(
                graph_safety.GRAPH_CHECKPOINT, place, f"{node.op} has its path from the graph, not from who saves"
            )

    def _takes_path(self, scope: str, node: Any) -> bool:
        """Whether the path comes from the saver's caller, and not from a constant."""
        number = _PREFIX_INPUTS.get(node.op, 0)
        if len(node.input) <= number:
            return False
        if scope not in self._given:
            name = node_name(self._flow.meta.saver_def.filename_tensor_name)
            self._given[scope] = self._flow.behind(scope, self._flow.arguments(scope) if scope else [name])
        return node_name(node.input[number]) in self._given[scope]
