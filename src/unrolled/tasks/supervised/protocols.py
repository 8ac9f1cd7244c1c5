"""What a task defines, as the shared estimator sees it.

Shapes: N samples.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
from torch import Tensor, nn

from ...data.series import Finding
from .scores import Scores

# Some samples side by side, by what they are of them: "inputs", "lengths", ...
Batch = dict[str, Tensor]


class Data(Protocol):
    """Samples as they were read."""

    @property
    def name(self) -> str: ...
    @property
    def findings(self) -> tuple[Finding, ...]: ...
    def __len__(self) -> int: ...
    def summary(self) -> str: ...


class Coding(Protocol):
    """All that a network must know of its data: vocabularies, classes, scales."""

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        ...

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any], /) -> Self:
        """From `to_dict`."""
        ...

    def summary(self) -> Iterable[tuple[str, str]]:
        """Lines for the console: a word, and what it is about."""
        ...


class Encoded(Protocol):
    """Samples as tensors.

    Attributes:
        lengths: steps of each sample, by which batches are made, [N].
    """

    @property
    def lengths(self) -> np.ndarray: ...
    def batch(self, places: Sequence[int]) -> Batch:
        """Some samples side by side, padded, on the CPU."""
        ...


class Baselines(Protocol):
    """What a model is compared with; it stands beside every evaluation."""

    def scores(self, data: Any, /) -> Scores:
        """By baseline, by metric."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it, but for the tensors."""
        ...

    @property
    def tensors(self) -> dict[str, Tensor]:
        """What is better kept as tensors."""
        ...

    @classmethod
    def from_dict(cls, saved: Mapping[str, Any], tensors: dict[str, Tensor], /) -> Self:
        """From `to_dict` and `tensors`."""
        ...


@dataclass(frozen=True)
class Fitted:
    """What training leaves.

    Attributes:
        coding: what is known of the data.
        plan: sizes and rates.
        network: trained.
        baselines: fitted to the same data.
        data: the name of the data.
        reading: arguments with which further data are read in the same way.
        examples: a batch of held-out samples, for `inspect`.
    """

    coding: Any
    plan: Any
    network: nn.Module
    baselines: Any
    data: str
    reading: dict[str, Any]
    examples: Batch
