"""How a model is trained: the loop, its schedule, averaged weights, early stopping."""

from .loop import Epoch, History, TrainingFailed, TrainingSettings, train

__all__ = ["Epoch", "History", "TrainingFailed", "TrainingSettings", "train"]
