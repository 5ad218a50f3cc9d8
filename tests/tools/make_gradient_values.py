#!/usr/bin/env python3
"""Writes tests/data/families/gradients.safetensors: where DDIM ends when gradients through the UNet move its latents, and
what null-text optimisation finds, on the tiny model v1-deep of family_weights.py. The modules are diffusers', the rest is
written down here from the papers:

- Attend-and-Excite: Chefer et al., arXiv:2301.13826, algorithm 1, with the published code's maps (first and last position
  left out, softmax of 100 times the probabilities, Gaussian exp(-(d / 2 sigma)^2)) and its rounds of refinement.
- Layout guidance by the way back: Chen et al., arXiv:2304.03373, eq. 1 and 2.
- BoxDiff: Xie et al., arXiv:2307.10816, section 3.2, moved as Attend-and-Excite moves (P 0.2, L 1); also with thresholds of
  what is outside and P 0.8 inside, as small latents have it.
- Null-text optimisation: Mokady et al., arXiv:2211.09794, algorithm 1, with torch's Adam.

    python tests/tools/make_gradient_values.py tests/data/families
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import save_file

from family_weights import DEEP_FAMILY
from make_family_values import NEGATIVE, PROMPTS, TOKENS, build, pipeline_of
from sd_layout import TEXT, UNET

HEIGHT, WIDTH, STEPS, SCALE = 16, 24, 5, 7.5
CIRCLE, BLUE_SQUARE = [3], [6, 7]  # positions in "a red circle above a blue square"
BOX, LEFT = (0.5, 0.25, 1.0, 0.85), (0.0, 0.0, 0.5, 1.0)


class Watch:
    """Plain attention that keeps the probabilities of cross-attention by the name of their layer."""

    def __init__(self, name: str, maps: dict[str, torch.Tensor]) -> None:
        self.name, self.maps = name, maps

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, **_):
        def heads(x):
            return x.unflatten(-1, (attn.heads, -1)).transpose(1, 2)

        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        q, k, v = heads(attn.to_q(hidden_states)), heads(attn.to_k(context)), heads(attn.to_v(context))
        probs = (q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])).softmax(-1)
        if encoder_hidden_states is not None:
            self.maps[self.name] = probs
        return attn.to_out[0]((probs @ v).transpose(1, 2).flatten(2))


class Model:
    def __init__(self) -> None:
        parts = build(DEEP_FAMILY)
        pipeline = pipeline_of(DEEP_FAMILY, parts)
        self.unet, self.scheduler = parts[UNET].requires_grad_(False), pipeline.scheduler
        self.maps: dict[str, torch.Tensor] = {}
        self.unet.set_attn_processor({n: Watch(n, self.maps) for n in self.unet.attn_processors})
        self.noise = torch.randn((1, 4, HEIGHT, WIDTH), generator=torch.manual_seed(6))

        def context(text: str) -> torch.Tensor:
            ids = pipeline.tokenizer(text, padding="max_length", max_length=77, return_tensors="pt").input_ids
            with torch.no_grad():
                return parts[TEXT](ids)[0]

        self.prompt, self.negative, self.empty = context(PROMPTS[0]), context(NEGATIVE), context("")
        self.scheduler.set_timesteps(STEPS)

    def eps(self, x: torch.Tensor, t: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        return self.unet(x, t, encoder_hidden_states=context).sample

    def alphas(self, t: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Where the step at t begins and ends."""
        before = t - 1000 // STEPS
        table = self.scheduler.alphas_cumprod
        return table[t], table[before] if before >= 0 else self.scheduler.final_alpha_cumprod

    def step(self, x: torch.Tensor, t: torch.Tensor, conditional: torch.Tensor, other: torch.Tensor, scale=SCALE):
        begin, end = self.alphas(t)
        eps = other + scale * (conditional - other)
        return end.sqrt() * (x - (1 - begin).sqrt() * eps) / begin.sqrt() + (1 - end).sqrt() * eps

    def draw(self, guide: Callable[[torch.Tensor, int, torch.Tensor], torch.Tensor]) -> torch.Tensor:
        x = self.noise
        for i, t in enumerate(self.scheduler.timesteps):
            x = guide(x, i, t).detach()
            with torch.no_grad():
                x = self.step(x, t, self.eps(x, t, self.prompt), self.eps(x, t, self.negative))
        return x

    def layers(self, chosen: Callable[[str, int], bool]) -> list[torch.Tensor]:
        return [m for n, m in self.maps.items() if chosen(n, HEIGHT * WIDTH // m.shape[2])]


def smooth(picture: torch.Tensor) -> torch.Tensor:
    line = torch.tensor([math.exp(-((d / (2 * 0.5)) ** 2)) for d in (-1.0, 0.0, 1.0)])
    kernel = torch.outer(line, line)
    padded = torch.nn.functional.pad(picture[None, None], (1, 1, 1, 1), mode="reflect")
    return torch.nn.functional.conv2d(padded, (kernel / kernel.sum())[None, None])[0, 0]


def shares_of(model: Model, positions: list[int], sharpness: float = 100) -> torch.Tensor:
    """Of one word, in the layers of half the side."""
    maps = torch.cat(model.layers(lambda _, area: area == 4), 1).mean(1)[0]
    shares = (maps[:, 1:-1] * sharpness).softmax(-1)
    return smooth(sum(shares[:, p - 1] for p in positions).view(HEIGHT // 2, WIDTH // 2))


def refined(model: Model, losses: Callable[[], tuple[torch.Tensor, torch.Tensor]], scale: float, rounds: int):
    """`losses`: what latents are moved by, and what thresholds are of."""
    last_moved, thresholds = STEPS // 2, {0: 0.05, int(0.2 * STEPS): 0.5, int(0.4 * STEPS): 0.8}

    def look(x, t):
        x = x.detach().clone().requires_grad_()
        model.eps(x, t, model.prompt)
        return x, *losses()

    def moved(x, loss, i):
        if loss == 0:
            return x
        size = scale * math.sqrt(1 + (0.5 - 1) * i / (STEPS - 1))
        return x - size * torch.autograd.grad(loss, x)[0]

    def guide(x, i, t):
        if i >= last_moved and i not in thresholds:
            return x
        x, loss, judged = look(x, t)
        if i in thresholds and judged > 1 - thresholds[i]:
            target, count = 1 - thresholds[i], 0
            while judged > target:
                count += 1
                x, loss, judged = look(x, t)
                x = moved(x, loss, i)
                if count >= rounds:
                    break
            x, loss, judged = look(x, t)
        return moved(x, loss, i) if i < last_moved else x

    return model.draw(guide)


def excite(model: Model, words: list[list[int]], scale: float, rounds: int):
    def losses():
        worst = max(torch.clamp(1 - shares_of(model, word).max(), min=0) for word in words)
        return worst, worst

    return refined(model, losses, scale, rounds)


def nearest(edge: float, side: int) -> int:
    return math.floor(edge * side + 0.5)


def box_diff(model: Model, words: list[tuple[list[int], tuple]], scale: float, rounds: int, small: bool = False):
    """`small`: as for small latents. 0.8 of what is inside counts, thresholds are of what is outside, too, and
    probabilities are multiplied by 20."""

    def most(values: torch.Tensor, mask: torch.Tensor, part: float) -> torch.Tensor:
        return (values * mask).flatten().topk(int(mask.sum() * part)).values.mean()

    def of_word(positions: list[int], box: tuple) -> tuple[torch.Tensor, torch.Tensor]:
        shares = shares_of(model, positions, 20 if small else 100)
        h, w = shares.shape
        left, top, right, bottom = (nearest(edge, side) for edge, side in zip(box, (w, h, w, h)))
        mask, across, down = torch.zeros(h, w), torch.zeros(w), torch.zeros(h)
        mask[top:bottom, left:right] = 1
        for edge in (left, right):
            across[max(edge - 1, 0):edge + 2] = 1
        for edge in (top, bottom):
            down[max(edge - 1, 0):edge + 2] = 1
        inside = torch.clamp(1 - most(shares, mask, 0.8 if small else 0.2), min=0)
        outside = most(shares, 1 - mask, 0.2)
        corners = ((shares.amax(0) - mask.amax(0)).abs() * across).mean()
        corners = corners + ((shares.amax(1) - mask.amax(1)).abs() * down).mean()
        return inside + outside + corners, torch.maximum(inside, outside) if small else inside

    def losses():
        each = [of_word(*word) for word in words]
        return sum(loss for loss, _ in each), max(judged for _, judged in each)

    return refined(model, losses, scale, rounds)


def boxes(model: Model, words: list[tuple[list[int], tuple]], scale: float, threshold: float):
    def inside(maps, box):
        area = HEIGHT * WIDTH // maps.shape[2]
        h, w = HEIGHT // math.isqrt(area), WIDTH // math.isqrt(area)
        mask = torch.zeros(h, w)
        mask[nearest(box[1], h):nearest(box[3], h), nearest(box[0], w):nearest(box[2], w)] = 1
        return mask.flatten()

    def energy():
        total, layers = 0, model.layers(lambda n, a: n.startswith("mid") or (n.startswith("up") and a == 4))
        for maps in layers:
            for positions, box in words:
                mask = inside(maps, box)
                parts = [(1 - (maps[..., p] * mask).sum(-1) / maps[..., p].sum(-1)).square().mean() for p in positions]
                total = total + sum(parts) / len(parts)
        return total / (len(layers) * len(words))

    def guide(x, i, t):
        if i >= int(0.4 * STEPS):
            return x
        for _ in range(3):
            x = x.detach().clone().requires_grad_()
            model.eps(x, t, model.prompt)
            e = energy()
            if e <= threshold:
                break
            x = x - (1 - model.alphas(t)[0]) * scale * torch.autograd.grad(e, x)[0]
        return x

    return model.draw(guide)


def null_text(model: Model, inner_steps: int) -> dict[str, torch.Tensor]:
    """For a path that is drawn with the prompt alone."""
    path = [model.noise]
    with torch.no_grad():
        for t in model.scheduler.timesteps:
            eps = model.eps(path[-1], t, model.prompt)
            path.append(model.step(path[-1], t, eps, eps))
    x, empty, found = model.noise, model.empty, []
    for i, t in enumerate(model.scheduler.timesteps):
        empty = empty.detach().clone().requires_grad_()
        adam = torch.optim.Adam([empty], lr=1e-2 * (1 - i / 100))
        with torch.no_grad():
            conditional = model.eps(x, t, model.prompt)
        for _ in range(inner_steps):
            ended = model.step(x, t, conditional, model.eps(x, t, empty))
            loss = torch.nn.functional.mse_loss(ended, path[i + 1])
            adam.zero_grad()
            loss.backward()
            adam.step()
            if loss.item() < 1e-5 + i * 2e-5:
                break
        found.append(empty.detach()[0])
        with torch.no_grad():
            x = model.step(x, t, conditional, model.eps(x, t, empty))
        print(f"null text, step {i}: {loss.item():.3g}")
    return {"null_text": torch.stack(found)[:, TOKENS], "null_latents": x[0]}


def main() -> None:
    model = Model()
    words = [CIRCLE, BLUE_SQUARE]
    values = {
        "plain": model.draw(lambda x, i, t: x)[0],
        "excite": excite(model, words, 400.0, 3)[0],
        "boxes": boxes(model, [(CIRCLE, BOX), (BLUE_SQUARE, LEFT)], 300.0, 0.2)[0],
        "box_diff": box_diff(model, [(CIRCLE, BOX), (BLUE_SQUARE, LEFT)], 100.0, 2)[0],
        "box_diff_small": box_diff(model, [(CIRCLE, BOX), (BLUE_SQUARE, LEFT)], 100.0, 2, small=True)[0],
        **null_text(model, 4),
    }
    path = Path(sys.argv[1]) / "gradients.safetensors"
    save_file({name: tensor.detach().contiguous() for name, tensor in values.items()}, path)
    path.chmod(0o644)
    for name, tensor in values.items():
        apart = (tensor - values["plain"]).abs().max().item() if tensor.shape == values["plain"].shape else 0
        print(f"{name}: largest {tensor.abs().max().item():.3f}, from plain {apart:.3g}")


if __name__ == "__main__":
    main()
