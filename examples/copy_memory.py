"""The copy problem: ten symbols to be read, kept for a hundred steps, and written.

    x   s1 ... s10   blank T - 1 times   go   blank 10 times
    y   blank T + 10 times                    s1 ... s10

There are 8 symbols. Who remembers nothing writes blanks, and guesses once told to go: the loss of
a step is 10 log 8 / (T + 20). Gates begin with memories of 2 to T + 20 steps, the start called
chrono: u uniform in (1, T + 19), b_f = log u and b_i = -b_f in the LSTM, b_z = b_f in the GRU.

References:
    Hochreiter and Schmidhuber, "Long short-term memory", Neural Computation 9, 1997.
    Arjovsky, Shah and Bengio, "Unitary evolution recurrent neural networks", ICML 2016.
    Tallec and Ollivier, "Can recurrent neural networks warp time?", ICLR 2018 (the biases).
"""

import math
from itertools import count
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from unrolled.cells import GRU, LSTM, Elman
from unrolled.nn import Network, initialise
from unrolled.report.figures import colour, save_figure
from unrolled.training import Optimisation, TrainingSettings, train
from unrolled.training.losses import Total, cross_entropy, summed

LENGTH, BLANK, GO = 10, 0, 9  # 1 to 8 are the symbols
HOW = Optimisation(schedule="constant", warm_up=0.05, averaging=0.9)
SETTINGS = TrainingSettings(40, updates=100, learning_rate=8e-3, patience=40, optimisation=HOW)
CELLS = {"Elman": Elman, "GRU": GRU, "LSTM": LSTM}


def batch(size: int, steps: int) -> tuple[Tensor, Tensor]:
    """x as one-hot vectors, [B, T + 20, 10], and y, [B, T + 20]."""
    symbols = torch.randint(1, GO, (size, LENGTH))
    x = F.pad(symbols, (0, steps + LENGTH), value=BLANK)
    x[:, steps + LENGTH - 1] = GO
    return F.one_hot(x, GO + 1).float(), F.pad(symbols, (steps + LENGTH, 0), value=BLANK)


def without_memory(steps: int) -> float:
    """The least loss of a network that remembers nothing."""
    return LENGTH * math.log(8) / (steps + 2 * LENGTH)


def loss(network: Network, batch: tuple[Tensor, Tensor], progress: float = 1.0) -> Total:
    return summed(cross_entropy, network.run(batch[0]).o, batch[1])


def learn(network: Network, steps: int, settings: TrainingSettings = SETTINGS) -> list[float]:
    """The loss on sequences never seen, before and after every epoch."""
    batches, test = (batch(16, steps) for _ in count()), batch(200, steps)
    validate = lambda network: {"loss": loss(network, test).mean.item()}  # noqa: E731
    history = train(network, loss, batches, validate, settings)
    return [epoch.validation["loss"] for epoch in history.epochs]


@torch.no_grad()
def recalled(network: Network, x: Tensor, y: Tensor) -> float:
    """The share of symbols that are written right; 1/8 without memory."""
    return (network(x).argmax(-1) == y)[:, -LENGTH:].float().mean().item()


def main(steps: int = 100) -> None:
    def paint(figure):
        axes = figure.add_subplot(xlabel="updates", ylabel="loss of a step", ylim=(0, 0.25))
        updates = range(0, SETTINGS.total + 1, SETTINGS.updates)
        for (cell, row), hue in zip(rows.items(), ("orange", "green", "blue"), strict=True):
            axes.plot(updates, row, color=colour(hue), label=cell)
        axes.axhline(floor, color=colour("quiet"), linestyle="--", label="no memory")
        axes.legend(loc="lower left")

    torch.manual_seed(0)
    torch.set_num_threads(1)
    rows, epochs, floor = {}, range(0, SETTINGS.epochs + 1, 8), without_memory(steps)
    print("loss after", *(f"{SETTINGS.updates * k:6}" for k in epochs), "updates   symbols right")
    for name, cell in CELLS.items():
        network = Network(cell(GO + 1, 128), GO)
        if network.cell.keeps:  # the gates that keep a memory
            initialise(network, f"chrono:{steps + 2 * LENGTH}")
        rows[name] = learn(network, steps)
        right = recalled(network, *batch(500, steps))
        print(f"{name:10}", *(f"{rows[name][k]:6.3f}" for k in epochs), f"{right:21.1%}")
    print(f"{'no memory':10} {floor:6.3f}")
    save_figure(paint, Path(__file__).parents[1] / "docs/examples/copy_memory.svg", white=True)


if __name__ == "__main__":
    main()
