"""Spectra of matrices and of steps: closed forms, torch.linalg on the weights, torch.func."""

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune

import unrolled as ur
from dynamics.matrices import assert_same_set, normal, orthogonal, shift
from unrolled.dynamics.plane import MOST_POINTS, draw_plane
from unrolled.dynamics.spectrum import Spectrum, spectrum


class Tanh(ur.Cell):
    """A user's cell with modules of torch's."""

    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, {"h": hidden_size})
        self.input = nn.Linear(input_size, hidden_size)
        self.recurrent = nn.Linear(hidden_size, hidden_size, bias=False)

    def step(self, x, h):
        return (torch.tanh(self.input(x) + self.recurrent(h)),)


class Sorted(Tanh):
    """A step whose operator the graph does not know."""

    def step(self, x, h):
        return (torch.tanh(self.input(x) + self.recurrent(h.sort(-1).values)),)


class OfItsOwnType(Tanh):
    """A step that runs in float32 only."""

    def step(self, x, h):
        return (torch.tanh(self.input(x) + h @ torch.full((5, 5), 0.1)),)


class TestSpectrum:
    def test_circulant(self) -> None:
        row = normal(7)
        W = torch.stack([row.roll(k) for k in range(7)], dim=1)
        found = Spectrum.of(W)
        # Eigenvalues of a circulant matrix are the discrete Fourier transform of its first column;
        # it is normal. float64 rounding of seven terms.
        assert_same_set(found.eigenvalues, torch.fft.fft(row), 1e-12)
        assert found.non_normality == 0
        torch.testing.assert_close(found.norm, found.spectral_radius)
        assert (found.eigenvalues.abs().diff() < 1e-12).all()

    def test_shift(self) -> None:
        found = Spectrum.of(shift(5))
        assert found.spectral_radius == 0
        assert found.norm == 1
        assert found.non_normality == 1

    def test_departure_from_normality_is_that_of_the_triangle(self) -> None:
        # Henrici: the Frobenius norm of what lies above the diagonal of the Schur form.
        values, above = torch.diag(normal(6)), normal(6, 6).triu(1)
        Q, T = orthogonal(6), values + above
        found = Spectrum.of(Q @ T @ Q.T)
        # A difference of squares.
        assert found.non_normality == pytest.approx(float(above.norm() / T.norm()), abs=1e-7)

    def test_many_at_once_and_not_finite(self) -> None:
        matrices = normal(2, 3, 4, 4)
        matrices[1, 2, 0, 0] = torch.inf
        found = Spectrum.of(matrices)
        assert found.eigenvalues.shape == (2, 3, 4)
        alone = Spectrum.of(matrices[0, 1])
        torch.testing.assert_close(found.spectral_radius[0, 1], alone.spectral_radius)
        torch.testing.assert_close(found.non_normality[0, 1], alone.non_normality)
        assert found.norm.isnan().nonzero().tolist() == [[1, 2]]
        assert found.non_normality.isnan().nonzero().tolist() == [[1, 2]]

    def test_not_square(self) -> None:
        W = normal(3, 5)
        found = Spectrum.of(W)
        torch.testing.assert_close(found.norm, torch.linalg.matrix_norm(W, 2))
        assert found.eigenvalues.shape == (0,)
        assert found.spectral_radius.isnan()
        assert found.non_normality.isnan()


class TestRecurrentMatrices:
    @pytest.mark.parametrize(
        "cell", [ur.cells.LSTM(3, 5), ur.cells.GRU(3, 5), ur.cells.LayerNormLSTM(3, 5)]
    )
    def test_gates_are_rows_of_weight_hh(self, cell) -> None:
        found = spectrum(cell)["cell"]
        assert list(found.matrices) == [f"W_{gate}" for gate in cell.gates]
        rows = cell.weight_hh.detach().double().chunk(len(cell.gates))
        for W, expected, of in zip(
            found.matrices.values(), rows, found.recurrent.values(), strict=True
        ):
            assert torch.equal(W, expected)
            assert_same_set(of.eigenvalues, torch.linalg.eigvals(expected), 1e-12)

    def test_computed(self) -> None:
        cell = ur.cells.AntisymmetricRNN(3, 5)
        W = cell.weight_hh.detach().double()
        (found,) = spectrum(cell)["cell"].recurrent.values()
        # W - W' has imaginary eigenvalues; that of odd size also 0.
        assert_same_set(found.eigenvalues, torch.linalg.eigvals(W - W.T), 1e-12)
        assert found.eigenvalues.real.abs().max() < 1e-12
        assert found.non_normality == 0

    def test_used_more_than_once(self) -> None:
        assert len(spectrum(ur.cells.LTC(3, 5))["cell"].matrices) == 1

    def test_orthogonal_parametrization(self) -> None:
        cell, layer = Tanh(3, 5), ur.nn.RNN(3, 5)
        parametrizations.orthogonal(cell.recurrent)
        parametrizations.orthogonal(layer, "weight_hh_l0")
        with torch.no_grad():
            # The layer's cell was given its weights before this.
            layer.parametrizations.weight_hh_l0.original.normal_()
        for found in (spectrum(cell)["cell"], spectrum(layer)["l0"]):
            # The layer makes its weights orthogonal in float32.
            ones = torch.ones(5, dtype=torch.float64)
            torch.testing.assert_close(
                found.recurrent["W"].eigenvalues.abs(), ones, rtol=0, atol=1e-6
            )

    @pytest.mark.parametrize("where", ["cell", "linear", "layer"])
    def test_pruned(self, where) -> None:
        if where == "layer":
            model = module = ur.nn.RNN(3, 5)
        elif where == "cell":
            model = module = ur.cells.Elman(3, 5)
        else:
            model = Tanh(3, 5)
            module = model.recurrent
        name = {"cell": "weight_hh", "linear": "weight", "layer": "weight_hh_l0"}[where]
        prune.random_unstructured(module, name, 0.5)
        with torch.no_grad():
            getattr(module, f"{name}_orig").mul_(2)
        W = getattr(module, f"{name}_orig") * getattr(module, f"{name}_mask")
        (found,) = spectrum(model).values()
        assert torch.equal(found.matrices["W"], W.detach().double())
        # The model goes on as it was.
        x = torch.ones(1, 1, 3)
        run = model(x)[0] if where == "layer" else ur.unroll(model, x).outputs
        run.sum().backward()
        assert getattr(module, f"{name}_orig").grad is not None

    def test_bidirectional_stacks(self) -> None:
        layer = ur.nn.LSTM(3, 5, num_layers=2, bidirectional=True)
        stack = ur.nn.Recurrent("lstm", 3, 5, num_layers=2, bidirectional=True)
        with torch.no_grad():
            for ours, theirs in zip(stack.parameters(), layer.parameters(), strict=True):
                ours.copy_(theirs)
        named = {"l0": "_l0", "l0_reverse": "_l0_reverse", "l1": "_l1", "l1_reverse": "_l1_reverse"}
        found, other = spectrum(layer), spectrum(stack)
        assert list(found) == list(named)
        assert list(other) == [f"cells.{k}" for k in range(4)]
        for (name, suffix), copied in zip(named.items(), other.values(), strict=True):
            rows = getattr(layer, f"weight_hh{suffix}").detach().double()
            torch.testing.assert_close(torch.cat(list(found[name].matrices.values())), rows)
            torch.testing.assert_close(copied.jacobian, found[name].jacobian)

    def test_cells_within_a_model(self) -> None:
        model = nn.ModuleDict(
            {"a": ur.nn.Network(ur.cells.GRU(3, 4), 2), "b": nn.Sequential(ur.nn.RNN(3, 5))}
        )
        found = spectrum(model)
        assert list(found) == ["a.cell", "b.0.l0"]
        assert torch.equal(
            found["b.0.l0"].matrices["W"], model["b"][0].weight_hh_l0.detach().double()
        )


class TestJacobian:
    @pytest.mark.parametrize(
        "make",
        [ur.cells.LSTM, ur.cells.LRU, ur.cells.SRU, Tanh, Sorted, ur.cells.LayerNormGRU],
        ids=lambda make: make.__name__,
    )
    def test_at_rest_is_torchs(self, make) -> None:
        cell = make(3, 4).double()
        found = spectrum(cell)["cell"]
        rest = cell.initial_state(1)
        z, sizes = torch.cat(rest, 1)[0], [part.shape[1] for part in rest]

        def step(z):
            x = torch.zeros(1, 3, dtype=torch.float64)
            return torch.cat(cell.step(x, *z[None].split(sizes, 1)), 1)[0]

        # Both in float64; normalisation at rest divides by the root of 1e-5.
        torch.testing.assert_close(found.jacobian, torch.func.jacrev(step)(z), atol=1e-9, rtol=1e-9)

    def test_diagonal_recurrences_have_no_matrix(self) -> None:
        cell = ur.cells.IndRNN(3, 5)
        found = spectrum(cell)["cell"]
        assert found.matrices == {}
        # ReLU has the slope 0 at 0: without a drive the units are off.
        on = torch.where(cell.bias_ih > 0, cell.weight_hh, 0).detach().double()
        assert_same_set(found.at_rest.eigenvalues, on + 0j, 1e-12)

    def test_lru(self) -> None:
        cell = ur.cells.LRU(3, 4)
        nu, theta = (p.detach().double().exp() for p in (cell.nu_log, cell.theta_log))
        lambdas = torch.exp(torch.complex(-nu, theta))
        # The output, which nothing reads, adds four zeros.
        expected = torch.cat([lambdas, lambdas.conj(), torch.zeros(4)])
        assert_same_set(spectrum(cell)["cell"].at_rest.eigenvalues, expected, 1e-12)

    def test_without_a_graph(self) -> None:
        found = spectrum(Sorted(3, 4))["cell"]
        assert found.matrices == {}
        assert found.jacobian.dtype == torch.float64

    def test_a_step_that_runs_in_its_own_type_only(self) -> None:
        cell = OfItsOwnType(3, 5)
        found = spectrum(cell, torch.zeros(1, 2, 3))["cell"]
        slopes = 1 - torch.tanh(cell.input.bias).detach().double().square()
        # float32.
        torch.testing.assert_close(
            found.jacobian, 0.1 * slopes[:, None].expand(5, 5), atol=1e-6, rtol=0
        )
        torch.testing.assert_close(found.along.norm[0, 0], found.at_rest.norm)

    def test_elapsed_time_is_one(self) -> None:
        given, fixed = (
            ur.cells.CfC(3 + more, 4, elapsed=e) for more, e in ((1, "input"), (0, 1.0))
        )
        fixed.load_state_dict(given.state_dict())
        found = spectrum(given)["cell"].jacobian
        torch.testing.assert_close(found, spectrum(fixed)["cell"].jacobian)
        assert (found - torch.eye(4)).abs().max() > 0.1

    @pytest.mark.parametrize("model", ["cell", "network"])
    def test_along_a_trajectory(self, model) -> None:
        cell = ur.cells.Elman(3, 5)
        x, h = normal(2, 4, 3).float(), normal(2, 5).float()
        model = cell if model == "cell" else ur.nn.Network(cell, 2)
        found = spectrum(model, x, h, lengths=[4, 2])["cell"].along
        W = cell.weight_hh.detach().double()
        doubled, h = spectrum_copy(cell), h.double()
        for t in range(4):
            (h,) = doubled.step(x[:, t].double(), h)
            for b in range(2):
                if b == 1 and t >= 2:
                    assert found.eigenvalues[b, t].isnan().all()
                    assert found.singular_values[b, t].isnan().all()
                    continue
                # J = diag(1 - h^2) W.
                J = (1 - h[b].square())[:, None] * W
                assert_same_set(found.eigenvalues[b, t], torch.linalg.eigvals(J).detach(), 1e-12)
                torch.testing.assert_close(
                    found.singular_values[b, t], torch.linalg.svdvals(J).detach()
                )

    def test_the_model_is_left_alone(self) -> None:
        cell = ur.cells.LSTM(3, 4).train()
        before = {name: p.clone() for name, p in cell.named_parameters()}
        spectrum(cell, torch.ones(1, 3, 3))
        assert cell.training
        for name, parameter in cell.named_parameters():
            assert parameter.dtype == torch.float32
            assert torch.equal(parameter, before[name])


def spectrum_copy(cell):
    copy = ur.cells.Elman(cell.input_size, cell.hidden_size).double()
    copy.load_state_dict(cell.state_dict())
    return copy


class TestRefusals:
    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            ((nn.LSTM(3, 4),), "from_torch"),
            ((ur.nn.LSTM(3, 4), torch.ones(1, 2, 3)), "pass one of its cells: l0"),
            ((ur.cells.GRU(3, 4), None, torch.ones(1, 4)), "pass its inputs too"),
            ((ur.cells.GRU(3, 4), torch.ones(1, 2, 5)), r"\[batch, time, 3\]"),
        ],
    )
    def test_values(self, arguments, words) -> None:
        with pytest.raises(ValueError, match=words):
            spectrum(*arguments)

    def test_no_module(self) -> None:
        with pytest.raises(TypeError, match="model must be a cell or another module, got type"):
            spectrum(ur.cells.GRU)


class TestDrawing:
    def test_the_unit_circle_and_every_cloud(self) -> None:
        from matplotlib.figure import Figure

        axes = Figure().add_subplot()
        many = torch.zeros(MOST_POINTS + 1, dtype=torch.complex128)
        W = torch.tensor([2j, -2j, torch.nan])
        draw_plane(axes, {"J(t)": many, "W": W, "J at rest": W[:1], "V": W[:0]})
        assert axes.patches[0].get_radius() == 1
        assert axes.get_xlim() == axes.get_ylim() == pytest.approx((-2.24, 2.24))
        labels = [text.get_text() for text in axes.get_legend().get_texts()]
        assert labels == [f"J(t), {MOST_POINTS // 2 + 1} of {MOST_POINTS + 1}", "W", "J at rest"]
        assert axes.collections[1].get_offsets().tolist() == [[0, 2], [0, -2]]

    def test_draw(self, tmp_path) -> None:
        found = spectrum(ur.nn.LSTM(3, 4, num_layers=2))
        path = found.draw(tmp_path / "planes.svg")
        assert path.read_text().count('<g id="axes_') == 2
