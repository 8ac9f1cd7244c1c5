"""The page that `unrolled inspect` writes: what a trained network does, and what is wrong with it.

A task gives a `Subject`: its model examined on real examples, and the log of its training. The
page and the verdict are the same for all tasks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..dynamics.advice import Diagnosis, diagnoses_of_training
from ..dynamics.examination import Examination, LayerExamination
from ..dynamics.figures import (
    keys_of,
    paint_exponents,
    paint_flow,
    paint_gates,
)
from ..dynamics.plane import clouds_of, draw_plane
from ..files import write_text
from ..naming import counted
from ..report import Facts, Items, Page, Picture, Pictures, Table, Text, Tile, Tiles
from ..report.figures import inline_svg
from ..report.machine import versions
from ..report.numbers import number, percent
from ..report.page import Block
from ..report.training import training_blocks
from ..training import History

# The page's name in a run folder.
INSPECTION = "inspect.html"
# Illnesses by the section that shows them.
OF_MEMORY = ("exploding gradient", "vanishing gradient")
OF_SPECTRUM = ("exploding gradient", "unstable")
OF_UNITS = ("dead units", "saturated units", "idle units")
OF_GATES = ("forgetful gates",)
OF_STABILITY = ("unstable",)
WELL = "Nothing is wrong here."


@dataclass(frozen=True)
class Example:
    """One sequence whose gates are shown.

    Attributes:
        layer: of which layer, by its qualified name.
        sequence: its place in the batch.
        title: what it is.
        above: what was read, for the panel above the gates: a name and a number for each step.
    """

    layer: str
    sequence: int
    title: str
    above: tuple[str, Sequence[float]] | None = None


@dataclass(frozen=True)
class Subject:
    """What a task shows of a run.

    Attributes:
        title, subtitle: of the page.
        examination: of its model on real examples.
        batch: what those examples are, in a sentence.
        examples: those whose gates are drawn.
        log: of the training; None where there is none.
        loss, start: as `report.training.training_blocks` takes them.
        clip_norm: to which gradients were cut in training.
        remarks: what else must be known of the model to read the page.
        facts: names and values for the end of the page.
    """

    title: str
    subtitle: str
    examination: Examination
    batch: str
    examples: Sequence[Example]
    log: History | None
    loss: str
    start: str
    clip_norm: float | None = None
    remarks: Sequence[str] = ()
    facts: Mapping[str, str] = field(default_factory=dict)

    @property
    def diagnoses(self) -> list[Diagnosis]:
        """What is wrong with the model and its training, the gravest first."""
        found = list(self.examination.diagnoses)
        found += [] if self.log is None else diagnoses_of_training(self.log, self.clip_norm)
        return sorted(found, key=lambda diagnosis: diagnosis.rank)


def verdict(subject: Subject) -> list[tuple[str, str]]:
    """The verdict in plain text: a word and a sentence, for each line."""
    lines = [("memory", subject.examination.memory())]
    lines += [("note", remark) for remark in subject.remarks]
    for layer in subject.examination.layers:
        figures = _figures(layer, subject.examination.context.unit)
        lines.append(("layer", f"{layer.label}: {', '.join(figures)}"))
    diagnoses = subject.diagnoses
    lines += [(d.illness, f"{d.text} {d.advice}") for d in diagnoses]
    return lines if diagnoses else [*lines, ("verdict", "No illness was found.")]


def _figures(layer: LayerExamination, unit: str) -> list[str]:
    """The figures of one layer, in words."""
    horizon = layer.horizon
    found = [f"memory horizon {'beyond the sequence' if horizon is None else f'{horizon} {unit}'}"]
    if layer.lyapunov is not None:
        found.append(f"largest Lyapunov exponent {_exponent(layer)}")
    shares = {name: gate.share for name, gate in layer.trace.saturation().items()}
    if shares:
        most = max(shares, key=lambda name: shares[name])
        found.append(f"saturated at most {percent(shares[most])} ({most})")
    return found


def _exponent(layer: LayerExamination) -> str:
    assert layer.lyapunov is not None, "the caller has looked"
    return f"{float(layer.lyapunov.exponents[0]):.3f}"


def write_inspection(path: Path, subject: Subject) -> Path:
    """Write the page as one HTML file that opens offline."""
    page = Page(subject.title, subject.subtitle, _opening(subject))
    for title, blocks in _sections(subject):
        page.section(title, *blocks)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, page.html())
    return path


def _opening(subject: Subject) -> list[Block]:
    found, diagnoses = subject.examination, subject.diagnoses
    wrong = counted(len(diagnoses), "thing") + " to look at" if diagnoses else "no illness found"
    blocks: list[Block] = [Text(f"{found.memory()} {wrong[0].upper()}{wrong[1:]}.", "lead")]
    blocks += [Text(remark) for remark in subject.remarks]
    if diagnoses:
        blocks.append(Items([f"{d.illness.capitalize()}: {d.text} {d.advice}" for d in diagnoses]))
    return [*blocks, Tiles(_tiles(found))]


def _tiles(found: Examination) -> list[Tile]:
    context, horizon = found.context, found.horizon
    beyond = f"over {context.given:,}" if horizon is None else f"{horizon:,}"
    tiles = [Tile("memory horizon", beyond, f"{context.unit}, of {context.given:,} of context")]
    known = [layer for layer in found.layers if layer.lyapunov is not None]
    if known:
        most = max(known, key=lambda layer: float(layer.lyapunov.exponents[0]))  # pyright: ignore
        tiles.append(Tile("largest Lyapunov exponent", _exponent(most), f"in {most.label}"))
    shares = [g.share for layer in found.layers for g in layer.trace.saturation().values()]
    if shares:
        tiles.append(Tile("saturated", percent(max(shares)), "of units and steps, the worst gate"))
    return tiles


def _sections(subject: Subject) -> Iterable[tuple[str, list[Block]]]:
    found = subject.examination
    yield "Memory", _memory(subject)
    yield "Gates on real examples", _gates(subject)
    yield "Units", _units(subject)
    yield "Spectrum", _spectrum(subject)
    yield "Stability", _stability(subject)
    blocks = training_blocks(subject.log, subject.loss, subject.start, subject.clip_norm)
    told = (
        [] if subject.log is None else list(diagnoses_of_training(subject.log, subject.clip_norm))
    )
    yield "Training", [*blocks, *(Text(f"{d.text} {d.advice}") for d in told)]
    facts = {"looked at": subject.batch, "layers": str(len(found.layers)), **subject.facts}
    yield "Settings", [Facts([*facts.items(), ("versions", versions())])]


def _told(subject: Subject, illnesses: Sequence[str]) -> str:
    """What one could do about these illnesses, each advice once."""
    advice = [d.advice for d in subject.diagnoses if d.illness in illnesses]
    return " ".join(dict.fromkeys(advice)) or WELL


def _memory(subject: Subject) -> list[Block]:
    found = subject.examination
    flow, unit = found.flow, found.context.unit
    strides = {layer.name: layer.stride for layer in found.layers}
    keys = keys_of([layer.label for layer in found.layers])
    reached = any(layer.flow.loss is not None for layer in found.layers)
    pictures = []
    if reached:
        of_loss = paint_flow(flow, strides, unit, legend=False)
        caption = (
            "How much of the gradient of the loss at one step is left so many steps before, the "
            "median and the quartiles over many steps; below the dashed line it is forgotten. "
            f"{_told(subject, OF_MEMORY)}"
        )
        pictures.append(Picture(inline_svg(of_loss, "Gradient of the loss by lag."), caption))
    of_state = paint_flow(flow, strides, unit, of="state", legend=False)
    caption = (
        "The same of the whole state, over all directions: what a layer could remember. Where "
        "this lies far above the loss's, the memory is there and the loss does not use it."
    )
    pictures.append(Picture(inline_svg(of_state, "Gradient of the last state by lag."), caption))
    blocks: list[Block] = [] if reached else [Text("No gradient of the loss reaches the network.")]
    return [*blocks, Pictures(pictures, keys)]


def _gates(subject: Subject) -> list[Block]:
    layers = {layer.name: layer for layer in subject.examination.layers}
    pictures = []
    for example in subject.examples:
        trace = layers[example.layer].trace
        paint = paint_gates(trace, example.sequence, example.above)
        shown = len(trace.gates or trace.states)
        svg = inline_svg(paint, f"Gates of {example.title}", height=60 + 45 * shown)
        pictures.append(Picture(svg, f"{layers[example.layer].label}: {example.title}"))
    text = (
        "Every unit is a row, every step a column; units are sorted by their mean. A gate of one "
        "colour does nothing; stripes follow the data, rows of different shades keep it for "
        f"different times. {_told(subject, OF_GATES)}"
    )
    return [Text(text), Pictures(pictures)]


def _units(subject: Subject) -> list[Block]:
    rows = []
    for layer in subject.examination.layers:
        for name, gate in layer.trace.saturation().items():
            stuck = f"{int(gate.stuck.sum())} of {len(gate.stuck)}"
            ends = [percent(float(part.mean())) for part in (gate.low, gate.high)]
            rows.append([layer.label, name, gate.function, *ends, stuck])
        for name, idle in layer.trace.idle().items():
            rows.append(
                [layer.label, f"state {name}", "", "", "", f"{int(idle.sum())} of {len(idle)}"]
            )
    header = ["layer", "value", "function", "at its least", "at its largest", "always"]
    caption = (
        "Share of units and steps within a twentieth of the range of either end, where little "
        "gradient passes, and units that are there nearly always (of a state: that never change). "
        f"{_told(subject, OF_UNITS)}"
    )
    return [Table(header, rows, caption, names=3)]


def _spectrum(subject: Subject) -> list[Block]:
    pictures = []
    for layer in subject.examination.layers:
        spectra = layer.spectra

        def paint(figure, spectra=spectra):
            draw_plane(figure.add_subplot(), clouds_of(spectra))

        radii = ", ".join(
            f"{symbol} {number(float(each.spectral_radius))}"
            for symbol, each in {**spectra.recurrent, "J at rest": spectra.at_rest}.items()
            if each.eigenvalues.shape[-1]
        )
        caption = f"{layer.label}. Largest modulus: {radii}."
        svg = inline_svg(paint, f"Eigenvalues of {layer.label}.", height=300)
        pictures.append(Picture(svg, caption))
    text = (
        "Eigenvalues of the recurrent matrices, and of the Jacobian of the whole step along real "
        "examples; the unit circle parts what shrinks from what grows. Near the circle is memory, "
        f"outside gradients explode. {_told(subject, OF_SPECTRUM)}"
    )
    return [Text(text), Pictures(pictures)]


def _stability(subject: Subject) -> list[Block]:
    layers = subject.examination.layers
    blocks: list[Block] = [
        Text(f"{layer.label}: {layer.unknown}") for layer in layers if layer.lyapunov is None
    ]
    known = [layer for layer in layers if layer.lyapunov is not None]
    if not known:
        return blocks
    named = {layer.label: layer.lyapunov for layer in known if layer.lyapunov is not None}
    largest = "; ".join(f"{layer.label} {_exponent(layer)}" for layer in known)
    caption = (
        "Lyapunov exponents per step of the layer, the largest first, driven by what it read. "
        f"Largest: {largest}. Below 0 two copies that started apart agree in the end and small "
        f"errors die; above 0 they grow. {_told(subject, OF_STABILITY)}"
    )
    svg = inline_svg(paint_exponents(list(named.values())), "Lyapunov exponents by rank.")
    return [*blocks, Pictures([Picture(svg, caption, keys_of(list(named)))])]
