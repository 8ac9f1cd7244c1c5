"""From the outputs of a CTC network to label sequences: the best path, and prefix beam search.

A network trained by connectionist temporal classification gives log p(k given x, t) of every
class k, one of which is the blank, at every frame. A path is one class a frame. It spells the
sequence that is left when repeats are merged and blanks removed, and

    p(labels) = sum over paths that spell labels of product over t of p(path[t] given x, t).

`greedy` spells the single best path. `beam_search` adds the paths of a sequence up, for the
`width` most probable beginnings at every frame; it is exact where `width` holds all of them.

Shapes: B batch, T frames, C classes.

References:
    Graves, Fernandez, Gomez and Schmidhuber, "Connectionist temporal classification", ICML 2006.
    Hannun, Maas, Jurafsky and Ng, "First-pass large vocabulary continuous speech recognition
        using bi-directional recurrent DNNs", arXiv:1408.2873, 2014 (prefix beam search; here
        without its language model).
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

# How far the probabilities of a frame may be from summing to 1: float16 rounds to about 1e-3.
_SUM_TOLERANCE = 1e-2


class Hypothesis(NamedTuple):
    """A label sequence, and log p(labels) over the paths that the search kept."""

    labels: tuple[int, ...]
    log_prob: float


def greedy(
    log_probs: Tensor, lengths: Tensor | None = None, blank: int = 0
) -> list[tuple[int, ...]]:
    """The sequence that the best path of each sample spells.

    Arguments:
        log_probs: [B, T, C] or [T, C], the log_softmax of the network's outputs.
        lengths: [B], valid frames; by default all.
        blank: class of the blank.

    Raises:
        ValueError: if shapes do not fit, or `log_probs` are no log-probabilities.
    """
    return [
        tuple(
            label for label in torch.unique_consecutive(sample.argmax(1)).tolist() if label != blank
        )
        for sample in _samples(log_probs, lengths, blank)
    ]


def beam_search(
    log_probs: Tensor, lengths: Tensor | None = None, width: int = 16, blank: int = 0
) -> list[list[Hypothesis]]:
    """The most probable sequences of each sample, best first, `width` at most.

    Arguments are those of `greedy`.

    Raises:
        ValueError: as `greedy`; or if `width` is below 1.
    """
    if width < 1:
        raise ValueError(f"width must be 1 or more, got {width}")
    samples = _samples(log_probs, lengths, blank)
    return [_search(sample.tolist(), width, blank) for sample in samples]


def _search(frames: list[list[float]], width: int, blank: int) -> list[Hypothesis]:
    # For every beginning: log-probability of its paths that end in a blank, and that do not.
    # Only the first can be followed by the same label once more.
    beam = {(): (0.0, -math.inf)}
    for frame in frames:
        beam = dict(_best(_extended(beam, frame, blank), width))
    return [Hypothesis(labels, _add(*ends)) for labels, ends in _best(beam, width)]


Beam = dict[tuple[int, ...], tuple[float, float]]


def _extended(beam: Beam, frame: list[float], blank: int) -> Beam:
    """All beginnings one frame later."""
    later: Beam = {}

    def add(labels: tuple[int, ...], in_blank: float, in_label: float) -> None:
        before = later.get(labels, (-math.inf, -math.inf))
        later[labels] = _add(before[0], in_blank), _add(before[1], in_label)

    for labels, (in_blank, in_label) in beam.items():
        total = _add(in_blank, in_label)
        last = labels[-1] if labels else blank
        add(labels, total + frame[blank], in_label + frame[last])
        for label, log_prob in enumerate(frame):
            if label == blank or log_prob == -math.inf:
                continue
            add((*labels, label), -math.inf, (in_blank if label == last else total) + log_prob)
    return later


def _best(beam: Beam, width: int) -> list[tuple[tuple[int, ...], tuple[float, float]]]:
    possible = [item for item in beam.items() if max(item[1]) > -math.inf]
    return sorted(possible, key=lambda item: -_add(*item[1]))[:width]


def _add(a: float, b: float) -> float:
    """log(exp(a) + exp(b))."""
    if a < b:
        a, b = b, a
    return a if b == -math.inf else a + math.log1p(math.exp(b - a))


def _samples(log_probs: Tensor, lengths: Tensor | None, blank: int) -> list[Tensor]:
    """The valid frames of each sample, [T, C] each, on the CPU."""
    batch = log_probs.detach().cpu()
    batch = batch[None] if batch.dim() == 2 else batch
    if batch.dim() != 3:
        raise ValueError(f"log_probs must be [B, T, C] or [T, C], got {tuple(log_probs.shape)}")
    if not 0 <= blank < batch.shape[2]:
        raise ValueError(f"blank must be a class, 0 .. {batch.shape[2] - 1}, got {blank}")
    frames = [batch.shape[1]] * len(batch) if lengths is None else lengths.tolist()
    if len(frames) != len(batch) or any(not 0 <= n <= batch.shape[1] for n in frames):
        raise ValueError(
            f"lengths must be {len(batch)} numbers of frames, 0 .. {batch.shape[1]}, got {frames}"
        )
    samples = [sample[:n] for sample, n in zip(batch, frames, strict=True)]
    for sample in samples:
        off = sample.double().logsumexp(1).abs()
        if not (off <= _SUM_TOLERANCE).all():
            raise ValueError(
                "log_probs must be log-probabilities: each frame's sum to 1; pass "
                "outputs.log_softmax(-1)"
            )
    return samples
