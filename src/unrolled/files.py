"""Files that are written whole or not at all, and never pickled.

A file is written under another name and then renamed: a crash leaves the old file or the new one.
"""

import csv
import io
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import Tensor


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a file beside `path`, then put it in place of `path`.

    Folders that are not there are made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        write(beside)
        # Some writers leave a file that only its owner can read.
        os.chmod(beside, 0o666 & ~_umask())
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def remove_halves(folder: Path) -> None:
    """Remove what a process that was killed while it wrote has left in a folder."""
    for beside in folder.glob(".*.*"):
        if beside.name.rpartition(".")[2].isdigit():
            beside.unlink(missing_ok=True)


@contextmanager
def held(path: Path, refusal: str) -> Iterator[None]:
    """Keep other processes off a folder, or a file, which is made if it is not there.

    The system lets go of it when this process ends, however it does.

    Raises:
        ValueError: with `refusal`, if another process holds it.
    """
    try:
        import fcntl
    except ImportError:
        # Windows has no such lock; two processes on one file then disturb each other.
        yield
        return
    how = os.O_RDONLY if path.is_dir() else os.O_RDWR | os.O_CREAT
    descriptor = os.open(path, how, 0o666)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(refusal) from None
        yield
    finally:
        os.close(descriptor)


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically."""
    write_atomically(path, lambda beside: beside.write_text(text, encoding="utf-8"))


def csv_text(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table as CSV, its lines ended by "\\n"."""
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return written.getvalue()


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write JSON atomically; NaN and infinities, which JSON lacks, become null."""
    write_text(path, json.dumps(_plain(content), indent=2, allow_nan=False) + "\n")


def write_tensors(path: Path, tensors: dict[str, Tensor]) -> None:
    """Write tensors atomically."""
    from safetensors.torch import save_file

    # Clones, because the format has no two names for one piece of memory.
    ready = {n: t.detach().cpu().contiguous().clone() for n, t in tensors.items()}
    write_atomically(path, lambda beside: save_file(ready, beside))


def _plain(value: Any) -> Any:
    """`value` with NaN and infinities as None, throughout dicts and lists."""
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and value - value != 0:
        return None
    return value
