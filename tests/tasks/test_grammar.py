"""One grammar: every task has every verb."""

import subprocess
import sys

import pytest

from unrolled import cli
from unrolled.tasks import TASKS
from unrolled.tasks.options import as_options
from unrolled.tasks.running import slug


@pytest.mark.parametrize("verb", ["train", "check", "tune"])
@pytest.mark.parametrize("task", sorted(TASKS))
def test_every_task_trains_checks_and_tunes(verb, task, capsys) -> None:
    assert cli.run([verb, task, "--help"]) == 0
    assert f"{verb} {task}" in capsys.readouterr().out


def test_options_stand_under_titles(capsys) -> None:
    cli.run(["train", "tag", "--help"])
    said = capsys.readouterr().out
    places = [said.index(f"─ {title} ─") for title in ("Data", "Model", "Updates", "Run")]
    assert places == sorted(places)


def test_a_mistyped_task_or_run(capsys, tmp_path) -> None:
    assert cli.run(["train", "clasify", "x"]) == 2
    assert "Did you mean 'classify'?" in capsys.readouterr().err
    (tmp_path / "weather-1").mkdir()
    (tmp_path / "weather-1" / "config.json").write_text("{}")
    assert cli.run(["predict", str(tmp_path / "wether-1")]) == 2
    assert "there is nothing; did you mean 'weather-1'?" in capsys.readouterr().err


def test_no_task_is_imported_before_it_is_asked_for() -> None:
    code = "import sys, unrolled.cli; print([n for n in sys.modules if n.endswith('.commands')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("text", "typed", "said"),
    [
        ("4 again (unique=True drops them)", [], "4 again (--unique drops them)"),
        ("accents=False", [], "--no-accents"),
        ("choose one, text=...", [], "choose one, --text ..."),
        ("search dropout=0.1,0.5", [], "search dropout=0.1,0.5"),
        ("hidden_size must be 1", ["--hidden-size", "0"], "--hidden-size must be 1"),
        ("hidden_size must be 1", ["--hidden-size=0"], "--hidden-size must be 1"),
        ("hidden_size must be 1", [], "hidden_size must be 1"),
        ("--dropout must lie below 1", ["--dropout", "3"], "--dropout must lie below 1"),
        ("a table must have rows", ["--table"], "a --table must have rows"),
    ],
)
def test_messages_name_options(text, typed, said) -> None:
    assert as_options(text, typed) == said


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("fra-eng.zip", "fra-eng"),
        ("words.tsv.gz", "words"),
        ("v1.2", "v1-2"),
        ("Émile & co", "Émile-co"),
        (".csv", "run"),
    ],
)
def test_names_of_run_folders(name, folder) -> None:
    assert slug(name) == folder
