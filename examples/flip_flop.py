"""Three bits of memory, and the fixed points that hold them.

    x(t)   three channels, each a pulse of +1 or -1 now and then, else 0
    y(t)   the sign of the last pulse of each channel

What has an Elman network learned? Without input, z = F(0, z): eight stable fixed points, the
corners of a cube, one for each memory; between any two that differ in one bit a saddle with one
direction that repels, which a pulse must push the state across: 12, the edges. The 6 faces and the
middle have saddles too, with 2 and 3 such directions. Of a map that takes a cube into itself, as
tanh does, the signs of det(1 - J) sum to 1 (Lefschetz): 8 - 12 + 6 - 1 = 1.

Reference:
    Sussillo and Barak, "Opening the black box: low-dimensional dynamics in high-dimensional
        recurrent neural networks", Neural Computation 25, 2013.
"""

from pathlib import Path

import torch
from torch import Tensor

import unrolled as ur
from unrolled.cells import Elman
from unrolled.dynamics.fixed_points import FixedPoints, fixed_points
from unrolled.nn import Network
from unrolled.report.figures import colour, save_figure

BITS, UPDATES = 3, 800
PLACES = {"corners": "blue", "edges": "orange", "faces": "green", "middle": "pink"}


def batch(size: int, steps: int) -> tuple[Tensor, Tensor]:
    """x and y, [B, T, 3]; every channel has a pulse at the first step."""
    signs, pulses = torch.randn(size, steps, BITS).sign(), torch.rand(size, steps, BITS) < 0.1
    pulses[:, 0] = True
    last = torch.where(pulses, torch.arange(steps)[:, None], 0).cummax(1).values
    return signs * pulses, signs.gather(1, last)


def learn() -> Network:
    """An Elman network of 16 units, trained."""
    network = Network(Elman(BITS, 16), BITS, output="identity")
    optimiser = torch.optim.Adam(network.parameters(), lr=0.01)
    for update in range(UPDATES):
        optimiser.param_groups[0]["lr"] = 0.01 * (1 - update / UPDATES)
        x, y = batch(64, 40)
        optimiser.zero_grad()
        torch.nn.functional.mse_loss(network(x), y).backward()
        optimiser.step()
    return network


def search(network: Network) -> FixedPoints:
    """From 3000 mixtures of states that the network passes through."""
    states = network.run(batch(64, 40)[0]).trajectory.outputs.detach().flatten(0, 1)
    weights = torch.distributions.Dirichlet(torch.full((8, 1), 0.5).T).sample((3000,))
    mixed = weights @ states[torch.randint(len(states), (3000, 8))]  # [3000, 1, H]
    return fixed_points(network.cell, starts=mixed[:, 0])


def downhill(network: Network, found: FixedPoints, steps: int = 300) -> Tensor:
    """The ways from every saddle of one repelling direction to both sides, [2, edges, T, H]."""
    saddles = found.points[found.repelling == 1].float()
    push = 1e-3 * torch.randn_like(saddles)
    starts = torch.cat([saddles + push, saddles - push])
    run = ur.unroll(network.cell, torch.zeros(len(starts), steps, BITS), starts)
    return run.outputs.detach().unflatten(0, (2, -1))


def main() -> None:
    def paint(figure):
        axes = figure.add_subplot(xlabel="first principal component", ylabel="second")
        for way in ways.flatten(0, 1):
            axes.plot(*(way @ plane).T, color=colour("orange"), linewidth=0.8)
        run = network.run(batch(1, 60)[0]).trajectory.outputs[0].detach()
        axes.plot(*(run @ plane).T, color=colour("quiet"), linewidth=0.6, label="60 steps")
        for repelling, (name, hue) in enumerate(PLACES.items()):
            points = found.points[found.repelling == repelling].float() @ plane
            axes.plot(*points.T, "o", c=colour(hue), markersize=4, label=f"{len(points)} {name}")
        figure.legend(loc="outside upper center", ncols=5)

    torch.manual_seed(0)
    torch.set_num_threads(1)
    network = learn()
    x, y = batch(500, 200)
    right = (network(x).sign() == y).float().mean()
    print(f"bits right over 200 steps, after training on 40: {100 * right:.2f} %\n")
    found = search(network)
    signs = (1 - found.eigenvalues).prod(1).real.sign()
    print(f"{found.table()}\n\nsum of the signs of det(1 - J): {int(signs.sum())}")
    ways = downhill(network, found)
    bits = network.readout(ways[:, :, -1]).sign()
    print("bits in which the two ends of an edge differ:", (bits[0] != bits[1]).sum(1).tolist())
    plane = torch.pca_lowrank(found.of("stable").float(), 2)[2]
    save_figure(paint, Path(__file__).parents[1] / "docs/examples/flip_flop.svg", 230, white=True)


if __name__ == "__main__":
    main()
