"""Translators on the command line: check, train, predict, evaluate, inspect, tune."""

import io
import json
import re
from pathlib import Path

import pytest
from tests.translate.conftest import SMALL as QUICK
from tests.translate.conftest import spelling

import unrolled as ur
from unrolled import cli
from unrolled.tasks.supervised import MODEL
from unrolled.tasks.translate import Translator, commands

SMALL = ["--hidden-size", "32", "--embedding-size", "8", "--epochs", "2", "--engine", "eager"]
SMALL += ["--learning-rate", "0.01", "--dropout", "0"]


def run(capsys, *arguments: str) -> tuple[int, str, str]:
    status = cli.run(list(arguments))
    printed = capsys.readouterr()
    return status, printed.out, printed.err


def _write(name: str, pairs) -> Path:
    path = Path(name)
    path.write_text("".join(f"{pair.source}\t{pair.target}\n" for pair in pairs))
    return path


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    _write("words.tsv", spelling(300))
    _write("more.tsv", spelling(40, seed=7))
    return tmp_path


@pytest.fixture
def trained(folder, fitted) -> str:
    return str(fitted.save("run"))


def test_from_pairs_to_a_run_and_back(folder, capsys) -> None:
    status, out, _ = run(capsys, "train", "translate", "words.tsv", *SMALL)
    assert status == 0
    words = [line.split()[0] for line in out.splitlines() if line[:1] != " "]
    order = ["data", "split", "tokens", "baseline", "model", "epoch", "ended", "test", "saved"]
    assert [word for word in words if word in order] == order
    place = Path("runs/words-1")
    metrics = json.loads((place / "metrics.json").read_text())
    assert set(metrics["test"][MODEL]) == {"symbol error", "sequence error"}
    page = (place / "report.html").read_text()
    for title in ("Data", "Training", "Scores", "Worst cases", "Examples", "Settings"):
        assert f">{title}</h2>" in page
    assert "Where the decoder looked" in page
    assert "Scores by the length of the source" in page
    assert not re.search(r"(src|href)=.https?:", page)
    assert "# words.tsv: a translator" in (place / "README.md").read_text()
    assert isinstance(ur.load(place), ur.tasks.estimator_of("translate"))


def test_predicts_a_line_for_a_line(trained, capsys, monkeypatch) -> None:
    model = ur.load(trained)
    Path("in.txt").write_text("dead\n\nab\n")
    status, out, err = run(capsys, "predict", trained, "in.txt")
    assert (status, out) == (0, "".join(f"{t}\n" for t in model.translate(["dead", "", "ab"])))
    assert "sources without content, which give nothing: 1" in err
    status, out, _ = run(capsys, "predict", trained, "in.txt", "--output", "out.txt", "--beam", "1")
    assert (status, out) == (0, "")
    assert Path("out.txt").read_text().splitlines() == model.translate(["dead", "", "ab"], beam=1)
    monkeypatch.setattr("sys.stdin", io.StringIO("dead\nab"))
    assert run(capsys, "predict", trained, "-")[1].splitlines() == model.translate(["dead", "ab"])


def test_predicts_one_text_with_a_picture(trained, capsys) -> None:
    status, out, err = run(capsys, "predict", trained, "--text", "de漢", "--attention", "map.svg")
    assert status == 0
    assert out.strip() == ur.load(trained).translate(["de漢"])[0]
    assert "unknown to the vocabulary: 1 of 3 tokens (33.33%), 1 of them distinct: '漢'" in err
    assert "<svg" in Path("map.svg").read_text()


def test_evaluates_beside_baselines(trained, capsys) -> None:
    status, out, _ = run(capsys, "evaluate", trained, "more.tsv")
    assert status == 0
    found = ur.load(trained).evaluate("more.tsv")
    assert f"symbol error {100 * found.own['symbol error']:.2f} %" in out
    for name in found.scores:
        assert name in out
    ones, others = zip(*((p.source, p.target) for p in spelling(40, seed=7)), strict=True)
    Path("a").write_text("\n".join(ones))
    Path("b").write_text("\n".join(others))
    assert run(capsys, "evaluate", trained, "a", "b")[1].splitlines()[1:] == out.splitlines()[1:]


def test_says_what_it_would_learn_from(folder, capsys) -> None:
    status, out, _ = run(capsys, "check", "translate", "words.tsv", "--show", "--shortest", "100")
    assert status == 0
    assert "100 pairs of 100 sources" in out
    assert "longer than the 100 shortest: " in out
    assert "from 5 characters and <pad>, <bos>, <eos>, <unk>, lower case" in out
    assert "and where it is valid" in out
    assert "[samples, steps, features] = [3, " in out
    assert not Path("runs").exists()


def test_tests_on_further_data(folder, capsys) -> None:
    ones, others = zip(*((p.source, p.target) for p in spelling(30, seed=3)), strict=True)
    Path("t.src").write_text("\n".join(ones))
    Path("t.tgt").write_text("\n".join(others))
    given = ["--test", "t.src", "--test-targets", "t.tgt", "--quiet"]
    status, out, _ = run(capsys, "train", "translate", "words.tsv", *SMALL, *given)
    assert (status, out.strip()) == (0, "runs/words-1")
    metrics = json.loads(Path("runs/words-1/metrics.json").read_text())
    found = ur.load("runs/words-1").evaluate(("t.src", "t.tgt"))
    assert metrics["test"][MODEL] == found.own


def test_columns_by_name(folder, capsys) -> None:
    rows = [f"{k},{pair.source},{pair.target}" for k, pair in enumerate(spelling(60))]
    Path("t.csv").write_text("\n".join(["id,word,sounds", *rows]))
    given = ["--columns", "sounds,word", "--quiet", "--epochs", "1"]
    status, _, _ = run(capsys, "train", "translate", "t.csv", *SMALL, *given)
    assert status == 0
    model = ur.load("runs/t-1")
    assert model.fitted_.coding.target.kind == "characters"
    # Read again as the first was.
    assert model.evaluate("t.csv").count == f"{len(model.read_again('t.csv').references)} sources"
    status, out, _ = run(capsys, "evaluate", "runs/t-1", "t.csv")
    own = model.evaluate("t.csv").own["character error"]
    assert (status, f"character error {100 * own:.2f} %" in out) == (0, True)


def test_a_header_that_is_named(folder, capsys) -> None:
    rows = [f"{pair.source},{pair.target}" for pair in spelling(60)]
    Path("t.csv").write_text("\n".join(["kabyle,swahili", *rows]))
    for option, count in (("--header", len(rows)), ("--no-header", len(rows) + 1)):
        _, out, _ = run(capsys, "check", "translate", "t.csv", option)
        assert f"t.csv: {count} pairs" in out


def test_what_is_read_is_not_written_over(trained, capsys) -> None:
    Path("s.txt").write_text("ab\nba\n")
    status, _, err = run(capsys, "predict", trained, "s.txt", "--output", "s.txt")
    assert (status, Path("s.txt").read_text()) == (2, "ab\nba\n")
    assert "s.txt is what is read; give --output another name" in err


def test_what_is_written_makes_its_folder(trained, capsys) -> None:
    assert run(capsys, "predict", trained, "--text", "ab", "--output", "new/one/y.txt")[0] == 0
    assert Path("new/one/y.txt").read_text().endswith("\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "translate", "nothing.tsv"], "there is no file nothing.tsv"),
        (["train", "translate", "words.tsv", "--columns", "a"], "--columns must name two columns"),
        (["train", "translate", "words.tsv", "--test", "2"], "--test must be a share below 1"),
        (["train", "translate", "words.tsv", "--target-tokens", "bytes"], "target_tokens is 'byt"),
        (["check", "translate", "words.tsv", "--longest", "1"], "no pair of words.tsv is left"),
        (["predict", "RUN"], "give a file of sources, or one source as --text, and not both"),
        (["predict", "RUN", "x", "--text", "y"], "and not both"),
        (["predict", "RUN", "more.tsv", "--attention", "a.svg"], "give it as --text"),
        (["predict", "RUN", "--text", "a", "--attention", "a.pdf"], "must end in .svg or .png"),
        (["predict", "RUN", "nothing.txt"], "there is no file nothing.txt"),
        (["evaluate", "RUN", "more.tsv", "words.tsv"], "line k of one must belong"),
    ],
)
def test_bad_input_is_one_line(arguments, message, trained, capsys) -> None:
    given = [trained if each == "RUN" else each for each in arguments]
    status, _, err = run(capsys, *given)
    assert status == 2
    assert err.startswith("unrolled: ")
    assert message in err
    assert err.count("\n") == 1


def test_looks_inside(folder, capsys) -> None:
    small = {**QUICK, "hidden_size": 8, "epochs": 1}
    trained = Translator(**small).fit(spelling(60)).save("run")
    status, out, _ = run(capsys, "inspect", str(trained))
    assert status == 0
    assert "encoder, layer 1 backwards" in out
    assert "decoder, layer 1" in out
    page = (Path(trained) / "inspect.html").read_text()
    assert "spelling" in page


def test_tunes(folder, capsys) -> None:
    given = ["--trials", "2", "--search", "dropout=0.0,0.3", "--quiet"]
    status, _, err = run(capsys, "tune", "translate", "words.tsv", *SMALL[:-2], *given)
    assert (status, err) == (0, "")


def test_the_demo_needs_no_data(folder, monkeypatch, capsys) -> None:
    small = commands.Translator(hidden_size=8, epochs=1, engine="eager")
    monkeypatch.setattr(commands, "Translator", lambda **_: small)
    monkeypatch.setattr(commands, "numerals", lambda: commands_numerals(60))
    commands.demo(Path("runs"), quiet=False)
    assert "thousand" in Path("runs/numerals-1/report.html").read_text()


commands_numerals = commands.numerals
