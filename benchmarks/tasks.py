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

from unrolled.tasks.caption import composed_digits

MODEL = "this model"


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        command: what follows `unrolled train`; {data} is the folder of the data sets.
        figures: names of the test's scores, with what is to be reached.
        minutes: within which.
    """

    command: str
    figures: dict[str, str]
    minutes: int


ROWS = {
    "shakespeare": Row(
        "language {data}/tinyshakespeare/input.txt",
        {"nats per token": "<= 1.50", "bits per character": ""},
        3,
    ),
    "shakespeare-long": Row(
        "language {data}/tinyshakespeare/input.txt --passes 18",
        {"nats per token": "<= 1.44", "bits per character": ""},
        20,
    ),
    "chorales": Row("music {data}/poly_music/JSB_Chorales.mat", {"NLL": "<= 8.25"}, 1),
    "surnames": Row(
        "classify {data}/names --unique --no-accents", {"accuracy": ">= 0.815", "macro F1": ""}, 1
    ),
    "messages": Row(
        "classify {data}/sms_spam/SMSSpamCollection", {"F1 spam": ">= 0.95", "accuracy": ""}, 2
    ),
    "pen-digits": Row(
        "classify {data}/pendigits/pendigits.tra --test {data}/pendigits/pendigits.tes "
        "--columns-per-step 2",
        {"accuracy": ">= 0.985"},
        1,
    ),
    "vowels": Row(
        "classify {data}/japanese_vowels/JapaneseVowels_TRAIN.ts "
        "--test {data}/japanese_vowels/JapaneseVowels_TEST.ts",
        {"accuracy": ">= 0.98"},
        1,
    ),
    "intents": Row('classify {data}/snips --test "validate_*"', {"accuracy": ">= 0.975"}, 3),
    "spoken-digits": Row(
        'speech {data}/fsdd/recordings.zip --test "*_[0-4].wav"', {"accuracy": ">= 0.985"}, 3
    ),
    "tags": Row(
        "tag {data}/ud_english_atis/en_atis-ud-train.conllu "
        "--validation {data}/ud_english_atis/en_atis-ud-dev.conllu "
        "--test {data}/ud_english_atis/en_atis-ud-test.conllu",
        {"accuracy": ">= 0.98", "whole sentences": ""},
        5,
    ),
    "phonemes": Row("translate cmudict", {"symbol error": "<= 0.062", "sequence error": ""}, 20),
    "french": Row(
        "translate {data}/tatoeba/fra-eng.zip --shortest 40000 --test 0.05",
        {"BLEU": ">= 40", "chrF": ""},
        20,
    ),
    "silverbox": Row(
        "identify {data}/silverbox/SNLS80mV.csv --test 0:40000 --stretches 0:25000,25000:40000",
        {
            "simulation RMSE": "<= 0.0025 V",
            "RMSE 0:25000": "<= 0.00024 V",
            "RMSE 25000:40000": "",
        },
        10,
    ),
    "captions": Row("caption {data}/digits", {"exact match": ">= 0.95", "BLEU": ""}, 5),
}


Scores = dict[str, dict[str, float]]


def run(row: Row, data: Path, seed: int, output: Path) -> tuple[Scores, float]:
    """The test's scores of one training and of its baselines, and its seconds."""
    typed = row.command.format(data=shlex.quote(str(data)))
    command = [sys.executable, "-m", "unrolled", "train", *shlex.split(typed)]
    command += ["--seed", str(seed), "--output", str(output), "--quiet"]
    began = time.perf_counter()
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    seconds = time.perf_counter() - began
    folder = Path(done.stdout.strip().splitlines()[-1])
    return json.loads((folder / "metrics.json").read_text())["test"], seconds


def told(row: Row, scores: dict[str, float]) -> str:
    """`accuracy 0.9846, macro F1 0.983`; what a baseline does not have is left out."""
    return ", ".join(f"{name} {scores[name]:.5g}" for name in row.figures if name in scores)


def spreads(row: Row, found: list[dict[str, float]]) -> str:
    """The same of several seeds: `accuracy 0.9846 ± 0.0012`."""
    there = [name for name in row.figures if all(name in scores for scores in found)]
    return ", ".join(f"{name} {spread([scores[name] for scores in found])}" for name in there)


def spread(values: list[float]) -> str:
    """`0.9846 ± 0.0012`: mean and standard deviation."""
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{statistics.mean(values):.5g} ± {deviation:.2g}"


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
        if name == "captions" and not (asked.data / "digits").exists():
            composed_digits().write(asked.data / "digits")
        print(f"\n{name}, {row.minutes} min\n    unrolled train {row.command}", flush=True)
        found: list[Scores] = []
        for seed in range(asked.seeds):
            with tempfile.TemporaryDirectory() as output:
                scores, seconds = run(row, asked.data, seed, Path(output))
            found.append(scores)
            print(f"    seed {seed}: {told(row, scores[MODEL])}, {seconds:.0f} s", flush=True)
        for key in row.figures:
            print(f"    {key} {row.figures[key]}: {spread([each[MODEL][key] for each in found])}")
        for other in list(found[0])[1:]:
            print(f"    {other}: {spreads(row, [scores[other] for scores in found])}")


if __name__ == "__main__":
    main()
