"""Linear models of a system, by regularised least squares.

    ARX   y(t) = sum over i of A_i y(t-i) + sum over j of B_j u(t-j) + c,  i = 1 ... n, j = 0 ... m
    FIR   the same with n = 0

One step ahead an ARX model reads the measured y; simulating, its own. The normal equations of the
largest order hold those of every smaller one, so that all orders cost one pass over the data.

Shapes: T samples of a record, I inputs, O outputs, K = n O + (m + 1) I + 1 weights.

Reference:
    Ljung, "System identification: theory for the user", 2nd edition, 1999, section 4.2.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

Pair = tuple[np.ndarray, np.ndarray]  # u [T, I], y [T, O]
# Rows of regressors that are held at once.
CHUNK = 8192


@dataclass(frozen=True, eq=False)
class LinearModel:
    """An ARX model, or with n = 0 a FIR model.

    Attributes:
        n, m: lags of the output, and of the input beside the sample itself.
        weights: of y(t-1) ... y(t-n), u(t) ... u(t-m) and 1, [K, O].
    """

    n: int
    m: int
    weights: np.ndarray

    def one_step(self, u: np.ndarray, y: np.ndarray) -> np.ndarray:
        """The output one step ahead, [T, O]; samples before the start are zero."""
        parts = regressors(u, y, self.n, self.m)
        return np.concatenate([rows @ self.weights for rows in parts])

    def simulate(self, u: np.ndarray) -> np.ndarray:
        """The output from the input alone, [T, O]; infinite where it diverges."""
        size = self.weights.shape[1]
        silent = np.zeros((len(u), size))
        # With outputs of zero only the input and the constant drive it.
        drive = self.one_step(u, silent)
        if not self.n:
            return drive
        feedback = self.weights[: self.n * size]
        if size == 1:
            return _filtered(drive, feedback[:, 0])
        return _recursed(drive, feedback.reshape(self.n, size, size))


def _filtered(drive: np.ndarray, feedback: np.ndarray) -> np.ndarray:
    from scipy.signal import lfilter

    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(lfilter([1.0], np.concatenate([[1.0], -feedback]), drive, axis=0))


def _recursed(drive: np.ndarray, feedback: np.ndarray) -> np.ndarray:
    """The same of several outputs, each of which feeds back to all: feedback [n, O, O]."""
    n, size, _ = feedback.shape
    stacked = feedback[::-1].reshape(n * size, size)
    y = np.zeros((len(drive) + n, size))
    with np.errstate(over="ignore", invalid="ignore"):
        for t, driven in enumerate(drive):
            y[t + n] = driven + y[t : t + n].ravel() @ stacked
    return y[n:]


def regressors(u: np.ndarray, y: np.ndarray, n: int, m: int) -> Iterator[np.ndarray]:
    """Rows of what an ARX model reads, [rows, K], some thousands at a time."""
    before = np.concatenate([np.zeros((n, y.shape[1])), y])  # y(t-n) at t
    past = np.concatenate([np.zeros((m, u.shape[1])), u])  # u(t-m) at t
    for first in range(0, len(u), CHUNK):
        stop = min(first + CHUNK, len(u))
        columns = [before[first + n - i : stop + n - i] for i in range(1, n + 1)]
        columns += [past[first + m - j : stop + m - j] for j in range(m + 1)]
        yield np.concatenate([*columns, np.ones((stop - first, 1))], axis=1)


@dataclass(frozen=True, eq=False)
class Equations:
    """Normal equations X'X w = X'y of the largest order; records without their first samples.

    Attributes:
        n, m: of the largest order.
        gram: [K, K].
        moments: [K, O].
        inputs, outputs: I and O.
    """

    n: int
    m: int
    gram: np.ndarray
    moments: np.ndarray
    inputs: int
    outputs: int

    @classmethod
    def of(cls, pairs: Sequence[Pair], n: int, m: int) -> Equations:
        """Add up over records."""
        inputs, outputs = pairs[0][0].shape[1], pairs[0][1].shape[1]
        size = n * outputs + (m + 1) * inputs + 1
        gram, moments = np.zeros((size, size)), np.zeros((size, outputs))
        for u, y in pairs:
            # The first samples have not all their lags.
            skip, place = max(n, m), 0
            for rows in regressors(u, y, n, m):
                kept = slice(max(0, skip - place), len(rows))
                X, Y = rows[kept], y[place : place + len(rows)][kept]
                gram, moments, place = gram + X.T @ X, moments + X.T @ Y, place + len(rows)
        return cls(n, m, gram, moments, inputs, outputs)

    def solve(self, n: int, m: int, ridge: float) -> LinearModel:
        """The model of an order up to the largest.

        Arguments:
            ridge: of ridge regression, in mean squares of the regressors: an input without high
                frequencies leaves the weights undetermined otherwise.
        """
        past = self.n * self.outputs
        kept = [*range(n * self.outputs), *range(past, past + (m + 1) * self.inputs)]
        kept.append(len(self.gram) - 1)
        gram = self.gram[np.ix_(kept, kept)]
        penalty = ridge * np.trace(gram) / len(gram) * np.eye(len(gram))
        return LinearModel(n, m, np.linalg.solve(gram + penalty, self.moments[kept]))
