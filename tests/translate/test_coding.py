"""Tokens of pairs: chosen by the texts, made ids and tensors, counted by hand."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unrolled.data import DataError, Vocabulary
from unrolled.tasks.translate import pairs_of
from unrolled.tasks.translate.coding import (
    END_ID,
    SPECIALS,
    Coding,
    Tokens,
    encode,
    fitting_size,
    fitting_tokens,
    learn_coding,
)

PHONES = ["K AE T", "D AO G", "K AA T", "T AE K"]


@pytest.mark.parametrize(
    ("texts", "kind"),
    [
        # 6 distinct phonemes, each seen 20 times in the mean.
        (PHONES * 10, "symbols"),
        # As many, each seen twice: as likely words of a short text.
        (PHONES, "subwords"),
        (["cat", "dog", "tack", "don't"], "characters"),
        (["我爱你。", "你好", "再见"], "characters"),
        (["I am tired.", "We go.", "They do not know it."], "subwords"),
        # As few and as often, but sentences.
        (["Go on!", "Stop it."] * 30, "subwords"),
        # 201 words, each seen 20 times, are too many for symbols.
        ([f"w{k} w{k + 1}" for k in range(200)] * 20, "subwords"),
        # Names are single words but for a few.
        (["Anna", "Bo", "de Vries", "Li"], "characters"),
    ],
)
def test_tokens_fit_to_texts(texts: list[str], kind: str) -> None:
    assert fitting_tokens(texts) == kind


def test_subwords_grow_with_the_text() -> None:
    assert fitting_size(["a b"]) == 400
    # One for forty pieces.
    assert fitting_size(["a b c d"] * 10_000) == 1000
    assert fitting_size(["a b c d"] * 1_000_000) == 8000


def test_ids_and_tensors_by_hand() -> None:
    pairs = pairs_of(["ab", "b"], ["X Y", "Y"])
    coding = learn_coding(pairs, Tokens("characters", "symbols"))
    # Behind the special tokens and the unknown one, the most frequent first.
    assert coding.source.tokens == (*SPECIALS, "<unk>", "b", "a")
    assert coding.target.tokens == (*SPECIALS, "<unk>", "Y", "X")
    batch = encode(coding, pairs).batch([0, 1])
    assert batch["source"].tolist() == [[5, 4], [4, 0]]
    assert batch["target"].tolist() == [[5, 4, END_ID], [4, END_ID, 0]]
    assert batch["lengths"].tolist() == [2, 1]
    assert batch["target_lengths"].tolist() == [3, 2]
    assert (coding.longest_source, coding.longest_target) == (2, 2)
    assert coding.written([5, 4, END_ID]) == "X Y"


def test_how_long_a_target_may_become() -> None:
    coding = learn_coding(pairs_of(["abcd"], ["X Y Z"]), Tokens("characters", "symbols"))
    # Three tokens and the end; for a source of 10, 3 * 10 / 4 tokens, rounded up, and the end.
    assert [coding.most_steps(n) for n in (1, 4, 10)] == [4, 4, 9]


def test_capitals_are_read_small_where_the_sources_have_none() -> None:
    small = learn_coding(pairs_of(["cat", "dog"], ["Katze", "Hund"]), Tokens())
    assert small.source.lower
    assert not small.target.lower
    assert small.source.encode("CAT").tolist() == small.source.encode("cat").tolist()
    assert not learn_coding(pairs_of(["Cat"], ["Katze"])).source.lower
    assert not learn_coding(pairs_of(["cat"], ["Katze"]), Tokens(lower=False)).source.lower


def test_one_vocabulary_for_both_sides() -> None:
    pairs = pairs_of(["ab"], ["bc"])
    shared = learn_coding(pairs, Tokens("characters", "characters", shared=True))
    assert shared.source is shared.target
    assert set(shared.source.tokens[4:]) == {"a", "b", "c"}
    with pytest.raises(ValueError, match="shared needs one kind of tokens"):
        learn_coding(pairs, Tokens("characters", "words", shared=True))
    with pytest.raises(ValueError, match="shared and lower exclude each other"):
        learn_coding(pairs, Tokens("characters", "characters", shared=True, lower=True))


def test_a_coding_is_the_same_out_of_json() -> None:
    pairs = pairs_of(["a b c", "b a"] * 30, ["Go on!", "Stop it."] * 30)
    coding = learn_coding(pairs, Tokens(most=300))
    again = Coding.from_dict(json.loads(json.dumps(coding.to_dict())))
    assert again == coding
    assert again.target.kind == "subwords"


def test_what_is_said_of_rare_tokens_names_the_side() -> None:
    coding = learn_coding(pairs_of(["a a b", "a"], ["x", "x"]), Tokens("words", "words", least=2))
    with pytest.raises(DataError, match="no token is seen least=3 times"):
        learn_coding(pairs_of(["a"], ["b"]), Tokens("words", "words", least=3))
    assert coding.findings[0].text.startswith("sources: rare, so read as <unk>: 1 of 2 distinct")


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=5))
def test_any_texts_become_tensors(both: list[tuple[str, str]]) -> None:
    ones, others = ([f"x{text}" for text in side] for side in zip(*both, strict=True))
    pairs = pairs_of(ones, others) if all(t.strip() for t in others) else pairs_of(ones, ones)
    encoded = encode(coding := learn_coding(pairs), pairs)
    batch = encoded.batch(range(len(pairs)))
    assert list(batch["source"].shape) == [len(pairs), encoded.lengths.max()]
    assert (batch["lengths"].numpy() == encoded.lengths).all()
    for pair, ids, length in zip(pairs, batch["target"], batch["target_lengths"], strict=True):
        assert ids[length - 1] == END_ID
        written = coding.written(ids[:length].tolist())
        wanted = " ".join(pair.target.split()) if coding.target.kind == "symbols" else pair.target
        assert written == wanted


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text("ab12.:/é", min_size=1, max_size=4), min_size=1, max_size=9))
def test_symbols_stay_whole(symbols: list[str]) -> None:
    vocabulary = Vocabulary.learn(" ".join(symbols), "symbols")
    ids = vocabulary.encode("  ".join(symbols))
    assert [vocabulary.tokens[k] for k in ids] == symbols
    assert vocabulary.decode(ids) == " ".join(symbols)
    assert vocabulary.encode("other").tolist() == [vocabulary.unknown]
    assert vocabulary.encode("").dtype == np.int64
