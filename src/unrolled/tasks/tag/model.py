"""The tagger: from sentences of words to a tag for each word.

model = ur.Tagger().fit("train.conllu")
model.predict([["show", "me", "flights"]])      # or ["show me flights"], or a path
model.evaluate("test.conllu").scores
model.save("runs/atis"); ur.load("runs/atis")
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from ...data.errors import DataError
from ...data.series import Finding
from ...data.tagged import TaggedSentences, read_tagged, sentences_of
from ...naming import counted
from ...nn import CRF, Recurrent, cells_of
from ...training import Total
from ..arguments import argument
from ..console import Column
from ..supervised import SupervisedEstimator
from ..supervised.scores import Metric
from .baselines import FrequentTags
from .coding import NO_TAG, Coding, Encoded
from .network import Batch, TaggingNetwork, read_size
from .plan import Plan, plan_for
from .results import PLAIN, SPAN_F1, details_of, scores_of, worst_sentences
from .spans import accuracy, mark_spans, span_scores

# Layers up to this size compute as fast in one thread.
SMALL = 128
# Smaller than any difference between two accuracies.
TIE = 1e-9


@dataclass(eq=False, repr=False, kw_only=True)
class Tagger(SupervisedEstimator):
    """Learns from tagged sentences to tag others.

    Arguments:
        embedding_size: of words.
        letter_size: of letters, and of what reads the letters of a word, in each direction.
        word_dropout: w; a word seen n times is read as unknown with a share of w / (n + w) in
            training, so that the letters must do.
        least: how often a word must be seen to have a vector of its own.
        lower: whether words are looked up in small letters. How they are written stays known.
        crf: whether a tag depends on the one before it; None: where tags mark spans.
        further: those of `SupervisedEstimator`.

    Attributes (after `fit`):
        fitted_, history_, findings_: as `SupervisedEstimator` has them.
    """

    task: ClassVar[str] = "tag"
    unit: ClassVar[str] = "sentence"
    step_unit: ClassVar[str] = "words"
    loss_name: ClassVar[str] = "-log p of the true tags, in nats a word"
    decides: ClassVar[str] = "error"
    searched: ClassVar[Sequence[str]] = (
        *SupervisedEstimator.searched,
        "embedding_size",
        "letter_size",
        "word_dropout",
    )
    coding_type, plan_type, baselines_type = Coding, Plan, FrequentTags

    embedding_size: int | None = argument(None, "Of words. Default by data.", whole=1)
    letter_size: int | None = argument(None, "Of letters, and their reader.", whole=1)
    word_dropout: float | None = argument(
        None, "w: words seen n times are unknown with w / (n + w).", below=np.inf
    )
    least: int = argument(1, "How often a word must be seen to have a vector.", whole=1)
    lower: bool = argument(False, "Look words up in small letters.")
    crf: bool | None = argument(None, "Whether a tag depends on the one before. Default for spans.")

    @property
    def metrics(self) -> Sequence[Metric]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Of what was learned: spans, where tags mark them, then words."""
        return (SPAN_F1, *PLAIN) if self.fitted_.coding.scheme else PLAIN

    @property
    def columns(self) -> Sequence[Column]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The figures of a validation that stand in the rows."""
        shown = [Column("val accuracy", "accuracy", 14, 4)]
        return [*shown, Column("val F1", "span F1", 9, 4)] if self.fitted_.coding.scheme else shown

    def read(self, source: Any, y: Any = None) -> TaggedSentences:
        """Tagged sentences: of a file or several, or a folder, or in memory.

        Arguments:
            source: what `read_tagged` reads, `TaggedSentences`, or with `y` words of sentences.
            y: tags of sentences.
        """
        if isinstance(source, TaggedSentences):
            return source
        return read_tagged(source) if y is None else sentences_of(source, y)

    def read_like(self, source: Any, reading: Mapping[str, Any]) -> TaggedSentences:
        return read_tagged(source, **reading)

    def learn_coding(self, learned: TaggedSentences) -> Coding:
        return Coding.learn(learned, self.least, self.lower)

    def plan_for(self, coding: Coding, learned: TaggedSentences) -> Plan:
        return plan_for(len(learned), spans=coding.scheme is not None)

    def build(self, coding: Coding, plan: Plan) -> TaggingNetwork:
        size, engine = plan.letter_size, self.engine
        speller = Recurrent(self.make_cell, size, size, bidirectional=True, engine=engine)
        recurrent = Recurrent(
            self.make_cell,
            read_size(plan.embedding_size, speller),
            plan.hidden_size,
            plan.num_layers,
            bidirectional=True,
            engine=engine,
        )
        if plan.num_layers > 1:
            recurrent.dropout = plan.dropout
        rules = coding.allowed() if coding.well_formed else None
        counts = torch.tensor(coding.counts)
        return TaggingNetwork(
            len(coding.letters),
            speller,
            recurrent,
            len(coding.tags),
            crf=CRF(len(coding.tags), *(rules or ())) if plan.crf else None,
            dropout=plan.dropout,
            drops=plan.word_dropout / (counts + plan.word_dropout),
        )

    def encode(self, coding: Coding, data: TaggedSentences) -> Encoded:
        return Encoded(coding, data)

    def loss(self, network: TaggingNetwork, batch: Batch, progress: float) -> Total:
        words = (batch["tags"] != NO_TAG).sum()
        return Total(network.losses(batch).sum(), words)

    def figures(self, network: nn.Module, encoded: Encoded) -> dict[str, float]:
        """The loss a word, the accuracy, F1 of spans; "error" is what the best have least of."""
        found = self.for_each(network, encoded, _losses_and_tags)
        losses, counts, ids = zip(*found, strict=True)
        true, predicted = encoded.data.tags, [encoded.coding.tags_of(row) for row in ids]
        right = accuracy(true, predicted)
        spans = encoded.coding.scheme is not None
        f1 = {"span F1": span_scores(true, predicted).overall.f1} if spans else {}
        loss = sum(losses) / sum(counts) if sum(counts) else float("nan")
        error = 1 - f1.get("span F1", right)
        # Of equals, the one with less loss is the better.
        error += 0 if math.isnan(loss) else TIE * loss / (1 + loss)
        return {"loss": loss, "accuracy": right, **f1, "error": error}

    def fit_baselines(self, learned: TaggedSentences) -> FrequentTags:
        return FrequentTags.fit(learned, self.lower, mark_spans(learned.tag_counts()))

    def measure(self, data: TaggedSentences) -> tuple[dict[str, float], dict[str, Any]]:
        if not data.tagged:
            raise DataError(f"{data.name} has no tags to compare with; predict gives it some")
        fitted = self.fitted_
        encoded, spans = self.encode(fitted.coding, data), fitted.coding.scheme is not None
        predicted = [[tag for tag, _ in sentence] for sentence in self._tagged(encoded)]
        words = sum(map(len, data.words))
        beside = {
            "count": f"{counted(len(data), 'sentence')} of {counted(words, 'word')}",
            "worst": worst_sentences(data, predicted),
            "details": details_of(data, predicted, spans),
            "findings": (*encoded.findings, *self.unseen(data)),
        }
        return scores_of(data, predicted, fitted.baselines.was_seen, spans), beside

    def predict(self, data: Any) -> list[list[str]]:
        """A tag for each word of each sentence.

        Arguments:
            data: sentences, each a list of words, or a text that is cut into words; or a path, as
                `read_words` takes it; or `TaggedSentences`, whose tags are not looked at.
        """
        return [[tag for tag, _ in sentence] for sentence in self.predict_probable(data)]

    def predict_probable(self, data: Any) -> list[list[tuple[str, float]]]:
        """The same with p of each tag, given all the words."""
        return self._tagged(self.encode(self._coding(), self.read_words(data)))

    def read_words(self, data: Any, format: str | None = None) -> TaggedSentences:
        """Sentences to be tagged; tags that are there are not read.

        Arguments:
            data: as `predict` takes them.
            format: of a path, as `read_tagged` takes it.
        """
        if isinstance(data, TaggedSentences):
            return data
        if not isinstance(data, str | os.PathLike):
            return sentences_of(data)
        word = self.fitted_.reading.get("word")
        return read_tagged(data, word, format=format, tagged=False)

    def unseen(self, data: TaggedSentences) -> tuple[Finding, ...]:
        """How many words training has not seen."""
        seen = self.fitted_.baselines.was_seen
        new = [word for words in data.words for word in words if not seen(word)]
        if not new:
            return ()
        total = sum(map(len, data.words))
        different = f"{len(set(new)):,} different"
        text = f"{len(new):,} of {total:,} words were not seen in training ({different})"
        return (Finding("warning", text, len(new)),)

    def is_small(self, plan: Plan) -> bool:
        # Batches of a few short sentences gain nothing from a second thread even then.
        return plan.hidden_size <= SMALL

    def step_labels(self, coding: Coding, batch: dict[str, Tensor]) -> list[list[str]]:
        return [[coding.spelt(word) for word in row] for row in batch["letters"].tolist()]

    def layer_names(self, network: nn.Module) -> dict[str, str]:
        names = {}
        for name in cells_of(network):
            part, _, place = name.split(".")
            layer, reverse = divmod(int(place), 2)
            what = "letters of words" if part == "speller" else f"words, layer {layer + 1}"
            names[name] = f"{what}, {'backwards' if reverse else 'forwards'}"
        return names

    def aside(self, network: nn.Module) -> list[str]:
        return [name for name in cells_of(network) if name.startswith("speller.")]

    def _coding(self) -> Coding:
        self.check_fitted()
        return self.fitted_.coding

    def _tagged(self, encoded: Encoded) -> list[list[tuple[str, float]]]:
        """Tags of every sentence, and p of each."""
        names = encoded.coding.tags

        def tagged(network: TaggingNetwork, batch: Batch) -> list[list[tuple[str, float]]]:
            found, lengths = network.decode(batch), batch["lengths"].tolist()
            rows = zip(found.tags.tolist(), found.probabilities.tolist(), lengths, strict=True)
            return [
                [(names[k], p) for k, p in zip(ids[:n], ps[:n], strict=True)] for ids, ps, n in rows
            ]

        return self.for_each(self.fitted_.network, encoded, tagged)


def _losses_and_tags(network: TaggingNetwork, batch: Batch) -> list[tuple[float, int, list[int]]]:
    """The loss of each sentence, over how many words, and the ids of its best tags."""
    scores = network(batch)
    losses = network.losses_of(scores, batch["tags"]).tolist()
    counts = (batch["tags"] != NO_TAG).sum(1).tolist()
    ids = network.decoded_of(scores, batch["lengths"]).tags.tolist()
    lengths = batch["lengths"].tolist()
    return [(*rest, row[:n]) for *rest, row, n in zip(losses, counts, ids, lengths, strict=True)]
