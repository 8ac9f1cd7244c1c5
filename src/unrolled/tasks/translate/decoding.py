"""Writing targets: greedily or with a beam, many sources side by side, sorted by length.

Shapes: B batch, K beam, S tokens of a source, T of what is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import numpy as np
import torch

from ...data.reading.notes import Notes
from ...data.series import Finding
from ...data.vocabulary import Coverage, Vocabulary, pad
from ...nn.search import Hypotheses
from ...nn.writing import Writer
from ..batching import in_order
from .coding import Coding

# Sources of a batch at most; beam times batch times vocabulary, numbers that a step sorts.
MOST_SOURCES, SORTED_AT_ONCE = 512, 4_000_000
# Tokens of a source that are read at most, as a multiple of the longest that was learned from.
LONGEST_READ = 8


@dataclass(frozen=True, eq=False)
class Written:
    """What was written for a source.

    Attributes:
        source: as it was given.
        text: what was written.
        log_probability: log p of its tokens; NaN where there was nothing to read.
        ended: whether it came to its end, rather than being cut off.
        whole: whether all of the source was read; a very long one is not.
        read: the tokens of the source.
        tokens: those that were written, the end token among them.
        weights: of the attention, [T, S]; None without, or where they were not asked for.
    """

    source: str
    text: str
    log_probability: float = float("nan")
    ended: bool = True
    whole: bool = True
    read: tuple[str, ...] = ()
    tokens: tuple[str, ...] = ()
    weights: np.ndarray | None = None

    def draw(self, path: str | Path) -> Path:
        """The attention as a picture, into a file .svg or .png.

        Raises:
            ValueError: there are no weights.
            DataError: another ending.
        """
        from .maps import save_attention

        if self.weights is None:
            raise ValueError("there are no weights to draw; ask for them: attend(text)")
        return save_attention(path, self.read, self.tokens, self.weights)


@dataclass(frozen=True)
class Search:
    """How targets are searched for.

    Attributes:
        beam: beginnings that are kept; 1 takes the likeliest token at every step.
        length_penalty: alpha of `nn.search`: the larger, the more long targets are favoured.
        weights: whether those of the attention are kept.
    """

    beam: int = 1
    length_penalty: float = 0.6
    weights: bool = False

    def __call__(self, network: Writer, coding: Coding, texts: Sequence[str]) -> list[Written]:
        """What is written for texts, in their order; nothing for one without content."""
        ids = [coding.source.encode(text.strip()) for text in texts]
        found = [Written(text, "") for text in texts]
        there = [place for place, each in enumerate(ids) if len(each)]
        if not there:
            return found
        limit = LONGEST_READ * coding.longest_source
        for some in self._batches(coding, [len(ids[place]) for place in there]):
            places = [there[k] for k in some]
            results = self._found(network, coding, [ids[place][:limit] for place in places])
            for row, place in enumerate(places):
                read = ids[place][:limit]
                each = self._written(coding, texts[place], read, results, row)
                found[place] = replace(each, whole=len(ids[place]) <= limit)
        return found

    def _batches(self, coding: Coding, lengths: list[int]) -> list[list[int]]:
        size = SORTED_AT_ONCE // (self.beam * len(coding.target))
        batches, _ = in_order(lengths, min(max(size, 1), MOST_SOURCES))
        return [batch.indices.tolist() for batch in batches]

    def _found(self, network: Writer, coding: Coding, ids: Sequence[np.ndarray]) -> Hypotheses:
        device = next(network.parameters()).device
        source = torch.from_numpy(pad(ids).ids).to(device)
        lengths = torch.tensor([len(each) for each in ids], device=device)
        steps = coding.most_steps(source.shape[1])
        if self.beam == 1:
            return network.greedy(source, lengths, max_steps=steps)
        return network.beam(
            source,
            lengths,
            beam_size=self.beam,
            length_penalty=self.length_penalty,
            max_steps=steps,
        )

    def _written(
        self, coding: Coding, text: str, ids: np.ndarray, found: Hypotheses, row: int
    ) -> Written:
        length = int(found.lengths[row, 0])
        tokens = found.tokens[row, 0, :length].tolist()
        weights = None
        if self.weights and found.weights is not None:
            weights = found.weights[row, 0, :length, : len(ids)].cpu().numpy()
        return Written(
            text,
            coding.written(tokens),
            float(found.log_probability[row, 0]),
            ended=bool(found.ended[row, 0]),
            read=shown(coding.source, ids),
            tokens=shown(coding.target, tokens),
            weights=weights,
        )


def shown(vocabulary: Vocabulary, ids: Sequence[int] | np.ndarray) -> tuple[str, ...]:
    """Tokens as people read them: subwords with "_" for the blank before them."""
    found = []
    for token in map(int, ids):
        special = token < len(vocabulary.specials)
        text = vocabulary.tokens[token] if special else vocabulary.decode([token])
        found.append(text.replace(" ", "_"))
    return tuple(found)


def noticed(coding: Coding, written: Sequence[Written]) -> tuple[Finding, ...]:
    """What is to be said of sources, and of what was written for them."""
    parts = [coding.source.coverage(each.source.strip()) for each in written]
    distinct = dict.fromkeys(chain.from_iterable(part.distinct for part in parts))
    totals = sum(part.total for part in parts), sum(part.unknown for part in parts)
    unknown = Coverage(*totals, tuple(distinct)).finding()
    notes = Notes([unknown] if unknown else [])
    notes.warned(
        "sources without content, which give nothing: {}",
        sum(not each.read for each in written),
    )
    notes.warned(
        f"sources of more than {LONGEST_READ * coding.longest_source:,} tokens, read up to there "
        "(those that were learned from have "
        f"{coding.longest_source:,} at most): {{}}",
        sum(not each.whole for each in written),
    )
    notes.warned(
        "outputs that are empty, though there was something to read: {}",
        sum(bool(each.read) and not each.text for each in written),
    )
    notes.warned(
        "outputs that came to no end and were cut off: {}",
        sum(not each.ended for each in written),
    )
    return tuple(notes)
