"""Why gradients vanish: how much of a loss's gradient is left k steps earlier.

    d L(T) / d z(T-k) = (J(T) J(T-1) ... J(T-k+1))' d L(T) / d z(T),    J(t) = d z(t) / d z(t-1)

Of a linear cell J is W, so with an orthogonal matrix times r exactly r^k is left. Of any other cell
J depends on the state: a tanh shrinks it, gates that stay open keep it. Before training the start
alone decides; what is forgotten then is found by luck only.

References:
    Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural networks",
        ICML 2013.
    Le, Jaitly and Hinton, "A simple way to initialize recurrent networks of rectified linear
        units", arXiv 1504.00941, 2015 (identity).
    Tallec and Ollivier, "Can recurrent neural networks warp time?", ICLR 2018 (chrono).
"""

from pathlib import Path

import torch

import unrolled as ur
from unrolled.dynamics import LayerFlow, gradient_flow
from unrolled.dynamics.figures import paint_flow
from unrolled.report.figures import save_figure

STEPS, SIZE = 200, 64
FACTORS = (0.9, 1.0, 1.02)
# A cell, its options, and how it starts; "" as torch.nn does.
STARTS = {
    "Elman": ("elman", {}, ""),
    "Elman, orthogonal": ("elman", {}, "orthogonal"),
    "Elman, ReLU, identity": ("elman", {"nonlinearity": "relu"}, "identity"),
    "LSTM": ("lstm", {}, ""),
    "LSTM, forget bias 1": ("lstm", {}, "forget-bias:1"),
    f"LSTM, chrono {STEPS}": ("lstm", {}, f"chrono:{STEPS}"),
}


def linear(factor: float) -> LayerFlow:
    """h(t) = factor Q h(t-1) + U x(t), Q orthogonal."""
    cell = ur.cells.Elman(2, SIZE, nonlinearity="identity")
    return flow_of(ur.nn.initialise(cell, f"orthogonal:{factor}"))


def started(name: str) -> LayerFlow:
    """One of `STARTS`, untrained."""
    kind, options, how = STARTS[name]
    cell = ur.cells.BY_NAME[kind](2, SIZE, **options)
    return flow_of(ur.nn.initialise(cell, how) if how else cell)


def flow_of(cell: ur.Cell) -> LayerFlow:
    """The gradient of a random readout of the last state, on noise."""
    inputs, read = torch.randn(8, STEPS, 2), torch.randn(SIZE)
    return gradient_flow(cell, inputs, lambda m, x: (ur.unroll(m, x).final[0] @ read).sum())["cell"]


def main() -> None:
    def paint(figure):
        left, right = figure.subfigures(1, 2)
        paint_flow({f"W = {factor} Q": flow for factor, flow in exact.items()})(left)
        paint_flow(rows)(right)

    torch.manual_seed(0)
    torch.set_num_threads(1)
    exact = {factor: linear(factor) for factor in FACTORS}
    print("linear cells: share of the gradient left after 100 steps, and factor^100")
    for factor, flow in exact.items():
        print(f"  W = {factor:4} Q          {flow.loss.norms[100]:10.3e} {factor**100:10.3e}")
    rows = {name: started(name) for name in STARTS}
    print("before training               left after 10        50       100   memory horizon")
    for name, flow in rows.items():
        shares = " ".join(f"{float(flow.loss.norms[lag]):9.1e}" for lag in (10, 50, 100))
        horizon = f"beyond {STEPS}" if flow.horizon is None else flow.horizon
        print(f"  {name:25}       {shares}   {horizon}")
    path = Path(__file__).parents[1] / "docs/examples/vanishing_gradients.svg"
    save_figure(paint, path, height=260, width=700, white=True)


if __name__ == "__main__":
    main()
