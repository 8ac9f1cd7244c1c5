"""One vector of a sequence, beside the same of each sequence alone."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from unrolled.tasks.classify.pooling import POOLINGS, Pooling


def one(how: str, steps: torch.Tensor, bidirectional: bool) -> torch.Tensor:
    """The pooled steps [T, H] of one sequence, by torch."""
    half = steps.shape[1] // 2
    ends = torch.cat([steps[-1, :half], steps[0, half:]]) if bidirectional else steps[-1]
    parts = {"last": [ends], "mean": [steps.mean(0)], "max": [steps.amax(0)]}
    return torch.cat([part for name in how.split("+") for part in parts[name]])


@pytest.mark.parametrize("how", [name for name in POOLINGS if name != "attention"])
@pytest.mark.parametrize("bidirectional", [False, True])
@settings(deadline=None)
@given(lengths=st.lists(st.integers(1, 6), min_size=1, max_size=5))
def test_each_sequence_is_pooled_as_if_alone(how, bidirectional, lengths) -> None:
    outputs = torch.randn(len(lengths), max(lengths), 4, dtype=torch.float64)
    pooled = Pooling(how, 4, bidirectional)(outputs, torch.tensor(lengths))
    expected = [one(how, outputs[k, :n], bidirectional) for k, n in enumerate(lengths)]
    # Means of six numbers.
    torch.testing.assert_close(pooled, torch.stack(expected), rtol=1e-14, atol=1e-14)
    assert pooled.shape[1] == Pooling(how, 4).output_size


@settings(deadline=None)
@given(lengths=st.lists(st.integers(1, 6), min_size=1, max_size=5))
def test_attention_is_a_weighted_mean_of_valid_steps(lengths) -> None:
    pooling = Pooling("attention", 3).double()
    outputs = torch.randn(len(lengths), max(lengths), 3, dtype=torch.float64)
    pooled = pooling(outputs, torch.tensor(lengths))
    for k, n in enumerate(lengths):
        steps = outputs[k, :n]
        scores = pooling.scores[2](torch.tanh(pooling.scores[0](steps)))[:, 0]
        expected = (scores.softmax(0)[:, None] * steps).sum(0)
        # Sums of a few products in float64.
        torch.testing.assert_close(pooled[k], expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("how", POOLINGS)
def test_padding_has_no_effect_and_no_gradient(how) -> None:
    pooling, lengths = Pooling(how, 4), torch.tensor([2, 5])
    outputs = torch.randn(2, 5, 4, requires_grad=True)
    other = outputs.detach().clone()
    other[0, 2:] = 1e6
    assert torch.equal(pooling(outputs, lengths), pooling(other, lengths))
    pooling(outputs, lengths).square().sum().backward()
    assert outputs.grad is not None
    assert not outputs.grad[0, 2:].any()
    assert outputs.grad[0, :2].any()


def test_an_unknown_pooling_names_the_others() -> None:
    with pytest.raises(ValueError, match=r"pooling is 'meen'; did you mean 'mean'\?"):
        Pooling("meen", 4)
