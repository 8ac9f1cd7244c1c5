"""How a model is trained: gradients through time, losses, samplers, the loop.

bptt.py        every gradient of the textbook; gradients.py what it gives
truncated.py   truncated back-propagation through time, with carried state
segments.py    full back-propagation through time in little memory
losses.py      negative log-likelihoods, summed over valid steps
sampling.py    streams and random subsequences of long sequences
settings.py    how long, at which rate, clipped how
loop.py        the loop; updates.py one update; history.py the log; range_test.py a learning rate
machine.py     device, precision, processes
checkpoint.py  the state of a run in one file
"""

from . import losses
from .bptt import bptt
from .checkpoint import CheckpointError
from .gradients import Gradients
from .history import Epoch, History, Update
from .loop import Checkpoint, Watcher, train
from .losses import Total
from .machine import Machine
from .range_test import RangeTest, range_test
from .sampling import Chunk, ContiguousStreams, RandomSubsequences
from .segments import CheckpointedBPTT, FullBPTT
from .settings import Optimisation, TrainingSettings
from .truncated import Stream, TruncatedBPTT
from .updates import TrainingFailed

__all__ = [
    "Checkpoint",
    "CheckpointError",
    "CheckpointedBPTT",
    "Chunk",
    "ContiguousStreams",
    "Epoch",
    "FullBPTT",
    "Gradients",
    "History",
    "Machine",
    "Optimisation",
    "RandomSubsequences",
    "RangeTest",
    "Stream",
    "Total",
    "TrainingFailed",
    "TrainingSettings",
    "TruncatedBPTT",
    "Update",
    "Watcher",
    "bptt",
    "losses",
    "range_test",
    "train",
]
