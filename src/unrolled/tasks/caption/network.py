"""From an image to words: convolutions that see, a recurrence that writes and looks again.

    F = encoder(image)                              a grid of features
    m(s) = F(s) + P(s)                              place s of the grid; P is learned
    initial state = tanh(b + W [mean over s of m(s); max over s of m(s)])
    p(w(t) given w(1), ..., w(t-1), image) = decoder(w(t-1); state; attention to m)

A layer of the encoder is x -> relu(norm(conv 3 x 3 (x))), with batch normalisation; some halve
the grid. The mean says how much of something there is, the maximum whether it is anywhere.

With Bahdanau's attention the state knows what was looked at. With Luong's, which follows the
recurrence, all words of a caption are one unroll under teacher forcing, but what is to be looked
at next must be told from the words alone, which is learned more slowly.

Shapes: B images, C channels, H height, W width, S places of the grid, M memory_size,
P captions, T words.

References:
    Vinyals, Toshev, Bengio and Erhan, "Show and tell: a neural image caption generator",
        CVPR 2015 (an encoder of images, a recurrent decoder).
    Xu et al., "Show, attend and tell: neural image caption generation with visual attention",
        ICML 2015 (attention to places; the initial state from their mean).
    Bahdanau, Cho and Bengio, "Neural machine translation by jointly learning to align and
        translate", ICLR 2015 (attention before the recurrence).
    Luong, Pham and Manning, "Effective approaches to attention-based neural machine
        translation", EMNLP 2015 (attention after the recurrence).
    Ioffe and Szegedy, "Batch normalization: accelerating deep network training by reducing
        internal covariate shift", ICML 2015.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ...nn import Decoder, Recurrent
from ...nn.decoded import Decoded
from ...nn.search import Hypotheses, evaluating
from ...nn.states import StateForm

# Places along the longer side of the grid, at most; how much wider than the first layers become.
MOST_PLACES, MOST_WIDENING = 12, 4


class ImageEncoder(nn.Module):
    """Images [B, C, H, W] to the features of their places, [B, S, M], row by row.

    Arguments:
        channels: C.
        size: H and W.
        widths: channels of every layer; the last is M.
        strides: of every layer: 2 halves the grid.

    Attributes:
        grid: its height and width; S is their product.
    """

    def __init__(
        self, channels: int, size: tuple[int, int], widths: Sequence[int], strides: Sequence[int]
    ):
        super().__init__()
        layers: list[nn.Module] = []
        before, (height, width) = channels, size
        for after, stride in zip(widths, strides, strict=True):
            layers += [
                nn.Conv2d(before, after, 3, stride, padding=1, bias=False),
                nn.BatchNorm2d(after),
                nn.ReLU(),
            ]
            before, height, width = after, -(-height // stride), -(-width // stride)
        self.layers = nn.Sequential(*layers)
        self.memory_size, self.grid = before, (height, width)
        places = torch.cartesian_prod(*(torch.linspace(-1, 1, side) for side in self.grid))
        self.register_buffer("places", places, persistent=False)
        self.place = nn.Linear(2, before, bias=False)

    @staticmethod
    def of_size(channels: int, size: tuple[int, int], width: int) -> ImageEncoder:
        """An encoder of images of a size, whose grid has at most 12 places a side.

        Arguments:
            channels, size: as `ImageEncoder` takes them.
            width: channels of the first layer; later ones have twice and four times as many.
        """
        halvings = max(1, math.ceil(math.log2(max(size) / MOST_PLACES)))
        widths = [width, *[2 * width, 2 * width] * halvings, MOST_WIDENING * width]
        return ImageEncoder(channels, size, widths, [1, *[2, 1] * halvings, 1])

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images).flatten(2).transpose(1, 2) + self.place(self.places)


class Start(nn.Module):
    """From a vector [B, M] to the initial state of layers, in the form of `Recurrent`.

    Of a cell that starts from something else than zeros only the output is given.
    """

    def __init__(self, size: int, recurrent: Recurrent):
        super().__init__()
        # In a tuple, so that the cells are no submodules of this too.
        self.cells = tuple(row[0].cell for row in recurrent.steppers)
        self.form = StateForm.of([[cell] for cell in self.cells])
        self.sizes = [list(cell.state_sizes.values())[: _given(cell)] for cell in self.cells]
        self.maps = nn.ModuleList(nn.Linear(size, sum(sizes)) for sizes in self.sizes)

    def forward(self, vector: Tensor) -> Any:
        states = []
        for cell, sizes, linear in zip(self.cells, self.sizes, self.maps, strict=True):
            given = torch.tanh(linear(vector)).split(sizes, dim=-1)
            rest = cell.initial_state(len(vector), dtype=vector.dtype, device=vector.device)
            states.append((*given, *rest[len(given) :]))
        return self.form.back(states, True)


class CaptionNetwork(nn.Module):
    """Images in, scores of words out.

    Arguments:
        encoder: of the images.
        decoder: writes the words; attends to a memory of `encoder.memory_size`.
    """

    def __init__(self, encoder: ImageEncoder, decoder: Decoder):
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.start = Start(2 * encoder.memory_size, decoder.recurrent)

    def forward(self, images: Tensor, of: Tensor, words: Tensor, lengths: Tensor) -> Decoded:
        """Scores of every word of captions, fed with the words before it.

        Arguments:
            images: [B, C, H, W].
            of: the image of every caption, [P].
            words: [P, T], each caption with its end token.
            lengths: of the captions, [P].
        """
        memory, state = self._read(images, of)
        return self.decoder(words, memory, state, lengths=lengths)

    def write(self, images: Tensor, beam: int = 1, most: int = 40, n_best: int = 1) -> Hypotheses:
        """The likeliest captions of images [B, C, H, W].

        Arguments:
            beam: captions that are kept while searching; 1 takes the likeliest word each time.
            most: words at most.
            n_best: captions of an image, at most `beam`.
        """
        with torch.no_grad(), evaluating(self):
            memory, state = self._read(images, torch.arange(len(images), device=images.device))
            if beam == 1:
                return self.decoder.greedy(memory, state, max_steps=most)
            return self.decoder.beam(
                memory, state, beam_size=beam, length_penalty=0.0, max_steps=most, n_best=n_best
            )

    def _read(self, images: Tensor, of: Tensor) -> tuple[Tensor, Any]:
        memory = self.encoder(images)  # [B, S, M]
        whole = torch.cat([memory.mean(1), memory.amax(1)], dim=1)
        return memory[of], self.start(whole[of])


def _given(cell: Any) -> int:
    """How many components of a state `Start` gives: all, or the output alone."""
    rest = cell.initial_state(1)
    return len(rest) if all(bool((start == 0).all()) for start in rest) else 1
