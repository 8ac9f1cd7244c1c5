"""Translation: one sequence to another, sentences to sentences, spelling to phonemes.

model.py        Translator, the estimator; plan.py what it chooses when nobody says
coding.py       tokens of both sides, pairs as ids; network.py encoder, attention, decoder, loss
decoding.py     writing with a beam, many sources side by side
baselines.py    copy, most frequent target, translation memory
metrics.py      BLEU, chrF, error rates; results.py worst cases, scores by length
commands.py     the command line; options.py, show.py, report.py; maps.py attention as a picture
numerals.py     numbers and their words, for the demo
"""

from .decoding import Written
from .model import Translator, pairs_of

__all__ = ["Translator", "Written", "pairs_of"]
