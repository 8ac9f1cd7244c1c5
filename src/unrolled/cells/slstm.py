"""The scalar LSTM of xLSTM (sLSTM): exponential gates, a normaliser and a stabiliser.

    i~(t) = b_i + U_i x(t) + W_i h(t-1), and so f~, z~ and o~
    log i(t) = i~(t)                                              input gate
    log f(t) = log sigmoid(f~(t)),  or f~(t)                      forget gate
    m(t) = max(log f(t) + m(t-1), log i(t))                       stabiliser
    i'(t) = exp(log i(t) - m(t))
    f'(t) = exp(log f(t) + m(t-1) - m(t))
    c(t) = f'(t) c(t-1) + i'(t) tanh(z~(t))                       internal state
    n(t) = f'(t) n(t-1) + i'(t)                                   normaliser
    h(t) = sigmoid(o~(t)) c(t) / n(t)

With several heads h is cut in as many parts, and every W is block-diagonal: a head's gates read
only the head's own part.

References:
    Beck, Pöppel, Spanring, Auer, Prudnikova, Kopp, Klambauer, Brandstetter and Hochreiter,
        "xLSTM: extended long short-term memory", NeurIPS 2024, equations 8 to 17.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..naming import one_of
from .affine import AffineCell
from .cell import check_size


class SLSTM(AffineCell):
    """State `h, c, n, m`; all but m start at zero, m where nothing precedes the first step.

    Parameters of `AffineCell`, gate order (i, f, z, o); with K heads `weight_hh` is [4 H, H / K],
    where row r belongs to the head that has entry r mod H of h.

    Arguments:
        input_size: features of x.
        hidden_size: size of h, c, n and m.
        bias: whether the affine maps have biases.
        forget_gate: "sigmoid" or "exponential".
        num_heads: K, diagonal blocks of the recurrent weights.

    Raises:
        ValueError: an unknown forget gate, a size below 1, or a number of heads that does not
            divide hidden_size.
    """

    gates = ("i", "f", "z", "o")
    keeps: Mapping[str, int] = {"f": 1}
    blocks: Tensor

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        forget_gate: str = "sigmoid",
        num_heads: int = 1,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ):
        check_size("hidden_size", hidden_size)
        check_size("num_heads", num_heads)
        if hidden_size % num_heads:
            raise ValueError(f"num_heads must divide hidden_size {hidden_size}, got {num_heads}")
        self.num_heads = num_heads
        self.forget_gate = one_of(forget_gate, ("sigmoid", "exponential"), "forget_gate")
        if forget_gate == "exponential":
            # exp(b) is no share of the memory.
            self.keeps = {}
        super().__init__(input_size, hidden_size, ("h", "c", "n", "m"), bias, device, dtype)

    def add_parameters(self, place: dict[str, Any]) -> None:
        super().add_parameters(place)
        if self.num_heads == 1:
            return
        size = self.hidden_size // self.num_heads
        self.weight_hh = nn.Parameter(torch.empty(4 * self.hidden_size, size, **place))
        heads = torch.eye(self.num_heads, **place)
        blocks = heads.repeat_interleave(size, 0).repeat_interleave(size, 1)  # [H, H]
        self.register_buffer("blocks", blocks.repeat(4, 1), persistent=False)

    def initial_state(
        self,
        batch_size: int,
        *,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> tuple[Tensor, ...]:
        """Zeros, and the lowest m: then m(1) = log i(1), as in the authors' code.

        From then on n(t) >= 1, and no division is by zero.
        """
        *zeros, m = super().initial_state(batch_size, dtype=dtype, device=device)
        # Finite, so that 0 * m is 0 where a state is reset; halved, so that m + log f is finite.
        return (*zeros, torch.full_like(m, torch.finfo(m.dtype).min / 2))

    def from_hidden(self, h: Tensor) -> Tensor:
        if self.num_heads == 1:
            return super().from_hidden(h)
        weight = self.weight_hh.repeat(1, self.num_heads) * self.blocks  # [4 H, H]
        return F.linear(self.masked(h), weight, self.bias_hh)

    def step(self, x: Tensor, h: Tensor, c: Tensor, n: Tensor, m: Tensor) -> tuple[Tensor, ...]:
        gates = self.from_input(x) + self.from_hidden(h)  # [B, 4 H]
        log_write, forget, candidate, output = gates.chunk(4, dim=-1)  # each [B, H]
        log_forget = F.logsigmoid(forget) if self.forget_gate == "sigmoid" else forget
        log_keep = log_forget + m
        m = torch.maximum(log_keep, log_write)
        keep, write = torch.exp(log_keep - m), torch.exp(log_write - m)
        c = keep * c + write * torch.tanh(candidate)
        n = keep * n + write
        return torch.sigmoid(output) * c / n, c, n, m
