"""Layers and published cells, native against torch.nn and eager: python benchmarks/layers.py.

Sections: options (a training step of two layers with each option), cells (every published cell).
Ratios are of medians from runs that alternate in one process; above 1, native is faster. A training
step is the forward pass, a mean-square loss and the backward pass to every parameter.
"""

import argparse
import platform
from functools import partial

import torch

import unrolled as ur
from timing import Timed, milliseconds, row, table
from unrolled.cells import BY_NAME

BATCH, STEPS, INPUTS, HIDDEN = 32, 200, 64, 128
LENGTHS = [STEPS - 3 * k for k in range(BATCH)]
OPTIONS: dict[str, tuple[dict, dict]] = {
    "none": ({}, {}),
    "lengths": ({}, {"lengths": LENGTHS}),
    "reset, 2 % of steps": ({}, {"reset": torch.rand(BATCH, STEPS) < 0.02}),
    "return_states": ({}, {"return_states": True}),
    "bidirectional": ({"bidirectional": True}, {}),
    "layer_norm": ({"layer_norm": True}, {}),
    "recurrent_dropout": ({"recurrent_dropout": 0.2}, {}),
    "zoneout": ({"zoneout": 0.1}, {}),
    "weight_drop": ({"weight_drop": 0.2}, {}),
    "skip": ({"skip": True}, {}),
    "all": (
        {
            "bidirectional": True, "layer_norm": True, "recurrent_dropout": 0.2, "zoneout": 0.1,
            "weight_drop": 0.2, "skip": True, "dropout": 0.1,
        },
        {"lengths": LENGTHS},
    ),
}  # fmt: skip


def step(layer: torch.nn.Module, x: torch.Tensor, **call: object) -> Timed:
    def run() -> None:
        layer.zero_grad()
        layer(x, **call)[0].square().mean().backward()

    return run


def options(runs: int) -> None:
    """Two layers; torch.nn has none of the options but bidirectional, and packs for lengths."""
    x = torch.randn(BATCH, STEPS, INPUTS)
    for kind in ("LSTM", "GRU"):
        table(f"{kind}, option", "native ms", "eager ms", "plain torch.nn ms", "torch.nn / native")
        for name, (made, call) in OPTIONS.items():
            make = partial(getattr(ur.nn, kind), INPUTS, HIDDEN, 2, batch_first=True)
            both = bool(made.get("bidirectional"))
            plain = getattr(torch.nn, kind)(INPUTS, HIDDEN, 2, batch_first=True, bidirectional=both)
            found = milliseconds(
                {
                    "native": step(make(**made, engine="native"), x, **call),
                    "eager": step(make(**made, engine="eager"), x, **call),
                    "torch": step(plain, x),
                },
                runs,
            )
            ratio = found["torch"] / found["native"]
            row(name, found["native"], found["eager"], found["torch"], ratio)


def cells(runs: int) -> None:
    """Every published cell, one layer, native against eager."""
    table("cell", "native ms", "eager ms", "eager / native", "parameters")
    x = torch.randn(BATCH, STEPS, INPUTS)
    for name in BY_NAME:
        torch.manual_seed(0)
        stacks = {
            engine: ur.nn.Recurrent(name, INPUTS, HIDDEN, engine=engine)
            for engine in ("native", "eager")
        }
        learned = x.requires_grad_(not list(stacks["native"].parameters()))
        found = milliseconds({engine: step(s, learned) for engine, s in stacks.items()}, runs)
        count = sum(p.numel() for p in stacks["native"].parameters())
        row(name, found["native"], found["eager"], found["eager"] / found["native"], count)


SECTIONS = {"options": options, "cells": cells}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sections", nargs="*", default=list(SECTIONS), help=", ".join(SECTIONS))
    parser.add_argument("--runs", type=int, default=9)
    arguments = parser.parse_args()
    shape = f"B, T, I, H = {BATCH}, {STEPS}, {INPUTS}, {HIDDEN}"
    print(f"{shape}; {platform.processor() or platform.machine()}, torch {torch.__version__}, "
          f"{torch.get_num_threads()} threads")  # fmt: skip
    for section in arguments.sections:
        SECTIONS[section](arguments.runs)


if __name__ == "__main__":
    main()
