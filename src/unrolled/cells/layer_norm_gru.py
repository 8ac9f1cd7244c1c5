"""The gated recurrent unit with layer normalisation.

    (r~, z~)(t) = LN(U_rz x(t)) + LN(W_rz h(t-1))       over the rows of both gates
    n(t) = tanh(LN(U_n x(t)) + sigmoid(r~) LN(W_n h(t-1)))
    h(t) = (1 - sigmoid(z~)) n(t) + sigmoid(z~) h(t-1)

    LN(a) = gain (a - mean(a)) / sqrt(variance(a) + 1e-5) + bias

The paper's update gate is 1 - sigmoid(z~).

References:
    Ba, Kiros and Hinton, "Layer normalization", arXiv 1607.06450, 2016, appendix.
"""

import torch

from .gru import GRU


class LayerNormGRU(GRU):
    """State `h`: a `GRU` with `layer_norm=True`; parameters as `AffineCell` names them.

    Arguments:
        input_size: features of x.
        hidden_size: size of h.
        bias: whether the normalised products have biases.

    Raises:
        ValueError: a size below 1.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ):
        super().__init__(input_size, hidden_size, bias, layer_norm=True, device=device, dtype=dtype)
