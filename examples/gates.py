"""What gates learn: how much is kept, how much is new, hour by hour, on a year of weather.

    r(t), z(t) = sigmoid(...)                        reset and update gate of a GRU
    h(t) = (1 - z(t)) n(t) + z(t) h(t-1)

A unit whose update gate is z on average keeps what it holds for about 1 / (1 - z) steps. The
network reads the temperature of an airport in New York, and its change, and forecasts the next
hour's change; the gates are then looked at over ten days that it never saw, by their hours.
"""

from pathlib import Path

import torch
from torch import Tensor

import unrolled as ur
from unrolled.dynamics import GateTrace, gates
from unrolled.dynamics.figures import paint_gates
from unrolled.nn import Network
from unrolled.report.figures import save_figure
from unrolled.training import RandomSubsequences, TrainingSettings, train
from unrolled.training.losses import Total, squared_error, summed

UNITS, DAY, WINDOW, SHOWN = 12, 24, 96, 240
SETTINGS = TrainingSettings(6, updates=50, learning_rate=1e-2, patience=6)


def weather() -> tuple[Tensor, list[str]]:
    """Temperature and its change, [T, 2], each of deviation 1, and the names of the hours."""
    series = ur.read_series("nyc_weather", target="temp").series[0]
    values = torch.from_numpy(series.target).float()
    # A gap keeps the last known value.
    last = torch.where(values.isnan(), -1, torch.arange(len(values))).cummax(0).values
    values = values[last.clamp(min=0)]
    features = torch.stack([values[1:], values.diff()], dim=1)
    hours = [str(time)[:13].replace("T", " ") + "h" for time in series.times()[1:]]
    return (features - features.mean(0)) / features.std(0), hours


def loss(network: Network, batch: tuple[Tensor, Tensor], progress: float = 1.0) -> Total:
    """Of half the squared error; the first day of a sequence warms the state up."""
    inputs, targets = batch
    return summed(squared_error, network.run(inputs).o[:, DAY:], targets[:, DAY:])


def learn(settings: TrainingSettings = SETTINGS) -> tuple[GateTrace, Tensor, dict[str, float]]:
    """The gates on hours that were not learned from, what was read there, and the errors."""
    table, hours = weather()
    x, y, cut = table[:-1], table[1:, 1:], int(0.8 * len(table))
    network = Network(ur.cells.GRU(2, UNITS), 1, output="identity")
    chunks = RandomSubsequences((x[:cut], y[:cut]), 32, WINDOW)
    test = x[None, cut:], y[None, cut:]
    validate = lambda network: {"loss": loss(network, test).mean.item()}  # noqa: E731
    history = train(network, loss, (chunk.values for chunk in chunks), validate, settings)
    errors = {
        "network": 2 * history.best.validation["loss"],
        "no change": y[cut + DAY :].square().mean().item(),
        "the same change": (y - x[:, 1:])[cut + DAY :].square().mean().item(),
    }
    shown = slice(cut, cut + SHOWN)
    (trace,) = gates(network, x[None, shown], [hours[shown]])
    return trace, x[shown], errors


def main() -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    trace, read, errors = learn()
    print("mean squared error of the next hour's change")
    for name, error in errors.items():
        print(f"  {name:16} {error:.3f}")
    kept = trace.gates["z"][0].mean(0).sort().values
    print("hours for which each unit keeps what it holds, 1 / (1 - mean z)")
    print(" ", " ".join(f"{1 / (1 - z):.1f}" for z in kept.tolist()))
    print(trace.table().select("step", "r[0]", "z[0]", "n[0]", "h[0]").tail(3))
    above = ("temperature, in standard deviations", read[:, 0].tolist())
    path = Path(__file__).parents[1] / "docs/examples/gates.svg"
    save_figure(paint_gates(trace, above=above), path, height=300, width=560, white=True)


if __name__ == "__main__":
    main()
