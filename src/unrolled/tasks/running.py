"""One command that trains: its run folder, what it prints, what it resumes.

The main process says and writes; the others of a shared training compute.
"""

from __future__ import annotations

import platform
import re
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from .. import __version__
from ..files import write_text
from ..training import History, Machine
from ..training.board import check_tensorboard
from ..training.machine import started_rank
from .console import Console, TrainingLog
from .runs import METRICS, RunError, check_writable, read_json
from .training import Found, Place, Running, find_unfinished, make_place

MakeLog = Callable[[Console, Callable[[], Place], bool], TrainingLog]


def check_running(running: Running) -> None:
    """Raise what is wrong with where a run is to be kept, before anything takes time.

    Raises:
        RunError: nothing can be written there.
        ValueError: TensorBoard is wanted and not installed.
    """
    check_writable(running.output)
    if running.tensorboard:
        check_tensorboard()
    if running.threads:
        torch.set_num_threads(running.threads)


def train_in_run_folder(
    fit: Callable[[TrainingLog], Any],
    report: Callable[[TrainingLog], None],
    make_log: MakeLog,
    *,
    name: str,
    purpose: dict[str, Any],
    running: Running,
    device: torch.device,
    takes_up: bool = False,
) -> None:
    """Fit as a listener's log says, and report in the main process.

    Arguments:
        fit: fits the estimator, with the log for its listener.
        report: tests, and writes what people read.
        make_log: makes the log from a console, the maker of its place, and whether a board is
            wanted.
        name: of run folders.
        purpose: what tells this training from others.
        takes_up: whether a run that is there already is gone on with though nobody asked.
    """
    is_main = started_rank() == 0
    console = Console(running.quiet or not is_main)
    found = _found(running, name, purpose, takes_up, console) if is_main else Found(None, "")
    machine = Machine(device)
    # The others must not begin what the main process finds complete.
    if machine.from_main(found.complete):
        if running.quiet and is_main:
            console.plain(str(found.folder))
        machine.leave()
        return
    place = lambda: make_place(found.folder, name, running, purpose, command(), machine)  # noqa: E731
    with make_log(console, place, running.tensorboard and is_main) as log:
        fit(log)
        machine.leave()
        if is_main:
            report(log)


def write_results(log: TrainingLog, card: str, metrics: dict[str, Any]) -> None:
    """Write the model card and, last of all files, the metrics: then the run is finished."""
    write_text(log.folder / "README.md", card)
    log.place.finish(metrics)


def metrics_of(history: History, typed: str, **tested: Any) -> dict[str, Any]:
    """What metrics.json holds: the log of training, and the scores that are given."""
    return {
        "command": typed,
        "seconds": history.seconds,
        "ended": history.ended,
        "epochs": [vars(epoch) for epoch in history.epochs],
        "updates": history.by_update(),
        **tested,
        "versions": {
            "unrolled": __version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
    }


def log_of(run: Path) -> History | None:
    """The log of training in a run folder; None where it holds none.

    Raises:
        RunError: it is damaged.
    """
    if not (run / METRICS).exists():
        return None
    metrics = read_json(run / METRICS)
    if "epochs" not in metrics or "updates" not in metrics:
        return None
    try:
        log = History.from_state(metrics)
    except (TypeError, AttributeError, KeyError, ValueError) as error:
        raise RunError(f"{run / METRICS} is damaged: its log cannot be read ({error})") from None
    log.ended = metrics.get("ended", "")
    return log


def command() -> str:
    """What was typed, to be repeated."""
    return shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]])


def slug(name: str) -> str:
    """A name for a folder: letters, digits and dashes, without the ending of a file."""
    bare = re.sub(r"(\.[A-Za-z]\w{0,6})+$", "", name)
    kept = "".join(c if c.isalnum() else "-" for c in bare)
    return "-".join(part for part in kept.split("-") if part) or "run"


def _found(
    running: Running, name: str, purpose: dict[str, Any], takes_up: bool, console: Console
) -> Found:
    """The run to go on with, said; none where a new one is wanted."""
    found = find_unfinished(running.output, name, purpose)
    if running.resume or (takes_up and found.folder):
        console.line("resume", found.text)
    elif found.folder and not found.complete:
        console.line("note", f"{found.text}: --resume goes on with it; this is a new run")
    return found if running.resume or takes_up else Found(None, "")
