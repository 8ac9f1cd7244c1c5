"""What a start by name finds: in modules that hold cells, and in cells of one's own."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import unrolled as ur
from unrolled.nn import initialise

# float64, some dozens of roundings of numbers of size 1.
EXACT = {"rtol": 1e-12, "atol": 1e-12}
# float32: products of up to 20 such numbers.
SINGLE = {"rtol": 0, "atol": 2e-6}


def blocks(weight: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """The square blocks of a recurrent matrix, [G H, H]."""
    return weight.detach().split(weight.shape[1])


# --- modules that hold cells


def test_drop_in_layers() -> None:
    layer = ur.nn.LSTM(3, 5, num_layers=2, bidirectional=True, batch_first=True).double()
    before = {name: t.clone() for name, t in layer.state_dict().items()}
    initialise(layer, "orthogonal+forget-bias:2")
    after = layer.state_dict()
    assert after.keys() == nn.LSTM(3, 5, num_layers=2, bidirectional=True).state_dict().keys()
    for name, tensor in after.items():
        if name.startswith("weight_hh"):
            for W in blocks(tensor):
                torch.testing.assert_close(W @ W.T, torch.eye(5, dtype=torch.float64), **EXACT)
        elif name.startswith("bias"):
            before[name][5:10] = 2.0 if name.startswith("bias_ih") else 0.0
            assert torch.equal(tensor, before[name])
        else:
            assert torch.equal(tensor, before[name])
    other = nn.LSTM(3, 5, 2, bidirectional=True, batch_first=True).double()
    other.load_state_dict(after)
    x = torch.randn(2, 9, 3, dtype=torch.float64)
    torch.testing.assert_close(layer(x)[0], other(x)[0], **EXACT)


def test_layers_of_recurrent_networks() -> None:
    stack = initialise(ur.nn.Recurrent("gru", 3, 6, num_layers=3), "orthogonal")
    encoded = initialise(nn.Sequential(nn.Linear(4, 3), ur.nn.RNN(3, 6)), "orthogonal")
    around = ur.nn.FeedBack(ur.cells.Elman(5, 6), 2)
    network = initialise(ur.nn.Network(around), "orthogonal")
    wrapped = initialise(ur.Cell.wrap(nn.GRUCell(3, 6)), "orthogonal+forget-bias")
    assert wrapped.module.bias_ih[6:12].tolist() == [1.0] * 6
    weights = [cell.weight_hh for cell in stack.cells]
    weights += [encoded[1].weight_hh_l0, network.cell.cell.weight_hh, wrapped.module.weight_hh]
    for W in (W for weight in weights for W in blocks(weight)):
        torch.testing.assert_close(W @ W.T, torch.eye(6), **SINGLE)


def test_all_cells_can_or_none_is_started() -> None:
    first = ur.cells.LSTM(3, 4)
    before = first.weight_hh.clone()
    with pytest.raises(ValueError, match="LRU cannot start with orthogonal"):
        initialise(nn.ModuleList([first, ur.cells.LRU(3, 4)]), "orthogonal")
    assert torch.equal(first.weight_hh, before)


def test_modules_without_cells() -> None:
    with pytest.raises(ValueError, match=r"a Linear without a cell; unrolled\.Cell\.wrap"):
        initialise(nn.Linear(2, 2), "orthogonal")
    with pytest.raises(ValueError, match=r"holds a torch\.nn\.GRU, .* use unrolled\.nn\.GRU"):
        initialise(nn.Sequential(nn.GRU(2, 2), ur.nn.GRU(2, 2)), "orthogonal")


@pytest.mark.parametrize("how", ["forget-bias", "chrono:50"])
def test_gates_without_biases(how) -> None:
    with pytest.raises(ValueError, match="its gate f or i has no bias of its own"):
        initialise(ur.cells.LSTM(2, 3, bias=False), how)


# --- cells of one's own


class Grouped(ur.Cell):
    """A step as people write it: one map of x and h together, a constant in the keep gate."""

    gates = ("keep", "new")

    def __init__(self, input_size: int, hidden_size: int):
        super().__init__(input_size, {"h": hidden_size})
        self.both = nn.Linear(input_size + hidden_size, 2 * hidden_size)
        self.keeps = {"keep": 1}

    def step(self, x, h):
        keep, new = self.both(torch.cat([x, h], dim=-1)).chunk(2, dim=-1)
        keep = torch.sigmoid(keep - 0.5)
        return (keep * h + (1 - keep) * torch.tanh(new),)


class Transposed(ur.Cell):
    """Weights on the right, as h @ W."""

    def __init__(self, input_size: int, hidden_size: int):
        super().__init__(input_size, {"h": hidden_size})
        self.U = nn.Parameter(torch.randn(input_size, hidden_size))
        self.W = nn.Parameter(torch.randn(hidden_size, hidden_size))
        self.b = nn.Parameter(torch.randn(hidden_size))
        self.rate = nn.Parameter(torch.randn(hidden_size))

    def step(self, x, h):
        return (self.rate * h + torch.relu(x @ self.U + h @ self.W + self.b),)


class Unseen(ur.Cell):
    """A step whose gradient is its author's."""

    def __init__(self, input_size: int, hidden_size: int):
        super().__init__(input_size, {"h": hidden_size})
        self.map = nn.Linear(hidden_size, hidden_size)

    def step(self, x, h):
        return (torch.fft.rfft(self.map(h)).real.repeat(1, 2)[:, : h.shape[1]],)


def test_a_cell_with_one_map_of_x_and_h() -> None:
    cell = initialise(Grouped(3, 5), "orthogonal+forget-bias")
    for W in cell.both.weight.detach()[:, 3:].split(5):
        torch.testing.assert_close(W @ W.T, torch.eye(5), **SINGLE)
    # Less 0.5 it is the value.
    assert cell.both.bias[:5].tolist() == [1.5] * 5
    x, h = torch.zeros(1, 3), torch.zeros(1, 5)
    nn.init.zeros_(cell.both.weight)
    slope = torch.func.jacrev(lambda h: cell.step(x, h)[0])(h)[0, :, 0].diag()
    torch.testing.assert_close(slope, torch.sigmoid(torch.ones(5)), **SINGLE)


def test_a_cell_with_weights_on_the_right() -> None:
    cell = Transposed(3, 5)
    rate = cell.rate.clone()
    initialise(cell, "identity:0.7")
    assert torch.equal(cell.W, 0.7 * torch.eye(5))
    assert 0 < cell.U.abs().max() < 0.006  # six times the standard deviation
    assert not cell.b.any()
    assert torch.equal(cell.rate, rate)
    W = initialise(cell, "orthogonal").W
    torch.testing.assert_close(W @ W.T, torch.eye(5), **SINGLE)


def test_cells_that_cannot_be_seen_into() -> None:
    with pytest.raises(ValueError, match="Unseen has no graph to find its matrices and gates in: "):
        initialise(Unseen(3, 4), "orthogonal")
    normed = ur.cells.Elman(3, 4)
    nn.utils.parametrizations.weight_norm(normed, "weight_hh")
    with pytest.raises(ValueError, match="no square matrix among its parameters multiplies"):
        initialise(normed, "orthogonal")
    layer = ur.nn.RNN(3, 4)
    nn.utils.parametrizations.weight_norm(layer, "weight_hh_l0")
    with pytest.raises(ValueError, match="no square matrix among its parameters multiplies"):
        initialise(layer, "orthogonal")


def test_a_matrix_that_feeds_a_hidden_layer_is_none_of_the_state() -> None:
    class Deep(ur.Cell):
        def __init__(self):
            super().__init__(2, {"h": 4})
            self.wide, self.narrow = nn.Linear(6, 9), nn.Linear(9, 4)

        def step(self, x, h):
            return (self.narrow(torch.tanh(self.wide(torch.cat([x, h], dim=-1)))),)

    with pytest.raises(ValueError, match="no initialisation by name fits it"):
        initialise(Deep(), "orthogonal")


def test_a_gate_that_is_none() -> None:
    cell = Grouped(2, 3)
    cell.keeps = {"forget": 1}
    with pytest.raises(ValueError, match="its gate forget has no bias of its own"):
        initialise(cell, "forget-bias")


def test_the_start_takes_part_in_training() -> None:
    """The parameters stay leaves with gradients, and the kernels read the new numbers."""
    cell = ur.cells.Elman(3, 4, nonlinearity="identity", bias=False).double()
    x = torch.randn(2, 12, 3, dtype=torch.float64)
    ur.unroll(cell, x)
    initialise(cell, "orthogonal")
    run = ur.unroll(cell, x)
    h = torch.zeros(2, 4, dtype=torch.float64)
    for step in x.unbind(1):
        h = F.linear(step, cell.weight_ih) + F.linear(h, cell.weight_hh)
    torch.testing.assert_close(run.outputs[:, -1], h, **EXACT)
    run.outputs.sum().backward()
    assert cell.weight_hh.is_leaf
    assert cell.weight_hh.grad is not None
