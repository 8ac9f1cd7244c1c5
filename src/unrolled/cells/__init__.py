"""Published recurrences, one per file, and the class that every cell extends.

| cell | name | recurrence | paper |
|---|---|---|---|
| Elman | elman | the hidden state feeds back | Elman 1990 |
| Jordan | jordan | the output feeds back | Jordan 1986 |
| LSTM | lstm | gated memory, also projected | Hochreiter and Schmidhuber 1997, Gers et al. 2000 |
| GRU | gru | gated update, reset after or before the product | Cho et al. 2014 |
| PeepholeLSTM | peephole-lstm | the gates see the memory | Gers and Schmidhuber 2000 |
| CoupledLSTM | coupled-lstm | it writes where it forgets | Greff et al. 2017 |
| LayerNormLSTM | layer-norm-lstm | normalised products and memory | Ba et al. 2016 |
| LayerNormGRU | layer-norm-gru | normalised products | Ba et al. 2016 |
| MogrifierLSTM | mogrifier-lstm | input and output gate one another first | Melis et al. 2020 |
| SLSTM | slstm | exponential gates, normaliser and stabiliser, heads | Beck et al. 2024 |
| JANET | janet | the forget gate alone | van der Westhuizen and Lasenby 2018 |
| MGU | mgu | one gate resets and updates | Zhou et al. 2016 |
| UGRNN | ugrnn | each unit keeps its value or computes a new one | Collins et al. 2017 |
| RAN | ran | the memory is a gated sum of inputs | Lee et al. 2017 |
| SCRN | scrn | slow context beside fast hidden units | Mikolov et al. 2015 |
| IndRNN | indrnn | each unit feeds back to itself only | Li et al. 2018 |
| SRU | sru | gates read the memory entry by entry; a highway | Lei et al. 2018 |
| QRNN | qrnn | convolutions over time, and a pooling that recurs | Bradbury et al. 2017 |
| MinGRU | min-gru | gates without a recurrent matrix | Feng et al. 2024 |
| MinLSTM | min-lstm | two such gates, normalised by their sum | Feng et al. 2024 |
| LRU | lru | a complex diagonal linear recurrence | Orvieto et al. 2023 |
| AntisymmetricRNN | antisymmetric | Euler steps at the edge of stability | Chang et al. 2019 |
| CoRNN | cornn | coupled damped oscillators | Rusch and Mishra 2021 |
| LEM | lem | two states with learned time steps | Rusch et al. 2022 |
| Leaky | leaky | a continuous-time network in Euler steps | Funahashi and Nakamura 1993 |
| LTC | ltc | liquid time constants, a fused Euler solver | Hasani et al. 2021 |
| CfC | cfc | a liquid network in closed form | Hasani et al. 2022 |
| PNLSS | pnlss | a linear recurrence and a polynomial beside it | Paduart et al. 2010 |
| EchoState | echo-state | a random reservoir that is not trained | Jaeger 2001 |
"""

from ..naming import one_of
from .affine import AffineCell
from .antisymmetric_rnn import AntisymmetricRNN
from .cell import Cell
from .cfc import CfC
from .cornn import CoRNN
from .coupled_lstm import CoupledLSTM
from .echo_state import EchoState
from .elman import Elman
from .gru import GRU
from .indrnn import IndRNN
from .janet import JANET
from .jordan import Jordan
from .layer_norm_gru import LayerNormGRU
from .layer_norm_lstm import LayerNormLSTM
from .leaky import Leaky
from .lem import LEM
from .lru import LRU
from .lstm import LSTM
from .ltc import LTC
from .mgu import MGU
from .min_gru import MinGRU
from .min_lstm import MinLSTM
from .mogrifier_lstm import MogrifierLSTM
from .peephole_lstm import PeepholeLSTM
from .pnlss import PNLSS
from .qrnn import QRNN
from .ran import RAN
from .scrn import SCRN
from .slstm import SLSTM
from .sru import SRU
from .ugrnn import UGRNN
from .wrapped import WrappedCell

BY_NAME: dict[str, type[Cell]] = {
    "antisymmetric": AntisymmetricRNN,
    "cfc": CfC,
    "cornn": CoRNN,
    "coupled-lstm": CoupledLSTM,
    "echo-state": EchoState,
    "elman": Elman,
    "gru": GRU,
    "indrnn": IndRNN,
    "janet": JANET,
    "jordan": Jordan,
    "layer-norm-gru": LayerNormGRU,
    "layer-norm-lstm": LayerNormLSTM,
    "leaky": Leaky,
    "lem": LEM,
    "lru": LRU,
    "lstm": LSTM,
    "ltc": LTC,
    "mgu": MGU,
    "min-gru": MinGRU,
    "min-lstm": MinLSTM,
    "mogrifier-lstm": MogrifierLSTM,
    "peephole-lstm": PeepholeLSTM,
    "pnlss": PNLSS,
    "qrnn": QRNN,
    "ran": RAN,
    "scrn": SCRN,
    "slstm": SLSTM,
    "sru": SRU,
    "ugrnn": UGRNN,
}

__all__ = [
    "BY_NAME",
    "GRU",
    "JANET",
    "LEM",
    "LRU",
    "LSTM",
    "LTC",
    "MGU",
    "PNLSS",
    "QRNN",
    "RAN",
    "SCRN",
    "SLSTM",
    "SRU",
    "UGRNN",
    "AffineCell",
    "AntisymmetricRNN",
    "Cell",
    "CfC",
    "CoRNN",
    "CoupledLSTM",
    "EchoState",
    "Elman",
    "IndRNN",
    "Jordan",
    "LayerNormGRU",
    "LayerNormLSTM",
    "Leaky",
    "MinGRU",
    "MinLSTM",
    "MogrifierLSTM",
    "PeepholeLSTM",
    "WrappedCell",
    "by_name",
]


def by_name(name: str) -> type[Cell]:
    """The cell class called `name` on the command line ("lstm", "gru", ...).

    Raises:
        ValueError: no cell has that name; the nearest is suggested.
    """
    return BY_NAME[one_of(name.lower().replace("_", "-"), BY_NAME, "cell")]
