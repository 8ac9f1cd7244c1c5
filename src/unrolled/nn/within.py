"""The cells within a module, by name."""

from __future__ import annotations

from torch import nn

from ..cells import Cell
from ..cells.cell import computing_hooks
from .drop_in import DropIn
from .recurrent import Stacked


def cells_of(module: nn.Module) -> dict[str, Cell]:
    """Every cell that is part of `module` and of no other cell, by qualified name.

    A cell alone is called "cell". The cells of the drop-in layers are no submodules; they are
    named as torch names their parameters: "l0", "l0_reverse", "l1", ...
    """
    found: dict[str, Cell] = {}
    _collect(module, "", found)
    return {name or "cell": cell for name, cell in found.items()}


def _collect(module: nn.Module, name: str, found: dict[str, Cell]) -> None:
    if isinstance(module, Cell):
        if all(module is not known for known in found.values()):
            found[name] = module
        return
    if isinstance(module, DropIn):
        _take_parameters(module)
        for depth, row in enumerate(module.steppers):
            for way, stepper in zip(("", "_reverse"), row, strict=False):
                found[".".join(filter(None, (name, f"l{depth}{way}")))] = stepper.cell
    for child, inner in module.named_children():
        _collect(inner, ".".join(filter(None, (name, child))), found)


def backward_cells(module: nn.Module) -> set[Cell]:
    """The cells that read sequences from their end, in what cell they are around as well."""
    found: set[Cell] = set()
    for part in module.modules():
        if isinstance(part, Stacked):
            for row in part.steppers:
                found |= {
                    form for stepper in row[1:] for form in (stepper.cell, stepper.now(False))
                }
    return found


def _take_parameters(layer: DropIn) -> None:
    """Give the cells of a drop-in layer the parameters as they are now, pruned ones too."""
    for hook in computing_hooks(layer).values():
        hook(layer, ())
    layer._bind()
