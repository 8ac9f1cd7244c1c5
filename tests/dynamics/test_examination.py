"""The verdict on models that were built to have an illness each, and on healthy ones."""

import re

import pytest
import torch
from torch import Tensor, nn

import unrolled as ur
from unrolled import nn as unn
from unrolled.dynamics import gates, gradient_flow
from unrolled.dynamics.advice import (
    ILLNESSES,
    calming,
    diagnoses_of_training,
    opening,
    remembering,
    startable,
)
from unrolled.dynamics.examination import Context, Examination, examine
from unrolled.training.history import Epoch, History, Update

STEPS = 40


def noise(features: int = 2, steps: int = STEPS, batch: int = 4) -> Tensor:
    return torch.randn(batch, steps, features)


def square(model: nn.Module, inputs: Tensor) -> Tensor:
    return ur.unroll(model, inputs).outputs.square().mean()


def elman(matrix: Tensor, nonlinearity: str = "tanh", scale: float = 0.1) -> ur.cells.Elman:
    cell = ur.cells.Elman(2, len(matrix), nonlinearity=nonlinearity)
    with torch.no_grad():
        cell.weight_hh.copy_(matrix)
        nn.init.normal_(cell.weight_ih, std=scale)
        cell.bias_ih.zero_(), cell.bias_hh.zero_()
    return cell


def gated(kind: type[ur.cells.AffineCell], gate: str, bias: float) -> ur.cells.AffineCell:
    """A cell whose gate is held where its bias puts it."""
    cell = kind(2, 6)
    at = kind.gates.index(gate) * 6
    with torch.no_grad():
        cell.bias_ih[at : at + 6] = bias
    return cell


def illnesses(found: Examination) -> set[str]:
    return {diagnosis.illness for diagnosis in found.diagnoses}


def orthogonal(size: int) -> Tensor:
    return nn.init.orthogonal_(torch.empty(size, size))


def test_a_healthy_memory_has_no_illness() -> None:
    cell = elman(orthogonal(8), "identity")
    found = examine(cell, noise(), square, context=Context(STEPS, 24, "the season"))
    assert found.diagnoses == ()
    assert found.verdict() == (
        "More than a thousandth of the gradient is left over all 40 steps of context.\n"
        "No illness was found."
    )


def test_a_vanishing_gradient_is_told_with_what_it_misses() -> None:
    context = Context(STEPS, 24, "the season", unit="hours")
    found = examine(elman(0.5 * torch.eye(6)), noise(), square, context=context)
    (diagnosis,) = found.diagnoses
    assert diagnosis.illness == "vanishing gradient"
    assert diagnosis.layer == ""
    # 0.5^10 is the first power of a half below a thousandth; tanh takes a little more.
    assert found.horizon in (9, 10)
    assert diagnosis.text == (
        f"Gradients fall to a thousandth after {found.horizon} hours; the season is 24."
    )
    assert "LSTM" in diagnosis.advice
    assert "orthogonal" in diagnosis.advice
    # Where less is needed it is no illness.
    for enough in (Context(STEPS, 5), Context(STEPS)):
        assert not examine(elman(0.5 * torch.eye(6)), noise(), square, context=enough).diagnoses


def test_no_memory_at_all_is_none_though_a_step_reads_the_season() -> None:
    context = Context(STEPS, 24, "the season", read=24, unit="hours")
    found = examine(
        elman(torch.zeros(6, 6)), noise(), square, context=context, strides={"cell": 24}
    )
    assert found.remembers == 0
    (diagnosis,) = found.diagnoses
    assert "(beside the 24 values that a step reads)" in diagnosis.text
    assert "Each step reads the last 24 hours besides." in found.memory()


def test_a_short_layer_is_no_long_memory() -> None:
    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = elman(0.2 * torch.eye(4), "identity")
            self.decoder = elman(orthogonal(4), "identity")

        def forward(self, x: Tensor) -> Tensor:
            context = ur.unroll(self.encoder, x).outputs[:, -1:, :2]
            return ur.unroll(self.decoder, context.expand(-1, 6, -1)).outputs

    loss = lambda model, x: model(x).square().mean()  # noqa: E731
    context = Context(STEPS, 30)
    for decoders in ((), ("decoder",)):
        found = examine(Both(), noise(), loss, context=context, decoders=decoders)
        # 0.2^5 is the first power below a thousandth; the decoder keeps all of its 6 steps.
        assert [layer.horizon for layer in found.layers] == [5, None]
        assert found.remembers == (4 if decoders else 6)
        assert illnesses(found) == {"vanishing gradient"}
        assert ("over 6 of 40 steps" in found.memory()) == (not decoders)


@pytest.mark.parametrize("name", sorted(ur.cells.BY_NAME))
def test_what_is_advised_can_be_done(name) -> None:
    cell = ur.cells.BY_NAME[name](4, 4)
    for advice in (remembering(startable([cell]), 30), calming(cell), opening(cell)):
        for start in re.findall(r"'([a-z-]+(?::[0-9.]+)?)'", advice):
            # Raises where the cell has not what is to be set.
            assert unn.initialise(cell, start) is cell


@pytest.mark.parametrize("name", sorted(ur.cells.BY_NAME))
def test_no_fresh_cell_is_ill(name) -> None:
    cell = ur.cells.BY_NAME[name](4, 4)
    assert examine(cell, noise(features=4)).diagnoses == ()


def test_wrapped_cells_keep_their_gates() -> None:
    noisy = unn.Recurrent([gated(ur.cells.LSTM, "f", -6.0)], zoneout=0.1)
    found = examine(noisy, noise())
    assert "forgetful gates" in illnesses(found)
    fed = unn.Network(unn.FeedBack(ur.cells.LSTM(4, 6), 2, output="tanh"))
    assert fed.cell.keeps == {"f": 1, "i": -1}


class Fickle(ur.Cell):
    """A cell that draws in training."""

    def __init__(self) -> None:
        super().__init__(2, {"h": 3})
        self.linear, self.drop = nn.Linear(5, 3), nn.Dropout(0.5)

    def step(self, x: Tensor, h: Tensor) -> tuple[Tensor]:
        return (torch.tanh(self.linear(self.drop(torch.cat([x, h], dim=-1)))),)


def test_a_model_in_training_mode_is_looked_at_as_it_predicts() -> None:
    cell, inputs = Fickle(), noise()
    cell.eval()
    expected = gradient_flow(cell, inputs)["cell"].state.middle
    traced = gates(cell, inputs)[0].gates["h"]
    cell.train()
    before = torch.get_rng_state()
    torch.testing.assert_close(gradient_flow(cell, inputs)["cell"].state.middle, expected)
    torch.testing.assert_close(gates(cell, inputs)[0].gates["h"], traced)
    examine(cell, inputs, square)
    assert torch.equal(torch.get_rng_state(), before)
    assert cell.drop.training


def test_callers_without_gradients_are_served() -> None:
    cell, inputs = elman(0.5 * torch.eye(4)), noise()
    expected = gradient_flow(cell, inputs, square)["cell"].loss.middle
    with torch.no_grad():
        found = gradient_flow(cell, inputs, square)["cell"].loss
    torch.testing.assert_close(found.middle, expected)


def test_lengths_padding_and_forced_states_in_the_spectra() -> None:
    stack = unn.Recurrent([elman(0.5 * torch.eye(4))])
    (layer,) = examine(stack, {"input": noise(batch=2, steps=10), "lengths": [3, 1]}).layers
    known = layer.spectra.along.spectral_radius.isfinite()
    assert known.sum(1).tolist() == [3, 1]
    # One sequence of one step takes nothing from the other.
    assert layer.lyapunov is not None
    assert len(layer.lyapunov.each) == 1
    with pytest.raises(ValueError, match=r"no sequence that .* read has a valid step"):
        examine(stack, {"input": noise(batch=2), "lengths": [0, 0]})


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda cell, x: cell.weight_hh.data.fill_(float("nan")), "its parameters weight_hh hold"),
        (lambda cell, x: x[0, 5].fill_(float("nan")), "what it reads holds numbers"),
        (lambda cell, x: cell.weight_hh.data.fill_(1e30), "it leaves all bounds"),
    ],
)
def test_what_is_not_finite_is_refused_with_the_cause(spoil, why) -> None:
    cell, inputs = elman(0.5 * torch.eye(4), "identity"), noise() + 1
    spoil(cell, inputs)
    with pytest.raises(ValueError, match=f"states of cell are not finite from step .*: {why}"):
        examine(cell, inputs)


def test_gated_cells_are_told_to_open_their_gates() -> None:
    found = examine(gated(ur.cells.LSTM, "f", -1.0), noise(), square, context=Context(STEPS, 30))
    (diagnosis,) = [d for d in found.diagnoses if d.illness == "vanishing gradient"]
    assert diagnosis.advice == (
        "Start with open gates: initialisation 'forget-bias:1' or 'chrono:30'."
    )


def test_following_the_advice_makes_it_well() -> None:
    context = Context(STEPS, 30)
    ill = unn.Network(ur.cells.LSTM(2, 16), 1, output="identity")
    loss = lambda model, x: model.run(x).o.square().mean()  # noqa: E731
    assert illnesses(examine(ill, noise(), loss, context=context)) == {"vanishing gradient"}
    unn.initialise(ill, "chrono:30")
    well = examine(ill, noise(), loss, context=context)
    assert "vanishing gradient" not in illnesses(well)


@pytest.mark.parametrize("nonlinearity", ["identity", "relu"])
def test_an_exploding_gradient(nonlinearity) -> None:
    found = examine(elman(1.5 * torch.eye(4), nonlinearity), noise(steps=20) + 1, square)
    assert "exploding gradient" in illnesses(found)
    assert "unstable" not in illnesses(found)
    (diagnosis,) = [d for d in found.diagnoses if d.illness == "exploding gradient"]
    assert "spectral-radius" in diagnosis.advice
    assert diagnosis.layer == "cell"
    assert found.diagnoses[0] is diagnosis


def test_chaos_is_unstable_though_no_state_explodes() -> None:
    torch.manual_seed(3)
    size = 100
    cell = elman(2.5 * torch.randn(size, size) / size**0.5, scale=0.01)
    found = examine(cell, noise(steps=60))
    largest = float(found.layers[0].lyapunov.exponents[0])
    # Sompolinsky, Crisanti and Sommers 1988: such a network is chaotic above a gain of 1.
    assert largest > 0.02
    assert illnesses(found) & {"unstable", "exploding gradient"}
    tame = examine(elman(0.5 * torch.randn(size, size) / size**0.5, scale=0.01), noise(steps=60))
    assert not tame.diagnoses


@pytest.mark.parametrize(
    ("kind", "gate", "bias"),
    [(ur.cells.LSTM, "f", -5.0), (ur.cells.MGU, "f", 5.0), (ur.cells.GRU, "z", -5.0)],
)
def test_gates_that_keep_nothing(kind, gate, bias) -> None:
    found = examine(gated(kind, gate, bias), noise(), square)
    (diagnosis,) = [d for d in found.diagnoses if d.illness == "forgetful gates"]
    assert f"gate {gate} is" in diagnosis.text
    assert "100% of all units" in diagnosis.text
    assert "forget-bias:1" in diagnosis.advice


@pytest.mark.parametrize(
    ("kind", "gate", "bias"),
    [(ur.cells.LSTM, "f", 5.0), (ur.cells.LSTM, "i", -5.0), (ur.cells.GRU, "z", 5.0)],
)
def test_open_memories_are_no_illness(kind, gate, bias) -> None:
    found = examine(gated(kind, gate, bias), noise(), square)
    assert not illnesses(found) & {"forgetful gates", "saturated units"}


def test_dead_rectifiers() -> None:
    cell = elman(0.5 * torch.eye(8), "relu")
    with torch.no_grad():
        cell.bias_ih.fill_(1.0)
        cell.bias_ih[:5] = -3.0
    found = examine(cell, noise(), square)
    (diagnosis,) = found.diagnoses
    assert diagnosis.illness == "dead units"
    assert "5 of 8 units of h are 0 at every step" in diagnosis.text


def test_saturated_units() -> None:
    found = examine(elman(torch.zeros(6, 6), scale=1.0), 100 * noise(), square)
    assert "saturated units" in illnesses(found)
    calm = examine(elman(torch.zeros(6, 6), scale=1.0), 0.1 * noise(), square)
    assert not illnesses(calm)


def test_idle_units() -> None:
    cell = elman(0.5 * torch.eye(6))
    with torch.no_grad():
        cell.weight_ih[2:] = 0
        cell.bias_ih.fill_(0.3)
    cell.initial_state = lambda batch, **place: (  # pyright: ignore[reportAttributeAccessIssue]
        torch.full((batch, 6), 0.5141).to(**place),
    )
    with torch.no_grad():
        # The fixed point of h = tanh(h / 2 + b) at 0.5141.
        cell.bias_ih.fill_(float(torch.atanh(torch.tensor(0.5141)) - 0.25705))
    found = examine(cell, noise(), square)
    (diagnosis,) = found.diagnoses
    assert diagnosis.illness == "idle units"
    assert "4 of 6 numbers of the state never change" in diagnosis.text


def test_layers_strides_and_names() -> None:
    stack = unn.Recurrent([elman(0.5 * torch.eye(2), "identity") for _ in range(2)])
    loss = lambda model, x: model(x)[0].square().mean()  # noqa: E731
    found = examine(
        stack,
        noise(),
        loss,
        strides={"cells.1": 4},
        names={"cells.0": "layer 1", "cells.1": "layer 2"},
        context=Context(160, 50, unit="days"),
    )
    assert [layer.horizon for layer in found.layers] == [10, 40]
    assert found.memory() == (
        "A thousandth of the gradient is left after 40 days, in layer 2, of 160 given as context."
    )
    assert illnesses(found) == {"vanishing gradient"}


def test_figures_that_cannot_be_had_are_told() -> None:
    network = unn.Network(ur.cells.Jordan(2, 5, 3, output="tanh"))
    targets = torch.randn(4, STEPS, 3).tanh()
    loss = lambda m, x: m.run(x, targets=targets, forcing="teacher").o.square().mean()  # noqa: E731
    (layer,) = examine(network, noise(), loss).layers
    assert layer.lyapunov is None
    assert "overwritten" in layer.unknown


def history(train: list[float], validation: list[float], norms: list[float] = []) -> History:  # noqa: B006
    best = [v == min(validation[: k + 1]) for k, v in enumerate(validation)]
    epochs = [
        Epoch(k, t, {"loss": v}, 1e-3, 1.0, 1.0, best=b)
        for k, (t, v, b) in enumerate(zip([float("nan"), *train], validation, best, strict=True))
    ]
    return History(epochs, "done", [Update(1.0, norm, 1e-3) for norm in norms])


@pytest.mark.parametrize(
    ("train", "validation", "illness"),
    [
        ([0.9, 0.8, 0.7], [1.0, 1.1, 1.2, 1.3], "no gain"),
        ([0.9, 0.8, 0.7], [1.0, 0.9, 0.8, 0.7], "still improving"),
        ([0.9, 0.5, 0.2], [1.0, 0.8, 0.9, 1.2], "overfitting"),
        ([0.9, 0.8, 0.8], [1.0, 0.8, 0.81, 0.82], None),
    ],
)
def test_training_curves(train, validation, illness) -> None:
    found = [d.illness for d in diagnoses_of_training(history(train, validation))]
    assert found == ([illness] if illness else [])


def test_a_gradient_that_is_nearly_always_clipped() -> None:
    log = history([0.9, 0.8], [1.0, 0.8, 0.81], norms=[3.0, 2.0, 0.5])
    (found,) = diagnoses_of_training(log, clip_norm=1.0)
    assert found.illness == "clipped"
    assert "67%" in found.text
    assert not list(diagnoses_of_training(log, clip_norm=2.5))


def test_every_illness_has_a_place() -> None:
    assert len(set(ILLNESSES)) == len(ILLNESSES)
