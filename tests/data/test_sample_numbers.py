"""Collections of numeric sequences with classes: every form of source, read by hand."""

import json

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unrolled.data.errors import DataError
from unrolled.data.samples import read_samples, samples_of


def _file(folder, name, content):
    path = folder / name
    path.write_text(content, encoding="utf-8")
    return path


def _frame(**columns):
    return pl.DataFrame(columns)


def _labels(samples):
    return [sample.label for sample in samples]


def _said(samples, words):
    """The counts of the findings that hold these words."""
    return [finding.count for finding in samples.findings if words in finding.text]


def test_a_row_a_sequence(tmp_path) -> None:
    # Two rows of the handwritten digits of UCI's pendigits.tra, and one more of the first class.
    content = " 47,100, 27, 81, 57, 37, 26,  0,  0, 23, 56, 53,100, 90, 40, 98, 8\n"
    content += "  0, 89, 27,100, 42, 75, 29, 45, 15, 15, 37,  0, 69,  2,100,  6, 2\n"
    content += "  1, 89, 27,100, 42, 75, 29, 45, 15, 15, 37,  0, 69,  2,100,  6, 8\n"
    path = _file(tmp_path, "pendigits.tra", content)
    samples = read_samples(path, columns_per_step=2)
    assert not samples.is_text
    assert _labels(samples) == ["8", "2", "8"]
    assert samples.features == ("column_1", "column_2")
    first = [[47, 100], [27, 81], [57, 37], [26, 0], [0, 23], [56, 53], [100, 90], [40, 98]]
    assert samples[0].values.dtype == np.float64
    assert samples[0].values.tolist() == first
    # Read in the same way without being told again, also where no class is known.
    reading = json.loads(json.dumps(samples.reading))
    again = read_samples(path, **reading)
    assert all((a.values == b.values).all() for a, b in zip(samples, again, strict=True))
    unknown = read_samples(path, **{**reading, "label": None}, labelled=False)
    assert unknown.classes == ()
    assert [s.values.tolist() for s in unknown] == [s.values.tolist() for s in samples]
    with pytest.raises(DataError, match="read without classes"):
        _ = unknown.targets


def test_rows_of_unequal_length_and_gaps() -> None:
    data = _frame(
        id=["p", "q", "r"],
        a=[None, 1.5, None],
        b=[2.5, None, None],
        c=[3.5, 4.0, None],
        d=[None, 5.0, None],
        label=["x", "y", "x"],
    )
    samples = read_samples(data, columns_per_step=1)
    assert [(s.name, s.values[:, 0].tolist()) for s in samples] == [
        ("p", [2.5, 2.5, 3.5]),
        ("q", [1.5, 1.5, 4.0, 5.0]),
    ]
    assert _said(samples, "cut off") == [1 + 4]
    assert _said(samples, "gaps in samples") == [2]
    assert _said(samples, "empty samples") == [1]


def test_a_feature_without_any_value() -> None:
    data = _frame(a=[1.5], b=[None], c=[2.5], d=[None], label=["x"])
    data = data.with_columns(pl.col("b", "d").cast(pl.Float64))
    with pytest.raises(DataError, match="sample row 1 has no value of feature 2"):
        read_samples(data, columns_per_step=2, features=["a", "b", "c", "d"])


def test_a_row_a_step() -> None:
    data = _frame(
        id=["b", "a", "b", "a", "b", None],
        step=[2, 0, 1, 1, 3, 0],
        x=[12.0, 20.0, 11.0, 21.0, 13.0, 0.0],
        y=[0.5, 1.0, 0.25, 2.0, 0.75, 0.0],
        label=["u", "v", "u", None, "u", "u"],
    )
    samples = read_samples(data)
    assert [(s.name, s.label) for s in samples] == [("b", "u"), ("a", "v")]
    assert samples[0].values.tolist() == [[11, 0.25], [12, 0.5], [13, 0.75]]
    assert samples[1].values.tolist() == [[20, 1], [21, 2]]
    assert samples.features == ("x", "y")
    assert _said(samples, "with an empty 'id', left out") == [1]
    assert samples.reading["sample"] == "id"
    assert samples.reading["step"] == "step"


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 6), min_size=2, max_size=8), st.randoms(use_true_random=False))
def test_rows_of_steps_may_come_in_any_order(lengths, random) -> None:
    rows = [(n, t, n + t / 8) for n, length in enumerate(lengths) for t in range(length)]
    random.shuffle(rows)
    data = pl.DataFrame(rows, schema=["who", "when", "x"], orient="row")
    data = data.with_columns(
        kind=pl.when(pl.col("who") > 0).then(pl.lit("a")).otherwise(pl.lit("b"))
    )
    samples = read_samples(data, sample="who", step="when", label="kind")
    found = {int(s.name): s.values[:, 0].tolist() for s in samples}
    assert found == {n: [n + t / 8 for t in range(m)] for n, m in enumerate(lengths)}


TS = """# A remark
@problemName Made
@timeStamps false
@univariate false
@dimensions 2
@equalLength false
@classLabel true Up Down
@data
0.1,-0.25,1E2:1,2,3:Up
-1.5:0:Down

?,4,?:5,?,NaN:Up
"""


def test_the_ts_format(tmp_path) -> None:
    samples = read_samples(_file(tmp_path, "Made_TRAIN.ts", TS))
    assert _labels(samples) == ["Up", "Down", "Up"]
    assert samples.features == ("dimension 1", "dimension 2")
    expected = [[[0.1, 1], [-0.25, 2], [100, 3]], [[-1.5, 0]], [[4, 5], [4, 5]]]
    for sample, values in zip(samples, expected, strict=True):
        assert (sample.values == np.array(values)).all()
    assert _said(samples, "cut off") == [1]
    assert _said(samples, "gaps in samples") == [2]
    assert samples[2].name == "Made_TRAIN.ts, line 12"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("@timeStamps false", "@timeStamps true", "has time stamps"),
        ("@classLabel true Up Down", "@targetLabel true", "a number to predict"),
        ("@data\n", "", "line 8: expected a tag"),
        ("1,2,3:Up", "1,2:Up", r"line 9: dimensions of \[2, 3\] steps"),
        ("@dimensions 2", "@dimensions 3", "says @dimensions 3, its samples have 2"),
        ("-0.25", "o.25", "line 9: 'o.25' is not a number"),
        ("-1.5:0:Down", "-1.5:Down", "samples of 1 to 2 dimensions"),
    ],
)
def test_a_ts_file_that_is_wrong(tmp_path, old, new, message) -> None:
    with pytest.raises(DataError, match=message):
        read_samples(_file(tmp_path, "x.ts", TS.replace(old, new)))


def test_the_class_may_come_first(tmp_path) -> None:
    # As in the archives of UCR: the class, then the steps.
    content = "".join(f"{1 + k % 2}\t{k / 7:.3f}\t{k / 3:.3f}\t{k / 9:.3f}\n" for k in range(12))
    samples = read_samples(_file(tmp_path, "u.tsv", content))
    assert samples.counts == {"1": 6, "2": 6}
    assert samples[7].values[:, 0].tolist() == [1, 2.333, 0.778]


def test_steps_without_samples_are_asked_about() -> None:
    data = _frame(who=[1, 1, 2, 2], t=[0, 1, 0, 1], x=[0.5, 1.5, 2.5, 3.5], label=list("aabb"))
    with pytest.raises(DataError, match=r"tells samples apart\? sample=\.\.\. names it"):
        read_samples(data)
    assert read_samples(data, sample="who").lengths.tolist() == [2, 2]


def test_arrays_in_memory() -> None:
    samples = samples_of([np.ones((3, 2)), [[0, np.nan], [1, 2]], np.zeros((0, 2))])
    assert [s.values.tolist() for s in samples] == [[[1, 1]] * 3, [[0, 2], [1, 2]]]
    assert samples.features == ("feature 1", "feature 2")
    assert _said(samples, "gaps in samples") == [1]
    assert _said(samples, "empty samples") == [1]
    assert samples_of([[1, 2, 3], [4]], ["a", "b"])[0].values.tolist() == [[1], [2], [3]]
