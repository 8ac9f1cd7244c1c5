"""Searches against every sequence there is, and against a beam kept in Python lists."""

import itertools
import math

import pytest
import torch

from unrolled.nn.search import beam, greedy

# float64, sums of four logarithms in the same order.
EXACT = {"rtol": 1e-12, "atol": 1e-12}
V, LONGEST, END, START = 4, 4, 3, 0


class Table:
    """A model that knows log p of the next token after every beginning, drawn at random.

    The state is the beginning as a number, and which sequence of the batch it belongs to.
    """

    def __init__(self, batch, spread=2.0, seed=0):
        generator = torch.Generator().manual_seed(seed)
        shape = (batch, (V + 1) ** LONGEST, V)
        logits = spread * torch.randn(shape, dtype=torch.float64, generator=generator)
        self.log_p, self.calls = torch.log_softmax(logits, dim=-1), 0
        which, empty = torch.arange(batch), torch.zeros(batch, dtype=torch.int64)
        self.state = {"which": which, "read": (empty, [torch.ones(batch, 2)])}
        self.start = torch.full((batch,), START)

    def step(self, tokens, state):
        self.calls += 1
        code, rest = state["read"]
        code = code * (V + 1) + tokens + 1
        which = state["which"]
        return self.log_p[which, code % self.log_p.shape[1]], {
            "which": which,
            "read": (code, rest),
        }

    def every(self, sequence, end, alpha):
        """All complete sequences with their scores, the best first."""
        found = []
        for length in range(1, LONGEST + 1):
            for tokens in itertools.product(range(V), repeat=length):
                over = tokens[-1] == end or length == LONGEST
                if over and end not in tokens[:-1]:
                    found.append((self.of(sequence, tokens, alpha), tokens))
        return sorted(found, reverse=True)

    def of(self, sequence, tokens, alpha):
        code, total = START + 1, 0.0
        for token in tokens:
            total += float(self.log_p[sequence, code % self.log_p.shape[1], token])
            code = code * (V + 1) + token + 1
        return total / ((5 + len(tokens)) ** alpha / 6**alpha)


def _tokens(found, sequence, rank=0):
    length = int(found.lengths[sequence, rank])
    return tuple(found.tokens[sequence, rank, :length].tolist())


def _listed(table, sequence, end, size, alpha, n_best):
    """The beam of the module's docstring, for one sequence, in lists; without stopping early."""
    kept, over, places = [(0.0, ())], [], size
    for _ in range(LONGEST):
        longer = sorted(
            ((table.of(sequence, (*y, v), 0), (*y, v)) for _, y in kept for v in range(V)),
            reverse=True,
        )[:places]
        over += [y for _, y in longer if y[-1] == end]
        kept = [(score, y) for score, y in longer if y[-1] != end]
        places = size - len(over)
    over += [y for _, y in kept]
    return sorted(((table.of(sequence, y, alpha), y) for y in over), reverse=True)[:n_best]


@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.0, 3.0])
@pytest.mark.parametrize("end", [END, None])
def test_a_beam_that_holds_everything_finds_the_best_of_all_sequences(alpha, end) -> None:
    table, n_best = Table(batch=3), 7
    found = beam(
        table.step, table.start, table.state, end=end, beam_size=V**LONGEST,
        length_penalty=alpha, max_steps=LONGEST, n_best=n_best,
    )  # fmt: skip
    for sequence in range(3):
        for rank, (score, tokens) in enumerate(table.every(sequence, end, alpha)[:n_best]):
            assert _tokens(found, sequence, rank) == tokens
            torch.testing.assert_close(found.scores[sequence, rank].item(), score, **EXACT)
            log_p = table.of(sequence, tokens, 0)
            torch.testing.assert_close(found.log_probability[sequence, rank].item(), log_p, **EXACT)
            assert bool(found.ended[sequence, rank]) == (tokens[-1] == end)


@pytest.mark.parametrize("size", [1, 2, 3, 5])
@pytest.mark.parametrize("alpha", [0.0, 0.6, 3.0])
@pytest.mark.parametrize("end", [END, None])
def test_a_beam_is_the_one_in_lists(size, alpha, end) -> None:
    for seed, n_best in itertools.product(range(5), {1, size}):
        table = Table(batch=4, seed=seed)
        found = beam(
            table.step, table.start, table.state, end=end, beam_size=size,
            length_penalty=alpha, max_steps=LONGEST, n_best=n_best,
        )  # fmt: skip
        for sequence in range(4):
            listed = _listed(table, sequence, end, size, alpha, n_best)
            assert [_tokens(found, sequence, k) for k in range(n_best)] == [y for _, y in listed]
            expected = torch.tensor([score for score, _ in listed], dtype=torch.float64)
            torch.testing.assert_close(found.scores[sequence], expected, **EXACT)


@pytest.mark.parametrize("alpha", [0.0, 0.6, 3.0])
@pytest.mark.parametrize("end", [END, None])
def test_greedy_takes_the_likeliest_and_a_beam_of_one_is_greedy(alpha, end) -> None:
    table = Table(batch=6, seed=3)
    first = greedy(table.step, table.start, table.state, end=end, max_steps=LONGEST)
    for sequence in range(6):
        tokens: list[int] = []
        while len(tokens) < LONGEST and end not in tokens:
            tokens.append(max(range(V), key=lambda v: table.of(sequence, (*tokens, v), 0)))
        assert _tokens(first, sequence) == tuple(tokens)
        expected = table.of(sequence, tokens, 0)
        torch.testing.assert_close(first.scores[sequence, 0].item(), expected, **EXACT)
    alone = beam(
        table.step, table.start, table.state, end=end, beam_size=1, length_penalty=alpha,
        max_steps=LONGEST,
    )  # fmt: skip
    for name in ("tokens", "lengths", "log_probability", "ended", "rows"):
        torch.testing.assert_close(getattr(alone, name), getattr(first, name), **EXACT)


def test_several_sequences_are_each_alone() -> None:
    table = Table(batch=5, seed=1)
    options = {"end": END, "max_steps": LONGEST, "beam_size": 3, "n_best": 2}
    together = beam(table.step, table.start, table.state, **options)
    for sequence in range(5):
        one = Table(batch=1)
        one.log_p = table.log_p[sequence : sequence + 1]
        alone = beam(one.step, one.start, one.state, **options)
        for rank in range(2):
            assert _tokens(together, sequence, rank) == _tokens(alone, 0, rank)
        torch.testing.assert_close(together.scores[sequence], alone.scores[0], rtol=0, atol=0)


def _constant(probabilities):
    """The same log p at every step, and how often it was asked."""
    calls = []

    def step(tokens, state):
        calls.append(len(tokens))
        return torch.tensor(probabilities).log().expand(len(tokens), -1), state

    return step, calls


def test_the_search_stops_when_nothing_can_become_better() -> None:
    # The end has probability 0.9: log 0.9 after one step, below log 0.1 for all that go on.
    step, calls = _constant([0.1, 0.9])
    found = beam(step, torch.zeros(2, dtype=torch.int64), end=1, max_steps=50, length_penalty=0.0)
    assert len(calls) == 1
    assert found.tokens.tolist() == [[[1]], [[1]]]
    # With a penalty of 20, log 0.1 may still become log 0.1 / (55 / 6)^20: it goes on.
    step, calls = _constant([0.1, 0.9])
    beam(step, torch.zeros(2, dtype=torch.int64), end=1, max_steps=50, length_penalty=20.0)
    assert len(calls) > 1
    step, calls = _constant([0.1, 0.9])
    greedy(step, torch.zeros(2, dtype=torch.int64), end=1, max_steps=50)
    assert len(calls) == 1


def test_a_longer_sequence_wins_where_the_penalty_says_so() -> None:
    # log p of [end] is log 0.4, of [0, end] log 0.6 + log 0.4; alpha turns them round where
    # log 0.24 / (7/6)^alpha > log 0.4, that is alpha > 2.87.
    step, _ = _constant([0.6, 0.4])
    turn = math.log(math.log(0.24) / math.log(0.4)) / math.log(7 / 6)
    options = {"end": 1, "max_steps": 2, "beam_size": 4}
    start = torch.zeros(1, dtype=torch.int64)
    short = beam(step, start, **options, length_penalty=turn - 1e-3, n_best=3)
    # What does not end at all, [0, 0], competes too: log 0.36.
    assert short.lengths.tolist() == [[2, 1, 2]]
    assert short.tokens.tolist() == [[[0, 0], [1, 0], [0, 1]]]
    assert short.ended.tolist() == [[False, True, True]]
    long = beam(step, start, **options, length_penalty=turn + 1e-3, n_best=3)
    assert long.tokens.tolist() == [[[0, 0], [0, 1], [1, 0]]]


def test_fewer_sequences_than_asked_for_are_said() -> None:
    step, _ = _constant([0.0, 1.0])
    found = beam(
        step,
        torch.zeros(1, dtype=torch.int64),
        end=1,
        beam_size=3,
        n_best=3,
        padding=7,
        max_steps=4,
    )
    assert found.lengths.tolist() == [[1, 0, 0]]
    assert found.tokens.tolist() == [[[1], [7], [7]]]
    assert found.scores[0, 1:].tolist() == [-math.inf, -math.inf]
    assert found.ended.tolist() == [[True, False, False]]


def test_rows_recall_what_was_computed_on_the_way() -> None:
    table, seen = Table(batch=3, seed=2), []

    def step(tokens, state):
        log_p, state = table.step(tokens, state)
        seen.append(state["read"][0])
        return log_p, state

    found = beam(step, table.start, table.state, end=END, max_steps=LONGEST, beam_size=4, n_best=4)
    codes = found.recall(seen)
    for sequence, rank in itertools.product(range(3), range(4)):
        tokens = _tokens(found, sequence, rank)
        expected = [START + 1]
        for token in tokens[:-1]:
            expected.append(expected[-1] * (V + 1) + token + 1)
        expected += [0] * (codes.shape[2] - len(tokens))
        assert codes[sequence, rank].tolist() == expected


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"beam_size": 0}, "beam_size must be a whole number from 1 up, got 0"),
        ({"n_best": 6}, "n_best must be at most beam_size 5, got 6"),
        ({"max_steps": 0}, "max_steps must be"),
        ({"length_penalty": -1.0}, "length_penalty must be a number from 0 up, got -1.0"),
        ({"start": torch.zeros(2, 1)}, "start must be the first token of every sequence"),
        ({"step": lambda tokens, state: (torch.zeros(3), state)}, "step must give log-prob"),
    ],
)
def test_bad_arguments_name_themselves(change, message) -> None:
    table = Table(batch=2)
    given = {"step": table.step, "start": table.start, "state": table.state, "end": END, **change}
    with pytest.raises(ValueError, match=message):
        beam(**given)
