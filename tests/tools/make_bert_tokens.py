#!/usr/bin/env python3
"""Writes tests/data/text/bert_tokens_random.json: the texts of clip_tokens_random.json and some that
only BERT's tokenizer treats apart, with the ids that Hugging Face's gives, without [CLS] and [SEP].
"""

from __future__ import annotations

import json
from pathlib import Path

from transformers import BertTokenizerFast

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "tests" / "data" / "text"
TEXTS = [
    "a [MASK] and [mask], [CLS][SEP] [PAD]x[UNK]",
    "x" * 100 + " " + "x" * 101 + " y",
    "ab漢字cd、日本語テキスト 한국어",
    "a\u200bb\u00adc \ufffd\x00d\u0301e\u0301",
    "unaffable unaffableѪable snowboarders' $5.00 `x` ~^+=",
    "ÀÉÎÕÜ Ångström İSTANBUL ΣΑΣ ﬁne Ⅷ",
    "\U0001f600 \U0001fae0 fl\u0338at",
]


def main() -> None:
    tokenizer = BertTokenizerFast(str(ROOT / "assets" / "bert" / "vocab.txt"))
    texts = [entry["text"] for entry in json.loads((DATA / "clip_tokens_random.json").read_text())]
    lines = []
    for text in texts + TEXTS:
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        lines.append(json.dumps({"text": text, "ids": ids}, separators=(",", ":")))
    (DATA / "bert_tokens_random.json").write_text("[\n" + ",\n".join(lines) + "\n]\n")


if __name__ == "__main__":
    main()
