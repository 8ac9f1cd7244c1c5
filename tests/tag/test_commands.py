"""Taggers on the command line: check, train, predict, evaluate, tune, inspect, demo."""

import json
import re
from pathlib import Path

import pytest

import unrolled as ur
from unrolled import cli
from unrolled.data.tagged import sentences_of
from unrolled.tasks.supervised import MODEL
from unrolled.tasks.tag import commands
from unrolled.tasks.tag.baselines import NAME

from .test_model import sentences, slots

SMALL = ["--hidden-size", "8", "--embedding-size", "8", "--letter-size", "4", "--engine", "eager"]
SMALL += ["--epochs", "3", "--learning-rate", "0.03", "--batch-size", "8", "--dropout", "0.1"]


def columns(data) -> str:
    """Sentences as columns, words first."""
    pairs = (zip(s.words, s.tags, strict=True) for s in data)
    return "\n".join("".join(f"{word}\t{tag}\n" for word, tag in each) for each in pairs)


@pytest.fixture
def files(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("train.tsv").write_text(columns(sentences(80)))
    Path("test.tsv").write_text(columns(sentences(30, seed=1)))
    Path("slots.tsv").write_text(columns(slots(60)))
    return tmp_path


def run(capsys, *arguments: str) -> tuple[int, str, str]:
    status = cli.run(list(arguments))
    printed = capsys.readouterr()
    return status, printed.out, printed.err


def test_from_files_to_a_run_and_back(files, capsys) -> None:
    status, out, _ = run(capsys, "train", "tag", "train.tsv", "--test", "test.tsv", *SMALL)
    assert status == 0
    words = [line.split()[0] for line in out.splitlines() if line[:1] != " "]
    order = ["data", "split", "words", "tags", "baseline", "model", "epoch", "ended", "test"]
    assert [word for word in words if word in order] == order
    folder = Path("runs/train-1")
    tested = json.loads((folder / "metrics.json").read_text())["test"]
    assert set(tested) == {MODEL, NAME}
    assert set(tested[NAME]) == {"accuracy", "whole sentences", "unseen words"}
    page = (folder / "report.html").read_text()
    for text in ("train: a tagger", "taken for which", "most wrong tags", ">precision<"):
        assert text in page
    assert not re.search(r"(src|href)=.https?:", page)
    assert "# train: a tagger" in (folder / "README.md").read_text()

    model = ur.load(folder)
    status, out, err = run(capsys, "predict", str(folder), "--text", "to dden")
    assert (status, out) == (0, "".join(f"{w}\t{t}\n" for w, t in _tagged(model, "to dden")))
    assert "1 of 2 words were not seen in training (1 different)" in err

    status, out, _ = run(capsys, "evaluate", str(folder), "test.tsv")
    assert status == 0
    assert model.evaluate("test.tsv").verdict() in out


def _tagged(model, *texts: str) -> list[tuple[str, str]]:
    found = model.predict(list(texts))
    words = sentences_of(list(texts)).words
    return [p for w, t in zip(words, found, strict=True) for p in zip(w, t, strict=True)]


def test_slots_of_several_files_and_what_is_predicted_from_files(files, capsys) -> None:
    Path("more.tsv").write_text(columns(slots(20, seed=3)))
    status, out, _ = run(capsys, "train", "tag", "slots.tsv", "more.tsv", "--test", "more*", *SMALL)
    assert status == 0
    assert "slots and 1 more  80 sentences" in out
    assert "test on 20" in out
    assert "span F1" in out
    folder = "runs/slots-and-1-more-1"
    page = Path(folder, "report.html").read_text()
    assert "Spans: right where" in page

    Path("lines.txt").write_text("go from big old\n\ngo at noon.\n")
    status, out, err = run(capsys, "predict", folder, "lines.txt", "--probabilities")
    blocks = [block.splitlines() for block in out.strip().split("\n\n")]
    assert [len(block) for block in blocks] == [4, 4]
    assert all(re.fullmatch(r"\S+\t\S+\t[01]\.\d{3}", line) for b in blocks for line in b)
    assert "2 lines, a sentence each, cut into words" in err
    status, out, _ = run(capsys, "predict", folder, "lines.txt", "--output", "out.tsv")
    assert status == 0
    assert Path("out.tsv").read_text().count("\n") == 9
    # What was written is read again.
    status, out, _ = run(capsys, "evaluate", folder, "out.tsv")
    assert "accuracy 100.00 %" in out
    status, again, _ = run(capsys, "predict", folder, "out.tsv", "--format", "columns")
    assert again == Path("out.tsv").read_text()


def test_check_shows_the_way_to_the_network(files, capsys) -> None:
    Path("two.tsv").write_text("the D\ncat N\nsat V\n\nstop V\n")
    status, out, _ = run(capsys, "check", "tag", "two.tsv", "--validation", "two.tsv", "--show")
    assert status == 0
    told = [re.sub(" +", " ", line).strip() for line in out.splitlines()]
    for line in (
        "words the cat sat",
        "tags D N V",
        "word ids 4 1 2",
        "letters 3 3 3",
        "padded words [2, 3], and where they are valid",
        "x..",
        "letters [sentences, words, letters] = [2, 3, 4]",
    ):
        assert line in told
    assert "[sentences, words, features] = [2, 3, 155]" in out
    assert list(files.iterdir()) == [p for p in files.iterdir() if p.suffix == ".tsv"]


def test_a_search(files, capsys) -> None:
    status, out, _ = run(
        capsys, "tune", "tag", "train.tsv", "--trials", "2", "--search", "letter-size=2,4",
        *SMALL, "--epochs", "1",
    )  # fmt: skip
    assert status == 0
    best = re.search(r"best +trial \d: --letter-size (\d)", out)
    assert best is not None
    arguments = json.loads(Path("runs/train-1/config.json").read_text())["arguments"]
    assert arguments["letter_size"] == int(best[1])


def test_a_look_inside(files, capsys) -> None:
    run(capsys, "train", "tag", "train.tsv", *SMALL, "--epochs", "1")
    status, out, _ = run(capsys, "inspect", "runs/train-1")
    assert status == 0
    assert "memory" in out
    page = Path("runs/train-1/inspect.html").read_text()
    assert "letters of words, forwards" in page


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "tag", "one.tsv"], "one has only the tag 'X'; learning needs words with"),
        (["check", "tag", "one.tsv"], "one has only the tag 'X'"),
        (["train", "tag", "none.tsv"], "none.tsv cannot be read: did you mean 'one.tsv'?"),
        (["train", "tag", "empty.tsv"], "empty.tsv is empty"),
        (["train", "tag", "train.tsv", "--tag", "5"], "has 2 columns, but tag is 5"),
        (["train", "tag", "train.tsv", "--tag", "pos"], "no column is named 'pos'"),
        (["train", "tag", "train.tsv", "--format", "conl"], "format is 'conl'; did you mean"),
        (["train", "tag", "train.tsv", "--crf", "--cell", "lst"], "did you mean 'lstm'"),
        (["train", "tag", "train.tsv", "--least", "999"], "is seen least=999 times"),
        (["train", "tag", "train.tsv", "--test", "x*"], "whose names are like 'train.tsv, sent"),
        (["train", "tag", "text.txt"], "text.txt has words and tags both in column 0 of 1"),
    ],
)
def test_bad_input_is_one_line(files, capsys, arguments, message) -> None:
    Path("one.tsv").write_text("a X\nb X\n\n" * 20)
    Path("empty.tsv").write_text("\n\n")
    Path("text.txt").write_text("a\nb\n")
    status, _, err = run(capsys, *arguments)
    assert status == 2
    assert message in err
    assert err.count("\n") == 1
    assert not Path("runs").exists()


def test_what_is_to_be_tagged_must_be_given_once(files, capsys) -> None:
    run(capsys, "train", "tag", "train.tsv", *SMALL, "--epochs", "1", "--quiet")
    for more in ([], ["test.tsv", "--text", "to bo"]):
        status, _, err = run(capsys, "predict", "runs/train-1", *more)
        assert (status, err) == (
            2,
            'unrolled: give a file of sentences to tag, or one with --text "..."\n',
        )
    assert run(capsys, "predict", "runs/train-1", "test.tsv", "--output", "new/o.tsv")[0] == 0
    before = Path("test.tsv").read_text()
    status, _, err = run(capsys, "predict", "runs/train-1", "test.tsv", "--output", "test.tsv")
    assert (status, Path("test.tsv").read_text()) == (2, before)
    assert "test.tsv is what is read" in err


def test_the_demonstration(tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.setattr(commands, "lines_of_code", lambda: sentences(40))
    commands.demo(tmp_path, True)
    (folder,) = tmp_path.iterdir()
    assert capsys.readouterr().out == f"{folder}\n"
