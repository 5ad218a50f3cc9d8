"""Reading and writing Stable Diffusion v1 weights: the published `.ckpt`, a single `.safetensors`,
a diffusers folder.

A model in memory is a dict of tensors by CompVis names.
"""

from __future__ import annotations

import contextlib
import json
import pickle
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import torch

from clip_tokenizer_files import check_clip_tokenizer, write_clip_tokenizer
from diffusers_configs import diffusers_configs
from sd_layout import TEXT, UNET, VAE, Row, Sizes, all_rows

Tensors = dict[str, torch.Tensor]

LIGHTNING_MODULE = "pytorch_lightning.callbacks.model_checkpoint"
WEIGHT_FILES = {
    UNET: "diffusion_pytorch_model.safetensors",
    VAE: "diffusion_pytorch_model.safetensors",
    TEXT: "model.safetensors",
}

# The reference checkpoint tiny-v1.ckpt calls this one tensor otherwise than published checkpoints.
TOKEN_EMBEDDING = "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight"
OTHER_NAMES = {"cond_stage_model.transformer.embeddings.token_embedding.weight": TOKEN_EMBEDDING}


class _Placeholder:
    """Stands for a class of a package that is not here; holds nothing."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        pass


class _TensorsOnlyUnpickler(pickle.Unpickler):
    """Finds what rebuilds tensors; any other global becomes a placeholder, so nothing foreign is
    imported or run."""

    def find_class(self, module: str, name: str) -> object:
        allowed = {("torch._utils", "_rebuild_tensor_v2"), ("collections", "OrderedDict")}
        if (module, name) in allowed or (module == "torch" and name.endswith("Storage")):
            return super().find_class(module, name)
        return _Placeholder


def read_checkpoint(path: Path) -> Tensors:
    """The `state_dict` of a `.ckpt`."""
    pickler = types.SimpleNamespace(__name__="tensors_only", Unpickler=_TensorsOnlyUnpickler)
    content = torch.load(
        path, map_location="cpu", mmap=True, weights_only=False, pickle_module=pickler
    )
    return dict(content["state_dict"])


@contextlib.contextmanager
def _lightning_callback() -> Iterator[type]:
    """A class that pickles as PyTorch Lightning's ModelCheckpoint, without that package."""
    names = [LIGHTNING_MODULE.rsplit(".", depth)[0] for depth in (2, 1, 0)]
    saved = {name: sys.modules.get(name) for name in names}
    callback = type(
        "ModelCheckpoint", (), {"__module__": LIGHTNING_MODULE, "__qualname__": "ModelCheckpoint"}
    )
    for name in names:
        sys.modules[name] = types.ModuleType(name)
    vars(sys.modules[LIGHTNING_MODULE])["ModelCheckpoint"] = callback
    try:
        yield callback
    finally:
        for name, module in saved.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


def write_checkpoint(tensors: Tensors, path: Path) -> None:
    """Writes a zip `.ckpt` as published: `state_dict` with a training run's leftovers beside it."""
    optimizer = {
        "state": {0: {"step": 1234, "exp_avg": torch.zeros(4)}},
        "param_groups": [{"lr": 1e-4, "params": [0]}],
    }
    with _lightning_callback() as callback:
        content = {
            "epoch": 0,
            "global_step": 1234,
            "pytorch-lightning_version": "1.4.2",
            "state_dict": tensors,
            "callbacks": {
                callback: {
                    "monitor": "val/loss",
                    "best_model_score": torch.tensor(0.25),
                    "dirpath": "logs",
                }
            },
            "optimizer_states": [optimizer],
            "lr_schedulers": [],
        }
        # Protocol 2 is what the published files were pickled with.
        torch.save(content, path, pickle_protocol=2)


def write_safetensors(tensors: Tensors, path: Path) -> None:
    """Writes tensors into one file, by the names given."""
    from safetensors.torch import save_file  # not needed for a .ckpt

    save_file(
        {name: tensor.contiguous() for name, tensor in tensors.items()}, path, {"format": "pt"}
    )
    path.chmod(0o644)  # safetensors leaves its files readable by their owner alone


def check_names(tensors: Tensors, rows: list[Row]) -> None:
    """Raises ValueError unless every row's tensor is there with its shape."""
    for row in rows:
        if row.compvis_name not in tensors:
            raise ValueError(f"'{row.compvis_name}' is not in the checkpoint: another --config?")
        found, expected = list(tensors[row.compvis_name].shape), list(row.shape)
        if found != expected:
            raise ValueError(
                f"'{row.compvis_name}' has shape {found}, expected {expected}: another --config?"
            )


def write_diffusers(
    tensors: Tensors, sizes: Sizes, folder: Path, tokenizer: bool = False
) -> None:
    """Writes a diffusers folder of the same weights, on demand with CLIP's tokenizer."""
    rows = all_rows(sizes)
    tensors = {OTHER_NAMES.get(name, name): tensor for name, tensor in tensors.items()}
    check_names(tensors, rows)
    for path, content in diffusers_configs(sizes).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(json.dumps(content, indent=2) + "\n")
    for part in dict.fromkeys(row.part for row in rows):
        renamed = {
            row.diffusers_name: tensors[row.compvis_name].reshape(row.diffusers_shape)
            for row in rows
            if row.part == part
        }
        write_safetensors(renamed, folder / part / WEIGHT_FILES[part])
    if tokenizer:
        write_clip_tokenizer(folder / "tokenizer")


def check_diffusers(folder: Path) -> dict[str, int]:
    """Loads each part with diffusers, raising if a tensor is missing, left over or misshapen, or if
    a tokenizer is there and not CLIP's; returns the parameter counts by part."""
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextModel

    if (folder / "tokenizer").exists():
        check_clip_tokenizer(folder / "tokenizer")
    counts = {}
    for part, kind in {
        "unet": UNet2DConditionModel,
        "vae": AutoencoderKL,
        "text_encoder": CLIPTextModel,
    }.items():
        model, report = kind.from_pretrained(
            folder / part, output_loading_info=True, local_files_only=True
        )
        problems = {key: list(value)[:5] for key, value in report.items() if value}
        if problems:
            raise ValueError(f"{folder / part}: {problems}")
        counts[part] = sum(parameter.numel() for parameter in model.parameters())
    return counts
