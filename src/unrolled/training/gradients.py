"""The gradients of a loss by the textbook's symbols.

U maps the input, W the previous state, V the output; b and c are their biases; a gate's parameters
carry its name, as U_f.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..graph.derivative import Derivative
from ..graph.nodes import Fixed, Node
from ..graph.roles import roles


@dataclass(frozen=True, eq=False, repr=False)
class Gradients(Mapping[str, Tensor]):
    """The gradients of a loss, by the textbook's symbols.

    `gradients["U"]`, `["W"]`, `["b"]`, `["V"]`, `["c"]`; for a gate `["U_f"]`, and so on. Any
    other parameter by its own name. What changes from step to step is in `steps`.

    Attributes:
        loss: the sum over samples and valid steps.
        losses: L(t) of every step, [B, T], or [B] with one output at the end; zero beyond the
            lengths.
        trajectory: x(t), every state, and o(t), each [B, T, size].
        steps: their gradients; where the readout is inside the cell also that of its hidden
            layer h(t).
        initial: of the state before the first step, each [B, size].
        parameters: by qualified name.
        symbols: by the textbook's symbol.
    """

    loss: Tensor
    losses: Tensor
    trajectory: Mapping[str, Tensor]
    steps: Mapping[str, Tensor]
    initial: Mapping[str, Tensor]
    parameters: Mapping[str, Tensor]
    symbols: Mapping[str, Tensor]

    def __getitem__(self, symbol: str) -> Tensor:
        if symbol in self.symbols:
            return self.symbols[symbol]
        named = [n for n in self.parameters if n == symbol or n.endswith(f".{symbol}")]
        if len(named) == 1:
            return self.parameters[named[0]]
        where = ".steps" if symbol in self.steps else ", ".join([*self.symbols, *self.parameters])
        raise KeyError(f"{symbol!r} is not a parameter; look in {where}")

    def __iter__(self) -> Iterator[str]:
        return iter(self.symbols)

    def __len__(self) -> int:
        return len(self.symbols)

    def __repr__(self) -> str:
        names = [*(f"{name}(t)" for name in self.steps), *self.symbols]
        return f"Gradients(loss={self.loss.item():.6g}, {', '.join(names)})"


def symbols_of(derivative: Derivative, totals: Mapping[Fixed, Tensor]) -> dict[str, Tensor]:
    """The gradients by the textbook's symbols."""
    found: dict[str, Tensor] = {}
    terms: dict[str, Any] = {}
    taken: set[Node] = set()
    named = roles(derivative.of)
    for letter in "UWV":
        for node, role in named.items():
            if role.letter != letter or node.matrix not in totals:
                continue
            if node.matrix not in taken:
                # A matrix that several maps share has one gradient, under its first symbol.
                found[role.symbol] = totals[node.matrix]
                taken.add(node.matrix)
            if node.bias is None or node.bias not in totals or node.bias in taken:
                continue
            taken.add(node.bias)
            # Biases that are only ever added together have one gradient and one symbol.
            term = derivative.deferred[node.bias]
            symbol = role.bias
            while terms.setdefault(symbol, term) != term:
                symbol = symbol.replace("_", "_h", 1) if "_" in symbol else f"{symbol}_h"
            found[symbol] = totals[node.bias]
    for letter in "UWb":
        parts = [found.get(f"{letter}_{gate}") for gate in derivative.gates]
        if parts and all(part is not None for part in parts):
            found[letter] = torch.cat([part for part in parts if part is not None])
    return found
