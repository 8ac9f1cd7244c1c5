"""Attention against the papers' equations, number by number."""

import math

import pytest
import torch
from torch import Tensor

from unrolled.nn import BahdanauAttention, LuongAttention

# float64, sums of at most seven products in another order.
EXACT = {"rtol": 1e-12, "atol": 1e-12}
B, T, S, H, M, E = 3, 4, 5, 4, 3, 2
LENGTHS = [5, 1, 3]


def _dot(module, q, m):
    return sum(q[i] * m[i] for i in range(len(q)))


def _general(module, q, m):
    weight = module.score.from_memory.weight
    return sum(q[i] * weight[i, j] * m[j] for i in range(len(q)) for j in range(len(m)))


def _concat(module, q, m):
    """v' tanh(W_a [q; m]), W_a written as one matrix as in Luong's paper."""
    both = torch.cat([module.score.from_query.weight, module.score.from_memory.weight], dim=1)
    inside = torch.tanh(both @ torch.cat([q, m]))
    return (module.score.v.weight[0] * inside).sum()


CASES = {
    "dot": (lambda: LuongAttention(M, M, "dot"), _dot),
    "general": (lambda: LuongAttention(H, M), _general),
    "concat": (lambda: LuongAttention(H, M, "concat"), _concat),
    "bahdanau": (lambda: BahdanauAttention(H, M, attention_size=6), _concat),
}


def _by_hand(module, score, queries, memory, lengths):
    contexts, weights = [], []
    for b in range(len(memory)):
        for t in range(queries.shape[1]):
            numbers = [
                torch.exp(score(module, queries[b, t], memory[b, s])) for s in range(lengths[b])
            ]
            row = [number / sum(numbers) for number in numbers]
            contexts.append(sum(row[s] * memory[b, s] for s in range(lengths[b])))
            zeros = [torch.zeros((), dtype=memory.dtype)] * (memory.shape[1] - lengths[b])
            weights.append(torch.stack([*row, *zeros]))
    shape = (len(memory), queries.shape[1])
    return torch.stack(contexts).unflatten(0, shape), torch.stack(weights).unflatten(0, shape)


def _random(*shape) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("lengths", [None, LENGTHS])
def test_scores_weights_and_contexts_are_the_papers(name, lengths) -> None:
    make, score = CASES[name]
    module = make().double()
    queries, memory = _random(B, T, module.query_size), _random(B, S, M)
    leaves = [queries, memory, *module.score.parameters()]
    found = module(queries, memory, lengths)
    expected = _by_hand(module, score, queries, memory, lengths or [S] * B)
    torch.testing.assert_close(found, expected, **EXACT)
    probes = [torch.randn_like(each) for each in found]
    gradients = [
        torch.autograd.grad(
            sum((p * o).sum() for p, o in zip(probes, outputs, strict=True)), leaves
        )
        for outputs in (found, expected)
    ]
    torch.testing.assert_close(*gradients, **EXACT)


@pytest.mark.parametrize("name", CASES)
def test_weights_add_up_to_one_and_are_zero_beyond_the_lengths(name) -> None:
    module = CASES[name][0]().double()
    queries, memory = _random(B, T, module.query_size), _random(B, S, M)
    _, weights = module(queries, memory, torch.tensor(LENGTHS))
    # One rounding for each of the five weights.
    torch.testing.assert_close(weights.sum(-1), torch.ones_like(weights[..., 0]), **EXACT)
    for b, length in enumerate(LENGTHS):
        assert (weights[b, :, :length] > 0).all()
        assert (weights[b, :, length:] == 0).all()


@pytest.mark.parametrize("name", CASES)
def test_what_stands_in_the_padding_has_no_effect(name) -> None:
    module = CASES[name][0]().double()
    queries, memory = _random(B, T, module.query_size), _random(B, S, M)
    beyond = torch.arange(S) >= torch.tensor(LENGTHS)[:, None]
    spoilt = memory.detach().masked_fill(beyond[:, :, None], math.nan).requires_grad_()
    found = []
    for given in (memory, spoilt):
        outputs = module(queries, given, LENGTHS)
        leaves = [queries, given, *module.score.parameters()]
        found.append((outputs, torch.autograd.grad(outputs[0].square().sum(), leaves)))
    torch.testing.assert_close(found[0], found[1], rtol=0, atol=0)
    assert (found[1][1][1][beyond] == 0).all()


@pytest.mark.parametrize("name", CASES)
def test_an_empty_memory_gives_zeros_and_finite_gradients(name) -> None:
    module = CASES[name][0]().double()
    queries, memory = _random(2, T, module.query_size), _random(2, S, M)
    context, weights = module(queries, memory, [0, 2])
    assert (context[0] == 0).all()
    assert (weights[0] == 0).all()
    context.square().sum().backward()
    assert torch.isfinite(queries.grad).all()
    assert (memory.grad[0] == 0).all()


def test_what_luong_reads_out_is_the_attentional_state() -> None:
    module = LuongAttention(H, M, output_size=6, input_feeding=True).double()
    h, context, embedded = _random(B, H), _random(B, M), _random(B, E)
    weight = module.combine.weight
    expected = torch.tanh(context @ weight[:, :M].T + h @ weight[:, M:].T)
    torch.testing.assert_close(module.output(h, context, embedded), expected, **EXACT)
    assert (module.output_size(E), module.fed_size) == (6, 6)
    assert LuongAttention(H, M).fed_size == 0


def test_what_bahdanau_reads_out_is_state_context_and_token() -> None:
    module = BahdanauAttention(H, M).double()
    h, context, embedded = _random(B, T, H), _random(B, T, M), _random(B, T, E)
    found = module.output(h, context, embedded)
    expected = torch.cat([h, context, embedded], dim=2)
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
    assert (module.output_size(E), module.fed_size) == (H + M + E, M)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: LuongAttention(4, 3, "dot"), 'score "dot" needs .* got 4 and 3'),
        (lambda: LuongAttention(4, 3, "generl"), "score is 'generl'; did you mean 'general'"),
        (lambda: LuongAttention(0, 3), "query_size must be a whole number from 1 up, got 0"),
        (lambda: BahdanauAttention(4, 3, 0), "attention_size must be"),
        (
            lambda: LuongAttention(4, 3)(torch.zeros(2, 5, 4), torch.zeros(2, 6, 4)),
            r"memory must be \[batch, steps, 3\], got \[2, 6, 4\]",
        ),
        (
            lambda: LuongAttention(4, 3)(torch.zeros(2, 5, 3), torch.zeros(2, 6, 3)),
            r"queries must be \[2, steps, 4\], got \[2, 5, 3\]",
        ),
        (
            lambda: LuongAttention(4, 3)(torch.zeros(2, 5, 4), torch.zeros(2, 6, 3), [6, 7]),
            r"memory_lengths must lie between 0 and 6, got \[6, 7\]",
        ),
        (
            lambda: LuongAttention(4, 3)(torch.zeros(2, 5, 4), torch.zeros(2, 6, 3), [6]),
            r"memory_lengths must be 2 whole numbers, got \[6\]",
        ),
    ],
)
def test_bad_arguments_name_themselves(call, message) -> None:
    with pytest.raises(ValueError, match=message):
        call()
