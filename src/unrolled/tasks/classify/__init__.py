"""Sequences to classes: texts, and numbers step by step.

model.py       Classifier, the estimator; plan.py what it chooses when nobody says
reading.py     samples from whatever holds them
coding.py      classes, and samples as tensors: texts.py, numbers.py
augment.py     changed copies of numbers for training
network.py     embedding, recurrence, output; pooling.py one vector from all steps
baselines.py   n-grams and neighbours; metrics.py accuracy, F1; results.py confusions, worst cases
commands.py    the command line; options.py, show.py, report.py
"""

from .model import Classifier

__all__ = ["Classifier"]
