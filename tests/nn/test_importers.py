"""Imported layers against the libraries that they come from, and haste's equations in numpy."""

import os
import warnings
from itertools import product

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import prune

import unrolled as ur
from unrolled.nn import from_haste, from_keras, from_torch, to_torch

os.environ.setdefault("KERAS_BACKEND", "torch")

# float64: the same sums in another order, over seven steps.
CLOSE = {"rtol": 1e-11, "atol": 1e-12}
# float32: rounding of 1e-7 that grows over seven steps. A gate out of place is off by 1e-1.
NEAR = {"rtol": 1e-5, "atol": 1e-6}


def check_same(found, expected, close=CLOSE) -> None:
    found, expected = torch.as_tensor(found), torch.as_tensor(expected)
    torch.testing.assert_close(found.detach(), expected.detach(), **close)


def torch_layers():
    makers = [
        (nn.RNN, {"nonlinearity": "tanh"}),
        (nn.RNN, {"nonlinearity": "relu"}),
        (nn.GRU, {}),
        (nn.LSTM, {}),
        (nn.LSTM, {"proj_size": 3}),
    ]
    for (make, more), layers, both, bias, first in product(
        makers, (1, 3), (False, True), (True, False), (False, True)
    ):
        yield make, {
            "num_layers": layers, "bidirectional": both, "bias": bias, "batch_first": first,
            "dropout": 0.25 if layers > 1 else 0.0, **more,
        }  # fmt: skip


@pytest.mark.parametrize(("make", "settings"), list(torch_layers()))
def test_a_layer_goes_from_torch_and_back(make, settings) -> None:
    theirs = make(4, 5, dtype=torch.float64, **settings).eval()
    theirs.weight_hh_l0.requires_grad_(False)
    ours = from_torch(theirs)
    assert type(ours) is getattr(ur.nn, make.__name__)
    # The engine makes no difference to weights, and forty kernels take a minute to compile.
    ours.engine = "eager"
    back = to_torch(ours)
    assert type(back) is make
    x = torch.randn(2, 7, 4, dtype=torch.float64)
    expected, state = theirs(x)
    for copy in (ours, back):
        output, final = copy(x)
        check_same(output, expected)
        for component, wanted in zip(flat(final), flat(state), strict=True):
            check_same(component, wanted)
        assert not copy.training
        assert all(getattr(copy, name) == value for name, value in settings.items())
        assert [name for name, p in copy.named_parameters() if not p.requires_grad] == [
            "weight_hh_l0"
        ]
        for name, parameter in theirs.named_parameters():
            assert torch.equal(copy.get_parameter(name), parameter)
            assert copy.get_parameter(name).data_ptr() != parameter.data_ptr()


def flat(state):
    return state if isinstance(state, tuple) else (state,)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
    ("make", "ours", "more"),
    [
        (nn.RNNCell, ur.nn.RNNCell, {}),
        (nn.RNNCell, ur.nn.RNNCell, {"nonlinearity": "relu"}),
        (nn.LSTMCell, ur.nn.LSTMCell, {}),
        (nn.GRUCell, ur.nn.GRUCell, {}),
    ],
)
def test_a_cell_goes_from_torch_and_back(make, ours, more, bias) -> None:
    theirs = make(4, 5, bias=bias, dtype=torch.float64, **more)
    cell = from_torch(theirs)
    assert type(cell) is ours
    x, h = torch.randn(3, 4, dtype=torch.float64), torch.randn(3, 5, dtype=torch.float64)
    state = (h, h.sin()) if make is nn.LSTMCell else (h,)
    expected = flat(theirs(x, state if len(state) > 1 else h))
    back = to_torch(cell)
    assert type(back) is make
    found = [cell.step(x, *state), flat(back(x, state if len(state) > 1 else h))]
    for components in found:
        for component, wanted in zip(components, expected, strict=True):
            check_same(component, wanted)


def test_a_cell_of_the_library_goes_to_torch() -> None:
    pairs = {"RNNCell": ur.cells.Elman, "LSTMCell": ur.cells.LSTM, "GRUCell": ur.cells.GRU}
    for name, ours in pairs.items():
        cell = ours(3, 4)
        assert type(to_torch(cell)) is getattr(nn, name)
        assert torch.equal(to_torch(cell).weight_hh, cell.weight_hh)


def test_gradients_reach_the_copies_alone() -> None:
    theirs = nn.GRU(3, 4, 2, bidirectional=True, dtype=torch.float64)
    ours, x = from_torch(theirs), torch.randn(5, 2, 3, dtype=torch.float64)
    (ours(x)[0] ** 2).sum().backward()
    assert all(parameter.grad is None for parameter in theirs.parameters())
    (theirs(x)[0] ** 2).sum().backward()
    for name, parameter in theirs.named_parameters():
        check_same(ours.get_parameter(name).grad, parameter.grad)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_device_and_type_stay(dtype) -> None:
    for device in ("cpu", "meta"):
        module = nn.LSTM(3, 4, device=device, dtype=dtype)
        for copy in (from_torch(module), to_torch(from_torch(module))):
            assert {(p.dtype, p.device.type) for p in copy.parameters()} == {(dtype, device)}


def test_an_import_draws_nothing_at_random() -> None:
    module, before = nn.LSTM(3, 4, 2), torch.get_rng_state()
    to_torch(from_torch(module))
    from_keras([np.ones((3, 16)), np.ones((4, 16)), np.ones(16)], "lstm")
    assert torch.equal(torch.get_rng_state(), before)


def test_what_torch_has_not_is_listed() -> None:
    layer = ur.nn.LSTM(3, 4, 2, layer_norm=True, candidate="relu", zoneout=(0.0, 0.1), skip=True)
    wanted = r"torch.nn.LSTM has no layer_norm=True, candidate='relu', zoneout=\(0.0, 0.1\), skip"
    with pytest.raises(ValueError, match=wanted):
        to_torch(layer)
    refused = [
        (ur.nn.GRU(3, 4, reset_after=False), "torch.nn.GRU has no reset_after=False;"),
        (ur.nn.RNN(3, 4, weight_drop=0.5), "torch.nn.RNN has no weight_drop=0.5;"),
        (ur.nn.RNN(3, 4, recurrent_dropout=0.5), "has no recurrent_dropout=0.5;"),
        (ur.nn.GRU(3, [4, 5]), r"has no hidden_size=\[4, 5\];"),
        (ur.cells.Elman(3, 4, nonlinearity="sigmoid"), "RNNCell has no nonlinearity='sigmoid';"),
        (ur.cells.LSTM(3, 4, proj_size=2), "torch.nn.LSTMCell has no proj_size=2;"),
        (ur.cells.GRU(3, 4, layer_norm=True), "torch.nn.GRUCell has no layer_norm=True;"),
    ]
    for module, message in refused:
        with pytest.raises(ValueError, match=message):
            to_torch(module)


def test_settings_that_change_no_result_go_to_torch() -> None:
    layer = ur.nn.LSTM(3, [4, 4], forget_bias=1.0, zoneout=(0.0, 0.0), engine="eager")
    module = to_torch(layer)
    assert (module.hidden_size, module.num_layers) == (4, 2)
    x = torch.randn(5, 2, 3)
    check_same(module(x)[0], layer(x)[0], NEAR)


def test_what_is_not_torchs_is_refused() -> None:
    class Other(nn.LSTM):
        pass

    for wrong in (Other(3, 4), nn.Linear(3, 4), ur.nn.LSTM(3, 4)):
        with pytest.raises(TypeError, match=r"module must be one of torch.nn.RNN, .*, got"):
            from_torch(wrong)
    with pytest.raises(TypeError, match=r"layer must be one of unrolled.nn.RNN, .*\.cells.GRU"):
        to_torch(nn.LSTM(3, 4))
    pruned = prune.random_unstructured(nn.GRU(3, 4), "weight_hh_l0", amount=0.5)
    with pytest.raises(ValueError, match=r"got .*weight_hh_l0_orig; undo what replaces them"):
        from_torch(pruned)


@pytest.fixture(scope="module")
def keras():
    with warnings.catch_warnings():
        # Keras calls numpy and torch in ways that they deprecate.
        warnings.simplefilter("ignore")
        import keras
    return keras


quietly = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")


def built(layer, features=5):
    """The layer with random weights, biases that are not zero among them."""
    layer.build((2, 7, features))
    draw = np.random.default_rng(0).normal
    layer.set_weights([draw(0, 0.4, array.shape) for array in layer.get_weights()])
    return layer


def check_keras(theirs, ours, features=5) -> None:
    """Compare outputs at all steps and the last state; `theirs` gives both.

    On torch, most layers of Keras multiply matrices in float32 whatever their type.
    """
    ours.engine = "eager"
    x = np.random.default_rng(1).normal(size=(2, 7, features))
    output, *states = theirs(x)
    found, final = ours(torch.as_tensor(x))
    check_same(found, output, NEAR)
    # Keras lists them by direction, (h, c, h, c); torch by component.
    components = torch.stack(flat(final), dim=1).flatten(0, 1)
    for component, wanted in zip(components, states, strict=True):
        check_same(component, wanted, NEAR)


ALL = {"return_sequences": True, "return_state": True, "dtype": "float64"}


@quietly
@pytest.mark.parametrize("way", ["one", "concat", "sum", "ave"])
@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("LSTM", {}),
        ("GRU", {"reset_after": True}),
        ("GRU", {"reset_after": False}),
        ("SimpleRNN", {}),
        ("SimpleRNN", {"activation": "relu"}),
    ],
)
def test_layers_of_keras(keras, name, more, use_bias, way) -> None:
    layer = getattr(keras.layers, name)(4, use_bias=use_bias, **more, **ALL)
    if way != "one":
        layer = keras.layers.Bidirectional(layer, merge_mode=way, dtype="float64")
    check_keras(built(layer), from_keras(layer))


@quietly
@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize(
    ("name", "kind", "more", "told"),
    [
        ("LSTM", "lstm", {}, {}),
        ("GRU", "gru", {"reset_after": True}, {}),
        ("GRU", "gru", {"reset_after": False}, {"reset_after": False}),
        ("SimpleRNN", "rnn", {}, {}),
        ("SimpleRNN", "rnn", {"activation": "relu"}, {"nonlinearity": "relu"}),
    ],
)
def test_arrays_of_keras(keras, name, kind, more, told, use_bias, both) -> None:
    layer = getattr(keras.layers, name)(4, use_bias=use_bias, **more, **ALL)
    if both:
        layer = keras.layers.Bidirectional(layer, dtype="float64")
    arrays = built(layer).get_weights()
    ours = from_keras(arrays, kind, **told)
    assert ours.bidirectional == both
    assert ours.bias == use_bias
    check_keras(layer, ours)
    if kind == "gru" and use_bias:
        assert from_keras(arrays, kind).reset_after == more["reset_after"]


@quietly
def test_float32_stays_and_sizes_of_one_are_kept(keras) -> None:
    layer = built(keras.layers.GRU(1, **{**ALL, "dtype": "float32"}), features=1)
    ours = from_keras(layer)
    assert ours.weight_ih_l0.dtype == torch.float32
    x = np.random.default_rng(1).normal(size=(1, 3, 1)).astype("float32")
    check_same(ours(torch.as_tensor(x))[0], layer(x)[0], NEAR)


@quietly
def test_layers_of_keras_that_compute_something_else(keras) -> None:
    layers = keras.layers
    refused = [
        (layers.LSTM(4, activation="relu"), r"activation=relu \(only tanh here\)"),
        (layers.LSTM(4, recurrent_activation="hard_sigmoid"), "recurrent_activation=hard_sigmoid"),
        (layers.GRU(4, activation=None), "activation=linear"),
        (layers.SimpleRNN(4, activation="sigmoid"), r"activation=sigmoid \(only tanh or relu"),
        (layers.SimpleRNN(4, activation=layers.LeakyReLU()), "activation=LeakyReLU"),
        (layers.GRU(4, go_backwards=True), r"go_backwards=True \(flip the input\)"),
        (layers.GRU(4, stateful=True), r"stateful=True \(pass the state on as hx\)"),
        (layers.LSTM(4, dropout=0.2, recurrent_dropout=0.1), r"dropout=0.2 \(.*dropout=0.1 \("),
        (layers.LSTM(4), "lstm.* has no weights yet; call it once, or build it"),
        (layers.ConvLSTM1D(4, 3), "one of LSTM, GRU, SimpleRNN or Bidirectional .* got ConvLSTM1D"),
        (layers.RNN(layers.LSTMCell(4)), "got RNN; of a model pass each of model.layers"),
        (layers.Bidirectional(layers.LSTM(4), merge_mode="mul"), "one of concat, sum, ave, got 'm"),
        (
            layers.Bidirectional(layers.LSTM(4), backward_layer=layers.GRU(4, go_backwards=True)),
            "both directions must be alike, .*lstm.* and .*gru",
        ),
    ]
    for layer, message in refused:
        with pytest.raises(ValueError, match=message):
            from_keras(layer)
    sizes = layers.Bidirectional(layers.LSTM(4), backward_layer=layers.LSTM(6, go_backwards=True))
    with pytest.raises(ValueError, match=r"backward kernel must be \[5, 16\], got \[5, 24\]"):
        from_keras(built(sizes))
    with pytest.raises(ValueError, match="a layer itself tells kind; leave out kind="):
        from_keras(built(layers.LSTM(4)), "lstm")


def zeros(*shapes):
    return [np.zeros(shape) for shape in shapes]


@pytest.mark.parametrize(
    ("arrays", "kind", "message"),
    [
        (zeros((3, 16), (4, 12)), "lstm", r"^recurrent_kernel must be \[4, 16\], got \[4, 12\]$"),
        (zeros((3, 12), (4, 16)), "lstm", r"^kernel must be \[input_size, 16\], got \[3, 12\]$"),
        (zeros((16,), (4, 16)), "lstm", r"^kernel must be \[input_size, 16\], got \[16\]$"),
        (
            zeros((3, 16), (16,)),
            "lstm",
            r"^recurrent_kernel must be \[hidden_size, 4 hid",
        ),
        (zeros((3, 16), (4, 16), (2, 16)), "lstm", r"^bias must be \[16\], got \[2, 16\]$"),
        (zeros((3, 12), (4, 12), (3, 12)), "gru", r"^bias must be \[2, 12\], got \[3, 12\]$"),
        (zeros((3, 12), (4, 12), (8,)), "gru", r"^bias must be \[12\], got \[8\]$"),
        (zeros((3, 4), (4, 4), (4, 4), (4, 4)), "rnn", r"^backward kernel must be \[3, 4\], got"),
        (zeros((3, 4)), "rnn", "^arrays must be kernel, recurrent_kernel, bias, .*; got 1$"),
        ([np.zeros((3, 4), int), *zeros((4, 4))], "rnn", "^kernel must be .* real .*; got int64$"),
        (
            ["kernel", *zeros((4, 4))],
            "rnn",
            "^kernel must be an array of real num.* got str$",
        ),
        (
            [np.zeros((3, 4), np.float32), *zeros((4, 4))],
            "rnn",
            "^arrays must have one type and one device; got kernel torch.float32 on cpu, recurrent",
        ),
        (zeros((3, 4), (4, 4)), "elman", "^kind is 'elman'; .*choose from lstm, gru, rnn$"),
        (zeros((3, 4), (4, 4)), None, "^kind must be given with arrays: lstm, gru, rnn$"),
    ],
)
def test_arrays_that_do_not_fit(arrays, kind, message) -> None:
    with pytest.raises(ValueError, match=message):
        from_keras(arrays, kind)


def test_what_arrays_do_not_need() -> None:
    arrays = zeros((3, 4), (4, 4))
    with pytest.raises(ValueError, match='reset_after is for kind "gru", not "rnn"; leave it out'):
        from_keras(arrays, "rnn", reset_after=True)
    with pytest.raises(ValueError, match='nonlinearity is for kind "rnn", not "gru"'):
        from_keras(arrays, "gru", nonlinearity="relu")
    with pytest.raises(ValueError, match=r"bias must be \[12\], got \[2, 12\]"):
        from_keras(zeros((3, 12), (4, 12), (2, 12)), "gru", reset_after=False)
    with pytest.raises(TypeError, match="must be a Keras layer or a list of arrays, got int"):
        from_keras(3, "rnn")


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def normalised(a, gain):
    centred = a - a.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5) * gain


def haste_lstm(x, w, zoneout=0.0):
    """Its LSTM and LayerNormLSTM: columns i, g, f, o; of zoneout the mean."""
    batch, time, _ = x.shape
    h = c = np.zeros((batch, len(w["recurrent_kernel"])))
    outputs = []
    for t in range(time):
        from_x, from_h = x[:, t] @ w["kernel"], h @ w["recurrent_kernel"]
        if "gamma" in w:
            from_x, from_h = normalised(from_x, w["gamma"][0]), normalised(from_h, w["gamma"][1])
        i, g, f, o = np.split(from_x + from_h + w["bias"], 4, axis=1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        read = normalised(c, w["gamma_h"]) + w["beta_h"] if "gamma" in w else c
        h = zoneout * h + (1 - zoneout) * sigmoid(o) * np.tanh(read)
        outputs.append(h)
    return np.stack(outputs, axis=1), (h, c)


def haste_gru(x, w, zoneout=0.0):
    """Its GRU: columns z, r, g; the reset gate after the product, z keeps the state."""
    batch, time, _ = x.shape
    h, outputs = np.zeros((batch, len(w["recurrent_kernel"]))), []
    for t in range(time):
        z_x, r_x, g_x = np.split(x[:, t] @ w["kernel"] + w["bias"], 3, axis=1)
        z_h, r_h, g_h = np.split(h @ w["recurrent_kernel"] + w["recurrent_bias"], 3, axis=1)
        z, r = sigmoid(z_x + z_h), sigmoid(r_x + r_h)
        new = z * h + (1 - z) * np.tanh(g_x + r * g_h)
        h = zoneout * h + (1 - zoneout) * new
        outputs.append(h)
    return np.stack(outputs, axis=1), (h,)


LSTM_SHAPES = {"kernel": (5, 16), "recurrent_kernel": (4, 16), "bias": (16,)}
NORM_SHAPES = {**LSTM_SHAPES, "gamma": (2, 16), "gamma_h": (4,), "beta_h": (4,)}
GRU_SHAPES = {
    "kernel": (5, 12), "recurrent_kernel": (4, 12), "bias": (12,), "recurrent_bias": (12,),
}  # fmt: skip


def drawn(shapes):
    generator = np.random.default_rng(0)
    return {name: generator.normal(0.2, 0.5, shape) for name, shape in shapes.items()}


@pytest.mark.parametrize("zoneout", [0.0, 0.3])
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize(
    ("kind", "shapes", "equations"),
    [
        ("lstm", LSTM_SHAPES, haste_lstm),
        ("lstm", NORM_SHAPES, haste_lstm),
        ("gru", GRU_SHAPES, haste_gru),
    ],
    ids=["LSTM", "LayerNormLSTM", "GRU"],
)
def test_arrays_of_haste(kind, shapes, equations, batch_first, zoneout) -> None:
    weights = drawn(shapes)
    layer = from_haste(weights, kind, zoneout=zoneout, batch_first=batch_first).eval()
    layer.engine = "eager"
    x = np.random.default_rng(1).normal(size=(2, 7, 5))
    expected, final = equations(x, weights, zoneout)
    swap = (lambda a: a) if batch_first else (lambda a: a.swapaxes(0, 1))
    output, state = layer(torch.as_tensor(swap(x)))
    check_same(output, swap(expected))
    for component, wanted in zip(flat(state), final, strict=True):
        check_same(component[0], wanted)


def as_module(name, shapes, **settings):
    """A module with haste's class name, attributes and parameters."""
    module = type(name, (nn.Module,), {})()
    for parameter, array in drawn(shapes).items():
        setattr(module, parameter, nn.Parameter(torch.as_tensor(array)))
    vars(module).update({"zoneout": 0.0, "dropout": 0.0, "batch_first": False} | settings)
    return module


def test_a_module_of_haste_tells_its_settings() -> None:
    module = as_module("LayerNormLSTM", NORM_SHAPES, zoneout=0.2, dropout=0.1, batch_first=True)
    layer = from_haste(module.eval())
    assert isinstance(layer, ur.nn.LSTM)
    assert (layer.extras.zoneout, layer.extras.weight_drop) == ((0.2, 0.0), 0.1)
    assert layer.batch_first
    assert not layer.training
    x = np.random.default_rng(1).normal(size=(2, 7, 5))
    check_same(layer(torch.as_tensor(x))[0], haste_lstm(x, drawn(NORM_SHAPES), 0.2)[0])
    assert isinstance(from_haste(as_module("GRU", GRU_SHAPES)), ur.nn.GRU)
    with pytest.raises(ValueError, match="a layer itself tells zoneout; leave out zoneout="):
        from_haste(module, zoneout=0.3)


def without(shapes, name):
    return {other: shape for other, shape in shapes.items() if other != name}


@pytest.mark.parametrize(
    ("source", "kind", "message"),
    [
        (drawn(LSTM_SHAPES), None, "^kind must be given with a state_dict: lstm or gru$"),
        (drawn(LSTM_SHAPES), "indrnn", "^kind is 'indrnn'; .*choose from lstm, gru$"),
        (drawn(GRU_SHAPES), "lstm", "^unknown array recurrent_bias; the lstm of haste has kernel,"),
        (drawn(LSTM_SHAPES), "gru", "^recurrent_bias is missing; the gru of haste has kernel, rec"),
        (
            drawn(without(NORM_SHAPES, "beta_h")),
            "lstm",
            "^beta_h is missing; the lstm of haste",
        ),
        (drawn({**LSTM_SHAPES, "bias": (12,)}), "lstm", r"^bias must be \[16\], got \[12\]$"),
        (drawn({**NORM_SHAPES, "gamma": (16,)}), "lstm", r"^gamma must be \[2, 16\], got \[16\]$"),
        (drawn({**NORM_SHAPES, "beta_h": (16,)}), "lstm", r"^beta_h must be \[4\], got \[16\]$"),
        (drawn({**LSTM_SHAPES, "kernel": (5, 12)}), "lstm", r"^kernel must be \[input_size, 16\]"),
        (drawn({**GRU_SHAPES, "gamma": (2, 12)}), "gru", "LayerNormGRU normalises r, z and n tog"),
        (
            as_module("LayerNormGRU", {**GRU_SHAPES, "gamma": (2, 12)}),
            None,
            "normalises r, z and n",
        ),
        (as_module("IndRNN", {"kernel": (5, 4)}), None, "must be one of LSTM, .* got IndRNN"),
    ],
)
def test_weights_of_haste_that_are_refused(source, kind, message) -> None:
    with pytest.raises(ValueError, match=message):
        from_haste(source, kind)


def test_haste_takes_a_module_or_a_state_dict() -> None:
    with pytest.raises(TypeError, match="a layer of haste or its state_dict, got list"):
        from_haste([np.zeros(3)], "lstm")
