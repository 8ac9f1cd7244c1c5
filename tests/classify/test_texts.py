"""Texts as tokens: what is read, what is unknown, and what n-grams a word has."""

import zlib

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from unrolled.tasks.classify.network import TokenInput
from unrolled.tasks.classify.texts import EncodedTexts, TextCoding, usual_tokens

TEXTS = ["Go now, go!", "Win 100 pounds", "ok then"]


def coding(kind: str = "words", buckets: int = 50, longest: int = 100, texts=TEXTS) -> TextCoding:
    return TextCoding.learn(
        texts, kind, least=1, lower=kind == "words", buckets=buckets, longest=longest
    )


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["Nakamura", "O'Neill", "van Dyke"], "characters"),
        (["see you at five", "are you there yet"], "words"),
        # Chinese has no blanks between words; Finnish long words, but not so long.
        (["我们今天去公园", "你好吗 今天天气很好"], "characters"),
        (["lentokoneessa on kahvia", "juna on myöhässä taas"], "words"),
        (["!!!", "..."], "characters"),
    ],
)
def test_what_texts_are_read_by(texts, expected) -> None:
    assert usual_tokens(texts) == expected


def test_words_keep_their_capitals_for_n_grams() -> None:
    made = coding()
    assert made.tokens("Go NOW, go!")[0] == ["Go", "NOW", ",", "go", "!"]
    assert made.id_of("NOW") == made.id_of("now") == made.vocabulary.tokens.index("now")
    assert made.id_of("never") == made.vocabulary.unknown
    assert made.grams("Go") != made.grams("go")


def test_n_grams_of_a_word_by_hand() -> None:
    parts = ["<ab", "ab0", "b00", "00>", "<ab0", "ab00", "b00>", "<ab00", "ab00>", "<ab00>"]
    expected = sorted(zlib.crc32(part.encode()) % 50 for part in parts)
    assert coding().grams("ab12") == coding().grams("ab99") == expected
    # A word shorter than an n-gram has itself alone.
    assert coding().grams("a") == [zlib.crc32(b"<a>") % 50]


@settings(deadline=None)
@given(st.lists(st.text(min_size=1).filter(str.strip), min_size=1, max_size=5))
def test_every_text_gives_a_batch(texts) -> None:
    for kind in ("words", "characters"):
        encoded = EncodedTexts(coding(kind), texts)
        batch = encoded.batch(range(len(texts)))
        assert batch["lengths"].tolist() == encoded.lengths.tolist()
        assert (batch["lengths"] >= 1).all()
        assert batch["tokens"].shape == (len(texts), encoded.lengths.max())


def test_vectors_of_words_are_their_own_and_the_mean_of_their_n_grams() -> None:
    made = coding()
    reads = TokenInput(len(made.vocabulary), 4, made.buckets, made.vocabulary.unknown).double()
    texts = ["go now", "pounds", "never go"]
    batch = EncodedTexts(made, texts).batch([2, 0, 1])
    vectors = reads(batch)
    assert vectors.shape == (3, 2, 4)
    for row, text in enumerate(["never go", "go now", "pounds"]):
        for place, word in enumerate(text.split()):
            own = reads.embedding.weight[made.id_of(word)]
            grams = reads.grams.weight[made.grams(word)].mean(0)
            # A mean of a dozen numbers in float64.
            torch.testing.assert_close(vectors[row, place], own + grams, rtol=1e-14, atol=1e-14)


def test_ids_of_characters_and_subwords_are_those_of_the_vocabulary() -> None:
    for kind in ("characters", "subwords"):
        made = coding(kind)
        batch = EncodedTexts(made, ["go now"]).batch([0])
        assert set(batch) == {"lengths", "tokens"}
        assert batch["tokens"][0].tolist() == made.vocabulary.encode("go now").tolist()


def test_unknown_tokens_are_counted() -> None:
    (finding,) = EncodedTexts(coding("characters"), ["gox", "xy"]).findings
    assert finding.count == 3
    assert "unknown to the vocabulary: 3 of 5 tokens" in finding.text
    assert "'x', 'y'" in finding.text
    assert EncodedTexts(coding("subwords"), ["жж"]).findings == ()


def test_a_very_long_text_is_cut_and_said() -> None:
    made = coding("words", longest=5)
    encoded = EncodedTexts(made, ["go " * 1_000_000, "go now", "a" * 1000])
    assert encoded.lengths.tolist() == [5, 2, 1]
    cut, _unknown = encoded.findings
    assert cut.count == 2
    assert "longer than 5 words" in cut.text
    # Blanks at the start are no part of it.
    assert EncodedTexts(made, [" " * 1000 + "go now"]).lengths.tolist() == [2]


def test_token_dropout_reads_tokens_as_unknown_in_training_only() -> None:
    made = coding("characters")
    unknown = made.vocabulary.unknown
    reads = TokenInput(len(made.vocabulary), 1, 0, unknown, 0.25)
    reads.embedding.weight.data = torch.arange(len(made.vocabulary))[:, None].float()
    batch = {"tokens": torch.full((100, 100), 5), "lengths": torch.full((100,), 100)}
    share = (reads(batch) == unknown).float().mean()
    # Of 10,000 draws the share has a standard deviation of 0.0043.
    assert share == pytest.approx(0.25, abs=0.02)
    assert (reads.eval()(batch) == 5).all()


def test_a_coding_is_kept_as_json() -> None:
    import json

    for kind in ("words", "characters", "subwords"):
        made = coding(kind)
        opened = TextCoding.from_dict(json.loads(json.dumps(made.to_dict())))
        assert opened == made
        texts = ["Go to the pounds", "xyz"]
        mine, its = (EncodedTexts(coding, texts) for coding in (made, opened))
        one, other = mine.batch([0, 1]), its.batch([0, 1])
        assert all(torch.equal(one[name], other[name]) for name in one)
        assert np.array_equal(mine.lengths, its.lengths)
