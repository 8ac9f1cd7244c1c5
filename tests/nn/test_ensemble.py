"""Networks that learn apart and predict together."""

import itertools

import pytest
import torch

from unrolled.nn import EncoderDecoder
from unrolled.nn.ensemble import Ensemble, ensemble_of, members_of
from unrolled.nn.writing import WritingEnsemble
from unrolled.training.losses import Total

TOKENS, END = 5, 2


def writer(seed: int) -> EncoderDecoder:
    torch.manual_seed(seed)
    model = EncoderDecoder.of_tokens(7, TOKENS, 6, engine="eager")
    with torch.no_grad():
        # Sharper than as drawn, so that the members disagree.
        for weight in model.parameters():
            weight.mul_(3)
    return model


SOURCE = torch.tensor([[3, 4, 5, 6], [6, 3, 1, 0]])


def probability(model: EncoderDecoder, tokens: tuple[int, ...]) -> torch.Tensor:
    """p(y(t) given those before it) of every token of one target, teacher-forced, [B, T]."""
    targets = torch.tensor([tokens] * len(SOURCE))
    with torch.no_grad():
        logits = model.eval()(
            SOURCE, targets, target_lengths=torch.tensor([len(tokens)] * 2)
        ).logits
    return torch.softmax(logits, -1).gather(2, targets[:, :, None])[..., 0]


def test_a_beam_finds_the_best_by_the_mean_of_the_probabilities() -> None:
    """Every sequence of up to three tokens, scored by hand; the beam is as wide as there are."""
    models = [writer(0), writer(1)]
    every = [s for n in (1, 2, 3) for s in itertools.product(range(TOKENS), repeat=n)]
    every = [s for s in every if END not in s[:-1] and (s[-1] == END or len(s) == 3)]
    scores = torch.stack(
        [torch.stack([probability(m, s) for m in models]).mean(0).log().sum(1) for s in every], 1
    )
    found = WritingEnsemble(models).beam(SOURCE, beam_size=130, length_penalty=0.0, max_steps=3)
    for row in range(2):
        best = every[int(scores[row].argmax())]
        assert found.tokens[row, 0, : len(best)].tolist() == list(best)
        # float32 sums of three logarithms.
        torch.testing.assert_close(
            found.log_probability[row, 0], scores[row].max(), atol=1e-5, rtol=0
        )


def test_a_greedy_search_takes_the_likeliest_by_the_mean() -> None:
    models = [writer(0), writer(1)]
    found = WritingEnsemble(models).greedy(SOURCE, max_steps=3)
    for row in range(2):
        taken: list[int] = []
        while len(taken) < 3 and (not taken or taken[-1] != END):
            means = [
                torch.stack([probability(m, (*taken, k))[row, -1] for m in models]).mean()
                for k in range(TOKENS)
            ]
            taken.append(int(torch.stack(means).argmax()))
        assert found.tokens[row, 0, : len(taken)].tolist() == taken


def test_its_attention_is_the_mean_of_theirs() -> None:
    models = [writer(0), writer(1)]
    together = WritingEnsemble(models)
    found = together.greedy(SOURCE, max_steps=1)
    alone = torch.stack([model.greedy(SOURCE, max_steps=1).weights for model in models])
    torch.testing.assert_close(found.weights, alone.mean(0))
    assert together.training  # as it was before the search


def test_two_of_the_same_write_as_one() -> None:
    one = writer(0)
    for search in ("greedy", "beam"):
        alone = getattr(one, search)(SOURCE, max_steps=4)
        both = getattr(WritingEnsemble([one, one]), search)(SOURCE, max_steps=4)
        assert torch.equal(alone.tokens, both.tokens)
        torch.testing.assert_close(alone.log_probability, both.log_probability)


def test_networks_learn_apart() -> None:
    """The gradient of the mean of two losses is for each network half of its own."""
    one, other = (torch.nn.Linear(3, 1) for _ in range(2))
    x, count = torch.randn(5, 3), torch.tensor(5)
    losses = [Total(net(x).square().sum(), count) for net in (one, other)]
    (own,) = torch.autograd.grad(losses[0].mean, one.weight, retain_graph=True)
    Total.averaged(losses).mean.backward()
    torch.testing.assert_close(one.weight.grad, own / 2)


def test_how_many_there_are() -> None:
    single = ensemble_of(1, lambda: torch.nn.Linear(2, 2))
    assert members_of(single) == [single]
    several = ensemble_of(3, lambda: torch.nn.Linear(2, 2))
    assert isinstance(several, Ensemble)
    weights = [member.weight for member in members_of(several)]
    assert not torch.equal(weights[0], weights[1])
    with pytest.raises(ValueError, match="members must hold at least one network"):
        Ensemble([])
