"""Search of an estimator's hyper-parameters on the validation part.

The test part is never seen: what is searched on is what `fit` gets, and a trial is judged by the
validation loss of the epoch that it kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..naming import one_of
from ..training import Epoch
from ..training.machine import started_processes
from .console import Console
from .learning import Listener
from .runs import check_writable
from .space import Part, Space, corners, parse_space, searchable
from .training import INTERRUPTED, Running
from .tuning import Report, Searching, SearchListener, Trial, Tuned, header, row, search, typed

# No trial is pruned in this share of its epochs.
UNPRUNED_SHARE = 0.25


@dataclass(frozen=True)
class Searched:
    """What may be searched of an estimator, and where a search begins.

    Attributes:
        names: of arguments. Losses over other data or of another kind cannot be compared, and
            device and engine do not change them: these are not among them.
        space: what is searched if nobody says.
        options: the group of options that has their types.
        start: what an estimator would use for data without a search, by name.
        purpose: what tells a search from others: of an estimator, data, and further facts.
        epochs: how many a trial of an estimator has, for data.
    """

    names: Sequence[str]
    space: Space
    options: type
    start: Callable[[Any, Any], Mapping[str, Any]]
    purpose: Callable[..., dict[str, Any]]
    epochs: Callable[[Any, Any], int]

    def chosen_space(self, model: Any, texts: list[str] | None) -> dict[str, Part]:
        """The space that `--search` says; without it, whatever of the usual space is not set."""
        if texts:
            return parse_space(texts, searchable(self.options, self.names))
        free = {n: part for n, part in self.space.items() if getattr(model, n) is None}
        if not free:
            raise ValueError(
                "there is nothing to search: all that is searched by itself is set; say what to "
                "search, as in --search cell=lstm,gru"
            )
        return free


def with_parameters(model: Any, parameters: Mapping[str, Any]) -> Any:
    """A new estimator with some arguments changed."""
    return type(model)(**{**model.get_params(deep=False), **parameters})


def tune(
    model: Any,
    data: Any,
    searched: Searched,
    space: Space | None = None,
    trials: int = 20,
    study: str | Path | None = None,
    listener: SearchListener | None = None,
) -> Tuned:
    """Look for the arguments with which an estimator's validation loss is least.

    `with_parameters(model, tuned.best.parameters).fit(data)` is the best trial once more.

    Arguments:
        model: what all trials share; where the search begins.
        data: as its `fit` takes them: without the part to test on.
        searched: what may be searched.
        space: what to search, by the names of its arguments.
        trials, study: as in `tasks.tuning.search`.
        listener: told of the trials.

    Raises:
        ValueError: the space has values that the estimator refuses; or as in `search`.
        DataError: the data cannot be learned from.
    """
    space = searched.chosen_space(model, None) if space is None else space
    _check(model, data, searched, space)

    def loss(parameters: dict[str, Any], report: Report) -> float:
        trial = with_parameters(model, parameters)
        trial.fit(data, listener=_Reporting(report))
        if trial.history_.ended == INTERRUPTED:
            raise KeyboardInterrupt
        return trial.history_.best.validation["loss"]

    shown = " ".join(f"{name}={part}" for name, part in space.items())
    start = searched.start(model, data)
    return search(
        loss,
        space,
        trials,
        None if study is None else Path(study),
        purpose=searched.purpose(model, data, search=shown),
        seed=model.seed,
        start={name: start[name] for name in space},
        warm_up=max(1, round(UNPRUNED_SHARE * searched.epochs(model, data))),
        listener=listener,
    )


class _Reporting(Listener):
    """Reports the validation loss after each epoch; epoch 0 has learnt nothing yet."""

    def __init__(self, report: Report):
        self.report = report

    def validated(self, learner: Any, epoch: Epoch) -> None:
        if epoch.epoch:
            self.report(epoch.epoch, epoch.validation["loss"])


class _Ready(Exception):
    """The data were read and split."""


class _UntilSplit(Listener):
    """Ends a fit as soon as it is known that the data suit it."""

    def started(self, learner: Any) -> None:
        raise _Ready


def _check(model: Any, data: Any, searched: Searched, space: Space) -> None:
    """Raise what a trial would raise, before anything is written."""
    for name in space:
        one_of(name, searched.names, "space")
    for point in corners(space):
        with_parameters(model, point).check_arguments()
    try:
        with_parameters(model, {}).fit(data, listener=_UntilSplit())
    except _Ready:
        return


class SearchLog(SearchListener):
    """Prints a search, a row a trial."""

    def __init__(self, console: Console, space: Space, study: Path):
        self.console, self.space, self.study = console, space, study
        self.trials: list[Trial] = []
        self.wanted = 0

    def began(self, trials: tuple[Trial, ...], wanted: int) -> None:
        self.wanted = wanted
        parts = ", ".join(f"{name.replace('_', '-')} {p}" for name, p in self.space.items())
        self.console.line("search", parts)
        done = f", {len(trials)} are done" if trials else ""
        self.console.line("study", f"{self.study}: {wanted} trials{done}")
        self.console.line("trial", header(self.space))
        for trial in trials:
            self.ended(trial)

    def ended(self, trial: Trial) -> None:
        self.trials.append(trial)
        if not self.console.quiet:
            self.console.plain(row(trial, self.space))

    def stopped(self) -> None:
        """Say that the search was interrupted."""
        if self.wanted:
            done = f"{len(self.trials)} of {self.wanted} trials are done"
            self.console.line("stopped", f"{done}; the same command goes on")

    def found(self, best: Trial) -> None:
        """Say what is trained next."""
        self.console.line("best", f"trial {best.number}: {typed(best.parameters)}")


def check_searching() -> None:
    """Raise ValueError where several processes were started, which a search cannot share."""
    if (processes := started_processes()) > 1:
        raise ValueError(f"tune runs in one process, got {processes}; start it without torchrun")


def search_and_tell(
    model: Any, data: Any, searched: Searched, searching: Searching, running: Running, name: str
) -> tuple[Any, bool]:
    """Search as the command line says, printed.

    Arguments:
        name: of the file of trials, where none is given.

    Returns:
        The estimator of the best trial, and whether a study was gone on with.
    """
    space = searched.chosen_space(model, searching.search)
    study = Path(searching.study or running.output / f"{name}-study.jsonl")
    for folder in (running.output, study.parent):
        check_writable(folder)
    log = SearchLog(Console(running.quiet), space, study)
    try:
        tuned = tune(model, data, searched, space, searching.trials, study, log)
    except KeyboardInterrupt:
        log.stopped()
        raise
    log.found(tuned.best)
    return with_parameters(model, tuned.best.parameters), tuned.taken_up > 0
