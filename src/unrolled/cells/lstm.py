"""Long short-term memory.

    f(t) = sigmoid(b_f + U_f x(t) + W_f h(t-1))                 forget gate
    i(t) = sigmoid(b_i + U_i x(t) + W_i h(t-1))                 external input gate
    c(t) = f(t) c(t-1) + i(t) squash(b + U x(t) + W h(t-1))     internal state
    o(t) = sigmoid(b_o + U_o x(t) + W_o h(t-1))                 output gate
    h(t) = o(t) tanh(c(t)),  or with a projection  R (o(t) tanh(c(t)))

`squash` is tanh in torch and in most of the literature, sigmoid in Goodfellow, Bengio and
Courville. With layer normalisation U x(t), W h(t-1) and the c(t) that tanh reads are normalised,
the first two over the rows of all gates together.

References:
    Hochreiter and Schmidhuber, "Long short-term memory", Neural Computation 9, 1997.
    Gers, Schmidhuber and Cummins, "Learning to forget", Neural Computation 12, 2000.
    Goodfellow, Bengio and Courville, "Deep Learning", equations 10.40 to 10.44.
    Sak, Senior and Beaufays, "Long short-term memory based recurrent neural network
        architectures for large vocabulary speech recognition", arXiv 1402.1128, 2014.
    Ba, Kiros and Hinton, "Layer normalization", arXiv 1607.06450, 2016.
    Jozefowicz, Zaremba and Sutskever, "An empirical exploration of recurrent network
        architectures", ICML 2015, for the forget gate's bias.
"""

from collections.abc import Mapping
from numbers import Real
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .affine import AffineCell, nonlinearity_named
from .cell import check_size


class LSTM(AffineCell):
    """State `h, c`. Parameters, gate order (i, f, g, o) and initialisation of `nn.LSTMCell`.

    With `proj_size` P there is `weight_hr` [P, H]; with `layer_norm` there are those of
    `AffineCell` and `weight_norm_c`, `bias_norm_c` [H].

    Arguments:
        input_size: features of x.
        hidden_size: size of c, and of h where it is not projected.
        bias: whether the affine maps have biases.
        candidate: what squashes the candidate: "tanh", "sigmoid", "relu" or "identity".
        proj_size: size of h after a projection; 0 for none.
        layer_norm: normalise the pre-activations and the internal state.
        forget_bias: what the forget gate's biases add up to at the start; None to draw them as
            all others. A value of 1 or more keeps the memory open early in training.

    Raises:
        ValueError: an unknown candidate function, a size below 1, a proj_size that is not below
            hidden_size, or a forget_bias where there are no biases.
    """

    gates = ("i", "f", "g", "o")
    keeps: Mapping[str, int] = {"f": 1, "i": -1}

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        candidate: str = "tanh",
        proj_size: int = 0,
        layer_norm: bool = False,
        forget_bias: float | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ):
        check_size("hidden_size", hidden_size)
        check_size("proj_size", proj_size, smallest=0)
        if proj_size >= hidden_size:
            raise ValueError(f"proj_size must be below hidden_size, got {proj_size}, {hidden_size}")
        if forget_bias is not None and not isinstance(forget_bias, Real):
            raise TypeError(f"forget_bias must be a number or None, got {forget_bias!r}")
        if forget_bias is not None and not bias:
            raise ValueError("forget_bias needs bias=True: without biases there is none to set")
        self.proj_size, self.forget_bias, self.candidate = proj_size, forget_bias, candidate
        super().__init__(
            input_size,
            hidden_size,
            ("h", "c"),
            bias,
            device,
            dtype,
            output_size=proj_size or None,
            layer_norm=layer_norm,
        )
        self._squash = nonlinearity_named(candidate, "candidate")

    def add_parameters(self, place: dict[str, Any]) -> None:
        super().add_parameters(place)
        if self.proj_size:
            self.weight_hr = nn.Parameter(torch.empty(self.proj_size, self.hidden_size, **place))
        if self.layer_norm:
            self.weight_norm_c = nn.Parameter(torch.empty(self.hidden_size, **place))
            self.bias_norm_c = nn.Parameter(torch.empty(self.hidden_size, **place))

    def reset_parameters(self) -> None:
        super().reset_parameters()
        if self.forget_bias is not None and self.bias_ih is not None and self.bias_hh is not None:
            forget = slice(self.hidden_size, 2 * self.hidden_size)
            nn.init.constant_(self.bias_ih[forget], self.forget_bias)
            nn.init.zeros_(self.bias_hh[forget])

    def step(self, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        gates = self.from_input(x) + self.from_hidden(h)  # [B, 4 H]
        write, forget, candidate, output = gates.chunk(4, dim=-1)  # each [B, H]
        c = torch.sigmoid(forget) * c + torch.sigmoid(write) * self._squash(candidate)
        h = torch.sigmoid(output) * torch.tanh(self._read(c))
        return F.linear(h, self.weight_hr) if self.proj_size else h, c

    def _read(self, c: Tensor) -> Tensor:
        """The internal state that the output reads."""
        if not self.layer_norm:
            return c
        return F.layer_norm(c, c.shape[-1:], self.weight_norm_c, self.bias_norm_c)
