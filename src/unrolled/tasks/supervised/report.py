"""The report of a run that learned from samples, and its model card: README.md."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ... import __version__
from ...files import write_text
from ...naming import counted
from ...report import Code, Facts, Items, Page, Text, Tile, Tiles
from ...report.machine import machine, versions
from ...report.numbers import duration
from ...report.page import Block
from ...report.training import training_blocks
from ..arguments import arguments_of
from .console import describe, describe_network
from .model import SupervisedEstimator
from .scores import Evaluation, scores_table

if TYPE_CHECKING:
    from .console import SupervisedLog


class Parts:
    """What a task adds to report and card; each task has a subclass.

    Attributes:
        title: of a model on data called NAME: "{data}: a classifier".
        limits: what it cannot do, for the card.
        usage: how it is used from Python, for the card; `model` is the opened run.
        predict: what follows `unrolled predict RUN`.
    """

    title = "{data}"
    limits = ""
    usage = ""
    predict = "INPUT"

    def data(self, model: Any, data: Any) -> Sequence[Block]:
        """What else is to be said of the data."""
        return []

    def scores(self, model: Any, found: Evaluation) -> Sequence[Block]:
        """What stands below the table of scores."""
        return []

    def worst(self, model: Any, found: Evaluation) -> Sequence[Block]:
        """The worst cases."""
        return [Text("There are none to show.")] if found.worst is None else [found.worst]

    def sections(
        self, model: Any, data: Any, found: Evaluation | None
    ) -> Sequence[tuple[str, Sequence[Block]]]:
        """Further sections, titles and blocks."""
        return []


@dataclass(frozen=True)
class Told:
    """What a report is made of.

    Attributes:
        model: fitted.
        log: of its training, which has the data.
        found: of the model on the test part; None where nothing was held out.
        command: what was typed to train, for the reader to repeat.
    """

    model: SupervisedEstimator
    log: SupervisedLog
    found: Evaluation | None
    command: str


def write_report(path: Path, told: Told, parts: Parts) -> Path:
    """Write the report of a run as one HTML file that opens offline."""
    model, log, found = told.model, told.log, told.found
    title = parts.title.format(data=model.fitted_.data)
    page = Page(title, describe(model), _headline(model, found))
    findings = [f"{finding.kind}: {finding.text}" for finding in model.findings_]
    data = [Text(f"{log.data.summary()}."), Text(f"{model.describe_split(log.learned, log.test)}.")]
    coding = [Text(f"{word}: {text}") for word, text in model.fitted_.coding.summary()]
    listed = [Items(findings)] if findings else []
    page.section("Data", *data, *coding, *parts.data(model, log.data), *listed)
    clip, start = model.optimisation.clip_norm, model.describe_start()
    page.section("Training", *training_blocks(model.history_, model.loss_name, start, clip))
    if found is not None:
        table = scores_table(found.metrics, found.scores)
        page.section("Scores", table, *parts.scores(model, found))
        page.section("Worst cases", *parts.worst(model, found))
    for name, blocks in parts.sections(model, log.data, found):
        page.section(name, *blocks)
    page.section("Settings", Code(told.command), Facts(_settings(model)))
    write_text(path, page.html())
    return path


def _headline(model: SupervisedEstimator, found: Evaluation | None) -> list[Block]:
    took = Tile("training", duration(model.history_.seconds), f"on {model.torch_device().type}")
    if found is None:
        untested = "Nothing was held out to test, so there are no scores."
        return [Text(untested, "lead"), Tiles([took])]
    best, tiles = found.best_baseline, []
    for metric in found.metrics:
        if metric.key in found.own:
            other = found.scores[best].get(metric.key) if best else None
            beside = "" if other is None else f"{best}: {metric.show(other)}"
            tiles.append(Tile(metric.key, metric.show(found.own[metric.key]), beside))
    tone = "lead" if found.beats else "lead bad"
    return [Text(f"On the test part: {found.verdict()}.", tone), Tiles([*tiles, took])]


def _settings(model: SupervisedEstimator) -> list[tuple[str, str]]:
    given = {each.name: getattr(model, each.name) for each, _ in arguments_of(type(model))}
    settings = {**given, **asdict(model.fitted_.plan), "cell": model.cell_name}
    del settings["initialisation"]
    return [
        *((name.replace("_", " "), f"{v}") for name, v in settings.items() if v is not None),
        ("updates", model.describe_updates()),
        ("start of the cells", model.describe_initialisation()),
        ("versions", versions()),
        ("machine", machine(str(model.torch_device()))),
    ]


def model_card(told: Told, parts: Parts) -> str:
    """What the model is, how good, for what, and how to use it."""
    model, epochs = told.model, counted(len(told.model.history_.epochs) - 1, "epoch")
    verdict = "" if told.found is None else f"On the test part: {told.found.verdict()}."
    usage = [
        "## Use",
        f'```python\nimport unrolled as ur\n\nmodel = ur.load("this folder")\n{parts.usage}\n```',
        f"On the command line: `unrolled predict RUN {parts.predict}`, "
        "`unrolled evaluate RUN DATA`, `unrolled inspect RUN`.",
    ]
    lines = [
        f"# {parts.title.format(data=model.fitted_.data)}",
        verdict or "Nothing was held out to test, so there is no score.",
        f"{describe_network(model)}.",
        f"Trained by unrolled {__version__} with `{told.command}`; epoch "
        f"{model.history_.best.epoch} of {epochs} is kept.",
        f"## Limits\n\n{parts.limits}",
        *usage,
    ]
    return "\n\n".join(lines) + "\n"
