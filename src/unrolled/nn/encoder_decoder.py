"""Sequence to sequence: an encoder reads one sequence, a decoder writes another.

    m(1), ..., m(S), final = encoder(x(1), ..., x(S))
    initial = tanh(b + W final), of each layer of the decoder
    p(y(t) given y(1), ..., y(t-1), x) = decoder(y(t-1); initial; attention to m)

The two sequences may have different lengths. Without attention all that the decoder knows of x is
`final`, a vector whose size does not depend on S; with attention it looks at every m(s).

Shapes: B batch, S steps of the source, T steps of the target, V tokens of the target, I features,
M memory_size (hidden size times directions).

References:
    Cho et al., "Learning phrase representations using RNN encoder-decoder", EMNLP 2014.
    Sutskever, Vinyals and Le, "Sequence to sequence learning with neural networks", NIPS 2014.
    Bahdanau, Cho and Bengio, "Neural machine translation by jointly learning to align and
        translate", ICLR 2015 (the initial state: appendix A.2.2).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..cells import Cell
from ..cells.cell import like_of
from ..engines import Engine
from ..engines.lengths import Lengths, checked_lengths
from ..naming import one_of
from .attention import Attention
from .decoded import Decoded
from .decoder import Decoder
from .forcing import Scheduled
from .recurrent import Make, Recurrent, share
from .stack import State
from .states import StateForm
from .tokens import checked_tokens, embedding_of
from .writing import Writer, Writing

ACTIVATIONS = {"tanh": torch.tanh, "identity": nn.Identity()}


@dataclass(frozen=True)
class Encoded:
    """What an encoder read.

    Attributes:
        memory: its output at every step, [B, S, M]; zero beyond each sequence's length.
        lengths: valid steps, [B]; None where all are.
        final: the state after each sequence's last valid step, in the form of `Recurrent`.
    """

    memory: Tensor
    lengths: Tensor | None
    final: Any


class Encoder(nn.Module):
    """Reads sequences of tokens or of features.

        ur.nn.Encoder.of_tokens(1000, 256)
        ur.nn.Encoder(ur.nn.Recurrent("gru", 8, 32, bidirectional=True))      # 8 features

    Arguments:
        recurrent: the layers, in one or two directions.
        embedding: of the tokens, its padding_idx their padding; None where features are read.
        dropout: share of the embedded tokens, or of the features, that is dropped in training.

    Raises:
        TypeError: a part of another type.
        ValueError: sizes that do not fit.
    """

    def __init__(
        self, recurrent: Recurrent, embedding: nn.Embedding | None = None, *, dropout: float = 0.0
    ):
        super().__init__()
        if not isinstance(recurrent, Recurrent):
            raise TypeError(f"recurrent must be a Recurrent, got {type(recurrent).__name__}")
        if embedding is not None and not isinstance(embedding, nn.Embedding):
            raise TypeError(f"embedding must be an Embedding, got {type(embedding).__name__}")
        if not recurrent.batch_first:
            raise ValueError("recurrent must have batch_first=True")
        if embedding is not None and embedding.embedding_dim != recurrent.input_size:
            raise ValueError(
                f"recurrent must read the {embedding.embedding_dim} features of the embedding, "
                f"its input_size is {recurrent.input_size}"
            )
        self.recurrent, self.embedding = recurrent, embedding
        self.dropout = nn.Dropout(share("dropout", dropout))

    @staticmethod
    def of_tokens(
        num_tokens: int,
        hidden_size: int,
        *,
        embedding_size: int | None = None,
        cell: str | Make = "lstm",
        num_layers: int = 1,
        bidirectional: bool = True,
        dropout: float = 0.0,
        padding: int | None = 0,
        engine: str | Engine = "auto",
    ) -> Encoder:
        """An encoder of tokens and its parts, from their sizes.

        Arguments:
            num_tokens: how many tokens there are.
            hidden_size: of every layer, in each direction.
            embedding_size: default `hidden_size`.
            cell, num_layers, bidirectional, engine: as `Recurrent` takes them.
            dropout: as `Encoder` takes it, and between layers.
            padding: the token that fills up sequences; None where there is none.
        """
        embedding = embedding_of(num_tokens, embedding_size or hidden_size, padding)
        recurrent = Recurrent(
            cell, embedding.embedding_dim, hidden_size, num_layers,
            dropout=dropout if num_layers > 1 else 0.0, bidirectional=bidirectional, engine=engine,
        )  # fmt: skip
        return Encoder(recurrent, embedding, dropout=dropout)

    @property
    def memory_size(self) -> int:
        return self.recurrent.output_size

    def forward(self, source: Tensor, lengths: Lengths = None) -> Encoded:
        """Read sequences.

        Arguments:
            source: tokens, [B, S], or features, [B, S, I].
            lengths: valid steps of each sequence, [B]; default all, of tokens up to the padding
                at the end, if the embedding has a padding_idx. Beyond them anything may stand.

        Raises:
            ValueError: a source or lengths of the wrong shape, type or size.
        """
        if self.embedding is not None:
            source, counts = checked_tokens("source", source, lengths, self.embedding)
            source = self.embedding(source)
        else:
            size = self.recurrent.input_size
            if not torch.is_tensor(source) or source.dim() != 3 or source.shape[2] != size:
                came = list(source.shape) if torch.is_tensor(source) else type(source).__name__
                raise ValueError(f"source must be [batch, time, {size}], got {came}")
            counts = None if lengths is None else checked_lengths("lengths", lengths, source)
        memory, final = self.recurrent(self.dropout(source), lengths=counts)
        return Encoded(memory, counts, final)


class Bridge(nn.Module):
    """From the final states of an encoder to the initial ones of a decoder.

        initial = activation(b + W [all components of both directions])

    Each layer of the decoder has its own W and b, and reads the layer of the encoder that is as
    far from the top, or the lowest. All of its components are mapped; of a cell that starts from
    something else than zeros only the output is, the others start as they would.

    Arguments:
        source: the encoder's layers.
        target: the decoder's layers.
        activation: "tanh" or "identity".

    Attributes:
        maps: W and b of every layer of the decoder.

    Raises:
        ValueError: an unknown activation.
    """

    def __init__(self, source: Recurrent, target: Recurrent, activation: str = "tanh"):
        super().__init__()
        self.activation = one_of(activation, ACTIVATIONS, "activation")
        self._source, self._target = _form_of(source), _form_of(target)
        self.directions = 2 if source.bidirectional else 1
        # In a tuple, so that the cells are no submodules of this too.
        self._cells = tuple(row[0].cell for row in target.steppers)
        self._mapped = [_mapped(cell) for cell in self._cells]
        depths, layers = len(self._source.sizes), len(self._cells)
        self.reads = [max(depths - layers + k, 0) for k in range(layers)]
        like = like_of(target)
        self.maps = nn.ModuleList(
            nn.Linear(
                self.directions * sum(self._source.sizes[depth].values()),
                sum(list(cell.state_sizes.values())[:mapped]),
                device=like.device,
                dtype=like.dtype,
            )
            for depth, cell, mapped in zip(self.reads, self._cells, self._mapped, strict=True)
        )

    def forward(self, final: Any) -> Any:
        """The decoder's initial state for the encoder's final one, in the form of `Recurrent`."""
        batch = _batch_of(final)
        given = self._source.read(final, batch, True)
        states = [
            self._started(layer, [s for s in given[self._of(depth)] if s is not None])
            for layer, depth in enumerate(self.reads)
        ]
        return self._target.back(states, True)

    def _of(self, depth: int) -> slice:
        """Where the states of a layer of the encoder are, both directions."""
        return slice(depth * self.directions, (depth + 1) * self.directions)

    def _started(self, layer: int, finals: list[State]) -> State:
        cell, mapped = self._cells[layer], self._mapped[layer]
        # By component, then by direction: [forward h, reverse h, forward c, reverse c].
        together = torch.cat([c for each in zip(*finals, strict=True) for c in each], dim=-1)
        initial = ACTIVATIONS[self.activation](self.maps[layer](together))
        sizes = list(cell.state_sizes.values())[:mapped]
        place: dict[str, Any] = {"dtype": initial.dtype, "device": initial.device}
        kept = cell.initial_state(len(initial), **place)[mapped:]
        return (*initial.split(sizes, dim=-1), *kept)

    def extra_repr(self) -> str:
        return f"activation={self.activation!r}"


class EncoderDecoder(Writer):
    """An encoder, a decoder, and a bridge between their states.

        model = ur.nn.EncoderDecoder.of_tokens(1000, 800, 256, attention="bahdanau")
        model(source, targets).loss(targets).backward()
        model.beam(source).tokens

    Arguments:
        encoder: an `Encoder`, or a module that is called with (source, lengths) and returns
            `Encoded`.
        decoder: what writes.
        bridge: what is called with the encoder's final state and returns the decoder's initial
            one; default a `Bridge`. `nn.Identity()` hands the state on as it is.

    Raises:
        TypeError: a part of another type, or no bridge from an encoder that is no `Encoder`.
        ValueError: a memory of another size than the attention reads.
    """

    def __init__(self, encoder: nn.Module, decoder: Decoder, bridge: nn.Module | None = None):
        super().__init__()
        if not isinstance(decoder, Decoder):
            raise TypeError(f"decoder must be a Decoder, got {type(decoder).__name__}")
        if bridge is None and not isinstance(encoder, Encoder):
            raise TypeError(
                f"bridge is needed, from the final state of {type(encoder).__name__}: only that "
                "of an Encoder is known"
            )
        wanted = None if decoder.attention is None else decoder.attention.memory_size
        if wanted is not None and isinstance(encoder, Encoder) and encoder.memory_size != wanted:
            raise ValueError(
                f"decoder attends to a memory of {wanted} features, the encoder gives "
                f"{encoder.memory_size}"
            )
        self.encoder, self.decoder = encoder, decoder
        if bridge is None and isinstance(encoder, Encoder):
            bridge = Bridge(encoder.recurrent, decoder.recurrent)
        self.bridge = bridge or nn.Identity()

    @staticmethod
    def of_tokens(
        source_tokens: int,
        target_tokens: int,
        hidden_size: int,
        *,
        embedding_size: int | None = None,
        cell: str | Make = "lstm",
        num_layers: int = 1,
        bidirectional: bool = True,
        attention: str | Callable[[int, int], Attention] | None = "luong",
        dropout: float = 0.0,
        tied: bool = False,
        start: int = 1,
        end: int | None = 2,
        padding: int | None = 0,
        engine: str | Engine = "auto",
    ) -> EncoderDecoder:
        """From tokens to tokens.

        Arguments:
            source_tokens, target_tokens: how many tokens there are on either side.
            hidden_size: of every layer of both, in each direction of the encoder.
            embedding_size: of both; default `hidden_size`.
            cell, num_layers: of both, as `Recurrent` takes them.
            bidirectional: whether the encoder reads both ways.
            attention, tied, start, end: as `Decoder.of_tokens` takes them.
            dropout: as `Encoder.of_tokens` and `Decoder.of_tokens` take it.
            padding: the token that fills up sequences on both sides; None where there is none.
            engine: as `unrolled.unroll` takes it.

        Raises:
            TypeError, ValueError: as the parts.
        """
        encoder = Encoder.of_tokens(
            source_tokens, hidden_size, embedding_size=embedding_size, cell=cell,
            num_layers=num_layers, bidirectional=bidirectional, dropout=dropout,
            padding=padding, engine=engine,
        )  # fmt: skip
        decoder = Decoder.of_tokens(
            target_tokens, hidden_size, encoder.memory_size, embedding_size=embedding_size,
            cell=cell, num_layers=num_layers, attention=attention, dropout=dropout, tied=tied,
            start=start, end=end, padding=padding, engine=engine,
        )  # fmt: skip
        return EncoderDecoder(encoder, decoder)

    def forward(
        self,
        source: Tensor,
        targets: Tensor | None = None,
        *,
        source_lengths: Lengths = None,
        target_lengths: Lengths = None,
        forcing: str | Scheduled = "teacher",
        steps: int | None = None,
    ) -> Decoded:
        """Read `source`, and give o(t) of every step of the target.

        Arguments:
            source, source_lengths: as the encoder takes them.
            targets, target_lengths, forcing, steps: as `Decoder` takes `targets`, `lengths`,
                `forcing` and `steps`.

        Raises:
            TypeError, ValueError: as the parts.
        """
        read = self.encoder(source, source_lengths)
        return self.decoder(
            targets, read.memory, self.bridge(read.final), memory_lengths=read.lengths,
            lengths=target_lengths, forcing=forcing, steps=steps,
        )  # fmt: skip

    def writing(self, source: Tensor, source_lengths: Lengths = None) -> Writing:
        read = self.encoder(source, source_lengths)
        return self.decoder.writing(read.memory, self.bridge(read.final), read.lengths)


def _form_of(recurrent: Recurrent) -> StateForm:
    return StateForm.of([[stepper.cell for stepper in row] for row in recurrent.steppers])


def _mapped(cell: Cell) -> int:
    """How many components of the state a bridge gives: all, or the output alone."""
    rest = cell.initial_state(1)
    return len(rest) if all(bool((start == 0).all()) for start in rest) else 1


def _batch_of(state: Any) -> int:
    while isinstance(state, (tuple, list)):
        state = state[0]
    return state.shape[1]
