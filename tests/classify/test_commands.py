"""The task on the command line, and files as users bring them."""

import csv
import json

import pytest
from tests.classify.conftest import messages
from typer.testing import CliRunner

from unrolled.cli import app, main

FAST = ("--hidden-size", "8", "--embedding-size", "8", "--buckets", "64", "--batch-size", "16")
FAST += ("--epochs", "12", "--learning-rate", "0.02", "--quiet")
FAST += ("--dropout", "0", "--embedding-dropout", "0", "--token-dropout", "0")


def unrolled(*given: object) -> str:
    """What a command prints; it must end well."""
    result = CliRunner().invoke(app, [str(each) for each in given], env={"COLUMNS": "200"})
    assert result.exit_code == 0, f"{result.output}\n{result.exception!r}"
    return result.output


def refusal(*given: object, capsys) -> str:
    """The one line on standard error with which a command ends."""
    with pytest.raises(SystemExit) as ended:
        main([str(each) for each in given])
    assert ended.value.code == 2
    said = capsys.readouterr().err.strip()
    assert "\n" not in said
    return said


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A table of messages, and a run that learned from it."""
    root = tmp_path_factory.mktemp("spam")
    lines = [f"{label}\t{text}" for text, label in zip(*messages(), strict=True)]
    (root / "spam.tsv").write_text("kind\tmessage\n" + "\n".join(lines) + "\n")
    unrolled("train", "classify", root / "spam.tsv", *FAST, "--output", root / "runs")
    return root


def test_a_run_says_how_good_it_is(folder) -> None:
    run = folder / "runs" / "spam-1"
    metrics = json.loads((run / "metrics.json").read_text())["test"]
    assert metrics["this model"]["accuracy"] > 0.9
    assert metrics["this model"]["F1 spam"] > 0.9
    assert metrics["largest class"]["F1 spam"] == 0
    page = (run / "report.html").read_text()
    for part in ("spam: a classifier", "true class", "precision", "p(true)", "macro F1"):
        assert part in page
    assert "model.predict" in (run / "README.md").read_text()


def test_predictions_are_printed_the_likeliest_first(folder) -> None:
    run = folder / "runs" / "spam-1"
    said = unrolled("predict", run, "--text", "win cash now, claim urgent prize")
    assert "unknown to the vocabulary: 1 of 7 tokens" in said
    first, p, second, q = said.splitlines()[-1].split()
    assert (first, second) == ("spam", "ham")
    # Four decimals each.
    assert float(p) + float(q) == pytest.approx(1, abs=1e-4)
    (folder / "new.txt").write_text("win cash prize\n\nsee you at home 日本\n")
    said = unrolled("predict", run, folder / "new.txt", "--top", "1")
    rows = [line.split() for line in said.splitlines() if line.startswith("line")]
    assert [(row[1], row[2]) for row in rows] == [("1", "spam"), ("3", "ham")]
    assert "empty samples, dropped: 1" in said
    assert "unknown to the vocabulary: 1 of 8 tokens" in said


def test_predictions_are_written(folder) -> None:
    run = folder / "runs" / "spam-1"
    unrolled("predict", run, folder / "spam.tsv", "--output", folder / "found.csv")
    with (folder / "found.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    assert len(rows) == 160
    assert list(rows[0]) == ["sample", "class", "probability", "p(ham)", "p(spam)"]
    for row in rows:
        assert row["probability"] == row[f"p({row['class']})"]
        # Six decimals each.
        assert float(row["p(ham)"]) + float(row["p(spam)"]) == pytest.approx(1, abs=2e-6)
    labels = messages()[1]
    right = [row["class"] == label for row, label in zip(rows, labels, strict=True)]
    assert sum(right) > 150


def test_evaluation_of_further_data(folder) -> None:
    lines = [f"{label},{text}" for text, label in zip(*messages(40, seed=4), strict=True)]
    (folder / "more.csv").write_text("kind,message\n" + "\n".join(lines))
    said = unrolled("evaluate", folder / "runs" / "spam-1", folder / "more.csv")
    assert "more: 40 samples" in said
    for name in ("this model", "logistic regression, n-grams", "naive Bayes, n-grams"):
        assert name in said


def test_check_shows_the_way_to_the_network(folder) -> None:
    said = unrolled("check", "classify", folder / "spam.tsv", "--show")
    assert "texts are read by words" in said
    assert "[samples, tokens] = [3, 7], valid tokens [7, 7, 7]" in said
    assert "[samples, steps, features] = [3, 7, " in said
    assert "xxxxxxx" in said


def test_check_of_numbers(tmp_path) -> None:
    rows = [f"{k},{2 * k},{k + 1},{k % 7},{'odd' if k % 2 else 'even'}" for k in range(40)]
    (tmp_path / "steps.csv").write_text("a,b,c,d,label\n" + "\n".join(rows))
    said = unrolled("check", "classify", tmp_path / "steps.csv", "--columns-per-step", 2, "--show")
    assert "2 steps with 2 numbers each" in said
    assert "mean" in said
    assert "[samples, steps, features] = [3, 2, 2], valid steps [2, 2, 2]" in said
    assert "[samples, steps, features] = [3, 2, 4]" in said


def test_inspection(folder) -> None:
    said = unrolled("inspect", folder / "runs" / "spam-1")
    assert "classify" in (folder / "runs" / "spam-1" / "inspect.html").read_text()
    assert "lstm" in said


def test_a_run_by_patterns_of_names(tmp_path) -> None:
    for name, words in (("Italian", "rossi bianchi conti"), ("Dutch", "jansen de vries")):
        lines = [f"{word}{'aeiou'[k % 5] * (k % 3)}" for k in range(20) for word in words.split()]
        (tmp_path / f"{name}.txt").write_text("\n".join(lines))
    said = unrolled(
        *("train", "classify", tmp_path, *FAST, "--unique", "--test", "*line [1-9]"),
        *("--output", tmp_path / "runs"),
    )
    assert "runs" in said
    run = next((tmp_path / "runs").glob("*-1"))
    config = json.loads((run / "config.json").read_text())
    assert config["coding"]["classes"] == ["Dutch", "Italian"]
    assert config["coding"]["text"]["vocabulary"]["kind"] == "characters"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_files_as_users_bring_them(tmp_path, encoding) -> None:
    texts, labels = messages(60)
    lines = [f"{label}\t{text} ¡olé!" for text, label in zip(texts, labels, strict=True)]
    lines[7] += " free" * 50_000
    lines.insert(9, "")
    lines.insert(12, "\twithout a class")
    lines.insert(15, "ham\t ")
    text = "\r\n".join(["kind\tmessage", *lines])
    (tmp_path / "odd.tsv").write_bytes(text.encode(encoding))
    quick = [*FAST, "--epochs", "1", "--output", tmp_path / "runs"]
    unrolled("train", "classify", tmp_path / "odd.tsv", *quick)
    run = tmp_path / "runs" / "odd-1"
    page = (run / "report.html").read_text()
    assert "longer than 1,000 words" in page
    assert "empty samples, dropped: 2" in page or "empty samples, dropped: 1" in page
    assert "samples without a class, dropped: 1" in page
    config = json.loads((run / "config.json").read_text())
    assert {"olé", "¡"} <= set(config["coding"]["text"]["vocabulary"]["tokens"])


def test_mistakes_end_with_one_line(folder, tmp_path, capsys) -> None:
    one = tmp_path / "one.tsv"
    one.write_text("kind\tmessage\n" + "".join(f"ham\tsee you at {k}\n" for k in range(9)))
    said = refusal("train", "classify", one, capsys=capsys)
    assert "are of one class, 'ham'; there is nothing to tell apart" in said
    said = refusal("train", "classify", tmp_path / "nowhere.tsv", capsys=capsys)
    assert "there is no file" in said
    run = folder / "runs" / "spam-1"
    assert "predict needs an INPUT or --text" in refusal("predict", run, capsys=capsys)
    said = refusal("predict", run, one, "--text", "x", capsys=capsys)
    assert "not both" in said
    said = refusal("train", "classify", folder / "spam.tsv", "--positive", "Spam", capsys=capsys)
    assert "did you mean 'spam'?" in said
    said = refusal("predict", run, "--text", "  ", capsys=capsys)
    assert "holds no sample with content" in said
    other = tmp_path / "other.tsv"
    other.write_text("kind\tmessage\n" + "ham\tsee you\nbeer\tgood night\n" * 3)
    said = refusal("evaluate", run, other, capsys=capsys)
    assert "the model does not know the classes beer" in said
