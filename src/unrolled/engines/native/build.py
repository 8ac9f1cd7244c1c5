"""Compile generated C++ with the machine's own compiler, once, and keep the result.

The cache is a folder of the user's, readable by nobody else. A library's name is a digest of its
source, the compiler and its options, so that a change of any of them makes another. It is written
under another name and renamed, so that two processes that build the same kernel at once, or a
process that is killed, leave nothing half-written.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import tempfile
import warnings
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch

from .places import Target

OPTIONS = ("-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math")
SHARED = ("-std=c++17", "-shared", "-fPIC", "-fopenmp", "-w")
COMPILERS = ("g++", "clang++", "c++")
# What `vector.h` multiplies pairs of bfloat16 numbers by.
PROBE = """
#include <immintrin.h>
extern "C" void multiply_add(float *sum, const int *a, const int *b) {
    const __m512bh x = (__m512bh)_mm512_loadu_si512(a), y = (__m512bh)_mm512_loadu_si512(b);
    _mm512_storeu_ps(sum, _mm512_dpbf16_ps(_mm512_loadu_ps(sum), x, y));
}
"""


# What the compiler said of sources that it does not take: it is not asked again.
_refused: dict[Path, str] = {}


class CompilerFailed(RuntimeError):
    """No kernel could be built; the message says why, in one line."""


@dataclass(frozen=True)
class Compiler:
    """A C++ compiler.

    Attributes:
        name: that it was asked for by.
        path: of the program.
        version: its first line of `--version`.
    """

    name: str
    path: str
    version: str


@cache
def compiler() -> Compiler | None:
    """The compiler named in CXX, or g++, or clang++, or c++; None if there is none."""
    if os.name == "nt":
        # Kernels take `long` for 64 bits, which it is not there.
        return None
    named = os.environ.get("CXX")
    found = [tried for name in (named, *COMPILERS) if name and (tried := _asked(name))]
    if named and not (found and found[0].name == named):
        instead = f"{found[0].path} is taken" if found else "there is no other"
        warnings.warn(f"CXX names {named}, which is no compiler; {instead}", stacklevel=2)
    return found[0] if found else None


def _asked(name: str) -> Compiler | None:
    """What a program says of its version, if it is a compiler."""
    path = shutil.which(name)
    if path is None:
        return None
    answer = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
    lines = answer.stdout.splitlines()
    return Compiler(name, path, lines[0]) if answer.returncode == 0 and lines else None


@cache
def registers() -> tuple[int, int]:
    """Bytes of a vector register of this machine, and how many there are."""
    flags = _cpu_flags()
    if "avx512f" in flags:
        return 64, 32
    if "avx2" in flags:
        return 32, 16
    if platform.machine() in ("aarch64", "arm64"):
        return 16, 32
    return 16, 16


@torch.compiler.assume_constant_result
def multiplies_in_half() -> bool:
    """Whether one instruction of this machine adds products of bfloat16 numbers to floats.

    The compiler must know it too, and be allowed to use it.
    """
    return "avx512_bf16" in _cpu_flags() and _compiles(PROBE, *_options())


@cache
def _compiles(source: str, *_: str) -> bool:
    """Whether there is a compiler that takes a source, with these options."""
    try:
        load(source)
    except CompilerFailed:
        return False
    return True


def target_for(real: str, half: bool = False) -> Target:
    """What to compile for on this machine, in float or double."""
    size, count = registers()
    return Target(real, size // (8 if real == "double" else 4), count, half)


def cache_folder() -> Path:
    """UNROLLED_CACHE, or the user's cache folder."""
    named = os.environ.get("UNROLLED_CACHE")
    if named:
        return Path(named)
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "unrolled"


def cache_facts() -> str:
    """Where kernels are kept, and how many there are."""
    folder = cache_folder()
    if folder.exists() and not (folder.is_dir() and os.access(folder, os.W_OK)):
        return f"but nothing can be written to {folder}, which UNROLLED_CACHE may change"
    sizes = [file.stat().st_size for file in folder.glob("*.so")] if folder.is_dir() else []
    return f"{len(sizes)} kernels ({sum(sizes) / 1e6:.1f} MB) in {folder}"


def load(source: str) -> ctypes.CDLL:
    """The compiled source, from the cache if it was compiled before.

    Raises:
        CompilerFailed: there is no compiler, it fails, or the cache cannot be written.
    """
    path, found = path_of(source), compiler()
    assert found is not None, "path_of asks"
    if path in _refused:
        raise CompilerFailed(_refused[path])
    try:
        _check_private(path.parent)
        if path.is_file():
            with suppress(OSError):
                # Damaged, it is built again.
                return ctypes.CDLL(str(path))
        _compile(found, source, path)
        return ctypes.CDLL(str(path))
    except OSError as error:
        raise CompilerFailed(
            f"the cache {cache_folder()} cannot be used: {error}; name another in UNROLLED_CACHE"
        ) from error


def path_of(source: str) -> Path:
    """Where the compiled source is kept, whether it is there or not.

    Raises:
        CompilerFailed: there is no compiler.
    """
    found = compiler()
    if found is None:
        raise CompilerFailed("no C++ compiler was found (g++, clang++ or c++; CXX names another)")
    facts = "\n".join([source, found.path, found.version, *_options(), *SHARED, _cpu_name()])
    name = hashlib.sha256(facts.encode()).hexdigest()[:24]
    return cache_folder() / f"{name}.so"


def _options() -> list[str]:
    """What the compiler is told; the person's own CXXFLAGS come last, so that they win."""
    return [*OPTIONS, *shlex.split(os.environ.get("CXXFLAGS", ""))]


def _check_private(folder: Path) -> None:
    """Refuse to load code from a folder that others can write to."""
    if folder.is_dir():
        facts = folder.stat()
        if facts.st_uid != os.getuid() or facts.st_mode & 0o022:
            raise CompilerFailed(
                f"the cache {folder} can be written by others; chmod 700 it, or name another "
                "in UNROLLED_CACHE"
            )


def _compile(found: Compiler, source: str, path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix="building-") as folder:
        text, library = Path(folder) / "kernel.cpp", Path(folder) / "kernel.so"
        text.write_text(source, encoding="utf-8")
        command = [found.path, *_options(), *SHARED, "-o", str(library), str(text)]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        if run.returncode != 0:
            first = next((line for line in run.stderr.splitlines() if "error" in line), run.stderr)
            _refused[path] = f"{found.path} failed: {' '.join(first.split())[:200]}"
            raise CompilerFailed(_refused[path])
        if not library.is_file():
            raise CompilerFailed(f"{found.path} wrote no library")
        os.replace(library, path)


@cache
def _cpu_flags() -> frozenset[str]:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return frozenset()
    flags = next((line for line in lines if line.startswith("flags")), "")
    return frozenset(flags.partition(":")[2].split())


@cache
def _cpu_name() -> str:
    # A cache on a shared disk may be read by machines with other instructions.
    digest = hashlib.sha256(" ".join(sorted(_cpu_flags())).encode()).hexdigest()
    return f"{platform.machine()} {digest}"
