"""Networks that simulate a system, and predict it one step ahead.

    simulation    h(t) = step(u(t), h(t-1)),             o(t) = c + V h(t) + D u(t)
    prediction    h(t) = step([u(t), y(t-1)], h(t-1)),   o(t) = c + V h(t)

The first sees the input alone: what it gives is a simulation from the zero state, an output-error
model. Its prediction one step ahead adds what an autoregression of its last residuals expects,

    yhat(t) = o(t) + sum over k of a_k (y(t-k) - o(t-k)),

which is fitted by least squares when the network is trained. The second reads the measured output
of the step before, which trains it and predicts one step ahead; free running, it reads its own.

Shapes: B batch, T time, I inputs, O outputs, K lags. All values are standardised.

References:
    Ljung, "System identification: theory for the user", 2nd edition, 1999, chapters 3 to 5.
    Schoukens and Ljung, "Nonlinear system identification: a user-oriented road map", IEEE
        Control Systems Magazine 39, 2019.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ...nn import FeedBack, Network, Recurrent
from ...training import Total

# Residuals that the prediction of one step may look back at.
LAGS = 16


class SimulationNetwork(nn.Module):
    """Layers over the input, a linear readout, and a linear path beside both.

    Arguments:
        recurrent: the layers, from I features to H.
        output_size: O.
        dropout: share of h that the readout does not see, in training.

    Attributes:
        memory: a_k of every output, [K, O]; zeros until `fit_memory`.
    """

    memory: Tensor

    def __init__(self, recurrent: Recurrent, output_size: int, dropout: float = 0.0):
        super().__init__()
        self.recurrent, self.dropout = recurrent, nn.Dropout(dropout)
        self.readout = nn.Linear(recurrent.output_size, output_size)
        self.through = nn.Linear(recurrent.input_size, output_size, bias=False)
        nn.init.zeros_(self.readout.bias)
        self.register_buffer("memory", torch.zeros(LAGS, output_size))

    def simulate(self, inputs: Tensor, lengths: Tensor | None = None) -> Tensor:
        """o(t) of every step, [B, T, O].

        Arguments:
            inputs: [B, T, I].
            lengths: valid steps of each record, [B]; None: all.
        """
        h, _ = self.recurrent(inputs, lengths=lengths)
        return self.readout(self.dropout(h)) + self.through(inputs)

    def trained_on(self, inputs: Tensor, outputs: Tensor, lengths: Tensor | None) -> Tensor:
        """What the loss compares with the outputs: the simulation."""
        return self.simulate(inputs, lengths)

    def one_step(self, inputs: Tensor, outputs: Tensor, lengths: Tensor | None = None) -> Tensor:
        """The output at every step from all inputs so far and the outputs before, [B, T, O]."""
        simulated = self.simulate(inputs, lengths)
        return simulated + expected(outputs - simulated, self.memory)


class PredictionNetwork(nn.Module):
    """A cell that reads the output of the step before.

    Arguments:
        cell: from I + O features.
        output_size: O.
        engine: as `unrolled.unroll` takes it.
    """

    def __init__(self, cell: Any, output_size: int, engine: Any = "auto"):
        super().__init__()
        self.network = Network(FeedBack(cell, output_size))
        self.engine = engine

    def simulate(self, inputs: Tensor, lengths: Tensor | None = None) -> Tensor:
        """o(t) of every step, the network reading its own, [B, T, O]."""
        return self.network.run(inputs, lengths=lengths, engine=self.engine).o

    def trained_on(self, inputs: Tensor, outputs: Tensor, lengths: Tensor | None) -> Tensor:
        """What the loss compares with the outputs: the prediction one step ahead."""
        return self.one_step(inputs, outputs, lengths)

    def one_step(self, inputs: Tensor, outputs: Tensor, lengths: Tensor | None = None) -> Tensor:
        """o(t) of every step, the network reading the measured y(t-1), [B, T, O]."""
        run = self.network.run(
            inputs, lengths=lengths, targets=outputs, forcing="teacher", engine=self.engine
        )
        return run.o


def squared_errors(said: Tensor, batch: dict[str, Tensor], washout: int) -> Total:
    """Squared errors of the valid steps after the washout, and how many numbers they are."""
    steps = torch.arange(said.shape[1], device=said.device)
    counted = (steps >= washout).expand(said.shape[:2])
    if "lengths" in batch:
        counted = counted & (steps < batch["lengths"][:, None])
    errors = ((said - batch["outputs"]) ** 2).masked_fill(~counted[..., None], 0.0)
    return Total(errors.sum(), counted.sum().to(errors.dtype) * said.shape[2])


def expected(residuals: Tensor, memory: Tensor) -> Tensor:
    """sum over k of a_k e(t-k), [B, T, O]; residuals before the start are zero."""
    total = torch.zeros_like(residuals)
    for k, weights in enumerate(memory[: residuals.shape[1] - 1], start=1):
        total[:, k:] += weights * residuals[:, :-k]
    return total


def fit_memory(residuals: list[Tensor], held: list[Tensor], washout: int) -> Tensor:
    """a_k of every output, [K, O], by least squares; as many of them as predict best.

    Arguments:
        residuals: of the records that are learned from, each [T, O].
        held: of those that are held out, by which the number of lags is chosen.
        washout: samples at the start of every record that do not count.
    """
    best, least = torch.zeros(LAGS, residuals[0].shape[1]), _error(held, None, washout)
    for lags in (1, 2, 4, 8, LAGS):
        memory = torch.zeros_like(best)
        for k in range(memory.shape[1]):
            past, now = _lagged([each[:, k].double() for each in residuals], lags, washout)
            if len(now) > lags:
                memory[:lags, k] = torch.linalg.lstsq(past, now[:, None]).solution[:, 0].float()
        error = _error(held, memory, washout)
        if error < least:
            best, least = memory, error
    return best


def _lagged(series: list[Tensor], lags: int, washout: int) -> tuple[Tensor, Tensor]:
    """e(t-1), ..., e(t-K) and e(t) of all steps that have so many before, [N, K] and [N]."""
    parts = [each[washout:].unfold(0, lags + 1, 1) for each in series if len(each) > washout + lags]
    rows = torch.cat(parts) if parts else torch.zeros(0, lags + 1, dtype=torch.float64)
    return rows[:, :-1].flip(1), rows[:, -1]


def _error(held: list[Tensor], memory: Tensor | None, washout: int) -> float:
    """The squared error of the prediction one step ahead."""
    left = [e if memory is None else e - expected(e[None], memory)[0] for e in held]
    return float(sum(e[washout:].double().square().sum() for e in left))
