"""Forecasting: what comes next in a table of measurements.

forecaster.py  Forecaster: the estimator that users call
fitting.py     one fit, in the order of its steps; objective.py what training minimises
fitted.py      Fitted: a trained model in use: predict, backtest
scaling.py     units, logarithm, covariates: what is learned before the network
frame.py       a table as dense tensors; dense.py fills and averages them
linear.py      linear autoregression in closed form, with left-out blocks
model.py       the network: a mix of simple forecasts, and what they leave over
plan.py        sizes and rates by the amount of data; what a model is built from
chunks.py      pieces of series that the network reads; windows.py where it forecasts
baselines.py   simple forecasts to beat; metrics.py how good forecasts are
results.py     Forecast and Backtest: what users get
saving.py      run folders; report.py and card.py what people read of them
commands.py    the command line; options.py its options, console.py what it prints,
               advice.py what to try when a baseline wins
"""

from .fitting import Listener
from .forecaster import Forecaster
from .results import Backtest, Forecast

__all__ = ["Backtest", "Forecast", "Forecaster", "Listener"]
