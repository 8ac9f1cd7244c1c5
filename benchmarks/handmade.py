"""What the engine is measured with: an LSTM written by hand, a loop of multiply-adds."""

import ctypes
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from timing import Timed
from unrolled.cells import LSTM
from unrolled.engines.native import build
from unrolled.engines.native.kernel import Run
from unrolled.engines.native.kernels import kernel_of

FOLDER = Path(__file__).parent
# Multiply-adds that the loop below makes in one call and thread, for each number of a register.
ROUNDS, CHAINS = 600_000, 12


@cache
def compiled(name: str, *options: str) -> ctypes.CDLL:
    found = build.compiler()
    assert found is not None, "a C++ compiler is needed"
    library = Path(tempfile.mkdtemp()) / f"{name}.so"
    flags = ("-O3", "-march=native", "-fopenmp", "-shared", "-fPIC", *options)
    subprocess.run([found.path, *flags, "-o", library, FOLDER / f"{name}.cpp"], check=True)
    return ctypes.CDLL(str(library))


def peak() -> tuple[Timed, float]:
    """A loop of multiply-adds on registers, and the millions of operations in one call."""
    width, _ = build.registers()
    library, threads = compiled("peak", f"-DBYTES={width}"), torch.get_num_threads()

    def loop() -> None:
        library.peak(threads, ctypes.c_long(ROUNDS))

    return loop, 2e-6 * CHAINS * (width / 4) * ROUNDS * threads


class Generated:
    """The engine's kernel for an LSTM, run over inputs [B, T, I] as `Handmade` is."""

    def __init__(self, cell: LSTM, inputs: Tensor):
        self.kernel = kernel_of(cell, torch.float32, wants_x=False)
        self.x, self.state = inputs, cell.initial_state(len(inputs))
        self.weights = [base.detach() for base in self.kernel.bases()]

    def forward(self) -> Run:
        return self.kernel.forward(self.x, self.state, self.weights)

    def step(self) -> list[Tensor]:
        run = self.forward()
        outputs = run.states[0][1:]
        loss = (outputs * (2 / outputs.numel())).transpose(0, 1)
        return self.kernel.backward(run, self.weights, [loss, None], wants_x=False)[2]


class Handmade:
    """An LSTM with the weights of a cell, run over inputs [B, T, I]."""

    def __init__(self, cell: LSTM, inputs: Tensor):
        self.library = compiled("handmade_lstm", "-ffast-math", "-funroll-loops")
        self.x = inputs.transpose(0, 1).contiguous()
        time, batch, size = self.x.shape
        hidden = cell.hidden_size
        self.sizes = (time, batch, size, hidden)
        self.weights = torch.cat([cell.weight_ih, cell.weight_hh], 1).detach()
        bias = (cell.bias_ih + cell.bias_hh).detach()
        self.bias = bias.view(4, hidden // 16, 16).permute(1, 0, 2).contiguous()
        self.h, self.c = (torch.zeros(time + 1, batch, hidden) for _ in range(2))
        self.gates, self.of_gates = (torch.empty(time, batch, 4 * hidden) for _ in range(2))

    def _call(self, name: str, *arguments: Tensor | int) -> None:
        given = [
            ctypes.c_void_p(a.data_ptr()) if isinstance(a, Tensor) else ctypes.c_int(a)
            for a in arguments
        ]
        getattr(self.library, name)(*given)

    def forward(self) -> None:
        time, batch, size, hidden = self.sizes
        panels = self.weights.view(4, hidden // 16, 16, size + hidden)
        packed = panels.permute(1, 3, 0, 2).contiguous()
        arrays = (self.x, self.h, self.c, packed, self.bias, self.gates)
        self._call("forward", *arrays, time, batch, size, hidden, torch.get_num_threads())

    def step(self) -> tuple[Tensor, Tensor, Tensor]:
        time, batch, size, hidden = self.sizes
        threads = torch.get_num_threads()
        self.forward()
        loss = self.h[1:] * (2 / (time * batch * hidden))
        dh, dc = torch.zeros(batch, hidden), torch.zeros(batch, hidden)
        # Rows by units and then gates, as the gradients of gates lie.
        own = self.weights[:, size:].view(4, hidden // 16, 16, hidden)
        rows = own.permute(1, 0, 2, 3).reshape(4 * hidden, hidden)
        turned = rows.view(4 * hidden, hidden // 64, 64).permute(1, 0, 2).contiguous()
        arrays = (loss, self.c, self.gates, self.of_gates, turned, dh, dc)
        self._call("backward", *arrays, time, batch, hidden, threads)
        of_x, of_h = torch.zeros(4 * hidden, size), torch.zeros(4 * hidden, hidden)
        shape = (time * batch, 4 * hidden)
        self._call("weight_gradient", self.of_gates, self.x, of_x, *shape, size, threads)
        self._call("weight_gradient", self.of_gates, self.h, of_h, *shape, hidden, threads)
        return of_x, of_h, self.of_gates.view(-1, 4 * hidden).sum(0)
