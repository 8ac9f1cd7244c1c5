"""The search of hyper-parameters: its space, its proposals, its file, and its command."""

import json
import math
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from statistics import median

import polars as pl
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import unrolled as ur
from forecast.tables import hourly
from unrolled import cli
from unrolled.tasks.forecast.tuning import tune
from unrolled.tasks.space import Choices, Range, parse_space
from unrolled.tasks.tuning import SearchListener, Trial, search
from unrolled.training import TrainingFailed

KINDS = {"hidden_size": int, "dropout": float, "cell": str}
SPACE = {"x": Range(-1.0, 2.0), "size": Range(1, 100), "kind": Choices(("a", "b"))}
QUICK = ["--updates", "8", "--epochs", "2", "--hidden-size", "4", "--horizon", "6"]
TUNE = ["tune", "forecast", "table.csv", *QUICK]


@pytest.fixture
def inside(tmp_path, monkeypatch):
    """A folder with a small table."""
    monkeypatch.chdir(tmp_path)
    hourly(("a",), steps=24 * 8).drop("name").write_csv("table.csv")
    return tmp_path


def _run(capsys, *arguments: str) -> tuple[int, str, str]:
    status = cli.run(list(arguments))
    printed = capsys.readouterr()
    return status, printed.out, printed.err


def _rows(out: str, searched: int = 1) -> list[list[str]]:
    """The words of the rows of trials, without the seconds."""
    place = 2 + searched
    lines = out[out.index("trial ") : out.index("best ")].splitlines()[1:]
    return [[word for k, word in enumerate(line.split()) if k != place] for line in lines]


def _timeless(trials) -> list[Trial]:
    return [replace(trial, seconds=0.0) for trial in trials]


# The space


@given(st.integers(-(10**6), 10**6), st.integers(1, 10**6))
def test_a_range_of_whole_numbers_is_read_as_written(low: int, width: int) -> None:
    found = parse_space([f"hidden-size={low}..{low + width}"], KINDS)
    assert found == {"hidden_size": Range(low, low + width)}
    part = found["hidden_size"]
    assert isinstance(part, Range)
    assert part.is_whole
    assert part.is_logarithmic == (low > 0 and low + width >= 10 * low)
    assert parse_space([f"hidden_size={part}"], KINDS) == found


@given(
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(0, 1),
)
def test_a_range_of_numbers_is_read_as_written(low: float, high: float, share: float) -> None:
    assume(low < high)
    (part,) = parse_space([f"dropout={low!r}..{high!r}"], KINDS).values()
    assert part == Range(low, high)
    assert isinstance(part, Range)
    assert not part.is_whole
    drawn = min(max(low * (1 - share) + high * share, low), high)
    assert low <= part.short(drawn) <= high
    # Three digits are right to half a unit of the third, one in two hundred.
    assert part.short(drawn) == pytest.approx(drawn, rel=5e-3)


@given(st.lists(st.integers(), min_size=2, unique=True))
def test_choices_are_read_as_written(values: list[int]) -> None:
    text = ", ".join(map(str, values))
    assert parse_space([f"hidden-size={text}"], KINDS)["hidden_size"] == Choices(tuple(values))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("hidden-size", "NAME=SPEC"),
        ("hiden-size=8..16", "did you mean 'hidden-size'"),
        ("horizon=3..9", "choose from hidden-size, dropout, cell"),
        ("hidden-size=8..x", "'x' is not a whole number"),
        ("hidden-size=8..16.5", "'16.5' is not a whole number"),
        ("dropout=low..0.5", "'low' is not a number"),
        ("dropout=0.5..0.5", "from a number to a larger one, got 0.5..0.5"),
        ("dropout=0.1..inf", "from a number to a larger one"),
        ("dropout=nan..1", "from a number to a larger one"),
        ("dropout=0.1", "nothing to search in; write A..B or A,B,C"),
        ("cell=lstm", "nothing to search in; write A,B,C"),
        ("cell=", "nothing to search in"),
        ("cell=lstm,gru,lstm", "different values, got lstm,gru,lstm"),
    ],
)
def test_a_bad_spec_is_refused_in_one_line(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=r"^--search") as caught:
        parse_space([text], KINDS)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_name_is_searched_once() -> None:
    with pytest.raises(ValueError, match="hidden-size stands twice"):
        parse_space(["hidden-size=1..3", "hidden_size=2..9"], KINDS)


# The search, on losses made up


def _bowl(parameters, report) -> float:
    """Least where x = 0.5, size = 10 and kind = "b"; the loss falls to it over four epochs."""
    distance = (parameters["x"] - 0.5) ** 2 + math.log(parameters["size"] / 10) ** 2
    loss = distance + (parameters["kind"] == "a")
    for epoch in range(1, 5):
        report(epoch, loss + 1 / epoch)
    return loss + 0.25


def test_the_least_loss_is_found() -> None:
    found = search(_bowl, SPACE, 40, seed=3)
    assert len(found.trials) == 40
    assert [trial.number for trial in found.trials] == list(range(1, 41))
    complete = [trial for trial in found.trials if trial.ended == "complete"]
    assert found.best.loss == min(trial.loss for trial in complete)
    # A tenth of the range of x, and a factor of 1.4 in the size, are within 0.2 of the least.
    assert found.best.loss - 0.25 < 0.2
    assert _timeless(search(_bowl, SPACE, 40, seed=3).trials) == _timeless(found.trials)
    assert _timeless(search(_bowl, SPACE, 40, seed=4).trials) != _timeless(found.trials)


def test_stars_mark_each_best_so_far() -> None:
    least = math.inf
    for trial in search(_bowl, SPACE, 30).trials:
        better = trial.ended == "complete" and trial.loss < least
        assert trial.best == better
        least = trial.loss if better else least


def test_pruned_is_what_stays_above_the_median() -> None:
    """The rule, by hand: the least loss so far beside the median of the complete trials'."""
    reported: list[dict[int, float]] = []

    def objective(parameters, report):
        reported.append({})

        def noted(epoch, loss):
            reported[-1][epoch] = loss
            report(epoch, loss)

        return _bowl(parameters, noted)

    trials = search(objective, SPACE, 40, warm_up=2).trials
    complete: list[dict[int, float]] = []
    for trial, losses in zip(trials, reported, strict=True):
        hopeless = [
            epoch
            for epoch in losses
            if epoch >= 2
            and len(complete) >= 5
            and min(losses[e] for e in range(1, epoch + 1)) > median(c[epoch] for c in complete)
        ]
        assert (trial.ended == "pruned") == bool(hopeless)
        if hopeless:
            # It ended right there, and keeps its last loss.
            assert hopeless == [max(losses)]
            assert trial.loss == losses[max(losses)]
        else:
            complete.append(losses)
    assert 5 < len(complete) < 35


def test_the_first_trial_is_where_training_would_begin() -> None:
    start = {"x": 7.0, "size": 30, "kind": "b"}
    first = search(_bowl, SPACE, 1, start=start).best.parameters
    assert first == {"x": 2.0, "size": 30, "kind": "b"}
    unknown = search(_bowl, SPACE, 1, start={"x": None, "size": 30, "kind": "c"}).best.parameters
    assert unknown["size"] == 30
    assert -1 <= unknown["x"] <= 2


def test_a_small_space_is_tried_in_full() -> None:
    space = {"size": Range(1, 3), "kind": Choices(("a", "b")), "x": Choices((0.5, 0.25))}
    found = search(_bowl, space, 20)
    points = [tuple(trial.parameters.values()) for trial in found.trials]
    assert points == [(s, k, x) for s in (1, 2, 3) for k in "ab" for x in (0.5, 0.25)]
    assert len(search(_bowl, space, 11).trials) == 11


def test_a_failed_trial_does_not_end_the_search() -> None:
    def objective(parameters, report):
        if parameters["x"] < 0:
            raise TrainingFailed("the loss\nwas infinite")
        return math.nan if parameters["size"] > 50 else _bowl(parameters, report)

    trials = search(objective, SPACE, 20).trials
    assert len(trials) == 20
    for trial in trials:
        wanted = {True: "the loss was infinite", False: "its validation loss is nan"}
        if trial.parameters["x"] < 0 or trial.parameters["size"] > 50:
            assert trial.ended == wanted[trial.parameters["x"] < 0]
            assert math.isnan(trial.loss)
        else:
            assert trial.ended in ("complete", "pruned")
    assert {trial.ended for trial in trials} >= {"complete", *wanted.values()}


def test_all_trials_may_fail() -> None:
    def objective(parameters, report):
        raise TrainingFailed("it diverged")

    found = search(objective, SPACE, 3)
    with pytest.raises(TrainingFailed, match=r"all 3 trials failed.*it diverged"):
        _ = found.best


def test_other_errors_end_the_search() -> None:
    def objective(parameters, report):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        search(objective, SPACE, 3)


# The study


class _Told(SearchListener):
    def __init__(self) -> None:
        self.before, self.trials = -1, []

    def began(self, trials, wanted) -> None:
        self.before = len(trials)

    def ended(self, trial) -> None:
        self.trials.append(trial.number)


def _interrupted(after: int):
    """The bowl, interrupted in the middle of a trial."""
    calls = iter(range(1000))

    def objective(parameters, report):
        if next(calls) == after:
            report(1, 0.0)
            raise KeyboardInterrupt
        return _bowl(parameters, report)

    return objective


@pytest.mark.parametrize("space", [SPACE, {"size": Range(1, 8), "kind": Choices(("a", "b"))}])
def test_an_interrupted_study_ends_like_any_other(tmp_path, space) -> None:
    def bowl(objective):
        return lambda parameters, report: objective({"x": 0.0, **parameters}, report)

    whole, study = search(bowl(_bowl), space, 16, start={"size": 4}), tmp_path / "s.jsonl"
    for after in (0, 6, 3):
        with pytest.raises(KeyboardInterrupt):
            search(bowl(_interrupted(after)), space, 16, study, start={"size": 4})
    told = _Told()
    found = search(bowl(_bowl), space, 16, study, start={"size": 4}, listener=told)
    assert (told.before, found.taken_up, told.trials) == (9, 9, list(range(10, 17)))
    assert _timeless(found.trials) == _timeless(whole.trials)
    again = search(bowl(_interrupted(0)), space, 16, study, start={"size": 4})
    assert again.trials == found.trials


def test_a_search_killed_before_its_first_trial_tries_the_same(tmp_path, monkeypatch) -> None:
    import optuna

    def killed(self, distributions):
        raise KeyboardInterrupt

    study, start = tmp_path / "s.jsonl", {"x": 0.5, "size": 7, "kind": "a"}
    with monkeypatch.context() as patched:
        patched.setattr(optuna.Study, "ask", killed)
        with pytest.raises(KeyboardInterrupt):
            search(_bowl, SPACE, 3, study, start=start)
    found = search(_bowl, SPACE, 3, study, start=start)
    assert _timeless(found.trials) == _timeless(search(_bowl, SPACE, 3, start=start).trials)


def test_a_study_is_gone_on_with_to_more_trials(tmp_path) -> None:
    search(_bowl, SPACE, 7, tmp_path / "s.jsonl")
    more = search(_bowl, SPACE, 12, tmp_path / "s.jsonl")
    assert _timeless(more.trials) == _timeless(search(_bowl, SPACE, 12).trials)


def test_a_study_is_json_lines(tmp_path) -> None:
    def objective(parameters, report):
        report(1, math.nan)
        return _bowl(parameters, report)

    def refused(constant):
        raise AssertionError(f"{constant} is not JSON")

    search(objective, SPACE, 2, tmp_path / "s.jsonl", purpose={"data": "mine"})
    text = (tmp_path / "s.jsonl").read_text()
    lines = [json.loads(line, parse_constant=refused) for line in text.splitlines()]
    assert {"purpose": {"data": "mine"}} in [line.get("user_attr") for line in lines]
    assert os.listdir(tmp_path) == ["s.jsonl"]


def test_a_line_that_was_not_written_to_its_end_is_cut_off(tmp_path) -> None:
    study = tmp_path / "s.jsonl"
    whole = search(_bowl, SPACE, 6, study).trials
    content = study.read_bytes()
    study.write_bytes(content[:-20])
    again = search(_bowl, SPACE, 6, study)
    # The last line told that the sixth trial had ended.
    assert again.taken_up == 5
    assert _timeless(again.trials) == _timeless(whole)


@pytest.mark.parametrize("content", ["time,y\n1,2\n", '{"op_code": 0', "[1]\n", "3\n", "x"])
def test_a_file_that_is_no_study_is_left_alone(tmp_path, content) -> None:
    (tmp_path / "s.jsonl").write_text(content)
    with pytest.raises(ValueError, match="is not a study, or is damaged; use another --study"):
        search(_bowl, SPACE, 2, tmp_path / "s.jsonl")
    assert (tmp_path / "s.jsonl").read_text() == content


def test_a_study_of_another_purpose_is_refused(tmp_path) -> None:
    study, purpose = tmp_path / "s.jsonl", {"cell": "lstm", "data": "12ab"}
    search(_bowl, SPACE, 2, study, purpose=purpose)
    for changed, words in [
        ({"cell": "gru"}, r"cell lstm, not gru\); use the same"),
        ({"data": "34cd"}, r"other data\); use the same"),
    ]:
        with pytest.raises(ValueError, match=words):
            search(_bowl, SPACE, 2, study, purpose=purpose | changed)


def test_a_study_in_use_is_refused(tmp_path) -> None:
    def objective(parameters, report):
        return len(search(_bowl, SPACE, 2, tmp_path / "s.jsonl").trials)

    with pytest.raises(ValueError, match="in use by another search"):
        search(objective, SPACE, 2, tmp_path / "s.jsonl")


def test_optuna_is_left_as_it_was(tmp_path) -> None:
    import optuna

    before = optuna.logging.get_verbosity()
    search(_bowl, SPACE, 2, tmp_path / "s.jsonl")
    assert optuna.logging.get_verbosity() == before


# Forecasting


def test_the_first_trial_is_what_fit_does_and_the_best_is_fitted_again() -> None:
    data = ur.read_series(hourly(("a",), steps=24 * 8).drop("name"))
    plain = ur.Forecaster(horizon=6, hidden_size=4, updates=8, epochs=2)
    space = {"learning_rate": Range(1e-3, 0.1), "dropout": Range(0.0, 0.6)}
    found = tune(plain, data, space, trials=2)
    # The same computation with the same seed: equal to the last bit.
    assert found.trials[0].loss == plain.fit(data).history_.best.validation["loss"]
    assert found.trials[0].parameters == {"learning_rate": 4e-3, "dropout": 0.3}
    again = ur.Forecaster(**{**plain.get_params(), **found.trials[1].parameters}).fit(data)
    assert found.trials[1].loss == again.history_.best.validation["loss"]


@pytest.mark.parametrize(
    ("space", "words"),
    [
        ({"horizon": Range(3, 6)}, "space is 'horizon'"),
        ({"cell": Choices(("lstm", "gruu"))}, "did you mean 'gru'"),
        ({"dropout": Range(0.1, 1.0)}, "dropout must lie between 0 and 1, got 1.0"),
        ({"forcing": Choices(("free", "teacher"))}, 'forcing is for decoder "feedback"'),
        ({"hidden_size": Range(0, 8)}, "hidden_size must be a whole number from 1 up, got 0"),
    ],
)
def test_a_space_that_the_forecaster_refuses_is_refused_first(tmp_path, space, words) -> None:
    data = ur.read_series(hourly(("a",), steps=24 * 8).drop("name"))
    with pytest.raises(ValueError, match=words):
        tune(ur.Forecaster(horizon=6), data, space, study=tmp_path / "s.jsonl")
    assert os.listdir(tmp_path) == []


# The command

TWO = ["--search", "dropout=0.1,0.5"]


def test_tune_searches_then_trains_the_best(inside, capsys) -> None:
    status, out, err = _run(capsys, *TUNE, "--trials", "3", "--search", "dropout=0..0.5")
    assert (status, err) == (0, "")
    words = [line.split()[0] for line in out.splitlines() if line[0] != " "]
    assert words[:4] == ["search", "study", "trial", "best"]
    # From there on it is what `train` prints.
    assert words[4:7] == ["data", "split", "baseline"]
    assert words[-4:] == ["ended", "test", "saved", "next"]
    rows = _rows(out)
    assert [row[0] for row in rows] == ["1", "2", "3"]
    best = min(rows, key=lambda row: float(row[1]))
    assert best[-1] == "*"
    assert f"best      trial {best[0]}: --dropout {best[2]}\n" in out

    folder = Path("runs/table-1")
    assert sorted(os.listdir(folder)) == [
        "README.md", "config.json", "history.safetensors",
        "metrics.json", "model.safetensors", "report.html",
    ]  # fmt: skip
    model = ur.load(folder)
    assert model.dropout == float(best[2])
    metrics = json.loads((folder / "metrics.json").read_text())
    kept = [epoch for epoch in metrics["epochs"] if epoch["best"]][-1]
    # The row has four decimals.
    assert kept["validation"]["loss"] == pytest.approx(float(best[1]), abs=5e-5)
    # What was printed can be typed: `train` with it makes the same model, bit for bit.
    typed = f"--dropout {best[2]}".split()
    assert _run(capsys, "train", *TUNE[1:], *typed)[0] == 0
    files = [Path(f"runs/table-{k}/model.safetensors").read_bytes() for k in (1, 2)]
    assert files[0] == files[1]


def test_a_complete_study_gives_its_run_and_trains_it_if_it_is_gone(inside, capsys) -> None:
    command = [*TUNE, *TWO, "--quiet"]
    assert _run(capsys, *command) == (0, "runs/table-1\n", "")
    study = Path("runs/table-study.jsonl").read_bytes()
    assert _run(capsys, *command) == (0, "runs/table-1\n", "")
    assert sorted(os.listdir("runs")) == ["table-1", "table-study.jsonl"]
    for file in Path("runs/table-1").iterdir():
        file.unlink()
    Path("runs/table-1").rmdir()
    status, out, _ = _run(capsys, *TUNE, *TWO)
    assert status == 0
    assert "2 trials, 2 are done" in out
    assert "saved     runs/table-1/" in out
    assert Path("runs/table-study.jsonl").read_bytes() == study


def test_a_study_of_other_arguments_or_data_is_refused(inside, capsys) -> None:
    assert _run(capsys, *TUNE, *TWO, "--quiet", "--study", "s.jsonl")[0] == 0
    before = Path("s.jsonl").read_bytes()
    frame = pl.read_csv("table.csv")
    for arguments, words in [
        ([*TWO, "--cell", "gru"], "cell lstm, not gru"),
        (["--search", "dropout=0.1,0.4"], "search dropout=0.1,0.5, not dropout=0.1,0.4"),
        (TWO, "other data"),
    ]:
        if arguments is TWO:
            frame.with_columns(pl.col("y") + 1).write_csv("table.csv")
        status, out, err = _run(capsys, *TUNE, *arguments, "--study", "s.jsonl")
        assert (status, err.count("\n")) == (2, 1)
        assert words in err
        assert "--study" in err
        assert not out
    assert Path("s.jsonl").read_bytes() == before


def test_the_test_part_is_not_seen(inside, capsys) -> None:
    # The season is given: what is found about a table is found in all of it.
    command = [*TUNE, *TWO, "--test", "24", "--season", "24"]
    first = _rows(_run(capsys, *command)[1])
    frame = pl.read_csv("table.csv")
    steps = pl.int_range(len(frame))
    y = pl.when(steps < len(frame) - 24).then(pl.col("y")).otherwise(-pl.col("y"))
    frame.with_columns(y).write_csv("table.csv")
    assert _rows(_run(capsys, *command, "--study", "other.jsonl")[1]) == first
    tests = [json.loads(Path(f"runs/table-{k}/metrics.json").read_text())["test"] for k in (1, 2)]
    assert tests[0] != tests[1]


def test_a_killed_search_goes_on(inside, capsys) -> None:
    search = ["--trials", "4", "--search", "dropout=0..0.5", "--search", "learning-rate=1e-3..3e-2"]
    command = [sys.executable, "-m", "unrolled", *TUNE, *search]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        for line in process.stdout:
            if line.split()[0] == "2":
                break
        process.send_signal(signal.SIGKILL)
        assert process.wait(60) == -signal.SIGKILL
        # Neither optuna's log nor a warning.
        assert process.stderr.read() == ""
    status, out, err = _run(capsys, *TUNE, *search)
    assert (status, err) == (0, "")
    assert ": 4 trials, 2 are done" in out or ": 4 trials, 3 are done" in out
    uninterrupted = _run(capsys, *TUNE, *search, "--study", "other.jsonl")[1]
    assert _rows(out, 2) == _rows(uninterrupted, 2)
    assert len(_rows(out, 2)) == 4


def test_an_interrupted_search_says_where_it_is(inside, capsys, monkeypatch) -> None:
    fit, calls = ur.Forecaster.fit, iter(range(10))

    def interrupted(self, data, y=None, listener=None):
        # The first call only looks at the table; the second is the first trial.
        if next(calls) == 2:
            raise KeyboardInterrupt
        return fit(self, data, y, listener)

    monkeypatch.setattr(ur.Forecaster, "fit", interrupted)
    status, out, err = _run(capsys, *TUNE, *TWO)
    assert (status, err.count("\n") <= 1) == (130, True)
    assert "stopped   1 of 2 trials are done; the same command goes on" in out
    assert os.listdir("runs") == ["table-study.jsonl"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--search", "horizon=3..9"], "choose from cell, decoder"),
        (["--search", "dropout=0..2"], "dropout must lie between 0 and 1"),
        (["--search", "cell=lstm,gruu"], "did you mean 'gru'"),
        (["--search", "cell=lstm"], "nothing to search in"),
        (["--trials", "0"], "--trials"),
        (["--validation", "999"], "too little to train on"),
        (["--dropout", "0", "--learning-rate", "0.01", "--weight-decay", "0"], "say what to"),
        (["--study", "table.csv"], "table.csv is not a study"),
    ],
)
def test_bad_arguments_get_one_line_and_write_nothing(inside, capsys, arguments, words) -> None:
    before = Path("table.csv").read_bytes()
    status, out, err = _run(capsys, *TUNE, *arguments)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert words in err
    assert os.listdir() == ["table.csv"]
    assert Path("table.csv").read_bytes() == before


def test_several_processes_are_refused(inside, capsys, monkeypatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    status, out, err = _run(capsys, *TUNE, *TWO)
    assert (status, out) == (2, "")
    assert err == "unrolled: tune runs in one process, got 2; start it without torchrun\n"


def test_without_optuna_one_line_says_how_to_get_it(inside, capsys, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    line = "unrolled: optuna is not installed; pip install 'unrolled[tune]'\n"
    assert _run(capsys, *TUNE, *TWO) == (2, "", line)
    assert os.listdir() == ["table.csv"]


def test_optuna_is_imported_by_a_search_alone() -> None:
    code = "import sys, unrolled.cli; print('optuna' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout == b"False\n"
