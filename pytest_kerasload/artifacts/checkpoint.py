"""The index of a TensorFlow checkpoint: how long each of its data files has to be.

``variables.index`` is a LevelDB table without compression (tensorflow/core/util/tensor_bundle/tensor_bundle.cc,
tensorflow/tsl/lib/io/format.cc), keyed by tensor name, with a header under the empty key.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from google.protobuf.message import DecodeError

from pytest_kerasload.artifacts import protos

_MAGIC = (0xDB4775248B80FB57).to_bytes(8, "little")
_FOOTER = 48
_MOST_SHARDS = 100_000
"""The names of data files have room for five digits."""


def shard_sizes(index: Path) -> dict[int, int]:
    """The least size of each data file by its number, out of ``variables.index``; ValueError where it is damaged."""
    content = index.read_bytes()
    if len(content) < _FOOTER or not content.endswith(_MAGIC):
        raise ValueError("it does not end as an index has to")
    footer = content[-_FOOTER:]
    _, position = _handle(footer, 0)
    (offset, size), _ = _handle(footer, position)
    needed: dict[int, int] = {}
    shards = gone_through = 0
    for _, written in _entries(_block(content, offset, size)):
        (offset, size), _ = _handle(written, 0)
        gone_through += size
        if gone_through > len(content):
            raise ValueError("its blocks overlap")
        for key, value in _entries(_block(content, offset, size)):
            try:
                if key == b"":
                    header = protos.message("BundleHeader")
                    header.ParseFromString(value)
                    if not 0 <= header.num_shards <= _MOST_SHARDS:
                        raise ValueError(f"it counts {header.num_shards} data files")
                    shards = max(shards, header.num_shards)
                else:
                    entry = protos.message("BundleEntry")
                    entry.ParseFromString(value)
                    needed[entry.shard_id] = max(needed.get(entry.shard_id, 0), entry.offset + entry.size)
            except DecodeError as error:
                raise ValueError(f"an entry cannot be parsed ({error})") from error
    return dict.fromkeys(range(shards), 0) | needed


def _block(content: bytes, offset: int, size: int) -> bytes:
    """A block without its list of restart points."""
    block = content[offset : offset + size]
    if len(block) != size or size < 4 or offset + size >= len(content):
        raise ValueError("a block of it is missing")
    if content[offset + size] != 0:
        raise ValueError("a block of it is compressed, which TensorFlow never does")
    restarts = int.from_bytes(block[-4:], "little")
    if 4 * (restarts + 1) > size:
        raise ValueError("a block of it has no entries")
    return block[: size - 4 * (restarts + 1)]


def _entries(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of a block; each key shares its beginning with the one before."""
    key = b""
    position = 0
    while position < len(block):
        shared, position = _varint(block, position)
        own, position = _varint(block, position)
        length, position = _varint(block, position)
        if shared > len(key) or position + own + length > len(block):
            raise ValueError("an entry reaches past its block")
        key = key[:shared] + block[position : position + own]
        yield key, block[position + own : position + own + length]
        position += own + length


def _handle(content: bytes, position: int) -> tuple[tuple[int, int], int]:
    """Offset and size of a block, and where the next handle begins."""
    offset, position = _varint(content, position)
    size, position = _varint(content, position)
    return (offset, size), position


def _varint(content: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while position < len(content) and shift < 64:
        byte = content[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
    raise ValueError("a number in it does not end")
