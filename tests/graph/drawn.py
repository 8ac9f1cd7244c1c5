"""Cells to draw, their graphs and figures, each made once, and what a figure holds."""

from dataclasses import replace
from functools import cache

import torch
import torchrecurrent
from torch import nn
from torch.nn import functional

import unrolled as ur
from unrolled.graph import Graph, graph
from unrolled.graph.drawing import picture_of
from unrolled.graph.drawing.picture import Picture, Shape


class Leaky(ur.Cell):
    def __init__(self) -> None:
        super().__init__(3, {"h": 4})
        self.input, self.recurrent = nn.Linear(3, 4), nn.Linear(4, 4, bias=False)

    def step(self, x, h):
        return (0.9 * h + 0.1 * torch.tanh(self.input(x) + self.recurrent(h)),)


class Minimal(ur.Cell):
    def __init__(self) -> None:
        super().__init__(3, {"h": 4})
        self.forget, self.new = nn.Linear(7, 4), nn.Linear(7, 4)

    def step(self, x, h):
        forget = torch.sigmoid(self.forget(torch.cat([x, h], -1)))
        new = torch.tanh(self.new(torch.cat([x, forget * h], -1)))
        return ((1 - forget) * h + forget * new,)


class Peephole(ur.Cell):
    def __init__(self) -> None:
        super().__init__(3, {"h": 4, "c": 4})
        self.input, self.recurrent = nn.Linear(3, 16), nn.Linear(4, 16, bias=False)
        self.peep = nn.Parameter(torch.randn(3, 4))

    def step(self, x, h, c):
        i, f, g, o = (self.input(x) + self.recurrent(h)).chunk(4, -1)
        i, f = torch.sigmoid(i + self.peep[0] * c), torch.sigmoid(f + self.peep[1] * c)
        c = f * c + i * torch.tanh(g)
        return torch.sigmoid(o + self.peep[2] * c) * torch.tanh(c), c


class Normalised(ur.Cell):
    """Three components, one line along the top and two below."""

    def __init__(self) -> None:
        super().__init__(3, {"h": 4, "c": 4, "n": 4})
        self.input, self.recurrent = nn.Linear(3, 16), nn.Linear(4, 16, bias=False)

    def step(self, x, h, c, n):
        i, f, g, o = (self.input(x) + self.recurrent(h)).chunk(4, -1)
        i, f = torch.exp(i), torch.sigmoid(f)
        c, n = f * c + i * torch.tanh(g), f * n + i
        return torch.sigmoid(o) * c / n, c, n


class Multiplicative(ur.Cell):
    """An inner value that every gate reads, one of them beyond an operator of its level."""

    def __init__(self) -> None:
        super().__init__(3, {"h": 4, "c": 4})
        self.input, self.recurrent = nn.Linear(3, 4), nn.Linear(4, 4, bias=False)
        self.drive, self.inner = nn.Linear(3, 16), nn.Linear(4, 16, bias=False)

    def step(self, x, h, c):
        m = self.input(x) * self.recurrent(h)
        i, f, g, o = (self.drive(x) + self.inner(m)).chunk(4, -1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c


class Unread(ur.Cell):
    """Two outputs that no step reads, one of them below an operator of its column."""

    def __init__(self) -> None:
        super().__init__(3, {"h": 4, "c": 4, "d": 4})
        self.map = nn.Linear(3, 12)

    def step(self, x, h, c, d):
        new, forget, out = self.map(x).chunk(3, -1)
        forget, out = torch.sigmoid(forget), torch.sigmoid(out)
        c = forget * c + (1 - forget) * new
        return out * torch.tanh(c), c, torch.sin(c)


class Hard(ur.Cell):
    """Gates of straight pieces."""

    def __init__(self) -> None:
        super().__init__(3, {"h": 4})
        self.update, self.new = nn.Linear(7, 4), nn.Linear(7, 4)

    def step(self, x, h):
        both = torch.cat([x, h], -1)
        update, new = functional.hardsigmoid(self.update(both)), functional.hardtanh(self.new(both))
        return (update * h + (1 - update) * new,)


class Autonomous(ur.Cell):
    def __init__(self) -> None:
        super().__init__(0, {"s": 2})
        self.matrix = nn.Linear(2, 2)

    def step(self, x, s):
        return (s + 0.1 * self.matrix(s),)


class LongNames(ur.Cell):
    def __init__(self) -> None:
        super().__init__(3, {"memory_slow": 4})
        self.input, self.recurrent = nn.Linear(3, 4), nn.Linear(4, 4)

    def step(self, x, memory):
        return (torch.tanh(self.input(x) + self.recurrent(memory)),)


class OddNames(ur.Cell):
    """Names that are not mathematics, and an input that the state line takes up as it is."""

    def __init__(self) -> None:
        super().__init__(4, {"50% of {a}": 4, "$b^2_x y": 4})

    def step(self, x, a, b):
        return x + 0.5 * a, torch.tanh(a * b)


class Deep(ur.Cell):
    """More blocks than a drawing from inside takes."""

    def __init__(self) -> None:
        super().__init__(3, {"h": 4, "c": 4})
        self.input = nn.Linear(3, 4)

    def step(self, x, h, c):
        for _ in range(15):
            h = torch.sin(h) * c
        return h + self.input(x), c + h


class Decaying(ur.Cell):
    """Coefficients that are computed once: one with a short formula, one with a long one."""

    def __init__(self) -> None:
        super().__init__(4, {"h": 4})
        self.rate, self.slope = nn.Parameter(torch.randn(4)), nn.Parameter(torch.randn(4))

    def step(self, x, h):
        gain = torch.sigmoid(torch.exp(self.rate) + torch.exp(self.slope))
        return (torch.exp(-torch.exp(self.rate)) * h + 0.01 * self.slope * torch.sin(gain * x),)


class Matrix(ur.Cell):
    """An associative memory: h is read from M alone, and no step reads h."""

    def __init__(self) -> None:
        super().__init__(3, {"h": 4, "M": 16})
        self.key, self.value, self.query = nn.Linear(3, 4), nn.Linear(3, 4), nn.Linear(3, 4)

    def step(self, x, h, memory):
        outer = self.value(x)[..., :, None] * self.key(x)[..., None, :]
        memory = 0.9 * memory + outer.flatten(-2)
        return (memory.unflatten(-1, (4, 4)) @ self.query(x)[..., None])[..., 0], memory


class Readouts(ur.Cell):
    """Two components that no step reads, both of h."""

    def __init__(self) -> None:
        super().__init__(3, {"y": 2, "h": 4, "z": 2})
        self.input, self.recurrent = nn.Linear(3, 4), nn.Linear(4, 4)
        self.first, self.second = nn.Linear(4, 2), nn.Linear(4, 2)

    def step(self, x, y, h, z):
        h = torch.tanh(self.input(x) + self.recurrent(h))
        return self.first(h), h, self.second(h)


class Stacked(ur.Cell):
    """Two layers in a step, and no state that is only scaled and added to."""

    def __init__(self) -> None:
        super().__init__(3, {"h1": 4, "h2": 4})
        self.input, self.recurrent = nn.Linear(3, 4), nn.Linear(4, 4)
        self.upwards, self.upper = nn.Linear(4, 4), nn.Linear(4, 4)

    def step(self, x, lower, upper):
        lower = torch.tanh(self.input(x) + self.recurrent(lower))
        return lower, torch.tanh(self.upwards(lower) + self.upper(upper))


class Quadratic(ur.Cell):
    """Operations with an unnamed operand, and a square."""

    def __init__(self) -> None:
        super().__init__(0, {"s": 2})
        self.map = nn.Linear(2, 2)

    def step(self, x, s):
        inner = torch.tanh(self.map(s))
        return (s + inner * inner - (1 - torch.sin(s)) * torch.cos(s),)


CELLS = {
    "elman": lambda: ur.cells.Elman(3, 4),
    "jordan": lambda: ur.cells.Jordan(3, 4, 2),
    "jordan softmax": lambda: ur.cells.Jordan(3, 4, 2, output="softmax"),
    "lstm": lambda: ur.cells.LSTM(3, 4),
    "gru": lambda: ur.cells.GRU(3, 4),
    "gru before": lambda: ur.cells.GRU(3, 4, reset_after=False),
    "leaky": Leaky,
    "minimal": Minimal,
    "peephole": Peephole,
    "normalised": Normalised,
    "multiplicative": Multiplicative,
    "unread": Unread,
    "hard": Hard,
    "autonomous": Autonomous,
    "long names": LongNames,
    "odd names": OddNames,
    "deep": Deep,
    "decaying": Decaying,
    "matrix": Matrix,
    "readouts": Readouts,
    "stacked": Stacked,
    "quadratic": Quadratic,
    "nas": lambda: ur.Cell.wrap(torchrecurrent.NASCell(4, 4)),
}
# Cell, steps, and the network where it is not "every"; "+ o" adds a readout, "in network" puts
# the cell into `ur.nn.Network`.
TEXTBOOK = [
    ("elman", 3),
    ("elman + o", None),
    ("elman + o", 3),
    ("elman", None, "last"),
    ("elman", 4, "last"),
    ("elman", None, "bidirectional"),
    ("elman", 3, "bidirectional"),
    ("elman", None, "encoder-decoder"),
    ("elman", 3, "encoder-decoder"),
    ("jordan", None),
    ("jordan", 3),
    ("jordan softmax", 2),
    ("jordan", 3, "last"),
    ("lstm", None),
    ("lstm", 3),
    ("lstm + o", 3),
    ("gru", None),
    ("gru before", None),
    ("leaky", None),
    ("minimal", None),
    ("peephole", None),
    ("normalised", 3),
    ("multiplicative", None),
    ("unread", None),
    ("unread", 3),
    ("hard", None),
    ("autonomous", None),
    ("long names", 3),
    ("long names", 2, "bidirectional"),
    ("odd names", None),
    ("odd names", 3),
    ("lstm", 1),
    ("deep", 2),
    ("decaying", None),
    ("matrix", None),
    ("matrix", 3),
    ("matrix in network", 3),
    ("readouts", None),
    ("readouts", 3),
    ("readouts in network", None),
    ("readouts in network", 3),
    ("stacked", None),
    ("stacked", 3),
    ("stacked in network", None),
    ("gru in network", None),
    ("gru in network", 3),
    ("jordan in network", 3),
    ("gru", 3, "last"),
    ("gru", 3, "bidirectional"),
]
LISTED = ("elman", "jordan softmax", "lstm", "gru before", "normalised", "nas", "quadratic")
OPERATORS = [
    *((name, None, "every", "operators") for name in LISTED),
    *((name, 2, "every", "operators") for name in ("jordan softmax", "lstm", "nas")),
]


@cache
def graph_of(name: str) -> Graph:
    cell, _, readout = name.partition(" + ")
    cell, _, network = cell.partition(" in ")
    made = graph(ur.nn.Network(CELLS[cell](), 2) if network else CELLS[cell]())
    return with_readout(made) if readout else made


def with_readout(cell: Graph) -> Graph:
    h = cell.outputs["h"]
    o = h.ops.affine(h.ops.parameter("V", (2, h.size)), h, h.ops.parameter("c", (2,)))
    return replace(cell, outputs={**cell.outputs, "o": o})


@cache
def figure(
    name: str, steps: int | None, network: str | None = None, level: str = "textbook"
) -> Picture:
    return picture_of(graph_of(name), steps, level, network)


def texts(picture: Picture, kind: str = "circle") -> list[str]:
    return [shape.text for shape in picture.shapes if shape.kind == kind]


def edges(picture: Picture) -> set[tuple[str, str, str]]:
    """(from, to, label) of the lines between two shapes."""
    return {
        (line.ends[0].text, line.ends[1].text, line.label.text if line.label else "")
        for line in picture.lines
        if isinstance(line.ends[0], Shape) and isinstance(line.ends[1], Shape)
    }


def at(name: str, time: str) -> str:
    letter = name if name == "L" else rf"\mathbf{{{name}}}"
    return f"${letter}^{{({time})}}$"


BEFORE, NOW, AFTER = "t{-}1", "t", "t{+}1"
# As `symbols` writes them.
TIMES, SIGMA = "$\N{MULTIPLICATION SIGN}$", "$\N{GREEK SMALL LETTER SIGMA}$"
U, V, W = (rf"$\mathbf{{{letter}}}$" for letter in "UVW")
