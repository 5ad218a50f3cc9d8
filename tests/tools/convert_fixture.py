#!/usr/bin/env python3
"""Writes the tensors of a Stable Diffusion v1 `.ckpt` as a single `.safetensors` and as a diffusers
folder.

The diffusers folder of the tests was made so, and its loading checked with diffusers itself:

    python tests/tools/convert_fixture.py build/tests/data/tiny-v1.ckpt \\
        --config tests/data/tiny-v1.yaml --out-diffusers tiny-v1-diffusers --check

Needs torch, safetensors, numpy and PyYAML (with --check: diffusers and transformers too).
"""

from __future__ import annotations

import argparse
from pathlib import Path

from checkpoint_io import check_diffusers, read_checkpoint, write_diffusers, write_safetensors
from sd_layout import sizes_from_yaml


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "checkpoint", type=Path, help="the .ckpt to convert; tensors keep their dtype"
    )
    parser.add_argument("--config", type=Path, required=True, metavar="YAML", help="its config")
    parser.add_argument("--out-safetensors", type=Path, metavar="FILE", help="write this file")
    parser.add_argument("--out-diffusers", type=Path, metavar="DIR", help="write this folder")
    parser.add_argument(
        "--tokenizer", action="store_true", help="write CLIP's tokenizer into the folder too"
    )
    parser.add_argument(
        "--check", action="store_true", help="load the folder with diffusers, strictly"
    )
    args = parser.parse_args()

    tensors = read_checkpoint(args.checkpoint)
    if args.out_safetensors:
        write_safetensors(tensors, args.out_safetensors)
        print(args.out_safetensors)
    if args.out_diffusers:
        write_diffusers(tensors, sizes_from_yaml(args.config), args.out_diffusers, args.tokenizer)
        print(args.out_diffusers)
        if args.check:
            for part, count in check_diffusers(args.out_diffusers).items():
                print(f"{args.out_diffusers}: {part} {count:,} parameters")


if __name__ == "__main__":
    main()
