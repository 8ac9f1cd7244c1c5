"""A forecaster whose cells start by name: in Python, on the command line, saved and taken up."""

import json
from pathlib import Path

import pytest
import torch

import unrolled as ur
from forecast.tables import hourly, series
from unrolled import cli
from unrolled.tasks.forecast import Forecaster
from unrolled.tasks.forecast.saving import purpose
from unrolled.tasks.learning import Listener

QUICK = {"horizon": 6, "updates": 4, "epochs": 1, "hidden_size": 4}
COMMAND = ["train", "forecast", "table.csv", "--target", "y", "--series", "name", "--horizon", "6"]
SMALL = ["--hidden-size", "4", "--dropout", "0", "--updates", "4", "--epochs", "1"]


class AtStart(Listener):
    """Keeps the model's tensors as they are when training begins."""

    def prepared(self, forecaster: Forecaster) -> None:
        state = forecaster.fitted_.model.state_dict()
        self.tensors = {name: tensor.clone() for name, tensor in state.items()}


def started(**arguments) -> dict[str, torch.Tensor]:
    listener = AtStart()
    Forecaster(**{**QUICK, **arguments}).fit(series(steps=24 * 10), listener=listener)
    return listener.tensors


@pytest.fixture(scope="module")
def drawn() -> dict[str, torch.Tensor]:
    return started(decoder="feedback")


def test_the_cells_of_the_model_start_as_asked(drawn) -> None:
    found = started(decoder="feedback", initialisation="orthogonal+forget-bias:2")
    assert found.keys() == drawn.keys()
    weights = [name for name in found if name.endswith("weight_hh")]
    # Three dilated layers, and the decoder's cell.
    assert len(weights) == 4
    for name in weights:
        for W in found[name].split(4):
            # float32: products of 4 numbers.
            torch.testing.assert_close(W.T @ W, torch.eye(4), rtol=0, atol=1e-6)
        bias = name.replace("weight_hh", "bias_ih")
        assert found[bias].tolist() == [*drawn[bias][:4].tolist(), *[2.0] * 4, *drawn[bias][8:]]
        assert not found[name.replace("weight_hh", "bias_hh")][4:8].any()


def test_without_one_the_numbers_are_as_they_were(drawn) -> None:
    again = started(decoder="feedback", initialisation=None)
    assert all(torch.equal(again[name], tensor) for name, tensor in drawn.items())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"initialisation": "ortogonal"}, "did you mean 'orthogonal'"),
        ({"initialisation": "chrono"}, "chrono needs T"),
        ({"cell": "indrnn", "initialisation": "orthogonal"}, "IndRNN cannot start with orthogonal"),
        ({"cell": "elman", "initialisation": "forget-bias"}, "Elman cannot start with forget-bias"),
    ],
)
def test_arguments_are_checked_before_anything_is_fitted(arguments, said) -> None:
    before = torch.get_rng_state()
    forecaster = Forecaster(**QUICK, **arguments)
    with pytest.raises(ValueError, match=said):
        forecaster.check_arguments()
    assert torch.equal(torch.get_rng_state(), before)


def test_a_saved_run_keeps_it_and_is_not_started_anew(tmp_path) -> None:
    model = Forecaster(**QUICK, initialisation="chrono:24").fit(series(steps=24 * 10))
    loaded = ur.load(model.save(tmp_path))
    assert loaded.initialisation == "chrono:24"
    for name, tensor in model.fitted_.model.state_dict().items():
        assert torch.equal(loaded.fitted_.model.state_dict()[name], tensor)
    # A run of before has no such argument.
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["arguments"].pop("initialisation") == "chrono:24"
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert ur.load(tmp_path).initialisation is None


def test_it_tells_a_run_from_others() -> None:
    data = series(steps=24 * 10)
    plain, named = (Forecaster(**QUICK, initialisation=how) for how in (None, "orthogonal"))
    assert purpose(plain, data) != purpose(named, data)


def test_on_the_command_line(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    hourly(steps=24 * 10).write_csv("table.csv")
    assert cli.run([*COMMAND, *SMALL, "--initialisation", "orthogonal+chrono:24"]) == 0
    config = json.loads(Path("runs/table-1/config.json").read_text())
    assert config["arguments"]["initialisation"] == "orthogonal+chrono:24"
    assert "orthogonal+chrono:24" in Path("runs/table-1/report.html").read_text()
    capsys.readouterr()
    assert cli.run([*COMMAND, *SMALL, "--cell", "elman", "--initialisation", "chrono:24"]) != 0
    err = capsys.readouterr().err
    assert "Elman cannot start with chrono: it has no gate whose bias keeps its memory" in err
    assert "Traceback" not in err
    assert not Path("runs/table-2").exists()
