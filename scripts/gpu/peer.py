#!/usr/bin/env python3
"""Times the UNet of Stable Diffusion v1 written with PyTorch's own modules, on a GPU: eagerly, and
through torch.compile. What `sd --device cuda` is measured against.

Guidance makes a batch of two rows a picture, as in `sd`. Attention is
scaled_dot_product_attention, pictures are channels-last, cuDNN picks its algorithms by timing. Also
measured: the card's rate at a large matrix product, and each kind of attention kernel at the UNet's
head sizes. Prints one JSON object.

Needs torch alone.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

CHANNELS = 320
MULTIPLIERS = (1, 2, 4, 4)
CONTEXT = 768
HEADS = 8


class ResBlock(nn.Module):
    """A residual block that is told the timestep."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.in_layers = nn.Sequential(
            nn.GroupNorm(32, inputs), nn.SiLU(), nn.Conv2d(inputs, outputs, 3, padding=1)
        )
        self.emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(4 * CHANNELS, outputs))
        self.out_layers = nn.Sequential(
            nn.GroupNorm(32, outputs),
            nn.SiLU(),
            nn.Identity(),
            nn.Conv2d(outputs, outputs, 3, padding=1),
        )
        same = inputs == outputs
        self.skip_connection = nn.Identity() if same else nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor, emb: Tensor, context: Tensor) -> Tensor:
        h = self.in_layers(x) + self.emb_layers(emb)[:, :, None, None]
        return self.skip_connection(x) + self.out_layers(h)


class Attention(nn.Module):
    """Multi-head attention over another sequence, or over its own."""

    def __init__(self, width: int, context: int) -> None:
        super().__init__()
        self.to_q = nn.Linear(width, width, bias=False)
        self.to_k = nn.Linear(context, width, bias=False)
        self.to_v = nn.Linear(context, width, bias=False)
        self.to_out = nn.Sequential(nn.Linear(width, width))

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        def heads(y: Tensor) -> Tensor:
            return y.unflatten(-1, (HEADS, -1)).transpose(1, 2)

        mixed = functional.scaled_dot_product_attention(
            heads(self.to_q(x)), heads(self.to_k(context)), heads(self.to_v(context))
        )
        return self.to_out(mixed.transpose(1, 2).flatten(2))


class Geglu(nn.Module):
    """The gated linear unit of arXiv:2002.05202."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.proj = nn.Linear(width, 8 * width)

    def forward(self, x: Tensor) -> Tensor:
        value, gate = self.proj(x).chunk(2, -1)
        return value * functional.gelu(gate)


class FeedForward(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.net = nn.Sequential(Geglu(width), nn.Identity(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class TransformerBlock(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.attn1 = Attention(width, width)
        self.attn2 = Attention(width, CONTEXT)
        self.ff = FeedForward(width)
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(width) for _ in range(3))

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        own = self.norm1(x)
        x = x + self.attn1(own, own)
        x = x + self.attn2(self.norm2(x), context)
        return x + self.ff(self.norm3(x))


class SpatialTransformer(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(32, width, eps=1e-6)
        self.proj_in = nn.Conv2d(width, width, 1)
        self.transformer_blocks = nn.ModuleList([TransformerBlock(width)])
        self.proj_out = nn.Conv2d(width, width, 1)

    def forward(self, x: Tensor, emb: Tensor, context: Tensor) -> Tensor:
        h = self.proj_in(self.norm(x))
        sequence = self.transformer_blocks[0](h.flatten(2).transpose(1, 2), context)
        return x + self.proj_out(sequence.transpose(1, 2).unflatten(2, x.shape[2:]))


class Conv(nn.Conv2d):
    """A convolution between blocks, which neither time nor prompt reach."""

    def forward(self, x: Tensor, emb: Tensor, context: Tensor) -> Tensor:
        return super().forward(x)


class Downsample(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.op = nn.Conv2d(width, width, 3, stride=2, padding=1)

    def forward(self, x: Tensor, emb: Tensor, context: Tensor) -> Tensor:
        return self.op(x)


class Upsample(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor, emb: Tensor, context: Tensor) -> Tensor:
        return self.conv(functional.interpolate(x, scale_factor=2, mode="nearest"))


class Unet(nn.Module):
    """SD v1's UNet; tensors are named as CompVis names them after `model.diffusion_model.`."""

    def __init__(self) -> None:
        super().__init__()
        self.time_embed = nn.Sequential(
            nn.Linear(CHANNELS, 4 * CHANNELS), nn.SiLU(), nn.Linear(4 * CHANNELS, 4 * CHANNELS)
        )
        last = len(MULTIPLIERS) - 1
        width = CHANNELS
        self.input_blocks = nn.ModuleList([nn.ModuleList([Conv(4, width, 3, padding=1)])])
        widths = [width]
        for level, multiplier in enumerate(MULTIPLIERS):
            for _ in range(2):
                block: list[nn.Module] = [ResBlock(width, multiplier * CHANNELS)]
                width = multiplier * CHANNELS
                if level != last:
                    block.append(SpatialTransformer(width))
                self.input_blocks.append(nn.ModuleList(block))
                widths.append(width)
            if level != last:
                self.input_blocks.append(nn.ModuleList([Downsample(width)]))
                widths.append(width)
        self.middle_block = nn.ModuleList(
            [ResBlock(width, width), SpatialTransformer(width), ResBlock(width, width)]
        )
        self.output_blocks = nn.ModuleList()
        for level, multiplier in reversed(list(enumerate(MULTIPLIERS))):
            for i in range(3):
                block = [ResBlock(width + widths.pop(), multiplier * CHANNELS)]
                width = multiplier * CHANNELS
                if level != last:
                    block.append(SpatialTransformer(width))
                if level != 0 and i == 2:
                    block.append(Upsample(width))
                self.output_blocks.append(nn.ModuleList(block))
        self.out = nn.Sequential(
            nn.GroupNorm(32, width), nn.SiLU(), nn.Conv2d(width, 4, 3, padding=1)
        )

    def forward(self, x: Tensor, t: Tensor, context: Tensor) -> Tensor:
        half = CHANNELS // 2
        powers = torch.arange(half, device=x.device, dtype=torch.float32) / half
        angles = t[:, None].float() * torch.exp(-math.log(10000) * powers)
        emb = self.time_embed(torch.cat([angles.cos(), angles.sin()], -1).to(x.dtype))
        kept = []
        for block in self.input_blocks:
            for layer in block:
                x = layer(x, emb, context)
            kept.append(x)
        for layer in self.middle_block:
            x = layer(x, emb, context)
        for block in self.output_blocks:
            x = torch.cat([x, kept.pop()], 1)
            for layer in block:
                x = layer(x, emb, context)
        return self.out(x)


def seconds(work: Callable[[], object], repeats: int) -> float:
    """Median seconds of `work` by CUDA events, or by the clock where there is no GPU."""
    for _ in range(3):
        work()
    found = []
    for _ in range(repeats):
        if torch.cuda.is_available():
            start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
            start.record()
            work()
            end.record()
            torch.cuda.synchronize()
            found.append(start.elapsed_time(end) / 1000)
        else:
            began = time.perf_counter()
            work()
            found.append(time.perf_counter() - began)
    return sorted(found)[len(found) // 2]


def evaluation(
    unet: nn.Module,
    pictures: int,
    size: int,
    device: str,
    dtype: torch.dtype,
    layout: torch.memory_format = torch.channels_last,
) -> Callable[[], object]:
    """One guided evaluation: two rows a picture."""
    rows = 2 * pictures
    x = torch.randn(rows, 4, size // 8, size // 8, device=device, dtype=dtype)
    x = x.to(memory_format=layout)
    context = torch.randn(rows, 77, CONTEXT, device=device, dtype=dtype)
    t = torch.full((rows,), 500.0, device=device)
    return lambda: unet(x, t, context)


def replayed(work: Callable[[], object]) -> Callable[[], object]:
    """The same work as one CUDA graph: what the GPU needs where the host costs nothing."""
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        for _ in range(3):
            work()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        work()
    return graph.replay


def matrix_rate(device: str, dtype: torch.dtype, side: int) -> float:
    """Floating-point operations a second of one large product."""
    a, b = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    return 2 * side**3 / seconds(lambda: a @ b, 20)


def norm_times(device: str, dtype: torch.dtype, size: int) -> dict[str, float]:
    """Milliseconds of a group norm and its SiLU at the UNet's sizes, in both layouts."""
    found = {}
    for level, multiplier in enumerate(MULTIPLIERS):
        channels, side = multiplier * CHANNELS, size // 8 >> level
        norm = nn.GroupNorm(32, channels, device=device, dtype=dtype)
        for layout in (torch.channels_last, torch.contiguous_format):
            x = torch.randn(2, channels, side, side, device=device, dtype=dtype)
            x = x.to(memory_format=layout)
            time_taken = seconds(lambda: functional.silu(norm(x)), 20)
            found[f"{channels} at {side}, {layout}"] = 1000 * time_taken
    return found


def attention_times(device: str, dtype: torch.dtype, size: int) -> dict[str, float]:
    """Milliseconds of each attention kernel at each of the UNet's sizes, a batch of two."""
    found = {}
    for level, multiplier in enumerate(MULTIPLIERS):
        pixels = (size // 8 >> level) ** 2
        width = multiplier * CHANNELS // HEADS
        for name, keys in (("self", pixels), ("cross", 77)):
            q, k, v = (
                torch.randn(2, HEADS, n, width, device=device, dtype=dtype)
                for n in (pixels, keys, keys)
            )
            for kind in ("FLASH_ATTENTION", "EFFICIENT_ATTENTION", "CUDNN_ATTENTION", "MATH"):
                with sdpa_kernel(getattr(SDPBackend, kind)):
                    try:
                        time_taken = seconds(
                            lambda: functional.scaled_dot_product_attention(q, k, v), 20
                        )
                    except RuntimeError:
                        continue
                found[f"{name} {pixels}x{keys} head {width} {kind.lower()}"] = 1000 * time_taken
    return found


def measure_eagerly(
    unet: nn.Module, args: argparse.Namespace, dtype: torch.dtype, report: dict[str, object]
) -> None:
    """Fills the report: eagerly, as CUDA graphs, and what the card itself does."""
    for batch in args.batch:
        work = evaluation(unet, batch, args.size, args.device, dtype)
        report[f"eager batch {batch}"] = 1 / seconds(work, args.repeats)
    print(json.dumps(report), flush=True)
    if not args.device.startswith("cuda"):
        return
    for batch in args.batch:
        for name, picks, same in (("timed", True, False), ("deterministic", False, True)):
            torch.backends.cudnn.benchmark = picks
            torch.backends.cudnn.deterministic = same
            work = replayed(evaluation(unet, batch, args.size, args.device, dtype))
            report[f"graph batch {batch}, {name}"] = 1 / seconds(work, args.repeats)
    print(json.dumps(report), flush=True)
    torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = False, True
    work = evaluation(unet, 1, args.size, args.device, dtype)
    report["eager batch 1, deterministic"] = 1 / seconds(work, args.repeats)
    torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = True, False
    plain = unet.to(memory_format=torch.contiguous_format)
    work = evaluation(plain, 1, args.size, args.device, dtype, torch.contiguous_format)
    report["eager batch 1, channels first"] = 1 / seconds(work, args.repeats)
    unet = unet.to(memory_format=torch.channels_last)
    report["group norm and SiLU ms"] = norm_times(args.device, dtype, args.size)
    report["matrix_flops"] = matrix_rate(args.device, dtype, 8192)
    report["attention_ms"] = attention_times(args.device, dtype, args.size)
    print(json.dumps(report), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--dtype", default="float16", choices=["float16", "bfloat16", "float32"])
    parser.add_argument("--size", type=int, default=512, help="pixels of a side (default: 512)")
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 8], help="pictures at once")
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--compile", action="store_true", help="also through torch.compile")
    parser.add_argument("--compile-only", action="store_true", help="through torch.compile alone")
    parser.add_argument("--weights", type=Path, help="a .ckpt of the full size")
    args = parser.parse_args()
    dtype = getattr(torch, args.dtype)
    torch.backends.cudnn.benchmark = True

    report: dict[str, object] = {"torch": torch.__version__, "dtype": args.dtype}
    with torch.inference_mode():
        with torch.device(args.device):
            unet = Unet()
        if args.weights:
            prefix = "model.diffusion_model."
            sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "tools"))
            from checkpoint_io import read_checkpoint

            state = read_checkpoint(args.weights)
            unet.load_state_dict(
                {n[len(prefix) :]: w for n, w in state.items() if n.startswith(prefix)}
            )
        unet = unet.to(dtype).to(memory_format=torch.channels_last).eval()
        if not args.compile_only:
            measure_eagerly(unet, args, dtype, report)
        if args.compile or args.compile_only:
            compiled = torch.compile(unet)
            began = time.perf_counter()
            work = evaluation(compiled, 1, args.size, args.device, dtype)
            work()
            report["compile_seconds"] = time.perf_counter() - began
            report["compiled batch 1"] = 1 / seconds(work, args.repeats)
            print(json.dumps(report), flush=True)


if __name__ == "__main__":
    main()
