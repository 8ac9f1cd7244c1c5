"""The conditional random field against every sequence of tags there is, and against pytorch-crf."""

import copy
import itertools
import math
import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchcrf import CRF as PytorchCRF

from unrolled.nn.crf import CRF

# float64, sums of a few hundred exponentials in another order.
EXACT = {"rtol": 1e-11, "atol": 1e-11}


@st.composite
def _cases(draw, longest=4):
    """A field with parameters, scores with rubbish beyond the lengths, and lengths."""
    batch, steps = draw(st.integers(1, 3)), draw(st.integers(1, longest))
    tags, seed = draw(st.integers(1, 4)), draw(st.integers(0, 10_000))
    lengths = draw(st.lists(st.integers(0, steps), min_size=batch, max_size=batch))
    torch.manual_seed(seed)
    scores = 3 * torch.randn(batch, steps, tags, dtype=torch.float64)
    for row, length in enumerate(lengths):
        scores[row, length:] = torch.nan
    return _random(tags), scores, lengths


def _random(tags, **constraints):
    crf = CRF(tags, **constraints).double()
    with torch.no_grad():
        for parameter in crf.parameters():
            parameter.normal_(std=2)
    return crf


def _score(crf, scores, tags):
    """score(y) of the module's docstring, for the scores of one sequence, [T, K]."""
    total = crf.start[tags[0]] + crf.end[tags[-1]]
    total = total + sum(scores[t, tag] for t, tag in enumerate(tags))
    return total + sum(crf.transitions[a, b] for a, b in itertools.pairwise(tags))


def _every(crf, scores, is_allowed=lambda tags: True):
    """All sequences of tags, with their scores."""
    crf = copy.deepcopy(crf).requires_grad_(False)
    every = itertools.product(range(crf.tags), repeat=len(scores))
    return {tags: float(_score(crf, scores, tags)) for tags in every if is_allowed(tags)}


def _log_sum(values):
    return torch.logsumexp(torch.tensor(list(values), dtype=torch.float64), 0)


@settings(max_examples=40, deadline=None)
@given(_cases())
def test_equal_to_the_sum_over_all_sequences(case) -> None:
    crf, scores, lengths = case
    best, marginals = crf.viterbi(scores, lengths), crf.marginals(scores, lengths)
    tags = torch.randint(crf.tags, scores.shape[:2])
    likelihood = crf.log_likelihood(scores, tags, lengths)
    log_z = crf.log_partition(scores, lengths)
    for row, length in enumerate(lengths):
        assert best.tags[row, length:].eq(-1).all()
        assert marginals[row, length:].eq(0).all()
        if length == 0:
            assert likelihood[row] == log_z[row] == best.scores[row] == 0
            continue
        every = _every(crf, scores[row, :length])
        expected = _log_sum(every.values())
        torch.testing.assert_close(log_z[row], expected, **EXACT)
        right = every[tuple(tags[row, :length].tolist())] - expected
        torch.testing.assert_close(likelihood[row], right, **EXACT)
        top = max(every, key=every.__getitem__)
        assert tuple(best.tags[row, :length].tolist()) == top
        assert float(best.scores[row]) == pytest.approx(every[top], rel=1e-11)
        for t, k in itertools.product(range(length), range(crf.tags)):
            share = _log_sum(s for y, s in every.items() if y[t] == k) - expected
            torch.testing.assert_close(marginals[row, t, k], share.exp(), **EXACT)


@settings(max_examples=40, deadline=None)
@given(_cases(longest=9))
def test_marginals_are_the_gradient_of_the_partition(case) -> None:
    crf, scores, lengths = case
    scores.requires_grad_()
    (gradient,) = torch.autograd.grad(crf.log_partition(scores, lengths).sum(), scores)
    torch.testing.assert_close(crf.marginals(scores, lengths), gradient, **EXACT)


# Theirs takes no sequence of length 0.
@pytest.mark.parametrize("lengths", [[5, 5, 5], [5, 1, 3], [2, 5, 4]])
def test_equal_to_pytorch_crf(lengths) -> None:
    crf, theirs = _random(4), PytorchCRF(4, batch_first=True).double()
    theirs.load_state_dict(
        {"start_transitions": crf.start, "end_transitions": crf.end, "transitions": crf.transitions}
    )
    scores = torch.randn(3, 5, 4, dtype=torch.float64)
    tags = torch.randint(4, (3, 5))
    mask = torch.arange(5) < torch.tensor(lengths)[:, None]
    mine, other = scores.clone().requires_grad_(), scores.clone().requires_grad_()
    found = crf.log_likelihood(mine, tags, torch.tensor(lengths))
    expected = theirs(other, tags, mask, reduction="none")
    torch.testing.assert_close(found, expected, **EXACT)
    found.sum().backward()
    expected.sum().backward()
    torch.testing.assert_close(mine.grad, other.grad, **EXACT)
    pairs = [(crf.start, theirs.start_transitions), (crf.end, theirs.end_transitions)]
    for a, b in [*pairs, (crf.transitions, theirs.transitions)]:
        torch.testing.assert_close(a.grad, b.grad, **EXACT)
    with warnings.catch_warnings():
        # Theirs indexes by a mask of bytes in decode.
        warnings.simplefilter("ignore")
        decoded = theirs.decode(scores, mask)
    best = crf.viterbi(scores, lengths).tags
    assert [row[:n].tolist() for row, n in zip(best, lengths, strict=True)] == decoded


def _constraints(tags):
    torch.manual_seed(tags)
    return {
        "allowed": torch.rand(tags, tags) < 0.6,
        "allowed_first": torch.arange(tags) != 1,
        "allowed_last": torch.arange(tags) != 0,
    }


def _keeps(rules, tags):
    moves = all(rules["allowed"][a, b] for a, b in itertools.pairwise(tags))
    return bool(moves and rules["allowed_first"][tags[0]] and rules["allowed_last"][tags[-1]])


@pytest.mark.parametrize("steps", [2, 3, 4])
def test_constrained_sums_leave_out_what_is_forbidden(steps) -> None:
    rules = _constraints(4)
    crf = _random(4, **rules)
    # Scores that would pay for a forbidden step many times over.
    scores = 300 * torch.randn(2, steps, 4, dtype=torch.float64)
    best, log_z = crf.viterbi(scores), crf.log_partition(scores)
    for row in range(2):
        every = _every(crf, scores[row], lambda tags: _keeps(rules, tags))
        assert 0 < len(every) < 4**steps
        torch.testing.assert_close(log_z[row], _log_sum(every.values()), **EXACT)
        top = max(every, key=every.__getitem__)
        assert tuple(best.tags[row].tolist()) == top
        likelihood = crf.log_likelihood(scores[row : row + 1], torch.tensor([top]))
        torch.testing.assert_close(likelihood[0], every[top] - log_z[row], **EXACT)


@pytest.mark.parametrize("constrained", [False, True])
def test_gradients(constrained) -> None:
    crf = _random(3, **_constraints(3)) if constrained else _random(3)
    scores = torch.randn(3, 4, 3, dtype=torch.float64, requires_grad=True)
    lengths = torch.tensor([4, 2, 3])
    tags = crf.viterbi(scores, lengths).tags
    names = [f"inner.{name}" for name, _ in crf.named_parameters()]

    def outputs(scores, *parameters):
        def call(method, *arguments):
            given = dict(zip(names, parameters, strict=True))
            return torch.func.functional_call(_Calling(crf, method), given, arguments)

        likelihood = call("log_likelihood", scores, tags, lengths)
        return likelihood, call("marginals", scores, lengths)

    parameters = [p.detach().requires_grad_() for p in crf.parameters()]
    assert torch.autograd.gradcheck(outputs, (scores, *parameters))


class _Calling(torch.nn.Module):
    """A method of a module as a module's forward."""

    def __init__(self, inner, method):
        super().__init__()
        self.inner, self.method = inner, method

    def forward(self, *arguments):
        return getattr(self.inner, self.method)(*arguments)


def test_what_is_forbidden_gets_no_gradient() -> None:
    rules = _constraints(4)
    crf = _random(4, **rules)
    scores = torch.randn(2, 6, 4, dtype=torch.float64)
    crf.log_likelihood(scores, crf.viterbi(scores).tags).sum().backward()
    assert crf.transitions.grad[~rules["allowed"]].eq(0).all()
    assert crf.transitions.grad.isfinite().all()
    assert crf.transitions.grad.abs().sum() > 0


def test_a_new_field_is_a_softmax_of_every_step() -> None:
    scores, tags = torch.randn(2, 7, 5, dtype=torch.float64), torch.randint(5, (2, 7))
    each = torch.log_softmax(scores, -1)
    expected = each.gather(2, tags[:, :, None]).sum((1, 2))
    crf = CRF(5).double()
    torch.testing.assert_close(crf(scores, tags), expected, **EXACT)
    torch.testing.assert_close(crf.marginals(scores), each.exp(), **EXACT)
    assert crf.viterbi(scores).tags.equal(scores.argmax(-1))


def test_a_sentence_of_thousands_of_words() -> None:
    torch.manual_seed(0)
    scores = torch.zeros(1, 3000, 2)
    # A Markov chain of two states that are equal: Z is 2 (e^a + e^b)^(T - 1).
    crf = CRF(2)
    with torch.no_grad():
        crf.transitions.copy_(torch.tensor([[0.5, -1.0], [-1.0, 0.5]]))
    expected = math.log(2) + 2999 * math.log(math.exp(0.5) + math.exp(-1.0))
    # float32, 3,000 additions.
    assert crf.log_partition(scores).item() == pytest.approx(expected, rel=3e-5)
    best = crf.viterbi(scores)
    assert best.tags.eq(0).all()
    assert best.scores.item() == 2999 * 0.5


def test_half_precision_is_added_up_in_single() -> None:
    scores, tags = torch.randn(2, 40, 3), torch.randint(3, (2, 40))
    crf = CRF(3, allowed=torch.ones(3, 3, dtype=torch.bool))
    found = crf.log_likelihood(scores.bfloat16(), tags)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, crf.log_likelihood(scores.bfloat16().float(), tags))


def test_learns_an_order_that_scores_do_not_tell() -> None:
    """Tags alternate; where the scores say nothing, the one word that does tells all."""
    crf = CRF(2)
    optimiser = torch.optim.Adam(crf.parameters(), lr=0.1)
    tags = torch.tensor([[0, 1, 0, 1, 0], [1, 0, 1, 0, 1]])
    scores = torch.zeros(2, 5, 2)
    scores[0, 2, 0] = scores[1, 2, 1] = 4.0
    for _ in range(60):
        optimiser.zero_grad()
        (-crf(scores, tags).mean()).backward()
        optimiser.step()
    assert crf.viterbi(scores).tags.equal(tags)


def test_constraints_are_kept_with_the_parameters() -> None:
    rules = _constraints(3)
    state = CRF(3, **rules).state_dict()
    assert set(state) == {"start", "transitions", "end", *rules}
    assert set(CRF(3).state_dict()) == {"start", "transitions", "end"}
    other = CRF(3, **{name: torch.ones_like(value) for name, value in rules.items()})
    other.load_state_dict(state)
    assert other.allowed.equal(rules["allowed"])


def test_wrong_arguments_are_refused() -> None:
    crf, scores, tags = CRF(3), torch.randn(2, 4, 3), torch.zeros(2, 4, dtype=torch.int64)
    with pytest.raises(ValueError, match="tags must be"):
        CRF(0)
    with pytest.raises(ValueError, match=r"allowed must be truths \(torch.bool\) \[3, 3\], got"):
        CRF(3, allowed=torch.ones(3, 3))
    with pytest.raises(ValueError, match=r"allowed_last must be .* \[3\], got torch.bool \[2\]"):
        CRF(3, allowed_last=torch.ones(2, dtype=torch.bool))
    with pytest.raises(ValueError, match=r"scores must be .* 3\], got \[2, 4, 2\]"):
        crf.viterbi(scores[..., :2])
    with pytest.raises(ValueError, match="scores must be real numbers"):
        crf.marginals(tags[..., None].expand(2, 4, 3))
    with pytest.raises(ValueError, match=r"tags must be whole numbers \[2, 4\], got torch.int64"):
        crf(scores, tags[:, 1:])
    with pytest.raises(ValueError, match="tags must be numbers from 0 to 2, got 0 to 3"):
        crf(scores, tags.index_fill(1, torch.tensor([2]), 3))
    with pytest.raises(ValueError, match="lengths must lie between 0 and 4"):
        crf(scores, tags, [4, 5])
    # Beyond the lengths any number will do.
    assert crf(scores, tags.index_fill(1, torch.tensor([3]), -100), [3, 3]).isfinite().all()


def test_what_the_constraints_forbid_is_refused() -> None:
    stay = torch.eye(2, dtype=torch.bool)
    crf = CRF(2, allowed=stay, allowed_first=stay[0], allowed_last=stay[1])
    scores = torch.zeros(1, 3, 2)
    with pytest.raises(ValueError, match="allow no sequence of 3 tags, the length of sequence 0"):
        crf.viterbi(scores)
    with pytest.raises(ValueError, match="allow no sequence of 2 tags"):
        crf.log_partition(scores, [2])
    with pytest.raises(ValueError, match="tags of sequence 1 are 0, 1, which the constraints"):
        CRF(2, allowed=stay)(scores.expand(2, 3, 2), torch.tensor([[0, 0, 0], [0, 1, 0]]), [3, 2])
