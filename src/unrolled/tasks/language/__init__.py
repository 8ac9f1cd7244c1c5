"""Language models: the next token, from all tokens so far.

model.py        LanguageModel, the estimator; plan.py what it chooses when nobody says
parts.py        a text read, and cut into what is learned from and validated on
network.py      embedding, recurrence, output; objective.py what it is trained on
ngram.py        n-gram models, the baselines; results.py scores of both on one text
generation.py   text from a model
saving.py       run folders
commands.py     the command line; options.py, console.py, card.py, report.py, inspection.py
"""

from .generation import Sampling
from .model import LanguageModel
from .ngram import NGram

__all__ = ["LanguageModel", "NGram", "Sampling"]
