"""Long short-term memory with layer normalisation.

    (i~, f~, g~, o~)(t) = LN(U x(t)) + LN(W h(t-1))     each with its gain, and its bias
    c(t) = sigmoid(f~) c(t-1) + sigmoid(i~) tanh(g~)
    h(t) = sigmoid(o~) tanh(LN(c(t)))

    LN(a) = gain (a - mean(a)) / sqrt(variance(a) + 1e-5) + bias,  over the rows of all gates

References:
    Ba, Kiros and Hinton, "Layer normalization", arXiv 1607.06450, 2016, equations 20 to 22.
"""

import torch

from .lstm import LSTM


class LayerNormLSTM(LSTM):
    """State `h, c`: an `LSTM` with `layer_norm=True`, whose docstring has its parameters.

    Arguments:
        input_size: features of x.
        hidden_size: size of h and of c.
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
