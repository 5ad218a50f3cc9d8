#!/usr/bin/env python3
"""Writes tests/data/goldens/guidance_rescale.safetensors: where every sampler ends whose guidance diffusers rescales
(rescale_noise_cfg, arXiv:2305.08891), with guidance scale 7.5 and rescale 0.7, on the two denoisers
D(x, sigma) = tanh(x / (1 + sigma)) + c x0 with c = 0.25 (the prompt) and c = -0.1 (the negative prompt), for two pictures
made of x0 and noise of ksamplers.safetensors.

Samplers are k-diffusion's, DDIM, UniPC and LCM diffusers', PLMS the original's. Needs torch, diffusers, k-diffusion,
safetensors and the original repository. Usage: make_guidance_rescale_values.py ORIGINAL_REPOSITORY [tests/data/goldens]
"""

import math
import sys
import types
from pathlib import Path

import torch
from diffusers import DDIMScheduler, LCMScheduler, UniPCMultistepScheduler
from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import rescale_noise_cfg
from k_diffusion import sampling
from safetensors.torch import load_file, save_file

SD1 = dict(num_train_timesteps=1000, beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
SCALE, RESCALE, STEPS = 7.5, 0.7, 10


def main() -> None:
    sys.path.insert(0, sys.argv[1])
    folder = Path(sys.argv[2] if len(sys.argv) > 2 else "tests/data/goldens")
    given = load_file(folder / "ksamplers.safetensors")
    # In float64: guidance makes much of what is rounded in the difference of two predictions.
    x0, noise = given["x0"].double(), given["noise"].double()
    # Two pictures, so that a standard deviation over both would show.
    x0 = torch.cat([x0, 2 * x0.flip(-1)])
    noise = torch.cat([noise, noise.flip(0)], dim=1)

    def eps(x, sigma):
        both = [(x - torch.tanh(x / (1 + sigma)) - c * x0) / sigma for c in (0.25, -0.1)]
        guided = both[1] + SCALE * (both[0] - both[1])
        return rescale_noise_cfg(guided, both[0], guidance_rescale=RESCALE)

    def denoised(x, sigma):
        sigma = float(sigma.flatten()[0])
        return x - sigma * eps(x, sigma)

    def model(x, sigma, **_):
        return denoised(x, sigma)

    values = {}
    sigmas = torch.tensor([14, 9, 5.5, 3, 1.75, 0.9, 0.45, 0.2, 0.08, 0.03, 0], dtype=torch.float64)
    for name in ("euler", "euler_ancestral", "heun", "dpm_2", "dpm_2_ancestral", "lms", "dpmpp_2s_ancestral", "dpmpp_2m",
                 "dpmpp_sde", "dpmpp_2m_sde", "dpmpp_3m_sde"):
        drawn = iter(noise)
        more = {}
        if "ancestral" in name or "sde" in name:
            more["noise_sampler"] = lambda *_: next(drawn)
        sample = getattr(sampling, f"sample_{name}")
        values[name] = sample(model, noise[39] * sigmas[0], sigmas, disable=True, **more)

    unipc = UniPCMultistepScheduler(**SD1)
    unipc.set_timesteps(STEPS)
    levels = unipc.sigmas.double()
    sample = noise[39] * levels[0] / math.sqrt(1 + levels[0] ** 2)
    for i, t in enumerate(unipc.timesteps):
        x = sample * math.sqrt(1 + levels[i] ** 2)
        sample = unipc.step(eps(x, float(levels[i])), t, sample).prev_sample
    values["unipc"] = sample

    lcm = LCMScheduler(**SD1)
    lcm.set_timesteps(4)
    alphas = lcm.alphas_cumprod.double()
    levels = torch.stack([((1 - alphas[t]) / alphas[t]).sqrt() for t in lcm.timesteps] + [torch.tensor(0.0)])
    sample = noise[39] * levels[0] / math.sqrt(1 + levels[0] ** 2)
    drawn = torch.Generator().manual_seed(3)
    generator = torch.Generator().manual_seed(3)
    noises = []
    for i, t in enumerate(lcm.timesteps):
        x = sample * math.sqrt(1 + levels[i] ** 2)
        sample = lcm.step(eps(x, float(levels[i])), t, sample, generator=generator).prev_sample
        if i + 1 < len(lcm.timesteps):
            noises.append(torch.randn(x.shape, generator=drawn, dtype=x.dtype))
    values["lcm"], values["lcm_noise"] = sample, torch.stack(noises)

    def sigma_at(t):
        alpha = float(alphas[int(t)])
        return math.sqrt((1 - alpha) / alpha)

    def eps_at(x, t):
        sigma = sigma_at(t)
        return eps(x * math.sqrt(1 + sigma**2), sigma)

    ddim = DDIMScheduler(**SD1, clip_sample=False, set_alpha_to_one=False, steps_offset=1)
    ddim.set_timesteps(STEPS)
    sample = noise[39]
    for t in ddim.timesteps:
        sample = ddim.step(eps_at(sample, t), t, sample).prev_sample
    values["ddim"] = sample

    from ldm.models.diffusion import plms as original

    original.PLMSSampler.register_buffer = lambda self, name, value: setattr(self, name, value)
    known = types.SimpleNamespace(
        num_timesteps=1000, device=torch.device("cpu"), betas=torch.linspace(0, 1, 1000),
        alphas_cumprod=alphas.float(), alphas_cumprod_prev=torch.cat([torch.ones(1), alphas[:-1].float()]),
        apply_model=lambda x, t, c: eps_at(x, t[0]))
    sampler = original.PLMSSampler(known)
    values["plms"], _ = sampler.sample(STEPS, 2, tuple(x0.shape[1:]), conditioning=None, x_T=noise[39], verbose=False)

    save_file({name: value.float().contiguous() for name, value in values.items()},
              folder / "guidance_rescale.safetensors")


if __name__ == "__main__":
    main()
