"""Captions: from an image to what it shows, in words.

model.py        Captioner, the estimator; plan.py what it chooses when nobody says
network.py      convolutions, a decoder, attention to places
coding.py       images and captions as tensors; augment.py noise of training images
metrics.py      BLEU, exact match, word error rate; baselines.py what is to beat
results.py      captions, where they look, where they err
digits.py       an example: handwritten digits above and beside each other
commands.py     the command line; options.py, report.py, pictures.py
"""

from .digits import composed_digits
from .model import Captioner
from .results import Attended, Caption

__all__ = ["Attended", "Caption", "Captioner", "composed_digits"]
