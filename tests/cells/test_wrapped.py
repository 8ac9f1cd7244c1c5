"""Any module that steps: the unroll equals a hand-written loop over the module itself."""

import pytest
import torch
import torchrecurrent
from torch import nn
from torch.utils import _pytree as pytree

import unrolled as ur

TORCHRECURRENT = sorted(name for name in dir(torchrecurrent) if name.endswith("Cell"))


def _loop(module, x, separate_output):
    """Outputs of stepping `module` by hand, [B, T, H], from its own default state."""
    state, outputs = None, []
    for t in range(x.shape[1]):
        result = module(x[:, t]) if state is None else module(x[:, t], state)
        state = result[1] if separate_output else result
        outputs.append(pytree.tree_leaves(result)[0])
    return torch.stack(outputs, dim=1)


def test_all_of_torchrecurrent_is_here() -> None:
    assert len(TORCHRECURRENT) == 41


@pytest.mark.parametrize("name", TORCHRECURRENT)
def test_torchrecurrent_cells_unroll_as_by_hand(name) -> None:
    module = getattr(torchrecurrent, name)(4, 4).double()
    cell = ur.Cell.wrap(module)
    x = torch.rand(2, 6, 4, dtype=torch.float64, requires_grad=True)
    run = ur.unroll(cell, x, engine="eager")
    expected = _loop(module, x, separate_output=cell.returns == "output_and_state")
    # The same operations in the same order.
    torch.testing.assert_close(run.outputs, expected, rtol=0, atol=0)
    weights = [x, *(p for p in module.parameters() if p.requires_grad)]
    ours, theirs = (
        torch.autograd.grad(y.square().sum(), weights, allow_unused=True)
        for y in (run.outputs, expected)
    )
    for a, b in zip(ours, theirs, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", [nn.RNNCell, nn.GRUCell, nn.LSTMCell])
def test_torch_cells_equal_our_own(kind) -> None:
    ours = {nn.RNNCell: ur.cells.Elman, nn.GRUCell: ur.cells.GRU, nn.LSTMCell: ur.cells.LSTM}
    module, cell = kind(3, 5), ours[kind](3, 5)
    cell.load_state_dict(module.state_dict())
    wrapped = ur.Cell.wrap(module)
    assert wrapped.state_sizes == cell.state_sizes
    x = torch.randn(2, 7, 3)
    for engine in ("eager", "vendor"):
        a, b = (ur.unroll(c, x, engine=engine) for c in (wrapped, cell))
        # float32, 7 steps, another order of the same sums.
        torch.testing.assert_close(a.outputs, b.outputs, rtol=1e-5, atol=1e-6)


class Nested(nn.Module):
    """State {"slow": s, "fast": (a, b)} and a separate output."""

    input_size = 2

    def forward(self, x, state):
        a, b = state["fast"]
        slow = 0.9 * state["slow"] + 0.1 * a
        return slow + b, {"slow": slow, "fast": (a + x, b - slow)}


def test_nested_state_with_a_separate_output() -> None:
    example = {"slow": torch.zeros(1, 2), "fast": (torch.zeros(1, 2), torch.zeros(1, 2))}
    cell = ur.Cell.wrap(Nested(), state=example, names=("slow", "a", "b"))
    assert cell.state_sizes == {"output": 2, "slow": 2, "a": 2, "b": 2}
    assert cell.unread == {"output"}
    x = torch.randn(3, 5, 2)
    state = {"slow": torch.randn(3, 2), "fast": (torch.randn(3, 2), torch.randn(3, 2))}
    run = ur.unroll(cell, x, state=state, engine="eager")
    for t in range(5):
        output, state = cell.module(x[:, t], state)
        torch.testing.assert_close(run.outputs[:, t], output, rtol=0, atol=0)
    final = cell.nest(run.final)
    assert pytree.tree_structure(final) == pytree.tree_structure(state)
    for got, wanted in zip(pytree.tree_leaves(final), pytree.tree_leaves(state), strict=True):
        torch.testing.assert_close(got, wanted, rtol=0, atol=0)


class Repeats(nn.Module):
    """Returns (h, (h, c)): its output is the first component of its state."""

    input_size = 2

    def forward(self, x, state=None):
        h, c = state or (torch.zeros_like(x), torch.zeros_like(x))
        h, c = torch.tanh(x + c), c + h
        return h, (h, c)


def test_an_output_that_is_the_state_gets_no_component_of_its_own() -> None:
    cell = ur.Cell.wrap(Repeats())
    assert cell.state_sizes == {"h": 2, "c": 2}
    assert cell.returns == "output_and_state"
    assert not cell.unread


class Ambiguous(nn.Module):
    """Takes back a pair or a tensor, and always returns a pair."""

    input_size = 2

    def forward(self, x, state=None):
        h = torch.zeros_like(x) if state is None else state[-1] if len(state) == 2 else state
        return torch.tanh(h), h + x


def test_an_ambiguous_module_is_asked_about() -> None:
    with pytest.raises(ValueError, match="returns="):
        ur.Cell.wrap(Ambiguous())
    assert ur.Cell.wrap(Ambiguous(), returns="state").state_sizes == {"h": 2, "c": 2}
    said = ur.Cell.wrap(Ambiguous(), returns="output_and_state")
    assert said.state_sizes == {"output": 2, "h": 2}


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: ur.Cell.wrap(nn.Bilinear(2, 2, 2), input_size=2), ["does not start", "state="]),
        (lambda: ur.Cell.wrap(nn.Linear(2, 3)), ["input_size="]),
        (lambda: ur.Cell.wrap(nn.GRUCell(2, 3), returns="sate"), ["did you mean 'state'"]),
        (lambda: ur.Cell.wrap(nn.GRUCell(2, 3), names=("a", "b")), ["names", "1 components"]),
        (lambda: ur.Cell.wrap(nn.Linear(2, 3), input_size=2), ["does not take back"]),
    ],
)
def test_modules_that_are_not_cells_are_refused(build, words) -> None:
    with pytest.raises(ValueError) as raised:  # noqa: PT011, the words are what is tested
        build()
    assert all(word in str(raised.value) for word in words), raised.value


def test_wrapping_leaves_the_random_state_alone() -> None:
    module = nn.GRUCell(2, 3)
    before = torch.random.get_rng_state()
    ur.Cell.wrap(module)
    assert torch.equal(before, torch.random.get_rng_state())


class Named(nn.Module):
    input_size = 1

    def forward(self, x, state):
        return {"a": state["a"] + x, "b": state["b"] * 2}


def test_states_by_name_are_matched_by_name() -> None:
    zero, one = torch.zeros(1, 1), torch.ones(1, 1)
    cell = ur.Cell.wrap(Named(), state={"a": zero, "b": zero})
    x = torch.ones(1, 2, 1)
    runs = [ur.unroll(cell, x, state=s) for s in ({"a": zero, "b": one}, {"b": one, "a": zero})]
    for run in runs:
        assert [final.item() for final in run.final] == [2, 4]
    with pytest.raises(ValueError, match="not nested"):
        ur.unroll(cell, x, state={"a": zero, "c": one})
