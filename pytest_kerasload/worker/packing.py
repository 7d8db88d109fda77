"""Replies as bytes: JSON, and after it the byte strings that it counts off.

The other side takes nothing else from this process, so that a reply is looked through before anything is made of it
(``environments/replies.py``).
"""

from __future__ import annotations

import json
import struct
from typing import Any, Dict, List


def pack(reply: Dict[str, Any]) -> bytes:
    """Number of parts and length of each (big-endian, 8 bytes), then the parts: JSON, and the byte strings.

    In the JSON a byte string is the number of its part.
    """
    parts: List[bytes] = [b""]

    def plain(value: Any) -> Any:
        if isinstance(value, (bytes, bytearray)):
            parts.append(bytes(value))
            return len(parts) - 1
        if isinstance(value, dict):
            return {str(key): plain(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [plain(item) for item in value]
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        return repr(value)

    parts[0] = json.dumps(plain(reply)).encode("ascii")
    lengths = [len(part) for part in parts]
    return struct.pack("!Q%dQ" % len(lengths), len(lengths), *lengths) + b"".join(parts)
