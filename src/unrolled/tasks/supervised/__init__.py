"""What all tasks share that learn from samples, each with what belongs to it.

model.py       SupervisedEstimator: fit, evaluate, save; a task fills in its hooks
protocols.py   what a task defines: Data, Coding, Encoded, Baselines
batches.py     batches of training, resumable
scores.py      Metric and Evaluation: the model beside its baselines
parts.py       which part of the data is learned from, validated on, tested on
saving.py      run folders
commands.py    train, tune, check, inspect and evaluate on the command line
console.py, report.py, card.py, inspection.py   what people read
"""

from .commands import (
    SampleCommands,
    check_table,
    evaluate_and_tell,
    tell_findings,
    train_and_report,
    write_table,
)
from .model import SupervisedEstimator
from .parts import TEST, VALIDATION, Test, Testing
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
    "SampleCommands",
    "Scores",
    "SupervisedEstimator",
    "Test",
    "Testing",
    "check_table",
    "evaluate_and_tell",
    "tell_findings",
    "train_and_report",
    "write_table",
]
