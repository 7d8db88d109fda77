"""Protobuf messages changed on the wire, with no schema, and by their fields, with the plugin's own."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from fuzzing import documents
from pytest_kerasload.hazards.messages import message

_NUMBERS = (0, 1, -1, 2, 7, 99, 127, 1 << 20, (1 << 31) - 1, -(1 << 31))
_LONG = (*_NUMBERS, 1 << 40, (1 << 63) - 1, -(1 << 63))
_NAMES = ("", "\0", "x", "../../x", "/etc/passwd", "a" * 300, "a" * 5000, "PartitionedCall", "^x", "x:0", "\U0010ffff")
_OPS = (
    *("Const", "Fill", "ReadFile", "WriteFile", "PyFunc", "StatefulPartitionedCall", "PartitionedCall", "Identity"),
    *("ReadVariableOp", "AssignVariableOp", "RestoreV2", "SaveV2", "MergeV2Checkpoints", "CacheDatasetV2", "PrintV2"),
    *("InitializeTableFromTextFileV2", "RandomUniform", "VarHandleOp", "XlaLaunch", "While", "If", "Placeholder", "_X"),
    *("RemoteCall", "DatasetFromGraph", "LoadDataset", "BroadcastTo"),
)


def on_the_wire(content: bytes, rng: Random) -> bytes:
    """A message with fields dropped, doubled, retagged, with other lengths, cut, or nested in themselves."""
    for _ in range(rng.choice((1, 1, 2, 4))):
        content = _changed(content, rng, 0)
    return content


def _changed(content: bytes, rng: Random, depth: int) -> bytes:
    fields = _fields(content)
    if not fields or rng.random() < 0.05:
        return flipped(content, rng)
    start, inner, end = rng.choice(fields)
    before, field, after = content[:start], content[start:end], content[end:]
    if inner >= 0 and end - inner > 1 and depth < 12 and rng.random() < 0.7:
        changed = _changed(content[inner:end], rng, depth + 1)
        return before + content[start : start + 1] + varint(len(changed)) + changed + after
    choice = rng.randrange(9)
    if choice == 0:
        return before + after
    if choice == 1:
        return before + field * rng.choice((2, 3, 50)) + after
    if choice == 2:
        return before + bytes([rng.randrange(256)]) + field[1:] + after
    if choice == 3 and inner >= 0:
        length = rng.choice((0, 1, end - inner + 1, 1 << 31, (1 << 63) - 1, 1 << 64))
        return before + field[:1] + varint(length) + content[inner:end] + after
    if choice == 4:
        return before + field[:1] + b"\xff" * rng.choice((9, 10, 11)) + b"\x01" + after
    if choice == 5 and inner >= 0:
        for _ in range(rng.choice((1, 20, 99, 120, 2000))):
            field = field[:1] + varint(len(field)) + field
            if len(field) > 200_000:
                break
        return before + field + after
    if choice == 6 and inner >= 0:
        text = rng.choice((b"", b"\xff\xfe", b"\0", b"x" * 70000, b"\xed\xa0\x80"))
        return before + field[:1] + varint(len(text)) + text + after
    if choice == 7:
        return before + field[: rng.randrange(len(field)) + 1]
    return before + after[:10] + field + after[10:]


def _fields(content: bytes) -> list[tuple[int, int, int]]:
    """Start, start of the content (-1 for numbers) and end of the fields that have a tag of one byte."""
    found = []
    at = 0
    while at < len(content) and len(found) < 5000:
        start, kind = at, content[at] & 7
        at += 1
        inner = -1
        if kind in (0, 2):
            number, at = _number(content, at)
            if kind == 2:
                inner, at = at, at + number
        elif kind in (1, 5):
            at += 8 if kind == 1 else 4
        else:
            return found
        if at > len(content) or content[start] & 0x80 or not content[start] >> 3:
            return found
        found.append((start, inner, at))
    return found


def _number(content: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while at < len(content) and shift < 70:
        byte = content[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
        shift += 7
    return 0, len(content) + 1


def varint(number: int) -> bytes:
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*found, number])


def flipped(content: bytes, rng: Random) -> bytes:
    """Bytes flipped, cut, inserted or copied over others."""
    if not content:
        return b"\0"
    at = rng.randrange(len(content))
    choice = rng.randrange(5)
    if choice == 0:
        return content[:at]
    if choice == 1:
        piece = bytes(rng.randrange(256) for _ in range(rng.choice((1, 2, 4, 8))))
        return content[:at] + piece + content[at:]
    if choice == 2:
        other = rng.randrange(len(content))
        return content[:at] + content[other : other + 16] + content[at + 16 :]
    if choice == 3:
        piece = rng.choice((b"\xff" * 8, b"\0" * 8, b"\x7f" + b"\xff" * 3, b"\x80" * 4))
        return content[:at] + piece + content[at + len(piece) :]
    changed = bytearray(content)
    for _ in range(rng.choice((1, 1, 4, 16))):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def saved_model(content: bytes, rng: Random, scale: int = 100) -> bytes:
    """A ``saved_model.pb`` with its graph, functions, objects, signatures or saver changed by their fields.

    Of what it does not change, only the fields that the plugin reads are kept.
    """
    saved = message("SavedModel")
    saved.ParseFromString(content)
    for _ in range(rng.choice((1, 1, 2, 4))):
        rng.choice(_MUTATORS)(rng.choice(saved.meta_graphs), rng, scale)
    return bytes(saved.SerializeToString())


def keras_metadata(content: bytes, rng: Random, scale: int = 100) -> bytes:
    """A ``keras_metadata.pb`` with the JSON of a node, or where the node is, changed."""
    saved = message("SavedMetadata")
    saved.ParseFromString(content)
    if not saved.nodes:
        return content
    for _ in range(rng.choice((1, 2))):
        node = rng.choice(saved.nodes)
        choice = rng.randrange(6)
        if choice == 0:
            node.node_path = rng.choice(("", "root", "root.layer-0", ".", "root." + "a." * 20 * scale, node.node_path))
        elif choice == 1:
            node.node_id = rng.choice(_NUMBERS)
            node.identifier = rng.choice(("_tf_keras_metric", "_tf_keras_layer", "", "x"))
        elif choice == 2:
            saved.nodes.add().CopyFrom(node)
        else:
            text = documents.mutated(node.metadata, rng, scale)
            node.metadata = text.encode("utf-8", "replace").decode("utf-8")
    return bytes(saved.SerializeToString())


def _nodes(meta: Any, rng: Random) -> Any:
    functions = meta.graph_def.library.function
    if functions and rng.random() < 0.6:
        return rng.choice(functions).node_def
    return meta.graph_def.node


def _node(meta: Any, rng: Random, scale: int) -> None:
    nodes = _nodes(meta, rng)
    node = rng.choice(nodes) if nodes and rng.random() < 0.8 else nodes.add(name="fuzzed")
    choice = rng.randrange(6)
    if choice == 0:
        node.op = rng.choice((*_OPS, *_NAMES[:6], *(one.signature.name for one in meta.graph_def.library.function[:5])))
    elif choice == 1:
        node.name = rng.choice((*_NAMES, rng.choice(nodes).name))
    elif choice == 2:
        del node.input[:]
    elif choice == 3:
        node.input.extend([rng.choice((*_NAMES, node.name, rng.choice(nodes).name))] * rng.choice((1, 2, 20)))
    elif choice == 4:
        _attribute(node, meta, rng, scale)
    else:
        nodes.add().CopyFrom(node)


def _attribute(node: Any, meta: Any, rng: Random, scale: int) -> None:
    attribute = rng.choice(node.attr) if node.attr and rng.random() < 0.6 else node.attr.add(key="value")
    choice = rng.randrange(7)
    known = attribute.value
    if choice == 0:
        attribute.key = rng.choice(("", "value", "dtype", "T", "shape", "f", "descriptor_source", "api_implements"))
    elif choice == 1:
        known.type = rng.choice((*_NUMBERS, 101, 123, 200))
    elif choice == 2:
        known.tensor.dtype = rng.choice((1, 7, 9, 99, -1, 107))
        sizes = [rng.choice(_LONG) for _ in range(rng.choice((0, 1, 3, 300, 10 * scale)))]
        del known.tensor.tensor_shape.dim[:]
        for size in sizes:
            known.tensor.tensor_shape.dim.add(size=size)
    elif choice == 3:
        known.tensor.tensor_content = rng.choice((b"", b"\0", b"\xff" * 7, b"\x7f" * 3000, b"\xff\xfe"))
        known.tensor.int64_val.extend([rng.choice(_LONG)] * rng.choice((1, 300)))
    elif choice == 4:
        known.func.name = rng.choice((*_NAMES, *(one.signature.name for one in meta.graph_def.library.function[:9])))
    elif choice == 5:
        known.s = rng.choice((b"", b"\xff", b"file:///x", b"x" * 5000, b"\0"))
        known.list.s.append(b"\xff\xfe")
    else:
        node.ClearField("attr")


def _function(meta: Any, rng: Random, scale: int) -> None:
    """Functions that call each other in a ring, are there twice, have no name or as many arguments as can be."""
    library = meta.graph_def.library.function
    choice = rng.randrange(5)
    if choice == 0 or not library:
        count = rng.choice((1, 2, scale, 3 * scale))
        for number in range(count):
            made = library.add()
            made.signature.name = f"ring{number}"
            made.signature.input_arg.add(name="a")
            for inner in range(rng.choice((1, 3))):
                node = made.node_def.add(name=f"c{inner}", op="PartitionedCall", input=["a"])
                node.attr.add(key="f").value.func.name = f"ring{(number + 1) % count}"
        meta.graph_def.node.add(name="r", op="PartitionedCall").attr.add(key="f").value.func.name = "ring0"
    elif choice == 1:
        library.add().CopyFrom(rng.choice(library))
    elif choice == 2:
        rng.choice(library).signature.name = rng.choice(_NAMES)
    elif choice == 3:
        library.remove(rng.choice(library))
    else:
        for number in range(10 * scale):
            rng.choice(library).signature.input_arg.add(name=f"a{number}")


def _object(meta: Any, rng: Random, scale: int) -> None:
    nodes = meta.object_graph_def.nodes
    node = rng.choice(nodes) if nodes and rng.random() < 0.9 else nodes.add()
    choice = rng.randrange(7)
    if choice == 0:
        node.children.add(node_id=rng.choice(_NUMBERS), local_name=rng.choice((*_NAMES, "variables", "layer-0")))
    elif choice == 1:
        node.variable.name = rng.choice(_NAMES)
        node.variable.dtype = rng.choice((*_NUMBERS, 101))
        for _ in range(rng.choice((0, 1, 400, 20 * scale))):
            node.variable.shape.dim.add(size=rng.choice(_LONG))
    elif choice == 2:
        node.user_object.identifier = rng.choice(("_tf_keras_layer", "_tf_keras_", "", "trackable"))
        old = node.user_object.metadata or '{"class_name": "Dense", "name": "d", "config": {"units": 2}}'
        node.user_object.metadata = documents.mutated(old, rng, scale).encode("utf-8", "replace").decode("utf-8")
    elif choice == 3:
        node.slot_variables.add(slot_variable_node_id=rng.choice(_NUMBERS))
    elif choice == 4:
        node.asset.asset_file_def_index = rng.choice(_NUMBERS)
    elif choice == 5:
        node.constant.operation = rng.choice(_NAMES)
    else:
        chain = rng.choice((3, scale, 20 * scale))
        first = len(nodes)
        for number in range(chain):
            nodes.add().children.add(node_id=first + number + 1, local_name=rng.choice(("child", "c" * scale)))
        nodes[0].children.add(node_id=first, local_name="chain")


def _rest(meta: Any, rng: Random, scale: int) -> None:
    choice = rng.randrange(8)
    if choice == 0:
        del meta.signature_def[:]
    elif choice == 1:
        entry = meta.signature_def.add(key=rng.choice((*_NAMES, "serving_default")))
        told = rng.choice((entry.value.inputs, entry.value.outputs)).add(key=rng.choice(_NAMES))
        told.value.name, told.value.dtype = rng.choice(_NAMES), rng.choice(_NUMBERS)
        told.value.tensor_shape.dim.add(size=rng.choice(_LONG))
    elif choice == 2:
        asset = meta.asset_file_def.add(filename=rng.choice((*_NAMES, "..", "a/../../b", "\0x", "C:x")))
        asset.tensor_info.name = rng.choice(_NAMES)
    elif choice == 3:
        entry = meta.collection_def.add(
            key=rng.choice(("saved_model_assets", "local_variables", "saved_model_main_op"))
        )
        entry.value.any_list.value.add(value=rng.choice((b"", b"\xff" * 9, b"\x12\x03abc")))
        entry.value.bytes_list.value.append(rng.choice((b"", b"\xff" * 9, b"\x12\x01x")))
        entry.value.node_list.value.append(rng.choice(_NAMES))
    elif choice == 4:
        meta.saver_def.save_tensor_name = rng.choice(_NAMES)
        meta.saver_def.restore_op_name = rng.choice(_NAMES)
    elif choice == 5:
        entry = meta.object_graph_def.concrete_functions.add(key=rng.choice(_NAMES))
        entry.value.bound_inputs.extend([rng.choice(_NUMBERS)] * rng.choice((1, 5, 10 * scale)))
    elif choice == 6:
        del meta.meta_info_def.tags[:]
        meta.meta_info_def.tags.append(rng.choice((*_NAMES, "serve")))
        meta.meta_info_def.tensorflow_version = rng.choice(
            (*_NAMES, "2.x", "1!2", "99999999.0", "2.4", "2." + "9" * 5000)
        )
    else:
        meta.object_graph_def.Clear()


_MUTATORS: tuple[Callable[[Any, Random, int], None], ...] = (
    *(_node, _node, _node, _node, _function, _object, _object, _object, _rest, _rest),
)
