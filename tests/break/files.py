"""Tells whether a file is whole, by its format: what a run that failed has left must be whole or not there."""

import json
import math
import pathlib
import struct
import zlib


def why_not_whole(path):
    """Why a file is not whole, in words; None if it is, or if its format has no end to look for."""
    path = pathlib.Path(path)
    check = _CHECKS.get(path.suffix)
    if check is None:
        return None
    try:
        return check(path.read_bytes())
    except (ValueError, struct.error, KeyError, IndexError) as error:
        return f"{type(error).__name__}: {error}"


def broken_files(folder):
    """Each file below a folder that is not whole, with why."""
    found = []
    for path in sorted(pathlib.Path(folder).rglob("*")):
        if path.is_file() and (why := why_not_whole(path)):
            found.append(f"{path}: {why}")
    return found


def _png(data):
    if data[:8] != b"\x89PNG\r\n\x1a\n":
        return "no PNG signature"
    at = 8
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        body = data[at + 4:at + 8 + size]
        if struct.unpack_from(">I", data, at + 8 + size)[0] != zlib.crc32(body):
            return f"check sum of {kind}"
        at += 12 + size
        if kind == b"IEND":
            return None if at == len(data) else "bytes behind its end"
    return "no IEND"


def _jpeg(data):
    return None if data[:2] == b"\xff\xd8" and data[-2:] == b"\xff\xd9" else "no start or no end"


def _webp(data):
    return None if data[:4] == b"RIFF" and struct.unpack_from("<I", data, 4)[0] + 8 == len(data) else "wrong size"


def _safetensors(data):
    size = struct.unpack_from("<Q", data)[0]
    header = json.loads(data[8:8 + size])
    end = max((entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"), default=0)
    return None if 8 + size + end == len(data) else "wrong size"


def _npy(data):
    if data[:6] != b"\x93NUMPY":
        return "no npy signature"
    size = struct.unpack_from("<H", data, 8)[0]
    header = data[10:10 + size].decode()
    shape = header[header.index("(") + 1:header.index(")")]
    count = math.prod(int(number) for number in shape.split(",") if number.strip())
    return None if 10 + size + 4 * count == len(data) else "wrong size"


def _json(data):
    json.loads(data)


def _lines(data):
    if data and not data.endswith(b"\n"):
        return "its last line has no end"
    for line in data.splitlines():
        json.loads(line)
    return None


_CHECKS = {".png": _png, ".jpg": _jpeg, ".jpeg": _jpeg, ".webp": _webp, ".safetensors": _safetensors, ".npy": _npy,
           ".json": _json, ".jsonl": _lines}
