"""Where the inputs of an op come from, through the graph of a SavedModel, its functions and what they captured."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from pytest_kerasload.hazards.messages import message

_CALLS = frozenset({"PartitionedCall", "StatefulPartitionedCall"})
_INITIALIZERS = frozenset({"saved_model_main_op", "legacy_init_op", "saved_model_init_op", "table_initializer"})
_SAME = frozenset({"Identity", "IdentityN", "StopGradient", "EnsureShape"})


@dataclass(frozen=True)
class Source:
    """What a tensor is made of in the end: ``asset``, ``constant`` (with its tensor), or ``other``, told in words."""

    kind: str
    text: str = ""
    tensor: Any = None


class Flow:
    """The nodes and functions of one MetaGraphDef, by name, who calls whom, and what is run at all.

    ``saver`` and ``served`` are the nodes of the main graph that are run for saving and restoring, and for loading and
    serving. A function that nothing is seen to call is taken to be called: grappler may put one in place of another.
    """

    def __init__(self, meta: Any) -> None:
        self.meta = meta
        graph = meta.graph_def
        self.main: dict[str, Any] = {node.name: node for node in graph.node}
        self.functions: dict[str, Any] = {function.signature.name: function for function in graph.library.function}
        self._bound = {entry.key: list(entry.value.bound_inputs) for entry in meta.object_graph_def.concrete_functions}
        self._assets = frozenset(node_name(asset.tensor_info.name) for asset in assets(meta))
        self._inside: dict[str, dict[str, Any]] = {}
        self._callers: dict[str, list[tuple[str, Any]]] = {}
        self._calls: dict[str, set[str]] = {}
        self._main_calls: dict[str, set[str]] = {}
        for scope, node in self.nodes():
            names = {name for name in called(node) if name in self.functions}
            for name in names:
                self._callers.setdefault(name, []).append((scope, node))
            if names and scope:
                self._calls.setdefault(scope, set()).update(names)
            elif names:
                self._main_calls[node.name] = names
        self.saver = self._saver()
        self.served = self._served()
        self.live_functions = self._live_functions()

    def nodes(self) -> Iterator[tuple[str, Any]]:
        """Every node, with the function it is in; empty for the main graph."""
        for node in self.meta.graph_def.node:
            yield "", node
        for name, function in self.functions.items():
            for node in function.node_def:
                yield name, node

    def is_live(self, scope: str, node: Any) -> bool:
        """Whether something runs this node: the loader, the saver, a signature or an object of the model.

        Graphs of TensorFlow 1 are saved with all that was in them for training, and loaded the same.
        """
        return scope in self.live_functions if scope else node.name in self.served or node.name in self.saver

    def _saver(self) -> set[str]:
        definition = self.meta.saver_def
        return self.closure("", [name for name in (definition.save_tensor_name, definition.restore_op_name) if name])

    def _served(self) -> set[str]:
        """What signatures and the loaders' initialisers run of the main graph; all of it where there is neither.

        tensorflow/python/saved_model/{loader_impl,load_v1_in_v2}.py; Scaffold.default_local_init_op runs the
        initialisers of tables and local variables where a graph names none.
        """
        roots = [one.value.name for entry in self.meta.signature_def for one in entry.value.outputs if one.value.name]
        if not roots and not self.meta.object_graph_def.nodes:
            return set(self.main)
        for collection in self.meta.collection_def:
            if collection.key in _INITIALIZERS:
                roots.extend(collection.value.node_list.value)
            elif collection.key == "local_variables":
                for value in collection.value.bytes_list.value:
                    variable = message("VariableDef")
                    variable.ParseFromString(value)
                    roots.append(variable.initializer_name)
        return self.closure("", roots)

    def _live_functions(self) -> set[str]:
        roots = {name for name in self.functions if name in self._bound or name not in self._callers}
        return self.reached((*self.served, *self.saver), roots)

    def within(self, scope: str) -> dict[str, Any]:
        """The nodes of a function, or of the main graph, by name."""
        if not scope:
            return self.main
        if scope not in self._inside:
            self._inside[scope] = {node.name: node for node in self.functions[scope].node_def}
        return self._inside[scope]

    def closure(self, scope: str, names: Iterable[str]) -> set[str]:
        """All that these nodes depend on in their function or graph, themselves and arguments included."""
        nodes = self.within(scope)
        found: set[str] = set()
        waiting = [node_name(name) for name in names]
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                if name in nodes:
                    waiting.extend(node_name(one) for one in nodes[name].input)
        return found

    def reached(self, nodes: Iterable[str], functions: Iterable[str] = ()) -> set[str]:
        """These functions, those that these nodes of the main graph call, and what they all call in turn."""
        found: set[str] = set()
        waiting = [*functions, *(name for node in nodes for name in self._main_calls.get(node, ()))]
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting.extend(self._calls.get(name, ()))
        return found

    def arguments(self, scope: str) -> list[str]:
        """The names of the arguments of a function."""
        return [argument.name for argument in self.functions[scope].signature.input_arg] if scope else []

    def sources(self, scope: str, name: str) -> list[Source]:
        """What a tensor comes from, over every call of the function it is in."""
        found: list[Source] = []
        seen: set[tuple[str, str]] = set()
        waiting = [(scope, node_name(name))]
        while waiting:
            place = waiting.pop()
            if place in seen:
                continue
            seen.add(place)
            scope, name = place
            arguments = self.arguments(scope)
            if name in arguments:
                more, sources = self._of_argument(scope, arguments.index(name), len(arguments))
            else:
                more, sources = self._of_node(scope, name)
            waiting.extend(more)
            found.extend(sources)
        return found

    def _of_node(self, scope: str, name: str) -> tuple[list[tuple[str, str]], list[Source]]:
        node = self.within(scope).get(name)
        if node is None:
            return [], [Source("other", f"{name}, which is not there")]
        if not scope and name in self._assets and node.op in ("Const", "Placeholder"):
            return [], [Source("asset")]
        inputs = [node_name(one) for one in node.input if not one.startswith("^")]
        if node.op in _SAME and inputs:
            return [(scope, one) for one in inputs], []
        if node.op == "ReadVariableOp" and inputs and not scope:
            # The variable in which TensorFlow 2 keeps the path of an asset, for loaders of TensorFlow 1.
            assigned = [
                node_name(other.input[1])
                for other in self.main.values()
                if other.op == "AssignVariableOp" and len(other.input) > 1 and node_name(other.input[0]) == inputs[0]
            ]
            return [("", value) for value in assigned], [] if assigned else [Source("other", "a variable")]
        values = attributes(node)
        if node.op == "Const" and "value" in values:
            return [], [Source("constant", tensor=values["value"].tensor)]
        return [], [Source("other", f"the op {node.op}")]

    def _of_argument(self, scope: str, index: int, count: int) -> tuple[list[tuple[str, str]], list[Source]]:
        waiting: list[tuple[str, str]] = []
        found: list[Source] = []
        if scope in self._bound:
            captured = index - (count - len(self._bound[scope]))
            if captured >= 0:
                found.append(self._captured(self._bound[scope][captured]))
            else:
                found.append(Source("other", "an argument of the caller's"))
        for caller, node in self._callers.get(scope, []):
            inputs = [one for one in node.input if not one.startswith("^")]
            if (node.op in _CALLS or node.op == scope) and index < len(inputs):
                waiting.append((caller, node_name(inputs[index])))
            else:
                found.append(Source("other", f"the op {node.op}"))
        if not waiting and not found:
            found.append(Source("other", "an argument of a function that nothing calls"))
        return waiting, found

    def _captured(self, number: int) -> Source:
        objects = self.meta.object_graph_def.nodes
        if not 0 <= number < len(objects):
            return Source("other", "an object that is not there")
        if objects[number].HasField("asset"):
            return Source("asset")
        if objects[number].HasField("constant"):
            # Read as a value: a loader does not put the path of an asset here, whatever the node's name.
            node = self.main.get(objects[number].constant.operation)
            values = attributes(node) if node is not None else {}
            if "value" in values:
                return Source("constant", tensor=values["value"].tensor)
        return Source("other", "a captured object")


def assets(meta: Any) -> list[Any]:
    """The assets of a graph: a field of their own since TensorFlow 1.13, a collection before and in TF1 builders.

    tensorflow/python/saved_model/loader_impl.py, get_asset_tensors.
    """
    found = list(meta.asset_file_def)
    for collection in meta.collection_def:
        if collection.key == "saved_model_assets":
            for value in collection.value.any_list.value:
                asset = message("AssetFileDef")
                asset.ParseFromString(value.value)
                found.append(asset)
    return found


def node_name(tensor: str) -> str:
    """The node of a tensor or control input: ``a/b:output:0``, ``a/b:1`` and ``^a/b`` are all of ``a/b``."""
    return tensor.removeprefix("^").partition(":")[0]


def attributes(node: Any) -> dict[str, Any]:
    """The attributes of a node by name."""
    return {attribute.key: attribute.value for attribute in node.attr}


def called(node: Any) -> Iterator[str]:
    """The functions a node calls: those among its attributes, and the one that it is a call of (TensorFlow 1)."""
    yield node.op
    for attribute in node.attr:
        value = attribute.value
        if value.HasField("func"):
            yield value.func.name
        elif value.HasField("list"):
            for function in value.list.func:
                yield function.name
