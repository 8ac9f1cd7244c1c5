"""Speech: recordings to classes, or to transcripts by connectionist temporal classification.

model.py      SpeechRecogniser: the estimator
features.py   log-mel features; augment.py: changed copies of them, for training
coding.py     labels as numbers; encoded.py: recordings as batches of tensors
network.py    the networks; plan.py: their sizes and rates; objective.py: what they are trained on
decode.py     from a network's outputs to label sequences; answers.py: to what is said
metrics.py    scores; baselines.py: what is to beat; results.py: what was heard beside the truth
commands.py, options.py   the command line
report.py     what the report shows besides; demo.py: tones to learn, made here
"""

from .features import LogMel
from .model import SpeechRecogniser
from .results import Prediction

__all__ = ["LogMel", "Prediction", "SpeechRecogniser"]
