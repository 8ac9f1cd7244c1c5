"""Elman and Jordan: what a network can remember, by what recurs in it.

    Elman    h(t) = tanh(b + W h(t-1) + U x(t))    the hidden state
    Jordan   h(t) = tanh(b + W y(t-1) + U x(t))    the output, and nothing else

    parity   y(t) = y(t-1) xor x(t)    the last output is all that a step must know
    delay    y(t) = x(t-2)             it must know x(t-1), which no output has told yet

Under teacher forcing a Jordan network reads the true y(t-1): its steps are independent, all run
as one batch, and no gradient goes back through time. So it learns parity soonest. The delay is
beyond it: once outputs are true ones, what a step reads says nothing of x(t-2). Trained to run
free, it hides a little of x(t-1) in an output that is not quite 0 or 1.
"""

import timeit
from itertools import count
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from unrolled.cells import Elman, Jordan
from unrolled.nn import Network
from unrolled.report.figures import colour, save_figure
from unrolled.training import TrainingSettings, train
from unrolled.training.losses import Total, bernoulli, summed

T, LONG = 20, 200  # steps learned from, steps tried
SETTINGS = TrainingSettings(epochs=30, updates=25, patience=30)
TASKS = ("parity", "delay")
NETWORKS = {
    "Elman": (lambda: Network(Elman(1, 32), 1, output="sigmoid"), "free"),
    "Jordan, running free": (lambda: Network(Jordan(1, 32, 1, output="sigmoid")), "free"),
    "Jordan, teacher forcing": (lambda: Network(Jordan(1, 32, 1, output="sigmoid")), "teacher"),
}


def batch(task: str, size: int, steps: int) -> tuple[Tensor, Tensor]:
    x = torch.randint(2, (size, steps, 1)).float()
    return x, x.cumsum(1) % 2 if task == "parity" else F.pad(x, (0, 0, 2, 0))[:, :-2]


def loss(network: Network, batch: tuple[Tensor, Tensor], forcing: str, engine="auto") -> Total:
    x, y = batch
    return summed(bernoulli, network.run(x, targets=y, forcing=forcing, engine=engine).o, y)


def learn(network: Network, task: str, forcing: str) -> list[float]:
    """Train it; its loss before and after every epoch, as it runs free."""
    test, batches = batch(task, 500, T), (batch(task, 64, T) for _ in count())
    learnt = lambda network, batch, progress: loss(network, batch, forcing)  # noqa: E731
    tested = lambda network: {"loss": loss(network, test, "free").mean.item()}  # noqa: E731
    history = train(network, learnt, batches, tested, SETTINGS)
    return [epoch.validation["loss"] for epoch in history.epochs]


@torch.no_grad()
def accuracy(network: Network, x: Tensor, y: Tensor) -> float:
    """The share of right answers from the third step on, as the network runs free."""
    return ((network(x) > 0.5) == (y > 0.5))[:, 2:].float().mean().item()


def milliseconds(forcing: str, engine: str) -> float:
    """Time of a Jordan network's loss and gradient on 64 sequences; the least of 5."""
    network, given = NETWORKS["Jordan, running free"][0](), batch("parity", 64, LONG)
    once = lambda: loss(network, given, forcing, engine).mean.backward()  # noqa: E731
    return 1000 * min(timeit.repeat(once, number=1, repeat=5))


def main() -> None:
    def paint(figure):
        panels = figure.subplots(1, 2, sharey=True)
        for panel, (task, rows) in zip(panels, curves.items(), strict=True):
            for (name, row), hue in zip(rows.items(), ("blue", "orange", "green"), strict=True):
                updates = range(0, SETTINGS.total + 1, SETTINGS.updates)
                panel.plot(updates, row, color=colour(hue), label=name)
            panel.set(title=task, xlabel="updates", ylabel="loss", ylim=(-0.02, 0.75))
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper left", ncols=3)

    torch.manual_seed(0)
    torch.set_num_threads(1)
    curves = {task: {} for task in TASKS}
    print(f"{'task':8} {'network':24} loss, T = {T}   accuracy, T = {LONG}")
    for task in TASKS:
        for name, (make, forcing) in NETWORKS.items():
            network = make()
            row = curves[task][name] = learn(network, task, forcing)
            right = accuracy(network, *batch(task, 500, LONG))
            print(f"{task:8} {name:24} {row[-1]:12.4f} {right:19.1%}")
    print(f"\nOne gradient of the Jordan network, {LONG} steps, in milliseconds")
    for forcing, engine in (("free", "eager"), ("free", "native"), ("teacher", "eager")):
        print(f"{forcing:8} {engine:7} {milliseconds(forcing, engine):8.1f}")
    path = Path(__file__).parents[1] / "docs/examples/elman_and_jordan.svg"
    save_figure(paint, path, width=480, white=True)


if __name__ == "__main__":
    main()
