"""The adding problem: two numbers far apart, to be found, kept and added.

    x(t) = (value, mark)    value uniform in (0, 1); mark 1 at two steps, one in each half, else 0
    y(T) = the sum of the two marked values

The answer 1 has a mean squared error of 1/6, the variance of the sum. What an Elman network reads,
and its gradient, is gone after some tens of steps; gates keep both. They begin with memories of
2 to T steps, the start called chrono: u uniform in (1, T - 1), b_f = log u and b_i = -b_f in the
LSTM, b_z = b_f in the GRU.

References:
    Hochreiter and Schmidhuber, "Long short-term memory", Neural Computation 9, 1997, section 5.4.
    Tallec and Ollivier, "Can recurrent neural networks warp time?", ICLR 2018 (the biases).
"""

from itertools import count
from pathlib import Path

import torch
from torch import Tensor

from unrolled.cells import GRU, LSTM, Elman
from unrolled.nn import Network, initialise
from unrolled.report.figures import colour, save_figure
from unrolled.training import Optimisation, TrainingSettings, train
from unrolled.training.losses import Total, squared_error, summed

HOW = Optimisation(schedule="constant", warm_up=0.02, averaging=0.9)
SETTINGS = TrainingSettings(15, updates=100, learning_rate=5e-3, patience=15, optimisation=HOW)
CELLS = {"Elman": Elman, "GRU": GRU, "LSTM": LSTM}
ALWAYS_ONE = 1 / 6


def batch(size: int, steps: int) -> tuple[Tensor, Tensor]:
    """x [B, T, 2] and the sum [B, 1]."""
    values, marks = torch.rand(size, steps), torch.zeros(size, steps)
    for first, end in ((0, steps // 2), (steps // 2, steps)):
        marks[range(size), torch.randint(first, end, (size,))] = 1
    return torch.stack([values, marks], dim=-1), (values * marks).sum(1, keepdim=True)


def loss(network: Network, batch: tuple[Tensor, Tensor], progress: float = 1.0) -> Total:
    """Of half the squared error."""
    return summed(squared_error, network.run(batch[0]).o, batch[1])


def learn(cell: str, steps: int = 200, settings: TrainingSettings = SETTINGS) -> list[float]:
    """The mean squared error on sequences never seen, before and after every epoch."""
    network = Network(CELLS[cell](2, 64), 1, output="identity", at="last")
    if network.cell.keeps:  # the gates that keep a memory
        initialise(network, f"chrono:{steps}")
    batches, test = (batch(32, steps) for _ in count()), batch(500, steps)
    validate = lambda network: {"loss": 2 * loss(network, test).mean.item()}  # noqa: E731
    history = train(network, loss, batches, validate, settings)
    return [epoch.validation["loss"] for epoch in history.epochs]


def main() -> None:
    def paint(figure):
        axes = figure.add_subplot(xlabel="updates", ylabel="mean squared error", yscale="log")
        updates = range(0, SETTINGS.total + 1, SETTINGS.updates)
        for (cell, row), hue in zip(rows.items(), ("orange", "green", "blue"), strict=True):
            axes.plot(updates, row, color=colour(hue), label=cell)
        axes.axhline(ALWAYS_ONE, color=colour("quiet"), linestyle="--", label="always 1")
        axes.set_yticks([1e-4, 1e-3, 1e-2, 0.1, 1], ["0.0001", "0.001", "0.01", "0.1", "1"])
        axes.legend()

    torch.manual_seed(0)
    torch.set_num_threads(1)
    rows, epochs = {}, range(0, SETTINGS.epochs + 1, 3)
    print("mean squared error after", *(f"{SETTINGS.updates * k:7}" for k in epochs), "updates")
    for cell in CELLS:
        rows[cell] = learn(cell)
        print(f"{cell:24}", *(f"{rows[cell][k]:7.4f}" for k in epochs))
    save_figure(paint, Path(__file__).parents[1] / "docs/examples/adding_problem.svg", white=True)


if __name__ == "__main__":
    main()
