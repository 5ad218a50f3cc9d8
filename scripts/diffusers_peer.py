"""Text-to-image with the `diffusers` package as `sd txt2img` does it: same prompts, start noise,
timesteps and guidance.

Used by compare_diffusers.py and bench_peers.py. Needs torch, diffusers and transformers.
"""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Sequence
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # everything is read from the folder given

import diffusers
import torch
import transformers

diffusers.utils.logging.disable_progress_bar()
transformers.utils.logging.disable_progress_bar()

SCHEDULE = dict(
    beta_schedule="scaled_linear", num_train_timesteps=1000, set_alpha_to_one=False, steps_offset=1
)


@dataclasses.dataclass
class Draw:
    """What one run gave: latents [N,4,h,w] after the last step, and the seconds of each UNet
    evaluation."""

    latents: torch.Tensor
    unet_seconds: list[float]


class Peer:
    """A diffusers folder, loaded."""

    def __init__(
        self, folder: Path, dtype: torch.dtype = torch.float32, tokenizer: Path | None = None
    ) -> None:
        """`tokenizer` stands in for the folder's own."""
        options = {"local_files_only": True}
        self.folder = folder
        self.tokenizer = transformers.CLIPTokenizer.from_pretrained(
            tokenizer or folder / "tokenizer", **options
        )
        self.text = transformers.CLIPTextModel.from_pretrained(
            folder / "text_encoder", dtype=dtype, **options
        )
        self.unet = diffusers.UNet2DConditionModel.from_pretrained(
            folder / "unet", torch_dtype=dtype, **options
        )
        self.vae = diffusers.AutoencoderKL.from_pretrained(
            folder / "vae", torch_dtype=dtype, **options
        )
        for model in (self.text, self.unet, self.vae):
            model.eval()

    @property
    def factor(self) -> int:
        """Pixels per latent."""
        return 2 ** (len(self.vae.config.block_out_channels) - 1)

    def start_noise(self, count: int, height: int, width: int, seed: int) -> torch.Tensor:
        """float32 [count,4,h,w] of a CPU generator; sizes in pixels."""
        generator = torch.Generator().manual_seed(seed)
        shape = (count, self.unet.config.in_channels, height // self.factor, width // self.factor)
        return torch.randn(shape, generator=generator)

    @torch.inference_mode()
    def encode(self, prompts: Sequence[str]) -> torch.Tensor:
        """Context [N,77,D]."""
        ids = self.tokenizer(
            list(prompts), padding="max_length", max_length=77, truncation=True, return_tensors="pt"
        )
        return self.text(ids["input_ids"])[0]

    def scheduler(self, plms: bool) -> diffusers.DDIMScheduler | diffusers.PNDMScheduler:
        """The timesteps and updates of CompVis' DDIM (eta 0) or PLMS, with the folder's range of
        betas."""
        own = diffusers.DDIMScheduler.load_config(self.folder / "scheduler", local_files_only=True)
        options = SCHEDULE | {"beta_start": own["beta_start"], "beta_end": own["beta_end"]}
        if plms:
            return diffusers.PNDMScheduler(skip_prk_steps=True, **options)
        return diffusers.DDIMScheduler(clip_sample=False, **options)

    @torch.inference_mode()
    def draw(
        self,
        prompts: Sequence[str],
        noise: torch.Tensor,
        steps: int,
        scale: float,
        plms: bool = False,
    ) -> Draw:
        """Draws all prompts as one batch from `noise` [N,4,h,w]."""
        context = torch.cat([self.encode([""] * len(prompts)), self.encode(prompts)])
        scheduler = self.scheduler(plms)
        scheduler.set_timesteps(steps)
        latents = noise.to(self.unet.dtype)
        seconds = []
        for timestep in scheduler.timesteps:
            begin = time.perf_counter()
            eps = self.unet(
                torch.cat([latents, latents]), timestep, encoder_hidden_states=context
            ).sample
            seconds.append(time.perf_counter() - begin)
            eps_uncond, eps_cond = eps.chunk(2)
            eps = eps_uncond + scale * (eps_cond - eps_uncond)
            latents = scheduler.step(eps, timestep, latents).prev_sample
        return Draw(latents, seconds)

    @torch.inference_mode()
    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Pictures [N,H,W,3], 8 bits."""
        decoded = self.vae.decode(latents / self.vae.config.scaling_factor).sample
        # Truncated, not rounded: so the original script made its 8 bits.
        return (decoded.float() / 2 + 0.5).clamp(0, 1).mul(255).to(torch.uint8).permute(0, 2, 3, 1)
