"""Metrics, baselines, stretches, parts of pieces: against sums written out and scikit-learn."""

from itertools import groupby, pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import f1_score, jaccard_score, log_loss

from unrolled.data.rolls import Roll, Rolls, read_rolls
from unrolled.nn import Recurrent
from unrolled.tasks.music import baselines, streams
from unrolled.tasks.music.baselines import FREQUENCY, LAST, KeyByKey
from unrolled.tasks.music.encoded import Encoded, stretches, transposed
from unrolled.tasks.music.metrics import Tally, logit, total
from unrolled.tasks.music.network import RARE, RollNetwork, losses
from unrolled.tasks.music.plan import Plan, plan_for
from unrolled.tasks.music.progressions import NEXT, SCALE, STEPS_PER_BAR, progressions
from unrolled.tasks.music.rolls_chart import _runs, rows_of
from unrolled.tasks.music.streams import read_parts, read_through

torch.set_num_threads(1)


def _random(length: int, keys: int = 4, seed: int = 0, share: float = 0.4) -> np.ndarray:
    return (np.random.default_rng(seed).random((length, keys)) < share).astype(np.uint8)


def _network(keys: int = 4, cell: str = "lstm", layers: int = 1, seed: int = 0) -> RollNetwork:
    torch.manual_seed(seed)
    return RollNetwork(Recurrent(cell, keys, 5, layers, engine="eager"), 0.5, 0.3)


def test_scores_are_those_of_scikit_learn() -> None:
    truth = torch.from_numpy(_random(40))
    scores = torch.randn(40, 4, generator=torch.Generator().manual_seed(1))
    found = Tally.of(scores, truth)
    p, flat = torch.sigmoid(scores).double().numpy(), truth.numpy()
    nats = sum(log_loss(flat[:, k], p[:, k], labels=[0, 1]) for k in range(4))
    # float32 sums of 160 numbers of size 1.
    assert found.nll == pytest.approx(nats, rel=1e-5)
    assert found.accuracy == pytest.approx(jaccard_score(flat, p > 0.5, average="micro"))
    assert found.f1 == pytest.approx(f1_score(flat, p > 0.5, average="micro"))


def test_the_loss_is_that_of_the_published_evaluation() -> None:
    truth = torch.from_numpy(_random(9)).float()
    scores = torch.randn(9, 4, generator=torch.Generator().manual_seed(2))
    p = torch.sigmoid(scores)
    # As `evaluate` of the music benchmark of Bai, Kolter and Koltun computes it.
    theirs = -torch.trace(truth @ torch.log(p).T + (1 - truth) @ torch.log(1 - p).T)
    torch.testing.assert_close(losses(scores, truth).sum(), theirs, rtol=1e-5, atol=1e-5)


def test_nothing_on_and_nothing_predicted_is_right() -> None:
    silent = Tally.of(torch.full((3, 2), -5.0), torch.zeros(3, 2))
    assert (silent.accuracy, silent.f1) == (1.0, 1.0)
    assert silent.nll == pytest.approx(2 * np.log1p(np.exp(-5.0)), rel=1e-5)
    wrong = Tally.of(torch.full((3, 2), 5.0), torch.zeros(3, 2))
    assert (wrong.accuracy, wrong.f1) == (0.0, 0.0)
    assert np.isnan(Tally().nll)
    assert total([silent, wrong]).steps == 6


def test_baselines_are_shares_of_the_steps() -> None:
    # Key 1 alternates, key 2 stays on, key 3 is never on.
    piece = np.array([[0, 1, 0], [1, 1, 0], [0, 1, 0], [1, 1, 0]], dtype=np.uint8)
    found = KeyByKey.fit(read_rolls([piece, piece]))
    # Of 2 * 3 * 3 cells that are predicted 10 are on: twice (2 + 3 + 0).
    mean = 10.5 / 19
    assert found.on == pytest.approx([(4 + mean) / 7, (6 + mean) / 7, mean / 7])
    # After on: 2 of 2 steps off of key 1, 6 of 6 on of key 2.
    after = 6.5 / 9
    assert found.stays == pytest.approx([after / 3, (6 + after) / 7, after])
    # After off: key 1 is on 4 of 4 times, key 3 0 of 6.
    after = 4.5 / 11
    assert found.comes == pytest.approx([(4 + after) / 5, after, after / 7])


def test_scores_of_baselines_are_sums_over_steps(monkeypatch) -> None:
    # Long pieces are scored some steps at a time.
    monkeypatch.setattr(baselines, "PART", 5)
    learned = read_rolls([_random(30, seed=1), _random(20, seed=2)])
    pieces = [_random(12, seed=3), _random(1, seed=4), _random(7, seed=5)]
    found = KeyByKey.fit(learned)
    scores = KeyByKey.from_dict(found.to_dict(), {}).scores(read_rolls(pieces))
    nats = {FREQUENCY: 0.0, LAST: 0.0}
    steps = 0
    for piece in pieces:
        for before, now in pairwise(piece):
            steps += 1
            for k in range(4):
                last = found.stays[k] if before[k] else found.comes[k]
                for name, p in ((FREQUENCY, found.on[k]), (LAST, last)):
                    nats[name] -= np.log(p if now[k] else 1 - p)
    for name, value in nats.items():
        assert scores[name]["NLL"] == pytest.approx(value / steps, rel=1e-5)


def test_logit_is_the_inverse_of_the_sigmoid() -> None:
    p = torch.tensor([1e-6, 0.3, 0.999])
    torch.testing.assert_close(torch.sigmoid(logit(p)), p)


@given(st.integers(-1, 300), st.one_of(st.none(), st.integers(1, 40)))
def test_stretches_hold_every_prediction_once(predicted: int, steps: int | None) -> None:
    cut = stretches(predicted, steps)
    assert [k for start, stop in cut for k in range(start, stop)] == list(range(max(0, predicted)))
    if steps is not None:
        assert all(0 < stop - start <= steps for start, stop in cut)
        assert len(cut) == -(-max(0, predicted) // steps)


def test_a_stretch_begins_with_the_step_before_its_first_prediction() -> None:
    piece = _random(8)
    encoded = Encoded(read_rolls([piece, _random(1)]), 3)
    assert encoded.lengths.tolist() == [2, 3, 2]
    batch = encoded.batch([1, 0])
    assert batch["lengths"].tolist() == [3, 2]
    assert np.array_equal(batch["frames"][0].numpy(), piece[2:6])
    assert np.array_equal(batch["frames"][1, :3].numpy(), piece[:3])


@settings(deadline=None)
@given(arrays(np.uint8, (2, 5, 9), elements=st.integers(0, 1)), st.integers(0, 12))
def test_transposed_pieces_keep_their_notes(frames: np.ndarray, most: int) -> None:
    batch = {"frames": torch.from_numpy(frames), "lengths": torch.tensor([4, 4])}
    moved = transposed(batch, most, np.random.default_rng(0))["frames"].numpy()
    for before, after in zip(frames, moved, strict=True):
        assert np.array_equal(before.sum(axis=1), after.sum(axis=1))
        notes = [np.argwhere(roll) for roll in (before, after)]
        shifts = np.unique((notes[1] - notes[0])[:, 1])
        assert len(shifts) <= 1
        assert (abs(shifts) <= most).all()
    assert np.array_equal(batch["frames"].numpy(), frames)


def test_pieces_are_moved_by_every_interval() -> None:
    roll = torch.zeros(1, 2, 9, dtype=torch.uint8)
    roll[0, :, 4] = 1
    generator, batch = np.random.default_rng(0), {"frames": roll}
    found = {int(transposed(batch, 2, generator)["frames"][0, 0].argmax()) for _ in range(60)}
    # Each of five has a chance of 4/5 to be missed once: together 1e-5 in 60 draws.
    assert found == {2, 3, 4, 5, 6}


@pytest.mark.parametrize(("cell", "layers"), [("lstm", 1), ("gru", 2), ("elman", 1)])
def test_parts_of_long_pieces_are_those_of_whole_ones(monkeypatch, cell, layers) -> None:
    monkeypatch.setattr(streams, "PART", 4)
    monkeypatch.setattr(streams, "ROWS", 3)
    network = _network(cell=cell, layers=layers)
    lengths = [13, 1, 5, 2, 9, 4, 14]
    pieces = [Roll(f"{k}", _random(n, seed=k)) for k, n in enumerate(lengths)]
    longest, forward = [], network.forward
    monkeypatch.setattr(
        network, "forward", lambda x, s: (longest.append(x.shape[:2]), forward(x, s))[1]
    )
    found: dict[int, list] = {k: [] for k in range(len(pieces))}
    for part in read_parts(network, pieces):
        assert part.start == 1 + sum(len(scores) for scores, _ in found[part.piece])
        found[part.piece].append((part.scores, part.truth))
    # No more is held than the rows and steps of a part.
    assert max(rows for rows, _ in longest) <= 3
    assert max(steps for _, steps in longest) <= 4
    network.eval()
    for place, piece in enumerate(pieces):
        if len(piece) == 1:
            assert found[place] == []
            continue
        whole, _ = forward(torch.from_numpy(piece.frames[None, :-1]))
        scores, truth = (torch.cat(each) for each in zip(*found[place], strict=True))
        # The same float32 numbers, added in batches of another size.
        torch.testing.assert_close(scores, whole[0], rtol=1e-5, atol=1e-6)
        assert np.array_equal(truth.numpy(), piece.frames[1:])
    last, _ = read_through(network, pieces[0].frames)
    whole, _ = forward(torch.from_numpy(pieces[0].frames[None]))
    torch.testing.assert_close(last, whole[0, -1].detach(), rtol=1e-5, atol=1e-6)


def test_the_network_starts_at_rare_keys() -> None:
    network = _network().eval()
    scores, _ = network(torch.zeros(1, 3, 4))
    weights = network.readout.weight.abs().sum(dim=1).max()
    # |h| is below 1, so that scores lie within the weights' sum of the bias.
    assert bool(((scores - RARE).abs() < weights).all())


def test_the_plan_of_the_chorales_is_the_recipe() -> None:
    assert plan_for(np.full(229, 60), 88, True) == Plan(steps=214)


def test_the_plan_of_other_data() -> None:
    single = plan_for(np.array([5000]), 3, True)
    assert (single.hidden_size, single.steps, single.batch_size) == (64, 78, 8)
    huge = plan_for(np.full(2000, 2000), 88, False)
    assert (huge.epochs, huge.steps, huge.recurrent_dropout) == (10, 512, 0.0)
    tiny = plan_for(np.array([2]), 2, True)
    assert (tiny.batch_size, tiny.steps) == (1, 32)


def test_progressions_follow_their_rules() -> None:
    rolls = progressions(12, seed=3)
    again = progressions(12, seed=3)
    assert all(np.array_equal(a.frames, b.frames) for a, b in zip(rolls, again, strict=True))
    assert not np.array_equal(progressions(1, seed=4)[0].frames, rolls[0].frames)
    for piece in rolls:
        notes = piece.frames.any(axis=0).nonzero()[0] + 21
        assert {int(n) % 12 for n in notes} <= set(SCALE)
        # Two voices can meet on one key.
        assert set(piece.frames.sum(axis=1).tolist()) <= {3, 4}
        bars = piece.frames[::STEPS_PER_BAR]
        bass = [int(bar.nonzero()[0][0] + 21) % 12 for bar in bars]
        roots = [SCALE.index(note) for note in bass]
        assert roots[-2:] == [4, 0]
        assert all(b in NEXT[a] for a, b in pairwise(roots[:-2]))


@settings(deadline=None)
@given(arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 4))))
def test_runs_are_the_notes_of_a_chart(on: np.ndarray) -> None:
    expected = []
    for key in range(on.shape[1]):
        step = 0
        for value, group in groupby(on[:, key].tolist()):
            width = len(list(group))
            expected += [(key, step, width)] * value
            step += width
    assert _runs(on) == expected


def test_charts_show_the_keys_in_use() -> None:
    frames = np.zeros((3, 88), dtype=np.uint8)
    assert rows_of(frames) == (0, 2)
    frames[1, [40, 50]] = 1
    assert rows_of(frames) == (38, 52)
    probabilities = np.zeros((3, 88))
    probabilities[0, 87] = 0.2
    assert rows_of(frames, probabilities) == (38, 87)


def test_rolls_of_the_demo_are_read_like_others() -> None:
    rolls = progressions(3)
    assert isinstance(rolls, Rolls)
    again = read_rolls([piece.frames for piece in rolls], **rolls.reading)
    assert (again.keys, again.lowest, again.steps_per_beat) == (rolls.keys, 21, 2)
