"""A stack of any cell, against loops over its steps."""

import copy
import pickle

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import unrolled as ur
from unrolled.cells import BY_NAME, GRU, LSTM, MGU, Cell, Elman

I, H, B, T = 3, 4, 3, 6  # noqa: E741, the letters of the shape legend
# float64, a few steps of the same sums.
EXACT = {"rtol": 1e-10, "atol": 1e-11}


@pytest.fixture(autouse=True)
def _double():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def _walk(cell, x, steps):
    """Outputs at the given steps of one sequence [T, I], one after the other, by step."""
    state, outputs = cell.initial_state(1), {}
    for t in steps:
        state = cell.step(x[t : t + 1], *state)
        outputs[t] = state[0][0]
    return outputs, state


def _of_layer(final, layer):
    """The components of one layer's state, each [2, B, size], of a stack of two."""
    if not torch.is_tensor(final) and not torch.is_tensor(final[0]):
        # The layers' states differ in sizes: QRNN's holds an input.
        return final[layer]
    parts = [final] if torch.is_tensor(final) else final
    return [part[2 * layer : 2 * layer + 2] for part in parts]


@pytest.mark.parametrize("name", BY_NAME)
def test_every_cell_stacks_in_both_directions_over_lengths(name) -> None:
    stack = ur.nn.Recurrent(name, I, H, num_layers=2, bidirectional=True, engine="eager")
    x, lengths = torch.randn(B, T, I), [6, 2, 4]
    outputs, final = stack(x, lengths=lengths)
    for b, length in enumerate(lengths):
        read = x[b, :length]
        for layer in range(2):
            forward, reverse = stack.cells[2 * layer : 2 * layer + 2]
            ahead, last = _walk(forward, read, range(length))
            back, first = _walk(reverse, read, range(length)[::-1])
            for part, one, other in zip(_of_layer(final, layer), last, first, strict=True):
                torch.testing.assert_close(part[:, b], torch.cat([one, other]), **EXACT)
            read = torch.stack([torch.cat([ahead[t], back[t]]) for t in range(length)])
        torch.testing.assert_close(outputs[b, :length], read, **EXACT)
        assert not outputs[b, length:].any()
    assert stack.output_size == outputs.shape[2]


@pytest.mark.parametrize("name", ["slstm", "qrnn", "lru", "mgu", "scrn"])
def test_noise_and_resets_are_the_same_in_every_engine(name) -> None:
    noise = {"zoneout": 0.2, "recurrent_dropout": 0.3 if name in ("slstm", "mgu", "scrn") else 0}
    stack = ur.nn.Recurrent(name, I, H, bidirectional=True, **noise)
    x, reset = torch.randn(B, T, I), torch.rand(B, T) < 0.3
    found = []
    for engine in ("eager", "native"):
        stack.engine = engine
        torch.manual_seed(2)
        outputs, final = stack(x, lengths=[6, 2, 4], reset=reset)
        parts = [final] if torch.is_tensor(final) else final
        loss = sum((p * torch.sin(torch.arange(p.numel()).view_as(p))).sum() for p in parts)
        found.append((outputs, torch.autograd.grad(loss, list(stack.parameters()))))
    torch.testing.assert_close(*found, **EXACT)


def test_it_is_torchs_lstm() -> None:
    stack = ur.nn.Recurrent(LSTM, I, H, num_layers=2, bidirectional=True)
    theirs = nn.LSTM(I, H, 2, batch_first=True, bidirectional=True)
    for k, cell in enumerate(stack.cells):
        suffix = f"_l{k // 2}" + "_reverse" * (k % 2)
        cell.load_state_dict({n: getattr(theirs, n + suffix) for n in cell.state_dict()})
    x, hx = torch.randn(B, T, I), (torch.randn(4, B, H), torch.randn(4, B, H))
    torch.testing.assert_close(stack(x, hx), theirs(x, hx), **EXACT)
    alone = (hx[0][:, 0], hx[1][:, 0])
    torch.testing.assert_close(stack(x[0], alone), theirs(x[0], alone), **EXACT)
    packed = pack_padded_sequence(x, torch.tensor([2, 6, 4]), True, enforce_sorted=False)
    ours, expected = stack(packed, hx), theirs(packed, hx)
    torch.testing.assert_close(ours[0].data, expected[0].data, **EXACT)
    torch.testing.assert_close(ours[1], expected[1], **EXACT)


def test_time_first() -> None:
    stack = ur.nn.Recurrent("gru", I, H, batch_first=False)
    x = torch.randn(T, B, I)
    first = copy.deepcopy(stack)
    first.batch_first = True
    torch.testing.assert_close(stack(x)[0], first(x.transpose(0, 1))[0].transpose(0, 1), **EXACT)


def test_made_cells_of_different_kinds() -> None:
    stack = ur.nn.Recurrent([LSTM(I, 5), MGU(5, 4)])
    x = torch.randn(B, T, I)
    outputs, final = stack(x)
    one = ur.unroll(stack.cells[0], x)
    two = ur.unroll(stack.cells[1], one.outputs)
    torch.testing.assert_close(outputs, two.outputs, **EXACT)
    torch.testing.assert_close(final[0], tuple(c[None] for c in one.final), **EXACT)
    torch.testing.assert_close(final[1], two.final[0][None], **EXACT)
    half, state = stack(x[:, :3])
    rest, _ = stack(x[:, 3:], state)
    torch.testing.assert_close(torch.cat([half, rest], 1), outputs, **EXACT)


class Learned(Cell):
    """A cell with a learned start and a step of a person's own."""

    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, {"h": hidden_size})
        self.inner = nn.Linear(input_size + hidden_size, hidden_size)
        self.start = nn.Parameter(torch.randn(hidden_size))

    def initial_state(self, batch_size, *, dtype=None, device=None):
        return (self.start.expand(batch_size, -1),)

    def step(self, x, h):
        return (torch.tanh(self.inner(torch.cat([x, h], dim=1))),)


@pytest.mark.parametrize("engine", ["eager", "native"])
def test_a_cell_of_ones_own_starts_and_resets_as_it_says(engine) -> None:
    stack = ur.nn.Recurrent(Learned, I, H, zoneout=0.2, engine=engine)
    x, reset = torch.randn(1, T, I), torch.arange(T)[None] == 3
    stack.eval()
    outputs, _ = stack(x, reset=reset)
    cell = stack.cells[0]
    for start in (0, 3):
        h = cell.start[None]
        for t in range(start, start + 3):
            h = 0.2 * h + 0.8 * torch.tanh(cell.inner(torch.cat([x[:, t], h], 1)))
            torch.testing.assert_close(outputs[:, t], h, **EXACT)
    outputs.sum().backward()
    assert cell.start.grad.abs().sum() > 0


def test_bidirectional_reads_each_length_from_its_end() -> None:
    layer = ur.nn.Bidirectional(GRU(I, H), GRU(I, H))
    theirs = nn.GRU(I, H, batch_first=True, bidirectional=True)
    for cell, suffix in zip(layer.cells, ("_l0", "_l0_reverse"), strict=True):
        cell.load_state_dict({n: getattr(theirs, n + suffix) for n in cell.state_dict()})
    x, lengths = torch.randn(B, T, I), torch.tensor([2, 6, 4])
    packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    expected, h = theirs(packed)
    expected = pad_packed_sequence(expected, batch_first=True)[0]
    torch.testing.assert_close(layer(x, lengths=lengths), (expected, h), **EXACT)
    for merge, scale in (("sum", 1), ("mean", 0.5)):
        layer.merge = merge
        both = expected[..., :H] + expected[..., H:]
        torch.testing.assert_close(layer(x, lengths=lengths)[0], scale * both, **EXACT)
        torch.testing.assert_close(
            pad_packed_sequence(layer(packed)[0], batch_first=True)[0], scale * both, **EXACT
        )
        assert layer.output_size == H


def test_two_directions_may_be_of_two_kinds() -> None:
    layer, x = ur.nn.Bidirectional(Elman(I, H), MGU(I, H)), torch.randn(B, T, I)
    outputs, _ = layer(x)
    reverse = ur.unroll(layer.cells[1], x.flip(1)).outputs.flip(1)
    torch.testing.assert_close(outputs[..., H:], reverse, **EXACT)


def test_copies_and_states() -> None:
    stack = ur.nn.Recurrent("peephole-lstm", I, H, num_layers=2, zoneout=0.1, weight_drop=0.2)
    x = torch.randn(B, T, I)
    stack.eval()
    for copied in (copy.deepcopy(stack), pickle.loads(pickle.dumps(stack))):
        torch.testing.assert_close(copied(x), stack(x), rtol=0, atol=0)
        with torch.no_grad():
            copied.cells[0].weight_hh.zero_()
        assert not torch.equal(copied(x)[0], stack(x)[0])
        copied.train()
        assert copied(x)[0].requires_grad
    assert all(name.startswith("cells.") for name in stack.state_dict())


@pytest.mark.parametrize(
    ("run", "words"),
    [
        (lambda: ur.nn.Recurrent("mgru", 3, 4), ["cell", "did you mean"]),
        (lambda: ur.nn.Recurrent("mgu"), ["input_size and hidden_size"]),
        (lambda: ur.nn.Recurrent(MGU(3, 4), 3, 4), ["sizes of their own"]),
        (lambda: ur.nn.Recurrent([MGU(3, 4), MGU(3, 4)]), ["layer 1", "the 4 from below", "[3]"]),
        (lambda: ur.nn.Recurrent([MGU(3, 4)], bidirectional=True), ["two for each layer"]),
        (lambda: ur.nn.Recurrent([]), ["one a layer", "got 0"]),
        (lambda: ur.nn.Recurrent([MGU(4, 4)] * 2), ["one cell is there twice"]),
        (lambda: ur.nn.Bidirectional(MGU(3, 4), MGU(3, 5)), ["two directions", "sizes"]),
        (lambda: ur.nn.Bidirectional(MGU(3, 4), MGU(3, 4), merge="add"), ["merge", "'add'"]),
        (
            lambda: ur.nn.Recurrent("indrnn", 3, 4, recurrent_dropout=0.1),
            ["recurrent_dropout", "IndRNN"],
        ),
        (lambda: ur.nn.Recurrent("jordan", 3, 4, weight_drop=0.1), ["weight_drop", "Jordan"]),
        (lambda: ur.nn.Recurrent("mgu", 3, 4, dropout=2), ["dropout", "from 0 to 1"]),
        (lambda: ur.nn.Recurrent("mgu", 3, 4)(torch.ones(2, 3, 4, 5)), ["[batch, time, features]"]),
        (lambda: ur.nn.Recurrent("mgu", 3, 4)(torch.ones(2, 5, 2)), ["[batch, time, 3]"]),
        (
            lambda: ur.nn.Recurrent("mgu", 3, 4)(torch.ones(2, 5, 3), torch.ones(1, 2, 5)),
            ["state h must be [1, 2, 4]", "[1, 2, 5]"],
        ),
        (
            lambda: ur.nn.Recurrent("lstm", 3, 4)(torch.ones(2, 5, 3), torch.ones(1, 2, 4)),
            ["the state must be h, c", "1 tensor"],
        ),
    ],
)
def test_bad_arguments_are_named(run, words) -> None:
    with pytest.raises(ValueError) as raised:  # noqa: PT011, the words are what is tested
        run()
    assert all(word in str(raised.value) for word in words), raised.value


@pytest.mark.parametrize("cell", [nn.GRU, nn.GRUCell, 7])
def test_what_makes_no_cell_is_named(cell) -> None:
    with pytest.raises(TypeError, match=r"cell must be|cell made a GRU"):
        ur.nn.Recurrent(cell, 3, 4)
