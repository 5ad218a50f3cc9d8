#!/usr/bin/env python3
"""Makes the small LAION-400M model of the tests and what a Python model of the original's structure
draws with it.

The text encoder's weights are given (the original code's, with their ids and context as a check);
the UNet, autoencoder and schedule are those of tiny-v1. Of the 30,522 rows of the token embedding
only those of PROMPTS are kept: the test that needs the others fills them with zeros.

    python tests/tools/make_laion_fixture.py --weights tiny-laion-text-weights.safetensors \
        --goldens laion_text.safetensors
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch.nn import functional as F
from transformers import BertTokenizerFast

from clip_tokenizer_files import clip_tokenizer_folder

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

from diffusers_peer import Peer  # noqa: E402  (found through the line above)

DATA = ROOT / "tests" / "data"
BUILT = ROOT / "build" / "tests" / "data"  # the tiny model is made there
PREFIX = "cond_stage_model.transformer."
EMBEDDING = PREFIX + "token_emb.weight"
HEADS = 8
PROMPTS = [
    "a red circle above a blue square",
    "",
    "a virus monster is playing guitar, oil on canvas",
    "a photo of a Siberian tigerfish on a snowy mountain",
]

Tensors = dict[str, torch.Tensor]


def tokenize(prompts: list[str]) -> torch.Tensor:
    """ids [N,77], as BERTTokenizer of the original makes them."""
    tokenizer = BertTokenizerFast(str(ROOT / "assets" / "bert" / "vocab.txt"))
    return tokenizer(
        prompts, padding="max_length", max_length=77, truncation=True, return_tensors="pt"
    )["input_ids"]


def encode(weights: Tensors, ids: torch.Tensor) -> torch.Tensor:
    """Context [N,77,D]: learned positions, then pre-norm attention and feed-forward in turn."""

    def linear(name: str, x: torch.Tensor) -> torch.Tensor:
        return F.linear(x, weights[name + ".weight"], weights.get(name + ".bias"))

    def norm(name: str, x: torch.Tensor) -> torch.Tensor:
        return F.layer_norm(x, x.shape[-1:], weights[name + ".weight"], weights[name + ".bias"])

    def heads(x: torch.Tensor) -> torch.Tensor:
        return x.unflatten(-1, (HEADS, -1)).transpose(1, 2)

    x = weights["token_emb.weight"][ids] + weights["pos_emb.emb.weight"][: ids.shape[1]]
    index = 0
    while (layer := f"attn_layers.layers.{index}") + ".0.weight" in weights:
        h, block = norm(layer + ".0", x), layer + ".1"
        if index % 2 == 0:
            q, k, v = (heads(linear(f"{block}.{name}", h)) for name in ("to_q", "to_k", "to_v"))
            probs = (q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5).softmax(-1)
            x = x + linear(block + ".to_out", (probs @ v).transpose(1, 2).flatten(2))
        else:
            x = x + linear(block + ".net.2", F.gelu(linear(block + ".net.0.0", h)))
        index += 1
    return norm("norm", x)


class LaionPeer(Peer):
    """tiny-v1's UNet and schedule in diffusers under this text encoder."""

    def __init__(self, weights: Tensors) -> None:
        super().__init__(
            BUILT / "tiny-v1-diffusers", tokenizer=clip_tokenizer_folder()
        )
        self.weights = weights

    @torch.inference_mode()
    def encode(self, prompts: list[str]) -> torch.Tensor:
        return encode(self.weights, tokenize(list(prompts)))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--weights", type=Path, required=True, metavar="FILE")
    parser.add_argument("--goldens", type=Path, required=True, metavar="FILE")
    args = parser.parse_args()

    given = load_file(args.weights)
    weights = {name.removeprefix(PREFIX): value.float() for name, value in given.items()}
    goldens = load_file(args.goldens)
    difference = (encode(weights, goldens["ids"]) - goldens["context"]).abs().max().item()
    print(f"context of the goldens: max difference {difference:.1e}")
    assert difference < 1e-4

    rows = tokenize(PROMPTS).unique()
    kept = {name: value for name, value in given.items() if ".to_logits." not in name}
    kept[EMBEDDING] = given[EMBEDDING][rows]
    kept["rows"] = rows
    save_file(kept, DATA / "tiny-laion-text.safetensors")

    peer = LaionPeer(weights)
    drawn = dict(goldens)
    for index, sampler in enumerate(("ddim", "plms")):
        noise = peer.start_noise(1, 128, 128, seed=7)
        drawn[f"{sampler}_latents"] = peer.draw(
            [PROMPTS[3 * index]], noise, steps=4, scale=7.5, plms=sampler == "plms"
        ).latents.contiguous()
    save_file(drawn, DATA / "goldens" / "laion.safetensors")


if __name__ == "__main__":
    main()
