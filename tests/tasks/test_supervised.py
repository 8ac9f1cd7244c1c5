"""What all tasks that learn from samples share, on the smallest task that there can be."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
import typer
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from tests.tasks.toy import MODEL, Toy, texts
from typer.testing import CliRunner

from unrolled.cells import GRU
from unrolled.data import DataError, samples_of
from unrolled.tasks.console import Console
from unrolled.tasks.inspection import write_inspection
from unrolled.tasks.learning import Listener
from unrolled.tasks.options import takes
from unrolled.tasks.runs import RunError
from unrolled.tasks.supervised import Parts, SampleCommands, train_and_report
from unrolled.tasks.supervised.commands import tune_and_report
from unrolled.tasks.supervised.scores import Evaluation, Metric, scores_lines
from unrolled.tasks.training import Running
from unrolled.tasks.tuning import Searching

torch.set_num_threads(1)


class ToyParts(Parts):
    title = "{data}: first letters"
    limits = "Two letters."
    usage = 'model.evaluate(["ab"], ["a"])'


@pytest.fixture(scope="module")
def fitted() -> Toy:
    return Toy(seed=1).fit(*texts())


def test_learns_and_is_compared_with_the_largest_class(fitted: Toy) -> None:
    words, first = texts(seed=7)
    found = fitted.evaluate(words, first)
    # The first letter of a short word is easily remembered; letters are drawn evenly.
    assert found.own["accuracy"] > 0.95
    majority = fitted.fitted_.baselines.label
    assert found.scores["largest class"]["accuracy"] == np.mean([c == majority for c in first])
    assert found.beats
    assert found.best_baseline == "largest class"


def test_same_seed_same_numbers(fitted: Toy) -> None:
    again = Toy(seed=1).fit(*texts())
    for name, weight in fitted.fitted_.network.state_dict().items():
        assert torch.equal(again.fitted_.network.state_dict()[name], weight)
    other = Toy(seed=2).fit(*texts())
    assert not torch.equal(
        other.fitted_.network.readout.weight, fitted.fitted_.network.readout.weight
    )


def test_a_run_is_opened_as_it_was_saved(fitted: Toy, tmp_path) -> None:
    opened = Toy.load(fitted.save(tmp_path / "run"))
    words, first = texts(seed=3)
    assert opened.evaluate(words, first).scores == fitted.evaluate(words, first).scores
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["plan"]["epochs"] == 4
    assert config["arguments"]["epochs"] is None


def test_a_run_of_an_own_cell_asks_for_it(tmp_path) -> None:
    class Own(GRU):
        pass

    folder = Toy(cell=Own, epochs=1).fit(*texts(60)).save(tmp_path / "run")
    with pytest.raises(RunError, match="uses the cell Own"):
        Toy.load(folder)
    assert Toy.load(folder, Own).cell is Own


def test_arguments_are_those_of_scikit_learn() -> None:
    model = clone(Toy("gru", hidden_size=5))
    assert model.cell == "gru"
    assert model.get_params()["hidden_size"] == 5
    assert model.set_params(width=2).width == 2
    assert "hidden_size=5" in repr(model)
    with pytest.raises(NotFittedError, match="this Toy is not fitted yet"):
        model.evaluate(["a"], ["a"])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"hidden_size": 0}, "hidden_size must be a whole number from 1 up, got 0"),
        ({"dropout": 1.0}, "dropout must lie between 0 and 1, got 1.0"),
        ({"width": "a"}, "width must be a whole number from 1 up"),
        ({"engine": "warp"}, "engine is 'warp'; choose from"),
        ({"cell": "lstn"}, "lstm"),
        ({"validation": 0}, "validation must hold some samples out"),
        ({"validation": "1.5"}, "--validation must be a share below 1"),
        ({"validation": "nowhere.csv"}, "is no share between 0 and 1, no file"),
        ({"initialisation": "warm"}, "initialisation"),
    ],
)
def test_arguments_that_make_no_sense(given: dict, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        Toy(**given).fit(*texts(30))


def test_validation_by_pattern_of_names() -> None:
    data = samples_of(*texts(40))
    learned, held = Toy(validation="1*").divide(data)
    assert [s.name for s in held] == ["1", *map(str, range(10, 20))]
    assert len(learned) == 29
    with pytest.raises(DataError, match="fits no sample of samples, whose names are like '0'"):
        Toy(validation="x*").divide(data)


def test_arguments_are_options() -> None:
    app, given = typer.Typer(), []

    @app.command()
    @takes(model=Toy)
    def train(data: str, model: Toy) -> None:
        given.append(model)

    result = CliRunner().invoke(app, ["file", "--width", "4", "--validation", "0.2"])
    assert result.exit_code == 0, result.output
    assert (given[0].width, given[0].validation, given[0].hidden_size) == (4, "0.2", None)
    told = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "200"}).output
    assert "Of an embedding." in told
    assert "optimisation" not in told


def test_a_run_from_the_command_line(tmp_path, capsys) -> None:
    data = samples_of(*texts(), name="words")
    model = Toy(seed=1)
    train_and_report(model, data, "0.2", Running(output=tmp_path), ToyParts())
    said = capsys.readouterr().out
    for part in (
        "data      words: 200",
        "train on 144 samples, validate on 16 | test on 40",
        "largest class",
        "lstm 1x8",
    ):
        assert part in said
    folder = tmp_path / "words-1"
    tested = json.loads((folder / "metrics.json").read_text())["test"]
    assert set(tested) == {MODEL, "largest class"}
    page = (folder / "report.html").read_text()
    assert "words: first letters" in page
    assert "Scores" in page
    card = (folder / "README.md").read_text()
    assert "On the test part: accuracy" in card
    commands = SampleCommands("toy", object, Toy, ToyParts, print, "Learn words.", "words")
    found = commands.inspect(folder)
    write_inspection(tmp_path / "inspect.html", found)
    assert "sample 1" in (tmp_path / "inspect.html").read_text()


def test_an_interrupted_run_goes_on_bit_for_bit(tmp_path) -> None:
    class Stop(Listener):
        def __init__(self, path, at):
            self.path, self.at = path, at

        def checkpoint(self, learner):
            from unrolled.training import Checkpoint

            return Checkpoint(self.path, {"purpose": "toy"}, seconds=0.0)

        def updated(self, number, update):
            if number == self.at:
                raise RuntimeError("killed")

    class Noisy(Toy):
        def augment(self, batch, generator):
            swapped = torch.from_numpy(generator.random(len(batch["ids"])) < 0.2)
            return {**batch, "targets": torch.where(swapped, 0, batch["targets"])}

    whole = Noisy().fit(*texts())
    with pytest.raises(RuntimeError, match="killed"):
        Noisy().fit(*texts(), listener=Stop(tmp_path / "state", 17))
    resumed = Noisy().fit(*texts(), listener=Stop(tmp_path / "state", -1))
    for name, weight in whole.fitted_.network.state_dict().items():
        assert torch.equal(resumed.fitted_.network.state_dict()[name], weight), name


def test_the_better_one_depends_on_the_metric() -> None:
    error = Metric("error", higher=False)
    scores = {MODEL: {"error": 0.2}, "mean": {"error": 0.3}, "worse": {"error": 0.4}}
    found = Evaluation("data", "5 samples", (error,), scores)
    assert found.best_baseline == "mean"
    assert found.beats
    assert "better than the best baseline (mean, 0.300)" in found.verdict()
    # What the digits do not show is no gain.
    level = replace(found, scores={MODEL: {"error": 0.29999}, "mean": {"error": 0.3}})
    assert "as good as the best baseline (mean, 0.300)" in level.verdict()
    assert not Evaluation("d", "", (Metric("error"),), scores).beats
    assert scores_lines((error,), scores)[1].split() == ["this", "model", "0.200"]
    undefined = {MODEL: {"error": float("nan")}, "mean": {"error": 0.3}}
    assert not Evaluation("d", "", (error,), undefined).beats


def test_quiet_says_nothing_of_scores(capsys) -> None:
    Console(quiet=True).line("test", "x")
    assert capsys.readouterr().out == ""


def test_a_search_trains_and_tests_the_best(tmp_path, capsys) -> None:
    data = samples_of(*texts(120), name="words")
    searching = Searching(trials=3, search=["hidden-size=4,8", "cell=gru,elman"])
    running, wrong = Running(output=tmp_path), Searching(search=["width=1,2"])
    with pytest.raises(ValueError, match=r"--search is 'width'; choose from cell, hidden-size"):
        tune_and_report(Toy(epochs=1), data, "0.2", wrong, running, ToyParts())
    assert list(tmp_path.iterdir()) == []
    tune_and_report(Toy(epochs=1), data, "0.2", searching, running, ToyParts())
    said = capsys.readouterr().out
    trials = [json.loads(s) for s in (tmp_path / "words-study.jsonl").read_text().splitlines()]
    assert sum(entry["op_code"] == 4 for entry in trials) == 3
    best = re.search(r"best +trial \d: --hidden-size (\d) --cell (\w+)", said)
    assert best is not None
    arguments = json.loads((tmp_path / "words-1" / "config.json").read_text())["arguments"]
    assert [str(arguments["hidden_size"]), arguments["cell"]] == list(best.groups())
    # The same command takes up the study and finds its run complete.
    tune_and_report(Toy(epochs=1), data, "0.2", searching, running, ToyParts())
    assert "words-1 is complete" in capsys.readouterr().out
