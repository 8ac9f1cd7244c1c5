"""What is searched of a forecaster."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..space import Choices, Range, Space
from ..trials import Searched
from ..trials import tune as tune_estimator
from ..tuning import SearchListener, Tuned
from .forecaster import Forecaster, as_series
from .plan import Plan, plan_for
from .saving import purpose

# More updates always take longer, and the best epoch is kept in any case, so their number is not
# in the usual space. The sizes are few, because a kernel is compiled for each, which may take as
# long as a trial.
SEARCHED_NAMES = (
    "cell",
    "decoder",
    "forcing",
    "initialisation",
    "hidden_size",
    "num_layers",
    "dropout",
    "learning_rate",
    "weight_decay",
    "updates",
    "epochs",
    "patience",
    "batch_size",
)
USUAL = {
    "hidden_size": Choices((8, 16, 32, 64, 128)),
    "dropout": Range(0.0, 0.5),
    "learning_rate": Range(1e-3, 3e-2),
    "weight_decay": Range(1e-4, 0.3),
}


def tune(
    forecaster: Forecaster,
    data: Any,
    space: Space | None = None,
    trials: int = 20,
    study: str | Path | None = None,
    listener: SearchListener | None = None,
) -> Tuned:
    """Look for the arguments with which a forecaster's validation loss is least.

    Arguments and errors are those of `tasks.trials.tune`.
    """
    return tune_estimator(forecaster, as_series(data), SEARCHED, space, trials, study, listener)


def _start(forecaster: Forecaster, data: Any) -> dict[str, Any]:
    """What the forecaster would use without a search."""
    plan = plan_for(forecaster.long_enough(data))
    start = {name: getattr(forecaster, name) for name in SEARCHED_NAMES}
    by_data = {name: getattr(plan, name) for name in Plan.__dataclass_fields__}
    return {name: by_data.get(name) if v is None else v for name, v in start.items()}


SEARCHED = Searched(
    SEARCHED_NAMES, USUAL, Forecaster, _start, purpose, lambda forecaster, data: forecaster.epochs
)
