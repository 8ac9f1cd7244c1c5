"""Training images that differ from one epoch to the next: tilted, shifted, noisy, mirrored.

Mirroring is wrong for captions that say left and right, or what is written in an image.

Shapes: B images, C channels, H height, W width.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F


def varied(
    images: Tensor,
    generator: np.random.Generator,
    *,
    tilt: float = 0.0,
    shift: float = 0.0,
    noise: float = 0.0,
    flip: bool = False,
) -> Tensor:
    """Images [B, C, H, W], each with changes of its own.

    Arguments:
        tilt: the deviation of the angle by which images are turned, in radians, and of the factor
            by which they are sheared, both about the middle; the border is repeated.
        shift: the largest, as a share of the sides; the border is repeated.
        noise: the deviation of normal noise on every number.
        flip: whether half of the images are mirrored left to right.
    """
    count, _, height, width = images.shape
    if tilt:
        angle, shear = torch.from_numpy(generator.normal(0, tilt, (2, count)).astype(np.float32))
        images = tilted(images, angle, shear)
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


def tilted(images: Tensor, angle: Tensor, shear: Tensor) -> Tensor:
    """Images [B, C, H, W] turned to the left and sheared along their rows, [B] each."""
    height, width = images.shape[2:]
    cosine, sine, still = angle.cos(), angle.sin(), torch.zeros_like(angle)
    # Where each place of the new image lies in the old one, both from -1 to 1 along their sides.
    across = torch.stack([cosine, (shear * cosine - sine) * height / width, still], 1)
    down = torch.stack([sine * width / height, shear * sine + cosine, still], 1)
    grid = F.affine_grid(torch.stack([across, down], 1), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def shifted(images: Tensor, down: Tensor, across: Tensor) -> Tensor:
    """Images [B, C, H, W] moved by whole pixels, [B] each; the border is repeated."""
    count, channels, height, width = images.shape
    rows = (torch.arange(height) - down[:, None]).clamp(0, height - 1)  # [B, H]
    columns = (torch.arange(width) - across[:, None]).clamp(0, width - 1)  # [B, W]
    moved = images.gather(2, rows[:, None, :, None].expand(count, channels, height, width))
    return moved.gather(3, columns[:, None, None, :].expand(count, channels, height, width))
