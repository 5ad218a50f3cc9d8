#!/usr/bin/env python3
"""Writes the seeds of the weight readers' fuzz targets: small files as torch and safetensors write them.

    python tests/tools/make_fuzz_seeds.py tests/fuzz/corpus

Needs torch and safetensors.
"""

from __future__ import annotations

import argparse
import io
import zipfile
from collections import OrderedDict
from pathlib import Path

import torch
from safetensors.torch import save


def checkpoint(protocol: int) -> bytes:
    weight = torch.arange(6, dtype=torch.float16).reshape(2, 3)
    state = OrderedDict(w=weight, t=weight.t(), p=torch.nn.Parameter(torch.ones(2, dtype=torch.bfloat16)))
    beside = {"epoch": 3, "big": 1 << 70, "lr": 1e-4, "set": {1, 2}, "bytes": b"x", "size": torch.Size([1, 2])}
    out = io.BytesIO()
    torch.save({"state_dict": state, **beside}, out, pickle_protocol=protocol)
    return out.getvalue()


def repacked(archive: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            target.writestr(zipfile.ZipInfo(name), source.read(name), zipfile.ZIP_DEFLATED)
    return out.getvalue()


def pickle_of(archive: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(archive)) as source:
        return source.read(next(name for name in source.namelist() if name.endswith("/data.pkl")))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="gets a folder for each fuzz target")
    folder = parser.parse_args().folder
    tensors = {"a": torch.ones(2, 3, dtype=torch.float16), "b": torch.zeros(0), "c": torch.ones(1, dtype=torch.uint8)}
    fits = save(tensors, metadata={"format": "pt"})
    protocol2, protocol4 = checkpoint(2), checkpoint(4)
    seeds = {
        "fuzz_zip/stored.ckpt": protocol2,
        "fuzz_zip/deflated.ckpt": repacked(protocol2),
        "fuzz_pickle/protocol2.pkl": pickle_of(protocol2),
        "fuzz_pickle/protocol4.pkl": pickle_of(protocol4),
        # The first byte tells the target whether to correct the length of the header.
        "fuzz_safetensors/corrected": b"0" + fits,
        "fuzz_safetensors/as-it-is": b"1" + fits,
    }
    for name, seed in seeds.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(seed)
        print(path, len(seed))


if __name__ == "__main__":
    main()
