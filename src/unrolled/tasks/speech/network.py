"""Networks that read log-mel features: to one class, or to a label at every step (CTC).

    x'(t) = [x(k t), ..., x(k t + k - 1)]                     k frames side by side
    h(t)  = [forward(t), backward(t)]                         a bidirectional stack
    class:     o = c + V [mean over t of h(t), max over t of h(t)],   p = softmax(o)
    sequence:  p(label given x, t) = softmax(c + V h(t)),     label 0 is the blank

Shapes: B batch, T frames, T' = ceil(T / k) steps, M bands, H features of h, C classes or labels.

References:
    Graves and Schmidhuber, "Framewise phoneme classification with bidirectional LSTM and other
        neural network architectures", Neural Networks 18, 2005.
    Graves, Fernandez, Gomez and Schmidhuber, "Connectionist temporal classification", ICML 2006.
    Sak, Senior, Rao and Beaufays, "Fast and accurate recurrent neural network acoustic models
        for speech recognition", Interspeech 2015 (frames side by side, fewer steps).
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from ...nn import Recurrent
from ..classify.pooling import Pooling


class Reader(nn.Module):
    """Features in, what the recurrent layers make of them out.

    Arguments:
        recurrent: the layers, from k M features to H.
        stack: k, frames that are read as one step.
    """

    def __init__(self, recurrent: Recurrent, stack: int = 1):
        super().__init__()
        self.recurrent, self.stack = recurrent, stack

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """[B, T, M] and valid frames [B] -> h [B, T', H] and valid steps [B]."""
        steps = (lengths + self.stack - 1) // self.stack
        return self.recurrent(stack_frames(features, self.stack), lengths=steps)[0], steps


class Classifier(nn.Module):
    """One class for a recording.

    Arguments:
        reader: of the features.
        classes: C.
        dropout: share of the pooled features that the output layer does not see, in training.
    """

    def __init__(self, reader: Reader, classes: int, dropout: float = 0.0):
        super().__init__()
        self.reader, self.dropout = reader, nn.Dropout(dropout)
        self.pooling = Pooling("mean+max", reader.recurrent.output_size)
        self.readout = nn.Linear(self.pooling.output_size, classes)

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Scores of the classes, [B, C]."""
        return self.readout(self.dropout(self.pooling(*self.reader(features, lengths))))


class Transcriber(nn.Module):
    """A label at every step, from which `decode` makes a sequence.

    Arguments:
        reader: of the features.
        labels: C, the blank included, which is label 0.
        dropout: share of h that the output layer does not see, in training.
    """

    def __init__(self, reader: Reader, labels: int, dropout: float = 0.0):
        super().__init__()
        self.reader, self.dropout = reader, nn.Dropout(dropout)
        self.readout = nn.Linear(reader.recurrent.output_size, labels)

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """log p(label given x, t), [B, T', C], and valid steps [B]."""
        outputs, steps = self.reader(features, lengths)
        return self.readout(self.dropout(outputs)).log_softmax(-1), steps


def stack_frames(features: Tensor, stack: int) -> Tensor:
    """`stack` frames side by side, [B, T, M] -> [B, ceil(T / stack), stack M].

    The last step is filled up with zeros, the mean of every band.
    """
    if stack == 1:
        return features
    filled = F.pad(features, (0, 0, 0, -features.shape[1] % stack))
    return filled.unflatten(1, (-1, stack)).flatten(2)
