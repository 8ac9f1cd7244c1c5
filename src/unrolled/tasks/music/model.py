"""The model of rolls: from pieces to what comes next, and to how likely a piece is.

    model = ur.MusicModel().fit("JSB_Chorales.mat")
    frames = model.generate(length=200, seed=0)         # 0 and 1, [T, K]
    model.write("new.mid", frames)
    model.evaluate("JSB_Chorales.mat").scores
    model.save("runs/chorales"); ur.load("runs/chorales")

Shapes: T steps, K keys.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import nn

from ...cells.affine import AffineCell
from ...data.errors import DataError
from ...data.rolls import Rolls, read_rolls
from ...data.series import Finding
from ...engines.lengths import steps_within
from ...nn import Recurrent
from ...training import Machine, Total
from ..arguments import argument
from ..console import Column
from ..learning import check_whole
from ..supervised import TEST, VALIDATION, SupervisedEstimator
from ..supervised.parts import SPLIT_SEED
from .baselines import KeyByKey
from .coding import Coding
from .encoded import Batch, Encoded, transposed
from .generation import check_temperature, generate
from .metrics import METRICS, Tally, total
from .network import RollNetwork, losses
from .plan import Plan, plan_for
from .results import Details, worst_pieces
from .streams import read_parts
from .writing import write_roll

OWN = "official"
TEMPERATURE = 1.0


@dataclass(eq=False, repr=False, kw_only=True)
class MusicModel(SupervisedEstimator):
    """Learns from rolls which keys are on at the next step.

    Arguments:
        input_dropout: share of the input that is not seen, in training.
        recurrent_dropout: share of h that the recurrence does not see, in training.
        steps: longest stretch of a piece that is learned from at once; longer pieces are cut.
        transpose: keys by which every stretch is moved up or down at most, at random, in training:
            for pieces in many keys.
        validation: "official": the part that the data have for it, else a share of 0.1; or as
            `SupervisedEstimator` takes it.
        further: those of `SupervisedEstimator`.

    Attributes (after `fit`):
        fitted_, history_, findings_: as `SupervisedEstimator` has them.
    """

    task: ClassVar[str] = "music"
    metrics = METRICS
    columns = (Column("val accuracy", "accuracy", 14, 4),)
    unit: ClassVar[str] = "piece"
    loss_name: ClassVar[str] = "-log p of the next step, summed over its keys, in nats"
    coding_type, plan_type, baselines_type = Coding, Plan, KeyByKey

    input_dropout: float | None = argument(None, "Of the input. Default by data.", below=1.0)
    recurrent_dropout: float | None = argument(
        None, "Of h in the recurrence. Default by data.", below=1.0
    )
    steps: int | None = argument(None, "Longest stretch learned from at once.", whole=1)
    transpose: int = argument(0, "Most keys that pieces are moved by in training.", whole=0)
    validation: Any = argument(
        OWN, f"{OWN} (the data's own part, else {VALIDATION}), or as --test.", kind=str
    )

    @property
    def network(self) -> RollNetwork:
        """The trained network."""
        network = self.fitted_.network
        assert isinstance(network, RollNetwork)
        return network

    def read(self, source: Any, y: Any = None) -> Rolls:
        """Rolls: what `read_rolls` reads, or `Rolls`."""
        if y is not None:
            raise TypeError("a roll is predicted from itself: pass y=None")
        return source if isinstance(source, Rolls) else read_rolls(source)

    def read_like(self, source: Any, reading: Mapping[str, Any]) -> Rolls:
        return read_rolls(source, **reading)

    def read_again(self, data: Any, y: Any = None) -> Rolls:
        """Further data; of a path whose source has a test part, that part."""
        rolls = super().read_again(data, y)
        if isinstance(data, Rolls) or "test" not in rolls.parts:
            return rolls
        test = rolls.of_part("test")
        told = f"of the parts of {rolls.name}, test is taken; pieces of others: {{}}"
        return _with_finding(test, told, len(rolls) - len(test))

    def seems_learned(self, data: Rolls) -> bool:
        # Of a source with parts of its own only the test part is scored.
        return super().seems_learned(data) and not data.parts

    def divide(self, data: Rolls) -> tuple[Rolls, Rolls]:
        """What is learned from, and what is held out to validate; the test part is neither."""
        kept = data
        if "test" in data.parts:
            kept = data.select([k for k, piece in enumerate(data) if piece.part != "test"])
        left = len(data) - len(kept)
        if self.validation != OWN:
            learned, held = super().divide(kept)
        elif "validation" in kept.parts:
            learned, held = kept.of_part("", "train"), kept.of_part("validation")
        else:
            learned, held = kept.split(float(VALIDATION), SPLIT_SEED)
        learned = replace(learned, findings=())
        return _with_finding(learned, "pieces of the test part, not learned from: {}", left), held

    def held_out_to_test(self, data: Rolls, asked: str) -> tuple[Rolls, Rolls | None]:
        if asked != OWN:
            # Another test part is asked for, so that the data's own is like any other piece.
            free = [replace(p, part="" if p.part == "test" else p.part) for p in data]
            return super().held_out_to_test(replace(data, pieces=tuple(free)), asked)
        if "test" not in data.parts:
            return super().held_out_to_test(data, TEST)
        test = data.of_part("test")
        return data.select([k for k, p in enumerate(data) if p.part != "test"]), test

    def learn_coding(self, learned: Rolls) -> Coding:
        if self.transpose and learned.lowest is None:
            raise ValueError("transpose moves notes, but these keys are none; leave it 0")
        return Coding.learn(learned)

    def plan_for(self, coding: Coding, learned: Rolls) -> Plan:
        can_drop = isinstance(self.make_cell(1, 1), AffineCell)
        return plan_for(learned.lengths, len(coding.keys), can_drop)

    def build(self, coding: Coding, plan: Plan) -> RollNetwork:
        recurrent = Recurrent(
            self.make_cell,
            len(coding.keys),
            plan.hidden_size,
            plan.num_layers,
            recurrent_dropout=plan.recurrent_dropout,
            engine=self.engine,
        )
        if plan.num_layers > 1:
            recurrent.dropout = plan.dropout
        return RollNetwork(recurrent, plan.dropout, plan.input_dropout)

    def encode(self, coding: Coding, data: Rolls) -> Encoded:
        return Encoded(_like(coding, data))

    def batches(self, encoded: Encoded, plan: Plan, machine: Machine) -> Any:
        return super().batches(Encoded(encoded.data, plan.steps), plan, machine)

    def augment(self, batch: Batch, generator: np.random.Generator) -> Batch:
        return transposed(batch, self.transpose, generator) if self.transpose else batch

    def loss(self, network: RollNetwork, batch: Batch, progress: float) -> Total:
        frames, lengths = batch["frames"], batch["lengths"]
        scores, _ = network(frames[:, :-1])
        valid = steps_within(lengths, scores.shape[1])
        each = losses(scores, frames[:, 1:])
        return Total((each * valid).sum(), valid.sum())

    def figures(self, network: nn.Module, encoded: Encoded) -> dict[str, float]:
        """The loss a step, and the accuracy; pieces are read whole, whatever their length."""
        assert isinstance(network, RollNetwork)
        found = total(tallies(network, encoded.data))
        return {"loss": found.nll, "accuracy": found.accuracy}

    def fit_baselines(self, learned: Rolls) -> KeyByKey:
        return KeyByKey.fit(learned)

    def measure(self, data: Rolls) -> tuple[dict[str, float], dict[str, Any]]:
        fitted = self.fitted_
        encoded = self.encode(fitted.coding, data)
        by_piece = tallies(self.network, encoded.data)
        found = total(by_piece)
        pieces = f"{len(data):,} piece{'s' * (len(data) != 1)}"
        beside = {
            "count": f"{pieces}, {found.steps:,} steps",
            "worst": worst_pieces(data, by_piece),
            "details": Details.of(self.network, data, by_piece),
            "findings": _unscored(by_piece),
        }
        return found.scores(), beside

    def baseline_scores(self, data: Rolls) -> Any:
        return super().baseline_scores(_like(self.fitted_.coding, data))

    def generate(
        self,
        length: int = 200,
        prompt: Any = None,
        *,
        temperature: float = TEMPERATURE,
        seed: int = 0,
    ) -> np.ndarray:
        """Steps that are drawn one after another, 0 and 1, uint8 [length, K].

        Arguments:
            length: how many.
            prompt: a piece to go on from, which is not repeated: what `read_rolls` reads, of
                several pieces the first. None: the music opens as a piece of training did.
            temperature: below 1 makes likely keys likelier and others rarer, the mean number of
                keys being kept; 0 takes the likeliest.

        Raises:
            ValueError: an argument is out of its range.
            DataError: the prompt cannot be read, or has other keys.
        """
        check_whole("length", length, 1)
        steps = self.stream(prompt, temperature=temperature, seed=seed)
        return np.stack(list(islice(steps, length)))

    def stream(
        self, prompt: Any = None, *, temperature: float = TEMPERATURE, seed: int = 0
    ) -> Iterator[np.ndarray]:
        """The same step by step, without end."""
        self.check_fitted()
        check_temperature(temperature)
        check_whole("seed", seed, 0)
        coding, draw = self.fitted_.coding, torch.Generator().manual_seed(seed)
        if prompt is not None:
            read = _like(coding, self.read_again(prompt))[0].frames
            return generate(self.network, read, temperature, draw)
        place = int(torch.randint(len(coding.openings), (1,), generator=draw))
        opening = coding.opening(place)
        steps = generate(self.network, opening[None], temperature, draw)
        return (step for part in ((opening,), steps) for step in part)

    def write(self, path: str | Path, frames: np.ndarray, *, tempo: float | None = None) -> Path:
        """Write steps [T, K] to a file: .mid, .csv or .npy.

        Arguments:
            tempo: of MIDI, in beats a minute; None: that of training, else 120.

        Raises:
            ValueError: another ending, or MIDI of keys that are no notes.
        """
        self.check_fitted()
        return write_roll(Path(path), frames, self.fitted_.coding, tempo)

    def describe_split(self, learned: Rolls, test: Rolls | None) -> str:
        """`train on 229 pieces, 76 to validate | test on 77`."""
        trained, held = self.divide(learned)
        told = "no test" if test is None else f"test on {_told(test)}"
        return f"train on {_told(trained)}, validate on {_told(held)} | {told}"


def tallies(network: RollNetwork, data: Rolls) -> list[Tally]:
    """What is counted of each piece."""
    found = [Tally() for _ in range(len(data))]
    for part in read_parts(network, data.pieces):
        found[part.piece] += Tally.of(part.scores, part.truth)
    return found


def _like(coding: Coding, data: Rolls) -> Rolls:
    """Data, if they have the keys of a coding.

    Raises:
        DataError: they have not.
    """
    if len(data.keys) != len(coding.keys) or data.lowest != coding.lowest:
        theirs, ours = (_span(each.keys) for each in (data, coding))
        raise DataError(f"{data.name} has {theirs}; the model knows {ours}")
    return data


def _span(keys: tuple[str, ...]) -> str:
    return f"the {len(keys)} keys {keys[0]} to {keys[-1]}"


def _with_finding(data: Rolls, text: str, count: int) -> Rolls:
    """Data with a finding on what was left out, if there was any."""
    if not count:
        return data
    found = Finding("ignored", text.replace("{}", f"{count:,}"), count)
    return replace(data, findings=(*data.findings, found))


def _unscored(by_piece: list[Tally]) -> list[Finding]:
    """Pieces in which nothing is predicted."""
    count = sum(not tally.steps for tally in by_piece)
    return [Finding("ignored", f"pieces of one step, not scored: {count:,}", count)] * bool(count)


def _told(data: Rolls) -> str:
    one = f" of {data.lengths[0]:,} steps" if len(data) == 1 else ""
    return f"{len(data):,} piece{'s' * (len(data) != 1)}{one}"
