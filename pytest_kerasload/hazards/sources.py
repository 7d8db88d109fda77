"""What the inputs of an op are made of, through functions, their calls and what they captured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pytest_kerasload.hazards.dataflow import Flow, assets, attributes, node_name

_CALLS = frozenset({"PartitionedCall", "StatefulPartitionedCall"})
_FARTHEST = 300
"""How many steps one tensor is followed, and how many calls of one function: real ones take a few."""

_SAME = frozenset({"Identity", "IdentityN", "StopGradient", "EnsureShape"})


@dataclass(frozen=True)
class Source:
    """What a tensor is made of in the end: ``asset``, ``constant`` (with its tensor), or ``other``, told in words.

    An asset with a tensor is a constant that a loader of TensorFlow 1 replaces, only while tables are made.
    """

    kind: str
    text: str = ""
    tensor: Any = None


class Sources:
    """Answers for the graph of one :class:`Flow`."""

    def __init__(self, flow: Flow) -> None:
        self._flow = flow
        self._assets = frozenset(node_name(asset.tensor_info.name) for asset in assets(flow.meta))
        self._known: dict[tuple[str, str], list[Source]] = {}
        self._assigned: dict[str, list[str]] = {}
        for node in flow.main.values():
            if node.op == "AssignVariableOp" and len(node.input) > 1:
                self._assigned.setdefault(node_name(node.input[0]), []).append(node_name(node.input[1]))

    def of(self, scope: str, name: str) -> list[Source]:
        """What a tensor comes from, over every call of the function it is in."""
        place = scope, node_name(name)
        if place not in self._known:
            self._known[place] = self._of(*place)
        return self._known[place]

    def _of(self, scope: str, name: str) -> list[Source]:
        found: list[Source] = []
        seen: set[tuple[str, str]] = set()
        waiting = [(scope, name)]
        while waiting:
            place = waiting.pop()
            if place in seen:
                continue
            if len(seen) >= _FARTHEST:
                return [*found, Source("other", "more than can be followed")]
            seen.add(place)
            if place in self._known:
                found.extend(self._known[place])
                continue
            scope, name = place
            arguments = self._flow.arguments(scope)
            if name in arguments:
                more, sources = self._of_argument(scope, arguments[name])
            else:
                more, sources = self._of_node(scope, name)
            waiting.extend(more)
            found.extend(sources)
        return found

    def _of_node(self, scope: str, name: str) -> tuple[list[tuple[str, str]], list[Source]]:
        node = self._flow.within(scope).get(name)
        if node is None:
            return [], [Source("other", f"{name}, which is not there")]
        if not scope and name in self._assets and node.op in ("Const", "Placeholder"):
            value = attributes(node).get("value")
            return [], [Source("asset", tensor=value.tensor if value is not None else None)]
        inputs = [node_name(one) for one in node.input if not one.startswith("^")]
        if node.op in _SAME and inputs:
            return [(scope, one) for one in inputs], []
        if node.op == "ReadVariableOp" and inputs and not scope:
            # The variable in which TensorFlow 2 keeps the path of an asset, for loaders of TensorFlow 1.
            assigned = self._assigned.get(inputs[0], [])
            return [("", value) for value in assigned], [] if assigned else [Source("other", "a variable")]
        values = attributes(node)
        if node.op == "Const" and "value" in values:
            return [], [Source("constant", tensor=values["value"].tensor)]
        return [], [Source("other", f"the op {node.op}")]

    def _of_argument(self, scope: str, index: int) -> tuple[list[tuple[str, str]], list[Source]]:
        count = len(self._flow.functions[scope].signature.input_arg)
        waiting: list[tuple[str, str]] = []
        found: list[Source] = []
        if scope in self._flow.bound:
            captured = index - (count - len(self._flow.bound[scope]))
            if captured >= 0:
                found.append(self._captured(self._flow.bound[scope][captured]))
            else:
                found.append(Source("other", "an argument of the caller's"))
        for caller, node in self._flow.callers.get(scope, [])[:_FARTHEST]:
            inputs = [one for one in node.input if not one.startswith("^")]
            if (node.op in _CALLS or node.op == scope) and index < len(inputs):
                waiting.append((caller, node_name(inputs[index])))
            else:
                found.append(Source("other", f"the op {node.op}"))
        if len(self._flow.callers.get(scope, [])) > _FARTHEST:
            found.append(Source("other", "more calls than can be followed"))
        if not waiting and not found:
            found.append(Source("other", "an argument of a function that nothing calls"))
        return waiting, found

    def _captured(self, number: int) -> Source:
        objects = self._flow.meta.object_graph_def.nodes
        if not 0 <= number < len(objects):
            return Source("other", "an object that is not there")
        if objects[number].HasField("asset"):
            return Source("asset")
        if objects[number].HasField("constant"):
            # Read as a value: a loader does not put the path of an asset here, whatever the node's name.
            node = self._flow.main.get(objects[number].constant.operation)
            values = attributes(node) if node is not None else {}
            if "value" in values:
                return Source("constant", tensor=values["value"].tensor)
        return Source("other", "a captured object")
