#!/usr/bin/env python3
"""Writes what training beside tiny-v1 comes to in PyTorch: losses, gradients and values of a LoRA over three steps of AdamW,
and the gradient of an embedding's vectors, over diffusers' modules with the formulas of the papers.

A LoRA (arXiv:2106.09685) adds alpha / rank * up(down(x)) to a layer's output; the loss is the mean squared error of the noise
(arXiv:2006.11239, eq. 14). Factors begin as torch.randn of a generator with seed 5, in the order of their names in kohya's
files, times 0.05. Textual inversion (arXiv:2208.01618) has vectors in place of a word's. All in float32.

`tests/data/goldens/training.safetensors` has z, noise and t of one batch; of the LoRA the loss before each step, of each
parameter (in that order) the gradient's norm and its product with the parameter, and the same of the values after the
steps; of the embedding loss and gradient.

    python tests/tools/make_training_values.py tests/data/goldens/training.safetensors
"""

from __future__ import annotations

import sys
from pathlib import Path

import diffusers
import torch
from safetensors.torch import save_file

from clip_tokenizer_files import clip_tokenizer_folder

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

from diffusers_peer import Peer  # noqa: E402  (found through the line above)

CAPTIONS = ["a red circle above a blue square", "a cat"]
WORD_CAPTIONS = ["a photo of a <toy> on a table", "a <toy>"]
TIMESTEPS = [901, 120]
RANK, ALPHA, RATE, STEPS = 2, 3.0, 1e-3, 3
VECTORS = 2
UNET_PARTS = (".attentions.", ".resnets.", "samplers.")
TEXT_PARTS = (".self_attn.", ".mlp.")


def targets(unet: torch.nn.Module, text: torch.nn.Module) -> dict[str, torch.nn.Module]:
    """Layers by their names in kohya's files."""
    found = {}
    for prefix, model, parts in (("lora_unet_", unet, UNET_PARTS), ("lora_te_", text, TEXT_PARTS)):
        for name, module in model.named_modules():
            multiplies = isinstance(module, torch.nn.Linear | torch.nn.Conv2d)
            if multiplies and any(part in f".{name}" for part in parts):
                if prefix == "lora_te_" and not name.startswith("text_model."):
                    name = "text_model." + name  # transformers 5 leaves it out, files have it
                found[prefix + name.replace(".", "_")] = module
    return found


class Lora:
    def __init__(self, layers: dict[str, torch.nn.Module]) -> None:
        self.values: dict[str, torch.Tensor] = {}
        shapes = {}
        for name, layer in layers.items():
            out, into = layer.weight.shape[0], layer.weight.shape[1:]
            shapes[f"{name}.lora_down.weight"] = (RANK, *into)
            shapes[f"{name}.lora_up.weight"] = (out, RANK, *([1] * (len(into) - 1)))
        generator = torch.Generator().manual_seed(5)
        for name in sorted(shapes):
            values = 0.05 * torch.randn(shapes[name], generator=generator)
            self.values[name] = values.requires_grad_()
        for name, layer in layers.items():
            layer.register_forward_hook(self.hook(name))

    def hook(self, name: str):
        def add(layer: torch.nn.Module, inputs: tuple[torch.Tensor], output: torch.Tensor):
            down, up = (self.values[f"{name}.lora_{part}.weight"] for part in ("down", "up"))
            if isinstance(layer, torch.nn.Conv2d):
                narrow = torch.nn.functional.conv2d(
                    inputs[0], down, stride=layer.stride, padding=layer.padding
                )
                return output + ALPHA / RANK * torch.nn.functional.conv2d(narrow, up)
            return output + ALPHA / RANK * inputs[0] @ down.T @ up.T

        return add


def noisy(z: torch.Tensor, noise: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    alpha = torch.cumprod(1 - betas, 0)[t].view(-1, 1, 1, 1)
    return (alpha.sqrt() * z + (1 - alpha).sqrt() * noise).float()


def train_lora(peer: Peer, z: torch.Tensor, noise: torch.Tensor, t: torch.Tensor) -> dict:
    lora = Lora(targets(peer.unet, peer.text))
    parameters = list(lora.values.values())
    first = [value.detach().clone() for value in parameters]
    optimizer = torch.optim.AdamW(parameters, lr=RATE, betas=(0.9, 0.999), weight_decay=0.01)
    ids = peer.tokenizer(CAPTIONS, padding="max_length", max_length=77, return_tensors="pt")
    values: dict[str, list] = {"losses": []}

    def note(kind: str, tensors: list[torch.Tensor]) -> None:
        values[f"{kind}_norms"] = [tensor.norm().item() for tensor in tensors]
        values[f"{kind}_products"] = [
            (tensor * begun).sum().item() for tensor, begun in zip(tensors, first, strict=True)
        ]

    for step in range(STEPS):
        context = peer.text(ids["input_ids"])[0]
        predicted = peer.unet(noisy(z, noise, t), t, encoder_hidden_states=context).sample
        loss = (predicted - noise).square().mean((1, 2, 3)).sum() / len(CAPTIONS)
        optimizer.zero_grad()
        loss.backward()
        values["losses"].append(loss.item())
        if step == 0:
            note("gradient", [parameter.grad for parameter in parameters])
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
    note("value", [parameter.detach() for parameter in parameters])
    print(len(parameters), "parameters, losses", values["losses"])
    return {name: torch.tensor(value) for name, value in values.items()}


def train_embedding(peer: Peer, z: torch.Tensor, noise: torch.Tensor, t: torch.Tensor) -> dict:
    width = peer.text.config.hidden_size
    tokens = [f"<toy{i}>" for i in range(VECTORS)]
    peer.tokenizer.add_tokens(tokens)
    peer.text.resize_token_embeddings(len(peer.tokenizer), mean_resizing=False)
    first_id = len(peer.tokenizer) - VECTORS
    table = peer.text.get_input_embeddings().weight
    rows = torch.tensor(
        [((i * 7919 + 13) % 1021 - 510) / 1024 for i in range(VECTORS * width)]
    ).view(VECTORS, width)
    with torch.no_grad():
        table[first_id:] = rows
    table.requires_grad_()
    captions = [caption.replace("<toy>", "".join(tokens)) for caption in WORD_CAPTIONS]
    ids = peer.tokenizer(captions, padding="max_length", max_length=77, return_tensors="pt")
    context = peer.text(ids["input_ids"])[0]
    predicted = peer.unet(noisy(z, noise, t), t, encoder_hidden_states=context).sample
    loss = (predicted - noise).square().mean()
    loss.backward()
    return {"word_loss": loss.detach().view(1), "word_gradient": table.grad[first_id:].contiguous()}


def main() -> None:
    folder = ROOT / "build" / "tests" / "data" / "tiny-v1-diffusers"
    tokenizer = clip_tokenizer_folder()
    generator = torch.Generator().manual_seed(3)
    z, noise = (torch.randn(2, 4, 8, 8, generator=generator) for _ in range(2))
    t = torch.tensor(TIMESTEPS)
    torch.use_deterministic_algorithms(True)

    def peer() -> Peer:
        made = Peer(folder, tokenizer=tokenizer)
        for model in (made.text, made.unet):
            model.requires_grad_(False)
        return made

    values = {"z": z, "noise": noise, "t": t}
    values |= train_lora(peer(), z, noise, t) | train_embedding(peer(), z, noise, t)
    save_file(values, Path(sys.argv[1]), metadata={"diffusers": diffusers.__version__})


if __name__ == "__main__":
    main()
