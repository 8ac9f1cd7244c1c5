"""The states of a stack as callers hold them, and as its cells take them.

Where all layers have the same components of the same sizes, a component is one tensor
[L D, B, size], index = layer * D + direction, as torch has it: h, or a tuple (h, c). Where they
differ, the state is a tuple with the state of every layer, of components [D, B, size].

Shapes: B batch, L layers, D directions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from ..cells import Cell
from .stack import State


@dataclass(frozen=True)
class StateForm:
    """How the states of a stack are held.

    Attributes:
        sizes: of every layer, the sizes of its components by name.
        directions: 1 or 2.
    """

    sizes: tuple[dict[str, int], ...]
    directions: int

    @staticmethod
    def of(layers: Sequence[Sequence[Cell]]) -> StateForm:
        """That of a stack of cells, by layer and direction."""
        return StateForm(tuple(dict(cells[0].state_sizes) for cells in layers), len(layers[0]))

    @property
    def is_uniform(self) -> bool:
        return all(list(s.items()) == list(self.sizes[0].items()) for s in self.sizes)

    def read(self, given: Any, batch: int, batched: bool) -> list[State | None]:
        """The state of every layer and direction; None, the initial one, where none is given.

        Raises:
            TypeError, ValueError: it is not in the form that the module's docstring describes.
        """
        if given is None:
            return [None for _ in range(len(self.sizes) * self.directions)]
        if self.is_uniform:
            count = len(self.sizes) * self.directions
            return self._of_block(given, self.sizes[0], count, batch, batched)
        if not isinstance(given, (tuple, list)) or len(given) != len(self.sizes):
            raise ValueError(
                f"the layers have states of different sizes; pass a tuple with the state of each "
                f"of the {len(self.sizes)}"
            )
        states: list[State | None] = []
        for sizes, state in zip(self.sizes, given, strict=True):
            states += self._of_block(state, sizes, self.directions, batch, batched)
        return states

    def back(self, finals: Sequence[State], batched: bool) -> Any:
        """States of every layer and direction, in the form that `read` takes."""
        if self.is_uniform:
            return _block(finals, batched)
        D = self.directions
        by_layer = (finals[k : k + D] for k in range(0, len(finals), D))
        return tuple(_block(states, batched) for states in by_layer)

    def _of_block(
        self, given: Any, sizes: dict[str, int], count: int, batch: int, batched: bool
    ) -> list[State | None]:
        components = (given,) if torch.is_tensor(given) else given
        names = ", ".join(sizes)
        if not isinstance(components, (tuple, list)) or not all(map(torch.is_tensor, components)):
            raise TypeError(f"the state must be tensors {names}, got {type(given).__name__}")
        if len(components) != len(sizes):
            raise ValueError(f"the state must be {names}, got {len(components)} tensors")
        for (name, size), component in zip(sizes.items(), components, strict=True):
            shape = [count, batch, size] if batched else [count, size]
            if list(component.shape) != shape:
                raise ValueError(f"state {name} must be {shape}, got {list(component.shape)}")
        wide = components if batched else [component[:, None] for component in components]
        return [tuple(component[k] for component in wide) for k in range(count)]


def _block(states: Sequence[State], batched: bool) -> Any:
    stacked = [torch.stack(component) for component in zip(*states, strict=True)]
    components = stacked if batched else [component[:, 0] for component in stacked]
    return components[0] if len(components) == 1 else tuple(components)
