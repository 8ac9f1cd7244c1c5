"""RNN, LSTM and GRU against torch.nn, and what torch has not against loops written by hand."""

import copy
import itertools
import pickle

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import unrolled as ur
from unrolled.engines import BY_NAME, EngineRefused
from unrolled.engines.native import build

KINDS = ("RNN", "LSTM", "GRU")
ENGINES = [name for name in BY_NAME if name != "native" or build.compiler()]
I, H, B, T = 3, 5, 4, 7  # noqa: E741, the letters of the shape legend
# float64, the same sums in another order over a few steps.
EXACT = {"rtol": 1e-10, "atol": 1e-11}


@pytest.fixture(autouse=True)
def _double():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def _state(kind, layers, batch=B, proj=0):
    """A start away from zeros, as torch takes it; one sequence has batch None."""
    middle = () if batch is None else (batch,)
    h = torch.randn(layers, *middle, proj or H)
    return (h, torch.randn(layers, *middle, H)) if kind == "LSTM" else h


def _leaves(tree):
    return [t for t in torch.utils._pytree.tree_leaves(tree) if torch.is_tensor(t)]


def _compare(ours, theirs, call):
    """Results and gradients of the parameters, through a loss that uses all of both."""
    found = []
    for module in (ours, theirs):
        values = [v for v in _leaves(call(module)) if v.is_floating_point()]
        loss = sum((v * torch.cos(torch.arange(v.numel()).view_as(v))).sum() for v in values)
        found.append((values, torch.autograd.grad(loss, list(module.parameters()))))
    torch.testing.assert_close(found[0], found[1], **EXACT)


SETTINGS = [
    (kind, layers, both, bias, first, proj)
    for kind, layers, both, bias, first, proj in itertools.product(
        KINDS, (1, 2), (False, True), (False, True), (False, True), (0, 2)
    )
    if kind == "LSTM" or not proj
]


@pytest.mark.parametrize(("kind", "layers", "both", "bias", "first", "proj"), SETTINGS)
def test_equals_torch(kind, layers, both, bias, first, proj) -> None:
    """Over layers x directions x bias x layout x projection; batched, alone, packed; dropout."""
    options = {"num_layers": layers, "bidirectional": both, "bias": bias, "batch_first": first}
    options |= {"proj_size": proj} if proj else {}
    options |= {"dropout": 0.4} if layers > 1 else {}
    torch.manual_seed(5)
    theirs = getattr(nn, kind)(I, H, **options)
    torch.manual_seed(5)
    ours = getattr(ur.nn, kind)(I, H, **options)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    for name, parameter in theirs.state_dict().items():
        assert torch.equal(ours.state_dict()[name], parameter), name
    torch.nn.init.normal_(theirs.weight_hh_l0, std=0.3)
    ours.load_state_dict(theirs.state_dict(), strict=True)
    theirs.load_state_dict(ours.state_dict(), strict=True)
    ours.eval()
    theirs.eval()
    count = layers * (1 + both)
    batch = torch.randn(B, T, I) if first else torch.randn(T, B, I)
    _compare(ours, theirs, lambda m: m(batch))
    hx = _state(kind, count, proj=proj)
    _compare(ours, theirs, lambda m: m(batch, hx))
    alone, h1 = torch.randn(T, I), _state(kind, count, None, proj)
    _compare(ours, theirs, lambda m: m(alone, h1))
    for lengths, is_sorted in (([3, 7, 1, 7], False), ([7, 5, 5, 2], True)):
        packed = pack_padded_sequence(batch, torch.tensor(lengths), first, is_sorted)
        _compare(ours, theirs, lambda m, packed=packed: m(packed, hx))
        mine, other = ours(packed)[0], theirs(packed)[0]
        for one, two in zip(mine[1:], other[1:], strict=True):
            assert (one is None and two is None) or torch.equal(one, two)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("kind", KINDS)
def test_lengths_are_packing(kind, engine) -> None:
    layer = getattr(ur.nn, kind)(I, H, 2, batch_first=True, bidirectional=True, engine=engine)
    theirs = getattr(nn, kind)(I, H, 2, batch_first=True, bidirectional=True)
    theirs.load_state_dict(layer.state_dict())
    x, lengths, hx = torch.randn(B, T, I), torch.tensor([3, 7, 1, 5]), _state(kind, 4)
    packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    expected, h = theirs(packed, hx)
    expected = pad_packed_sequence(expected, batch_first=True, total_length=T)[0]
    x[0, 3:] = float("nan")
    torch.testing.assert_close(layer(x, hx, lengths=lengths), (expected, h), **EXACT)
    mask = torch.arange(T) < lengths[:, None]
    torch.testing.assert_close(layer(x, hx, mask=mask), (expected, h), **EXACT)


@settings(max_examples=15, deadline=None)
@given(data=st.data(), both=st.booleans(), first=st.booleans())
def test_a_mask_leaves_steps_out(data, both, first) -> None:
    layer = ur.nn.GRU(I, H, batch_first=first, bidirectional=both)
    row = st.lists(st.booleans(), min_size=T, max_size=T)
    mask = torch.tensor(data.draw(st.lists(row, min_size=B, max_size=B)))
    x = torch.randn(B, T, I)
    turn = (lambda t: t) if first else (lambda t: t.transpose(0, 1))
    outputs, h = layer(turn(x), mask=turn(mask))
    for b in range(B):
        kept = mask[b].nonzero()[:, 0]
        assert not turn(outputs)[b, ~mask[b]].any()
        if len(kept):
            alone, last = layer(x[b, kept])
            torch.testing.assert_close(turn(outputs)[b, kept], alone, **EXACT)
            torch.testing.assert_close(h[:, b], last, **EXACT)


def test_one_sequence_with_a_mask() -> None:
    layer, x, mask = ur.nn.LSTM(I, H), torch.randn(T, I), torch.arange(T) % 3 != 1
    outputs, (h, _) = layer(x, mask=mask)
    expected, (last, _) = layer(x[mask])
    torch.testing.assert_close((outputs[mask], h), (expected, last), **EXACT)


@pytest.mark.parametrize("engine", ["eager", "native"])
@pytest.mark.parametrize("kind", KINDS)
def test_reset_is_a_new_sequence(kind, engine) -> None:
    """Forward and reverse, with lengths: each stretch is as if it were alone."""
    layer = getattr(ur.nn, kind)(I, H, 2, batch_first=True, bidirectional=True, engine=engine)
    x, reset = torch.randn(2, T, I), torch.zeros(2, T, dtype=torch.bool)
    reset[0, 3] = reset[0, 4] = reset[1, 2] = reset[1, 6] = True
    outputs, _ = layer(x, lengths=[7, 6], reset=reset)
    for row, stretches in ((0, [(0, 3), (3, 4), (4, 7)]), (1, [(0, 2), (2, 6)])):
        for start, stop in stretches:
            alone, _ = layer(x[row : row + 1, start:stop])
            torch.testing.assert_close(outputs[row, start:stop], alone[0], **EXACT)


def test_reset_at_the_first_step_drops_the_given_state() -> None:
    layer, x = ur.nn.GRU(I, H), torch.randn(T, 2, I)
    reset = torch.zeros(T, 2, dtype=torch.bool)
    reset[0, 0] = True
    hx = torch.randn(1, 2, H)
    outputs, _ = layer(x, hx, reset=reset)
    torch.testing.assert_close(outputs[:, 0], layer(x[:, :1])[0][:, 0], **EXACT)
    torch.testing.assert_close(outputs[:, 1], layer(x, hx)[0][:, 1], **EXACT)


def test_a_reset_where_the_mask_is_false_counts_for_the_next_step() -> None:
    layer, x = ur.nn.GRU(I, H, batch_first=True), torch.randn(1, 6, I)
    mask = torch.tensor([[True, True, False, True, True, True]])
    reset = torch.tensor([[False, False, True, False, False, False]])
    outputs, _ = layer(x, mask=mask, reset=reset)
    torch.testing.assert_close(outputs[:, 3:], layer(x[:, 3:])[0], **EXACT)


@pytest.mark.parametrize("engine", ENGINES)
def test_states_and_gates_at_every_step(engine) -> None:
    layer = ur.nn.LSTM(I, H, bidirectional=True, engine=engine)
    x = torch.randn(T, 2, I)
    *_, (forward, reverse) = layer(x, return_states=True)
    for found, suffix, order in ((forward, "", range(T)), (reverse, "_reverse", range(T)[::-1])):
        cell = nn.LSTMCell(I, H)
        cell.load_state_dict({n: getattr(layer, f"{n}_l0{suffix}") for n in cell.state_dict()})
        h, c = torch.zeros(2, H), torch.zeros(2, H)
        for t in order:
            a = F.linear(x[t], cell.weight_ih, cell.bias_ih)
            a = a + F.linear(h, cell.weight_hh, cell.bias_hh)
            h, c = cell(x[t], (h, c))
            torch.testing.assert_close(found.states["h"][t], h, **EXACT)
            torch.testing.assert_close(found.states["c"][t], c, **EXACT)
            torch.testing.assert_close(found.gates["f"][t], a[:, H : 2 * H].sigmoid(), **EXACT)
            torch.testing.assert_close(found.gates["g"][t], a[:, 2 * H : 3 * H].tanh(), **EXACT)
        assert (found.engine, bool(found.why)) == (engine, True)


def test_states_of_every_layer_come_in_torchs_order() -> None:
    layer, x = ur.nn.GRU(I, [4, 6], batch_first=True, bidirectional=True), torch.randn(2, T, I)
    outputs, _, states = layer(x, return_states=True)
    assert [s.states["h"].shape[2] for s in states] == [4, 4, 6, 6]
    both = torch.cat([states[2].states["h"], states[3].states["h"]], 2)
    torch.testing.assert_close(both, outputs, rtol=0, atol=0)
    assert list(states[0].gates) == ["r", "z", "n"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_size_for_each_layer(kind) -> None:
    """Against torch's layers, one on top of the other."""
    layer = getattr(ur.nn, kind)(I, [4, 6, 2], bidirectional=True)
    x, finals = torch.randn(T, B, I), []
    read = x
    for depth, size in enumerate((4, 6, 2)):
        one = getattr(nn, kind)(read.shape[2], size, bidirectional=True)
        names = {n: n.replace("_l0", f"_l{depth}") for n in one.state_dict()}
        one.load_state_dict({n: getattr(layer, name) for n, name in names.items()})
        read, h = one(read)
        finals.append(h)
    outputs, final = layer(x)
    torch.testing.assert_close((outputs, final), (read, tuple(finals)), **EXACT)
    assert (layer.num_layers, layer.hidden_size) == (3, [4, 6, 2])
    again, _ = layer(x, final)
    assert not torch.equal(again, outputs)


def test_skip_adds_what_a_layer_reads() -> None:
    layer, x = ur.nn.LSTM(I, H, 3, batch_first=True, skip=True), torch.randn(B, T, I)
    read = x
    for depth in range(3):
        one = nn.LSTM(read.shape[2], H, batch_first=True)
        one.load_state_dict({n: getattr(layer, n[:-1] + str(depth)) for n in one.state_dict()})
        given, _ = one(read)
        read = read + given if depth else given
    torch.testing.assert_close(layer(x)[0], read, **EXACT)


@pytest.mark.parametrize("engine", ["eager", "native"])
@pytest.mark.parametrize("kind", KINDS)
def test_recurrent_dropout_is_one_mask_for_a_sequence(kind, engine) -> None:
    layer = getattr(ur.nn, kind)(I, H, recurrent_dropout=0.5, batch_first=True, engine=engine)
    x = torch.randn(B, T, I)
    torch.manual_seed(3)
    outputs, _ = layer(x)
    torch.manual_seed(3)
    mask = F.dropout(torch.ones(B, 1, H), 0.5)[:, 0]
    assert sorted(mask.unique().tolist()) == [0, 2]
    p = {n.removesuffix("_l0"): q for n, q in layer.named_parameters()}
    h = c = torch.zeros(B, H)
    for t in range(T):
        a = F.linear(x[:, t], p["weight_ih"], p["bias_ih"])
        b = F.linear(h * mask, p["weight_hh"], p["bias_hh"])
        if kind == "RNN":
            h = torch.tanh(a + b)
        elif kind == "LSTM":
            i, f, g, o = (a + b).chunk(4, dim=1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
        else:
            (ar, az, an), (br, bz, bn) = a.chunk(3, dim=1), b.chunk(3, dim=1)
            r, z = (ar + br).sigmoid(), (az + bz).sigmoid()
            h = (1 - z) * torch.tanh(an + r * bn) + z * h
        torch.testing.assert_close(outputs[:, t], h, **EXACT)


@pytest.mark.parametrize("engine", ["eager", "native"])
def test_zoneout_keeps_units_in_training_and_their_mean_in_evaluation(engine) -> None:
    layer = ur.nn.LSTM(I, H, zoneout=(0.3, 0.6), batch_first=True, engine=engine)
    plain = nn.LSTMCell(I, H)
    plain.load_state_dict({n.removesuffix("_l0"): p for n, p in layer.state_dict().items()})
    x = torch.randn(B, T, I)
    torch.manual_seed(4)
    *_, (found,) = layer(x, return_states=True)
    torch.manual_seed(4)
    keep_h = torch.empty(B, T, H).bernoulli_(0.3)
    keep_c = torch.empty(B, T, H).bernoulli_(0.6)
    layer.eval()
    *_, (mean,) = layer(x, return_states=True)
    for states, p_h, p_c in (
        (found.states, keep_h.unbind(1), keep_c.unbind(1)),
        (mean.states, [torch.tensor(0.3)] * T, [torch.tensor(0.6)] * T),
    ):
        h = c = torch.zeros(B, H)
        for t in range(T):
            new_h, new_c = plain(x[:, t], (h, c))
            h, c = p_h[t] * h + (1 - p_h[t]) * new_h, p_c[t] * c + (1 - p_c[t]) * new_c
            torch.testing.assert_close(states["h"][:, t], h, **EXACT)
            torch.testing.assert_close(states["c"][:, t], c, **EXACT)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("kind", KINDS)
def test_weight_drop_is_torchs_layer_with_dropped_weights(kind, engine) -> None:
    """Twice before one backward pass, so that neither may spoil what the other keeps."""
    layer = getattr(ur.nn, kind)(I, H, weight_drop=0.5, batch_first=True, engine=engine)
    theirs = getattr(nn, kind)(I, H, batch_first=True)
    theirs.load_state_dict(layer.state_dict(), strict=True)
    x = torch.randn(B, T, I)
    torch.manual_seed(6)
    ours = layer(x)[0].sum() + layer(x)[0].square().sum()
    torch.manual_seed(6)
    weights = [F.dropout(theirs.weight_hh_l0, 0.5) for _ in range(2)]
    call = torch.func.functional_call
    expected = call(theirs, {"weight_hh_l0": weights[0]}, (x,))[0].sum()
    expected = expected + call(theirs, {"weight_hh_l0": weights[1]}, (x,))[0].square().sum()
    torch.testing.assert_close(ours, expected, **EXACT)
    ours.backward()
    expected.backward()
    for name, parameter in theirs.named_parameters():
        torch.testing.assert_close(layer.get_parameter(name).grad, parameter.grad, **EXACT)
    layer.eval()
    torch.testing.assert_close(layer(x), theirs(x), **EXACT)


OPTIONS = {
    "lengths": ({}, {"lengths": [7, 2, 5, 1]}),
    "mask": ({}, {"mask": torch.rand(B, T, generator=torch.Generator().manual_seed(0)) < 0.6}),
    "reset": ({}, {"reset": torch.rand(B, T, generator=torch.Generator().manual_seed(1)) < 0.3}),
    "return_states": ({}, {"return_states": True}),
    "hidden sizes": ({"hidden_size": [4, 6]}, {}),
    "layer_norm": ({"layer_norm": True}, {}),
    "recurrent_dropout": ({"recurrent_dropout": 0.3}, {}),
    "zoneout": ({"zoneout": 0.2}, {}),
    "weight_drop": ({"weight_drop": 0.3}, {}),
    "skip": ({"num_layers": 2, "skip": True}, {}),
    "dropout": ({"num_layers": 2, "dropout": 0.3}, {}),
    "forget_bias": ({"forget_bias": 1.0}, {}),
    "candidate": ({"candidate": "sigmoid"}, {}),
    "proj_size": ({"proj_size": 2}, {}),
    "reset_after": ({"reset_after": False}, {}),
}
EVERYTHING = {
    "num_layers": 2, "bidirectional": True, "batch_first": True, "dropout": 0.2,
    "layer_norm": True, "recurrent_dropout": 0.3, "zoneout": 0.1, "weight_drop": 0.2,
    "skip": True,
}  # fmt: skip
OF_KIND = {
    "RNN": {"nonlinearity": "tanh"},
    "LSTM": {"forget_bias": 1.0, "proj_size": 2, "candidate": "sigmoid"},
    "GRU": {"reset_after": False},
}
ONLY = {"forget_bias": "LSTM", "candidate": "LSTM", "proj_size": "LSTM", "reset_after": "GRU"}

# What torch's kernels cannot do, in evaluation and in training..
REFUSED = {
    False: {"reset", "layer_norm", "zoneout", "candidate", "reset_after"},
    True: {"reset", "layer_norm", "zoneout", "candidate", "reset_after", "recurrent_dropout"},
}


def _results(layer, engine, x, call):
    """Values and gradients of a run with given random numbers."""
    layer.engine = engine
    x = x.clone().requires_grad_()
    torch.manual_seed(8)
    values = [v for v in _leaves(layer(x, **call)) if v.is_floating_point()]
    if call.get("return_states"):
        values += [s for each in layer(x, **call)[2] for s in each.states.values()]
    loss = sum((v * torch.sin(torch.arange(v.numel()).view_as(v))).sum() for v in values)
    return values, torch.autograd.grad(loss, [x, *layer.parameters()])


@pytest.mark.parametrize("engine", [e for e in ENGINES if e != "eager"])
@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_runs_in_every_engine_or_is_refused(option, train, engine) -> None:
    made, call = OPTIONS[option]
    kind = ONLY.get(option, "GRU")
    layer = getattr(ur.nn, kind)(I, **{"hidden_size": H, "batch_first": True, **made})
    layer.train(train)
    x = torch.randn(B, T, I)
    expected = _results(layer, "eager", x, call)
    if engine == "vendor" and (option in REFUSED[train]):
        with pytest.raises(EngineRefused, match='engine "vendor" cannot run this: '):
            _results(layer, engine, x, call)
        return
    if engine == "vendor" and option == "dropout" and train:
        # torch's kernels draw for all layers at once, in another order.
        layer.dropout = 1.0
        expected = _results(layer, "eager", x, call)
    found = _results(layer, engine, x, call)
    torch.testing.assert_close(found, expected, **EXACT)


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_all_options_together(kind, train) -> None:
    """The native engine as the definition, with lengths and resets, and states given back."""
    layer = getattr(ur.nn, kind)(I, H, **EVERYTHING, **OF_KIND[kind]).train(train)
    x, reset = torch.randn(B, T, I), torch.rand(B, T) < 0.2
    call = {"lengths": [7, 2, 5, 1], "reset": reset, "return_states": True}
    ours, expected = (_results(layer, engine, x, call) for engine in ("native", "eager"))
    # A digit less than elsewhere: normalising divides by deviations of five units.
    torch.testing.assert_close(ours, expected, rtol=1e-9, atol=1e-10)
    *_, states = layer(x, **call)
    assert {s.engine for s in states} == {"eager"}
    with pytest.raises(EngineRefused, match="cannot run this"):
        _results(layer, "vendor", x, call)


@pytest.mark.parametrize("kind", KINDS)
def test_second_derivatives_with_all_options(kind) -> None:
    layer = getattr(ur.nn, kind)(2, 3, **EVERYTHING, **OF_KIND[kind]).eval()
    layer.engine = "native"
    reset = torch.tensor([[False, False, True, False, False]])
    x = torch.randn(1, 5, 2, requires_grad=True)
    run = lambda x: layer(x, reset=reset)[0]  # noqa: E731
    assert torch.autograd.gradcheck(run, (x,))
    # Normalising divides by small deviations of 3 units: second differences are as rough.
    assert torch.autograd.gradgradcheck(run, (x,), atol=1e-3, rtol=1e-2)


@pytest.mark.parametrize("kind", KINDS)
def test_copies_pickles_and_states_with_all_options(kind) -> None:
    layer = getattr(ur.nn, kind)(I, H, **EVERYTHING, **OF_KIND[kind]).eval()
    other = getattr(ur.nn, kind)(I, H, **EVERYTHING, **OF_KIND[kind]).eval()
    other.load_state_dict(layer.state_dict(), strict=True)
    x = torch.randn(B, T, I)
    for copied in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer)), other):
        torch.testing.assert_close(copied(x), layer(x), rtol=0, atol=0)
        assert repr(copied) == repr(layer)
        with torch.no_grad():
            copied.weight_hh_l0_reverse.zero_()
        assert not torch.equal(copied(x)[0], layer(x)[0])
    assert all("_l" in name for name in layer.state_dict())


@pytest.mark.parametrize("engine", ENGINES)
def test_parameters_are_read_anew(engine) -> None:
    """Replaced, converted, called functionally, written to: never those of the run before."""
    layer, theirs = ur.nn.GRU(I, H, engine=engine), nn.GRU(I, H)
    x = torch.randn(T, B, I)
    layer(x)
    given = {n: torch.randn_like(p) for n, p in layer.named_parameters()}
    call = torch.func.functional_call
    torch.testing.assert_close(call(layer, given, (x,)), call(theirs, given, (x,)), **EXACT)
    theirs.load_state_dict(layer.state_dict())
    torch.testing.assert_close(layer(x), theirs(x), **EXACT)
    for module in (layer, theirs):
        module.weight_hh_l0 = nn.Parameter(torch.full_like(module.weight_hh_l0, 0.1))
    torch.testing.assert_close(layer(x), theirs(x), **EXACT)
    layer.float()
    assert layer(x.float())[0].dtype is torch.float32
    # Both weights went through float32.
    torch.testing.assert_close(layer.double()(x), theirs.float().double()(x), **EXACT)


def test_replicas_have_cells_of_their_own() -> None:
    layer = ur.nn.LSTM(I, H)
    replica = layer._replicate_for_data_parallel()
    assert replica.steppers[0][0].cell is not layer.steppers[0][0].cell
    for name, parameter in layer.named_parameters():
        setattr(replica, name, parameter.detach() * 2)
    x = torch.randn(T, B, I)
    doubled = torch.func.functional_call(
        nn.LSTM(I, H), {n: 2 * p for n, p in layer.named_parameters()}, (x,)
    )
    torch.testing.assert_close(replica(x), doubled, **EXACT)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_torch_compile(kind) -> None:
    layer = getattr(ur.nn, kind)(I, H, 2, batch_first=True, bidirectional=True, zoneout=0.1).eval()
    x = torch.randn(B, T, I)
    compiled = torch.compile(layer, backend="aot_eager")
    torch.testing.assert_close(compiled(x), layer(x), **EXACT)
    stack = ur.nn.Recurrent(kind.lower().replace("rnn", "elman"), I, H, num_layers=2)
    whole = torch.compile(stack, backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(whole(x), stack(x), **EXACT)


LAYER = {"input_size": 3, "hidden_size": 4}


@pytest.mark.parametrize(
    ("run", "words"),
    [
        (lambda: ur.nn.LSTM(3, [4, 5], 3), ["hidden_size has 2 sizes", "num_layers is 3"]),
        (lambda: ur.nn.LSTM(3, [4, 0]), ["hidden_size", "0"]),
        (lambda: ur.nn.GRU(3, []), ["hidden_size"]),
        (lambda: ur.nn.GRU(3, 4, zoneout=1.5), ["zoneout", "from 0 to below 1", "1.5"]),
        (lambda: ur.nn.LSTM(3, 4, zoneout=(0.1, 0.1, 0.1)), ["zoneout", "h, c"]),
        (lambda: ur.nn.LSTM(3, 4, zoneout={"g": 0.1}), ["zoneout", "'g'"]),
        (lambda: ur.nn.GRU(3, 4, recurrent_dropout=-0.1), ["recurrent_dropout", "-0.1"]),
        (lambda: ur.nn.GRU(3, 4, weight_drop=True), ["weight_drop", "True"]),
        (lambda: ur.nn.GRU(3, [4, 5], skip=True), ["skip", "layer 1", "4 features", "5"]),
        (lambda: ur.nn.LSTM(3, 4, bias=False, forget_bias=1.0), ["forget_bias", "bias=True"]),
        (lambda: ur.nn.LSTM(3, 4, candidate="tan"), ["candidate", "'tan'"]),
        (lambda: ur.nn.GRU(**LAYER)(torch.ones(5, 2, 3), lengths=[5, 6]), ["between 0 and 5"]),
        (lambda: ur.nn.GRU(**LAYER)(torch.ones(5, 2, 3), lengths=[5]), ["lengths", "2 whole"]),
        (lambda: ur.nn.GRU(**LAYER)(torch.ones(5, 3), lengths=[5]), ["alone", "lengths"]),
        (
            lambda: ur.nn.GRU(**LAYER)(
                torch.ones(5, 2, 3), lengths=[5, 5], mask=torch.ones(5, 2, dtype=torch.bool)
            ),
            ["lengths or mask", "not both"],
        ),
        (
            lambda: ur.nn.GRU(**LAYER)(torch.ones(5, 2, 3), mask=torch.ones(2, 5) > 0),
            ["mask", "[5, 2]", "[2, 5]"],
        ),
        (
            lambda: ur.nn.GRU(**LAYER)(torch.ones(5, 2, 3), reset=torch.ones(5, 2)),
            ["reset", "boolean", "float64"],
        ),
        (
            lambda: ur.nn.GRU(**LAYER)(
                pack_padded_sequence(torch.ones(5, 2, 3), torch.tensor([5, 5])), lengths=[5, 5]
            ),
            ["packed", "no lengths"],
        ),
        (
            lambda: ur.nn.GRU(3, [4, 5])(torch.ones(5, 2, 3), torch.ones(2, 2, 4)),
            ["different sizes", "each of the 2"],
        ),
        (
            lambda: ur.nn.GRU(3, [4, 5])(torch.ones(5, 2, 3), (torch.ones(1, 2, 4),) * 2),
            ["state h must be [1, 2, 5]", "[1, 2, 4]"],
        ),
        (lambda: ur.nn.GRU(3, 4, engine="natve")(torch.ones(5, 2, 3)), ["did you mean 'native'"]),
    ],
)
def test_bad_arguments_are_named(run, words) -> None:
    with pytest.raises(ValueError) as raised:  # noqa: PT011, the words are what is tested
        run()
    assert all(word in str(raised.value) for word in words), raised.value
