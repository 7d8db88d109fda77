"""The graph of a SavedModel: its nodes and functions, who calls whom, and what is run at all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from pytest_kerasload.hazards.messages import message

_INITIALIZERS = frozenset({"saved_model_main_op", "legacy_init_op", "saved_model_init_op", "table_initializer"})


class Flow:
    """The nodes and functions of one MetaGraphDef, by name, who calls whom, and what is run at all.

    ``saver`` and ``served`` are the nodes of the main graph that are run for saving and restoring, and for loading and
    serving; ``callers`` has the calls of each function, with the function they are in, and ``bound`` the objects that
    each function of the model captured, which are its last arguments. A function that nothing is seen to call is taken
    to be called: grappler may put one in place of another.
    """

    def __init__(self, meta: Any) -> None:
        self.meta = meta
        graph = meta.graph_def
        self.main: dict[str, Any] = {node.name: node for node in graph.node}
        self.functions: dict[str, Any] = {function.signature.name: function for function in graph.library.function}
        self.bound = {entry.key: list(entry.value.bound_inputs) for entry in meta.object_graph_def.concrete_functions}
        self._inside: dict[str, dict[str, Any]] = {}
        self._arguments: dict[str, dict[str, int]] = {}
        self.callers: dict[str, list[tuple[str, Any]]] = {}
        self._calls: dict[str, set[str]] = {}
        self._main_calls: dict[str, set[str]] = {}
        for scope, node in self.nodes():
            names = {name for name in called(node) if name in self.functions}
            for name in names:
                self.callers.setdefault(name, []).append((scope, node))
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
        for function in self.meta.graph_def.library.function:
            for node in function.node_def:
                yield function.signature.name, node

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
        roots = {name for name in self.functions if name in self.bound or name not in self.callers}
        # Functions may stand in for each other (api_implements), and name their gradients.
        for name, function in self.functions.items():
            for attribute in function.attr:
                roots.update({name} if attribute.key == "api_implements" else ())
                roots.update({attribute.value.s.decode("utf-8", "replace")} & self.functions.keys())
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

    def behind(self, scope: str, names: Iterable[str]) -> set[str]:
        """All that depends on these nodes or arguments in their function or graph, themselves included."""
        takers: dict[str, list[str]] = {}
        for node in self.within(scope).values():
            for one in node.input:
                takers.setdefault(node_name(one), []).append(node.name)
        found: set[str] = set()
        waiting = list(names)
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting.extend(takers.get(name, ()))
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

    def arguments(self, scope: str) -> dict[str, int]:
        """The arguments of a function, by name, with their positions."""
        if not scope:
            return {}
        if scope not in self._arguments:
            names = [argument.name for argument in self.functions[scope].signature.input_arg]
            self._arguments[scope] = {name: place for place, name in reversed(list(enumerate(names)))}
        return self._arguments[scope]


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
