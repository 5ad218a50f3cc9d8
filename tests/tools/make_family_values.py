#!/usr/bin/env python3
"""Writes what diffusers and transformers make of the tiny models of the families
(family_weights.py): text encoder, latents after every DDIM step with guidance, and for the
inpainting and InstructPix2Pix models the whole pipeline's.

    python tests/tools/make_family_values.py tests/data/families
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from PIL import Image
from safetensors.torch import save_file

from clip_tokenizer_files import clip_tokenizer_folder
from diffusers_configs import diffusers_configs
from family_weights import FAMILIES, MASK_CHANNELS, PICTURE_CHANNELS, Family, state_dicts, weight
from sd_layout import TEXT, UNET, VAE

PROMPTS = ["a red circle above a blue square", "a photo of a house on a snowy mountain"]
NEGATIVE = "blurry"
SIDE, STEPS, SCALE, PICTURE_SCALE = 64, 5, 7.5, 1.5
TOKENS = slice(0, 77, 5)  # of the context that are kept


def picture() -> Image.Image:
    """Ramps that differ by channel."""
    rows = torch.arange(SIDE).view(SIDE, 1, 1)
    columns = torch.arange(SIDE).view(1, SIDE, 1)
    channels = torch.arange(3).view(1, 1, 3)
    return Image.fromarray(((4 * columns + 2 * rows * channels) % 256).to(torch.uint8).numpy())


def mask() -> Image.Image:
    """White where it is drawn anew; its edges lie within latent pixels."""
    values = torch.zeros(SIDE, SIDE, dtype=torch.uint8)
    values[12:44, 20:] = 255
    return Image.fromarray(values.numpy())


def build(family: Family) -> dict[str, torch.nn.Module]:
    """The parts as diffusers and transformers build them from their configs."""
    configs = diffusers_configs(family.sizes)
    unet = configs["unet/config.json"] | {
        "in_channels": family.sizes.latent_channels + family.sizes.picture_channels,
        "use_linear_projection": family.sizes.linear_projections,
    }
    text = configs["text_encoder/config.json"]
    if family.openclip:
        unet["attention_head_dim"] = [width // 64 for width in unet["block_out_channels"]]
        text |= {"hidden_act": "gelu"}
    parts = {
        UNET: diffusers.UNet2DConditionModel.from_config(unet),
        VAE: diffusers.AutoencoderKL.from_config(configs["vae/config.json"]),
        TEXT: transformers.CLIPTextModel(transformers.CLIPTextConfig(**text)),
    }
    for part, tensors in state_dicts(family).items():
        names = parts[part].state_dict()
        if part == TEXT and not any(name.startswith("text_model.") for name in names):
            tensors = {name.removeprefix("text_model."): t for name, t in tensors.items()}
        parts[part].load_state_dict(tensors)
        parts[part].eval()
    return parts


def openclip_context(family: Family, ids: torch.Tensor) -> torch.Tensor:
    """OpenCLIP's text transformer over the checkpoint's own tensors, the fused projection
    included: the output of the last layer but one behind the final norm."""
    width, heads = family.sizes.text_width, family.sizes.text_heads

    def tensor(name: str, *shape: int) -> torch.Tensor:
        return weight(f"cond_stage_model.model.{name}", shape)

    def norm(x: torch.Tensor, name: str) -> torch.Tensor:
        return torch.nn.functional.layer_norm(
            x, (width,), tensor(f"{name}.weight", width), tensor(f"{name}.bias", width)
        )

    x = tensor("token_embedding.weight", 49408, width)[ids]
    x = x + tensor("positional_embedding", 77, width)
    causal = torch.full((77, 77), float("-inf")).triu(1)
    for index in range(family.sizes.text_layers):
        block = f"transformer.resblocks.{index}"
        attention = torch.nn.MultiheadAttention(width, heads, batch_first=True)
        attention.load_state_dict(
            {
                "in_proj_weight": tensor(f"{block}.attn.in_proj_weight", 3 * width, width),
                "in_proj_bias": tensor(f"{block}.attn.in_proj_bias", 3 * width),
                "out_proj.weight": tensor(f"{block}.attn.out_proj.weight", width, width),
                "out_proj.bias": tensor(f"{block}.attn.out_proj.bias", width),
            }
        )
        h = norm(x, f"{block}.ln_1")
        x = x + attention(h, h, h, need_weights=False, attn_mask=causal)[0]
        inner = torch.nn.functional.linear(
            norm(x, f"{block}.ln_2"),
            tensor(f"{block}.mlp.c_fc.weight", 4 * width, width),
            tensor(f"{block}.mlp.c_fc.bias", 4 * width),
        )
        x = x + torch.nn.functional.linear(
            torch.nn.functional.gelu(inner),
            tensor(f"{block}.mlp.c_proj.weight", width, 4 * width),
            tensor(f"{block}.mlp.c_proj.bias", width),
        )
    return norm(x, "ln_final")


def pipeline_of(family: Family, parts: dict[str, torch.nn.Module]) -> Any:
    """The pipeline of diffusers that draws from such a model."""
    tokenizer = transformers.CLIPTokenizer.from_pretrained(clip_tokenizer_folder())
    if family.openclip:
        tokenizer.pad_token = "!"  # id 0
    scheduler = diffusers.DDIMScheduler(
        beta_start=family.sizes.linear_start,
        beta_end=family.sizes.linear_end,
        beta_schedule="scaled_linear",
        set_alpha_to_one=False,
        steps_offset=1,
        clip_sample=False,
        prediction_type=family.prediction,
    )
    kind = {
        0: diffusers.StableDiffusionPipeline,
        MASK_CHANNELS: diffusers.StableDiffusionInpaintPipeline,
        PICTURE_CHANNELS: diffusers.StableDiffusionInstructPix2PixPipeline,
    }[family.sizes.picture_channels]
    pipeline = kind(
        vae=parts[VAE],
        text_encoder=parts[TEXT],
        tokenizer=tokenizer,
        unet=parts[UNET],
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def picture_arguments(family: Family, pipeline: Any) -> dict[str, Any]:
    """What the pipeline is given of the picture."""
    if family.sizes.picture_channels == PICTURE_CHANNELS:
        return {"image": picture(), "image_guidance_scale": PICTURE_SCALE}
    if family.sizes.picture_channels != MASK_CHANNELS:
        return {"height": SIDE, "width": SIDE}
    image = pipeline.image_processor.preprocess(picture())
    hole = pipeline.mask_processor.preprocess(mask())
    # The mean, where the pipeline would draw a sample.
    mean = pipeline.vae.encode(image * (hole < 0.5)).latent_dist.mode()
    latents = pipeline.vae.config.scaling_factor * mean
    return {
        "image": picture(),
        "mask_image": mask(),
        "masked_image_latents": latents.repeat(len(PROMPTS), 1, 1, 1),
        "strength": 1.0,
        "height": SIDE,
        "width": SIDE,
    }


@torch.inference_mode()
def values(family: Family) -> dict[str, torch.Tensor]:
    """The reference values of one family."""
    pipeline = pipeline_of(family, build(family))
    ids = pipeline.tokenizer(
        PROMPTS[0], padding="max_length", max_length=77, return_tensors="pt"
    ).input_ids
    context = pipeline.text_encoder(ids)[0]
    if family.openclip:
        difference = (openclip_context(family, ids) - context).abs().max().item()
        print(f"{family.name}: OpenCLIP's layout against transformers: {difference:.1e}")
        assert difference < 1e-4
    noise = torch.randn((len(PROMPTS), 4, SIDE // 8, SIDE // 8), generator=torch.manual_seed(6))
    steps = [noise]

    def keep(_pipeline: Any, _step: int, _t: int, kept: dict[str, Any]) -> dict[str, Any]:
        steps.append(kept["latents"].clone())
        return kept

    pipeline(
        prompt=PROMPTS,
        negative_prompt=[NEGATIVE] * len(PROMPTS),
        num_inference_steps=STEPS,
        guidance_scale=SCALE,
        latents=noise,
        output_type="latent",
        callback_on_step_end=keep,
        **picture_arguments(family, pipeline),
    )
    assert len(steps) == STEPS + 1
    return {"context": context[0, TOKENS].clone(), "latents": torch.stack(steps)}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="where FAMILY.safetensors is written")
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    for family in FAMILIES:
        tensors = values(family)
        path = folder / f"{family.name}.safetensors"
        save_file(tensors, path)
        path.chmod(0o644)
        spread = [f"{x.abs().max().item():.2f}" for x in tensors["latents"]]
        print(f"{path}: largest latents {', '.join(spread)}")


if __name__ == "__main__":
    main()
