"""The language model: from text to text, and to how likely a text is.

    model = ur.tasks.language.LanguageModel().fit("shakespeare.txt")
    print(model.generate("ROMEO:", length=200, seed=0))
    model.evaluate("other.txt").scores
    model.save("runs/shakespeare"); ur.load("runs/shakespeare")

Shapes: V size of the vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import nn

from ...data.errors import DataError
from ...data.series import Finding
from ...data.text import Text
from ...data.vocabulary import Vocabulary
from ...nn.noise import recurrent_weights
from ...training import Machine, Optimisation, TrainingSettings
from ...training.checkpoint import own_random_numbers
from ..arguments import argument
from ..estimator import BY_DATA, Estimator
from ..learning import Job, Listener, carry_out, check_whole
from .generation import Sampling, generate
from .mixture import Mixture, mixture_of
from .network import LanguageEnsemble, LanguageNetwork
from .ngram import ORDERS, table
from .objective import StreamLoss, estimated_loss, streams, subsequences, text_losses
from .parts import as_text, encoded, spread
from .plan import Architecture, Plan, plan_for
from .results import MODEL, NETWORK, Evaluation, Scores, gram_name, worst_passages

KINDS = ("characters", "words", "subwords")
SAMPLINGS = ("streams", "random")
OPTIMISATION = Optimisation(warm_up=0.03, averaging=0.99, precision="auto")
WORST, PASSAGE = 5, 60
# A perplexity beyond e to this is none.
MOST_LOSS = 700.0


@dataclass(frozen=True)
class Fitted:
    """What training leaves: the tokens, the network, and what n-grams learn from.

    Attributes:
        vocabulary: the tokens.
        architecture: what `network` is built from.
        network: trained.
        text: the name of the text that it learned from.
        mixture: the n-gram model that predicts with the network.
    """

    vocabulary: Vocabulary
    architecture: Architecture
    network: LanguageNetwork | LanguageEnsemble
    text: str
    mixture: Mixture | None = None


@dataclass(eq=False, repr=False, kw_only=True)
class LanguageModel(Estimator):
    """Learns from a text what comes next.

    Arguments:
        tokens: "characters", "words" or "subwords" (byte pairs, learned from the text).
        embedding_size, embedding_dropout, weight_drop, tied, passes: of network and training; None
            chooses by the kind of tokens and the amount of text, as of those of `Estimator`.
        mixed: whether an n-gram model of the same text predicts with the network, by a share found
            on the validation part.
        members: networks that learn apart and whose probabilities are averaged; None is one.
        epochs: validations during training.
        batch_size, steps: rows that are read side by side, and tokens of each in an update.
        sampling: "streams", every row reads on where it stopped; "random", pieces at random.
        restart: probability that a row of a stream starts anew at an update.
        least, most: how often a token must be seen to be kept, and how many are kept at most.
        lower: whether capital letters are read as small ones.
        validation: share of the text that is held out of training, in pieces spread over it.
        further: those of `Estimator`.

    Attributes (after `fit`):
        fitted_: the network and its vocabulary.
        history_: the log of training.
        plan_: the sizes and rates that were chosen.
        findings_: what was noticed about the text.
    """

    task: ClassVar[str] = "language"

    tokens: str = argument("characters", "One of", among=KINDS)
    embedding_size: int | None = argument(None, f"Of a token. {BY_DATA}", whole=1)
    embedding_dropout: float | None = argument(None, f"Of embeddings. {BY_DATA}", below=1.0)
    weight_drop: float | None = argument(None, f"Of recurrent weights. {BY_DATA}", below=1.0)
    tied: bool | None = argument(None, "Output weights are the embeddings.")
    passes: float | None = argument(None, f"Over the text. {BY_DATA}", below=math.inf)
    members: int | None = argument(None, "Networks that are averaged. Default 1.", whole=1)
    mixed: bool = argument(True, "Let the best n-gram model predict with the network.")
    epochs: int = argument(6, "Validations during training.", whole=1)
    patience: int = argument(6, "Epochs without progress, then stop.", whole=1)
    batch_size: int = argument(32, "Rows that are read side by side.", whole=1)
    steps: int = argument(64, "Tokens of a row in an update.", whole=1)
    sampling: str = argument("streams", "Rows read on, or pieces at random", among=SAMPLINGS)
    restart: float = argument(0.03, "Share of updates at which a row begins anew.", below=1.0)
    least: int = argument(1, "Times a token is seen to be kept.", whole=1)
    most: int | None = argument(None, "Tokens at most. Default all, 4,096 subwords.", whole=1)
    lower: bool = argument(False, "Read capitals as small letters.")
    validation: float = argument(0.02, "Share of the text to validate on, spread over it.")
    optimisation: Optimisation = OPTIMISATION

    fitted_: Fitted = field(init=False)
    plan_: Plan = field(init=False)
    findings_: tuple[Finding, ...] = field(init=False)

    def fit(self, data: Any, y: None = None, listener: Listener | None = None) -> LanguageModel:
        """Learn from a text; pieces of it are held out to validate.

        Arguments:
            data: a `Text`, or what `read_text` reads.
            y: ignored; scikit-learn's convention.
            listener: told of the progress.

        Raises:
            ValueError: an argument of the constructor makes no sense.
            DataError: the text is too short, or cannot be read.
            TrainingFailed: the loss stayed infinite or undefined.
        """
        listener = listener or Listener()
        self.check_arguments()
        text = as_text(data)
        learned, held_out = spread(text, self.validation)
        vocabulary = self.learn_vocabulary(learned)
        self.findings_ = (*text.findings, *vocabulary.findings)
        listener.started(self)
        with own_random_numbers(self.seed):
            job = self._job(vocabulary, learned, held_out)
            carry_out(self, job, listener)
        if self.mixed:
            self.fitted_ = replace(self.fitted_, mixture=self._mixture(learned, held_out))
        return self

    def _mixture(self, learned: Text, held_out: Text) -> Mixture | None:
        """The n-gram model that makes the network's forecasts better, if one does."""
        fitted = self.fitted_
        known, unknown = (
            [fitted.vocabulary.encode(document) for document in text.documents]
            for text in (learned, held_out)
        )
        unknown = [ids for ids in unknown if len(ids) > 1]
        fitted.network.eval()
        losses = [text_losses(fitted.network, ids) for ids in unknown]
        return mixture_of(losses, unknown, known, len(fitted.vocabulary))

    def generate(
        self,
        prompt: str = "",
        length: int = 200,
        *,
        sampling: Sampling | None = None,
        seed: int = 0,
    ) -> str:
        """Text that goes on from a prompt, without the prompt.

        Arguments:
            prompt: default the start of a line.
            length: tokens.
            sampling: how each is drawn.

        Raises:
            ValueError: `length` is below 1.
        """
        check_whole("length", length, 1)
        return "".join(islice(self.stream(prompt, sampling, seed), length))

    def stream(
        self, prompt: str = "", sampling: Sampling | None = None, seed: int = 0
    ) -> Iterator[str]:
        """The same piece by piece, without end, to be shown while it comes."""
        fitted = self._fitted()
        vocabulary, ids = fitted.vocabulary, fitted.vocabulary.encode(prompt or "\n").tolist()
        if not ids:
            raise ValueError(f"prompt must hold a token at least, got {prompt!r}")
        never = range(len(vocabulary.specials))
        unknown = [] if vocabulary.unknown is None else [vocabulary.unknown]
        told, found = vocabulary.decode(ids), list(ids)
        for token in generate(
            fitted.network, ids, sampling or Sampling(), seed, [*never, *unknown], fitted.mixture
        ):
            found.append(token)
            # Pieces of a letter, and blanks between words, show only with what follows.
            whole = vocabulary.decode(found)
            if whole.endswith("\N{REPLACEMENT CHARACTER}"):
                continue
            yield whole[len(told) :]
            found = found[-1:]
            told = vocabulary.decode(found)

    def evaluate(self, data: Any, learned: Any = None) -> Evaluation:
        """How well a text is known, beside n-gram models.

        Arguments:
            data: a `Text`, or what `read_text` reads.
            learned: the text that the n-grams learn from: the one given to `fit`. None: no
                n-grams.

        Raises:
            DataError: the text cannot be read, or holds fewer than two tokens.
        """
        fitted, text = self._fitted(), as_text(data)
        vocabulary, (documents, characters) = fitted.vocabulary, self._predicted(text)
        fitted.network.eval()
        own = losses = [text_losses(fitted.network, ids) for ids in documents]
        if fitted.mixture is not None:
            losses = list(map(fitted.mixture.losses, own, documents))
        scores = {MODEL: _scores(losses, characters)}
        if fitted.mixture is not None:
            scores[NETWORK] = _scores(own, characters)
        longest = max(range(len(losses)), key=lambda k: len(losses[k]))
        worst = worst_passages(
            losses[longest], vocabulary.decode, documents[longest], PASSAGE, WORST
        )
        unknown = 1 - vocabulary.coverage("\n".join(text.documents)).share
        found = Evaluation(text.name, scores, (), unknown, worst)
        return found if learned is None else found.beside(self.n_grams(text, learned))

    def n_grams(self, data: Any, learned: Any) -> Evaluation:
        """The n-gram models alone, on the tokens that the network predicts; as `evaluate`."""
        text, vocabulary = as_text(data), self._fitted().vocabulary
        documents, characters = self._predicted(text)
        base = [vocabulary.encode(document) for document in as_text(learned).documents]
        rows = table(base, documents, len(vocabulary), ORDERS, first=False)
        count = sum(len(ids) - 1 for ids in documents)
        scores = {
            gram_name(row.n, row.smoothing): Scores(row.loss, count, characters) for row in rows
        }
        return Evaluation(text.name, scores, rows, 0.0, ())

    def _predicted(self, text: Text) -> tuple[list[np.ndarray], int]:
        """The ids of every document, and the characters that their tokens but the first stand for.

        Raises:
            DataError: there is no such token.
        """
        vocabulary = self._fitted().vocabulary
        documents = [vocabulary.encode(document) for document in text.documents]
        documents = [ids for ids in documents if len(ids) > 1]
        if not documents:
            raise DataError(f"{text.name} holds fewer than two tokens; nothing can be predicted")
        first = sum(len(vocabulary.decode(ids[:1])) for ids in documents)
        return documents, sum(map(len, text.documents)) - first

    def save(self, folder: str | Path) -> Path:
        """Write a run folder, without pickle; `unrolled.load` is the inverse."""
        from .saving import save_language_model

        return save_language_model(self, Path(folder))

    @classmethod
    def load(cls, folder: str | Path, cell: Any = None) -> LanguageModel:
        """Open a run folder.

        Arguments:
            cell: the class of the cell, where it is not one of unrolled's own.

        Raises:
            RunError: the folder is no run, is damaged, or was written by a later version.
        """
        from .saving import load_language_model

        return load_language_model(Path(folder), cell)

    @property
    def updates_(self) -> int:
        """How many updates the whole training has."""
        return self._settings.total

    def check_arguments(self) -> None:
        """Raise ValueError, naming the argument, if one makes no sense."""
        super().check_arguments()
        if not 0 < self.validation < 1:
            raise ValueError(f"validation must lie between 0 and 1, got {self.validation!r}")

    def learn_vocabulary(self, text: Text) -> Vocabulary:
        """The tokens of a text."""
        return Vocabulary.learn(
            text, self.tokens, least=self.least, most=self.most, lower=self.lower
        )

    def _fitted(self) -> Fitted:
        self.check_fitted()
        return self.fitted_

    def _job(self, vocabulary: Vocabulary, learned: Text, held_out: Text) -> Job:
        machine = Machine(self.torch_device(), self.optimisation.precision)
        documents = encoded(vocabulary, learned, machine.device)
        validation = torch.cat(encoded(vocabulary, held_out, machine.device))
        tokens = sum(map(len, documents))
        self.plan_ = self.plan_for(tokens)
        network = self._network(vocabulary).to(machine.device)
        self.fitted_ = Fitted(vocabulary, self._architecture(vocabulary), network, learned.name)
        rows, steps = self._rows(tokens)
        part = (machine.rank, machine.processes)
        self._settings = self._training(tokens, rows * steps * machine.processes)
        draw = streams if self.sampling == "streams" else subsequences
        loss = StreamLoss(self.restart if self.sampling == "streams" else 0.0)
        return Job(
            model=network,
            loss=loss,
            batches=draw(documents, rows, steps, self.seed, part),
            validate=lambda model: _figures(estimated_loss(model, validation)),  # pyright: ignore
            settings=self._settings,
            keep=self._keep,
            machine=machine,
            carried={"state": loss},
        )

    def _keep(self, model: nn.Module) -> None:
        assert isinstance(model, LanguageNetwork | LanguageEnsemble)
        self.fitted_ = replace(self.fitted_, network=model)

    def plan_for(self, tokens: int) -> Plan:
        """Sizes and rates for a text of so many tokens, those that were asked for among them."""
        can_drop = bool(recurrent_weights(self.make_cell(1, 1)))
        plan = plan_for(self.tokens, tokens, self.passes, can_drop)
        asked = {name: getattr(self, name) for name in Plan.__dataclass_fields__}
        return replace(plan, **{name: v for name, v in asked.items() if v is not None})

    def _rows(self, tokens: int) -> tuple[int, int]:
        """Rows and steps of a batch; a short text has fewer."""
        rows = max(1, min(self.batch_size, (tokens - 1) // 8))
        return rows, max(1, min(self.steps, (tokens - 1) // rows))

    def _training(self, tokens: int, batch: int) -> TrainingSettings:
        plan = self.plan_
        updates = max(self.epochs, round(plan.passes * tokens / batch))
        return TrainingSettings(
            epochs=self.epochs,
            updates=updates // self.epochs,
            learning_rate=plan.learning_rate,
            weight_decay=plan.weight_decay,
            patience=self.patience,
            optimisation=self.optimisation,
        )

    def _architecture(self, vocabulary: Vocabulary) -> Architecture:
        plan = self.plan_
        return Architecture(
            self.cell_name,
            len(vocabulary),
            plan.embedding_size,
            plan.hidden_size,
            plan.num_layers,
            plan.dropout,
            plan.embedding_dropout,
            plan.weight_drop,
            plan.tied,
            plan.members,
        )

    def _network(self, vocabulary: Vocabulary) -> LanguageNetwork | LanguageEnsemble:
        network = self._architecture(vocabulary).build(self.make_cell, self.engine)
        self.start(network)
        return network


def _scores(losses: Sequence[np.ndarray], characters: int) -> Scores:
    """Of -log p of the tokens of every document."""
    return Scores(float(np.concatenate(losses).mean()), sum(map(len, losses)), characters)


def _figures(loss: float) -> dict[str, float]:
    """The figures of a validation."""
    return {"loss": loss, "perplexity": math.exp(min(loss, MOST_LOSS))}
