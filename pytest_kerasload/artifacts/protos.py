"""The few protobuf fields of a SavedModel that are read.

Built here in code, in a descriptor pool of their own: no generated module that only works with some releases of
protobuf, and no clash with TensorFlow's own descriptors. Names and numbers are those of TensorFlow
(tensorflow/core/protobuf/saved_model.proto, meta_graph.proto, saved_object_graph.proto, trackable_object_graph.proto,
tensorflow/core/framework/{graph,node_def,function,op_def,tensor_shape,types,versions}.proto) and of Keras
(keras/protobuf/saved_metadata.proto); maps are written as the repeated entries they are on the wire.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_PACKAGE = "kerasload"
_Field = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    "int32": _Field.TYPE_INT32,
    "int64": _Field.TYPE_INT64,
    "uint64": _Field.TYPE_UINT64,
    "bool": _Field.TYPE_BOOL,
    "string": _Field.TYPE_STRING,
}

_MESSAGES = {
    "SavedModel": "2 meta_graphs* MetaGraphDef",
    "MetaGraphDef": "1 meta_info_def MetaInfoDef; 2 graph_def GraphDef; 5 signature_def* SignatureEntry; "
    "6 asset_file_def* AssetFileDef; 7 object_graph_def SavedObjectGraph",
    "MetaInfoDef": "4 tags* string; 5 tensorflow_version string",
    "GraphDef": "1 node* NodeDef; 2 library FunctionDefLibrary",
    "NodeDef": "1 name string; 2 op string; 5 attr* AttrEntry",
    "AttrEntry": "1 key string; 2 value AttrValue",
    "AttrValue": "6 type DataType",
    "FunctionDefLibrary": "1 function* FunctionDef",
    "FunctionDef": "1 signature OpDef; 3 node_def* NodeDef",
    "OpDef": "1 name string",
    "SignatureEntry": "1 key string; 2 value SignatureDef",
    "SignatureDef": "1 inputs* TensorEntry; 2 outputs* TensorEntry; 3 method_name string",
    "TensorEntry": "1 key string; 2 value TensorInfo",
    "TensorInfo": "1 name string; 2 dtype DataType; 3 tensor_shape TensorShapeProto",
    "TensorShapeProto": "2 dim* Dim; 3 unknown_rank bool",
    "Dim": "1 size int64; 2 name string",
    "AssetFileDef": "2 filename string",
    "SavedObjectGraph": "1 nodes* SavedObject",
    "SavedObject": "1 children* ObjectReference; 3 slot_variables* SlotVariableReference; "
    "4 user_object SavedUserObject; 7 variable SavedVariable",
    "ObjectReference": "1 node_id int32; 2 local_name string",
    "SlotVariableReference": "3 slot_variable_node_id int32",
    "SavedUserObject": "1 identifier string; 3 metadata string",
    "SavedVariable": "1 dtype DataType; 2 shape TensorShapeProto; 3 trainable bool; 6 name string",
    # A checkpoint's index (tensorflow/core/protobuf/tensor_bundle.proto)
    "BundleHeader": "1 num_shards int32",
    "BundleEntry": "3 shard_id int32; 4 offset int64; 5 size int64",
    # tensorflow/core/protobuf/fingerprint.proto
    "Fingerprint": "5 checkpoint_hash uint64",
    # Keras
    "SavedMetadata": "1 nodes* KerasObject",
    "KerasObject": "2 node_id int32; 3 node_path string; 4 identifier string; 5 metadata string",
}

DTYPES = (
    *("invalid", "float32", "float64", "int32", "uint8", "int16", "int8", "string", "complex64", "int64", "bool"),
    *("qint8", "quint8", "qint32", "bfloat16", "qint16", "quint16", "uint16", "complex128", "float16", "resource"),
    *("variant", "uint32", "uint64", "float8_e5m2", "float8_e4m3fn"),
)
"""Names of TensorFlow's dtypes by number (tensorflow/core/framework/types.proto)."""

_TEXT_NAMES = {"float32": "FLOAT", "float64": "DOUBLE", "float16": "HALF"}


def message(name: str) -> Any:
    """An empty message of that name."""
    return _CLASSES[name]()


def _classes() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="kerasload.proto", package=_PACKAGE, syntax="proto3")
    dtypes = file.enum_type.add(name="DataType")
    for position, dtype in enumerate(DTYPES):
        dtypes.value.add(name=f"DT_{_TEXT_NAMES.get(dtype, dtype.upper())}", number=position)
    for name, fields in _MESSAGES.items():
        described = file.message_type.add(name=name)
        for field in fields.split("; "):
            number, label, kind = field.split(" ")
            added = described.field.add(name=label.rstrip("*"), number=int(number))
            added.label = _Field.LABEL_REPEATED if label.endswith("*") else _Field.LABEL_OPTIONAL
            if kind in _SCALARS:
                added.type = _SCALARS[kind]
            else:
                added.type = _Field.TYPE_ENUM if kind == "DataType" else _Field.TYPE_MESSAGE
                added.type_name = f".{_PACKAGE}.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    factory: Any = message_factory
    if hasattr(factory, "GetMessageClass"):
        return {name: factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}")) for name in _MESSAGES}
    # protobuf before 4.22
    make = factory.MessageFactory(pool).GetPrototype
    return {name: make(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}")) for name in _MESSAGES}


_CLASSES = _classes()
