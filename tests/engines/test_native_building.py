"""Building kernels: the cache, what can go wrong with it, and with the compiler."""

import errno
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch

import unrolled as ur
from unrolled.engines.native import build
from unrolled.engines.native.kernel import Kernel

CHOOSE = sys.modules["unrolled.engines.choose"]
pytestmark = pytest.mark.skipif(build.compiler() is None, reason="there is no C++ compiler")


@pytest.fixture
def cell_of_its_own():
    """A cell whose kernel no other test has built."""
    return ur.cells.Elman(2, 7)


class Quiet:
    """A path that cannot be written to: the disk is full."""

    def __call__(self, *arguments, **options):
        raise OSError(errno.ENOSPC, "No space left on device")


def _make_trouble(trouble, folder, monkeypatch) -> str:
    """Break something, and what the warning must say of it."""
    if trouble == "broken compiler":
        broken = build.Compiler("false", "/bin/false", "broken")
        monkeypatch.setattr(build, "compiler", lambda: broken)
        return "/bin/false failed"
    if trouble == "no compiler":
        monkeypatch.setattr("unrolled.engines.native.engine.compiler", lambda: None)
        return "no C\\+\\+ compiler"
    if trouble == "full disk":
        monkeypatch.setattr(Path, "write_text", Quiet())
        return "No space left"
    blocked = folder / "file"
    blocked.write_text("")
    monkeypatch.setenv("UNROLLED_CACHE", str(blocked))
    return "cannot be used"


@pytest.mark.parametrize("trouble", ["broken compiler", "no compiler", "full disk", "no folder"])
def test_trouble_is_said_once_and_the_rest_runs(
    cell_of_its_own, tmp_path, monkeypatch, trouble
) -> None:
    monkeypatch.setenv("UNROLLED_CACHE", str(tmp_path / "new"))
    words = _make_trouble(trouble, tmp_path, monkeypatch)
    CHOOSE.warn_of.cache_clear()
    x = torch.rand(1, 5, 2)
    with pytest.warns(UserWarning, match=f"native engine cannot run.*{words}"):
        run = ur.unroll(cell_of_its_own, x)
    assert run.engine == "vendor"
    torch.testing.assert_close(run.outputs, ur.unroll(cell_of_its_own, x, engine="eager").outputs)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ur.unroll(cell_of_its_own, x)
        with pytest.raises(ValueError, match=words):
            ur.unroll(cell_of_its_own, x, engine="native")


@pytest.mark.skipif(os.getuid() == 0, reason="root may write anywhere")
def test_a_cache_that_can_only_be_read_is_read(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("UNROLLED_CACHE", str(tmp_path))
    graph = ur.graph(ur.cells.Elman(3, 13))
    Kernel(graph, torch.float32).build(None)
    tmp_path.chmod(0o500)
    Kernel(graph, torch.float32).build(None)
    with pytest.raises(build.CompilerFailed, match="cannot be used"):
        Kernel(ur.graph(ur.cells.Elman(3, 14)), torch.float32).build(None)


def test_the_cache_is_the_users_alone_and_used_again(tmp_path, monkeypatch) -> None:
    folder = tmp_path / "kernels"
    monkeypatch.setenv("UNROLLED_CACHE", str(folder))
    graph = ur.graph(ur.cells.Elman(3, 9))
    Kernel(graph, torch.float32).build(None)
    assert folder.stat().st_mode & 0o077 == 0
    (library,) = folder.iterdir()
    before = library.stat().st_mtime_ns
    monkeypatch.setattr(build, "_compile", None)
    Kernel(graph, torch.float32).build(None)
    assert library.stat().st_mtime_ns == before


def test_code_of_others_is_not_loaded(tmp_path, monkeypatch) -> None:
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o777)
    monkeypatch.setenv("UNROLLED_CACHE", str(folder))
    with pytest.raises(build.CompilerFailed, match="written by others"):
        Kernel(ur.graph(ur.cells.Elman(3, 11)), torch.float32).build(None)


@pytest.mark.slow
def test_two_processes_may_build_at_once(tmp_path) -> None:
    code = (
        "import torch, unrolled as ur; torch.manual_seed(0);"
        "cell = ur.cells.GRU(3, 6); x = torch.ones(2, 4, 3);"
        "print(ur.unroll(cell, x, engine='native').outputs.sum().item())"
    )
    environment = {**os.environ, "UNROLLED_CACHE": str(tmp_path / "kernels")}
    runs = [
        subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE)
        for _ in range(3)
    ]
    printed = [run.communicate(timeout=120)[0] for run in runs]
    assert all(run.returncode == 0 for run in runs)
    assert len(set(printed)) == 1
    # One library for each pass, and nothing left of those who came second.
    assert len(list((tmp_path / "kernels").iterdir())) == 2


def test_options_of_the_person_come_last(monkeypatch, tmp_path) -> None:
    """A kernel is another one where CXXFLAGS are others; what they break is said."""
    monkeypatch.setenv("UNROLLED_CACHE", str(tmp_path / "cache"))
    plain = build.path_of("int one;")
    monkeypatch.setenv("CXXFLAGS", "-O1 -DNAME='a b'")
    assert build.path_of("int one;") != plain
    build.load('extern "C" const char* text() { return "x"; }')
    monkeypatch.setenv("CXXFLAGS", "--no-such-option")
    with pytest.raises(build.CompilerFailed, match="no-such-option"):
        build.load('extern "C" int two() { return 2; }')
    # It is not asked the same again.
    monkeypatch.setattr(build.subprocess, "run", None)
    with pytest.raises(build.CompilerFailed, match="no-such-option"):
        build.load('extern "C" int two() { return 2; }')
