"""What all tasks share that learn from samples, each with what belongs to it.

model.py       SupervisedEstimator: fit, evaluate, save; a task fills in its hooks
protocols.py   what a task defines: Data, Coding, Encoded, Baselines
batches.py     batches of training, resumable
scores.py      Metric and Evaluation: the model beside its baselines
parts.py       which part of the data is learned from, validated on, tested on
saving.py      run folders
commands.py    train and report, evaluate, check, inspect
console.py, report.py, card.py, inspection.py   what people read
"""

from .commands import (
    check_and_tell,
    evaluate_and_tell,
    inspect_run,
    tell_findings,
    train_and_report,
    tune_and_report,
)
from .model import SupervisedEstimator
from .parts import TEST, VALIDATION, Test
from .protocols import Baselines, Batch, Coding, Data, Encoded, Fitted
from .report import Parts
from .scores import MODEL, Evaluation, Metric, Scores

__all__ = [
    "MODEL",
    "TEST",
    "VALIDATION",
    "Baselines",
    "Batch",
    "Coding",
    "Data",
    "Encoded",
    "Evaluation",
    "Fitted",
    "Metric",
    "Parts",
    "Scores",
    "SupervisedEstimator",
    "Test",
    "check_and_tell",
    "evaluate_and_tell",
    "inspect_run",
    "tell_findings",
    "train_and_report",
    "tune_and_report",
]
