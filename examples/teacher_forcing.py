"""Teacher forcing against free running: a network that is trained on the truth and lives on itself.

    y(t) = c + V h(t),    h(t) = GRU([y(t-1)], h(t-1))

It reads some steps of a noisy Mackey-Glass series and predicts the next, each from the last one:
its own prediction (free), the truth (teacher), or either, its own with a probability that rises
from 0 to 1 (scheduled). Trained on the truth it errs least one step ahead. Run free, as it will be
used, it reads its own errors, which it has never seen in training.

References:
    Mackey and Glass, "Oscillation and chaos in physiological control systems", Science 197, 1977.
    Bengio et al., "Scheduled sampling for sequence prediction with recurrent networks", NIPS 2015.
"""

from itertools import count
from pathlib import Path

import torch
from torch import Tensor

from unrolled.cells import GRU
from unrolled.nn import FeedBack, Network, Scheduled, forcing_at
from unrolled.report.figures import colour, save_figure
from unrolled.training import TrainingSettings, train
from unrolled.training.losses import squared_error, summed

PAST, AHEAD = 20, 80  # steps read, steps predicted
FORCINGS = {"teacher": "teacher", "scheduled": Scheduled("linear"), "free": "free"}
SETTINGS = TrainingSettings(epochs=15, updates=100, patience=15)


def series(size: int, noise: float = 0.3) -> Tensor:
    """ds/dt = 0.2 s(t-17) / (1 + s(t-17)^10) - 0.1 s(t) at every third t, scaled: [B, T, 1]."""
    s = [0.5 + torch.rand(size, 1)] * 35
    for _ in range(600 + 6 * (PAST + AHEAD)):  # Euler steps of a half
        s.append(s[-1] + 0.5 * (0.2 * s[-35] / (1 + s[-35] ** 10) - 0.1 * s[-1]))
    steps = torch.stack(s[-6 * (PAST + AHEAD) :: 6], dim=1)
    return (steps - steps.mean()) / steps.std() + noise * torch.randn_like(steps)


def predict(network: Network, y: Tensor, forcing: str | Scheduled) -> Tensor:
    """The steps after the first `PAST`, [B, AHEAD, 1], each from the one before."""
    nothing = y.new_zeros(len(y), y.shape[1], 0)  # the network has no input but its output
    past = network.run(nothing[:, :PAST], targets=y[:, :PAST], forcing="teacher")
    state = (y[:, PAST - 1], *past.final[1:])
    return network.run(nothing[:, PAST:], state, targets=y[:, PAST:], forcing=forcing).y


def learn(forcing: str | Scheduled, settings: TrainingSettings = SETTINGS) -> Network:
    """A network trained by a forcing, with the weights that predict best as it runs free."""
    known, held_out = series(500), series(200)
    network = Network(FeedBack(GRU(1, 32), 1))

    def loss(network, y, progress):
        found = predict(network, y, forcing_at(forcing, progress))
        return summed(squared_error, found, y[:, PAST:])

    def validate(network):
        found = predict(network, held_out, "free")
        return {"loss": summed(squared_error, found, held_out[:, PAST:]).mean.item()}

    batches = (known[torch.randint(len(known), (64,))] for _ in count())
    train(network, loss, batches, validate, settings)
    return network


@torch.no_grad()
def errors(network: Network, y: Tensor, forcing: str) -> Tensor:
    """The mean squared error of every step ahead."""
    return (predict(network, y, forcing) - y[:, PAST:]).square().mean((0, 2))


def main() -> None:
    def paint(figure):
        (left, right), steps = figure.subplots(1, 2), range(1, AHEAD + 1)
        left.plot(steps, test[0, PAST:], color=colour("quiet"), linewidth=0.7, label="truth")
        for (name, network), hue in zip(networks.items(), ("blue", "green", "orange"), strict=True):
            left.plot(steps, predict(network, test, "free")[0].detach(), color=colour(hue))
            right.plot(steps, errors(network, test, "free"), color=colour(hue), label=name)
            right.plot(steps, errors(network, test, "teacher"), ":", color=colour(hue))
        left.set(title="one series", xlabel="steps ahead")
        right.set(title="squared error; dotted: reading the truth", xlabel="steps ahead")
        figure.legend(loc="outside upper left", ncols=4)

    torch.manual_seed(0)
    torch.set_num_threads(1)
    networks, test = {}, series(500)
    print("trained      one step ahead   10 steps   40 steps   80 steps   mean of 80, running free")
    for name, forcing in FORCINGS.items():
        network = networks[name] = learn(forcing)
        free, forced = errors(network, test, "free"), errors(network, test, "teacher").mean()
        at = "".join(f"{free[step - 1]:11.3f}" for step in (10, 40, 80))
        print(f"{name:10} {forced:16.3f} {at} {free.mean():12.3f}")
    path = Path(__file__).parents[1] / "docs/examples/teacher_forcing.svg"
    save_figure(paint, path, width=480, white=True)


if __name__ == "__main__":
    main()
