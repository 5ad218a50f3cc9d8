#!/usr/bin/env python3
"""Writes what diffusers makes of textual inversion embeddings on tiny-v1: an embedding of three
vectors in the prompt and one of one vector in the negative prompt, loaded with
load_textual_inversion. The contexts' every fifth token, and DDIM's last latents.

    python tests/tools/make_embedding_values.py tests/data/goldens/embeddings.safetensors
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import diffusers
import torch
from safetensors.torch import save_file

from clip_tokenizer_files import clip_tokenizer_folder

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

from diffusers_peer import Peer  # noqa: E402  (found through the line above)

PROMPT, NEGATIVE = "a photo of a <toy> on a table", "blurry, <bad>"
STEPS, SCALE, SIDE = 4, 7.5, 64
TOKENS = slice(0, 77, 5)


def embedding(vectors: int, width: int, seed: int) -> torch.Tensor:
    """The same numbers as the C++ test makes: multiples of 1/1024, exact in float32."""
    values = [((i * 7919 + seed) % 1021 - 510) / 1024 for i in range(vectors * width)]
    return torch.tensor(values).view(vectors, width)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    peer = Peer(
        ROOT / "build" / "tests" / "data" / "tiny-v1-diffusers", tokenizer=clip_tokenizer_folder()
    )
    width = peer.text.config.hidden_size
    pipe = diffusers.StableDiffusionPipeline(
        vae=peer.vae,
        text_encoder=peer.text,
        tokenizer=peer.tokenizer,
        unet=peer.unet,
        scheduler=peer.scheduler(plms=False),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    with tempfile.TemporaryDirectory() as folder:
        for token, vectors, seed in (("<toy>", 3, 13), ("<bad>", 1, 401)):
            file = Path(folder) / f"{vectors}.safetensors"
            save_file({token: embedding(vectors, width, seed)}, file)
            pipe.load_textual_inversion(str(file))
    noise = peer.start_noise(1, SIDE, SIDE, seed=5)
    with torch.inference_mode():
        positive, negative = pipe.encode_prompt(
            PROMPT, "cpu", 1, True, NEGATIVE
        )
        latents = pipe(
            prompt_embeds=positive,
            negative_prompt_embeds=negative,
            latents=noise,
            num_inference_steps=STEPS,
            guidance_scale=SCALE,
            output_type="latent",
        ).images
    save_file(
        {
            "noise": noise,
            "context": positive[:, TOKENS].contiguous(),
            "negative": negative[:, TOKENS].contiguous(),
            "latents": latents.contiguous(),
        },
        args.out,
    )


if __name__ == "__main__":
    main()
