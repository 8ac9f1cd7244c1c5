"""The derivative and the Jacobian of a graph against autograd."""

import pytest
import torch
from torch import nn

import unrolled as ur
from graph.catalogue import NAMES, arguments, cell_named

# Their hard sigmoid: torch's own gradient of it is 1/6 in float32, even for float64.
COARSE = {"DSGUCell": 1e-8, "SGUCell": 1e-8}


def _gradients_by_autograd(cell, values, incoming):
    values = [value.requires_grad_() for value in values]
    learned = {n: p for n, p in cell.named_parameters() if p.requires_grad}
    leaves = [*values, *learned.values()]
    found = torch.autograd.grad(cell.step(*values), leaves, incoming, allow_unused=True)
    zeros = map(torch.zeros_like, leaves)
    dense = [zero if g is None else g for g, zero in zip(found, zeros, strict=True)]
    return dense[: len(values)], dict(zip(learned, dense[len(values) :], strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_equals_autograd_for_every_input_and_parameter(name) -> None:
    cell = cell_named(name)
    values = arguments(cell, 3, 2) if name in ("Elman", "LSTM", "GRU") else arguments(cell, 6)
    incoming = [torch.randn(*values[0].shape[:-1], n).double() for n in cell.state_sizes.values()]
    wanted_inputs, wanted = _gradients_by_autograd(cell, values, incoming)
    inputs, found = ur.graph(cell).derivative().gradients(*(v.detach() for v in values), *incoming)
    bound = COARSE.get(name, 1e-10)
    for mine, theirs in zip(inputs, wanted_inputs, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=bound, atol=bound)
    for parameter, theirs in wanted.items():
        mine = found.get(parameter, torch.zeros_like(theirs))
        torch.testing.assert_close(mine, theirs, rtol=bound, atol=bound)


class Sharp(ur.Cell):
    """Hard sigmoid by its definition, which torch differentiates in full precision."""

    def __init__(self):
        super().__init__(3, {"h": 3})

    def step(self, x, h):
        return (torch.clamp((x + h) / 6 + 0.5, 0, 1) * h,)


def test_hard_sigmoid_is_exact() -> None:
    class Hard(Sharp):
        def step(self, x, h):
            return (nn.functional.hardsigmoid(x + h) * h,)

    values = [torch.randn(9, 3).double() * 3 for _ in range(2)]
    incoming = torch.randn(9, 3).double()
    wanted, _ = _gradients_by_autograd(Sharp(), values, [incoming])
    found, _ = ur.graph(Hard()).derivative().gradients(*(v.detach() for v in values), incoming)
    torch.testing.assert_close(found, tuple(wanted), rtol=1e-12, atol=1e-12)


RULES = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "pow": lambda a, b: a**b,
    "pow by a number": lambda a, b: a**1.7 + b**-3,
    "maximum": torch.maximum,
    "minimum": torch.minimum,
    "exp log": lambda a, b: a.exp() * b.log(),
    "expm1 log1p": lambda a, b: a.expm1() * b.log1p(),
    "sqrt": lambda a, b: a.sqrt() / b.rsqrt(),
    "sin cos": lambda a, b: a.sin() * b.cos(),
    "tanh sigmoid": lambda a, b: a.tanh() * b.sigmoid(),
    "relu abs": lambda a, b: (a - 0.4).relu() * (b - 0.6).abs(),
    "erf": lambda a, b: a.erf() * b,
    "select": lambda a, b: torch.where(a > b, a * b, b),
    "sum": lambda a, b: a.sum(1, keepdim=True) * b,
    "max": lambda a, b: a.amax(1, keepdim=True) * b,
    "parts": lambda a, b: torch.cat([a[:, :2], b, a[:, 1:]], 1)[:, 1:6] ** 2,
}


@pytest.mark.parametrize("name", RULES)
def test_each_rule_passes_gradcheck(name) -> None:
    """Finite differences of the values against the derivative, once and twice."""
    a, b = (torch.rand(2, 3, dtype=torch.float64) + 0.2 for _ in range(2))
    derivative = ur.graph(RULES[name], a, b).derivative()

    class Both(torch.autograd.Function):
        @staticmethod
        def forward(ctx, a, b):
            ctx.save_for_backward(a, b)
            return derivative.of.evaluate(a, b)[0]

        @staticmethod
        def backward(ctx, g):
            return derivative.evaluate(*ctx.saved_tensors, g)

    leaves = [a.requires_grad_(), b.requires_grad_()]
    assert torch.autograd.gradcheck(Both.apply, leaves)
    assert torch.autograd.gradgradcheck(Both.apply, leaves)


def test_the_derivative_of_a_derivative() -> None:
    cell = cell_named("GRU")
    x, h = arguments(cell, 4)
    g, second = torch.randn(4, 5).double(), (torch.randn(4, 3).double(), torch.randn(4, 5).double())
    twice = ur.graph(cell).derivative().derivative()
    found = twice.evaluate(x, h, g, *second)
    leaves = [t.requires_grad_() for t in (x, h, g)]
    first = torch.autograd.grad(cell.step(x, h), [x, h], g, create_graph=True)
    wanted = torch.autograd.grad(first, leaves, second)
    torch.testing.assert_close(found, wanted, rtol=1e-10, atol=1e-10)


def test_parameter_gradients_of_affine_maps_are_deferred_products() -> None:
    derivative = ur.graph(ur.cells.LSTM(3, 5)).derivative()
    terms = derivative.deferred.items()
    kinds = {fixed.shape: [type(term).__name__ for term in found] for fixed, found in terms}
    assert kinds == {(5, 3): ["Outer"], (5, 5): ["Outer"], (5,): ["Total"]}
    # Eight matrices and eight biases: one of each for a gate, from the input and from the state.
    assert len(derivative.deferred) == 16
    # The gates, the candidate and tanh(c): what every LSTM kernel keeps.
    assert [node.size for node in derivative.saved] == [5] * 5


# The Jacobian


class Diagonal(ur.Cell):
    def __init__(self):
        super().__init__(3, {"h": 4})
        self.weight, self.decay = nn.Linear(3, 4), nn.Parameter(torch.rand(4))

    def step(self, x, h):
        return (torch.tanh(self.weight(x) + self.decay * h),)


class Oscillators(ur.Cell):
    """Uncoupled oscillators: position and velocity of one unit depend on each other."""

    def __init__(self):
        super().__init__(4, {"s": 4, "v": 4})

    def step(self, x, s, v):
        return s + 0.1 * v, v + 0.1 * (x - torch.sin(s))


class Heads(ur.Cell):
    """Two heads of three units and one of their own scale."""

    def __init__(self):
        super().__init__(6, {"h": 6})
        self.weight = nn.Parameter(torch.randn(2, 3, 3))

    def step(self, x, h):
        heads = torch.einsum("bhi,hij->bhj", h.view(-1, 2, 3), self.weight)
        return (torch.tanh(x + heads.flatten(1)),)


class Uneven(ur.Cell):
    """A shift register of three entries beside a unit that only decays."""

    def __init__(self):
        super().__init__(1, {"h": 4})

    def step(self, x, h):
        return (torch.cat([x, h[:, :2], 0.5 * torch.sin(h[:, 3:]) + h[:, 3:].detach()], 1),)


KINDS = {
    "diagonal": (Diagonal, "diagonal", 4),
    "oscillators": (Oscillators, "block", 4),
    "heads": (Heads, "block", 2),
    "uneven": (Uneven, "block", 2),
    "Elman": (lambda: ur.cells.Elman(3, 4), "dense", 1),
    "LSTM": (lambda: ur.cells.LSTM(3, 4), "dense", 1),
    "Jordan": (lambda: ur.cells.Jordan(3, 4, 2, output="softmax"), "dense", 1),
    "IndRNN": (lambda: cell_named("IndRNNCell"), "diagonal", 4),
}


@pytest.mark.parametrize("name", KINDS)
def test_jacobian_equals_autograd_and_its_structure_is_recognised(name) -> None:
    make, structure, blocks = KINDS[name]
    cell = make().double()
    jacobian = ur.graph(cell).jacobian()
    assert (jacobian.structure, len(jacobian.blocks)) == (structure, blocks)
    x, *state = arguments(cell, 2)
    sizes = list(cell.state_sizes.values())

    def advance(joined):
        return torch.cat(cell.step(x, *joined.split(sizes, 1)), 1)

    joined = torch.cat(state, 1)
    # [B, S, B, S]: samples do not depend on one another.
    full = torch.autograd.functional.jacobian(advance, joined)
    wanted = torch.stack([full[b, :, b] for b in range(2)])
    torch.testing.assert_close(jacobian.dense(x, *state), wanted, rtol=1e-10, atol=1e-10)
    assert not wanted[:, ~jacobian.pattern].any()
    found = jacobian.evaluate(x, *state)
    if structure == "diagonal":
        torch.testing.assert_close(found, wanted.diagonal(dim1=1, dim2=2))
    for number, block in enumerate(jacobian.blocks if structure == "block" else ()):
        rows = list(block)
        torch.testing.assert_close(
            found[:, number, : len(rows), : len(rows)], wanted[:, rows][:, :, rows]
        )


def test_parts_of_a_jacobian() -> None:
    jacobian = ur.graph(ur.cells.LSTM(3, 4)).jacobian()
    assert jacobian.part("c", "c") == "diagonal"
    assert jacobian.part("h", "h") == "dense"
    assert ur.graph(Oscillators()).jacobian().part("s", "v") == "diagonal"
    memory = ur.graph(cell_named("MCLSTMCell")).jacobian()
    assert memory.part("c", "output") == "zero"
    with pytest.raises(ValueError, match="'d'"):
        jacobian.part("d", "c")


def test_a_function_has_no_jacobian_of_states() -> None:
    with pytest.raises(ValueError, match="no state"):
        ur.graph(torch.mul, torch.rand(3), torch.rand(3)).jacobian()


# Counting


def test_cost_of_an_lstm() -> None:
    batch, steps, inputs, hidden = 3, 7, 5, 11
    cell = ur.cells.LSTM(inputs, hidden)
    cost = ur.graph(cell).cost(batch, steps)
    assert cost.parameters == sum(p.numel() for p in cell.parameters())
    assert cost.parameters == 4 * hidden * (inputs + hidden + 2)
    assert cost.forward == batch * steps * 4 * hidden * (inputs + hidden)
    # Each product once for the gradient of its vector and once for that of its matrix.
    assert cost.backward == 2 * cost.forward
    assert cost.state_bytes == batch * 2 * hidden * 4
    # Three gates, the candidate, tanh(c), and the step's x, h and c.
    assert cost.stored_bytes == batch * steps * (5 * hidden + inputs + 2 * hidden) * 4
    assert ur.graph(cell.double()).cost(batch, steps).state_bytes == 2 * cost.state_bytes


def test_parameters_do_not_grow_with_steps() -> None:
    graph = ur.graph(ur.cells.GRU(4, 6))
    short, long = graph.cost(2, 10), graph.cost(2, 1000)
    assert short.parameters == long.parameters
    assert long.forward == 100 * short.forward
    assert long.stored_bytes == 100 * short.stored_bytes
    assert long.state_bytes == short.state_bytes
    with pytest.raises(ValueError, match="steps"):
        graph.cost(2, 0)


def test_a_step_is_a_layer_on_the_input_joined_to_the_state() -> None:
    """One matrix on [x, h], or two matrices: the same graph but for the parameters' names."""

    class Joined(ur.Cell):
        def __init__(self):
            super().__init__(3, {"h": 5})
            self.layer = nn.Linear(8, 5)

        def step(self, x, h):
            return (torch.tanh(self.layer(torch.cat([x, h], 1))),)

    joined, cell = ur.graph(Joined()), ur.graph(ur.cells.Elman(3, 5))
    assert joined.cost().forward == cell.cost().forward == 5 * (3 + 5)
    assert [type(node).__name__ for node in joined.steps] == [
        type(node).__name__ for node in cell.steps
    ]
