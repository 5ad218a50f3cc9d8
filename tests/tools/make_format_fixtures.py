#!/usr/bin/env python3
"""Writes small files of formats that other programs make, beside what they hold as .safetensors.

    python tests/tools/make_format_fixtures.py tests/data/formats

legacy.ckpt   what torch.save writes without a zip
types.gguf    one tensor of each type that is read, quantised by the gguf package; types.safetensors
              holds what its `dequantize` makes of them

Needs torch, safetensors, numpy and gguf.
"""

from __future__ import annotations

import argparse
from collections import OrderedDict
from pathlib import Path

import gguf
import numpy as np
import torch
from safetensors.torch import save_file

QUANTISED = ["Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0"]


def write_legacy(folder: Path) -> None:
    generator = torch.Generator().manual_seed(6)
    shared = torch.randn(6, 8, generator=generator)
    state = OrderedDict(
        whole=shared,
        transposed=shared.t(),
        part=shared[2:4, 1:5],
        half=torch.randn(2, 3, generator=generator).half(),
        parameter=torch.nn.Parameter(torch.randn(5, generator=generator).bfloat16()),
        number=torch.tensor(7),
        none=torch.zeros(0, 3),
    )
    content = {"epoch": 3, "state_dict": state, "beside": {"lr": 1e-4, "spectrum": torch.zeros(2, dtype=torch.complex64)}}
    torch.save(content, folder / "legacy.ckpt", _use_new_zipfile_serialization=False)
    save_file(
        {name: tensor.detach().contiguous().clone() for name, tensor in state.items()},
        folder / "legacy.safetensors",
    )


def write_gguf(folder: Path) -> None:
    random = np.random.default_rng(6)
    writer = gguf.GGUFWriter(folder / "types.gguf", "sd1")
    writer.add_name("types")
    writer.add_array("list.of.texts", ["a", "bc", ""])
    writer.add_array("list.of.numbers", [1, 2, 3])
    expected = {}

    def add(name: str, values: np.ndarray, kind: str) -> None:
        type_ = getattr(gguf.GGMLQuantizationType, kind)
        stored = gguf.quants.quantize(values, type_)
        writer.add_tensor(name, stored, raw_dtype=type_)
        expected[name] = torch.from_numpy(gguf.quants.dequantize(stored, type_).copy())

    for kind in QUANTISED:
        values = random.standard_normal((3, 64), dtype=np.float32)
        values[1, :32] = 0
        values[2, 32:] *= 1e-6  # a scale that is a subnormal half
        add(kind.lower(), values, kind)
    for kind in ["F32", "F16", "BF16"]:
        add(kind.lower(), random.standard_normal((2, 3, 5), dtype=np.float32), kind)
    add("bias", random.standard_normal(7, dtype=np.float32), "F32")
    # A convolution whose rows of 3 no block fits: ComfyUI-GGUF stores it in rows of 256, its shape beside it.
    convolution = random.standard_normal((16, 16, 3, 3), dtype=np.float32)
    writer.add_array("comfy.gguf.orig_shape.convolution", convolution.shape)
    add("convolution", convolution.reshape(-1, 256), "Q8_0")
    expected["convolution"] = expected["convolution"].reshape(convolution.shape)

    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    save_file(expected, folder / "types.safetensors")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    write_legacy(folder)
    write_gguf(folder)
    for path in folder.iterdir():
        path.chmod(0o644)  # safetensors leaves its files readable by their owner alone


if __name__ == "__main__":
    main()
