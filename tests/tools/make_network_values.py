#!/usr/bin/env python3
"""Writes tests/data/networks/: files of the LoRA family for tiny-v1, made and merged by lycoris-lora, peft and diffusers
themselves, with seeded values.

`values.safetensors` has a small file of each kind inside it, as "KIND|file|KEY", and beside it what the library's own merge
makes of the layers' weights, as "KIND|merged|PARAMETER": every 23rd element in C order, of a bias all. `PARAMETER` is
diffusers' name behind "unet." or "text_encoder.". The other files are whole ones, as diffusers and peft save them; what they
merge to stands in values.safetensors under their names.

Needs torch, diffusers, transformers, peft, lycoris-lora, safetensors.
Usage: make_network_values.py build/tests/data/tiny-v1-diffusers [tests/data/networks]
"""

import json
import shutil
import sys
import tempfile
from pathlib import Path

import torch
from diffusers import StableDiffusionPipeline, UNet2DConditionModel
from lycoris.modules.boft import ButterflyOFTModule
from lycoris.modules.diag_oft import DiagOFTModule
from lycoris.modules.full import FullModule
from lycoris.modules.glora import GLoRAModule
from lycoris.modules.ia3 import IA3Module
from lycoris.modules.locon import LoConModule
from lycoris.modules.loha import LohaModule
from lycoris.modules.lokr import LokrModule
from lycoris.modules.norms import NormModule
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict
from safetensors.torch import save_file
from transformers import CLIPTextModel

STEP = 23
QUERY = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"  # [32, 32]
TIME = "down_blocks.0.resnets.0.time_emb_proj"  # [32, 128]
CONV = "down_blocks.0.resnets.0.conv1"  # [32, 32, 3, 3]
SKIP = "up_blocks.0.resnets.0.conv_shortcut"  # 1x1
INPUT = "conv_in"  # [32, 4, 3, 3]
NORM = "down_blocks.0.attentions.0.transformer_blocks.0.norm1"
FC1 = "encoder.layers.0.mlp.fc1"


def layers(root):
    unet = UNet2DConditionModel.from_pretrained(root / "unet", torch_dtype=torch.float32)
    text = CLIPTextModel.from_pretrained(root / "text_encoder", torch_dtype=torch.float32)
    return unet.eval(), text.eval()


def text_layer(text, name):
    inner = text.text_model if hasattr(text, "text_model") else text
    return inner.get_submodule(name)


def randomise(module, seed):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in sorted(module.named_parameters()):
            spread = 0.3 * torch.randn(value.shape, generator=generator)
            # Lengths stay near what they are.
            value.copy_(value * (1 + spread) if "dora" in name or "rescale" in name else spread)


def sampled(value):
    flat = value.detach().float().flatten()
    return flat[::STEP].clone() if value.dim() > 1 else flat.clone()


def state_of(module):
    if isinstance(module, FullModule):  # before apply_to its weight is the difference itself
        return {"diff": module.weight} | ({} if module.bias is None else {"diff_b": module.bias})
    return module.custom_state_dict() or module.state_dict()


def merge_of(module, layer):
    """What the layer's weight and bias are in the module's own forward. LoHa's and LoKr's get_merged_weight (lycoris-lora
    4.1.3) multiplies with alpha/rank once more than their forward, which they are trained with."""
    if not isinstance(module, (LohaModule, LokrModule)):
        return module.get_merged_weight(1.0, shape=layer.weight.shape)
    weight = layer.weight + module.get_weight(layer.weight.shape)
    return (module.apply_weight_decompose(weight) if module.wd else weight), None


class Values:
    def __init__(self):
        self.tensors = {}

    def lycoris(self, kind, places):
        """`places`: (module class, "unet" or "text_encoder", layer's name, the layer, its options)."""
        for number, (cls, part, name, layer, options) in enumerate(places):
            path = name if part == "unet" else "text_model." + name
            prefix = ("lora_unet_" if part == "unet" else "lora_te_") + path.replace(".", "_")
            module = cls(prefix, layer, 1.0, **options)
            randomise(module, 100 * len(self.tensors) + number)
            for key, value in state_of(module).items():
                self.tensors[f"{kind}|file|{prefix}.{key}"] = value.detach().float().contiguous().clone()
            weight, bias = merge_of(module, layer)
            self.tensors[f"{kind}|merged|{part}.{path}.weight"] = sampled(weight.reshape(layer.weight.shape))
            if bias is not None:
                self.tensors[f"{kind}|merged|{part}.{path}.bias"] = sampled(bias)

    def merged(self, kind, part, model, names):
        for name in names:
            layer = model.get_submodule(name)
            path = name if part == "unet" or name.startswith("text_model.") else "text_model." + name
            self.tensors[f"{kind}|merged|{part}.{path}.weight"] = sampled(layer.weight)


def add_lycoris(values, unet, text):
    def place(cls, name, **options):
        if name == FC1:
            return cls, "text_encoder", name, text_layer(text, name), options
        return cls, "unet", name, unet.get_submodule(name), options

    lora = dict(lora_dim=2, alpha=1.5)
    values.lycoris("LoCon", [place(LoConModule, n, **lora) for n in (QUERY, TIME, CONV, SKIP, INPUT, FC1)])
    values.lycoris("Tucker", [place(LoConModule, n, use_tucker=True, **lora) for n in (CONV, INPUT)])
    values.lycoris("LoHa", [place(LohaModule, n, **lora) for n in (TIME, INPUT, FC1)])
    values.lycoris("LoHaTucker", [place(LohaModule, n, use_tucker=True, **lora) for n in (INPUT,)])
    values.lycoris("LoKr", [place(LokrModule, n, factor=4, **lora) for n in (TIME, INPUT, FC1)])
    values.lycoris("LoKrBoth", [place(LokrModule, n, factor=8, decompose_both=True, **lora) for n in (TIME,)])
    values.lycoris("LoKrWhole", [place(LokrModule, n, factor=4, full_matrix=True, lora_dim=2, alpha=1e9)
                                 for n in (QUERY, INPUT)])
    values.lycoris("LoKrTucker", [place(LokrModule, n, factor=2, use_tucker=True, **lora) for n in (CONV,)])
    values.lycoris("GLoRA", [place(GLoRAModule, n, **lora) for n in (TIME, INPUT)])
    values.lycoris("IA3", [place(IA3Module, TIME), place(IA3Module, QUERY, train_on_input=True),
                           place(IA3Module, INPUT, train_on_input=True), place(IA3Module, SKIP)])
    values.lycoris("Full", [place(FullModule, n) for n in (INPUT,)])
    values.lycoris("Norm", [place(NormModule, NORM)])
    values.lycoris("OFT", [place(DiagOFTModule, n, lora_dim=4, **o) for n, o in
                           ((TIME, {}), (INPUT, dict(rescaled=True)), (QUERY, dict(constraint=0.01)))])
    values.lycoris("BOFT", [place(ButterflyOFTModule, n, lora_dim=4, **o) for n, o in
                            ((TIME, {}), (INPUT, dict(rescaled=True)), (QUERY, dict(constraint=0.01)))])
    dora = dict(weight_decompose=True, **lora)
    values.lycoris("DoRAOutputs", [place(LoConModule, n, wd_on_out=True, **dora) for n in (TIME, INPUT, QUERY)])
    values.lycoris("DoRAInputs", [place(LoConModule, n, wd_on_out=False, **dora) for n in (TIME, INPUT, QUERY)])
    values.lycoris("LoHaDoRA", [place(LohaModule, TIME, wd_on_out=True, **dora)])
    values.lycoris("LoKrDoRA", [place(LokrModule, TIME, factor=4, wd_on_out=True, **dora)])


def seeded_adapter(model, config, seed):
    adapted = get_peft_model(model, config)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in sorted(adapted.named_parameters()):
            if "lora_A" in name or "lora_B" in name:
                value.copy_(0.3 * torch.randn(value.shape, generator=generator))
            elif "lora_magnitude" in name:
                value.copy_(value * (1 + 0.3 * torch.randn(value.shape, generator=generator)))
    return adapted


def save_adapter(adapted, out):
    """As peft saves one: a folder; of its config what counts, since it names versions too."""
    with tempfile.TemporaryDirectory() as folder:
        adapted.save_pretrained(folder)
        out.mkdir(parents=True, exist_ok=True)
        shutil.copy(Path(folder) / "adapter_model.safetensors", out / "adapter_model.safetensors")
        config = json.loads((Path(folder) / "adapter_config.json").read_text())
    kept = ("peft_type", "r", "lora_alpha", "alpha_pattern", "rank_pattern", "use_rslora", "use_dora", "target_modules")
    text = {key: sorted(config[key]) if isinstance(config[key], list) else config[key] for key in kept}
    (out / "adapter_config.json").write_text(json.dumps(text, indent=1) + "\n")


def add_peft(values, root, out):
    plain = [QUERY, TIME, INPUT]
    unet, _ = layers(root)
    adapted = seeded_adapter(unet, LoraConfig(r=2, lora_alpha=3, target_modules=plain, use_rslora=True,
                                              rank_pattern={"time_emb_proj": 4}, alpha_pattern={"attn1.to_q": 5}), 1)
    save_adapter(adapted, out / "peft")
    values.merged("peft", "unet", adapted.merge_and_unload(), plain)
    unet, _ = layers(root)
    adapted = seeded_adapter(unet, LoraConfig(r=2, lora_alpha=3, target_modules=plain, use_dora=True), 2)
    save_adapter(adapted, out / "peft-dora")
    values.merged("peft-dora", "unet", adapted.merge_and_unload(), plain)


def add_diffusers(values, root, out):
    unet, text = layers(root)
    query = [name for name, _ in text.named_modules() if name.endswith("layers.0.self_attn.q_proj")]
    unet_config = LoraConfig(r=2, lora_alpha=4, target_modules=[QUERY, INPUT])
    text_config = LoraConfig(r=2, lora_alpha=1, target_modules=query)
    unet, text = seeded_adapter(unet, unet_config, 3), seeded_adapter(text, text_config, 4)
    for name, metadata in (("diffusers.safetensors", True), ("diffusers-plain.safetensors", False)):
        configs = {}
        if metadata:
            configs = dict(unet_lora_adapter_metadata=config_of(unet_config),
                           text_encoder_lora_adapter_metadata=config_of(text_config))
        with tempfile.TemporaryDirectory() as folder:
            StableDiffusionPipeline.save_lora_weights(
                folder, unet_lora_layers=get_peft_model_state_dict(unet),
                text_encoder_lora_layers=get_peft_model_state_dict(text), **configs)
            shutil.copy(Path(folder) / "pytorch_lora_weights.safetensors", out / name)
    values.merged("diffusers", "unet", unet.merge_and_unload(), [QUERY, INPUT])
    values.merged("diffusers", "text_encoder", text.merge_and_unload(), query)


def config_of(config):
    return {"r": config.r, "lora_alpha": config.lora_alpha, "alpha_pattern": {}, "rank_pattern": {}, "use_rslora": False}


def main():
    root = Path(sys.argv[1])
    out = Path(sys.argv[2] if len(sys.argv) > 2 else "tests/data/networks")
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    values = Values()
    unet, text = layers(root)
    add_lycoris(values, unet, text)
    add_peft(values, root, out)
    add_diffusers(values, root, out)
    save_file(values.tensors, out / "values.safetensors")
    for path in sorted(out.rglob("*")):
        if path.is_file():
            print(path.relative_to(out), path.stat().st_size)


if __name__ == "__main__":
    main()
