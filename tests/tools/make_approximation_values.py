#!/usr/bin/env python3
r"""Writes tests/data/goldens/approximations.safetensors: what the authors' own code makes of DeepCache (arXiv:2312.00858) and
token merging (arXiv:2303.17604).

- `tokens_HxW`, float32 [2,H*W,3], and what tomesd's bipartite_soft_matching_random2d without random numbers makes of them in
  float64: `merged_HxW_R` and `unmerged_HxW_R` of twice the tokens plus 1, matched by the tokens, for ratios R.
- `noise` [2,4,8,8] and the latents to which the tiny model comes from it in five DDIM steps with guidance 7.5: `plain`,
  `deepcache` (DeepCacheSDHelper, interval 2, branch 0), `tome` (tomesd.apply_patch, ratio 0.5, no random numbers), `both`.

Usage, with torch, diffusers, transformers, safetensors, tomesd 0.1.3 and DeepCache 0.1.1:
    python tests/tools/make_approximation_values.py build/tests/data/tiny-v1-diffusers [tests/data/goldens]
"""

import sys
import types
from pathlib import Path

import tomesd
import torch
from clip_tokenizer_files import clip_tokenizer_folder
from DeepCache import DeepCacheSDHelper
from safetensors.torch import save_file
from tomesd.merge import bipartite_soft_matching_random2d

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

from diffusers_peer import Peer  # noqa: E402  (found through the line above)

PROMPTS = ["a red circle above a blue square", "a photo of a house on a snowy mountain"]
STEPS, SCALE, INTERVAL, RATIO = 5, 7.5, 2, 0.5


def merging_values(generator: torch.Generator) -> dict[str, torch.Tensor]:
    values = {}
    for height, width in ((4, 6), (5, 3)):
        size = f"{height}x{width}"
        tokens = torch.randn((2, height * width, 3), generator=generator)
        values[f"tokens_{size}"] = tokens
        for ratio in (0.25, 0.5, 0.75):
            merge, unmerge = bipartite_soft_matching_random2d(
                tokens.double(), width, height, 2, 2, int(ratio * height * width), no_rand=True
            )
            merged = merge(2 * tokens.double() + 1)
            values[f"merged_{size}_{ratio}"] = merged.float()
            values[f"unmerged_{size}_{ratio}"] = unmerge(merged).float()
    return values


def drawn(folder: Path, noise: torch.Tensor, deepcache: bool, tome: bool) -> torch.Tensor:
    peer = Peer(folder, tokenizer=clip_tokenizer_folder())
    scheduler = peer.scheduler(plms=False)
    scheduler.set_timesteps(STEPS)
    pipe = types.SimpleNamespace(unet=peer.unet, scheduler=scheduler)
    if tome:
        tomesd.apply_patch(peer.unet, ratio=RATIO, use_rand=False)
    if deepcache:
        helper = DeepCacheSDHelper(pipe=pipe)
        helper.set_params(cache_interval=INTERVAL, cache_branch_id=0)
        helper.enable()
    with torch.inference_mode():
        context = torch.cat([peer.encode([""] * len(PROMPTS)), peer.encode(PROMPTS)])
        x = noise
        for t in scheduler.timesteps:
            eps = pipe.unet(torch.cat([x, x]), t, encoder_hidden_states=context).sample
            unconditional, conditional = eps.chunk(2)
            x = scheduler.step(
                unconditional + SCALE * (conditional - unconditional), t, x
            ).prev_sample
    return x


def main() -> None:
    folder = Path(sys.argv[1])
    goldens = Path(sys.argv[2] if len(sys.argv) > 2 else "tests/data/goldens")
    generator = torch.Generator().manual_seed(7)
    values = merging_values(generator)
    noise = torch.randn((len(PROMPTS), 4, 8, 8), generator=generator)
    values["noise"] = noise
    for name, deepcache, tome in (
        ("plain", False, False),
        ("deepcache", True, False),
        ("tome", False, True),
        ("both", True, True),
    ):
        values[name] = drawn(folder, noise, deepcache, tome)
    save_file(
        {name: value.contiguous() for name, value in values.items()},
        goldens / "approximations.safetensors",
    )


if __name__ == "__main__":
    main()
