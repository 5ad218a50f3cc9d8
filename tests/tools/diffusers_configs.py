"""The JSON files of a diffusers folder of a Stable Diffusion v1 model."""

from __future__ import annotations

from typing import Any

from sd_layout import Sizes


def diffusers_configs(sizes: Sizes) -> dict[str, dict[str, Any]]:
    """The JSON files of a diffusers folder, by their path in it."""
    version = "0.42.1"
    levels = len(sizes.unet_mult)
    attention = [sizes.attention_at(level) for level in range(levels)]
    unet = {
        "_class_name": "UNet2DConditionModel",
        "_diffusers_version": version,
        "sample_size": sizes.image_size,
        "in_channels": sizes.latent_channels,
        "out_channels": sizes.latent_channels,
        "block_out_channels": [sizes.unet_channels * mult for mult in sizes.unet_mult],
        "layers_per_block": sizes.unet_blocks,
        "down_block_types": [
            "CrossAttnDownBlock2D" if here else "DownBlock2D" for here in attention
        ],
        "up_block_types": [
            "CrossAttnUpBlock2D" if here else "UpBlock2D" for here in reversed(attention)
        ],
        "attention_head_dim": sizes.heads,  # diffusers' name for the number of heads
        "transformer_layers_per_block": sizes.depth,
        "cross_attention_dim": sizes.context,
        "norm_num_groups": 32,
        "norm_eps": 1e-05,
        "act_fn": "silu",
        "center_input_sample": False,
        "downsample_padding": 1,
        "flip_sin_to_cos": True,
        "freq_shift": 0,
        "mid_block_scale_factor": 1,
    }
    if not sizes.middle:
        unet["mid_block_type"] = None
    if sizes.time_condition:
        unet["time_cond_proj_dim"] = sizes.time_condition
    vae_levels = len(sizes.vae_mult)
    vae = {
        "_class_name": "AutoencoderKL",
        "_diffusers_version": version,
        "sample_size": sizes.image_size * 2 ** (vae_levels - 1),
        "in_channels": 3,
        "out_channels": 3,
        "latent_channels": sizes.latent_channels,
        "block_out_channels": [sizes.vae_channels * mult for mult in sizes.vae_mult],
        "layers_per_block": sizes.vae_blocks,
        "down_block_types": ["DownEncoderBlock2D"] * vae_levels,
        "up_block_types": ["UpDecoderBlock2D"] * vae_levels,
        "norm_num_groups": 32,
        "act_fn": "silu",
        "scaling_factor": sizes.scale_factor,
    }
    text = {
        "architectures": ["CLIPTextModel"],
        "model_type": "clip_text_model",
        "hidden_size": sizes.text_width,
        "intermediate_size": 4 * sizes.text_width,
        "num_hidden_layers": sizes.text_layers,
        "num_attention_heads": sizes.text_heads,
        "max_position_embeddings": 77,
        "vocab_size": 49408,
        "hidden_act": "quick_gelu",
        "layer_norm_eps": 1e-05,
        "bos_token_id": 49406,
        "eos_token_id": 49407,
        "pad_token_id": 49407,
        "projection_dim": sizes.text_width,
    }
    scheduler = {
        "_class_name": "PNDMScheduler",
        "_diffusers_version": version,
        "beta_start": sizes.linear_start,
        "beta_end": sizes.linear_end,
        "beta_schedule": "scaled_linear",
        "num_train_timesteps": 1000,
        "set_alpha_to_one": False,
        "skip_prk_steps": True,
        "steps_offset": 1,
    }
    index = {
        "_class_name": "StableDiffusionPipeline",
        "_diffusers_version": version,
        "feature_extractor": [None, None],
        "image_encoder": [None, None],
        "requires_safety_checker": False,
        "safety_checker": [None, None],
        "scheduler": ["diffusers", "PNDMScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }
    return {
        "model_index.json": index,
        "unet/config.json": unet,
        "vae/config.json": vae,
        "text_encoder/config.json": text,
        "scheduler/scheduler_config.json": scheduler,
    }
