#!/usr/bin/env python3
"""Writes the seeds of the weight readers' fuzz targets: small files as torch and safetensors write them.

    python tests/tools/make_fuzz_seeds.py tests/fuzz/corpus

Needs torch, safetensors and gguf.
"""

from __future__ import annotations

import argparse
import io
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path

import gguf
import numpy as np
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


def without_zip() -> bytes:
    """A file of torch.save's older format behind its first three pickles, which the target puts there."""
    out = io.BytesIO()
    weight = torch.arange(6, dtype=torch.float16).reshape(2, 3)
    state = OrderedDict(w=weight, t=weight.t(), c=torch.zeros(2, dtype=torch.complex64))
    torch.save({"state_dict": state}, out, _use_new_zipfile_serialization=False)
    out.seek(0)
    for _ in range(3):
        pickle.load(out)
    return out.read()


def small_gguf(folder: Path) -> bytes:
    path = folder / "seed.gguf"
    writer = gguf.GGUFWriter(path, "sd1")
    writer.add_array("texts", ["a", "bc"])
    writer.add_array("comfy.gguf.orig_shape.c", [2, 16])
    for kind in ["Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "F16", "BF16", "F32"]:
        type_ = getattr(gguf.GGMLQuantizationType, kind)
        values = np.ones((1, 32), dtype=np.float32)
        writer.add_tensor("c" if kind == "F32" else kind, gguf.quants.quantize(values, type_), raw_dtype=type_)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    contents = path.read_bytes()
    path.unlink()
    return contents


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
    folder_of_tiny = Path(__file__).parents[1] / "data/tiny-v1-diffusers"
    index = b'{"metadata": {"total_size": 1}, "weight_map": {"a": "c.ckpt"}}'
    quantised = small_gguf(folder)
    seeds = {
        "fuzz_legacy_ckpt/torch.pt": without_zip(),
        "fuzz_gguf/types.gguf": quantised,
        # The first byte is the number of the file, or of its name.
        "fuzz_open/index": b"\0" + index,
        "fuzz_open/shard": b"\1" + fits,
        "fuzz_open/ckpt": b"\2" + protocol2,
        "fuzz_open/gguf": b"\2" + quantised,
        "fuzz_folder/model_index": b"\0" + (folder_of_tiny / "model_index.json").read_bytes(),
        "fuzz_folder/unet": b"\1" + (folder_of_tiny / "unet/config.json").read_bytes(),
        "fuzz_folder/index": b"\5" + index,
        # The first byte chooses what is read: a list, a line's words, its object, a grid, a template with a prompt.
        "fuzz_batch/list": b"\0# c\n--prompt 'a b' --steps 3\n{\"prompt\": \"a\"}\na cat\r\n",
        "fuzz_batch/words": b"\1--prompt \"a \\\"red\\\" apple\" --steps 20 'x y' z\\ w",
        "fuzz_batch/object": b'\2{"prompt": "a", "steps": 3, "reweight": ["a=2"], "plms": true, "seed": null}',
        "fuzz_batch/overflow": b'\2{"steps": 1e9999}',
        "fuzz_batch/grid": b'\3scale=1.5, 3;prompt="a, b",c\\,d',
        "fuzz_batch/name": b"\4{date}/{seed:010}-{prompt:40}../a\\b/c d e f g h i j k",
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
