"""What is searched of a language model."""

from __future__ import annotations

from typing import Any

from ..space import Range
from ..trials import Searched
from .model import LanguageModel
from .parts import as_text, spread
from .saving import purpose

# Other tokens have other losses, which cannot be compared; a kernel is compiled for each size.
NAMES = (
    "cell",
    "hidden_size",
    "embedding_size",
    "num_layers",
    "dropout",
    "embedding_dropout",
    "weight_drop",
    "learning_rate",
    "weight_decay",
    "passes",
    "batch_size",
    "steps",
    "restart",
    "initialisation",
)
USUAL = {
    "dropout": Range(0.0, 0.6),
    "learning_rate": Range(1e-3, 2e-2),
    "weight_decay": Range(1e-3, 0.3),
}


def _start(model: LanguageModel, data: Any) -> dict[str, Any]:
    """What the model would use without a search."""
    text, _ = spread(as_text(data), model.validation)
    vocabulary = model.learn_vocabulary(text)
    plan = model.plan_for(sum(len(vocabulary.encode(each)) for each in text.documents))
    return {**model.get_params(deep=False), **vars(plan)}


SEARCHED = Searched(NAMES, USUAL, LanguageModel, _start, purpose, lambda model, data: model.epochs)
