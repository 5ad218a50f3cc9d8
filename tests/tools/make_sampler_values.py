#!/usr/bin/env python3
"""Writes tests/data/goldens/samplers.safetensors: noise schedules, and UniPC and LCM of diffusers, on the
denoiser D(x, sigma) = tanh(x / (1 + sigma)) + 0.25 x0 of ksamplers.safetensors.

Needs torch, diffusers, scipy, safetensors. Usage: make_sampler_values.py [tests/data/goldens]
"""

import math
import sys
from pathlib import Path

import numpy as np
import torch
from diffusers import LCMScheduler, UniPCMultistepScheduler
from safetensors.torch import load_file, save_file
from scipy import stats

SD1 = dict(num_train_timesteps=1000, beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "tests/data/goldens")
    given = load_file(folder / "ksamplers.safetensors")
    x0, noise = given["x0"], given["noise"]

    def denoised(x, sigma):
        return torch.tanh(x / (1 + sigma)) + 0.25 * x0

    values = {}
    table = given["sigmas_train"].double()
    log_table = table.log()

    def sigma_at(t):
        low = np.floor(t).astype(int)
        high = np.ceil(t).astype(int)
        part = torch.tensor(t - low)
        return ((1 - part) * log_table[low] + part * log_table[high]).exp()

    zero = torch.zeros(1, dtype=torch.float64)
    for steps in (1, 7, 30):
        values[f"sgm_uniform_{steps}"] = torch.cat([sigma_at(np.linspace(999, 0, steps + 1)[:-1]), zero])
        simple = [table[-(1 + int(i * (1000 / steps)))] for i in range(steps)]
        values[f"simple_{steps}"] = torch.cat([torch.stack(simple), zero])
        quantiles = torch.tensor(stats.beta.ppf(1 - np.linspace(0, 1, steps), 0.6, 0.6))
        values[f"beta_{steps}"] = torch.cat([table[0] + quantiles * (table[-1] - table[0]), zero])

    unipc = UniPCMultistepScheduler(**SD1)
    unipc.set_timesteps(10)
    sigmas = unipc.sigmas.double()
    sample = noise[39] * sigmas[0] / math.sqrt(1 + sigmas[0] ** 2)
    steps = [noise[39] * sigmas[0]]
    for i, t in enumerate(unipc.timesteps):
        x = sample * math.sqrt(1 + sigmas[i] ** 2)
        eps = (x - denoised(x, sigmas[i].float())) / sigmas[i].float()
        sample = unipc.step(eps, t, sample).prev_sample
        steps.append(sample * math.sqrt(1 + sigmas[i + 1] ** 2))
    values["unipc_sigmas"] = sigmas
    values["unipc"] = torch.stack(steps)

    lcm = LCMScheduler(**SD1)
    for count in (4, 7):
        lcm.set_timesteps(count)
        alphas = lcm.alphas_cumprod.double()
        sigmas = torch.stack([((1 - alphas[t]) / alphas[t]).sqrt() for t in lcm.timesteps] + [torch.tensor(0.0)])
        sample = noise[39] * sigmas[0] / math.sqrt(1 + sigmas[0] ** 2)
        generator = torch.Generator().manual_seed(3)
        drawn = torch.Generator().manual_seed(3)
        steps, noises = [noise[39] * sigmas[0]], []
        for i, t in enumerate(lcm.timesteps):
            x = sample * math.sqrt(1 + sigmas[i] ** 2)
            eps = (x - denoised(x, sigmas[i].float())) / sigmas[i].float()
            sample = lcm.step(eps, t, sample, generator=generator).prev_sample
            steps.append(sample * math.sqrt(1 + sigmas[i + 1] ** 2))
            if i + 1 < count:
                noises.append(torch.randn(x.shape, generator=drawn))
        values[f"lcm_{count}_sigmas"] = sigmas
        values[f"lcm_{count}"] = torch.stack(steps)
        values[f"lcm_{count}_noise"] = torch.stack(noises)

    save_file({name: value.float().contiguous() for name, value in values.items()}, folder / "samplers.safetensors")


if __name__ == "__main__":
    main()
