"""Several networks of one kind that learn apart and predict together.

    prediction(x) = 1/K sum over k of prediction_k(x)

They differ in how their weights were drawn and in the noise of their training; where they err
differently, the mean errs less than each. The mean of the losses has for every network the
gradient of its own loss over K, so that one training trains them all, apart from each other.

References:
    Hansen and Salamon, "Neural network ensembles", IEEE Transactions on Pattern Analysis and
        Machine Intelligence 12, 1990.
    Lakshminarayanan, Pritzel and Blundell, "Simple and scalable predictive uncertainty estimation
        using deep ensembles", NIPS 2017.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import nn


class Ensemble(nn.Module):
    """K networks. How their predictions become one is for who uses them to say.

    Attributes:
        members: the networks.
    """

    def __init__(self, members: list[nn.Module]):
        super().__init__()
        if not members:
            raise ValueError("members must hold at least one network, got none")
        self.members = nn.ModuleList(members)


def ensemble_of(
    count: int, build: Callable[[], nn.Module], kind: type[Ensemble] = Ensemble
) -> nn.Module:
    """As many networks as wanted, each with weights of its own; of one there is only it."""
    return build() if count == 1 else kind([build() for _ in range(count)])


def members_of(network: nn.Module) -> list[nn.Module]:
    """The networks of an ensemble; of any other network only it."""
    return list(network.members) if isinstance(network, Ensemble) else [network]
