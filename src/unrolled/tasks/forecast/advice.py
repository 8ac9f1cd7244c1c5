"""What to try when a model does not beat a simple forecast."""

from .card import is_beaten
from .forecaster import Forecaster
from .results import Backtest


def advice_for(forecaster: Forecaster, backtest: Backtest) -> list[str]:
    """Two things to try if a baseline is better than the model, else nothing."""
    return [f"try {hint}" for hint in _hints(forecaster)[:2]] if is_beaten(backtest) else []


def _hints(forecaster: Forecaster) -> list[str]:
    """Things to try, the most promising first."""
    history, fitted = forecaster.history_, forecaster.fitted_
    best, last = history.best.epoch, history.epochs[-1].epoch
    hints = []
    if best == last and last > 0:
        longer = 2 * forecaster.plan_.updates
        hints.append(f"--updates {longer}: the best epoch was the last, so training was too short")
    if best <= 1 and last > 1:
        dropout = round((1 + forecaster.plan_.dropout) / 2, 2)
        hints.append(
            f"--hidden-size {max(4, forecaster.plan_.hidden_size // 2)} --dropout {dropout}: "
            "validation was best at the start, so the network learned noise"
        )
    if not fitted.schema.future:
        hints.append("--future with columns that are known in advance, such as holidays or plans")
    if not fitted.schema.past:
        hints.append("other columns as past covariates: the table has only the target")
    hints.append("--decoder recurrent: a second network that runs over the horizon")
    return hints
