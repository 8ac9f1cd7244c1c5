"""Layers built on `unroll`.

| layer | |
|---|---|
| RNN, LSTM, GRU | torch.nn's layers, with what they have been asked for |
| RNNCell, LSTMCell, GRUCell | torch.nn's cells, which are cells of this library too |
| Recurrent | a stack of any cell |
| Bidirectional | two cells that read from both ends |
| Network | a cell with a readout |
| FeedBack | a cell around any other that reads its own output |
| DilatedStack | layers that look back by more than one step |
| EncoderDecoder | one sequence to another, of an Encoder and a Decoder |
| LuongAttention, BahdanauAttention | a weighted mean of the steps of a memory |

`initialise` starts their matrices and gates by name, against gradients that vanish or explode.
`from_torch`, `from_keras` and `from_haste` make them of weights of other libraries, `to_torch`
makes torch.nn's of them.
"""

from .attention import BahdanauAttention, LuongAttention
from .bidirectional import Bidirectional
from .cells import GRUCell, LSTMCell, RNNCell
from .crf import CRF, BestTags
from .decoder import Decoder
from .dilated import DilatedStack, unroll_dilated
from .encoder_decoder import Encoder, EncoderDecoder
from .feedback import FeedBack
from .forcing import Scheduled, forcing_at, parse_forcing
from .importers import from_haste, from_keras, from_torch, to_torch
from .initialisation import initialise, parse_initialisation
from .layers import GRU, LSTM, RNN
from .network import Network, NetworkRun
from .recurrent import LayerStates, Recurrent
from .within import cells_of

__all__ = [
    "CRF",
    "GRU",
    "LSTM",
    "RNN",
    "BahdanauAttention",
    "BestTags",
    "Bidirectional",
    "Decoder",
    "DilatedStack",
    "Encoder",
    "EncoderDecoder",
    "FeedBack",
    "GRUCell",
    "LSTMCell",
    "LayerStates",
    "LuongAttention",
    "Network",
    "NetworkRun",
    "RNNCell",
    "Recurrent",
    "Scheduled",
    "cells_of",
    "forcing_at",
    "from_haste",
    "from_keras",
    "from_torch",
    "initialise",
    "parse_forcing",
    "parse_initialisation",
    "to_torch",
    "unroll_dilated",
]
