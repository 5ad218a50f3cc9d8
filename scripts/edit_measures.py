"""Measures of an edited picture beside the original: PSNR, MSE and SSIM with numpy alone; LPIPS, CLIP's
similarity and DINO's structure distance where their packages and weights are installed.

All take pictures [h,w,3] in 0 to 1. Pixels that a mask [h,w] of 0 and 1 leaves out are black in both
pictures and still counted, as PIE-Bench's evaluation does it (arXiv:2310.01506). Used by
pie_bench.py.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

SIGMA, RADIUS = 1.5, 5  # of SSIM's window (Wang et al. 2004): 11 pixels
C1, C2 = 0.01**2, 0.03**2
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def kept(picture: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
    return picture if mask is None else picture * mask[:, :, None]


def mse(a: np.ndarray, b: np.ndarray, mask: np.ndarray | None = None) -> float:
    return float(np.mean((kept(a, mask) - kept(b, mask)) ** 2))


def psnr(a: np.ndarray, b: np.ndarray, mask: np.ndarray | None = None) -> float:
    error = mse(a, b, mask)
    return math.inf if error == 0 else -10 * math.log10(error)


def blurred(x: np.ndarray) -> np.ndarray:
    """SSIM's Gaussian window over [h,w,c], which is mirrored at its borders."""
    offsets = np.arange(-RADIUS, RADIUS + 1)
    window = np.exp(-((offsets / SIGMA) ** 2) / 2)
    window /= window.sum()
    x = np.pad(x, [(RADIUS, RADIUS), (RADIUS, RADIUS), (0, 0)], mode="reflect")
    for axis in (0, 1):
        count = x.shape[axis] - 2 * RADIUS
        parts = (np.take(x, range(i, i + count), axis) * w for i, w in enumerate(window))
        x = sum(parts, start=np.zeros(()))
    return x


def ssim(a: np.ndarray, b: np.ndarray, mask: np.ndarray | None = None) -> float:
    """Structural similarity with a window of 11 pixels, in the mean over pixels and channels; variances
    that rounding made negative are 0."""
    x, y = (kept(each, mask).astype(np.float64) for each in (a, b))
    if min(x.shape[:2]) <= RADIUS:
        raise ValueError(f"SSIM needs more than {RADIUS} pixels a side, not {x.shape[:2]}")
    mean_x, mean_y = blurred(x), blurred(y)
    var_x, var_y = (
        np.maximum(blurred(each * each) - mean**2, 0) for each, mean in ((x, mean_x), (y, mean_y))
    )
    cov = blurred(x * y) - mean_x * mean_y
    above = (2 * mean_x * mean_y + C1) * (2 * cov + C2)
    return float(np.mean(above / ((mean_x**2 + mean_y**2 + C1) * (var_x + var_y + C2))))


class Perceptual:
    """What needs networks. Each is asked for by its weights on the disk; nothing is downloaded."""

    def __init__(self, lpips: bool, clip: Path | None, dino: Path | None) -> None:
        self._lpips = self._clip = self._dino = None
        if lpips:
            from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity

            self._lpips = LearnedPerceptualImagePatchSimilarity(net_type="squeeze")
        if clip is not None:
            import transformers

            model = transformers.CLIPModel.from_pretrained(clip, local_files_only=True).eval()
            processor = transformers.CLIPProcessor.from_pretrained(clip, local_files_only=True)
            self._clip = (model, processor)
        if dino is not None:
            import transformers

            self._dino = transformers.ViTModel.from_pretrained(dino, local_files_only=True).eval()

    @staticmethod
    def _tensor(picture: np.ndarray):
        import torch

        return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1))).float()[None]

    def lpips(self, a: np.ndarray, b: np.ndarray, mask: np.ndarray | None) -> float | None:
        """The perceptual distance of SqueezeNet's features (arXiv:1801.03924)."""
        if self._lpips is None:
            return None
        x, y = (2 * self._tensor(kept(each, mask)) - 1 for each in (a, b))
        return float(self._lpips(x, y))

    def clip(self, picture: np.ndarray, text: str, mask: np.ndarray | None = None) -> float | None:
        """100 times the cosine between CLIP's embeddings of the picture and of the text."""
        if self._clip is None:
            return None
        import torch

        model, processor = self._clip
        pixels = np.uint8(np.round(255 * kept(picture, mask)))
        inputs = processor(text=[text], images=[pixels], return_tensors="pt", truncation=True)
        with torch.inference_mode():
            found = model(**inputs)
        cosine = torch.nn.functional.cosine_similarity(found.image_embeds, found.text_embeds)
        return 100 * max(float(cosine[0]), 0.0)

    def structure(self, a: np.ndarray, b: np.ndarray) -> float | None:
        """The squared difference between the self-similarities of DINO's last keys
        (arXiv:2201.00424, section 3)."""
        if self._dino is None:
            return None
        import torch

        similarities = []
        for picture in (a, b):
            keys = self._keys(self._tensor(picture))
            unit = torch.nn.functional.normalize(keys, dim=-1)
            similarities.append(unit @ unit.T)
        return float(torch.mean((similarities[0] - similarities[1]) ** 2))

    def _keys(self, picture):
        import torch

        mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in IMAGENET)
        side = 224
        small = torch.nn.functional.interpolate(
            picture, (side, side), mode="bilinear", antialias=True
        )
        found = []
        layer = self._dino.encoder.layer[-1].attention.attention.key
        hook = layer.register_forward_hook(lambda _, __, keys: found.append(keys))
        with torch.inference_mode():
            self._dino((small - mean) / std, interpolate_pos_encoding=True)
        hook.remove()
        return found[0][0]
