"""A stack of recurrent layers, each looking back by its own stride.

A layer with dilation d feeds step t with the state of step t - d: it is d interleaved unrolls,
which run as one batch. Layers after the first add to what they read.

Shapes: B batch, T time, I input_size, H hidden_size.

References:
    Chang et al., "Dilated recurrent neural networks", NeurIPS 2017.
    Smyl, "A hybrid method of exponential smoothing and recurrent neural networks",
        International Journal of Forecasting 36, 2020.
"""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from ..cells import Cell
from ..engines import Engine
from ..unroll import unroll


def unroll_dilated(
    cell: Cell, inputs: Tensor, dilation: int, engine: str | Engine = "auto"
) -> Tensor:
    """Outputs of `cell` where step t continues from step t - `dilation`, [B, T, H].

    Arguments:
        cell: the step.
        inputs: [B, T, I].
        dilation: from 1, an ordinary unroll, up.
        engine: as `unroll` takes it.
    """
    if dilation == 1:
        return unroll(cell, inputs, engine=engine).outputs
    batch, time, _ = inputs.shape
    # Padded in front, so that the last step is a whole number of dilations from the start.
    padded = F.pad(inputs, (0, 0, -time % dilation, 0))
    strands = padded.unflatten(1, (-1, dilation)).transpose(1, 2).flatten(0, 1)  # [B d, T/d, I]
    outputs = unroll(cell, strands, engine=engine).outputs
    woven = outputs.unflatten(0, (batch, dilation)).transpose(1, 2).flatten(1, 2)
    return woven[:, -time:]


class DilatedStack(nn.Module):
    """Cells on top of one another, the i-th with the i-th dilation.

    Arguments:
        cells: the first reads I features; all have outputs of size H, which the others read.
        dilations: one for each cell.
        dropout: on what each layer but the first reads; the last layer's output is not dropped.

    Attributes:
        engine: what `unroll` is called with.

    Raises:
        ValueError: numbers of cells and dilations differ, or the sizes do not fit.
    """

    engine: str | Engine = "auto"

    def __init__(self, cells: Sequence[Cell], dilations: Sequence[int], dropout: float = 0.0):
        super().__init__()
        if len(cells) != len(dilations) or not cells:
            raise ValueError(f"{len(cells)} cells and {len(dilations)} dilations; need as many")
        sizes = {next(iter(cell.state_sizes.values())) for cell in cells}
        if len(sizes) != 1 or any({cell.input_size} != sizes for cell in cells[1:]):
            raise ValueError("all cells must have outputs of one size, read by the later ones")
        self.cells, self.dilations = nn.ModuleList(cells), tuple(dilations)
        self.output_size, self.dropout = sizes.pop(), nn.Dropout(dropout)

    def forward(self, inputs: Tensor) -> Tensor:
        """Outputs of the last layer, [B, T, H], for inputs [B, T, I]."""
        x = inputs
        for depth, (cell, dilation) in enumerate(zip(self.cells, self.dilations, strict=True)):
            assert isinstance(cell, Cell)
            read = self.dropout(x) if depth else x
            outputs = unroll_dilated(cell, read, dilation, self.engine)
            x = x + outputs if depth else outputs
        return x
