"""torch's own tests of its recurrent modules, run on the drop-ins.

The inputs, references and errors are those of torch's database of modules, which comes with it;
what torch tests beside them is written down here.
"""

import copy
import io
import pickle
import warnings
from functools import partial

import pytest
import torch
from torch import nn
from torch.autograd import gradcheck, gradgradcheck

import unrolled as ur

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from torch.testing._internal.common_modules import ModuleErrorEnum, module_db
    from torch.testing._internal.common_utils import freeze_rng_state

OURS = {getattr(nn, name): getattr(ur.nn, name) for name in (
    "RNN", "LSTM", "GRU", "RNNCell", "LSTMCell", "GRUCell")}  # fmt: skip
INFOS = {info.module_cls.__name__: info for info in module_db if info.module_cls in OURS}
LAYERS = ("RNN", "LSTM", "GRU")
# float64, the same sums in another order over a few steps.
CLOSE = {"rtol": 1e-9, "atol": 1e-10}


def _samples(name, requires_grad=False):
    info = INFOS[name]
    kind = OURS[info.module_cls]
    for sample in info.module_inputs_func(
        info, device="cpu", dtype=torch.float64, requires_grad=requires_grad, training=True
    ):
        made = sample.constructor_input
        module = kind(*made.args, **made.kwargs).double()
        theirs = info.module_cls(*made.args, **made.kwargs).double()
        theirs.load_state_dict(module.state_dict(), strict=True)
        yield module, theirs, sample


@pytest.mark.parametrize("name", INFOS)
def test_forward_is_torchs_and_its_reference(name) -> None:
    for module, theirs, sample in _samples(name):
        given = sample.forward_input
        found = module(*given.args, **given.kwargs)
        torch.testing.assert_close(found, theirs(*given.args, **given.kwargs), **CLOSE)
        if sample.reference_fn is not None:
            with freeze_rng_state():
                expected = sample.reference_fn(module, *given.args, **given.kwargs)
            torch.testing.assert_close(found, expected, **CLOSE)


@pytest.mark.parametrize("name", INFOS)
def test_bad_arguments_raise_what_torch_raises(name) -> None:
    info = INFOS[name]
    kind = OURS[info.module_cls]
    for sample in info.module_error_inputs_func(
        info, device="cpu", dtype=torch.float64, requires_grad=False, training=True
    ):
        made, given = (
            sample.module_error_input.constructor_input,
            sample.module_error_input.forward_input,
        )
        if sample.error_on == ModuleErrorEnum.CONSTRUCTION_ERROR:
            with pytest.raises(sample.error_type, match=sample.error_regex):
                kind(*made.args, **made.kwargs)
            continue
        module = kind(*made.args, **made.kwargs)
        # The samples about the type name it themselves; the others fit the default.
        module = module if "dtype" in made.kwargs else module.double()
        with pytest.raises(sample.error_type, match=sample.error_regex):
            module(*given.args, **given.kwargs)


@pytest.mark.parametrize("name", INFOS)
def test_repr_and_pickle(name) -> None:
    for module, theirs, sample in _samples(name):
        assert repr(module) == repr(theirs)
        copied = pickle.loads(pickle.dumps(module))
        given = sample.forward_input
        torch.testing.assert_close(copied(*given.args), module(*given.args), rtol=0, atol=0)


@pytest.mark.parametrize("name", INFOS)
def test_type_and_device_come_as_arguments(name) -> None:
    info = INFOS[name]
    for sample in info.module_inputs_func(
        info, device="cpu", dtype=torch.float32, requires_grad=False, training=True
    ):
        made = sample.constructor_input
        kind = OURS[info.module_cls]
        module = kind(*made.args, **made.kwargs, dtype=torch.float64, device="cpu")
        assert {p.dtype for p in module.parameters()} == {torch.float64}
        meta = kind(*made.args, **made.kwargs, device="meta")
        assert all(p.is_meta for p in meta.parameters())


def _first(samples, count):
    """Some samples of many: each checks numbers one input at a time."""
    samples = list(samples)
    return samples[:: max(1, len(samples) // count)]


@pytest.mark.parametrize("name", INFOS)
def test_first_and_second_derivatives(name) -> None:
    for module, _, sample in _first(_samples(name, requires_grad=True), 3):
        flat, rebuild = _flat(sample.forward_input.args)
        names, parameters = zip(*module.named_parameters(), strict=True)

        run = partial(_run, module, names, rebuild, len(flat))
        assert gradcheck(run, (*flat, *parameters))
        # Differences of first derivatives, which are exact to 1e-10, over steps of 1e-6.
        assert gradgradcheck(run, (*flat, *parameters), atol=1e-4)


def _run(module, names, rebuild, count, *values):
    """The tensors that a module gives for inputs and parameters."""
    given = dict(zip(names, values[count:], strict=True))
    out = torch.func.functional_call(module, given, rebuild(values[:count]))
    return tuple(torch.utils._pytree.tree_leaves(out))


def _flat(args):
    leaves, tree = torch.utils._pytree.tree_flatten(args)
    return leaves, lambda values: torch.utils._pytree.tree_unflatten(list(values), tree)


@pytest.mark.parametrize("name", INFOS)
def test_inputs_need_not_be_contiguous(name) -> None:
    for module, _, sample in _samples(name):
        apart = torch.utils._pytree.tree_map(
            lambda t: torch.stack([t, t], dim=-1)[..., 0], sample.forward_input.args
        )
        torch.testing.assert_close(module(*apart), module(*sample.forward_input.args), **CLOSE)


@pytest.mark.parametrize("name", LAYERS)
def test_wrong_shapes_are_runtime_errors(name) -> None:
    layer, sizes = getattr(ur.nn, name)(3, 5, 2), [6, 4, 3]
    state = [2, 4, 5]

    def run(input_shape, state_shape):
        hidden = torch.randn(state_shape)
        pairs = [(hidden, torch.randn(state)), (torch.randn(state), hidden)]
        for hx in pairs if name == "LSTM" else [hidden]:
            with pytest.raises(RuntimeError):
                layer(torch.randn(input_shape), hx)

    for dim in (1, 2):
        run([7 if k == dim else n for k, n in enumerate(sizes)], state)
    for dim in (0, 1, 2):
        run(sizes, [7 if k == dim else n for k, n in enumerate(state)])


@pytest.mark.parametrize("name", LAYERS)
def test_no_steps_and_no_sequences(name) -> None:
    layer = getattr(ur.nn, name)(3, 4)
    with pytest.raises(RuntimeError, match="Expected sequence length to be larger than 0 in RNN"):
        layer(torch.ones(0, 10, 3))
    output, _ = layer(torch.zeros(5, 0, 3))
    assert output.shape == (5, 0, 4)
    output.sum().backward()


@pytest.mark.parametrize("train", [True, False])
def test_dropout_can_be_changed_between_calls(train) -> None:
    rnn, input = ur.nn.RNN(100, 100, 2, dropout=0, nonlinearity="relu"), torch.rand(3, 2, 100)
    rnn.train(train)
    before = None
    for p in (0, 0.5, 0, 0.7, 0.2, 1, 0.2, 0):
        rnn.dropout = p
        one, other = rnn(input)[0], rnn(input)[0]
        assert torch.equal(one, other) == (p in (0, 1) or not train)
        if before is not None:
            assert torch.equal(one, before) == (not train)
        before = one


def test_dropout_lies_between_the_layers_and_is_scaled() -> None:
    rnn = ur.nn.RNN(10, 1000, 2, bias=False, dropout=0.276, nonlinearity="relu").double()
    with torch.no_grad():
        for parameter in rnn.parameters():
            parameter.fill_(1)
    input = torch.ones(1, 1, 10, dtype=torch.float64)
    output, hidden = rnn(input, torch.zeros(2, 1, 1000, dtype=torch.float64))
    assert output.min() == output.max()
    assert 8000 < output[0, 0, 0] < 12000
    # What is left of 1000 units of 10, each divided by 1 - p.
    rest = (output[0, 0, 0] * (1 - 0.276)) % 10
    assert min(rest, 10 - rest) < 1e-6
    assert hidden[0].unique().tolist() == [10]
    assert output[0, 0, 0] == hidden[1, 0, 0]


def test_dropout_with_one_layer_warns() -> None:
    with pytest.warns(UserWarning, match="dropout option adds dropout after all but last"):
        ur.nn.LSTM(3, 4, dropout=0.1)


@pytest.mark.parametrize("name", ["RNN", "GRU"])
def test_projection_is_for_lstm_only(name) -> None:
    with pytest.raises((ValueError, TypeError), match="proj_size"):
        getattr(ur.nn, name)(30, 20, 2, proj_size=10)


@pytest.mark.parametrize("name", LAYERS)
def test_saving_the_module_whole(name) -> None:
    layer, input = getattr(ur.nn, name)(4, 5, 2), torch.rand(3, 2, 4)
    buffer = io.BytesIO()
    torch.save(layer, buffer)
    buffer.seek(0)
    loaded = torch.load(buffer, weights_only=False)
    loaded.flatten_parameters()
    torch.testing.assert_close(loaded(input), layer(input), rtol=0, atol=0)


@pytest.mark.parametrize("parametrize", [nn.utils.parametrizations.weight_norm, None])
@pytest.mark.parametrize("proj_size", [0, 3])
def test_weight_norm(parametrize, proj_size) -> None:
    layer, input = ur.nn.LSTM(10, 6, 2, proj_size=proj_size), torch.randn(7, 6, 10)
    name, expected = "weight_hr_l0" if proj_size else "weight_hh_l0", layer(input)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        (parametrize or nn.utils.weight_norm)(layer, name)
    # float32: a norm and a product that cancel but for rounding.
    torch.testing.assert_close(layer(input), expected, rtol=1e-5, atol=1e-6)
    layer(input)[0].sum().backward()
    learned = [
        n for n, _ in layer.named_parameters() if "original" in n or n.endswith(("_g", "_v"))
    ]
    assert len(learned) == 2
    assert all(layer.get_parameter(n).grad.abs().sum() > 0 for n in learned)


def test_tied_weights() -> None:
    layer = ur.nn.GRU(3, 4, bidirectional=True)
    layer.bias_ih_l0_reverse = layer.bias_ih_l0
    theirs = nn.GRU(3, 4, bidirectional=True)
    theirs.load_state_dict(layer.state_dict())
    theirs.bias_ih_l0_reverse = theirs.bias_ih_l0
    input = torch.randn(5, 2, 3)
    for module in (layer, theirs):
        module(input)[0].square().sum().backward()
    assert len(list(layer.parameters())) == len(list(theirs.parameters()))
    ours, expected = layer.bias_ih_l0.grad, theirs.bias_ih_l0.grad
    # float32, sums over steps and sequences in another order.
    torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-5)


def test_a_parameter_can_be_taken_out_and_put_back() -> None:
    layer, input = ur.nn.LSTM(10, 6, 2), torch.randn(3, 2, 10)
    expected, weight = layer(input), layer.weight_hh_l0
    del layer.weight_hh_l0
    assert not hasattr(layer, "weight_hh_l0")
    layer.double().float()
    layer.weight_hh_l0 = weight
    torch.testing.assert_close(layer(input), expected, rtol=0, atol=0)


@pytest.mark.parametrize("name", LAYERS)
def test_variables_can_be_kept_for_a_second_backward(name) -> None:
    layer, input = getattr(ur.nn, name)(3, 4).double(), torch.randn(5, 2, 3).double()
    input.requires_grad_()
    output = layer(input)[0].sum()
    output.backward(retain_graph=True)
    first = input.grad.clone()
    output.backward()
    torch.testing.assert_close(input.grad, 2 * first, **CLOSE)


@pytest.mark.parametrize("name", ["RNNCell", "GRUCell"])
def test_cells_without_units(name) -> None:
    assert getattr(ur.nn, name)(10, 0)(torch.randn(3, 10), torch.randn(3, 0)).shape == (3, 0)


@pytest.mark.parametrize("name", ["RNNCell", "GRUCell", "LSTMCell"])
def test_cells_do_not_broadcast(name) -> None:
    cell, good = getattr(ur.nn, name)(10, 20), torch.randn(3, 20)
    x = torch.randn(3, 10)
    for input, bad in ((x, torch.randn(1, 20)), (x, torch.randn(3, 1)), (torch.randn(3, 1), good)):
        for hx in [(bad, good), (good, bad)] if name == "LSTMCell" else [bad]:
            with pytest.raises(RuntimeError):
                cell(input, hx)


@pytest.mark.parametrize("name", LAYERS)
def test_weights_are_listed_and_copies_are_apart(name) -> None:
    layer = getattr(ur.nn, name)(3, 4, 2, bidirectional=True)
    theirs = getattr(nn, name)(3, 4, 2, bidirectional=True)
    shapes = [[w.shape for w in weights] for weights in layer.all_weights]
    assert shapes == [[w.shape for w in weights] for weights in theirs.all_weights]
    other, input = copy.deepcopy(layer), torch.randn(5, 2, 3)
    before = layer(input)[0]
    with torch.no_grad():
        other.weight_ih_l0.fill_(2)
    torch.testing.assert_close(layer(input)[0], before, rtol=0, atol=0)
    assert not torch.equal(other(input)[0], before)
    assert isinstance(layer, getattr(nn, name))


def test_nonlinearity_by_position_and_by_name() -> None:
    assert ur.nn.RNN(2, 3, 1, "relu").nonlinearity == "relu"
    assert ur.nn.RNN(2, 3).nonlinearity == "tanh"
    with pytest.raises(ValueError, match="Unknown nonlinearity 'garbage'"):
        ur.nn.RNN(1, 10, nonlinearity="garbage")
