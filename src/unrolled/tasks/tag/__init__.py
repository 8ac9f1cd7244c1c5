"""Tag the words of sentences.

model.py       Tagger, the estimator; plan.py what it chooses when nobody says
coding.py      words, letters and tags as numbers
network.py     letters -> words -> sentence -> scores of tags
spans.py       spans out of tags, their precision, recall and F1, and the simplest tagger
baselines.py   that tagger beside the model; results.py figures, confusions, the worst sentences
code.py        lines of Python with a tag for each word, for the demonstration
commands.py    the command line; options.py, show.py, report.py
"""

from .model import Tagger

__all__ = ["Tagger"]
