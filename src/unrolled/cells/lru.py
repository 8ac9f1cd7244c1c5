"""The linear recurrent unit: a complex diagonal recurrence between two matrices.

    lambda = exp(-exp(nu) + i exp(theta))
    s(t) = lambda s(t-1) + exp(gamma) (B x(t))                    complex, entry by entry
    y(t) = Re(C s(t)) + D x(t)

|lambda| < 1 for every nu. The state is kept as the real and the imaginary part of s. gamma
starts where white noise gives every entry of s the variance of B x: exp(gamma)^2 = 1 - |lambda|^2.

References:
    Orvieto, Smith, Gu, Fernando, Gulcehre, Pascanu and De, "Resurrecting recurrent neural
        networks for long sequences", ICML 2023, sections 3.2 to 3.4 and appendix A.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .cell import Cell, check_size


class LRU(Cell):
    """State `y, real, imaginary`, [B, O] and twice [B, H]; y is not read.

    Parameters: `nu_log`, `theta_log` and `gamma_log` [H], `weight_ih_real` and
    `weight_ih_imaginary` (B) [H, I], `weight_hy_real` and `weight_hy_imaginary` (C) [O, H],
    `weight_iy` (D) [O, I], `bias_y` [O], None with `bias=False`.

    Arguments:
        input_size: features of x.
        hidden_size: H, number of complex entries of s.
        bias: whether y has a bias; the paper's has none.
        output_size: O, size of y; default `hidden_size`.
        r_min: smallest |lambda| at the start.
        r_max: largest |lambda| at the start.
        max_phase: largest angle of lambda at the start, in radians.

    Raises:
        ValueError: a size below 1, not 0 <= r_min < r_max <= 1, or not 0 < max_phase <= 2 pi.
    """

    unread = frozenset({"y"})

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = False,
        output_size: int | None = None,
        r_min: float = 0.0,
        r_max: float = 1.0,
        max_phase: float = 2 * math.pi,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ):
        check_size("hidden_size", hidden_size)
        output_size = hidden_size if output_size is None else output_size
        check_size("output_size", output_size)
        if not 0 <= r_min < r_max <= 1:
            raise ValueError(
                f"r_min and r_max must be 0 <= r_min < r_max <= 1, got {r_min}, {r_max}"
            )
        if not 0 < max_phase <= 2 * math.pi:
            raise ValueError(f"max_phase must be above 0 and at most 2 pi, got {max_phase}")
        sizes = {"y": output_size, "real": hidden_size, "imaginary": hidden_size}
        super().__init__(input_size, sizes)
        self.hidden_size, self.output_size, self.bias = hidden_size, output_size, bias
        self.r_min, self.r_max, self.max_phase = r_min, r_max, max_phase
        place: dict[str, Any] = {"device": device, "dtype": dtype}
        self.nu_log = nn.Parameter(torch.empty(hidden_size, **place))
        self.theta_log = nn.Parameter(torch.empty(hidden_size, **place))
        self.gamma_log = nn.Parameter(torch.empty(hidden_size, **place))
        self.weight_ih_real = nn.Parameter(torch.empty(hidden_size, input_size, **place))
        self.weight_ih_imaginary = nn.Parameter(torch.empty(hidden_size, input_size, **place))
        self.weight_hy_real = nn.Parameter(torch.empty(output_size, hidden_size, **place))
        self.weight_hy_imaginary = nn.Parameter(torch.empty(output_size, hidden_size, **place))
        self.weight_iy = nn.Parameter(torch.empty(output_size, input_size, **place))
        self.bias_y = nn.Parameter(torch.empty(output_size, **place)) if bias else None
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draw every parameter anew: lambda uniformly from the ring, the matrices normally.

        The variance is 1 / (2 I) for each part of B, 1 / H for each part of C and 1 / I for D,
        which the authors' code has for a diagonal D of variance 1 only. The bias is zero.
        """
        # Neither 0 nor 1, where a logarithm would be infinite.
        least = torch.finfo(self.nu_log.dtype).eps
        squared = torch.empty_like(self.nu_log).uniform_(self.r_min**2, self.r_max**2)
        squared = squared.clamp(least, 1 - least)  # |lambda|^2
        self.nu_log.copy_(torch.log(-0.5 * torch.log(squared)))
        self.gamma_log.copy_(0.5 * torch.log1p(-squared))
        self.theta_log.uniform_(0, self.max_phase).clamp_(min=least).log_()
        read = max(self.input_size, 1)
        for part in (self.weight_ih_real, self.weight_ih_imaginary):
            part.normal_(0, 1 / math.sqrt(2 * read))
        for part in (self.weight_hy_real, self.weight_hy_imaginary):
            part.normal_(0, 1 / math.sqrt(self.hidden_size))
        self.weight_iy.normal_(0, 1 / math.sqrt(read))
        if self.bias_y is not None:
            self.bias_y.zero_()

    def step(self, x: Tensor, y: Tensor, real: Tensor, imaginary: Tensor) -> tuple[Tensor, ...]:
        modulus, angle = torch.exp(-torch.exp(self.nu_log)), torch.exp(self.theta_log)
        scale, turn = modulus * torch.cos(angle), modulus * torch.sin(angle)  # of lambda
        gain = torch.exp(self.gamma_log)[:, None]
        drive_real = F.linear(x, gain * self.weight_ih_real)
        drive_imaginary = F.linear(x, gain * self.weight_ih_imaginary)
        real, imaginary = (
            scale * real - turn * imaginary + drive_real,
            scale * imaginary + turn * real + drive_imaginary,
        )
        read = F.linear(real, self.weight_hy_real) - F.linear(imaginary, self.weight_hy_imaginary)
        return read + F.linear(x, self.weight_iy, self.bias_y), real, imaginary
