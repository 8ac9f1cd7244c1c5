"""What a language model says of itself on the command line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...data import Text, Vocabulary
from ...naming import counted
from ...report.numbers import number, percent
from ..console import Column, Console, TrainingLog
from ..runs import METRICS, read_json
from .model import LanguageModel
from .results import MODEL, NETWORK, Evaluation, Scores

# What `check --show` shows of a text: lines, and tokens of each.
SHOWN_LINES, SHOWN_TOKENS = 4, 12


class LanguageLog(TrainingLog):
    """The log of a language model's training.

    Arguments:
        text: all of it.
        learned: the part that the model and the n-grams learn from.
        test: the part that is held out, or None.
        further: as `TrainingLog` takes them.
    """

    def __init__(self, text: Text, learned: Text, test: Text | None, *further: Any):
        super().__init__(*further)
        self.text, self.learned, self.test = text, learned, test
        self.baselines: Evaluation | None = None

    def opening(self, learner: LanguageModel) -> Iterator[tuple[str, str]]:
        yield "data", self.text.summary()
        for finding in learner.findings_:
            yield finding.kind, finding.text
        held_out = "no test" if self.test is None else f"test {_size(self.test)}, the end"
        share = percent(learner.validation)
        learned = _size(self.learned)
        yield "split", f"train on {learned} but {share} to validate, spread | {held_out}"

    def before_training(self, learner: LanguageModel) -> Iterator[tuple[str, str]]:
        yield "tokens", learner.fitted_.vocabulary.summary()
        if self.test is not None and self.is_main:
            self.baselines = learner.n_grams(self.test, self.learned)
            yield "baseline", baseline_line(self.baselines)
        yield "model", describe(learner)

    def columns(self, learner: LanguageModel) -> list[Column]:
        return [Column("val perplexity", "perplexity", 16, 2)]

    def tested(self, learner: LanguageModel, found: Evaluation | None) -> None:
        """Say how training ended, and what the test says."""
        self.ended(learner)
        if learner.mixed:
            mixture = learner.fitted_.mixture
            told = mixture.describe() if mixture else "no n-gram model makes the network better"
            self.console.line("mixed", told)
        if found is not None:
            self.console.line("test", verdict(found), style="" if beats(found) else "red")


def baseline_line(found: Evaluation) -> str:
    """The n-gram models by n, and which is to beat."""
    best = found.best_baseline
    shown = {name: found.scores[name] for name in found.scores if name != MODEL}
    by_n = [f"{name} {number(s.loss)}" for name, s in shown.items() if name == best]
    simplest = next(iter(shown))
    parts = [f"{simplest} {number(shown[simplest].loss)}", *by_n]
    return f"test nats a token: {', '.join(dict.fromkeys(parts))}   <- to beat: {best}"


def beats(found: Evaluation) -> bool:
    """Whether the model is better than every n-gram."""
    if len(found.scores) == 1:
        return True
    return found.scores[MODEL].loss < found.scores[found.best_baseline].loss


def verdict(found: Evaluation) -> str:
    """One sentence: the model beside the best n-gram."""
    own = found.scores[MODEL]
    told = f"{_told(own)}, {counted(own.tokens, 'token')}"
    if len(found.scores) == 1:
        return told
    best = found.best_baseline
    word = "below" if beats(found) else "above"
    apart = abs(own.loss - found.scores[best].loss)
    alone = found.scores.get(NETWORK)
    told += f" (the network alone {alone.loss:.4f})" if alone else ""
    return f"{told}; {number(apart)} {word} the best n-gram ({best}, {_told(found.scores[best])})"


def _told(scores: Scores) -> str:
    return (
        f"{scores.loss:.4f} nats a token, perplexity {number(scores.perplexity)}, "
        f"{scores.bits_per_character:.3f} bits a character"
    )


def describe(learner: LanguageModel) -> str:
    """`lstm 1x512, 1.2M parameters, 8 passes of 903,854 tokens`."""
    plan, fitted = learner.plan_, learner.fitted_
    size = sum(p.numel() for p in fitted.network.parameters())
    several = f"{plan.members} times " if plan.members > 1 else ""
    shape = f"{several}{fitted.architecture.cell} {plan.num_layers}x{plan.hidden_size}"
    tied = ", tied" if plan.tied else ""
    return (
        f"{shape}, embeddings of {plan.embedding_size}{tied}, {size:,} parameters, "
        f"{number(plan.passes)} passes, {counted(learner.updates_, 'update')}"
    )


def show(console: Console, text: Text, vocabulary: Vocabulary, embedding_size: int) -> None:
    """A text on its way to the network: raw text, tokens, ids, the padded tensor, its shape."""
    from ...data.vocabulary import pad

    lines = [line for line in "\n".join(text.documents).split("\n") if line.strip()]
    rows = []
    for line in lines[:SHOWN_LINES]:
        tokens, ids = vocabulary.tokenize(line), vocabulary.encode(line)
        rows.append(ids[:SHOWN_TOKENS])
        more = " ..." if len(ids) > SHOWN_TOKENS else ""
        console.line("text", line if len(line) <= 60 else line[:60] + " ...")
        console.line("tokens", " ".join(map(repr, tokens[:SHOWN_TOKENS])) + more)
        console.line("ids", " ".join(map(str, ids[:SHOWN_TOKENS])) + more)
    padded = pad(rows)
    console.line("padded", f"[{', '.join(map(str, padded.ids.shape))}], and where it is valid")
    for ids, valid in zip(padded.ids, padded.valid, strict=True):
        mask = "".join("x" if known else "." for known in valid)
        console.line("", f"{' '.join(f'{token:>4}' for token in ids)}   {mask}")
    shape = [*padded.ids.shape, embedding_size]
    console.line("embedded", f"[samples, steps, features] = {shape}")


def _size(text: Text) -> str:
    return counted(text.characters, "character")


def describe_run(run: Path, model: LanguageModel) -> Iterator[tuple[str, str]]:
    """What a run folder holds."""
    fitted = model.fitted_
    built = fitted.architecture
    several = f"{built.members} times " if built.members > 1 else ""
    shape = f"{built.num_layers}x{built.hidden_size}"
    size = sum(p.numel() for p in fitted.network.parameters())
    yield "text", fitted.text
    yield "tokens", fitted.vocabulary.summary()
    yield "model", f"{several}{built.cell} {shape}, {size:,} parameters"
    if fitted.mixture is not None:
        yield "mixed", fitted.mixture.describe()
    if (run / METRICS).exists():
        for name, scores in read_json(run / METRICS).get("test", {}).items():
            if name == MODEL:
                told = ", ".join(f"{key} {number(value)}" for key, value in scores.items())
                yield "test", told
