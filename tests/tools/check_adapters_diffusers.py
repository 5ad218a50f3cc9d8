#!/usr/bin/env python3
"""Trains a LoRA (text encoder, UNet, convolutions) and an embedding beside tiny-v1 with `sd-train`, loads the files in
diffusers, and compares latents with those of `sd`: each by itself, and both together.

diffusers 0.42 finds no place for a text encoder's keys in transformers 5, so that half is merged by hand from the file.
Prints the largest differences over the largest latent; exits 1 where one is above 1e-4.

    python tests/tools/check_adapters_diffusers.py [build]
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path

import diffusers
import numpy as np
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file

from clip_tokenizer_files import clip_tokenizer_folder
from make_lora_values import TEXT, merged

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

from diffusers_peer import Peer  # noqa: E402  (found through the line above)

PROMPT, NEGATIVE, STEPS, SCALE, SIDE = "a <toy> above a blue square", "blurry", 4, 7.5, 64
ALLOWED = 1e-4


def write_pictures(folder: Path) -> None:
    folder.mkdir()
    generator = random.Random(1)
    lines = []
    for i in range(6):
        width, height = generator.randint(64, 90), generator.randint(64, 90)
        Image.effect_noise((width, height), 90).convert("RGB").save(folder / f"{i}.png")
        lines.append(json.dumps({"file_name": f"{i}.png", "text": f"a <toy> with number {i}"}))
    (folder / "metadata.jsonl").write_text("\n".join(lines))


def train(build: Path, work: Path, command: str, *more: str) -> Path:
    out = work / f"{command}.safetensors"
    data = build / "tests" / "data"
    arguments = [command, "--model", data / "tiny-v1.ckpt", "--config", data / "tiny-v1.yaml", "--data",
                 work / "pictures", "--out", out, "--steps", "30", "--batch", "2", "--resolution", "64",
                 "--dtype", "f32", *more]  # fmt: skip
    subprocess.run([build / "sd-train", *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)
    return out


def ours(build: Path, work: Path, noise: torch.Tensor, more: list[str]) -> torch.Tensor:
    np.save(work / "noise.npy", noise.numpy())
    data, latents = build / "tests" / "data", Path(tempfile.mkdtemp(dir=work))
    arguments = ["txt2img", "--ckpt", data / "tiny-v1.ckpt", "--config", data / "tiny-v1.yaml", "--prompt", PROMPT,
                 "--negative-prompt", NEGATIVE, "--steps", STEPS, "--scale", SCALE, "--H", SIDE, "--W", SIDE,
                 "--dtype", "f32", "--n_samples", 1, "--n_iter", 1, "--skip_grid", "--init-latents",
                 work / "noise.npy", "--save-latents", latents, "--outdir", work / "drawn", *more]  # fmt: skip
    subprocess.run([build / "sd", *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)
    return torch.from_numpy(np.load(next(latents.rglob("*.npy"))))


def theirs(peer: Peer, noise: torch.Tensor, lora: Path | None, word: Path | None) -> torch.Tensor:
    pipe = diffusers.StableDiffusionPipeline(
        vae=peer.vae, text_encoder=peer.text, tokenizer=peer.tokenizer, unet=peer.unet,
        scheduler=peer.scheduler(plms=False), safety_checker=None, feature_extractor=None,
        requires_safety_checker=False)  # fmt: skip
    if word is not None:
        pipe.load_textual_inversion(str(word))
    if lora is not None:
        tensors = load_file(lora)
        pipe.load_lora_weights({k: v for k, v in tensors.items() if k.startswith("lora_unet_")})
        pipe.text_encoder = merged(pipe.text_encoder, TEXT, tensors, 1.0)
    with torch.inference_mode():
        positive, negative = pipe.encode_prompt(PROMPT, "cpu", 1, True, NEGATIVE)
        return pipe(
            prompt_embeds=positive, negative_prompt_embeds=negative, latents=noise,
            num_inference_steps=STEPS, guidance_scale=SCALE, output_type="latent").images  # fmt: skip


def main() -> None:
    build = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "build").resolve()
    tokenizer = clip_tokenizer_folder()
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        write_pictures(work / "pictures")
        lora = train(build, work, "lora", "--rank", "4", "--alpha", "2", "--learning-rate", "1e-2",
                     "--text-encoder", "--conv")  # fmt: skip
        word = train(build, work, "embedding", "--word", "<toy>", "--init", "cat dog", "--vectors", "2",
                     "--learning-rate", "0.05")  # fmt: skip
        named = work / "<toy>.safetensors"
        word.rename(named)
        with safe_open(lora, "pt") as file:
            print("modules", len(file.keys()) // 3, "rank", file.metadata()["ss_network_dim"])
        plain = None
        for name, use_lora, use_word in (("none", 0, 0), ("lora", 1, 0), ("word", 0, 1), ("both", 1, 1)):
            peer = Peer(build / "tests" / "data" / "tiny-v1-diffusers", tokenizer=tokenizer)
            noise = peer.start_noise(1, SIDE, SIDE, seed=5)
            options = (["--lora", str(lora)] if use_lora else []) + (["--embedding", str(named)] if use_word else [])
            found = ours(build, work, noise, options)
            expected = theirs(peer, noise, lora if use_lora else None, named if use_word else None)
            plain = expected if plain is None else plain
            error = ((found - expected).abs().max() / expected.abs().max()).item()
            change = ((expected - plain).abs().max() / expected.abs().max()).item()
            print(f"{name}: difference {error:.1e}, what it changes {change:.1e}")
            failed = failed or error > ALLOWED
    sys.exit(failed)


if __name__ == "__main__":
    main()
