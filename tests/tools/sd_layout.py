"""The tensors of a Stable Diffusion v1 model: one row each, with its name in a CompVis checkpoint,
its name in a diffusers folder, its shape and how a random one is drawn. Derived from the
architecture, for any sizes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

UNET, VAE, TEXT = "unet", "vae", "text_encoder"
COMPVIS_PREFIX = {
    UNET: "model.diffusion_model.",
    VAE: "first_stage_model.",
    TEXT: "cond_stage_model.transformer.",
}


@dataclasses.dataclass(frozen=True)
class Sizes:
    """Sizes of a model; the defaults are SD v1's."""

    unet_channels: int = 320
    unet_mult: tuple[int, ...] = (1, 2, 4, 4)
    unet_blocks: int = 2
    attention_resolutions: tuple[int, ...] = (4, 2, 1)
    heads: int = 8
    depth: int = 1
    context: int = 768
    image_size: int = 64  # side of the latents
    latent_channels: int = 4
    picture_channels: int = 0  # that the UNet takes behind the latents
    middle: bool = True  # whether the UNet has a middle block; distilled ones may not
    time_condition: int = 0  # width of an embedded guidance scale beside the time
    linear_projections: bool = False  # of its transformers, as Stable Diffusion 2 has them
    vae_channels: int = 128
    vae_mult: tuple[int, ...] = (1, 2, 4, 4)
    vae_blocks: int = 2
    text: str = "clip"  # or "bert": LAION-400M latent diffusion's
    text_width: int = 768
    text_layers: int = 12
    text_heads: int = 12
    scale_factor: float = 0.18215
    linear_start: float = 0.00085
    linear_end: float = 0.0120

    def attention_at(self, level: int) -> bool:
        """Whether the UNet's blocks at `level` (down-sampled by 2**level) hold transformers."""
        return 2**level in self.attention_resolutions


@dataclasses.dataclass(frozen=True)
class Row:
    """One tensor. `diffusers_shape` differs from `shape` where a 1x1 convolution became a linear
    layer."""

    part: str
    name: str  # without the part's prefix
    diffusers_name: str
    shape: tuple[int, ...]
    kind: str  # "weight", "bias", "norm.weight", "norm.bias" or "embedding"
    diffusers_shape: tuple[int, ...]

    @property
    def compvis_name(self) -> str:
        return COMPVIS_PREFIX[self.part] + self.name


LAION_400M = Sizes(
    context=1280, image_size=32, text="bert", text_width=1280, text_layers=32, text_heads=8
)


def sizes_from_yaml(path: Path) -> Sizes:
    """Reads a `v1-inference.yaml`-like file; the text encoder's sizes are optional, as in the
    published ones."""
    import yaml

    params = yaml.safe_load(path.read_text())["model"]["params"]
    unet = params["unet_config"]["params"]
    vae = params["first_stage_config"]["params"]["ddconfig"]
    text = params["cond_stage_config"].get("params") or {}
    default = Sizes()
    return Sizes(
        unet_channels=unet["model_channels"],
        unet_mult=tuple(unet["channel_mult"]),
        unet_blocks=unet["num_res_blocks"],
        attention_resolutions=tuple(unet["attention_resolutions"]),
        heads=unet["num_heads"],
        depth=unet["transformer_depth"],
        context=unet["context_dim"],
        image_size=params["image_size"],
        latent_channels=params["channels"],
        vae_channels=vae["ch"],
        vae_mult=tuple(vae["ch_mult"]),
        vae_blocks=vae["num_res_blocks"],
        text_width=text.get("width", default.text_width),
        text_layers=text.get("layers", default.text_layers),
        text_heads=text.get("heads", default.text_heads),
        scale_factor=params["scale_factor"],
        linear_start=params["linear_start"],
        linear_end=params["linear_end"],
    )


class _Part:
    """Makes the rows of the layers of one part."""

    def __init__(self, part: str) -> None:
        self.part = part

    def row(
        self,
        name: str,
        peer: str,
        shape: tuple[int, ...],
        kind: str,
        peer_shape: tuple[int, ...] = (),
    ) -> Row:
        return Row(self.part, name, peer, shape, kind, peer_shape or shape)

    def linear(
        self, name: str, peer: str, inputs: int, outputs: int, bias: bool = True
    ) -> Iterator[Row]:
        yield self.row(f"{name}.weight", f"{peer}.weight", (outputs, inputs), "weight")
        if bias:
            yield self.row(f"{name}.bias", f"{peer}.bias", (outputs,), "bias")

    def conv(
        self, name: str, peer: str, inputs: int, outputs: int, kernel: int = 3
    ) -> Iterator[Row]:
        yield self.row(
            f"{name}.weight", f"{peer}.weight", (outputs, inputs, kernel, kernel), "weight"
        )
        yield self.row(f"{name}.bias", f"{peer}.bias", (outputs,), "bias")

    def conv_as_linear(self, name: str, peer: str, channels: int) -> Iterator[Row]:
        """A 1x1 convolution in CompVis, a linear layer in diffusers."""
        square = (channels, channels)
        yield self.row(f"{name}.weight", f"{peer}.weight", (*square, 1, 1), "weight", square)
        yield self.row(f"{name}.bias", f"{peer}.bias", (channels,), "bias")

    def norm(self, name: str, peer: str, channels: int) -> Iterator[Row]:
        for suffix in ("weight", "bias"):
            yield self.row(f"{name}.{suffix}", f"{peer}.{suffix}", (channels,), f"norm.{suffix}")


def unet_rows(sizes: Sizes) -> Iterator[Row]:
    """ldm's UNetModel beside diffusers' UNet2DConditionModel."""
    unet = _Part(UNET)
    base, embedding = sizes.unet_channels, 4 * sizes.unet_channels
    levels = len(sizes.unet_mult)

    def residual(name: str, peer: str, inputs: int, outputs: int) -> Iterator[Row]:
        yield from unet.norm(f"{name}.in_layers.0", f"{peer}.norm1", inputs)
        yield from unet.conv(f"{name}.in_layers.2", f"{peer}.conv1", inputs, outputs)
        yield from unet.linear(f"{name}.emb_layers.1", f"{peer}.time_emb_proj", embedding, outputs)
        yield from unet.norm(f"{name}.out_layers.0", f"{peer}.norm2", outputs)
        yield from unet.conv(f"{name}.out_layers.3", f"{peer}.conv2", outputs, outputs)
        if inputs != outputs:
            yield from unet.conv(
                f"{name}.skip_connection", f"{peer}.conv_shortcut", inputs, outputs, kernel=1
            )

    def transformer(name: str, peer: str, channels: int) -> Iterator[Row]:
        def projection(side: str) -> Iterator[Row]:
            ends = (f"{name}.{side}", f"{peer}.{side}", channels, channels)
            linear = sizes.linear_projections
            yield from unet.linear(*ends) if linear else unet.conv(*ends, kernel=1)

        yield from unet.norm(f"{name}.norm", f"{peer}.norm", channels)
        yield from projection("proj_in")
        for index in range(sizes.depth):
            block = f"transformer_blocks.{index}"
            for attention, width in (("attn1", channels), ("attn2", sizes.context)):
                path = f"{block}.{attention}"
                for layer, inputs in (("to_q", channels), ("to_k", width), ("to_v", width)):
                    yield from unet.linear(
                        f"{name}.{path}.{layer}", f"{peer}.{path}.{layer}", inputs, channels, False
                    )
                yield from unet.linear(
                    f"{name}.{path}.to_out.0", f"{peer}.{path}.to_out.0", channels, channels
                )
            for layer, inputs, outputs in (
                ("ff.net.0.proj", channels, 8 * channels),
                ("ff.net.2", 4 * channels, channels),
            ):
                yield from unet.linear(
                    f"{name}.{block}.{layer}", f"{peer}.{block}.{layer}", inputs, outputs
                )
            for layer in ("norm1", "norm2", "norm3"):
                yield from unet.norm(f"{name}.{block}.{layer}", f"{peer}.{block}.{layer}", channels)
        yield from projection("proj_out")

    yield from unet.linear("time_embed.0", "time_embedding.linear_1", base, embedding)
    yield from unet.linear("time_embed.2", "time_embedding.linear_2", embedding, embedding)
    if sizes.time_condition:
        yield from unet.linear(
            "time_embed.cond_proj", "time_embedding.cond_proj", sizes.time_condition, base, False
        )
    inputs = sizes.latent_channels + sizes.picture_channels
    yield from unet.conv("input_blocks.0.0", "conv_in", inputs, base)

    channels, position, skips = base, 1, [base]
    for level, mult in enumerate(sizes.unet_mult):
        for block in range(sizes.unet_blocks):
            outputs = base * mult
            peer = f"down_blocks.{level}"
            yield from residual(
                f"input_blocks.{position}.0", f"{peer}.resnets.{block}", channels, outputs
            )
            if sizes.attention_at(level):
                yield from transformer(
                    f"input_blocks.{position}.1", f"{peer}.attentions.{block}", outputs
                )
            channels, position = outputs, position + 1
            skips.append(channels)
        if level != levels - 1:
            yield from unet.conv(
                f"input_blocks.{position}.0.op", f"{peer}.downsamplers.0.conv", channels, channels
            )
            position += 1
            skips.append(channels)

    if sizes.middle:
        yield from residual("middle_block.0", "mid_block.resnets.0", channels, channels)
        yield from transformer("middle_block.1", "mid_block.attentions.0", channels)
        yield from residual("middle_block.2", "mid_block.resnets.1", channels, channels)

    position = 0
    for level in reversed(range(levels)):
        peer = f"up_blocks.{levels - 1 - level}"
        for block in range(sizes.unet_blocks + 1):
            outputs, place = base * sizes.unet_mult[level], 1
            yield from residual(
                f"output_blocks.{position}.0",
                f"{peer}.resnets.{block}",
                channels + skips.pop(),
                outputs,
            )
            if sizes.attention_at(level):
                yield from transformer(
                    f"output_blocks.{position}.1", f"{peer}.attentions.{block}", outputs
                )
                place = 2
            if level and block == sizes.unet_blocks:
                yield from unet.conv(
                    f"output_blocks.{position}.{place}.conv",
                    f"{peer}.upsamplers.0.conv",
                    outputs,
                    outputs,
                )
            channels, position = outputs, position + 1
    yield from unet.norm("out.0", "conv_norm_out", channels)
    yield from unet.conv("out.2", "conv_out", channels, sizes.latent_channels)


def vae_rows(sizes: Sizes) -> Iterator[Row]:
    """ldm's AutoencoderKL beside diffusers'. CompVis numbers the decoder's levels from the finest,
    diffusers from the coarsest."""
    vae = _Part(VAE)
    base, mult, z = sizes.vae_channels, sizes.vae_mult, sizes.latent_channels
    top = base * mult[-1]

    def residual(name: str, peer: str, inputs: int, outputs: int) -> Iterator[Row]:
        yield from vae.norm(f"{name}.norm1", f"{peer}.norm1", inputs)
        yield from vae.conv(f"{name}.conv1", f"{peer}.conv1", inputs, outputs)
        yield from vae.norm(f"{name}.norm2", f"{peer}.norm2", outputs)
        yield from vae.conv(f"{name}.conv2", f"{peer}.conv2", outputs, outputs)
        if inputs != outputs:
            yield from vae.conv(
                f"{name}.nin_shortcut", f"{peer}.conv_shortcut", inputs, outputs, kernel=1
            )

    def middle(half: str) -> Iterator[Row]:
        yield from residual(f"{half}.mid.block_1", f"{half}.mid_block.resnets.0", top, top)
        name, peer = f"{half}.mid.attn_1", f"{half}.mid_block.attentions.0"
        yield from vae.norm(f"{name}.norm", f"{peer}.group_norm", top)
        for layer, peer_layer in (
            ("q", "to_q"),
            ("k", "to_k"),
            ("v", "to_v"),
            ("proj_out", "to_out.0"),
        ):
            yield from vae.conv_as_linear(f"{name}.{layer}", f"{peer}.{peer_layer}", top)
        yield from residual(f"{half}.mid.block_2", f"{half}.mid_block.resnets.1", top, top)

    yield from vae.conv("encoder.conv_in", "encoder.conv_in", 3, base)
    channels = base
    for level in range(len(mult)):
        for block in range(sizes.vae_blocks):
            name, peer = (
                f"encoder.down.{level}.block.{block}",
                f"encoder.down_blocks.{level}.resnets.{block}",
            )
            yield from residual(name, peer, channels, base * mult[level])
            channels = base * mult[level]
        if level != len(mult) - 1:
            name, peer = (
                f"encoder.down.{level}.downsample.conv",
                f"encoder.down_blocks.{level}.downsamplers.0.conv",
            )
            yield from vae.conv(name, peer, channels, channels)
    yield from middle("encoder")
    yield from vae.norm("encoder.norm_out", "encoder.conv_norm_out", top)
    yield from vae.conv("encoder.conv_out", "encoder.conv_out", top, 2 * z)

    yield from vae.conv("decoder.conv_in", "decoder.conv_in", z, top)
    yield from middle("decoder")
    channels = top
    for level in reversed(range(len(mult))):
        peer_block = f"decoder.up_blocks.{len(mult) - 1 - level}"
        for block in range(sizes.vae_blocks + 1):
            yield from residual(
                f"decoder.up.{level}.block.{block}",
                f"{peer_block}.resnets.{block}",
                channels,
                base * mult[level],
            )
            channels = base * mult[level]
        if level:
            yield from vae.conv(
                f"decoder.up.{level}.upsample.conv",
                f"{peer_block}.upsamplers.0.conv",
                channels,
                channels,
            )
    yield from vae.norm("decoder.norm_out", "decoder.conv_norm_out", channels)
    yield from vae.conv("decoder.conv_out", "decoder.conv_out", channels, 3)
    yield from vae.conv("quant_conv", "quant_conv", 2 * z, 2 * z, kernel=1)
    yield from vae.conv("post_quant_conv", "post_quant_conv", z, z, kernel=1)


def text_rows(sizes: Sizes) -> Iterator[Row]:
    """The CLIP text encoder; both layouts call its tensors the same."""
    text = _Part(TEXT)
    width = sizes.text_width
    for table, count in (("token", 49408), ("position", 77)):
        name = f"text_model.embeddings.{table}_embedding.weight"
        yield text.row(name, name, (count, width), "embedding")
    for index in range(sizes.text_layers):
        layer = f"text_model.encoder.layers.{index}"
        for projection in ("k_proj", "v_proj", "q_proj", "out_proj"):
            name = f"{layer}.self_attn.{projection}"
            yield from text.linear(name, name, width, width)
        yield from text.norm(f"{layer}.layer_norm1", f"{layer}.layer_norm1", width)
        yield from text.linear(f"{layer}.mlp.fc1", f"{layer}.mlp.fc1", width, 4 * width)
        yield from text.linear(f"{layer}.mlp.fc2", f"{layer}.mlp.fc2", 4 * width, width)
        yield from text.norm(f"{layer}.layer_norm2", f"{layer}.layer_norm2", width)
    yield from text.norm("text_model.final_layer_norm", "text_model.final_layer_norm", width)


def bert_text_rows(sizes: Sizes) -> Iterator[Row]:
    """The text encoder of LAION-400M latent diffusion, with the output layer that nothing uses."""
    text = _Part(TEXT)
    width, inner = sizes.text_width, 64 * sizes.text_heads
    yield text.row("token_emb.weight", "token_emb.weight", (30522, width), "embedding")
    yield text.row("pos_emb.emb.weight", "pos_emb.emb.weight", (77, width), "embedding")
    for index in range(sizes.text_layers):
        mixing = f"attn_layers.layers.{2 * index}"
        yield from text.norm(f"{mixing}.0", f"{mixing}.0", width)
        for projection in ("to_q", "to_k", "to_v"):
            name = f"{mixing}.1.{projection}"
            yield from text.linear(name, name, width, inner, False)
        yield from text.linear(f"{mixing}.1.to_out", f"{mixing}.1.to_out", inner, width)
        forward = f"attn_layers.layers.{2 * index + 1}"
        yield from text.norm(f"{forward}.0", f"{forward}.0", width)
        for layer, inputs, outputs in (("0.0", width, 4 * width), ("2", 4 * width, width)):
            name = f"{forward}.1.net.{layer}"
            yield from text.linear(name, name, inputs, outputs)
    yield from text.norm("norm", "norm", width)
    yield from text.linear("to_logits", "to_logits", width, 30522)


def all_rows(sizes: Sizes) -> list[Row]:
    """Every trained tensor of the model."""
    text = bert_text_rows if sizes.text == "bert" else text_rows
    return [*unet_rows(sizes), *vae_rows(sizes), *text(sizes)]
