#!/usr/bin/env python3
"""Writes what OpenCV makes of twenty pictures: SHA-256 of edges (Canny) and of Gaussian blurs, one
small map of edges as text, and SHA-256 of lines by scribble_xdog's formula.

    python tests/tools/make_preprocess_values.py tests/data/image/preprocess.json

Needs opencv-python-headless, NumPy and Pillow. tests/image/test_preprocess.cpp makes the same
pictures: seventeen by a formula of whole numbers, three that the repository holds.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
FORMULAS = 17
FILES = ["assets/examples/edit-start.png", "assets/examples/swap.png", "models/demo/sheet.png"]
THRESHOLDS = [(100, 200), (30, 90), (250, 40), (0, 0)]
SIGMAS = [0.5, 1.0, 2.3, 5.0, 9.0, 20.0]
LINES = 32


def formula(number: int) -> np.ndarray:
    """Picture `number`, [h,w,3]."""
    width, height = 24 + 37 * number % 101, 20 + 53 * number % 89
    y, x, c = np.meshgrid(np.arange(height), np.arange(width), np.arange(3), indexing="ij")
    values = (x * x * (number + 1) // (9 + number) + y * y * (c + 2) // 13 + x * y // 8) & 255
    odd = (x // (5 + number) + y // (7 + c)) & 1
    values = np.where(odd == 1, 255 - values, values)
    noise = (x * 374761393 + y * 668265263 + c * 2147483647 + number * 1013904223) & 0xFFFFFFFF
    noise = ((noise ^ (noise >> 13)) * 1274126177) & 0xFFFFFFFF
    noise = noise ^ (noise >> 16)
    values = values + (noise & ((1 << (number % 6)) - 1))
    return np.minimum(values, 255).astype(np.uint8)


def pictures() -> list[np.ndarray]:
    """All twenty, RGB."""
    files = [np.array(Image.open(ROOT / name).convert("RGB")) for name in FILES]
    return [formula(number) for number in range(FORMULAS)] + files


def sha256(array: np.ndarray) -> str:
    """Of the bytes, rows top to bottom."""
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def scribble(picture: np.ndarray) -> np.ndarray:
    """sd-webui-controlnet's scribble_xdog, its product without the wrap of 8 bits."""
    fine, coarse = (cv2.GaussianBlur(picture.astype(np.float32), (0, 0), s) for s in (0.5, 5.0))
    dog = (255 - np.min(coarse - fine, axis=2)).clip(0, 255).astype(np.uint8)
    return (2 * (255 - dog.astype(int)) > LINES).astype(np.uint8) * 255


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path, help="the .json that is written")
    path = parser.parse_args().file
    shown = pictures()
    values = {
        "opencv": cv2.__version__,
        "files": FILES,
        "canny": [sha256(cv2.Canny(p, 100, 200)) for p in shown],
        "canny_thresholds": [
            {"low": low, "high": high, "edges": sha256(cv2.Canny(shown[3], low, high))}
            for low, high in THRESHOLDS
        ],
        "canny_of_red": sha256(cv2.Canny(np.ascontiguousarray(shown[4][:, :, 0]), 100, 200)),
        "blur": [{"sigma": s, "rgb": sha256(cv2.GaussianBlur(shown[5], (0, 0), s))} for s in SIGMAS],
        "scribble": [sha256(scribble(p)) for p in shown],
        "map": [
            "".join("#" if value else "." for value in row) for row in cv2.Canny(shown[0], 100, 200)
        ],
    }
    path.write_text(json.dumps(values, indent=1) + "\n")
    print(f"{path}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
