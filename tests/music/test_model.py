"""Models of rolls: what is learned, from which part; what is generated; saved and opened."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.io import savemat
from scipy.optimize import brentq
from scipy.special import expit

from unrolled.data import DataError
from unrolled.data.midi import read_midi
from unrolled.data.rolls import Roll, Rolls, read_rolls
from unrolled.tasks.music import MusicModel
from unrolled.tasks.music.baselines import LAST
from unrolled.tasks.music.coding import Coding
from unrolled.tasks.music.generation import _drawn
from unrolled.tasks.music.progressions import progressions
from unrolled.tasks.supervised import MODEL

torch.set_num_threads(1)

KEYS = 6


def _cycle(length: int, start: int) -> np.ndarray:
    """Keys 0, 1, 2, ... in turn, over the last key, which is always on."""
    frames = np.zeros((length, KEYS), dtype=np.uint8)
    frames[np.arange(length), (start + np.arange(length)) % (KEYS - 1)] = 1
    frames[:, -1] = 1
    return frames


def _cycles(count: int = 30) -> Rolls:
    return read_rolls([_cycle(14 + k % 5, k) for k in range(count)])


def _small(**given) -> MusicModel:
    settings = {"hidden_size": 16, "epochs": 2, "batch_size": 4, "engine": "eager"}
    return MusicModel(**{**settings, **given})


@pytest.fixture(scope="module")
def fitted() -> MusicModel:
    clean = {"dropout": 0.0, "input_dropout": 0.0, "recurrent_dropout": 0.0}
    return _small(hidden_size=24, epochs=45, engine="auto", **clean).fit(_cycles())


def test_learns_what_key_by_key_cannot(fitted: MusicModel) -> None:
    found = fitted.evaluate(_cycles(8))
    # The key that comes is the one beside this one; no key knows of those beside it.
    assert found.own["NLL"] < 0.2
    assert found.own["F1"] > 0.98
    assert found.scores[LAST]["NLL"] > 1.0
    assert found.beats
    assert found.best_baseline == LAST
    assert found.count == "8 pieces, 117 steps"


def test_music_that_is_generated_follows_the_rule(fitted: MusicModel) -> None:
    frames = fitted.generate(30, temperature=0, seed=1)
    assert np.array_equal(frames, _cycle(30, int(frames[0].argmax())))


def test_a_prompt_is_gone_on_with(fitted: MusicModel) -> None:
    prompt = _cycle(9, 2)
    found = fitted.generate(12, prompt, temperature=0)
    assert np.array_equal(np.concatenate([prompt, found]), _cycle(21, 2))
    # Streamed, the same; a part of it as prompt leads to the rest.
    stream = fitted.stream(prompt, temperature=0)
    assert np.array_equal(np.stack([next(stream) for _ in range(12)]), found)
    rest = fitted.generate(7, np.concatenate([prompt, found[:5]]), temperature=0)
    assert np.array_equal(rest, found[5:])


def test_same_seed_same_music(fitted: MusicModel) -> None:
    one, same, other = (fitted.generate(40, temperature=3.0, seed=s) for s in (4, 4, 5))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_keys_are_drawn_at_their_probabilities(temperature: float) -> None:
    model = _small().fit(_cycles(10))
    biases = torch.linspace(-4.0, 1.0, KEYS)
    with torch.no_grad():
        model.network.readout.weight.zero_()
        model.network.readout.bias.copy_(biases)
    drawn = model.generate(1001, temperature=temperature)[1:].mean(axis=0)
    # The mean number of keys is that of temperature 1.
    keys = expit(biases.numpy()).sum()
    shift = brentq(lambda b: expit((biases.numpy() + b) / temperature).sum() - keys, -20, 20)
    wanted = expit((biases.numpy() + shift) / temperature)
    # Five deviations of a mean of 1,000.
    assert (abs(drawn - wanted) < 5 * np.sqrt(wanted * (1 - wanted) / 1000)).all()


def test_the_coldest_music_has_as_many_keys() -> None:
    scores = torch.tensor([-1.0, 0.0, -3.0, -0.5, -1.5])
    # 0.27 + 0.5 + 0.05 + 0.38 + 0.18 = 1.38 keys: one, though none is more likely on than off.
    assert _drawn(scores, 0, torch.Generator()).tolist() == [0, 1, 0, 0, 0]
    # With 1.1 more each, 2.45: two.
    assert _drawn(scores + 1.1, 0, torch.Generator()).tolist() == [0, 1, 0, 1, 0]
    silent = torch.tensor([-900.0, -950.0], dtype=torch.float64)
    assert _drawn(silent, 0.5, torch.Generator()).tolist() == [0, 0]
    certain = torch.tensor([50.0, -80.0, -80.0])
    for temperature in (0.01, 0.3, 1.0, 7.0):
        assert _drawn(certain, temperature, torch.Generator()).tolist() == [1, 0, 0]


def test_openings_are_those_of_training(fitted: MusicModel) -> None:
    known = {tuple(_cycle(1, k)[0]) for k in range(KEYS - 1)}
    found = {tuple(fitted.generate(1, seed=seed)[0]) for seed in range(40)}
    # Five openings, 40 draws: one is missed with a probability of 5 (4/5)^40, 0.07 %.
    assert found == known


def test_a_run_is_opened_as_it_was_saved(fitted: MusicModel, tmp_path) -> None:
    opened = MusicModel.load(fitted.save(tmp_path / "run"))
    data = _cycles(5)
    found, before = (model.evaluate(data).scores for model in (opened, fitted))
    assert found == before
    assert np.array_equal(opened.generate(20, seed=3), fitted.generate(20, seed=3))
    assert opened.fitted_.coding == fitted.fitted_.coding


def test_same_seed_same_weights() -> None:
    one, same, other = (_small(seed=s).fit(_cycles(12)) for s in (1, 1, 2))
    states = [m.network.state_dict() for m in (one, same, other)]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert not torch.equal(states[0]["readout.weight"], states[2]["readout.weight"])


def _in_parts(tmp_path, test_seed: int = 0):
    """A .mat file with parts of its own."""
    random = np.random.default_rng(test_seed)
    test = [(random.random((7, 88)) < 0.1).astype(np.uint8) for _ in range(3)]
    train = [p.frames for p in progressions(6, seed=1)]
    content = {"traindata": train, "validdata": train[:2], "testdata": test}
    cells = {}
    for name, pieces in content.items():
        cells[name] = np.empty((1, len(pieces)), dtype=object)
        cells[name][0, :] = pieces
    savemat(tmp_path / f"x{test_seed}.mat", cells)
    return tmp_path / f"x{test_seed}.mat"


def test_the_test_part_of_the_data_is_not_learned_from(tmp_path) -> None:
    first, second = _in_parts(tmp_path, 0), _in_parts(tmp_path, 1)
    models = [_small(epochs=1).fit(path) for path in (first, second)]
    weights = [m.network.readout.weight for m in models]
    assert torch.equal(*weights)
    assert any(
        f.text == "pieces of the test part, not learned from: 3" for f in models[0].findings_
    )
    # Of a path, the test part is what is scored.
    found = models[0].evaluate(first)
    assert found.count == "3 pieces, 18 steps"
    by_hand = models[0].evaluate(read_rolls(first).of_part("test"))
    assert found.scores == by_hand.scores
    told = [f.text for f in models[0].read_again(first).findings]
    assert "of the parts of x0, test is taken; pieces of others: 8" in told


def test_parts_are_used_unless_others_are_asked_for(tmp_path) -> None:
    rolls = read_rolls(_in_parts(tmp_path))
    model = _small()
    learned, test = model.held_out_to_test(rolls, "official")
    assert (len(learned), len(test)) == (8, 3)
    trained, held = model.divide(learned)
    assert (len(trained), len(held)) == (6, 2)
    assert model.describe_split(learned, test) == (
        "train on 6 pieces, validate on 2 pieces | test on 3 pieces"
    )
    # A share is drawn from all pieces; the validation part stays what it is.
    learned, test = model.held_out_to_test(rolls, "0.5")
    assert len(test) == 6 - len(rolls) % 2 or len(test) == 6
    assert {p.part for p in (*learned, *test)} <= {"", "train", "validation"}
    # A share of the pieces to validate, too.
    trained, held = _small(validation="0.25").divide(rolls)
    assert (len(trained), len(held)) == (6, 2)
    assert "test" not in {p.part for p in (*trained, *held)}
    trained, held = _small(validation="valid*").divide(rolls)
    assert [p.name for p in held] == ["validation 1", "validation 2"]
    assert _small().held_out_to_test(rolls, "0")[1] is None
    without = replace(rolls, pieces=tuple(replace(p, part="") for p in rolls))
    assert len(model.held_out_to_test(without, "official")[1]) == round(0.2 * 11)
    assert len(model.divide(without)[1]) == 1


def test_one_long_piece_is_cut_in_time() -> None:
    rolls = read_rolls(_cycle(400, 0))
    model = _small(epochs=1)
    learned, test = model.held_out_to_test(rolls, "official")
    assert (len(learned[0]), len(test[0])) == (320, 80)
    model.fit(learned)
    assert model.fitted_.plan.steps == 32
    assert model.settings_.updates == -(-(288 - 1) // 32) // 4 + 1
    assert model.evaluate(test).count == "1 piece, 79 steps"


def test_pieces_of_one_step_are_not_scored(fitted: MusicModel) -> None:
    found = fitted.evaluate([_cycle(5, 0), _cycle(1, 0)])
    assert found.count == "2 pieces, 4 steps"
    assert [f.text for f in found.findings] == ["pieces of one step, not scored: 1"]
    with pytest.raises(DataError, match="no piece of rolls has two steps"):
        fitted.evaluate([_cycle(1, 0)])


def test_silent_pieces_can_be_among_others() -> None:
    silent = np.zeros((9, KEYS), dtype=np.uint8)
    model = _small().fit([silent, *(p.frames for p in _cycles(8))])
    assert any("silent throughout: 1" in f.text for f in model.findings_)
    found = model.evaluate([silent])
    assert np.isfinite(found.own["NLL"])
    assert found.scores[LAST]["accuracy"] == 1.0


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ([np.zeros((9, 3))] * 4, "is silent throughout; there is nothing to learn"),
        ([np.ones((1, 3))] * 4, "every piece of rolls has one step"),
        ([np.ones((2, 3))], "too short to hold out"),
    ],
)
def test_data_that_cannot_be_learned_from(data, said) -> None:
    with pytest.raises(DataError, match=said):
        _small().fit(data)


def test_data_of_other_keys(fitted: MusicModel) -> None:
    with pytest.raises(DataError, match="the 3 keys key 1 to key 3; the model knows the 6 keys"):
        fitted.evaluate([np.ones((4, 3))])
    with pytest.raises(DataError, match="the 88 keys A0 to C8; the model knows"):
        fitted.generate(2, np.ones((4, 88)))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"input_dropout": 1.0}, "input_dropout must lie between 0 and 1"),
        ({"steps": 0}, "steps must be a whole number from 1 up"),
        ({"transpose": -1}, "transpose must be a whole number from 0 up"),
        ({"transpose": 2}, "transpose moves notes, but these keys are none"),
        ({"cell": "min-gru", "recurrent_dropout": 0.2}, "recurrent_dropout needs"),
        ({"validation": "nowhere"}, "is no share between 0 and 1"),
    ],
)
def test_arguments_that_make_no_sense(given, said) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        _small(**given).fit(_cycles(12))


def test_arguments_of_generation(fitted: MusicModel) -> None:
    with pytest.raises(ValueError, match="length must be a whole number from 1 up"):
        fitted.generate(0)
    with pytest.raises(ValueError, match="temperature must be 0 or above"):
        fitted.generate(1, temperature=-1.0)
    with pytest.raises(TypeError, match="pass y=None"):
        fitted.fit(_cycles(), [1])


@pytest.mark.parametrize("cell", ["gru", "min-gru", "elman"])
def test_any_cell_by_name(cell: str) -> None:
    model = _small(cell=cell, num_layers=2, epochs=1).fit(_cycles(12))
    affine = cell != "min-gru"
    assert (model.fitted_.plan.recurrent_dropout > 0) == affine
    assert model.generate(4).shape == (4, KEYS)


def test_rolls_are_written_as_they_were(fitted: MusicModel, tmp_path) -> None:
    frames = fitted.generate(25, seed=2)
    for name in ("x.csv", "x.npy"):
        back = read_rolls(fitted.write(tmp_path / name, frames))
        assert np.array_equal(back[0].frames, frames)
    assert read_rolls(tmp_path / "x.csv").keys == tuple(f"key {k}" for k in range(1, 7))
    with pytest.raises(ValueError, match="the keys of this model are no notes"):
        fitted.write(tmp_path / "x.mid", frames)
    with pytest.raises(ValueError, match=r"the ending of the output is '\.wav'"):
        fitted.write(tmp_path / "x.wav", frames)


def test_notes_are_written_on_the_grid_of_training(tmp_path) -> None:
    rolls = progressions(8)
    model = _small(epochs=1, transpose=3).fit(rolls)
    frames = rolls[0].frames
    data = model.write(tmp_path / "x.mid", frames).read_bytes()
    back = read_midi(data, steps_per_beat=2)
    assert np.array_equal(back.frames, frames)
    assert back.tempo == pytest.approx(100.0)
    data = model.write(tmp_path / "x.mid", frames, tempo=80).read_bytes()
    assert read_midi(data, 2).tempo == pytest.approx(80.0)
    # A prompt is read to the grid and the keys of training.
    assert np.array_equal(model.read_again(tmp_path / "x.mid")[0].frames, frames)
    assert MusicModel.load(model.save(tmp_path / "run")).read_again(tmp_path / "x.mid").lowest == 21


def test_a_coding_keeps_openings_of_many_pieces() -> None:
    piece = Roll("x", np.array([[1, 0], [0, 1]], dtype=np.uint8))
    other = Roll("y", np.array([[0, 1], [0, 1]], dtype=np.uint8))
    rolls = Rolls((piece, other) * 1200, ("a", "b"))
    coding = Coding.learn(rolls)
    assert len(coding.openings) == 800
    assert coding.density == 1.0
    assert Coding.from_dict(coding.to_dict()) == coding


def test_an_evaluation_shows_the_worst_and_a_typical_piece(fitted: MusicModel) -> None:
    random = (np.random.default_rng(0).random((90, KEYS)) < 0.5).astype(np.uint8)
    data = read_rolls([_cycle(20, 0), random, _cycle(20, 1)])
    found = fitted.evaluate(data)
    assert found.worst.rows[0][0] == "piece 2"
    details = found.details
    assert details.worst.name == "piece 2"
    assert list(details.by_piece) == sorted(details.by_piece)
    assert np.array_equal(details.worst.truth, random[1:65])
    assert details.worst.probabilities.shape == (64, KEYS)
    # NLL of the pieces, weighted by their steps, is that of all.
    steps = [19, 19, 89]
    assert np.average(details.by_piece, weights=steps) == pytest.approx(found.own["NLL"])
    assert found.scores[MODEL] == found.own
