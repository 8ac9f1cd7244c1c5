"""What `unrolled inspect` looks at in a language model: its network on text that it writes.

A run keeps no text. What the network writes itself at temperature 1 has the statistics that it has
learned, and is always at hand.
"""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...dynamics.examination import Context, examine
from ...nn.ensemble import members_of
from ...training import Total
from ..inspection import Example, Subject
from ..running import log_of
from .generation import Sampling, generate
from .model import LanguageModel
from .network import LanguageNetwork
from .report import LOSS

ROWS, EXAMPLES = 4, 2
# Letters of a token that have room as a label.
LONGEST_LABEL = 8


def subject(run: Path, model: LanguageModel) -> Subject:
    """A run to look into.

    Raises:
        RunError: its log is damaged.
    """
    fitted, steps = model.fitted_, model.steps
    rows = [_written(model, steps + 1, seed) for seed in range(ROWS)]
    ids = torch.tensor(rows, device=next(fitted.network.parameters()).device)
    # Of several networks the first.
    network, *others = members_of(fitted.network)
    told = f"; the first of {1 + len(others)} networks" if others else ""
    cells = [name for name, _ in network.named_modules() if name.startswith("recurrent.cells.")]
    layers = [name for name in cells if name.count(".") == 2]
    labels = [[_label(fitted.vocabulary.tokens[token]) for token in row[:-1]] for row in rows]
    found = examine(
        network,
        ids,
        _loss,
        labels=dict.fromkeys(layers, labels),
        context=Context(steps, unit="tokens"),
        names={name: f"layer {number + 1}" for number, name in enumerate(layers)},
    )
    examples = [
        Example(layers[0], row, f"text that it wrote, {row + 1}") for row in range(EXAMPLES)
    ]
    return Subject(
        title=f"Inside {run.name}",
        subtitle=f"{fitted.architecture.cell}, a language model of {fitted.text}{told}",
        examination=found,
        batch=f"{ROWS} texts of {steps} tokens that the network wrote itself, at temperature 1",
        examples=[*examples, *(Example(name, 0, "text that it wrote, 1") for name in layers[1:])],
        log=log_of(run),
        loss=LOSS,
        start="the one drawn",
        clip_norm=model.optimisation.clip_norm,
        remarks=[
            "What is looked at is text that the network writes: the run keeps none of its own. In "
            "training the gradient reached back over the context, and the state from farther."
        ],
        facts={"updates": model.describe_updates(), "run": str(run)},
    )


def _written(model: LanguageModel, tokens: int, seed: int) -> list[int]:
    start = model.fitted_.vocabulary.encode("\n").tolist()
    never = range(len(model.fitted_.vocabulary.specials))
    found = generate(model.fitted_.network, start, Sampling(1.0), seed, list(never))
    return list(islice(found, tokens))


def _loss(model: Any, ids: Tensor) -> Total:
    """-log p of the next tokens."""
    assert isinstance(model, LanguageNetwork)
    losses, _ = model.losses(ids[:, :-1], ids[:, 1:])
    return Total(losses.sum(), torch.as_tensor(losses.numel()))


def _label(token: str) -> str:
    """A token as a label: what cannot be seen is spelt."""
    shown = token if token.isprintable() and token.strip() else repr(token)[1:-1] or "space"
    return "space" if shown == " " else shown[:LONGEST_LABEL]
