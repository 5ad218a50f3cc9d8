#!/usr/bin/env python3
"""Packs a fixture, so that it takes less room in the repository; the build unpacks it (make_test_data).

    python3 tests/tools/pack_fixture.py values.safetensors tests/data/goldens/values.safetensors.packed
    python3 tests/tools/pack_fixture.py attention.safetensors tests/data/goldens/attention.safetensors/t0001.packed \\
        --tensors '.*time0001.*'

A packed file is a byte S, the size as a uint64 and a zlib stream of the bytes in S planes: first every S-th byte from byte 0 on,
then from byte 1 on, and so on. The bytes of float32 numbers that hold their exponents lie together then and are what
compresses. With --tensors only the tensors whose names match are packed; a folder called NAME.safetensors holds such parts.
The SHA-256 of what must come out belongs into tests/data/sha256sums. Only the standard library is used.
"""

import argparse
import json
import pathlib
import re
import struct
import zlib


def select(data: bytes, pattern: str) -> bytes:
    """The .safetensors file of some tensors of another."""
    start = 8 + struct.unpack("<Q", data[:8])[0]
    header, bytes_ = {}, b""
    for name, entry in json.loads(data[8:start]).items():
        if not re.fullmatch(pattern, name):
            continue
        first, last = entry["data_offsets"]
        header[name] = entry | {"data_offsets": [len(bytes_), len(bytes_) + last - first]}
        bytes_ += data[start + first : start + last]
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + bytes_


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--stride", type=int, default=4, metavar="S", help="bytes of a number (default 4)")
    parser.add_argument("--tensors", metavar="REGEX", help="only these tensors of a .safetensors file")
    options = parser.parse_args()
    data = options.file.read_bytes()
    if options.tensors:
        data = select(data, options.tensors)
    planes = b"".join(data[i :: options.stride] for i in range(options.stride))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_bytes(struct.pack("<BQ", options.stride, len(data)) + zlib.compress(planes, 9))
    print(f"{options.out}: {len(data)} bytes in {options.out.stat().st_size}")


if __name__ == "__main__":
    main()
