"""The loss that belongs to an output: the negative log-likelihood of the target.

    L = sum over t of L(t) = - sum over t of log p(y(t) given x(1), ..., x(t))

Each is a function of the output pre-activation o(t), and its gradient is the output minus the
target: softmax(o) minus one-hot, sigmoid(o) minus y, o minus y.

Shapes: O output_size; leading dimensions [B, T], or [B].

Reference:
    Goodfellow, Bengio and Courville, "Deep Learning", section 6.2.2.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

Loss = Callable[[Tensor, Tensor], Tensor]


def cross_entropy(o: Tensor, target: Tensor) -> Tensor:
    """- log softmax(o)[target]. Target: class numbers [...], or probabilities [..., O]."""
    log_p = torch.log_softmax(o, dim=-1)
    if target.is_floating_point():
        return -(target * log_p).sum(-1)
    return -log_p.gather(-1, target[..., None])[..., 0]


def bernoulli(o: Tensor, target: Tensor) -> Tensor:
    """- log p of independent yes-or-no outputs with p = sigmoid(o). Target: [..., O], 0 to 1."""
    return F.binary_cross_entropy_with_logits(o, target, reduction="none").sum(-1)


def squared_error(o: Tensor, target: Tensor) -> Tensor:
    """Half the squared error: - log p of a Gaussian of variance 1, but for a constant."""
    return 0.5 * (o - target).square().sum(-1)


# By the name of the output activation.
LOSSES: dict[str, Loss] = {
    "softmax": cross_entropy,
    "sigmoid": bernoulli,
    "identity": squared_error,
}
