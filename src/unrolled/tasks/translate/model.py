"""The translator: from pairs of texts to one that writes the second from the first.

    model = ur.tasks.translate.Translator().fit("fra-eng.tsv")
    model.translate(["Go.", "I am tired."])
    model.attend("I am tired.").draw("attention.svg")
    model.evaluate("more.tsv").scores
    model.save("runs/fra"); ur.load("runs/fra")

Spelling to phonemes is the same task: Translator().fit("cmudict").
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import nn

from ...data.errors import DataError
from ...data.pairs import Pair, Pairs, read_pairs
from ...data.series import Finding
from ...data.vocabulary import KINDS
from ...naming import counted
from ...nn.forcing import forcing_at, parse_forcing
from ...nn.writing import Writer
from ...training import Machine, Optimisation, Total
from ..arguments import argument
from ..batching import Bucketed
from ..console import Column
from ..learning import check_whole
from ..supervised import Metric, SupervisedEstimator
from ..supervised.model import Batch, TrainingBatches
from .baselines import Guesses
from .coding import Coding, EncodedPairs, Tokens, encode, fitting_tokens, learn_coding
from .decoding import Search, Written, noticed, shown
from .metrics import METRICS, edits_of, scores_of, signatures
from .network import ATTENTIONS, build, loss_of
from .plan import Plan, plan_for
from .results import Details, by_length, examples_of, worst_table

OPTIMISATION = Optimisation(warm_up=0.03, averaging=0.99, precision="auto")
# Sources that a validation translates at most.
VALIDATED = 2_000
TIE = 1e-3
ERROR, SEQUENCE_ERROR = "error in %", "sequence error in %"


@dataclass(eq=False, repr=False, kw_only=True)
class Translator(SupervisedEstimator):
    """Learns from pairs of texts to write the second from the first.

    Arguments:
        source_tokens, target_tokens: "characters", "words", "symbols" (whatever blanks part) or
            "subwords"; None chooses by the texts, see `coding.fitting_tokens`.
        least, most: how often a token must be seen to be kept, and how many a side has at most.
        lower: whether capital letters of sources are read as small ones; None: where the sources
            that are learned from have none.
        shared: whether both sides have one vocabulary.
        longest: characters of a side; longer pairs are not learned from.
        embedding_size: of a token.
        attention: "luong", "bahdanau" or "none".
        bidirectional: whether the encoder reads both ways.
        tied: whether the target's embedding reads out as well.
        smoothing: share of the target's probability that is spread over all tokens.
        members: networks that learn apart and whose probabilities are averaged; None is one, or two
            of many short sequences.
        forcing: what the decoder reads in training, as `nn.forcing.parse_forcing` takes it.
        beam: of evaluations and translations; 1 takes the likeliest token at every step.
        further: those of `SupervisedEstimator`; hidden_size is that of the decoder, and of both
            directions of the encoder together.
    """

    task: ClassVar[str] = "translate"
    coding_type, plan_type, baselines_type = Coding, Plan, Guesses
    columns = (Column("error %", ERROR, 9, 2), Column("sequence error %", SEQUENCE_ERROR, 18, 2))
    unit: ClassVar[str] = "pair"
    step_unit: ClassVar[str] = "tokens"
    loss_name: ClassVar[str] = (
        "-log p of the next token of the target, in nats; labels are smoothed and dropout acts on "
        "the training loss only"
    )
    decides: ClassVar[str] = "decisive"
    searched: ClassVar[Sequence[str]] = (
        *SupervisedEstimator.searched,
        "embedding_size",
        "tied",
    )

    optimisation: Optimisation = OPTIMISATION
    validation: Any = argument(
        "0.03", "To validate on: a share of the sources, or further data.", kind=str
    )
    source_tokens: str | None = argument(None, "Of the sources. Default by data", among=KINDS)
    target_tokens: str | None = argument(None, "Of the targets. Default by data", among=KINDS)
    least: int = argument(1, "Times a token is seen to be kept.", whole=1)
    most: int | None = argument(None, "Tokens of a side at most. Default by data.", whole=1)
    lower: bool | None = argument(None, "Read capitals of sources as small ones.")
    shared: bool = argument(False, "One vocabulary for both sides.")
    longest: int = argument(1000, "Characters of a side that are learned from.", whole=1)
    embedding_size: int | None = argument(None, "Of a token. Default by data.", whole=1)
    attention: str = argument("luong", "What the decoder looks at", among=ATTENTIONS)
    bidirectional: bool = argument(True, "Read the source both ways.")
    tied: bool | None = argument(None, "Read out by the target's embedding. Default by data.")
    smoothing: float | None = argument(None, "Of the labels. Default by data.", below=1.0)
    members: int | None = argument(None, "Networks that are averaged. Default by data.", whole=1)
    forcing: str = argument("teacher", "What the decoder reads: teacher, free, scheduled.")
    beam: int = argument(5, "Beginnings kept when it writes; 1 is greedy.", whole=1)

    @property
    def metrics(self) -> Sequence[Metric]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """What it is measured by: error rates, or BLEU and chrF, by the target's tokens."""
        self.check_fitted()
        return METRICS[self.fitted_.coding.target.kind]

    def check_arguments(self) -> None:
        """Raise ValueError, naming the argument, if one makes no sense."""
        super().check_arguments()
        parse_forcing(self.forcing)

    # --- data -------------------------------------------------------------------------------

    def read(self, source: Any, y: Any = None) -> Pairs:
        """Pairs: as they are; or what `read_pairs` reads; or sources with their targets as `y`.

        Arguments:
            source: a path, two paths (sources and targets, line by line), "cmudict", a dataframe,
                or with `y` a list of texts.
        """
        if isinstance(source, Pairs):
            return source
        if y is not None:
            return pairs_of(source, y)
        if isinstance(source, tuple | list) and len(source) == 2:
            return read_pairs(*source)
        return read_pairs(source)

    def read_like(self, source: Any, reading: Mapping[str, Any]) -> Pairs:
        """Further pairs, read as the first were."""
        return read_pairs(source, **reading)

    def usable(self, data: Pairs) -> Pairs:
        """All pairs but those of more than `longest` characters."""
        most = self.longest
        return data.keep(
            lambda pair: len(pair.source) <= most and len(pair.target) <= most,
            f"with more than longest={most:,} characters on a side",
        )

    def learn_coding(self, learned: Pairs) -> Coding:
        tokens = Tokens(
            self.source_tokens, self.target_tokens, self.least, self.most, self.lower, self.shared
        )
        return learn_coding(learned, tokens)

    def encode(self, coding: Coding, data: Pairs) -> EncodedPairs:
        return encode(coding, data)

    # --- network ----------------------------------------------------------------------------

    def plan_for(self, coding: Coding, learned: Pairs) -> Plan:
        return plan_for(coding, len(learned))

    def build(self, coding: Coding, plan: Plan) -> Writer:
        return build(
            coding,
            plan,
            self.make_cell,
            attention=self.attention,
            bidirectional=self.bidirectional,
            engine=self.engine,
        )

    def loss(self, network: Any, batch: Batch, progress: float) -> Total:
        forcing, smoothing = parse_forcing(self.forcing), self.fitted_.plan.smoothing
        if not network.training:
            forcing, smoothing = "teacher", 0.0
        return loss_of(network, batch, smoothing, forcing_at(forcing, progress))

    def batches(self, encoded: EncodedPairs, plan: Plan, machine: Machine) -> TrainingBatches:
        drawn = Bucketed(
            encoded.lengths,
            plan.batch_size,
            seed=self.seed,
            part=(machine.rank, machine.processes),
            # The encoder then reads no padding at all.
            exact=True,
        )
        return TrainingBatches(encoded, drawn, self.augment, self.seed, machine)

    def figures(self, network: nn.Module, encoded: EncodedPairs) -> dict[str, float]:
        """The loss; and the error rates of what is written greedily, in symbols or characters."""
        coding, references = self.fitted_.coding, encoded.pairs.references
        texts = list(references)[:VALIDATED]
        written = Search()(network, coding, texts)  # pyright: ignore[reportArgumentType]
        edits = edits_of(
            coding.target.kind, [w.text for w in written], [references[text] for text in texts]
        )
        found = super().figures(network, encoded)
        found |= {ERROR: 100 * edits.rate, SEQUENCE_ERROR: 100 * edits.sequence_rate}
        # Of equal errors, as small data have, the least loss decides.
        return {**found, self.decides: found[ERROR] + TIE * found["loss"]}

    # --- use --------------------------------------------------------------------------------

    def write(
        self, texts: Iterable[str], *, beam: int | None = None, weights: bool = False
    ) -> list[Written]:
        """What is written for texts, with its probability and, if wanted, the attention.

        Arguments:
            texts: the sources; one without content gives nothing.
            beam: beginnings that are kept; default that of the model.
            weights: whether those of the attention are kept.

        Raises:
            TypeError: `texts` is one text.
            ValueError: `beam` is below 1.
        """
        self.check_fitted()
        if isinstance(texts, str):
            raise TypeError("texts must be a list of texts, got one; pass [text]")
        beam = self.beam if beam is None else beam
        check_whole("beam", beam, 1)
        search = Search(beam, weights=weights)
        return search(self.fitted_.network, self.fitted_.coding, list(texts))  # pyright: ignore

    def translate(self, texts: Iterable[str], *, beam: int | None = None) -> list[str]:
        """What is written for texts; the arguments are those of `write`."""
        return [each.text for each in self.write(texts, beam=beam)]

    predict = translate

    def attend(self, text: str, *, beam: int | None = None) -> Written:
        """What is written for a text, with the attention of every token that was written.

        Raises:
            ValueError: the model has no attention, or the text no content.
        """
        if self.attention == "none":
            raise ValueError('attend needs a model with attention, this one has attention="none"')
        (found,) = self.write([text], beam=beam, weights=True)
        if found.weights is None:
            raise ValueError(f"text must have content, got {text!r}")
        return found

    def noticed(self, written: Sequence[Written]) -> tuple[Finding, ...]:
        """What is to be said of sources, and of what was written for them."""
        return noticed(self.fitted_.coding, written)

    def measure(self, data: Pairs) -> tuple[dict[str, float], dict[str, Any]]:
        """Each source once, to the nearest of its targets."""
        references = list(data.references.values())
        written, kind = self.write(data.references), self.fitted_.coding.target.kind
        examples = self.write(examples_of(written), weights=True)
        beside = {
            "count": counted(len(written), "source"),
            "worst": worst_table(kind, written, references),
            "details": Details(
                by_length(kind, written, references),
                [(each, data.references[each.source]) for each in examples],
                signatures(kind, references),
                self.beam,
            ),
            "findings": self.noticed(written),
        }
        return scores_of(kind, [each.text for each in written], references), beside

    def fit_baselines(self, learned: Pairs) -> Guesses:
        kind = self.target_tokens or fitting_tokens([pair.target for pair in learned])
        return Guesses.fit(learned, kind)

    def step_labels(self, coding: Coding, batch: Batch) -> list[list[str]]:
        return [list(shown(coding.source, ids)) for ids in batch["source"].tolist()]

    def layer_names(self, network: Any) -> dict[str, str]:
        named = {}
        for part in ("encoder", "decoder"):
            rows = getattr(network, part).recurrent.steppers
            for depth, row in enumerate(rows):
                for way, _ in zip(("", " backwards"), row, strict=False):
                    place = f"{part}.recurrent.cells.{len(row) * depth + bool(way)}"
                    named[place] = f"{part}, layer {depth + 1}{way}"
        return named


def pairs_of(sources: Iterable[str], targets: Iterable[str], name: str = "pairs") -> Pairs:
    """Pairs of texts in memory.

    Raises:
        DataError: the numbers of both differ, or a text is none.
    """
    ones, others = list(sources), list(targets)
    if len(ones) != len(others):
        raise DataError(
            f"y must have a target for each of {len(ones):,} sources, got {len(others):,}"
        )
    wrong = [text for text in (*ones, *others) if not isinstance(text, str)]
    if wrong:
        raise DataError(f"sources and targets must be texts, got {type(wrong[0]).__name__}")
    both = enumerate(zip(ones, others, strict=True), start=1)
    found = Pairs(
        tuple(Pair(one.strip(), other.strip(), f"pair {k}") for k, (one, other) in both), name
    )
    return found.keep(lambda pair: bool(pair.source and pair.target), "with an empty side")
