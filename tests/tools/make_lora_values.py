#!/usr/bin/env python3
"""Writes tests/data/networks/: two LoRAs for tiny-v1 in kohya's spelling, with seeded values, and the latents that diffusers
draws with them.

`ink.safetensors` changes text encoder and UNet, `line.safetensors` the UNet alone, convolutions and what it makes of the time
among it. `latents.safetensors` has the noise of the start and where DDIM ends after 4 steps with guidance 7.5:

    none   without LoRA
    ink    ink at 0.8
    both   ink at 0.5 in the text encoder and 1.2 in the UNet, line at -0.7

Needs torch, diffusers, transformers, peft, safetensors.
Usage: make_lora_values.py [build/tests/data/tiny-v1-diffusers] [tests/data/networks]
"""

import copy
import sys
from pathlib import Path

import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline
from safetensors.torch import save_file

from clip_tokenizer_files import clip_tokenizer_folder

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

from diffusers_peer import SCHEDULE, Peer  # noqa: E402  (found through the line above)

PROMPT, NEGATIVE, STEPS, SCALE = "a red circle above a blue square", "blurry", 4, 7.5
# transformers 5 leaves "text_model" out of the layers' names, files have it.
TEXT = "lora_te_text_model_"
INK = ("attn1.to_q", "attn2.to_v", "ff.net.0.proj")
LINE = ("conv1", "time_emb_proj", "downsamplers.0.conv", "proj_in", "conv_in")


def pairs(prefix, model, endings, rank, spread, seed):
    """Factors for the layers whose names end so, in kohya's spelling."""
    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for name, module in model.named_modules():
        if not name.endswith(endings) or not hasattr(module, "weight"):
            continue
        out, into = module.weight.shape[0], module.weight.shape[1:]
        key = prefix + name.replace(".", "_")
        down = torch.randn(rank, *into, generator=generator) / into.numel() ** 0.5
        up = torch.randn(out, rank, *([1] * (len(into) - 1)), generator=generator) * spread
        tensors[f"{key}.lora_down.weight"] = down.half()
        tensors[f"{key}.lora_up.weight"] = up.half()
        tensors[f"{key}.alpha"] = torch.tensor(float(rank) / 2)
    return tensors


def merged(model, prefix, tensors, weight):
    """The model with W + weight * alpha / rank * up down (arXiv:2106.09685, eq. 3)."""
    model = copy.deepcopy(model)
    with torch.no_grad():
        for name, module in model.named_modules():
            key = prefix + name.replace(".", "_")
            if f"{key}.alpha" not in tensors:
                continue
            down, up = (tensors[f"{key}.lora_{part}.weight"].float() for part in ("down", "up"))
            scale = weight * tensors[f"{key}.alpha"].item() / down.shape[0]
            module.weight += scale * (up.flatten(1) @ down.flatten(1)).view(module.weight.shape)
    return model


@torch.inference_mode()
def draw(pipe, noise):
    def encode(prompt):
        ids = pipe.tokenizer(prompt, padding="max_length", max_length=77, return_tensors="pt")
        return pipe.text_encoder(ids["input_ids"])[0]

    context = torch.cat([encode(NEGATIVE), encode(PROMPT)])
    scheduler = DDIMScheduler(beta_start=0.00085, beta_end=0.012, clip_sample=False, **SCHEDULE)
    scheduler.set_timesteps(STEPS)
    latents = noise
    for timestep in scheduler.timesteps:
        both = pipe.unet(torch.cat([latents] * 2), timestep, encoder_hidden_states=context).sample
        unconditional, conditional = both.chunk(2)
        eps = unconditional + SCALE * (conditional - unconditional)
        latents = scheduler.step(eps, timestep, latents).prev_sample
    return latents.contiguous()


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "build/tests/data/tiny-v1-diffusers")
    out = Path(sys.argv[2] if len(sys.argv) > 2 else ROOT / "tests/data/networks")
    peer = Peer(folder, tokenizer=clip_tokenizer_folder())
    ink = pairs("lora_unet_", peer.unet, INK, rank=1, spread=0.3, seed=1)
    ink |= pairs(TEXT, peer.text, ("q_proj", "fc1"), rank=1, spread=0.3, seed=2)
    line = pairs("lora_unet_", peer.unet, LINE, rank=1, spread=0.3, seed=3)
    save_file(ink, out / "ink.safetensors", metadata={"ss_output_name": "wet ink"})
    save_file(line, out / "line.safetensors")

    pipe = StableDiffusionPipeline(
        vae=peer.vae, text_encoder=peer.text, tokenizer=peer.tokenizer, unet=peer.unet,
        scheduler=DDIMScheduler(), safety_checker=None, feature_extractor=None,
        requires_safety_checker=False)
    noise = peer.start_noise(1, 128, 128, seed=11)
    values = {"noise": noise, "none": draw(pipe, noise)}
    # diffusers 0.42 finds no place for a text encoder's keys in transformers 5, so these are added by hand.
    plain = pipe.text_encoder
    unet_only = {key: value for key, value in ink.items() if key.startswith("lora_unet_")}
    pipe.load_lora_weights(unet_only, adapter_name="ink")
    pipe.set_adapters(["ink"], [0.8])
    pipe.text_encoder = merged(plain, TEXT, ink, 0.8)
    values["ink"] = draw(pipe, noise)
    pipe.load_lora_weights(dict(line), adapter_name="line")
    pipe.set_adapters(["ink", "line"], [1.2, -0.7])
    pipe.text_encoder = merged(plain, TEXT, ink, 0.5)
    values["both"] = draw(pipe, noise)
    for name, latents in values.items():
        print(name, latents.std().item(), (latents - values["none"]).abs().max().item())
    save_file(values, out / "latents.safetensors")


if __name__ == "__main__":
    main()
