"""The protobuf fields of a SavedModel that say what its graph does, beside those the record of an artifact is made of.

Added to the messages of :mod:`pytest_kerasload.artifacts.protos`, in a pool of their own: attributes with their
tensors are the larger part of a graph, and only looked at here. Names and numbers are those of TensorFlow
(tensorflow/core/framework/{attr_value,tensor,op_def,function,variable}.proto, and in tensorflow/core/protobuf
{saver,meta_graph,saved_object_graph}.proto).
"""

from __future__ import annotations

from functools import cache
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from pytest_kerasload.artifacts import protos

_Field = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    "int32": _Field.TYPE_INT32,
    "int64": _Field.TYPE_INT64,
    "string": _Field.TYPE_STRING,
    "bytes": _Field.TYPE_BYTES,
}

_ADDED = {
    "MetaGraphDef": "3 saver_def SaverDef; 4 collection_def* CollectionEntry",
    "CollectionEntry": "1 key string; 2 value CollectionDef",
    "CollectionDef": "1 node_list NodeList; 2 bytes_list BytesList; 5 any_list AnyList",
    "NodeList": "1 value* string",
    "BytesList": "1 value* bytes",
    "AnyList": "1 value* Any",
    "Any": "1 type_url string; 2 value bytes",
    "VariableDef": "2 initializer_name string",
    "SaverDef": "1 filename_tensor_name string; 2 save_tensor_name string; 3 restore_op_name string",
    "AssetFileDef": "1 tensor_info TensorInfo",
    "NodeDef": "3 input* string",
    "AttrValue": "1 list AttrList; 2 s bytes; 7 shape TensorShapeProto; 8 tensor TensorProto; 10 func FunctionName",
    "AttrList": "2 s* bytes; 9 func* FunctionName",
    "FunctionName": "1 name string",
    "TensorProto": "1 dtype DataType; 2 tensor_shape TensorShapeProto; 4 tensor_content bytes; 8 string_val* bytes; "
    "7 int_val* int32; 10 int64_val* int64",
    "FunctionDef": "5 attr* AttrEntry",
    "OpDef": "2 input_arg* ArgDef",
    "ArgDef": "1 name string",
    "SavedObjectGraph": "2 concrete_functions* ConcreteFunctionEntry",
    "ConcreteFunctionEntry": "1 key string; 2 value SavedConcreteFunction",
    "SavedConcreteFunction": "2 bound_inputs* int32",
    "SavedObject": "5 asset SavedAsset; 9 constant SavedConstant",
    "SavedAsset": "1 asset_file_def_index int32",
    "SavedConstant": "1 operation string",
}


@cache
def _classes() -> dict[str, Any]:
    base = type(protos.message("SavedModel")).DESCRIPTOR.file
    file = descriptor_pb2.FileDescriptorProto()
    base.CopyToProto(file)
    described = {message.name: message for message in file.message_type}
    for name, fields in _ADDED.items():
        message = described.get(name) or file.message_type.add(name=name)
        for field in fields.split("; "):
            number, label, kind = field.split(" ")
            if any(known.number == int(number) for known in message.field):
                continue
            added = message.field.add(name=label.rstrip("*"), number=int(number))
            added.label = _Field.LABEL_REPEATED if label.endswith("*") else _Field.LABEL_OPTIONAL
            if kind in _SCALARS:
                added.type = _SCALARS[kind]
            else:
                added.type = _Field.TYPE_ENUM if kind == "DataType" else _Field.TYPE_MESSAGE
                added.type_name = f".{file.package}.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    factory: Any = message_factory
    # GetPrototype: protobuf before 4.22
    known = hasattr(factory, "GetMessageClass")
    make = factory.GetMessageClass if known else factory.MessageFactory(pool).GetPrototype
    names = [message.name for message in file.message_type]
    return {name: make(pool.FindMessageTypeByName(f"{file.package}.{name}")) for name in names}


def message(name: str) -> Any:
    """An empty message of that name."""
    return _classes()[name]()
