"""Search of hyper-parameters: trials train with other values, and validation decides.

The tree-structured Parzen estimator proposes what a trial tries. It splits the trials before into
the better ones and the rest, estimates the density of the values in either, l(x) and g(x), and
takes, of values drawn from l,

    x = argmax l(x) / g(x)

The first trial has the values that training would have without a search. A trial is pruned after
an epoch if its least loss so far is above the median of the losses that the trials before had
there. A space with no more points than trials is tried in full, in order, instead.

All that a proposal depends on is the seed, the number of the trial and the trials that have
ended. So a study that was interrupted goes on to the same trials as one that was not.

References:
    Bergstra, Bardenet, Bengio and Kegl, "Algorithms for hyper-parameter optimization",
        NeurIPS 2011.
    Golovin et al., "Google Vizier: a service for black-box optimization", KDD 2017 (the median
        stopping rule).
    Akiba et al., "Optuna: a next-generation hyperparameter optimization framework", KDD 2019.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer

from ..files import held
from ..training import TrainingFailed
from ..training.checkpoint import first_difference
from .space import Range, Space, combinations, option_name

# Of an epoch, and the validation loss after it; raises Pruned if the trial is hopeless.
Report = Callable[[int, float], None]
Objective = Callable[[dict[str, Any], Report], float]

PRUNED, COMPLETE = "pruned", "complete"
# The name of the one study in a file, and of what it keeps beside its trials.
STUDY, PURPOSE, FAILED = "search", "purpose", "failed"
# Trials before any is pruned.
UNPRUNED = 5
# What ends a trial, and not the search.
FAILURES = (TrainingFailed, torch.OutOfMemoryError)
LEAST_WIDTH = 9


@dataclass
class Searching:
    """What is searched on the command line, and for how long."""

    trials: Annotated[int, typer.Option(min=1, help="In all, with those of the study.")] = 20
    study: Annotated[
        str,
        typer.Option(help="File of trials. Default OUTPUT/NAME-study.jsonl.", show_default=False),
    ] = ""
    search: Annotated[
        list[str] | None,
        typer.Option(help="NAME=A..B or NAME=A,B,C; may be repeated.", show_default=False),
    ] = None


class Pruned(Exception):
    """A trial is hopeless; raised by a report, through training, and caught by the search."""


@dataclass(frozen=True)
class Trial:
    """One training with values from the space.

    Attributes:
        number: from 1.
        parameters: the values, by name.
        loss: of the kept epoch on validation; the last one of a pruned trial; NaN of a failed one.
        seconds: that it took.
        ended: "complete", "pruned", or why it failed.
        best: whether no trial before was as good.
    """

    number: int
    parameters: dict[str, Any]
    loss: float
    seconds: float
    ended: str
    best: bool


@dataclass(frozen=True)
class Tuned:
    """What a search found.

    Attributes:
        trials: all that have ended, in order.
        taken_up: how many of them were in the study before.
    """

    trials: tuple[Trial, ...]
    taken_up: int

    @property
    def best(self) -> Trial:
        """The trial of the least loss.

        Raises:
            TrainingFailed: all trials failed.
        """
        best = [trial for trial in self.trials if trial.best]
        if not best:
            raise TrainingFailed(
                f"all {len(self.trials)} trials failed, the last one because "
                f"{self.trials[-1].ended}; search among other values, with another study"
            )
        return best[-1]


class SearchListener:
    """Told of what happens in a search; does nothing by itself."""

    def began(self, trials: tuple[Trial, ...], wanted: int) -> None:
        """The search begins, or goes on after `trials`, to `wanted` in all."""

    def ended(self, trial: Trial) -> None:
        """A trial has ended."""


def search(
    objective: Objective,
    space: Space,
    trials: int = 20,
    study: Path | None = None,
    *,
    purpose: Mapping[str, Any] | None = None,
    seed: int = 0,
    start: Mapping[str, Any] | None = None,
    warm_up: int = 1,
    listener: SearchListener | None = None,
) -> Tuned:
    """Look for the values of least loss.

    Arguments:
        objective: trains with given values and returns the loss. It calls its second argument
            after every epoch.
        space: what to search, by name.
        trials: how many in all; fewer where the space has fewer points.
        study: the file that keeps the trials. If it is there, the search goes on from it; trials
            that were under way when it was left are not counted.
        purpose: what is searched for what, as JSON holds it: a study of another purpose is
            refused.
        seed: of the proposals.
        start: values of the first trial; those outside of the space are moved to its border.
        warm_up: the first epoch after which a trial may be pruned.

    Raises:
        ValueError: optuna is not installed; the file is no study, is of another purpose, or is
            in use.
    """
    optuna = import_optuna()
    listener = listener or SearchListener()
    with _silent(optuna), _opened(optuna, study, dict(purpose or {})) as opened:
        opened.pruner = optuna.pruners.MedianPruner(UNPRUNED, warm_up)
        run = _Search(optuna, opened, space, trials, seed, start or {})
        before = run.ended()
        listener.began(before, run.wanted)
        while not run.is_over():
            run.try_one(objective)
            listener.ended(run.ended()[-1])
        return Tuned(run.ended(), len(before))


def import_optuna() -> Any:
    """The package optuna.

    Raises:
        ValueError: it is not installed.
    """
    try:
        import optuna
    except ImportError:
        raise ValueError("optuna is not installed; pip install 'unrolled[tune]'") from None
    return optuna


class _Search:
    """A search over a study of optuna's: what is tried next, and what has ended."""

    def __init__(
        self, optuna: Any, study: Any, space: Space, trials: int, seed: int, start: Mapping
    ):
        self.optuna, self.study, self.space = optuna, study, space
        self.seed, self.start = seed, start
        self.grid = combinations(space, trials)
        self.wanted = trials if self.grid is None else len(self.grid)
        self.distributions = {n: _distribution(optuna, part) for n, part in space.items()}

    def ended(self) -> tuple[Trial, ...]:
        """The trials that count: those that were killed do not."""
        states, least = self.optuna.trial.TrialState, math.inf
        trials = []
        for kept in self.study.get_trials(deepcopy=False):
            reason = {states.COMPLETE: COMPLETE, states.PRUNED: PRUNED}.get(kept.state)
            reason = reason or kept.user_attrs.get(FAILED)
            if reason is None or not kept.state.is_finished():
                continue
            best = reason == COMPLETE and kept.value < least
            least = kept.value if best else least
            trials.append(
                Trial(
                    number=len(trials) + 1,
                    parameters=self._parameters(kept.params),
                    loss=math.nan if kept.value is None else kept.value,
                    seconds=kept.duration.total_seconds(),
                    ended=reason,
                    best=best,
                )
            )
        return tuple(trials)

    def is_over(self) -> bool:
        return not self._untried() if self.grid is not None else len(self.ended()) >= self.wanted

    def try_one(self, objective: Objective) -> None:
        """One more trial."""
        states, study = self.optuna.trial.TrialState, self.study
        trial = self._ask()

        def report(epoch: int, loss: float) -> None:
            if math.isfinite(loss):
                trial.report(loss, epoch)
                if trial.should_prune():
                    raise Pruned

        try:
            loss = float(objective(self._parameters(trial.params), report))
            if not math.isfinite(loss):
                raise TrainingFailed(f"its validation loss is {loss}")
        except Pruned:
            study.tell(trial, state=states.PRUNED)
        except FAILURES as error:
            trial.set_user_attr(FAILED, " ".join(str(error).split()))
            study.tell(trial, state=states.FAIL)
        else:
            study.tell(trial, loss)

    def _ask(self) -> Any:
        number = len(self.ended())
        own = np.random.SeedSequence((self.seed, number)).generate_state(1)
        self.study.sampler = self.optuna.samplers.TPESampler(seed=int(own[0]))
        waiting = self.study.get_trials(states=(self.optuna.trial.TrialState.WAITING,))
        given = self._given(number)
        # A search that was killed right here has left its trial waiting.
        if given and not waiting:
            self.study.enqueue_trial(given)
        return self.study.ask(self.distributions)

    def _given(self, number: int) -> dict[str, Any]:
        """Values that are not left to the sampler."""
        if self.grid is not None:
            return self._untried()[0]
        if number:
            return {}
        near = {n: self.space[n].nearest(v) for n, v in self.start.items() if v is not None}
        return {name: value for name, value in near.items() if value is not None}

    def _untried(self) -> list[dict[str, Any]]:
        tried = [trial.parameters for trial in self.ended()]
        return [point for point in self.grid or () if point not in tried]

    def _parameters(self, drawn: Mapping[str, Any]) -> dict[str, Any]:
        return {name: part.short(drawn[name]) for name, part in self.space.items()}


def _distribution(optuna: Any, part: Any) -> Any:
    kinds = optuna.distributions
    if not isinstance(part, Range):
        return kinds.CategoricalDistribution(part.options)
    kind = kinds.IntDistribution if part.is_whole else kinds.FloatDistribution
    return kind(part.low, part.high, log=part.is_logarithmic)


@contextmanager
def _silent(optuna: Any) -> Iterator[None]:
    """Keep optuna from logging to standard error what the search says itself."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


@contextmanager
def _opened(optuna: Any, path: Path | None, purpose: dict[str, Any]) -> Iterator[Any]:
    """The study of a file, which is this process's own meanwhile; in memory without a file."""
    if path is None:
        yield optuna.create_study()
        return
    _check_journal(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    refusal = f"{path} is in use by another search; wait for its end, or use another --study"
    with held(path, refusal):
        journal = optuna.storages.journal.JournalFileBackend(str(path), _Held())
        storage = optuna.storages.JournalStorage(journal)
        known = optuna.get_all_study_names(storage)
        open_study = optuna.load_study if STUDY in known else optuna.create_study
        study = open_study(storage=storage, study_name=STUDY)
        _check_purpose(study.user_attrs.get(PURPOSE), purpose, path)
        if PURPOSE not in study.user_attrs:
            study.set_user_attr(PURPOSE, purpose)
        states = optuna.trial.TrialState
        for trial in study.get_trials(states=(states.RUNNING,)):
            study.tell(trial.number, state=states.FAIL)
        yield study


class _Held:
    """The lock of a journal whose file is locked as a whole: nothing to wait for."""

    def acquire(self) -> bool:
        return True

    def release(self) -> None:
        pass


def _check_journal(path: Path) -> None:
    """Refuse a file that is no study; cut off a last line that was not written to its end."""
    content = path.read_bytes() if path.exists() else b""
    whole = content[: content.rfind(b"\n") + 1]
    try:
        entries = [json.loads(line) for line in whole.splitlines()]
        is_study = all("op_code" in entry for entry in entries)
    except (ValueError, TypeError):
        is_study = False
    if not is_study or (content and not whole):
        raise ValueError(f"{path} is not a study, or is damaged; use another --study")
    if len(whole) < len(content):
        with path.open("r+b") as file:
            file.truncate(len(whole))


def _check_purpose(there: dict[str, Any] | None, purpose: dict[str, Any], path: Path) -> None:
    if there is None or there == purpose:
        return
    raise ValueError(
        f"{path} is a study of another purpose ({first_difference(there, purpose)}); use the same "
        "arguments and data, or another --study"
    )


def header(space: Space) -> str:
    """The names of the columns of `row`."""
    cells = (f"{option_name(name):>{_width(name, part)}}" for name, part in space.items())
    return f"{'loss':>9}{''.join(cells)}{'s':>7}"


def row(trial: Trial, space: Space) -> str:
    """`7   0.2134   32   0.211   0.00412   1.3 *`: number, loss, parameters, seconds, remark."""
    loss = "" if math.isnan(trial.loss) else f"{trial.loss:.4f}"
    values = (f"{trial.parameters[name]!s:>{_width(name, part)}}" for name, part in space.items())
    remark = {COMPLETE: " *" if trial.best else "", PRUNED: " pruned"}
    ended = remark.get(trial.ended, f" failed: {trial.ended}")
    return f"{trial.number:>9} {loss:>9}{''.join(values)}{trial.seconds:>7.1f}{ended}"


def _width(name: str, part: Any) -> int:
    words = [] if isinstance(part, Range) else [len(str(option)) for option in part.options]
    return max(len(name), LEAST_WIDTH, *words) + 2


def typed(parameters: Mapping[str, Any]) -> str:
    """`--hidden-size 32 --dropout 0.211`: as the options of `train`."""
    return " ".join(f"--{option_name(name)} {value}" for name, value in parameters.items())
