"""CLIP's tokenizer in a diffusers folder, made from the merges in assets/clip/."""

from __future__ import annotations

import atexit
import functools
import json
import tempfile
from pathlib import Path

MERGES = Path(__file__).resolve().parents[2] / "assets" / "clip" / "merges.txt"
BOS, EOS = "<|startoftext|>", "<|endoftext|>"


def byte_spellings() -> list[str]:
    """How GPT-2 and CLIP spell the 256 bytes, in the order of their ids: those that print as
    themselves first, the others as the characters from U+0100 on."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = 256 - len(printable)
    return [chr(byte) for byte in printable] + [chr(256 + i) for i in range(others)]


def write_clip_tokenizer(folder: Path) -> None:
    """Writes what transformers' CLIPTokenizer reads."""
    merges = MERGES.read_text(encoding="utf-8")
    single = byte_spellings()
    words = single + [spelling + "</w>" for spelling in single]
    words += ["".join(line.split()) for line in merges.splitlines()[1:] if line.strip()]
    vocabulary = {word: number for number, word in enumerate([*words, BOS, EOS])}
    specials = {"bos_token": BOS, "eos_token": EOS, "pad_token": EOS, "unk_token": EOS}
    config = {"tokenizer_class": "CLIPTokenizer", "model_max_length": 77, "do_lower_case": True}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "merges.txt").write_text(merges, encoding="utf-8")
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "tokenizer_config.json").write_text(json.dumps(config | specials, indent=2) + "\n")
    (folder / "special_tokens_map.json").write_text(json.dumps(specials, indent=2) + "\n")


@functools.cache
def clip_tokenizer_folder() -> Path:
    """A folder with those files that lasts as long as the process."""
    folder = tempfile.TemporaryDirectory()
    atexit.register(folder.cleanup)
    write_clip_tokenizer(Path(folder.name))
    return Path(folder.name)


def check_clip_tokenizer(folder: Path) -> None:
    """Raises ValueError unless transformers reads those files as CLIP's tokenizer."""
    from transformers import CLIPTokenizer

    ids = CLIPTokenizer.from_pretrained(folder, local_files_only=True)("a photo of a cat").input_ids
    expected = [49406, 320, 1125, 539, 320, 2368, 49407]
    if ids != expected:
        raise ValueError(f"{folder}: 'a photo of a cat' is {ids}, expected {expected}")
