"""Every task's defaults on real data, by the command that a user types.

    python benchmarks/tasks.py --data FOLDER [ROW ...] [--seeds 3]

FOLDER holds the data sets by the names below; `docs/` says where each comes from. A row trains by
`unrolled train`, once a seed, and prints the test figures of the run with their mean and spread
over the seeds, and the seconds from start to end of the command. The test parts are read by that
command alone.
"""

from __future__ import annotations

import argparse
import json
import platform
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import torch

MODEL = "this model"


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        command: what follows `unrolled train`; {data} is the folder of the data sets.
        figures: names of the test's scores, the first of them that of the bar.
        bar: what is to be reached, in words.
        minutes: within which.
    """

    command: str
    figures: tuple[str, ...]
    bar: str
    minutes: int


ROWS = {
    "shakespeare": Row(
        "language {data}/tinyshakespeare/input.txt",
        ("nats per token", "bits per character"),
        "at most 1.50 nats a character",
        3,
    ),
}


def run(row: Row, data: Path, seed: int, output: Path) -> dict[str, float]:
    """The test's figures of one training, and its seconds."""
    typed = row.command.format(data=shlex.quote(str(data)))
    command = [sys.executable, "-m", "unrolled", "train", *shlex.split(typed)]
    command += ["--seed", str(seed), "--output", str(output), "--quiet"]
    began = time.perf_counter()
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    seconds = time.perf_counter() - began
    folder = Path(done.stdout.strip().splitlines()[-1])
    tested = json.loads((folder / "metrics.json").read_text())["test"][MODEL]
    return {**{name: tested[name] for name in row.figures}, "seconds": seconds}


def spread(values: list[float]) -> str:
    """`0.9846 ± 0.0012`: mean and standard deviation."""
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{statistics.mean(values):.4f} ± {deviation:.4f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"{', '.join(ROWS)}; default all")
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--seeds", type=int, default=3)
    asked = parser.parse_args()
    if unknown := set(asked.rows) - set(ROWS):
        parser.error(f"no row {', '.join(sorted(unknown))}; choose from {', '.join(ROWS)}")
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {platform.machine()}")
    for name in asked.rows or ROWS:
        row = ROWS[name]
        print(f"\n{name}: {row.bar}, {row.minutes} min\n    unrolled train {row.command}")
        found = []
        for seed in range(asked.seeds):
            with tempfile.TemporaryDirectory() as output:
                found.append(run(row, asked.data, seed, Path(output)))
            figures = ", ".join(f"{key} {value:.4f}" for key, value in found[-1].items())
            print(f"    seed {seed}: {figures}", flush=True)
        for key in row.figures:
            print(f"    {key}: {spread([each[key] for each in found])}", flush=True)


if __name__ == "__main__":
    main()
