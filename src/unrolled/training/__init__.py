"""How a model is trained: gradients through time, the loop, averaged weights, early stopping."""

from .bptt import bptt
from .gradients import Gradients
from .loop import Epoch, History, TrainingFailed, TrainingSettings, train

__all__ = ["Epoch", "Gradients", "History", "TrainingFailed", "TrainingSettings", "bptt", "train"]
