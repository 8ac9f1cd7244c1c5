"""Images and captions as tensors, scores against other libraries, baselines by hand."""

import json

import jiwer
import numpy as np
import pytest
import sacrebleu
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import NearestNeighbors

from caption.conftest import squares
from unrolled.data import DataError
from unrolled.data.images import images_of
from unrolled.tasks.caption.baselines import COMMONEST, NEAREST, Baselines, shrunk
from unrolled.tasks.caption.coding import MOST_WORDS, Coding
from unrolled.tasks.caption.metrics import BLEU, ERRORS, EXACT, scores_of


def images(captions, seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (len(captions), 8, 10, 3), dtype=np.uint8)
    return images_of(pixels, captions)


class TestCoding:
    def test_channels_have_mean_0_and_deviation_1(self):
        data = images(["a cat", "a dog", "a cow"])
        coding = Coding.learn(data)
        batch = coding.encode(data).batch([0, 1, 2])["images"]
        assert list(batch.shape) == [3, 3, 8, 10]
        # float32.
        torch.testing.assert_close(batch.mean((0, 2, 3)), torch.zeros(3), rtol=0, atol=1e-5)
        deviations = batch.std((0, 2, 3), correction=0)
        torch.testing.assert_close(deviations, torch.ones(3), rtol=0, atol=1e-5)

    def test_an_image_comes_once_with_all_of_its_captions(self):
        data = images([("A cat.", "a big cat"), "a dog"])
        coding = Coding.learn(data)
        encoded = coding.encode(data)
        assert encoded.lengths.tolist() == [4, 3]
        batch = encoded.batch([1, 0])
        assert len(batch["images"]) == 2
        assert batch["of"].tolist() == [0, 1, 1]
        assert batch["lengths"].tolist() == [3, 4, 4]
        names = [[coding.vocabulary.tokens[k] for k in row] for row in batch["words"].tolist()]
        assert names == [
            ["a", "dog", "<eos>", "<pad>"],
            ["a", "cat", ".", "<eos>"],
            ["a", "big", "cat", "<eos>"],
        ]

    def test_without_captions_there_are_images_alone(self):
        coding = Coding.learn(images(["a cat"]))
        encoded = coding.encode(images([(), ()]))
        assert encoded.lengths.tolist() == [1, 1]
        assert set(encoded.batch([0, 1])) == {"images"}

    def test_json_holds_it(self):
        coding = Coding.learn(images(["a cat", "a dog"]))
        assert Coding.from_dict(json.loads(json.dumps(coding.to_dict()))) == coding

    def test_rare_words_and_capitals_are_said(self):
        coding = Coding.learn(images(["A cat", "a cat", "a gnu"]), least=2)
        assert [f.text for f in coding.findings] == [
            "capital letters read as small ones: 1",
            "rare, so read as <unk>: 1 of 3 distinct tokens, 1 of 6 in the text",
        ]

    def test_a_very_long_caption_is_cut_and_said(self):
        data = images(["a cat " * 5000, "a dog"])
        coding = Coding.learn(data)
        assert coding.findings[-1].text == f"captions cut to {MOST_WORDS} words: 1"
        assert coding.longest == MOST_WORDS + 1
        assert coding.encode(data).batch([0])["words"].shape == (1, MOST_WORDS + 1)

    def test_what_does_not_fit(self):
        coding = Coding.learn(images(["a cat"]))
        with pytest.raises(DataError, match=r"images must be \[8, 10, 3\].*got \[9, 9, 1\]"):
            coding.encode(images_of(np.zeros((1, 9, 9), np.uint8)))
        with pytest.raises(DataError, match="images has no captions to learn from"):
            Coding.learn(images([(), ()]))

    def test_one_even_image_is_not_divided_by_zero(self):
        data = images_of(np.full((2, 8, 8), 7, np.uint8), ["a", "b"])
        batch = Coding.learn(data).encode(data).batch([0, 1])
        assert bool((batch["images"] == 0).all())


WORDS = st.lists(st.sampled_from(["a", "cat", "dog", "big", "on"]), min_size=1, max_size=7)
SAID = WORDS.map(" ".join)


class TestScores:
    @settings(max_examples=40, deadline=None)
    @given(st.lists(st.tuples(SAID, SAID), min_size=1, max_size=6))
    def test_one_reference_as_jiwer_and_sacrebleu(self, pairs):
        texts, references = [a for a, _ in pairs], [b for _, b in pairs]
        found = scores_of(texts, [[each] for each in references])
        assert found[ERRORS] == pytest.approx(jiwer.wer(references, texts))
        assert found[EXACT] == pytest.approx(np.mean([a == b for a, b in pairs]))
        assert found[BLEU] == pytest.approx(sacrebleu.corpus_bleu(texts, [references]).score)

    def test_any_reference_is_right(self):
        references = [("a cat on a mat", "one cat"), ("two dogs",)]
        found = scores_of(["one cat", "two big dogs"], references)
        # None of 2 words, one of 2: of the nearest references.
        assert (found[EXACT], found[ERRORS]) == (0.5, 1 / 4)
        streams = [["a cat on a mat", "two dogs"], ["one cat", None]]
        wanted = sacrebleu.corpus_bleu(["one cat", "two big dogs"], streams).score
        assert found[BLEU] == pytest.approx(wanted)

    def test_capitals_count_where_they_are_learned(self):
        assert scores_of(["a Cat ."], [["A cat."]])[EXACT] == 1
        assert scores_of(["a Cat"], [["A cat"]], lower=False)[EXACT] == 0

    def test_nothing_said_is_all_wrong(self):
        found = scores_of(["", ""], [["a cat"], ["a dog"]])
        assert (found[BLEU], found[EXACT], found[ERRORS]) == (0, 0, 1)


class TestBaselines:
    def test_the_nearest_image_is_that_of_scikit_learn(self):
        learned, data = squares(50), squares(20, seed=1)
        base = Baselines.fit(learned)
        flat = learned.pixels.reshape(50, -1).astype(float)
        nearest = NearestNeighbors(n_neighbors=1).fit(flat)
        places = nearest.kneighbors(data.pixels.reshape(20, -1).astype(float))[1][:, 0]
        assert base.nearest(data) == [learned.captions[k][0] for k in places]

    def test_large_images_are_shrunk_by_means(self):
        pixels = np.random.default_rng(0).integers(0, 256, (3, 32, 64, 1), dtype=np.uint8)
        wanted = pixels.reshape(3, 16, 2, 16, 4).mean((2, 4)).reshape(3, -1)
        # Rounded to bytes.
        np.testing.assert_allclose(shrunk(images_of(pixels)).numpy(), wanted, atol=0.5)

    def test_the_commonest_caption(self):
        data = images([("a dog", "a cat"), "a cow", "a cat"])
        base = Baselines.fit(data)
        assert base.commonest == "a cat"
        scores = base.scores(data)
        assert scores[COMMONEST][EXACT] == pytest.approx(2 / 3)
        assert scores[NEAREST][EXACT] == 1

    def test_they_are_kept(self):
        data = squares(10)
        base = Baselines.fit(data)
        kept = json.loads(json.dumps(base.to_dict()))
        assert Baselines.from_dict(kept, base.tensors).scores(data) == base.scores(data)

    def test_of_very_many_images_some_are_kept(self, monkeypatch):
        monkeypatch.setattr("unrolled.tasks.caption.baselines.MOST_KEPT", 7)
        base = Baselines.fit(squares(30))
        assert (len(base.captions), len(base.shrunk)) == (7, 7)
