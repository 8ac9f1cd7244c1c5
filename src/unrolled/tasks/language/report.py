"""The report of a language model's run: scores beside n-grams, text it writes, where it errs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ...files import write_text
from ...report import Code, Facts, Items, Page, Picture, Pictures, Table, Text, Tile, Tiles
from ...report.charts import Line, lines_chart
from ...report.figures import inline_svg
from ...report.machine import machine, versions
from ...report.numbers import duration, number, percent
from ...report.page import Block, Key
from ...report.training import training_blocks
from .console import beats, describe, verdict
from .generation import Sampling
from .model import LanguageModel
from .results import MODEL, NETWORK, Evaluation

if TYPE_CHECKING:
    from .console import LanguageLog

LOSS = "-log p of the next token, in nats; dropout acts on the training loss only"
TEMPERATURES, WRITTEN = (0.5, 0.8, 1.0), 400
LOOKS = {
    "kneser-ney": ("orange", "dashed"),
    "witten-bell": ("green", "dotted"),
    "add-k": ("pink", "dashdot"),
}


def write_report(
    path: Path, model: LanguageModel, log: LanguageLog, found: Evaluation | None, command: str
) -> Path:
    """Write the report of a run as one HTML file that opens offline.

    Arguments:
        log: of the training, which has the text.
        found: of the model on the test part; None where nothing was held out.
        command: what was typed to train, for the reader to repeat.
    """
    fitted = model.fitted_
    page = Page(f"{fitted.text}: a language model", describe(model), _headline(model, found))
    findings = [f"{finding.kind}: {finding.text}" for finding in model.findings_]
    data: list[Block] = [Text(log.text.summary()), Text(fitted.vocabulary.summary())]
    page.section("Data", *data, *([Items(findings)] if findings else []))
    clip = model.optimisation.clip_norm
    page.section("Training", *training_blocks(model.history_, LOSS, "the one drawn", clip))
    if found is not None:
        page.section("Scores", *_scores(found))
        page.section("Worst passages", *_worst(found))
    page.section("What it writes", *_written(model))
    page.section("Settings", Code(command), Facts(_settings(model)))
    write_text(path, page.html())
    return path


def _headline(model: LanguageModel, found: Evaluation | None) -> list[Block]:
    if found is None:
        return [Text("Nothing was held out to test, so there are no scores.", "lead")]
    own, best = found.scores[MODEL], found.scores[found.best_baseline]
    tiles = [
        Tile(
            "perplexity",
            number(own.perplexity),
            f"{found.best_baseline}: {number(best.perplexity)}",
        ),
        Tile("nats a token", f"{own.loss:.4f}", f"{found.best_baseline}: {best.loss:.4f}"),
        Tile(
            "bits a character", f"{own.bits_per_character:.3f}", "comparable between vocabularies"
        ),
        Tile("training", duration(model.history_.seconds), f"on {model.torch_device().type}"),
    ]
    tone = "lead" if beats(found) else "lead bad"
    return [Text(f"On the test part: {verdict(found)}.", tone), Tiles(tiles)]


def _scores(found: Evaluation) -> list[Block]:
    told = [
        [
            f"{row.n}",
            row.smoothing,
            f"{row.stored:,}",
            f"{row.possible:.3g}",
            percent(row.unseen),
            f"{row.loss:.4f}",
            number(row.perplexity),
        ]
        for row in found.grams
    ]
    last = [
        [name, "", "", "", "", f"{scores.loss:.4f}", number(scores.perplexity)]
        for name, scores in found.scores.items()
        if name in (NETWORK, MODEL)
    ]
    header = ["n", "smoothing", "stored", "possible", "unseen", "nats a token", "perplexity"]
    caption = (
        "An n-gram model stores the n-grams that it has seen; as n grows there are ever more that "
        "it has not, so a longer memory ends in having seen nothing like it. The network's state "
        "has one size, whatever it remembers. Unseen: share of the test's n-grams."
    )
    if found.unknown:
        caption += f" {percent(found.unknown)} of the test's tokens are unknown to the vocabulary."
    if NETWORK in found.scores:
        caption += " This model is its network with an n-gram model mixed in."
    table = Table(header, [*told, *last], caption, names=2, strong=frozenset({(len(told), 5)}))
    return [Pictures([_by_n(found)]), table]


def _by_n(found: Evaluation) -> Picture:
    """Loss by n for each smoothing, and the model's."""
    grams = found.grams
    lines = []
    for smoothing, (hue, dash) in LOOKS.items():
        rows = [row for row in grams if row.smoothing == smoothing]
        key = Key(f"n-gram, {smoothing}", hue, dash)
        lines.append(Line(key, [row.n for row in rows], [row.loss for row in rows]))
    orders = sorted({row.n for row in grams})
    for name, dash in ((NETWORK, "dotted"), (MODEL, "line")):
        if name in found.scores:
            key, own = Key(name, "blue", dash), found.scores[name].loss
            lines.append(Line(key, orders, [own] * len(orders), width=2.0))
    svg = inline_svg(lines_chart(lines, "n", "nats a token"), "Loss by n.", height=220)
    caption = "Loss on the test part by how many tokens an n-gram model looks at."
    return Picture(svg, caption, [line.key for line in lines])


def _worst(found: Evaluation) -> list[Block]:
    if not found.worst:
        return [Text("The test part is too short to tell passages apart.")]
    rows = [[f"{p.start:,}", repr(p.text)[1:-1], f"{p.loss:.2f}"] for p in found.worst]
    caption = "The stretches of the test part that were predicted worst, none overlapping."
    return [Table(["from token", "text", "nats a token"], rows, caption, names=2)]


def _written(model: LanguageModel) -> list[Block]:
    blocks: list[Block] = []
    for temperature in TEMPERATURES:
        text = model.generate("", WRITTEN, sampling=Sampling(temperature), seed=0)
        blocks += [Text(f"At temperature {temperature:g}:", "quiet"), Code(text)]
    return blocks


def _settings(model: LanguageModel) -> list[tuple[str, str]]:
    plan = {name.replace("_", " "): f"{value}" for name, value in vars(model.plan_).items()}
    asked = ("batch_size", "steps", "sampling", "restart", "epochs", "seed")
    given = {name.replace("_", " "): f"{getattr(model, name)}" for name in asked}
    mixture = model.fitted_.mixture
    return [
        ("cell", model.fitted_.architecture.cell),
        *plan.items(),
        *given.items(),
        ("mixed", "no" if mixture is None else mixture.describe()),
        ("updates", model.describe_updates()),
        ("start of the cells", model.describe_initialisation()),
        ("versions", versions()),
        ("machine", machine(str(model.torch_device()))),
    ]
