"""From data to a trained model and back: one package a task.

A task's package has an estimator and a module `commands` with what the command line needs:
`register(train_app, check_app, tune_app)`, `predict`, `evaluate`, `inspect`, `demo`. `inspect`
gives the `inspection.Subject` of a run.
"""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from .runs import RunError, read_config

# The package and the estimator of each task, imported when they are needed.
TASKS = {
    "caption": ("unrolled.tasks.caption", "Captioner"),
    "classify": ("unrolled.tasks.classify", "Classifier"),
    "forecast": ("unrolled.tasks.forecast", "Forecaster"),
    "identify": ("unrolled.tasks.identify", "SystemIdentifier"),
    "language": ("unrolled.tasks.language", "LanguageModel"),
    "music": ("unrolled.tasks.music", "MusicModel"),
    "speech": ("unrolled.tasks.speech", "SpeechRecogniser"),
    "tag": ("unrolled.tasks.tag", "Tagger"),
    "translate": ("unrolled.tasks.translate", "Translator"),
}

__all__ = ["TASKS", "RunError", "commands_of", "estimator_of", "load", "task_of"]


def estimator_of(task: str) -> Any:
    """The class that trains and uses models of a task."""
    package, name = TASKS[task]
    return getattr(import_module(package), name)


def commands_of(task: str) -> ModuleType:
    """The module with a task's part of the command line."""
    return import_module(f"{TASKS[task][0]}.commands")


def task_of(folder: str | Path) -> str:
    """The task of a run folder.

    Raises:
        RunError: the folder is no run, is damaged, or was written by a later version.
    """
    task = read_config(Path(folder))["task"]
    if task not in TASKS:
        raise RunError(f"{folder} is a run of the task {task!r}, which this version does not know")
    return task


def load(folder: str | Path, cell: Callable[..., Any] | None = None) -> Any:
    """Open a run folder, whatever its task.

    Arguments:
        folder: as `save`, or `unrolled train`, left it.
        cell: the class of the cell, where it is not one of unrolled's own.

    Raises:
        RunError: the folder is no run, is damaged, or was written by a later version.
    """
    return estimator_of(task_of(folder)).load(folder, cell)
