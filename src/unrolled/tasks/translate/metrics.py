"""How good translations are, beside one reference or several of each.

    sentences              BLEU and chrF by sacrebleu, share of exact matches
    symbols, characters    errors to the nearest reference by all of its tokens; share of the
                           sequences with an error; for characters chrF as well

For spelling to phonemes the error rates are the phoneme and the word error rate. BLEU and chrF go
from 0 to 100, and are those of the whole, not means over sentences.

References:
    Papineni, Roukos, Ward and Zhu, "BLEU: a method for automatic evaluation of machine
        translation", ACL 2002.
    Popovic, "chrF: character n-gram F-score for automatic MT evaluation", WMT 2015.
    Post, "A call for clarity in reporting BLEU scores", WMT 2018 (sacrebleu).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..edits import Edits, nearest_edits
from ..supervised import Metric
from ..supervised.scores import hundredths

# The texts that are equally right, of each sequence.
References = Sequence[Sequence[str]]

_SEVERAL = "Each source counts once; where it has several targets, any of them is right"


def _points(value: float) -> str:
    return f"{value:.2f}"


_BLEU = Metric("BLEU", True, _points, "n-grams shared with the references, 0 to 100")
_CHRF = Metric("chrF", True, _points, "character n-grams shared, 0 to 100")
_EXACT = Metric("exact match", True, hundredths, f"share that equals a reference. {_SEVERAL}")


def _error(unit: str) -> Metric:
    meaning = f"{unit}s wrong, absent or too many, by the {unit}s of the nearest reference"
    return Metric(f"{unit} error", False, hundredths, meaning)


_WRONG = Metric("sequence error", False, hundredths, f"share that equals no reference. {_SEVERAL}")
METRICS = {
    "symbols": (_error("symbol"), _WRONG),
    "characters": (_error("character"), _WRONG, _CHRF),
    "words": (_BLEU, _CHRF, _EXACT),
    "subwords": (_BLEU, _CHRF, _EXACT),
}


def scores_of(kind: str, texts: Sequence[str], references: References) -> dict[str, float]:
    """The scores of texts by the metrics of a kind of target tokens."""
    found = {}
    if kind in ("symbols", "characters"):
        errors = edits_of(kind, texts, references)
        found = {f"{kind[:-1]} error": errors.rate, "sequence error": errors.sequence_rate}
    else:
        equal = sum(text in allowed for text, allowed in zip(texts, references, strict=True))
        found = {"BLEU": bleu(texts, references), "exact match": equal / len(texts)}
    if kind != "symbols":
        found["chrF"] = chrf(texts, references)
    return {metric.key: found[metric.key] for metric in METRICS[kind]}


def edits_of(kind: str, texts: Sequence[str], references: References) -> Edits:
    """The errors of all texts, in symbols, or in characters."""
    return sum((errors_of(kind, *pair) for pair in zip(texts, references, strict=True)), Edits())


def errors_of(kind: str, text: str, allowed: Sequence[str]) -> Edits:
    """The errors of one text to the nearest reference."""
    cut = str.split if kind == "symbols" else list
    return nearest_edits(cut(text), [cut(reference) for reference in allowed])


def bleu(texts: Sequence[str], references: References) -> float:
    """BLEU of a corpus by sacrebleu, with its own tokens ("13a")."""
    return _bleu().corpus_score(list(texts), _streams(references)).score


def chrf(texts: Sequence[str], references: References) -> float:
    """chrF2 of a corpus by sacrebleu."""
    return _chrf().corpus_score(list(texts), _streams(references)).score


def sentence_chrf(text: str, allowed: Sequence[str]) -> float:
    """chrF2 of one sentence."""
    return _chrf().sentence_score(text, list(allowed)).score


def signatures(kind: str, references: References) -> list[str]:
    """How sacrebleu counted, as it says it, for each of its metrics that a kind has."""
    several = max(map(len, references)), min(map(len, references))
    refs = f"nrefs:{several[0] if several[0] == several[1] else 'var'}"
    known = {"BLEU": _bleu, "chrF": _chrf}
    found = []
    for metric in METRICS[kind]:
        if metric.key in known:
            scorer = known[metric.key]()
            scorer.corpus_score([""], [[""]])
            rest = str(scorer.get_signature()).partition("|")[2]
            found.append(f"{metric.key}|{refs}|{rest}")
    return found


def _streams(references: References) -> list[list[str | None]]:
    """The k-th reference of each sequence side by side, as sacrebleu takes them."""
    most = max(map(len, references))
    return [[r[k] if k < len(r) else None for r in references] for k in range(most)]


def _bleu() -> Any:
    # Imported here: it loads libraries of its own that only scores need.
    from sacrebleu.metrics.bleu import BLEU

    # Without `force` a warning is printed where many sentences end in " .".
    return BLEU(force=True)


def _chrf() -> Any:
    from sacrebleu.metrics.chrf import CHRF

    return CHRF()
