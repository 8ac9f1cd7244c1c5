"""A moving sum by four models: what memory is, and what it takes to go on beyond the data.

    y(t) = x(t) + x(t-1) + x(t-2),    x = 1, 2, 3, 4, 5 gives y = 1, 3, 6, 9, 12

    feed-forward     y(t) = f(x(t))                            no memory
    linear function  y(t) = sum over s of alpha(t, s) x(s)     no alpha beyond the steps fitted
    shift register   h(t) = W h(t-1) + U x(t),  y(t) = V h(t)  a linear RNN by hand: exact
    trained RNN      the same recurrence                       found by gradient descent

Of independent inputs of variance s2, x(t) alone leaves a squared error of 2 s2 from t = 3 on.
"""

from pathlib import Path

import torch
from torch import Tensor, nn

import unrolled as ur
from unrolled.report.figures import colour, save_figure
from unrolled.training import TrainingSettings, train
from unrolled.training.losses import squared_error, summed

T, LONG = 10, 60  # steps learned from, steps tried


def recurrent() -> ur.nn.Network:
    """h(t) = W h(t-1) + U x(t), o(t) = c + V h(t): an Elman network that is linear."""
    cell = ur.cells.Elman(1, 3, bias=False, nonlinearity="identity")
    return ur.nn.Network(cell, 1, output="identity")


def batch(size: int, steps: int) -> tuple[Tensor, Tensor]:
    """x and y, [B, T, 1]; x of variance 1 in eighths, whose sums float32 holds exactly."""
    x = torch.round(8 * torch.randn(size, steps, 1)) / 8
    return x, nn.functional.pad(x, (0, 0, 2, 0)).unfold(1, 3, 1).sum(-1)


def linear_function(x: Tensor, y: Tensor):
    """y(t) from x(1), ..., x(t) by least squares: a function of x that knows T steps."""
    seen = torch.ones(T, T).tril()[:, None] * x[..., 0]  # [T, B, T]
    alpha = torch.linalg.lstsq(seen, y.transpose(0, 1)).solution[..., 0]
    return lambda x: alpha[: x.shape[1], : x.shape[1]] @ x[:, :T]


def shift_register() -> nn.Module:
    """h(t) = (x(t), x(t-1), x(t-2)), and y(t) their sum."""
    network = recurrent()
    W, U, V, c = [[0, 0, 0], [1, 0, 0], [0, 1, 0]], [[1], [0], [0]], [[1, 1, 1]], [0]
    weights = map(torch.tensor, (U, W, V, c))
    network.load_state_dict(dict(zip(network.state_dict(), weights, strict=True)))
    return network


def trained(model: nn.Module) -> nn.Module:
    def loss(model, batch, progress=1.0):
        return summed(squared_error, model(batch[0]), batch[1])

    batches, test = iter(lambda: batch(64, T), None), batch(500, T)
    settings = TrainingSettings(epochs=15, updates=100, learning_rate=0.03)
    train(model, loss, batches, lambda model: {"loss": loss(model, test).mean.item()}, settings)
    return model


def errors(model, steps: int) -> Tensor:
    """The mean squared error at every step of sequences never seen."""
    x, y = batch(1000, steps)
    found = model(x).detach()
    return (found - y[:, : found.shape[1]]).square().mean((0, 2))


def main() -> None:
    def paint(figure):
        axes = figure.add_subplot(xlabel="step t", ylabel="mean squared error")
        for (name, row), hue in zip(rows.items(), ("orange", "pink", "ink", "blue"), strict=True):
            axes.plot(range(1, len(row) + 1), row, ".-", ms=3, color=colour(hue), label=name)
        axes.set_yscale("symlog", linthresh=1e-14)
        axes.set_yticks([0, 1e-12, 1e-8, 1e-4, 1], ["0", "1e-12", "1e-8", "1e-4", "1"])
        axes.legend(loc="center right")

    torch.manual_seed(0)
    torch.set_num_threads(1)
    models = {
        "feed-forward": trained(nn.Sequential(nn.Linear(1, 16), nn.Tanh(), nn.Linear(16, 1))),
        "linear function": linear_function(*batch(500, T)),
        "shift register": shift_register(),
        "trained RNN": trained(recurrent()),
    }
    x, rows = torch.arange(1.0, 6.0)[None, :, None], {}
    print(f"x = 1, 2, 3, 4, 5 {'y':>34}   error, t = 3 to {T}   t = {T + 1} to {LONG}")
    for name, model in models.items():
        y, rows[name] = model(x)[0, :, 0].tolist(), errors(model, LONG)
        known, beyond = rows[name][2:T].mean(), rows[name][T:].mean()
        print(f"{name:17} {' '.join(f'{v:6.3f}' for v in y)} {known:19.1e} {beyond:13.1e}")
    save_figure(paint, Path(__file__).parents[1] / "docs/examples/moving_sum.svg", white=True)


if __name__ == "__main__":
    main()
