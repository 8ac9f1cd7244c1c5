"""Run folders: where a trained model lives on disk.

    config.json         task, arguments, everything but numbers in bulk
    model.safetensors   weights
    history.safetensors the end of the training table, from which to predict on
    metrics.json        the log of training and the scores
    report.html         the report; README.md: the model card
    checkpoint.safetensors  the state of training, while it lasts (`training.checkpoint`)

Nothing is pickled, so that opening a run never executes code from it. Each file is written whole
or not at all.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..naming import nearest

# Raised whenever an older version could not read what this one writes.
FORMAT = 1
CONFIG, MODEL, METRICS = "config.json", "model.safetensors", "metrics.json"


# What reading a configuration raises where a value in it is not what it should be.
MISFITS = (LookupError, TypeError, ValueError, RuntimeError, AttributeError, ArithmeticError)


class RunError(ValueError):
    """A run folder cannot be used; the message says which, why, and what to do."""


def new_run_folder(root: Path, name: str) -> Path:
    """A folder `root/name-N` that did not exist, with the smallest free N from 1, created."""
    root.mkdir(parents=True, exist_ok=True)
    number = 1
    while True:
        folder = root / f"{name}-{number}"
        try:
            folder.mkdir()
        except FileExistsError:
            number += 1
        else:
            return folder


def check_writable(folder: Path) -> None:
    """Raise RunError unless files can be put into `folder`, which may have to be made."""
    existing = folder
    while not existing.exists():
        existing = existing.parent
    if not existing.is_dir():
        raise RunError(f"cannot write to {folder}: {existing} is a file, not a folder")
    if not os.access(existing, os.W_OK):
        raise RunError(f"cannot write to {folder}: {existing} may not be written to")


def check_output(path: str | Path, *read: str | Path) -> None:
    """Raise RunError if a file cannot be written, or is one of those that are read."""
    path = Path(path)
    check_writable(path.parent)
    if path.is_dir():
        raise RunError(f"cannot write {path}: it is a folder")
    if path.exists() and any(Path(other).exists() and path.samefile(other) for other in read):
        raise RunError(f"{path} is what is read; give --output another name")


def read_config(folder: Path) -> dict[str, Any]:
    """The configuration of a run.

    Raises:
        RunError: the folder is no run, is damaged, or comes from a later version.
    """
    path = folder / CONFIG
    if not path.is_file():
        around = folder.parent.iterdir() if folder.parent.is_dir() else ()
        hint = nearest(folder.name, [run.name for run in around if (run / CONFIG).is_file()])
        what = f"it has no {CONFIG}" if folder.exists() else "there is nothing"
        raise RunError(f"{folder} is not a run folder: {what}{f'; {hint}' * bool(hint)}".rstrip())
    config = read_json(path)
    version = config.get("format")
    if not isinstance(version, int) or not isinstance(config.get("task"), str):
        raise RunError(f"{path} is damaged: it names no task or no format; train again")
    if version > FORMAT:
        raise RunError(
            f"{folder} was written by unrolled {config.get('unrolled')} (format {version}), this "
            f"version reads format {FORMAT}; upgrade unrolled"
        )
    return config


@contextmanager
def whole_run(folder: Path) -> Iterator[None]:
    """What goes wrong within, where a run is made of its files, means that it is damaged.

    Fresh weights are drawn and then replaced there; the caller's random numbers are not touched.

    Raises:
        RunError: one of these, or of `MISFITS`, was raised.
    """
    try:
        with torch.random.fork_rng():
            yield
    except RunError:
        raise
    except MISFITS as error:
        reason = str(error).splitlines()[0]
        raise RunError(
            f"{folder} is damaged: its files do not fit together ({type(error).__name__}: "
            f"{reason}); train again"
        ) from error


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object.

    Raises:
        RunError: the file is missing or is not a JSON object.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RunError(f"{path.parent} is incomplete: {path.name} is missing") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise RunError(f"{path} is damaged ({error}); train again") from None
    if not isinstance(content, dict):
        raise RunError(f"{path} is damaged: it holds no JSON object; train again")
    return content


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Tensors by name, on the CPU.

    Raises:
        RunError: the file is missing or damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not path.is_file():
        raise RunError(f"{path.parent} is incomplete: {path.name} is missing")
    try:
        return load_file(path)
    except SafetensorError as error:
        raise RunError(f"{path} is damaged ({error}); train again") from None
