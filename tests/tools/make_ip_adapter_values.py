#!/usr/bin/env python3
"""Writes what diffusers makes of IP-Adapters on tiny-v1 (load_ip_adapter, with a small CLIP vision
tower): the pixels of a picture, its tokens, and DDIM's last latents. Weights are those of
family_weights.py, a pure function of their names, so that none are stored.

    python tests/tools/make_ip_adapter_values.py tests/data/goldens/ip_adapter.safetensors
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import diffusers
import torch
import transformers
from PIL import Image
from safetensors.torch import save_file

from clip_tokenizer_files import clip_tokenizer_folder
from family_weights import weight

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

from diffusers_peer import Peer  # noqa: E402  (found through the line above)

PROMPT, NEGATIVE = "a red circle on a table", "blurry"
STEPS, SCALE, WEIGHT, SIDE = 4, 7.5, 0.8, 64
VISION = {
    "hidden_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 96,
    "projection_dim": 40,
    "patch_size": 14,
    "image_size": 224,
    "hidden_act": "gelu",
}
TOKENS, RESAMPLED, INNER, WIDE = 4, 8, 128, 256


def picture() -> Image.Image:
    """Ramps that differ by channel, wider than high."""
    rows = torch.arange(150).view(150, 1, 1)
    columns = torch.arange(260).view(1, 260, 1)
    channels = torch.arange(3).view(1, 1, 3)
    return Image.fromarray(((3 * columns + 2 * rows * channels) % 256).to(torch.uint8).numpy())


def tower() -> transformers.CLIPVisionModelWithProjection:
    model = transformers.CLIPVisionModelWithProjection(transformers.CLIPVisionConfig(**VISION))
    named = {}
    for name, tensor in model.state_dict().items():
        if name.endswith("position_ids"):
            named[name] = tensor
            continue
        full = name if name.startswith(("vision_model.", "visual_")) else f"vision_model.{name}"
        named[name] = weight(full, tuple(tensor.shape))
    model.load_state_dict(named)
    return model.eval()


def projection(kind: str, context: int) -> dict[str, tuple[int, ...]]:
    """Names and shapes of image_proj."""
    vision, embedding = VISION["hidden_size"], VISION["projection_dim"]
    if kind == "plain":
        return {
            "proj.weight": (TOKENS * context, embedding),
            "proj.bias": (TOKENS * context,),
            "norm.weight": (context,),
            "norm.bias": (context,),
        }
    if kind == "full":
        return {
            "proj.0.weight": (vision, vision),
            "proj.0.bias": (vision,),
            "proj.2.weight": (context, vision),
            "proj.2.bias": (context,),
            "proj.3.weight": (context,),
            "proj.3.bias": (context,),
        }
    shapes = {
        "latents": (1, RESAMPLED, vision),
        "proj_in.weight": (vision, vision),
        "proj_in.bias": (vision,),
        "proj_out.weight": (context, vision),
        "proj_out.bias": (context,),
        "norm_out.weight": (context,),
        "norm_out.bias": (context,),
    }
    for layer in range(4):
        shapes |= {
            f"layers.{layer}.0.norm1.weight": (vision,),
            f"layers.{layer}.0.norm1.bias": (vision,),
            f"layers.{layer}.0.norm2.weight": (vision,),
            f"layers.{layer}.0.norm2.bias": (vision,),
            f"layers.{layer}.0.to_q.weight": (INNER, vision),
            f"layers.{layer}.0.to_kv.weight": (2 * INNER, vision),
            f"layers.{layer}.0.to_out.weight": (vision, INNER),
            f"layers.{layer}.1.0.weight": (vision,),
            f"layers.{layer}.1.0.bias": (vision,),
            f"layers.{layer}.1.1.weight": (WIDE, vision),
            f"layers.{layer}.1.3.weight": (vision, WIDE),
        }
    return shapes


def adapter(kind: str, unet: diffusers.UNet2DConditionModel) -> dict[str, torch.Tensor]:
    """An adapter's tensors, `ip_adapter.1.to_k_ip.weight` and so on in the order that the UNet has
    its attention processors in."""
    context = unet.config.cross_attention_dim
    tensors = {
        f"image_proj.{name}": weight(f"image_proj.{name}", shape)
        for name, shape in projection(kind, context).items()
    }
    widths = [
        unet.get_submodule(name.removesuffix(".processor")).to_q.out_features
        for name in unet.attn_processors
    ]
    for index, (name, width) in enumerate(zip(unet.attn_processors, widths, strict=True)):
        if not name.endswith("attn2.processor"):
            continue
        for letter in "kv":
            key = f"ip_adapter.{index}.to_{letter}_ip.weight"
            tensors[key] = weight(key, (width, context))
    return tensors


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    processor = transformers.CLIPImageProcessor()
    values = {}
    pixels = processor(picture(), return_tensors="pt").pixel_values
    values["pixels"] = pixels[:, :, ::28, ::28].contiguous()
    for kind in ("plain", "plus", "full"):
        # Anew for each: unloading an adapter leaves modules without memory behind.
        peer = Peer(
            ROOT / "build" / "tests" / "data" / "tiny-v1-diffusers",
            tokenizer=clip_tokenizer_folder(),
        )
        values["noise"] = peer.start_noise(1, SIDE, SIDE, seed=9)
        pipe = diffusers.StableDiffusionPipeline(
            vae=peer.vae,
            text_encoder=peer.text,
            tokenizer=peer.tokenizer,
            unet=peer.unet,
            scheduler=peer.scheduler(plms=False),
            safety_checker=None,
            feature_extractor=processor,
            image_encoder=tower(),
            requires_safety_checker=False,
        )
        with tempfile.TemporaryDirectory() as folder:
            save_file(adapter(kind, peer.unet), Path(folder) / "adapter.safetensors")
            pipe.load_ip_adapter(
                folder,
                subfolder="",
                weight_name="adapter.safetensors",
                image_encoder_folder=None,
                low_cpu_mem_usage=False,
            )
        pipe.set_ip_adapter_scale(WEIGHT)
        with torch.inference_mode():
            embeds = pipe.prepare_ip_adapter_image_embeds(picture(), None, "cpu", 1, True)
            tokens = peer.unet.encoder_hid_proj(embeds)[0]  # [2,1,T,D]: without the picture, with
            values[f"{kind}_tokens"] = tokens[:, 0, :: max(tokens.shape[2] // 8, 1)].contiguous()
            values[f"{kind}_latents"] = pipe(
                PROMPT,
                negative_prompt=NEGATIVE,
                ip_adapter_image=picture(),
                height=SIDE,
                width=SIDE,
                latents=values["noise"],
                num_inference_steps=STEPS,
                guidance_scale=SCALE,
                output_type="latent",
            ).images.contiguous()
    save_file(values, args.out)


if __name__ == "__main__":
    main()
