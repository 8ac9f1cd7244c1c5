"""Training images that differ from one epoch to the next: shifted, noisy, mirrored if allowed.

Mirroring is wrong for captions that say left and right, or what is written in an image.

Shapes: B images, C channels, H height, W width.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def varied(
    images: Tensor, generator: np.random.Generator, shift: float, noise: float, flip: bool
) -> Tensor:
    """Images [B, C, H, W], each with changes of its own.

    Arguments:
        shift: the largest, as a share of the sides; the border is repeated.
        noise: the deviation of normal noise on every number.
        flip: whether half of the images are mirrored left to right.
    """
    count, _, height, width = images.shape
    most = round(shift * height), round(shift * width)
    if any(most):
        down, across = (generator.integers(-n, n + 1, size=count) for n in most)
        images = shifted(images, torch.from_numpy(down), torch.from_numpy(across))
    if flip:
        turned = torch.from_numpy(generator.random(count) < 0.5)
        images = torch.where(turned[:, None, None, None], images.flip(3), images)
    if noise:
        drawn = generator.standard_normal(images.shape, dtype=np.float32)
        images = images + noise * torch.from_numpy(drawn)
    return images


def shifted(images: Tensor, down: Tensor, across: Tensor) -> Tensor:
    """Images [B, C, H, W] moved by whole pixels, [B] each; the border is repeated."""
    count, channels, height, width = images.shape
    rows = (torch.arange(height) - down[:, None]).clamp(0, height - 1)  # [B, H]
    columns = (torch.arange(width) - across[:, None]).clamp(0, width - 1)  # [B, W]
    moved = images.gather(2, rows[:, None, :, None].expand(count, channels, height, width))
    return moved.gather(3, columns[:, None, None, :].expand(count, channels, height, width))
