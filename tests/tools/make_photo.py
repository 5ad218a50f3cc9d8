"""Makes the pictures of README's edited photograph.

    build/sd-train scenes --out /tmp/scenes --n 120 --seed 77
    python3 tests/tools/make_photo.py photo /tmp/scenes/00108.png /tmp/scenes/00108.mask0.png assets/examples/photo.png
    scripts/examples/photo.sh /tmp/photo
    python3 tests/tools/make_photo.py strip assets/examples/photo-edits.png assets/examples/photo.png /tmp/photo/samples/*.png

A scene that no training saw becomes photograph-like: a lamp from the upper left, a soft shadow, a lens that is not
sharp, and the sensor's noise. The demo model was never shown any of these.
"""

import sys

import numpy as np
from PIL import Image, ImageFilter


def blurred(values: np.ndarray, radius: float) -> np.ndarray:
    picture = Image.fromarray((values.clip(0, 1) * 255).astype(np.uint8))
    return np.asarray(picture.filter(ImageFilter.GaussianBlur(radius))).astype(float) / 255


def photo(scene: str, mask: str, out: str) -> None:
    colours = np.asarray(Image.open(scene).convert("RGB")).astype(float) / 255
    thing = np.asarray(Image.open(mask).convert("L")).astype(float) / 255
    height, width = thing.shape
    y, x = np.mgrid[0:height, 0:width] / (width - 1)
    light = 1.06 - 0.22 * np.hypot(x - 0.35, y - 0.25) ** 1.5
    shadow = 1 - 0.3 * blurred(np.roll(thing, (7, 7), (0, 1)), 5) * (1 - thing)
    seen = blurred(colours * light[..., None] * shadow[..., None], 0.6) * 255
    random = np.random.default_rng(5)
    noise = random.normal(0, 2, (height, width, 1)) + random.normal(0, 1, (height, width, 3))
    Image.fromarray((seen + noise).clip(0, 255).round().astype(np.uint8)).save(out, optimize=True)


def strip(out: str, *pictures: str) -> None:
    shown = [Image.open(path).convert("RGB") for path in pictures]
    gap = 4
    sheet = Image.new("RGB", (sum(p.width + gap for p in shown) - gap, shown[0].height), "white")
    x = 0
    for picture in shown:
        sheet.paste(picture, (x, 0))
        x += picture.width + gap
    sheet.save(out, optimize=True)


if __name__ == "__main__":
    {"photo": photo, "strip": strip}[sys.argv[1]](*sys.argv[2:])
