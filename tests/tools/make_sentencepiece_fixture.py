#!/usr/bin/env python3
"""Writes tests/data/sentencepiece/: spiece.model, a small unigram model in the shape of the
Japanese Stable Diffusion's; ids.json, 100 texts with the ids that the PyPI package gives; and
latents.npy, what diffusers draws from tiny-v1 with such ids (4 DDIM steps, guidance 7.5).

The model is trained on the texts below. Its table of characters is a part of NFKC's, as the whole
one would be most of the file. A training run elsewhere may give other pieces: then both files change
together.
"""

from __future__ import annotations

import io
import itertools
import json
import random
import sys
import tempfile
import unicodedata
from pathlib import Path

import numpy
import sentencepiece
import torch

from clip_tokenizer_files import clip_tokenizer_folder

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

from diffusers_peer import Peer  # noqa: E402  (found through the line above)

DATA = ROOT / "tests" / "data" / "sentencepiece"
END, PADDING, LENGTH = 2, 3, 77
PROMPT = "雪の中の赤い猫、Oil on canvas"

THINGS = "cat dog house car tree apple horse bird boat castle mountain snowboarder".split()
COLOURS = "red blue green yellow white black snowy golden".split()
PLACES = ["on a sofa", "in the snow", "by the sea", "at night", "under a tree", "on the moon"]
STYLES = ["oil on canvas", "a photo", "watercolor", "highly detailed", "pixel art"]
JA_THINGS = "猫 犬 家 車 木 林檎 馬 鳥 船 城 山 サラリーマン".split()
JA_COLOURS = "赤い 青い 緑の 黄色い 白い 黒い 雪の 金色の".split()
JA_PLACES = "ソファの上 雪の中 海辺 夜 木の下 月面".split()
JA_STYLES = "油絵 写真 水彩画 高精細 ドット絵".split()
ODD = [
    "",
    " ",
    "  two   spaces  ",
    "　全角　スペース　",
    "ＦＵＬＬｗｉｄｔｈ１２３",
    "ﬁne ﬂoor ㌔ ① Ⅷ",
    "tabs\tand\nlines",
    "unknown: ☃ 😀 Ω",
    "RED Cat, Blue DOG!",
    "サラリーマンがCATと歩く",
    "</s> <unk> [PAD]",
    "▁ mark",
    "e\u0301 \u00e9",
    "a" * 60,
]


def normalization_rules() -> str:
    """What NFKC makes of full-width forms, ligatures and numbers in circles, one rule a line."""
    rules = []
    for code in itertools.chain(
        range(0xFF01, 0xFF5F), range(0xFB00, 0xFB07), range(0x2160, 0x2170), range(0x2460, 0x2474)
    ):
        after = " ".join(f"{ord(c):X}" for c in unicodedata.normalize("NFKC", chr(code)))
        rules.append(f"{code:X}\t{after}")
    rules += ["3000\t20", "9\t20", "A\t20"]
    return "\n".join(rules) + "\n"


def corpus() -> list[str]:
    english = [
        f"{style} of a {colour} {thing} {place}"
        for style, colour, thing, place in itertools.product(STYLES, COLOURS, THINGS, PLACES)
    ]
    japanese = [
        f"{place}の{colour}{thing}、{style}"
        for style, colour, thing, place in itertools.product(
            JA_STYLES, JA_COLOURS, JA_THINGS, JA_PLACES
        )
    ]
    letters = ["a b c d e f g h i j k l m n o p q r s t u v w x y z 0 1 2 3 4 5 6 7 8 9 , . !"] * 9
    return english + japanese + letters


class JapanesePeer(Peer):
    """tiny-v1 in diffusers under a tokenizer like the Japanese Stable Diffusion's."""

    def __init__(self, processor: sentencepiece.SentencePieceProcessor) -> None:
        tiny = ROOT / "build" / "tests" / "data" / "tiny-v1-diffusers"
        super().__init__(tiny, tokenizer=clip_tokenizer_folder())
        self.processor = processor

    @torch.inference_mode()
    def encode(self, prompts: list[str]) -> torch.Tensor:
        rows = []
        for prompt in prompts:
            ids = [*self.processor.encode(prompt.lower())[: LENGTH - 1], END]
            rows.append(ids + [PADDING] * (LENGTH - len(ids)))
        return self.text(torch.tensor(rows))[0]


def main() -> None:
    DATA.mkdir(exist_ok=True)
    model = io.BytesIO()
    texts = corpus()
    with tempfile.NamedTemporaryFile("w", suffix=".tsv") as rules:
        rules.write(normalization_rules())
        rules.flush()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(texts),
            model_writer=model,
            vocab_size=300,
            hard_vocab_limit=False,
            character_coverage=1.0,
            normalization_rule_tsv=rules.name,
            unk_id=0,
            bos_id=1,
            eos_id=2,
            pad_id=3,
            pad_piece="[PAD]",
            control_symbols=["[CLS]", "[SEP]", "[MASK]"],
            num_threads=1,
            minloglevel=2,
        )
    (DATA / "spiece.model").write_bytes(model.getvalue())
    processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    chosen = ODD + random.Random(0).sample(texts[:-9], 100 - len(ODD))
    lines = [
        json.dumps({"text": text, "ids": processor.encode(text)}, separators=(",", ":"))
        for text in chosen
    ]
    (DATA / "ids.json").write_text("[\n" + ",\n".join(lines) + "\n]\n")
    peer = JapanesePeer(processor)
    drawn = peer.draw([PROMPT], peer.start_noise(1, 128, 128, seed=7), steps=4, scale=7.5)
    numpy.save(DATA / "latents.npy", drawn.latents.numpy())
    print(f"{processor.get_piece_size()} pieces, {len(model.getvalue())} bytes")


if __name__ == "__main__":
    main()
