"""Forecasting: what comes next in a table of measurements.

forecaster.py  Forecaster: the estimator, and the order of its steps
fitted.py      Fitted: a trained model in use: predict, backtest
scaling.py     units, logarithm, covariates: what is learned before the network
frame.py       a table as dense tensors; dense.py fills and averages them
linear.py      linear autoregression in closed form, with left-out blocks
model.py       the network: a mix of simple forecasts, and what they leave over
plan.py        sizes and rates by the amount of data; what a model is built from
chunks.py      pieces of series that the network reads; windows.py where it forecasts
fitting.py     what training minimises, and the mix that it starts from
baselines.py   simple forecasts to beat; metrics.py how good forecasts are
results.py     Forecast and Backtest: what users get
saving.py      run folders
"""

from .forecaster import Forecaster, Listener
from .results import Backtest, Forecast

__all__ = ["Backtest", "Forecast", "Forecaster", "Listener"]
