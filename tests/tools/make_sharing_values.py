#!/usr/bin/env python3
"""Writes tests/data/families/sharing.safetensors: where five DDIM steps end when rows of a batch look at other rows in
self-attention, on the tiny model v1-deep of family_weights.py, 128x64 pixels. The processors are written down from papers and
their authors' code:

- MasaCtrl: Cao et al., arXiv:2304.08465, section 3, with masks as in its code's MutualSelfAttentionControlMaskAuto.
- Plug-and-Play: Tumanyan et al., arXiv:2211.12572, section 4.
- "Reference only" of Mikubill's sd-webui-controlnet: a noised picture's normed hidden states are appended.
- StyleAligned: Hertz et al., arXiv:2312.02133, eq. 3 and 4.
- Cross-image attention: Alaluf et al., arXiv:2311.03335, section 3.

    python tests/tools/make_sharing_values.py tests/data/families
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

from family_weights import DEEP_FAMILY
from make_family_values import NEGATIVE, build, pipeline_of
from sd_layout import TEXT, UNET, VAE

HEIGHT, WIDTH, STEPS, SCALE = 64, 128, 5, 7.5
SOURCE, TARGET = "a red circle above a blue square", "a red circle on a snowy mountain"
STYLES = [SOURCE, "a photo of a house", "a green circle"]
CIRCLE = 3  # the token of "circle" in SOURCE and in TARGET
REFERENCE_SEED = 11


def heads_of(x: torch.Tensor, heads: int) -> torch.Tensor:
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)


class Site:
    """Where an attention layer stands: its part, its block and how many latent pixels a side it has one for."""

    def __init__(self, name: str) -> None:
        parts = name.split(".")
        self.part = parts[0].split("_")[0]
        block = int(parts[1]) if self.part != "mid" else 0
        self.layer = int(parts[3]) if self.part != "mid" else 0
        self.downsampling = {"down": 2**block, "mid": 4, "up": 2 ** (2 - block)}[self.part]
        self.fine_decoder = self.part == "up" and self.downsampling <= 2
        self.second_level_on = self.part == "up" and (block, self.layer) >= (1, 1)
        self.cross = "attn2" in name


class Method:
    """Plain attention. `step` is set before each call, `rows` tells its rows apart."""

    def __init__(self) -> None:
        self.step = 0

    def begin(self, step: int) -> None:
        self.step = step

    def mixed(self, site: Site, q, k, v, context):
        """q, k, v [R,heads,T,d]; what the layer makes of them."""
        return self.probabilities(q, k) @ v

    @staticmethod
    def probabilities(q, k, bias=0.0):
        return torch.softmax(q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5 + bias, -1)

    def keys_from(self, site: Site, x):
        """What else than x keys and values are made of."""
        return x

    def seen(self, site: Site, probs) -> None:
        """Cross-attention's probabilities."""

    def after_step(self, x, step: int):
        return x


class Processor:
    def __init__(self, site: Site, model: Model) -> None:
        self.site, self.model = site, model

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, **_):
        method, site = self.model.method, self.site
        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        if not site.cross:
            context = method.keys_from(site, hidden_states)
        q, k, v = (heads_of(f(x), attn.heads) for f, x in
                   ((attn.to_q, hidden_states), (attn.to_k, context), (attn.to_v, context)))
        if site.cross:
            probs = method.probabilities(q, k)
            method.seen(site, probs)
            mixed = probs @ v
        else:
            mixed = method.mixed(site, q, k, v, context)
        return attn.to_out[0](mixed.transpose(1, 2).flatten(2))


class Model:
    """The tiny model, its prompts, and DDIM."""

    def __init__(self) -> None:
        self.parts = build(DEEP_FAMILY)
        self.pipeline = pipeline_of(DEEP_FAMILY, self.parts)
        self.unet = self.parts[UNET]
        self.method = Method()
        self.unet.set_attn_processor({name: Processor(Site(name), self) for name in self.unet.attn_processors})
        self.negative = self.context([NEGATIVE])

    def context(self, prompts: list[str]) -> torch.Tensor:
        tokenizer = self.pipeline.tokenizer
        ids = tokenizer(prompts, padding="max_length", max_length=77, return_tensors="pt").input_ids
        return self.parts[TEXT](ids)[0]

    def noise(self, samples: int) -> torch.Tensor:
        return torch.randn((samples, 4, HEIGHT // 8, WIDTH // 8), generator=torch.manual_seed(6))

    def draw(self, method: Method, prompts: list[str], x: torch.Tensor, scale: float = SCALE, push=None) -> torch.Tensor:
        """Rows of all prompts from x; ε = ε_u + scale (ε_c − ε_u), or what `push` makes."""
        self.method = method
        prompt, negative = self.context(prompts), self.negative.repeat(len(prompts), 1, 1)
        scheduler = self.pipeline.scheduler
        scheduler.set_timesteps(STEPS)
        for step, t in enumerate(scheduler.timesteps):
            method.begin(step)
            if push is not None:
                eps = push(self, x, t, step, prompt)
            else:
                context = torch.cat([negative, prompt])
                method.before(self, x, t, context) if hasattr(method, "before") else None
                blind, told = self.unet(torch.cat([x, x]), t, encoder_hidden_states=context).sample.chunk(2)
                eps = blind + scale * (told - blind)
            x = method.after_step(scheduler.step(eps, t, x).prev_sample, step)
        return x


# Rows of a swap: target, source, each without the prompt and with it.
TARGETS, SOURCES = [0, 2], [1, 3]


class MasaCtrl(Method):
    def __init__(self, first: int) -> None:
        super().__init__()
        self.first = first

    def mixed(self, site, q, k, v, context):
        if not site.fine_decoder or self.step < self.first:
            return super().mixed(site, q, k, v, context)
        k, v = k.clone(), v.clone()
        k[TARGETS], v[TARGETS] = k[SOURCES], v[SOURCES]
        return self.probabilities(q, k) @ v


class MaskedMasaCtrl(MasaCtrl):
    def __init__(self, first: int, downsampling: int, threshold: float) -> None:
        super().__init__(first)
        self.downsampling, self.threshold, self.maps = downsampling, threshold, []

    def begin(self, step):
        super().begin(step)
        self.maps = []

    def seen(self, site, probs):
        if site.downsampling == self.downsampling:
            self.maps.append(probs[..., CIRCLE].mean(1).unflatten(-1, (HEIGHT // 8 // self.downsampling, -1)))

    def mask(self, row: int, site: Site) -> torch.Tensor:
        image = torch.stack(self.maps).mean(0)[row]
        image = (image - image.min()) / (image.max() - image.min())
        size = (HEIGHT // 8 // site.downsampling, WIDTH // 8 // site.downsampling)
        return torch.nn.functional.interpolate(image[None, None], size).flatten()

    def mixed(self, site, q, k, v, context):
        plain = super().mixed(site, q, k, v, context)
        if not site.fine_decoder or self.step < self.first or not self.maps:
            return plain
        source, target = self.mask(3, site) >= self.threshold, self.mask(2, site)
        lowest = torch.finfo(q.dtype).min
        for row, other in zip(TARGETS, SOURCES, strict=True):
            inside = self.probabilities(q[row], k[other], torch.where(source, 0.0, lowest)) @ v[other]
            outside = self.probabilities(q[row], k[other], torch.where(source, lowest, 0.0)) @ v[other]
            plain[row] = inside * target[:, None] + outside * (1 - target[:, None])
        return plain


class PlugAndPlay(Method):
    def __init__(self, model: Model, attention: int, features: int) -> None:
        super().__init__()
        self.attention, self.features = attention, features
        resnet = model.unet.up_blocks[1].resnets[1]
        self.hook = resnet.conv2.register_forward_hook(self.replace)

    def replace(self, _module, _inputs, output):
        if self.step < self.features:
            output = output.clone()
            output[TARGETS] = output[SOURCES]
        return output

    def mixed(self, site, q, k, v, context):
        if site.second_level_on and self.step < self.attention:
            q, k = q.clone(), k.clone()
            q[TARGETS], k[TARGETS] = q[SOURCES], k[SOURCES]
        return self.probabilities(q, k) @ v


class Reference(Method):
    """Layers by width, those of most channels first; a noise for each step and sample."""

    def __init__(self, model: Model, latents: torch.Tensor, samples: int, fidelity: float, weight: float) -> None:
        super().__init__()
        self.latents, self.fidelity, self.bank, self.writing = latents, fidelity, {}, False
        self.noises = [torch.Generator().manual_seed(REFERENCE_SEED + i) for i in range(samples)]
        order = [("down", 1), ("down", 2), ("down", 4), ("mid", 4), ("up", 4), ("up", 4), ("up", 2), ("up", 2), ("up", 1), ("up", 1)]
        layers = [(*place, order[:i].count(place)) for i, place in enumerate(order)]
        layers.sort(key=lambda layer: -layer[1])
        self.layers = {layer for i, layer in enumerate(layers) if i / len(layers) < weight}

    def place(self, site: Site):
        return (site.part, site.downsampling, site.layer if site.part == "up" else 0)

    def before(self, model, x, t, context):
        noise = torch.cat([torch.randn(self.latents.shape, generator=g) for g in self.noises])
        noised = model.pipeline.scheduler.add_noise(self.latents.expand_as(noise), noise, t.reshape(1))
        self.writing = True
        model.unet(torch.cat([noised, noised]), t, encoder_hidden_states=context)
        self.writing = False

    def keys_from(self, site, x):
        if self.place(site) not in self.layers:
            return x
        if self.writing:
            self.bank[self.place(site)] = x.clone()
            return x
        return torch.cat([x, self.bank[self.place(site)]], 1)

    def mixed(self, site, q, k, v, context):
        all_keys = self.probabilities(q, k) @ v
        if self.writing or self.place(site) not in self.layers:
            return all_keys
        own, blind = q.shape[2], q.shape[0] // 2
        alone = self.probabilities(q[:blind], k[:blind, :, :own]) @ v[:blind, :, :own]
        all_keys[:blind] = self.fidelity * alone + (1 - self.fidelity) * all_keys[:blind]
        return all_keys


def first_of_half(x: torch.Tensor) -> torch.Tensor:
    half = x.shape[0] // 2
    return torch.cat([x[:1].expand(half, *x.shape[1:]), x[half : half + 1].expand(half, *x.shape[1:])])


class StyleAligned(Method):
    @staticmethod
    def adain(x):
        mean, deviation = x.mean(-2, keepdim=True), (x.var(-2, keepdim=True) + 1e-5).sqrt()
        return (x - mean) / deviation * first_of_half(deviation) + first_of_half(mean)

    def mixed(self, site, q, k, v, context):
        q, k = self.adain(q), self.adain(k)
        k, v = (torch.cat([x, first_of_half(x)], -2) for x in (k, v))
        return self.probabilities(q, k) @ v


class Appearance(Method):
    """Row 0 is drawn, row 1 is what it is to look like. The published ranges are shares of 100 steps."""

    def __init__(self, rows: list[tuple[int, int]], contrast: float = 1.67) -> None:
        super().__init__()
        self.rows, self.contrast, self.swaps = rows, contrast, True

    def mixed(self, site, q, k, v, context):
        last = {1: int(0.9 * STEPS), 2: int(0.7 * STEPS)}.get(site.downsampling, 0)
        if not self.swaps or not site.fine_decoder or not int(0.1 * STEPS) <= self.step < last:
            return super().mixed(site, q, k, v, context)
        k, v = k.clone(), v.clone()
        if not (self.step % 5 == 0 and self.step < int(0.4 * STEPS)):
            for row, other in self.rows:
                k[row], v[row] = k[other], v[other]
        probs = self.probabilities(q, k)
        for row, _ in self.rows:
            mean = probs[row].mean(-1, keepdim=True)
            probs[row] = ((probs[row] - mean) * self.contrast + mean).clamp(0, 1)
        return probs @ v

    def after_step(self, x, step):
        if step < int(0.2 * STEPS):
            return x
        mean, deviation = x.mean((2, 3), keepdim=True), (x.var((2, 3), keepdim=True) + 1e-5).sqrt()
        x = x.clone()
        x[0] = (x[0] - mean[0]) / deviation[0] * deviation[1] + mean[1]
        return x


def pushed(model: Model, x, t, step, prompt):
    """Without classifier-free guidance: away from what is drawn without looking at the other."""
    method = model.method
    looked = model.unet(x, t, encoder_hidden_states=prompt).sample
    if not int(0.1 * STEPS) <= step < int(0.9 * STEPS):
        return looked
    method.swaps = False
    alone = model.unet(x, t, encoder_hidden_states=prompt).sample
    method.swaps = True
    return alone + torch.linspace(3.5, 1, STEPS)[step] * (looked - alone)


def picture() -> torch.Tensor:
    """Ramps that differ by channel, [1,3,H,W] in [-1,1]."""
    rows = torch.arange(HEIGHT).view(HEIGHT, 1, 1)
    columns = torch.arange(WIDTH).view(1, WIDTH, 1)
    values = (4 * columns + 2 * rows * torch.arange(3).view(1, 1, 3)) % 256
    return (values.float() / 127.5 - 1).permute(2, 0, 1).unsqueeze(0)


@torch.inference_mode()
def main() -> None:
    model = Model()
    swap, start = [TARGET, SOURCE], model.noise(1).repeat(2, 1, 1, 1)
    vae = model.parts[VAE]
    latents = vae.encode(picture()).latent_dist.mode() * vae.config.scaling_factor
    pnp = PlugAndPlay(model, int(0.5 * STEPS), int(0.8 * STEPS))
    values = {"pnp": model.draw(pnp, swap, start)}
    pnp.hook.remove()
    values |= {
        "plain": model.draw(Method(), swap, start),
        "masactrl": model.draw(MasaCtrl(2), swap, start),
        "masactrl_mask": model.draw(MaskedMasaCtrl(1, 2, 0.3), swap, start),
        "reference": model.draw(Reference(model, latents, 2, 0.5, 1.0), [SOURCE, TARGET], model.noise(2)),
        "reference_some": model.draw(Reference(model, latents, 1, 1.0, 0.5), [TARGET], model.noise(1)),
        "style": model.draw(StyleAligned(), STYLES, model.noise(3)),
        "appearance": model.draw(Appearance([(2, 3)]), swap, start),
        "appearance_alone": model.draw(Appearance([(0, 1)]), swap, start, push=pushed),
    }
    path = Path(sys.argv[1]) / "sharing.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in values.items()}, path)
    path.chmod(0o644)
    for name, tensor in values.items():
        print(f"{name}: largest {tensor.abs().max().item():.3f}")


if __name__ == "__main__":
    main()
