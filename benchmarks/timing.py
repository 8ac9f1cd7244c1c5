"""Functions timed in turn, so that a noisy machine is unfair to all of them alike."""

import statistics
import time
from collections.abc import Callable, Mapping

Timed = Callable[[], object]


def milliseconds(functions: Mapping[str, Timed], runs: int) -> dict[str, float]:
    """The median of each function's times, run in turn `runs` times after two rounds unseen.

    Each is run once more before it is timed, so that none pays for what the one before it left in
    the caches.
    """
    taken: dict[str, list[float]] = {name: [] for name in functions}
    for run in range(runs + 2):
        for name, function in functions.items():
            function()
            start = time.perf_counter()
            function()
            if run >= 2:
                taken[name].append(1e3 * (time.perf_counter() - start))
    return {name: statistics.median(times) for name, times in taken.items()}


def table(*titles: str) -> None:
    """Print the head of a table."""
    print("\n| " + " | ".join(titles) + " |\n|" + "---|" * len(titles))


def row(*entries: object) -> None:
    """Print a row: numbers with two digits after the point."""
    texts = [f"{e:.2f}" if isinstance(e, float) else str(e) for e in entries]
    print("| " + " | ".join(texts) + " |", flush=True)
