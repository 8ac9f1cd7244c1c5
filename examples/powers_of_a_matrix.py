"""Powers of a matrix: why a recurrence explodes or vanishes, and what tanh and ReLU make of it.

    h(t) = W^t h(0) = Q Lambda^t Q^-1 h(0)

h is a sum of modes: eigenvalues outside the unit circle explode, those inside vanish. The modes of
a symmetric W are at right angles. Where W is far from normal they cancel at first: |h(t)| grows
although each of them vanishes.

    h(t) = f(W h(t-1) + U x(t)),    J(t) = diag(f'(a(t))) W

tanh bounds h: where W would make it explode, units saturate, f' shrinks, and J with it. ReLU has
the slope 1 or 0: apart from zeros, J has the eigenvalues of W among the active units, however
large h is; with one of them outside the circle h explodes.

Reference: Goodfellow, Bengio and Courville, "Deep Learning", sections 8.2.5 and 10.7.
"""

from pathlib import Path

import torch

from unrolled.cells import Elman
from unrolled.dynamics.modes import modes
from unrolled.dynamics.plane import HUES, draw_plane
from unrolled.dynamics.spectrum import CellSpectra, Spectrum, spectrum
from unrolled.report.figures import colour, save_figure
from unrolled.unroll import unroll

T, UNITS, GAINS = 40, 100, (0.5, 1.0, 2.0)


def matrices() -> dict[str, torch.Tensor]:
    """Three W, 6 x 6, with eigenvalues of both signs, in pairs, and above 0."""
    basis = torch.linalg.qr(torch.randn(6, 6).double()).Q
    values = torch.tensor([1.08, 1.0, -0.9, 0.8, 0.5, -0.2]).double()
    angle = 2 * torch.pi * torch.tensor([[0, -1], [1, 0]]).double()
    planes = [a * (angle / period).matrix_exp() for period, a in ((12, 1.08), (5, 0.95), (3, 0.7))]
    skewed = torch.eye(6) + 0.2 * torch.randn(6, 6).double()
    return {
        "symmetric": basis @ values.diag() @ basis.T,
        "general": skewed @ torch.block_diag(*planes) @ skewed.inverse(),
        "non-normal": (torch.linspace(0.9, 0.4, 6).diag() + 0.5 * torch.ones(5).diag(1)).double(),
    }


@torch.no_grad()
def driven(f: str, gain: float) -> tuple[torch.Tensor, CellSpectra]:
    """Root mean square of h(t) under noise, [T], and the spectra; W has a radius near `gain`."""
    torch.manual_seed(0)
    cell = Elman(UNITS, UNITS, bias=False, nonlinearity=f)
    cell.weight_hh.normal_(0, gain / UNITS**0.5)
    x = torch.randn(1, T, UNITS)
    h = unroll(cell, x, engine="eager").outputs[0]
    return h.square().mean(1).sqrt(), spectrum(cell, x)["cell"]


def main() -> None:
    def paint(figure):
        planes, sizes, (*steps, right) = figure.subplots(3, 3, height_ratios=(5, 4, 5))
        for plane, axes, (name, found) in zip(planes, sizes, linear.items(), strict=True):
            pairs = torch.stack([found.eigenvalues, found.eigenvalues.conj()], 1)
            draw_plane(plane, dict(zip("123456", pairs, strict=False)), legend=False)
            plane.set(title=f"{name} W", xlabel="", ylabel="")
            for amplitude, hue in zip(found.amplitudes.T, HUES, strict=False):
                axes.plot(amplitude, color=colour(hue), linewidth=0.9)
            axes.plot(found.states.norm(dim=1), color=colour("ink"), linewidth=1.8)
            axes.set(yscale="log", xlabel="t", title="|h(t)|, and each mode", ylim=(0.01, 100))
            axes.set_yticks([0.01, 1, 100], ["0.01", "1", "100"])
        for axes, hue, (f, (size, found)) in zip(steps, HUES, strong.items(), strict=False):
            W, J = found.recurrent["W"].eigenvalues, found.along.eigenvalues[0, -1]
            axes.scatter(W.real, W.imag, s=5, color=colour("rule"))
            axes.scatter(J.real, J.imag, s=5, color=colour(hue))
            draw_plane(axes, {}, legend=False)
            axes.set(title=f"{f}: J({T}); grey: W", xlim=(-2.3, 2.3), ylim=(-2.3, 2.3), ylabel="")
            right.plot(range(1, T + 1), size, color=colour(hue), label=f)
        right.set(yscale="log", xlabel="t", title="root mean square of h(t)")
        right.set_yticks([1, 100, 1e4, 1e6], ["1", "100", "10 000", "1 000 000"])
        right.legend()

    torch.manual_seed(0)
    torch.set_num_threads(1)
    linear, strong = {}, {}
    for name, W in matrices().items():
        found = linear[name] = modes(W, torch.full((6,), 6**-0.5), T)
        print(f"{name}: {Spectrum.of(W)}\n    largest |W^t| {found.power_norms.max():.2f};", end="")
        print(" |h(t)| every 10 steps", *(f"{h:.2f}" for h in found.states[::10].norm(dim=1)))
        for what in ("growth", "half_life", "period"):
            print(f"    {what:10}", *(f"{value:6.2f}" for value in getattr(found, what)))
    print("f, gain   radius of J(10)   of J(40)   root mean square of h(10)   of h(40)")
    for f, gain in ((f, gain) for f in ("tanh", "relu") for gain in GAINS):
        size, found = strong[f] = driven(f, gain)
        radius = found.along.spectral_radius[0]
        print(f"{f} {gain} {radius[9]:17.2f} {radius[39]:10.2f} {size[9]:27.3f} {size[39]:10.4g}")
    path = Path(__file__).parents[1] / "docs/examples/powers_of_a_matrix.svg"
    save_figure(paint, path, height=500, width=540, white=True)


if __name__ == "__main__":
    main()
