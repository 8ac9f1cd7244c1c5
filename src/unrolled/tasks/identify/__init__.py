"""Identify a dynamical system: from what goes in, what comes out.

model.py       SystemIdentifier: fit, simulate, evaluate, save
coding.py      names and scales; plan.py: sizes and rates; encoded.py: records to windows
network.py     simulation and prediction networks
linear.py      ARX and FIR by least squares; baselines.py: what stands beside
measures.py    RMSE, fit, R2; results.py: where a model is worst
parts.py       what is held out: stretches of time
commands.py    the command line; options.py, show.py, report.py, demo.py
"""

from .model import SystemIdentifier

__all__ = ["SystemIdentifier"]
