"""Music, and everything else that is on or off in many columns: the next step of a roll.

model.py        MusicModel, the estimator; plan.py what it chooses when nobody says
coding.py       what a network must know of its rolls; encoded.py rolls as tensors
network.py      recurrence, and a probability for each key; streams.py long pieces part by part
baselines.py    keys at their frequency, and keys that follow the step before
metrics.py      scores of both; results.py what an evaluation shows
generation.py   further steps, drawn one after another; writing.py them as files
progressions.py music made by rule, for the demo
commands.py     the command line; options.py, report.py, rolls_chart.py
"""

from .model import MusicModel

__all__ = ["MusicModel"]
