"""Search of a forecaster's hyper-parameters on the validation part.

The test part is never seen: what is searched on is what `Forecaster.fit` gets, and a trial is
judged by the validation loss of the epoch that it kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...data import SeriesSet
from ...naming import one_of
from ...training import Epoch
from ..learning import Listener
from ..space import Choices, Part, Range, Space, corners, parse_space, searchable
from ..training import INTERRUPTED
from ..tuning import Report, SearchListener, Trial, Tuned, header, row, search, typed
from .console import Console
from .forecaster import Forecaster, as_series
from .options import Modelling
from .plan import FEW, MANY, Plan
from .saving import purpose
from .scaling import MANY_SERIES

# What may be searched. Losses over another horizon, other quantiles or another validation part
# cannot be compared, and device and engine do not change them.
SEARCHED = (
    "cell",
    "decoder",
    "forcing",
    "initialisation",
    "hidden_size",
    "dropout",
    "learning_rate",
    "weight_decay",
    "updates",
    "epochs",
    "patience",
    "batch_size",
)
# What is searched if nothing is said. More updates always take longer, and the best epoch is kept
# in any case, so their number is not among it. The sizes are few, because a kernel is compiled for
# each, which may take as long as a trial.
DEFAULT_SPACE: dict[str, Part] = {
    "hidden_size": Choices((8, 16, 32, 64, 128)),
    "dropout": Range(0.0, 0.5),
    "learning_rate": Range(1e-3, 3e-2),
    "weight_decay": Range(1e-4, 0.3),
}
# No trial is pruned in this share of its epochs.
UNPRUNED_SHARE = 0.25


def chosen_space(forecaster: Forecaster, texts: list[str] | None) -> dict[str, Part]:
    """The space that `--search` says; without it, whatever of the usual space is not set."""
    if texts:
        return parse_space(texts, searchable(Modelling, SEARCHED))
    free = {n: part for n, part in DEFAULT_SPACE.items() if getattr(forecaster, n) is None}
    if not free:
        raise ValueError(
            "there is nothing to search: all that is searched by itself is set; say what to "
            "search, as in --search cell=lstm,gru"
        )
    return free


def with_parameters(forecaster: Forecaster, parameters: Mapping[str, Any]) -> Forecaster:
    """A new forecaster with some arguments changed."""
    return Forecaster(**{**forecaster.get_params(deep=False), **parameters})


def tune(
    forecaster: Forecaster,
    data: Any,
    space: Space | None = None,
    trials: int = 20,
    study: str | Path | None = None,
    listener: SearchListener | None = None,
) -> Tuned:
    """Look for the arguments with which a forecaster's validation loss is least.

    `with_parameters(forecaster, tuned.best.parameters).fit(data)` is the best trial once more.

    Arguments:
        forecaster: what all trials share; where the search begins.
        data: as `Forecaster.fit` takes it: without the part to test on.
        space: what to search, by the names of the forecaster's arguments.
        trials, study: as in `tasks.tuning.search`.
        listener: told of the trials.

    Raises:
        ValueError: the space has values that the forecaster refuses; or as in `search`.
        DataError: series are too short for the horizon.
    """
    space = chosen_space(forecaster, None) if space is None else space
    data = as_series(data)
    _check(forecaster, data, space)

    def loss(parameters: dict[str, Any], report: Report) -> float:
        trial = with_parameters(forecaster, parameters)
        trial.fit(data, listener=_Reporting(report))
        if trial.history_.ended == INTERRUPTED:
            raise KeyboardInterrupt
        return trial.history_.best.validation["loss"]

    searched = " ".join(f"{name}={part}" for name, part in space.items())
    return search(
        loss,
        space,
        trials,
        None if study is None else Path(study),
        purpose=purpose(forecaster, data, search=searched),
        seed=forecaster.seed,
        start=_start(forecaster, data, space),
        warm_up=max(1, round(UNPRUNED_SHARE * forecaster.epochs)),
        listener=listener,
    )


class _Reporting(Listener):
    """Reports the validation loss after each epoch; epoch 0 has learnt nothing yet."""

    def __init__(self, report: Report):
        self.report = report

    def validated(self, forecaster: Forecaster, epoch: Epoch) -> None:
        if epoch.epoch:
            self.report(epoch.epoch, epoch.validation["loss"])


class _Ready(Exception):
    """The data were read and split."""


class _UntilSplit(Listener):
    """Ends a fit as soon as it is known that the data suit it."""

    def started(self, forecaster: Forecaster) -> None:
        raise _Ready


def _check(forecaster: Forecaster, data: SeriesSet, space: Space) -> None:
    """Raise what a trial would raise, before anything is written."""
    for name in space:
        one_of(name, SEARCHED, "space")
    for point in corners(space):
        with_parameters(forecaster, point).check_arguments()
    try:
        with_parameters(forecaster, {}).fit(data, listener=_UntilSplit())
    except _Ready:
        return


def _start(forecaster: Forecaster, data: SeriesSet, space: Space) -> dict[str, Any]:
    """What the forecaster would use without a search."""
    plan = MANY if len(forecaster.long_enough(data)) >= MANY_SERIES else FEW
    start = {name: getattr(forecaster, name) for name in space}
    by_data = {name: getattr(plan, name) for name in Plan.__dataclass_fields__}
    return {name: by_data.get(name) if v is None else v for name, v in start.items()}


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


def search_and_tell(
    forecaster: Forecaster, data: SeriesSet, space: Space, trials: int, study: Path, quiet: bool
) -> Tuned:
    """`tune`, printed."""
    log = SearchLog(Console(quiet), space, study)
    try:
        tuned = tune(forecaster, data, space, trials, study, log)
    except KeyboardInterrupt:
        log.stopped()
        raise
    log.found(tuned.best)
    return tuned
