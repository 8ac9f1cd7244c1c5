"""The speech recogniser: learns classes and transcripts, and what users bring."""

import json
import math
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.exceptions import NotFittedError

import unrolled as ur
from speech.tones import spelled, tones
from unrolled.data import DataError, recordings_of
from unrolled.data.recordings import Recording, Recordings, resampled
from unrolled.tasks.learning import Listener
from unrolled.tasks.speech import SpeechRecogniser
from unrolled.tasks.speech.decode import beam_search
from unrolled.tasks.speech.objective import log_probs_of
from unrolled.tasks.supervised import MODEL
from unrolled.training import Checkpoint

torch.set_num_threads(1)
SMALL = {
    "hidden_size": 16,
    "num_layers": 1,
    "bands": 20,
    "batch_size": 8,
    "learning_rate": 1e-2,
    "engine": "eager",
}


def learned(data=None, **options) -> SpeechRecogniser:
    return SpeechRecogniser(**{**SMALL, "epochs": 6, **options}).fit(data or tones())


@pytest.fixture(scope="module")
def of_classes() -> SpeechRecogniser:
    return learned()


@pytest.fixture(scope="module")
def of_sequences() -> SpeechRecogniser:
    return learned(spelled(160), tokens="characters", epochs=16, hidden_size=24, augmentation=0.3)


def test_it_learns_classes(of_classes) -> None:
    found = of_classes.evaluate(tones(30, seed=5))
    # Tones an octave apart: everything can be told.
    assert found.own == {"accuracy": 1.0, "macro F1": 1.0}
    assert found.scores["largest class"]["accuracy"] == pytest.approx(1 / 3)
    assert of_classes.classes_ == ["a", "b", "c"]


def test_what_validation_has_that_was_not_learned_is_said(of_sequences) -> None:
    data, coding = spelled(6, seed=1), of_sequences.fitted_.coding
    renamed = replace(data, recordings=tuple(replace(r, label=f"{r.label}z") for r in data))
    [found] = of_sequences.noticed_in_validation(coding, renamed)
    assert found.text == (
        "to validate: characters that the model does not know and never answers: 6 ('z')"
    )


def test_a_part_of_nothing_that_was_learned_is_refused(of_classes, of_sequences) -> None:
    for model, data in ((of_classes, tones(6)), (of_sequences, spelled(6))):
        strange = replace(data, recordings=tuple(replace(r, label="zz") for r in data))
        with pytest.raises(DataError, match="learned; hold out others"):
            model.encode(model.fitted_.coding, strange)


def test_it_learns_sequences(of_sequences) -> None:
    found = of_sequences.evaluate(spelled(40, seed=5))
    assert found.own["CER"] < 0.1
    assert found.beats
    # Nothing said is all deletions.
    assert found.scores["empty transcript"] == {"CER": 1.0, "WER": 1.0, "exact match": 0.0}
    coding = of_sequences.fitted_.coding
    assert (coding.labels, coding.tokens, coding.outputs) == (("a", "b", "c"), "characters", 4)


def test_predictions_and_their_probabilities(of_classes) -> None:
    data = tones(9, seed=3)
    found = of_classes.predict(data)
    assert [each.name for each in found] == [each.name for each in data]
    assert [each.text for each in found] == [each.label for each in data]
    table = of_classes.predict_proba(data)
    np.testing.assert_allclose(table.sum(1), 1, atol=1e-6)  # float32
    chosen = [of_classes.classes_[k] for k in table.argmax(1)]
    assert chosen == [each.text for each in found]
    np.testing.assert_allclose([each.probability for each in found], table.max(1), atol=1e-6)


def test_a_beam_finds_what_is_at_least_as_probable(of_sequences) -> None:
    data = spelled(12, seed=8)
    best_path = of_sequences.predict(data)
    try:
        of_sequences.beam = 16
        searched = of_sequences.predict(data)
    finally:
        of_sequences.beam = 0
    fitted = of_sequences.fitted_
    encoded = of_sequences.encode(fitted.coding, data)
    log_probs = of_sequences.for_each(fitted.network, encoded, log_probs_of)
    for greedy, beam, each in zip(best_path, searched, log_probs, strict=True):
        assert beam.probability >= greedy.probability - 1e-9
        (hypotheses,) = beam_search(each, width=16)
        # The search drops some paths of what it finds, so it knows at most the probability.
        assert math.exp(hypotheses[0].log_prob) <= beam.probability * (1 + 1e-5)
    with pytest.raises(ValueError, match="transcripts, which have no classes"):
        of_sequences.predict_proba(data)


@pytest.mark.parametrize("cell", ["gru", "lru"])
@pytest.mark.parametrize("data", [tones(), spelled(30)], ids=["classes", "sequences"])
def test_a_run_is_opened_as_it_was_saved(cell, data, tmp_path) -> None:
    model = learned(data, epochs=1, cell=cell, num_layers=2)
    again = ur.load(model.save(tmp_path / "run"))
    found, expected = again.evaluate(data), model.evaluate(data)
    for name, scores in expected.scores.items():
        # The engine of a run that is opened is the one that suits it; the baselines are exact.
        tolerance = {"abs": 1e-12} if name != MODEL else {"abs": 0.02}
        assert found.scores[name] == pytest.approx(scores, **tolerance)
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["task"] == "speech"
    assert config["coding"]["target"] in ("class", "sequence")


def test_the_same_seed_gives_the_same_model_and_another_another() -> None:
    weights = [learned(epochs=1, seed=seed).fitted_.network.readout.weight for seed in (1, 1, 2)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_augmentation_changes_training_and_can_be_turned_off() -> None:
    plain, changed = (learned(epochs=1, augmentation=strength) for strength in (0.0, 1.0))
    weights = [model.fitted_.network.readout.weight for model in (plain, changed)]
    assert not torch.equal(*weights)
    batch = {"features": torch.randn(2, 9, 20), "lengths": torch.tensor([9, 4])}
    assert plain.augment(batch, np.random.default_rng(0)) is batch
    first, again, other = (changed.augment(batch, np.random.default_rng(k)) for k in (0, 0, 1))
    assert torch.equal(first["features"], again["features"])
    assert first["features"].shape != other["features"].shape or not torch.equal(
        first["features"], other["features"]
    )


class Killed(Listener):
    """Keeps a checkpoint of every update, and stops at one."""

    def __init__(self, path, at):
        self.path, self.at = path, at

    def checkpoint(self, learner):
        return Checkpoint(self.path, {"purpose": "tones"}, seconds=0.0)

    def updated(self, number, update):
        if number == self.at:
            raise RuntimeError("killed")


@pytest.mark.parametrize("data", [tones(30), spelled(24)], ids=["classes", "sequences"])
def test_an_interrupted_run_hears_the_same_changes(data, tmp_path) -> None:
    options = {**SMALL, "epochs": 3}
    whole = SpeechRecogniser(**options).fit(data)
    with pytest.raises(RuntimeError, match="killed"):
        SpeechRecogniser(**options).fit(data, listener=Killed(tmp_path / "state", 5))
    resumed = SpeechRecogniser(**options).fit(data, listener=Killed(tmp_path / "state", -1))
    expected = whole.fitted_.network.state_dict()
    for name, weight in resumed.fitted_.network.state_dict().items():
        assert torch.equal(expected[name], weight), name


def test_the_model_keeps_its_rate(of_classes) -> None:
    data = tones(12, seed=4)
    at_44k = tuple(
        Recording(r.name, resampled(r.samples, r.rate, 44100), 44100, r.label, r.groups)
        for r in data
    )
    faster = Recordings(at_44k, "label", "faster")
    found = of_classes.evaluate(faster)
    assert found.own["accuracy"] == 1.0
    # There and back leaves the pitches; what the filter takes lies above all bands.
    there = of_classes.predict_proba(data)
    np.testing.assert_allclose(of_classes.predict_proba(faster), there, atol=0.02)


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros(4000, np.float32),
        np.zeros(1, np.float32),
        np.full(3, 0.5, np.float32),
        np.random.default_rng(0).normal(0, 0.1, 40_000).astype(np.float32),
    ],
    ids=["silence", "one sample", "shorter than a frame", "long noise"],
)
def test_odd_recordings_are_heard(of_classes, of_sequences, samples) -> None:
    data = recordings_of([samples], 8000)
    (found,) = of_classes.predict(data)
    assert found.text in "abc"
    assert 0 < found.probability <= 1
    (found,) = of_sequences.predict(data)
    assert 0 <= found.probability <= 1


def test_odd_recordings_are_learned_from() -> None:
    odd = [np.zeros(4000, np.float32), np.zeros(1, np.float32), np.full(3, 0.5, np.float32)]
    made = [Recording(f"odd {k}", each, 8000, "abc"[k]) for k, each in enumerate(odd)]
    data = tones(30)
    model = learned(Recordings((*data.recordings, *made), "label"), epochs=2)
    assert math.isfinite(model.history_.best.validation["loss"])


def test_transcripts_longer_than_their_recordings_are_left_out_and_said() -> None:
    data = spelled(30)
    # Ten frames are four steps of three, or ten of one.
    short = [Recording(f"s{k}", data[0].samples[:720], 8000, "abcabcabcabc") for k in range(3)]
    mixed = Recordings((*data.recordings, *short), "transcript")
    model = learned(mixed, epochs=1, validation=0.3)
    told = [finding for finding in model.findings_ if finding.text.startswith("left out")]
    assert told[0].count == sum(each.label == "abcabcabcabc" for each in model.divide(mixed)[0])
    assert re.match(r"left out \d of \d+ recordings with fewer steps than labels", told[0].text)
    assert math.isfinite(model.history_.best.validation["loss"])
    # They count where the model is tested.
    assert model.evaluate(mixed).count == "33 recordings"
    with pytest.raises(DataError, match="no recording of recordings has as many steps as labels"):
        learned(Recordings(tuple(short), "transcript"), validation=0.4)


def test_frames_of_a_step_are_fewer_where_labels_come_fast() -> None:
    slow = spelled(30)
    coding = SpeechRecogniser().learn_coding(slow)
    assert coding.stack == 3
    # Letters a second, of frames a hundredth of a second apart.
    for letters, stack in ((30, 3), (45, 2), (90, 1)):
        fast = tuple(
            Recording(r.name, r.samples, r.rate, ("abc" * 99)[: int(letters * r.seconds)])
            for r in slow
        )
        assert SpeechRecogniser().learn_coding(Recordings(fast, "transcript")).stack == stack
    assert SpeechRecogniser(stack=4).learn_coding(slow).stack == 4
    assert SpeechRecogniser().learn_coding(tones()).stack == 2


def test_what_was_not_learned_counts_as_errors(of_classes, of_sequences) -> None:
    data = tones(12, seed=6)
    strange = tuple(
        Recording(r.name, r.samples, r.rate, "z" if k < 3 else r.label) for k, r in enumerate(data)
    )
    found = of_classes.evaluate(Recordings(strange, "label"))
    assert found.own["accuracy"] == pytest.approx(9 / 12)
    told = "classes that the model does not know and never answers: 3 ('z')"
    assert [finding.text for finding in found.findings] == [told]
    one = spelled(1, seed=2)[0]
    new = Recordings((Recording("n", one.samples, 8000, f"{one.label}é"),), "transcript")
    found = of_sequences.evaluate(new)
    assert found.findings[0].count == 1
    assert found.own["CER"] >= 1 / (len(one.label) + 1)


def test_one_class_or_no_labels_is_one_line() -> None:
    one = tones(30).where(lambda r: r.label == "a")
    with pytest.raises(DataError, match="all 9 recordings of tones are of one class, 'a'"):
        learned(one.select(range(10)))
    with pytest.raises(DataError, match="tones has no labels to learn") as error:
        learned(Recordings(tuple(one), "", "tones"))
    assert "\n" not in str(error.value)


def test_a_class_of_one_recording_is_warned_of() -> None:
    data = tones(30)
    lonely = Recording("d_ann_1.wav", data[0].samples, 8000, "d")
    model = learned(Recordings((*data.recordings, lonely), "label"), epochs=1)
    text = "classes of one recording: 1 (d); nothing can test them"
    assert text in [finding.text for finding in model.findings_]
    assert model.classes_ == ["a", "b", "c", "d"]


def test_labels_can_be_learned_as_sequences_and_transcripts_as_classes() -> None:
    assert learned(tones(30), target="sequence", epochs=1).fitted_.coding.outputs == 4
    data = Recordings(tones(30).recordings, "transcript")
    assert learned(data, target="class", epochs=1).classes_ == ["a", "b", "c"]


def test_what_is_worst_comes_first(of_classes) -> None:
    data = tones(12, seed=6)
    wrong = tuple(
        Recording(r.name, r.samples, r.rate, "c" if k == 0 else r.label, r.groups)
        for k, r in enumerate(data)
    )
    found = of_classes.evaluate(Recordings(wrong, "label"))
    assert [row[:3] for row in found.worst.rows] == [["a_ann_0.wav", "c", "a"]]
    assert found.worst.caption.startswith("1 of 12 are wrong.")
    (by_player,) = found.details.by_group()
    # Ann has 6 recordings, one of them wrong.
    assert [row[:3] for row in by_player.rows] == [
        ["ann", "6", "83.33 %"],
        ["bob", "6", "100.00 %"],
    ]
    assert found.details.by_class().rows[0][:3] == ["a", "3", "75.00 %"]
    assert of_classes.evaluate(tones(12, seed=6)).worst is None


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"target": "words"}, "target is 'words'; choose from class, sequence"),
        ({"tokens": "phones"}, "tokens is 'phones'; choose from characters, words"),
        ({"stack": 0}, "stack must be a whole number from 1 up, got 0"),
        ({"bands": 0}, "bands must be a whole number from 1 up, got 0"),
        ({"bands": 400}, "bands=400 is too many"),
        ({"augmentation": -1}, "augmentation must lie between 0 and inf, got -1"),
        ({"label_smoothing": 1.0}, "label_smoothing must lie between 0 and 1"),
        ({"beam": -1}, "beam must be a whole number from 0 up, got -1"),
        ({"cell": "lstn"}, "lstm"),
    ],
)
def test_bad_arguments(options, said) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        learned(**options)


def test_what_is_no_data(of_classes) -> None:
    for given, y in ((np.zeros(9), None), ([np.zeros(9)], ["a"])):
        with pytest.raises(TypeError, match="data must be a path, or Recordings"):
            SpeechRecogniser().fit(given, y)
    with pytest.raises(NotFittedError, match="this SpeechRecogniser is not fitted yet"):
        SpeechRecogniser().predict(tones())
    with pytest.raises(DataError, match="has no labels to compare with"):
        of_classes.evaluate(Recordings(tones().recordings, "", "tones"))
