"""Memory and time of a training step against T: python benchmarks/memory.py.

An LSTM with a linear readout (B, I, H = 32, 64, 128) by full, truncated (window 100) and
checkpointed BPTT, natively and eagerly. Each number is of a process of its own, which makes a
step over 50 steps of time, then one over all T.

One thread computes. Memory is how far the resident memory of the process rises above what it holds
before that, with the inputs in memory: `VmHWM` of /proc/self/status, set back by
/proc/self/clear_refs (Linux). What is freed goes back to the system at once
(`MALLOC_MMAP_THRESHOLD_`), or its gaps would count; the time is that of a process without this.
The table is printed, the picture is docs/memory.svg.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

import unrolled as ur
from timing import row, table
from unrolled.report.figures import Paint, colour, dashes, save_figure
from unrolled.training.losses import squared_error
from unrolled.training.segments import CheckpointedBPTT, FullBPTT
from unrolled.training.truncated import TruncatedBPTT

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BATCH, INPUTS, HIDDEN = 32, 64, 128
STEPS = (250, 500, 1000, 2000, 4000, 8000, 16000)
REGIMES = {
    "full": FullBPTT(),
    "truncated": TruncatedBPTT(100),
    "checkpointed": CheckpointedBPTT(),
}
COLOURS = {"full": "orange", "truncated": "blue", "checkpointed": "green"}
MARKS = {"full": "o", "truncated": "s", "checkpointed": "^"}
Found = dict[tuple[str, str], list[tuple[int, float, float]]]


class Model(nn.Module):
    """A function of inputs and state."""

    def __init__(self, engine: str):
        super().__init__()
        self.layer = ur.nn.LSTM(INPUTS, HIDDEN, batch_first=True, engine=engine)
        self.readout = nn.Linear(HIDDEN, 1)

    def forward(self, inputs: Tensor, state: tuple[Tensor, Tensor] | None) -> tuple[Tensor, object]:
        outputs, state = self.layer(inputs, state)
        return self.readout(outputs), state


def training_step(model: Model, regime: str, inputs: Tensor, targets: Tensor) -> None:
    for total in REGIMES[regime].losses(model, squared_error, inputs, targets):
        total.total.backward()


def resident(what: str) -> float:
    """MiB of this process: "VmRSS" now, "VmHWM" at most."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(what))


def measure(regime: str, engine: str, steps: int) -> None:
    """Print MiB and seconds of one row."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model, inputs = Model(engine), torch.randn(BATCH, steps, INPUTS)
    targets = torch.randn(BATCH, steps, 1)
    training_step(model, regime, inputs[:, :50], targets[:, :50])
    Path("/proc/self/clear_refs").write_text("5")
    before, start = resident("VmRSS"), time.perf_counter()
    training_step(model, regime, inputs, targets)
    print(json.dumps([resident("VmHWM") - before, time.perf_counter() - start]))


def measured_apart(regime: str, engine: str, steps: int) -> tuple[float, float]:
    command = [sys.executable, __file__, "--measure", regime, engine, str(steps)]
    numbers = []
    for settings in ({"MALLOC_MMAP_THRESHOLD_": "8192"}, {}):
        done = subprocess.run(
            command, capture_output=True, text=True, check=True, env=os.environ | settings
        )
        numbers.append(json.loads(done.stdout))
    return numbers[0][0], numbers[1][1]


def paint(found: Found) -> Paint:
    def on(figure: "Figure") -> None:
        axes = figure.subplots(1, 2)
        for at, (ax, title) in enumerate(zip(axes, ("memory, MiB", "time, s"), strict=True)):
            for (regime, engine), points in found.items():
                times, values = [p[0] for p in points], [p[1 + at] for p in points]
                ax.plot(
                    times,
                    values,
                    color=colour(COLOURS[regime]),
                    linestyle=dashes("line" if engine == "native" else "dashed"),
                    marker=MARKS[regime],
                    markersize=3,
                    label=f"{regime}, {engine}",
                )
            every = sorted({p[0] for points in found.values() for p in points})
            ax.set(xscale="log", yscale="log", xlabel="T, steps", xticks=every)
            ax.set_xticklabels([f"{t:,}" for t in every], rotation=45)
            ax.minorticks_off()
            # As numbers: figures draw no formulas, as which powers of ten would come.
            ax.yaxis.set_major_formatter("{x:g}")
            ax.set_title(f"a training step: {title}", loc="left", fontsize=9)
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)

    return on


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, nargs="+", default=STEPS)
    parser.add_argument("--engines", nargs="+", default=["native", "eager"])
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        regime, engine, steps = arguments.measure
        measure(regime, engine, int(steps))
        return
    print(f"B, I, H = {BATCH}, {INPUTS}, {HIDDEN}; {platform.processor() or platform.machine()}, "
          f"torch {torch.__version__}, 1 thread")  # fmt: skip
    table("BPTT", "engine", "T", "MiB", "s")
    found: Found = {}
    for engine in arguments.engines:
        for regime in REGIMES:
            for steps in arguments.steps:
                mebibytes, seconds = measured_apart(regime, engine, steps)
                found.setdefault((regime, engine), []).append((steps, mebibytes, seconds))
                row(regime, engine, steps, mebibytes, seconds)
    path = Path(__file__).parent.parent / "docs" / "memory.svg"
    print(save_figure(paint(found), path, height=220, width=520, white=True))


if __name__ == "__main__":
    main()
