"""From the outputs of a network to what is said, and how probable it is.

Shapes: T steps, C classes or labels.
"""

from __future__ import annotations

import math

from torch import Tensor

from .coding import Coding
from .decode import beam_search, greedy
from .objective import log_probability
from .results import Prediction


def answer(coding: Coding, name: str, log_probs: Tensor, beam: int = 0) -> Prediction:
    """The most probable class; or the transcript that the search finds.

    Arguments:
        name: of the recording.
        log_probs: [C] of classes, [T, C] of a sequence.
        beam: width of the search for a transcript; 0 takes the best path.
    """
    if not coding.is_sequence:
        place = int(log_probs.argmax())
        return Prediction(name, coding.labels[place], math.exp(float(log_probs[place])))
    labels = beam_search(log_probs, width=beam)[0][0].labels if beam else greedy(log_probs)[0]
    return Prediction(name, coding.decode(labels), math.exp(log_probability(log_probs, labels)))


def probability(coding: Coding, label: str, log_probs: Tensor) -> float:
    """p(label), over all paths of a transcript; 0 where a part of it was not learned."""
    numbers = coding.encode(label)
    if len(numbers) < len(coding.cut(label)):
        return 0.0
    if coding.is_sequence:
        return math.exp(log_probability(log_probs, numbers))
    return math.exp(float(log_probs[numbers[0]]))
