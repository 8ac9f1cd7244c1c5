"""What a speech network is trained on.

    class:     - log p(class | x), smoothed: the class has 1 - s of the target, all C share s
    sequence:  - log sum over paths that spell the labels of product over t of p(path[t] | x, t)

in nats a recording, and in nats a label of a sequence, so that long ones do not count for more.

References:
    Szegedy, Vanhoucke, Ioffe, Shlens and Wojna, "Rethinking the Inception architecture for
        computer vision", CVPR 2016 (label smoothing).
    Graves, Fernandez, Gomez and Schmidhuber, "Connectionist temporal classification", ICML 2006.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...training import Total
from ..edits import Edits, edits
from .decode import greedy
from .encoded import UNKNOWN, Batch
from .network import Transcriber


def class_loss(network: nn.Module, batch: Batch, smoothing: float = 0.0) -> Total:
    """Of a `Classifier`, summed over recordings of known classes."""
    scores, targets = network(batch["features"], batch["lengths"]), batch["targets"]
    total = F.cross_entropy(
        scores, targets, reduction="sum", label_smoothing=smoothing, ignore_index=UNKNOWN
    )
    return Total(total, (targets != UNKNOWN).sum())


def sequence_loss(network: nn.Module, batch: Batch) -> Total:
    """Of a `Transcriber`, summed over recordings; counted are their labels."""
    log_probs, steps = network(batch["features"], batch["lengths"])
    lengths = batch["target_lengths"]
    return Total(ctc(log_probs, steps, batch["targets"], lengths).sum(), lengths.sum())


def ctc(log_probs: Tensor, steps: Tensor, targets: Tensor, lengths: Tensor) -> Tensor:
    """- log p(labels) of each recording, [B]; infinite where steps are too few.

    Arguments:
        log_probs: [B, T, C], label 0 the blank.
        steps: valid ones, [B].
        targets: [B, U], of which `lengths` [B] count.
    """
    return F.ctc_loss(log_probs.transpose(0, 1), targets, steps, lengths, reduction="none")


def log_probs_of(network: nn.Module, batch: Batch) -> list[Tensor]:
    """log p of a batch's recordings, one by one: [C], or [T, C] of a sequence; on the CPU."""
    found = network(batch["features"], batch["lengths"])
    if isinstance(network, Transcriber):
        log_probs, steps = found
        rows = zip(log_probs.cpu(), steps.tolist(), strict=True)
        return [row[:count] for row, count in rows]
    return list(found.log_softmax(-1).cpu())


def log_probability(log_probs: Tensor, labels: Sequence[int]) -> float:
    """log p(labels), over all paths, of one recording's [T, C]."""
    target = torch.tensor([list(labels)], dtype=torch.long)
    lengths = torch.tensor([len(log_probs)]), target, torch.tensor([len(labels)])
    return -float(ctc(log_probs[None].double(), *lengths))


def figures_of_classes(
    log_probs: Sequence[Tensor], targets: Sequence[Sequence[int]], smoothing: float = 0.0
) -> dict[str, float]:
    """Loss, smoothed as in training, and accuracy.

    A class that was not learned is wrong, and has no loss. The loss without smoothing is least
    long before the network is best: it punishes that the smoothed one is never quite sure.
    """
    outputs, wanted = torch.stack(list(log_probs)).double(), torch.tensor(targets).squeeze(1)
    right = (outputs.argmax(1) == wanted).double().mean()
    loss = F.cross_entropy(outputs, wanted, label_smoothing=smoothing, ignore_index=UNKNOWN)
    return {"loss": float(loss), "accuracy": float(right)}


def figures_of_sequences(
    log_probs: Sequence[Tensor], spelt: Sequence[Sequence[int]]
) -> dict[str, float]:
    """Loss, and errors a label of the best paths.

    A label that was not learned is an error, and has no loss.
    """
    loss, count, wrong = 0.0, 0, Edits()
    for each, labels in zip(log_probs, spelt, strict=True):
        known = [label for label in labels if label != UNKNOWN]
        loss -= log_probability(each, known)
        count += len(known)
        wrong += edits(greedy(each)[0], tuple(labels))
    return {"loss": loss / count, "error rate": wrong.rate}
