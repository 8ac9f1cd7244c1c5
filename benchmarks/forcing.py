"""Teacher forcing against free running: python benchmarks/forcing.py.

A training step (forward, cross-entropy, backward) of two networks whose output feeds back. In the
Jordan network nothing else recurs, so that all forced steps run as one batch; in an LSTM with
feedback the hidden state still has to be stepped. Ratios are of medians from runs that alternate
in one process.
"""

import argparse
from collections.abc import Callable

import torch

import unrolled as ur
from timing import Timed, milliseconds, row, table
from unrolled.nn import FeedBack, Network
from unrolled.training.losses import cross_entropy

BATCH, INPUTS, HIDDEN, CLASSES = 32, 64, 128, 32


def networks() -> dict[str, Callable[[], Network]]:
    return {
        "Jordan": lambda: Network(ur.cells.Jordan(INPUTS, HIDDEN, CLASSES, output="softmax")),
        "LSTM with feedback": lambda: Network(
            FeedBack(ur.cells.LSTM(INPUTS + CLASSES, HIDDEN), CLASSES, "softmax")
        ),
    }


def step(network: Network, steps: int, forcing: str, engine: str) -> Timed:
    x, y = torch.randn(BATCH, steps, INPUTS), torch.randint(CLASSES, (BATCH, steps))

    def run() -> None:
        network.zero_grad()
        o = network.run(x, targets=y, forcing=forcing, engine=engine).o
        cross_entropy(o, y).mean().backward()

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=15)
    runs = parser.parse_args().runs
    table("network, engine", "T", "free ms", "teacher ms", "free / teacher")
    for name, make in networks().items():
        for engine in ("eager", "native"):
            for steps in (50, 200, 1000):
                network = make()
                found = milliseconds(
                    {f: step(network, steps, f, engine) for f in ("free", "teacher")},
                    max(3, runs * 50 // steps) if engine == "eager" else runs,
                )
                free, teacher = found["free"], found["teacher"]
                row(f"{name}, {engine}", steps, free, teacher, free / teacher)


if __name__ == "__main__":
    main()
