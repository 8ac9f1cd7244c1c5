"""BLEU and chrF against their definitions written out, error rates counted by hand."""

import math
import random
from collections import Counter

import pytest
import sacrebleu

from unrolled.tasks.translate.metrics import (
    bleu,
    chrf,
    edits_of,
    scores_of,
    sentence_chrf,
    signatures,
)

WORDS = ["the", "cat", "sat", "on", "a", "mat", "dog"]


def _grams(tokens, n):
    return Counter(tuple(tokens[k : k + n]) for k in range(len(tokens) - n + 1))


def _bleu(texts, references):
    """Papineni et al., section 2, of words apart by blanks; no precision may be zero."""
    matched, possible, ours, theirs = [0] * 4, [0] * 4, 0, 0
    for text, allowed in zip(texts, references, strict=True):
        words, others = text.split(), [reference.split() for reference in allowed]
        ours += len(words)
        theirs += min((abs(len(o) - len(words)), len(o)) for o in others)[1]
        for n in range(1, 5):
            most = Counter()
            for other in others:
                most |= _grams(other, n)
            matched[n - 1] += (_grams(words, n) & most).total()
            possible[n - 1] += _grams(words, n).total()
    short = min(0.0, 1 - theirs / ours)
    precisions = [m / p for m, p in zip(matched, possible, strict=True)]
    return 100 * math.exp(short + sum(map(math.log, precisions)) / 4)


def _chrf(text, reference, most=6, beta=2):
    """Popovic 2015, of one sentence and one reference: the F-score of mean precision, recall."""
    a, b = text.replace(" ", ""), reference.replace(" ", "")
    shares = []
    for n in range(1, most + 1):
        ours, theirs = _grams(a, n), _grams(b, n)
        if ours and theirs:
            hit = (ours & theirs).total()
            shares.append((hit / ours.total(), hit / theirs.total()))
    precision, recall = (sum(side) / len(shares) for side in zip(*shares, strict=True))
    return 100 * (1 + beta**2) * precision * recall / (beta**2 * precision + recall)


def _corpus(seed, most):
    draw = random.Random(seed)
    references = [
        [" ".join(draw.choices(WORDS, k=draw.randint(6, 12))) for _ in range(draw.randint(1, most))]
        for _ in range(20)
    ]
    texts = [" ".join(allowed[0].split()[: draw.randint(5, 12)]) for allowed in references]
    return texts, references


@pytest.mark.parametrize("most", [1, 3])
def test_bleu_is_that_of_its_paper(most: int) -> None:
    texts, references = _corpus(seed=most, most=most)
    # Sums of logarithms in float64.
    assert bleu(texts, references) == pytest.approx(_bleu(texts, references), abs=1e-9)


def test_bleu_is_that_of_sacrebleu_where_all_have_one_reference() -> None:
    texts = ["Go on, I say!", "It is 5 o'clock now.", "What?"]
    allowed = [["Go on, I said!"], ["It is 6 o'clock by now."], ["What?"]]
    plain = sacrebleu.corpus_bleu(texts, [[one for (one,) in allowed]]).score
    assert bleu(texts, allowed) == plain


def test_chrf_is_that_of_its_paper() -> None:
    pairs = [
        ("the cat sat", "the cat sits"),
        ("a dog here now", "the dog is here"),
        ("mat", "mats"),
    ]
    for text, reference in pairs:
        # An n-gram order that is longer than a text is left out, as sacrebleu does.
        assert sentence_chrf(text, [reference]) == pytest.approx(_chrf(text, reference), abs=1e-9)
    assert chrf(["abcdef"], [["xyz", "abcdef"]]) == 100


def test_errors_are_counted_to_the_nearest_reference() -> None:
    texts = ["K AE T", "D AO G", "T"]
    references = [["K AA T S", "K AE T"], ["D AA G Z"], ["AH"]]
    found = edits_of("symbols", texts, references)
    # None of 3; one substitution and one deletion of 4; one substitution of 1.
    assert (found.errors, found.length, found.wrong, found.sequences) == (3, 8, 2, 3)
    assert scores_of("symbols", texts, references) == {
        "symbol error": 3 / 8,
        "sequence error": 2 / 3,
    }


def test_characters_count_as_they_are() -> None:
    found = scores_of("characters", ["kitten", ""], [["sitting"], ["a"]])
    # The three errors of the textbooks of 7 letters, and one deletion of 1.
    assert found["character error"] == 4 / 8
    assert found["sequence error"] == 1


def test_exact_matches_count_any_reference() -> None:
    found = scores_of("words", ["a b", "c", "d"], [["x", "a b"], ["c"], ["e"]])
    assert found["exact match"] == 2 / 3
    assert list(found) == ["BLEU", "chrF", "exact match"]


def test_signatures_tell_how_sacrebleu_counted() -> None:
    version = f"version:{sacrebleu.__version__}"
    assert signatures("subwords", [["a"], ["b"]]) == [
        f"BLEU|nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|{version}",
        f"chrF|nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|{version}",
    ]
    assert signatures("words", [["a"], ["b", "c"]])[0].startswith("BLEU|nrefs:var|")
    assert signatures("symbols", [["a"]]) == []
