"""The figures of docs/computational-graph.md: python docs/graphs.py."""

from pathlib import Path

import torch

import unrolled as ur
from unrolled.graph.drawing.networks import folded_and_unrolled

FOLDER = Path(__file__).parent / "graph"
CELLS = ur.cells


def network(cell: ur.Cell) -> ur.graph:
    """The graph of a cell with a readout of two outputs."""
    return ur.graph(ur.nn.Network(cell, 2))


def functions() -> None:
    """z = x y;  y = sigmoid(x'W + b);  H = relu(X W + b)."""
    x, W, b = torch.rand(3), torch.rand(3, 2), torch.rand(2)

    def z(x, y):
        return x * y

    def y(x, W, b):
        return torch.sigmoid(x @ W + b)

    def H(X, W, b):
        return torch.relu(X @ W + b)

    fixed = ("W", "b")
    ur.graph(z, x[0], x[1]).draw(FOLDER / "product.svg")
    ur.graph(y, x, W, b, parameters=fixed).draw(FOLDER / "logistic.svg")
    ur.graph(H, torch.rand(5, 3), W, b, parameters=fixed).draw(FOLDER / "layer.svg")


def networks() -> None:
    """The textbook's networks, folded and unrolled."""
    elman = network(CELLS.Elman(3, 4))
    folded_and_unrolled(elman).save(FOLDER / "elman.svg")
    folded_and_unrolled(ur.graph(CELLS.Jordan(3, 4, 2))).save(FOLDER / "jordan.svg")
    elman.draw(FOLDER / "last.svg", steps=4, network="last")
    elman.draw(FOLDER / "bidirectional.svg", steps=3, network="bidirectional")
    elman.draw(FOLDER / "encoder-decoder.svg", steps=3, network="encoder-decoder")


def insides() -> None:
    """Gates and state lines."""
    for name, cell in {"lstm": CELLS.LSTM(3, 4), "gru": CELLS.GRU(3, 4)}.items():
        ur.graph(cell).draw(FOLDER / f"{name}.svg")
        ur.graph(cell).draw(FOLDER / f"{name}-unrolled.svg", steps=3)


def operators() -> None:
    """Every operator."""
    ur.graph(CELLS.Elman(3, 4)).draw(FOLDER / "elman-operators.svg", level="operators")
    ur.graph(CELLS.LSTM(3, 4)).draw(FOLDER / "lstm-operators.svg", level="operators")


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for draw in (functions, networks, insides, operators):
        draw()
    for path in sorted(FOLDER.iterdir()):
        print(f"{path.name:24} {path.stat().st_size / 1000:6.1f} kB")


if __name__ == "__main__":
    main()
