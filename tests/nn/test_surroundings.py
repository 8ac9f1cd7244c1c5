"""Layers among the other things that people do with modules."""

import copy
import threading
from functools import partial

import pytest
import torch
from torch import nn
from torch.nn.utils import prune

import unrolled as ur
from unrolled.cells import CfC, Leaky

KINDS = ("RNN", "LSTM", "GRU")
# float32, the same sums in another order; float64 where it says so.
CLOSE = {"rtol": 1e-4, "atol": 1e-5}
EXACT = {"rtol": 1e-10, "atol": 1e-11}


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("engine", ["eager", "native"])
@pytest.mark.parametrize("kind", KINDS)
def test_outputs_can_be_viewed_and_written_to(kind, engine, first) -> None:
    layer = getattr(ur.nn, kind)(4, 6, bidirectional=True, batch_first=first, engine=engine)
    theirs = getattr(nn, kind)(4, 6, bidirectional=True, batch_first=first)
    theirs.load_state_dict(layer.state_dict())
    x = torch.randn(5, 3, 4)
    assert layer(x)[0].view(-1, 12).shape == (15, 12)
    for module in (layer, theirs):
        torch.relu_(module(x)[0].clone() if module is theirs else module(x)[0]).sum().backward()
    torch.testing.assert_close(layer.weight_hh_l0.grad, theirs.weight_hh_l0.grad, **CLOSE)


@pytest.mark.parametrize("kind", KINDS)
def test_a_state_is_carried_under_autocast(kind) -> None:
    layer, x = getattr(ur.nn, kind)(4, 6), torch.randn(5, 3, 4)
    expected, _ = layer(x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found, carried = layer(x.bfloat16())
        layer(x.bfloat16(), carried)
        layer(x, carried)
        *_, (each,) = layer(x.bfloat16(), return_states=True)
    # bfloat16 has 8 bits.
    torch.testing.assert_close(found.float(), expected, rtol=0.05, atol=0.02)
    assert {g.dtype for g in each.gates.values()} <= {torch.float32}


class Own(ur.Cell):
    """A cell of a person's own, with a setting, submodules and a recurrent weight."""

    def __init__(self):
        super().__init__(4, {"h": 4})
        self.a, self.b, self.c = (nn.Linear(4, 4) for _ in range(3))
        self.weight_hh, self.gain = nn.Parameter(torch.randn(4, 4) / 2), 1.0

    def step(self, x, h):
        drive = self.a(x) + 2 * self.b(h) + 3 * self.c(h) + h @ self.weight_hh
        return (torch.tanh(self.gain * drive),)


def test_kernels_notice_modules_that_are_tied_or_swapped() -> None:
    cell, x = Own().double(), torch.randn(3, 6, 4, dtype=torch.float64)

    def check():
        ours, expected = (ur.unroll(cell, x, engine=e).outputs for e in ("native", "eager"))
        torch.testing.assert_close(ours, expected, **EXACT)

    check()
    cell.b = cell.c
    check()
    cell.a, cell.c = cell.c, cell.a
    check()
    cell.c = nn.Linear(4, 4, bias=False).double()
    check()


def test_weight_drop_follows_the_cell() -> None:
    stack, x = ur.nn.Recurrent(Own(), weight_drop=0.5), torch.randn(2, 6, 4)
    stack(x)
    cell = stack.cells[0]
    cell.gain, cell.b = 0.0, nn.Linear(4, 4, bias=False)
    assert not stack(x)[0].any()
    copied = copy.deepcopy(stack)
    copied.cells[0].gain = 1.0
    assert copied(x)[0].any()


@pytest.mark.parametrize("engine", ["eager", "native"])
def test_threads_share_a_layer(engine) -> None:
    layer = ur.nn.GRU(4, 6, recurrent_dropout=0.3, weight_drop=0.3, engine=engine)
    layer(torch.randn(7, 2, 4))
    trouble = []

    def work(batch):
        try:
            for _ in range(10):
                torch.autograd.grad(layer(torch.randn(7, batch, 4))[0].sum(), layer.weight_hh_l0)
        except Exception as error:
            trouble.append(error)

    threads = [threading.Thread(target=work, args=(batch,)) for batch in (2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert trouble == []


def test_a_replaced_cell_is_the_one_that_runs() -> None:
    stack, x = ur.nn.Recurrent("gru", 4, 6), torch.randn(2, 6, 4)
    stack(x)
    stack.cells[0] = ur.cells.GRU(4, 6)
    expected = ur.unroll(stack.cells[0], x).outputs
    torch.testing.assert_close(stack(x)[0], expected, **CLOSE)
    stack(x)[0].sum().backward()
    assert all(p.grad is not None for p in stack.parameters())
    replica = stack._replicate_for_data_parallel()
    replica.cells = nn.ModuleList([ur.cells.GRU(4, 6)])
    torch.testing.assert_close(replica(x)[0], ur.unroll(replica.cells[0], x).outputs, **CLOSE)
    torch.testing.assert_close(stack(x)[0], expected, **CLOSE)


@pytest.mark.parametrize(
    "make", [partial(ur.nn.LSTM, 4, 6), partial(ur.nn.Recurrent, "lstm", 4, 6)]
)
def test_copies_after_training_with_dropped_weights(make) -> None:
    layer, x = make(weight_drop=0.5, recurrent_dropout=0.2), torch.randn(5, 3, 4)
    layer(x)[0].sum().backward()
    copied = copy.deepcopy(layer)
    layer.eval()
    copied.eval()
    torch.testing.assert_close(copied(x), layer(x), rtol=0, atol=0)
    given = {n: 2 * p for n, p in layer.named_parameters()}
    torch.func.functional_call(layer, given, (x,))
    torch.testing.assert_close(copy.deepcopy(layer)(x), layer(x), rtol=0, atol=0)


def test_a_copy_of_a_parametrized_layer() -> None:
    layer, x = ur.nn.GRU(4, 6), torch.randn(5, 3, 4)
    nn.utils.parametrizations.spectral_norm(layer, "weight_hh_l0")
    layer.eval()
    layer(x)
    torch.testing.assert_close(copy.deepcopy(layer)(x), layer(x), rtol=0, atol=0)


# torch warns that tracing is deprecated, and of sizes that a trace fixes, as for its own layers.
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", KINDS)
def test_traces_take_other_batches(kind) -> None:
    layer, x = getattr(ur.nn, kind)(4, 6).eval(), torch.randn(5, 3, 4)
    traced = torch.jit.trace(layer, (x,))
    other = torch.randn(7, 2, 4)
    torch.testing.assert_close(traced(other), layer(other), **CLOSE)


# torch warns of the list of weights that its own layers keep.
@pytest.mark.filterwarnings("ignore")
@pytest.mark.slow
def test_export_with_a_batch_of_any_size() -> None:
    layer = ur.nn.GRU(4, 6, batch_first=True).eval()
    shapes = ({0: torch.export.Dim("B")}, None)
    program = torch.export.export(
        layer, (torch.randn(4, 5, 4), None), dynamic_shapes=shapes, strict=False
    )
    x = torch.randn(7, 5, 4)
    torch.testing.assert_close(program.module()(x, None), layer(x), **CLOSE)


@pytest.mark.parametrize("engine", ["auto", "eager"])
def test_pruning_a_cell_of_a_stack(engine) -> None:
    stack, x = ur.nn.Recurrent("lstm", 4, 6, engine=engine), torch.randn(2, 6, 4)
    prune.l1_unstructured(stack.cells[0], "weight_hh", amount=0.5)
    for _ in range(2):
        stack(x)[0].sum().backward()
    grad = stack.cells[0].weight_hh_orig.grad
    assert grad[stack.cells[0].weight_hh_mask == 0].abs().max() == 0 < grad.abs().max()
    with torch.no_grad():
        stack.cells[0].weight_hh_orig.zero_()
    plain = ur.cells.LSTM(4, 6)
    plain.load_state_dict(
        {n.removesuffix("_orig"): p for n, p in stack.cells[0].state_dict().items()
         if not n.endswith("_mask")}
    )  # fmt: skip
    torch.testing.assert_close(stack(x)[0], ur.unroll(plain, x).outputs, **CLOSE)


@pytest.mark.parametrize("noise", [{"zoneout": 0.2}, {"weight_drop": 0.5}])
def test_pruning_a_cell_with_noise(noise) -> None:
    """What is pruned stays out of training, though the cell is inside of others there."""
    stack, x = ur.nn.Recurrent("gru", 4, 6, **noise), torch.randn(2, 6, 4)
    cell = stack.cells[0]
    prune.l1_unstructured(cell, "weight_hh", amount=0.5)
    for _ in range(2):
        stack(x)[0].sum().backward()
    grad = cell.weight_hh_orig.grad
    assert grad[cell.weight_hh_mask == 0].abs().max() == 0 < grad.abs().max()


def test_pruning_a_decoder_that_goes_step_by_step() -> None:
    model = ur.nn.EncoderDecoder.of_tokens(9, 9, 8, attention="bahdanau")
    source = torch.randint(3, 9, (2, 5))
    cell = model.decoder.recurrent.cells[0]
    prune.l1_unstructured(cell, "weight_hh", amount=0.5)
    with torch.no_grad():
        cell.weight_hh_orig.zero_()
    run = model(source, source)
    prune.remove(cell, "weight_hh")
    torch.testing.assert_close(run.logits, model(source, source).logits, **CLOSE)


def test_shapes_without_memory() -> None:
    layer = ur.nn.GRU(4, 6, layer_norm=True, bidirectional=True, device="meta")
    assert layer(torch.randn(5, 3, 4, device="meta"))[0].shape == (5, 3, 12)


# torch.func scripts decompositions at its first use, which torch has deprecated.
@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.parametrize("kind", KINDS)
def test_transforms_of_torch(kind) -> None:
    layer, x = getattr(ur.nn, kind)(4, 6).double(), torch.randn(5, 3, 4, dtype=torch.float64)
    way = torch.randn_like(x)
    _, slope = torch.func.jvp(lambda x: layer(x)[0], (x,), (way,))
    step = 1e-6
    expected = (layer(x + step * way)[0] - layer(x - step * way)[0]) / (2 * step)
    # A central difference: its error is of the order of 1e-6 squared over rounding, 1e-10.
    torch.testing.assert_close(slope, expected, rtol=1e-6, atol=1e-8)
    mapped = torch.func.vmap(lambda x: layer(x)[0])(torch.stack([x, way]))
    torch.testing.assert_close(mapped, torch.stack([layer(x)[0], layer(way)[0]]), **EXACT)


def test_positions_of_arguments_are_torchs() -> None:
    for kind, more in (("RNNCell", ("tanh",)), ("LSTMCell", ()), ("GRUCell", ())):
        ours, theirs = (
            getattr(lib, kind)(4, 6, True, *more, "cpu", torch.float64) for lib in (ur.nn, nn)
        )
        assert list(ours.state_dict()) == list(theirs.state_dict())
        assert ours.weight_hh.dtype is torch.float64
    for kind in ("RNN", "GRU"):
        with pytest.raises(ValueError, match="proj_size argument is only supported for LSTM"):
            getattr(ur.nn, kind)(30, 20, 2, proj_size=10)


def test_why_says_what_ran_each_layer() -> None:
    layer = ur.nn.LSTM(4, 6, 2, zoneout=0.1)
    layer(torch.randn(7, 2, 4))
    assert len(layer.why) == 2
    assert all("LSTM with zoneout" in why for why in layer.why)
    layer.engine = "eager"
    layer(torch.randn(7, 2, 4))
    assert all(why.startswith("eager: ") for why in layer.why)


def _times(batch=2, steps=6):
    return torch.rand(batch, steps, 1, dtype=torch.float64) + 0.1


@pytest.mark.parametrize("kind", [CfC, Leaky])
def test_every_layer_reads_the_time_between_steps(kind) -> None:
    """Two layers, both directions: the second layer and the reverse cells by hand."""
    make = partial(kind, elapsed="input", dtype=torch.float64)
    stack = ur.nn.Recurrent(make, 4, 5, num_layers=2, bidirectional=True)
    assert [cell.input_size for cell in stack.cells] == [4, 4, 11, 11]
    features, times = torch.randn(2, 6, 3, dtype=torch.float64), _times()
    lengths = [6, 4]
    outputs, _ = stack(torch.cat([features, times], 2), lengths=lengths)
    for b, length in enumerate(lengths):
        read, since = features[b, :length], times[b, :length]
        until = torch.cat([since[1:], since[-1:]])
        for layer in range(2):
            ahead = ur.unroll(stack.cells[2 * layer], torch.cat([read, since], 1)[None]).outputs
            turned = torch.cat([read, until], 1).flip(0)
            back = ur.unroll(stack.cells[2 * layer + 1], turned[None]).outputs.flip(1)
            read = torch.cat([ahead, back], 2)[0]
        torch.testing.assert_close(outputs[b, :length], read, **EXACT)


def test_time_does_not_run_backwards() -> None:
    cell = CfC(4, 5, elapsed="input")
    with pytest.raises(ValueError, match=r"time since the previous step; some of it is below 0"):
        ur.unroll(cell, -torch.ones(1, 5, 4))


def test_results_are_printed_as_shapes() -> None:
    *_, (each,) = ur.nn.GRU(4, 6)(torch.randn(5, 2, 4), return_states=True)
    assert repr(each).startswith("LayerStates(states={h: [5, 2, 6]}, gates={r: [5, 2, 6]")
    model = ur.nn.EncoderDecoder.of_tokens(9, 9, 8)
    source = torch.randint(3, 9, (2, 5))
    assert repr(model(source, source)).startswith("Decoded(logits=[2, 5, 9], weights=[2, 5, 5]")
    assert "tokens=[2, 1, " in repr(model.greedy(source, max_steps=4))


@pytest.mark.parametrize(
    ("run", "kind", "words"),
    [
        (lambda: ur.nn.GRU(4, 6)(torch.ones(5, 2, 4), [5, 5]), TypeError, ["hx", "lengths="]),
        (lambda: ur.nn.GRU(4, 6)(torch.ones(5, 2, 4), 3), TypeError, ["hx", "int"]),
        (lambda: ur.nn.GRU(4, 6)(torch.ones(5, 2, 4), lengths="ab"), ValueError, ["lengths"]),
        (
            lambda: ur.nn.GRU(4, 6)(
                torch.ones(5, 2, 4), lengths=[5], reset=torch.zeros(5, 2, dtype=torch.bool)
            ),
            ValueError,
            ["lengths must be 2 whole numbers"],
        ),
        (lambda: ur.nn.GRU(4, 6, engine="natve"), ValueError, ["did you mean 'native'"]),
        (lambda: ur.nn.LSTM(4, 6, forget_bias="a"), TypeError, ["forget_bias", "'a'"]),
        (lambda: ur.nn.Recurrent(nn.GRUCell(4, 6)), TypeError, ["unrolled.Cell.wrap"]),
        (lambda: ur.unroll("gru", torch.ones(1, 5, 4)), TypeError, ["must be made", "'gru'"]),
        (lambda: ur.unroll(ur.cells.GRU, torch.ones(1, 5, 4)), TypeError, ["must be made"]),
        (lambda: ur.unroll(ur.nn.GRU(4, 6), torch.ones(1, 5, 4)), TypeError, ["layer(inputs)"]),
        (lambda: ur.Cell(3, 4), TypeError, ["state_sizes", '{"h": 32}', "4"]),
        (
            lambda: ur.nn.LSTM(4, 6, engine="vendor", zoneout=0.1)(torch.ones(5, 2, 4)),
            ValueError,
            ["no kernel for this LSTM with zoneout"],
        ),
    ],
)
def test_bad_input_is_named(run, kind, words) -> None:
    with pytest.raises(kind) as raised:
        run()
    assert all(word in str(raised.value) for word in words), raised.value
