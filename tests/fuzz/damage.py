"""How a file is damaged: JSON by its meaning, anything by its bytes."""

import json
import struct
from random import Random
from typing import Any

NAN, TWICE = "@nan@", "@twice@"  # replaced in the text: JSON's own writer cannot write them
VALUES = (
    None, True, False, 0, -1, 1, 3, 2.5, 1e308, -1e-9, 10**12, 10**400, NAN, "", "x", "x" * 20_000, "../x",
    "/etc/passwd", "<b>|\n---\n# x", "\ud800\u202e\x00", [], {}, [[]], [None], {"a": {"b": []}}, [0] * 9, "1",
)  # fmt: skip


def damaged_json(random: Random, document: Any) -> bytes:
    """Change one to three places of a JSON document, or its text."""
    document = json.loads(json.dumps(document))
    for _ in range(random.randint(1, 3)):
        parent, key = _place(random, document)
        value = parent[key]
        kind = random.randrange(7)
        if kind == 0:
            del parent[key]
        elif kind == 1 and isinstance(parent, dict):
            parent[f"{key}{TWICE}"] = random.choice(VALUES)
        elif kind == 2:
            parent[key] = random.choice(([value], {"value": value}, _deep(random.choice((5, 50, 900)))))
        elif kind == 3 and isinstance(value, (int, float)) and not isinstance(value, bool):
            parent[key] = random.choice((value + 1, -value, value * 1000, float(value), str(value)))
        elif kind == 4 and isinstance(parent, dict):
            parent[random.choice(("kernel", "dtype", "quantization_config", "_attn_implementation", "x"))] = (
                value
            )
        else:
            parent[key] = random.choice(VALUES)
    text = json.dumps(document).replace(f'"{NAN}"', random.choice(("NaN", "Infinity", "1e999")))
    data = text.replace(TWICE, "").encode()
    return damaged_bytes(random, data) if random.random() < 0.1 else data


def damaged_weights(random: Random, data: bytes) -> bytes:
    """Change the header of a safetensors file, its length, its end, or any bytes."""
    kind = random.randrange(4)
    if kind == 0:
        return damaged_bytes(random, data)
    length = struct.unpack("<Q", data[:8])[0]
    if kind == 1:
        length = random.choice((0, 1, length - 1, length + 1, len(data), 2**31, 2**63, 2**64 - 1))
        return struct.pack("<Q", length) + data[8:]
    header, body = json.loads(data[8 : 8 + length]), data[8 + length :]
    if kind == 2:
        text = damaged_json(random, header)
    else:
        entry = header[random.choice([key for key in header if key != "__metadata__"])]
        start, stop = entry["data_offsets"]
        change = random.randrange(4)
        if change == 0:
            entry["dtype"] = random.choice(("F16", "BF16", "F64", "I64", "BOOL", "F8_E4M3", "x", "", None))
        elif change == 1:
            entry["shape"] = random.choice(
                ([], [0], [2**62, 4], [-1], entry["shape"][::-1], [1, *entry["shape"]])
            )
        elif change == 2:
            offsets = [stop, start], [start, stop + 4], [0, len(body)], [start, 2**63], [-1, stop]
            entry["data_offsets"] = random.choice(offsets)
        else:
            header[random.choice(("x", "__metadata__"))] = random.choice((entry, {}, "x", {"format": "tf"}))
        text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def damaged_bytes(random: Random, data: bytes) -> bytes:
    """Cut, flip, repeat or zero some bytes."""
    place, kind = random.randrange(len(data) + 1), random.randrange(5)
    if kind == 0:
        return data[:place]
    if kind == 1:
        return data[:place] + random.randbytes(random.randint(1, 8)) + data[place + 4 :]
    if kind == 2:
        return data[:place] + data
    if kind == 3:
        return data[:place] + bytes(len(data) - place)
    return random.randbytes(random.choice((0, 1, 7, 500)))


def _place(random: Random, document: Any) -> tuple[Any, Any]:
    """Choose a place in a document: a container and a key in it."""
    places, waiting = [], [document]
    while waiting:
        container = waiting.pop()
        keys = list(container) if isinstance(container, dict) else list(range(len(container)))
        places += [(container, key) for key in keys]
        waiting += [container[key] for key in keys if isinstance(container[key], (dict, list))]
    return random.choice(places) if places else ({"x": 0}, "x")


def _deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value
