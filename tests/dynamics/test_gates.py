"""Gates and states over time, saturated, dead and idle units."""

import polars as pl
import pytest
import torch
from torch import Tensor, nn

import unrolled as ur
from unrolled import nn as unn
from unrolled.dynamics.figures import paint_gates
from unrolled.dynamics.gates import gates, saturation
from unrolled.graph.names import activation_names
from unrolled.report.figures import inline_svg


def test_the_gates_of_an_lstm_are_those_of_its_equations() -> None:
    cell = ur.cells.LSTM(3, 4).double()
    inputs = torch.randn(2, 6, 3, dtype=torch.float64)
    (trace,) = gates(cell, inputs)
    h = c = torch.zeros(2, 4, dtype=torch.float64)
    for t in range(6):
        a = inputs[:, t] @ cell.weight_ih.T + cell.bias_ih + h @ cell.weight_hh.T + cell.bias_hh
        i, f, g, o = a.chunk(4, dim=1)
        expected = {"i": i.sigmoid(), "f": f.sigmoid(), "g": g.tanh(), "o": o.sigmoid()}
        c = expected["f"] * c + expected["i"] * expected["g"]
        h = expected["o"] * c.tanh()
        for name, value in expected.items():
            torch.testing.assert_close(trace.gates[name][:, t], value.detach())
        torch.testing.assert_close(trace.states["c"][:, t], c.detach())
        torch.testing.assert_close(trace.states["h"][:, t], h.detach())
    assert trace.functions == {"i": "sigmoid", "f": "sigmoid", "g": "tanh", "o": "sigmoid"}


class Own(ur.Cell):
    """A cell of one's own, which names no gates."""

    def __init__(self) -> None:
        super().__init__(2, {"m": 3})
        self.open, self.new = nn.Linear(5, 3), nn.Linear(5, 3)

    def step(self, x: Tensor, m: Tensor) -> tuple[Tensor]:
        both = torch.cat([x, m], dim=-1)
        keep = torch.sigmoid(self.open(both))
        return (keep * m + (1 - keep) * torch.tanh(self.new(both)),)


def test_a_cell_that_names_no_gates_has_them_by_function() -> None:
    cell = Own()
    (trace,) = gates(cell, torch.randn(2, 5, 2))
    assert trace.functions == {"sigmoid": "sigmoid", "tanh": "tanh"}
    m = torch.zeros(2, 3)
    for t in range(5):
        keep, new = trace.gates["sigmoid"][:, t], trace.gates["tanh"][:, t]
        m = keep * m + (1 - keep) * new
        torch.testing.assert_close(m, trace.states["m"][:, t])


@pytest.mark.parametrize("name", sorted(ur.cells.BY_NAME))
def test_every_published_cell_has_its_activations_in_range(name) -> None:
    cell = ur.cells.BY_NAME[name](4, 4)
    (trace,) = gates(cell, torch.randn(2, 5, 4))
    assert set(trace.states) == set(cell.state_sizes)
    for gate, values in trace.gates.items():
        least = {"sigmoid": 0, "relu": 0, "tanh": -1}[trace.functions[gate]]
        # The backbone of CfC has a size of its own.
        assert values.shape[:2] == (2, 5)
        assert values.shape[2] in (4, 128)
        assert bool((values >= least).all())
    # lru is linear in its state, scrn's one squashed value is its state.
    assert trace.gates or name == "lru"


def test_activations_are_named_once_each() -> None:
    for kind in ur.cells.BY_NAME.values():
        names = list(activation_names(ur.graph(kind(4, 4))).values())
        assert len(names) == len(set(names))


def test_layers_of_a_model_and_words_of_the_data() -> None:
    words = [["the", "cat", "sat"], ["a", "dog", ""]]
    stack = unn.Recurrent("gru", 2, 3, num_layers=2)
    first, second = gates(stack, {"input": torch.randn(2, 3, 2), "lengths": [3, 2]}, words)
    assert (first.name, second.name) == ("cells.0", "cells.1")
    table = second.table(1)
    assert table["step"].to_list() == ["a", "dog"]
    assert table.columns == ["step", *(f"{g}[{k}]" for g in "rznh" for k in range(3))]
    torch.testing.assert_close(
        torch.tensor(table["z[1]"].to_list()), second.gates["z"][1, :2, 1].double().float()
    )
    assert isinstance(first.table(), pl.DataFrame)
    assert len(first.table()) == 3
    torch.testing.assert_close(first.mean(1)["r"], first.gates["r"][1, :2].mean(1))


def test_labels_must_name_every_step() -> None:
    with pytest.raises(ValueError, match="labels must name 3 steps of 2 sequences, got 2 rows"):
        gates(ur.cells.GRU(2, 3), torch.randn(2, 3, 2), [["a", "b", "c"], ["d"]])


def biased(cell: ur.cells.AffineCell, value: float) -> ur.cells.AffineCell:
    """The cell with zero weights and one bias: its activations are known."""
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter.zero_()
        cell.bias_ih.fill_(value)
    return cell


def test_saturation_counts_steps_at_either_end() -> None:
    inputs = torch.zeros(2, 5, 1)
    # sigmoid(3) = 0.953, tanh(1.5) = 0.905: within a twentieth of the range from the upper end.
    for value, low, high in ((3.0, 0, 1), (-3.0, 1, 0), (2.9, 0, 0)):
        found = saturation(biased(ur.cells.LSTM(1, 2), value), inputs)["cell"]["f"]
        assert (found.low.tolist(), found.high.tolist()) == ([low] * 2, [high] * 2)
        assert found.share == low + high
        assert found.stuck.tolist() == [bool(low + high)] * 2
    for value, high in ((1.5, 1.0), (1.4, 0.0)):
        found = saturation(biased(ur.cells.Elman(1, 2), value), inputs)["cell"]["h"]
        assert found.high.tolist() == [high] * 2


def test_half_of_the_steps_saturated_is_not_stuck() -> None:
    cell = biased(ur.cells.Elman(1, 1), 0.0)
    with torch.no_grad():
        cell.weight_ih.fill_(1.0)
    inputs = torch.tensor([5.0, 0.0, -5.0, 0.0])[None, :, None]
    found = saturation(cell, inputs)["cell"]["h"]
    assert (found.low.item(), found.high.item(), found.share) == (0.25, 0.25, 0.5)
    assert not found.stuck.any()


def test_rectifiers_that_never_open_are_dead() -> None:
    cell = biased(ur.cells.Elman(1, 3, nonlinearity="relu"), 0.0)
    with torch.no_grad():
        cell.bias_ih.copy_(torch.tensor([-1.0, 0.0, 1.0]))
        cell.weight_ih.copy_(torch.tensor([[0.5], [1.0], [0.0]]))
    inputs = torch.tensor([1.0, -1.0, 0.5])[None, :, None]
    found = saturation(cell, inputs)["cell"]["h"]
    assert found.stuck.tolist() == [True, False, False]
    assert found.low.tolist() == pytest.approx([1, 1 / 3, 0])
    (trace,) = gates(cell, inputs)
    # The first is always 0, the third always 1.
    assert trace.idle()["h"].tolist() == [True, False, True]


def test_padding_counts_for_nothing() -> None:
    network = unn.Recurrent([biased(ur.cells.Elman(1, 1), 0.0)])
    with torch.no_grad():
        next(network.parameters()).fill_(9.0)
    inputs = torch.tensor([[1.0, 1.0, 1.0], [1.0, 0.0, 0.0]])[:, :, None]
    found = saturation(network, {"input": inputs, "lengths": [3, 1]})["cells.0"]["h"]
    assert found.high.item() == 1.0


def test_a_layer_that_reads_backwards_is_in_the_order_of_the_data() -> None:
    words = [["a", "b", "c", "d"], ["e", "f", "", ""]]
    both = unn.Recurrent("gru", 2, 3, bidirectional=True)
    inputs = torch.randn(2, 4, 2)
    for layer in (both, unn.GRU(2, 3, bidirectional=True, batch_first=True)):
        _, _, states = layer(inputs, lengths=[4, 2], return_states=True)
        traces = gates(layer, {"input": inputs, "lengths": [4, 2]}, words)
        for trace, expected in zip(traces, states, strict=True):
            for name, steps in expected.gates.items():
                torch.testing.assert_close(trace.gates[name][0], steps[0].detach())
                torch.testing.assert_close(trace.gates[name][1, :2], steps[1, :2].detach())
            torch.testing.assert_close(trace.states["h"], expected.states["h"].detach())
            assert trace.table(1)["step"].to_list() == ["e", "f"]


def test_layers_that_run_over_other_steps_have_labels_of_their_own() -> None:
    stack = unn.DilatedStack([ur.cells.GRU(2, 3), ur.cells.GRU(3, 3)], [1, 3])
    with pytest.raises(ValueError, match="where layers differ pass them by name"):
        gates(stack, torch.randn(1, 6, 2), [list("abcdef")])
    named = {"cells.0": [list("abcdef")], "cells.1": [["a", "d"], ["b", "e"], ["c", "f"]]}
    assert gates(stack, torch.randn(1, 6, 2), named)[1].table(2)["step"].to_list() == ["c", "f"]
    with pytest.raises(ValueError, match="a row of names for each sequence"):
        gates(ur.cells.GRU(2, 3), torch.randn(1, 3, 2), ["abc"])


def test_a_cell_takes_what_unroll_takes() -> None:
    cell, start = ur.cells.GRU(2, 3), torch.randn(2, 3)
    inputs = torch.randn(2, 5, 2)
    (trace,) = gates(cell, {"inputs": inputs, "state": start, "lengths": [5, 1]})
    run = ur.unroll(cell, inputs, start, [5, 1])
    torch.testing.assert_close(trace.states["h"], run.outputs.detach())


@pytest.mark.parametrize("name", sorted(ur.cells.BY_NAME))
def test_gates_that_keep_a_memory_are_found(name) -> None:
    cell = ur.cells.BY_NAME[name](4, 4)
    (trace,) = gates(cell, torch.randn(1, 3, 4))
    # MinLSTM divides its gates by their sum, and sLSTM computes them as exponents.
    known = {"min-lstm": {"f", "i"}, "slstm": {"f"}}.get(name, set())
    assert set(cell.keeps) - set(trace.gates) == known & set(cell.keeps)


def test_figures_and_how_they_read(tmp_path) -> None:
    (trace,) = gates(ur.cells.GRU(2, 3), torch.randn(2, 5, 2))
    assert repr(trace) == "GateTrace(cell, GRU: gates r, z, n; states h; 2 sequences of 5 steps)"
    path = trace.draw(tmp_path / "gates.svg", above=("read", [1.0] * 5))
    assert path.read_text().rstrip().endswith("</svg>")


class Sorting(ur.Cell):
    def __init__(self) -> None:
        super().__init__(2, {"h": 2})

    def step(self, x: Tensor, h: Tensor) -> tuple[Tensor]:
        return ((x + h).sort(dim=-1).values,)


def test_a_cell_without_a_graph_has_states_alone() -> None:
    (trace,) = gates(Sorting(), torch.randn(1, 4, 2))
    assert not trace.gates
    assert trace.states["h"].shape == (1, 4, 2)
    assert "<svg" in inline_svg(paint_gates(trace), "states")


def test_the_figure_has_a_panel_for_every_gate() -> None:
    (trace,) = gates(ur.cells.GRU(1, 4), torch.randn(1, 30, 1))
    svg = inline_svg(paint_gates(trace, above=("temperature", [1.0] * 30)), "gates")
    for words in ("temperature", "r, from 0", "z, from 0", "n, from -1"):
        assert words in svg
