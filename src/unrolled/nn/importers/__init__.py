"""Weights of other libraries.

| importer | takes |
|---|---|
| from_torch, to_torch | torch.nn.RNN, LSTM, GRU and their cells |
| from_keras | keras.layers.SimpleRNN, LSTM, GRU, Bidirectional, or their arrays |
| from_haste | haste's LSTM, GRU, LayerNormLSTM, or their arrays |

The other library need not be installed, nor is it imported. Weights are copied; nothing is drawn
at random.
"""

from .haste import from_haste
from .keras import from_keras
from .torch_nn import from_torch, to_torch

__all__ = ["from_haste", "from_keras", "from_torch", "to_torch"]
