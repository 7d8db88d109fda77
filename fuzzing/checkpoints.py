"""The index of a checkpoint: a LevelDB table of blocks, changed in its entries, its handles and its bytes."""

from __future__ import annotations

from random import Random

from fuzzing.messages import flipped, varint

_MAGIC = (0xDB4775248B80FB57).to_bytes(8, "little")


def mutated(content: bytes, rng: Random, scale: int = 100) -> bytes:
    """A ``variables.index`` with bytes or the footer changed, or another table in its place."""
    choice = rng.random()
    if choice < 0.4:
        return flipped(content, rng)
    if choice < 0.6:
        handles = b"".join(varint(rng.choice((0, 1, 1 << 20, (1 << 64) - 1, len(content)))) for _ in range(4))
        return content[:-48] + handles.ljust(40, b"\0")[:40] + _MAGIC
    entries = [(_key(rng, number), _value(rng)) for number in range(rng.choice((0, 1, 5, scale)))]
    return table(entries, blocks=rng.choice((1, 1, 2, scale)))


def table(entries: list[tuple[bytes, bytes]], blocks: int = 1) -> bytes:
    """A table of one block of data that is listed so many times."""
    data = _block(entries)
    handle = varint(0) + varint(len(data))
    index = _block([(b"%08d" % number, handle) for number in range(blocks)])
    at = len(data) + 5
    footer = varint(0) + varint(0) + varint(at) + varint(len(index))
    return data + b"\0" * 5 + index + b"\0" * 5 + footer.ljust(40, b"\0") + _MAGIC


def _block(entries: list[tuple[bytes, bytes]]) -> bytes:
    written = b"".join(varint(0) + varint(len(key)) + varint(len(value)) + key + value for key, value in entries)
    return written + (0).to_bytes(4, "little") + (1).to_bytes(4, "little")


def _key(rng: Random, number: int) -> bytes:
    return rng.choice((b"", b"a%d" % number, b"\xff\0", b"x" * 1000))


def _value(rng: Random) -> bytes:
    """A header (how many files) or an entry (file, offset, size), or neither."""
    number = rng.choice((0, 1, 2, 99_999, 100_001, 1 << 31, (1 << 64) - 1, (1 << 63)))
    return rng.choice(
        (
            b"\x08" + varint(number),
            b"\x18" + varint(number) + b"\x20" + varint(number) + b"\x28" + varint(rng.choice((1, number))),
            b"\xff\xff",
            b"",
        )
    )
