"""Every refusal is one line that names what was wrong and what to do."""

import gzip

import numpy as np
import polars as pl
import pytest

from unrolled.data import DataError, read_series

ROWS = "time,id,y,x\n" + "".join(
    f"2020-01-{day:02d},{name},{day}.5,{day * day + ord(name)}\n"
    for name in "ab"
    for day in range(1, 21)
)


def expect_refusal(source, *words, **arguments):
    with pytest.raises(DataError) as error:
        read_series(source, **arguments)
    message = str(error.value)
    assert "\n" not in message
    assert [word for word in words if word not in message] == [], message
    return message


@pytest.fixture
def write(tmp_path):
    def _write(content, name="table.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return _write


def test_missing_file(tmp_path, write):
    write(ROWS, "sales.csv")
    expect_refusal(tmp_path / "sale.csv", "there is no file", "did you mean 'sales.csv'")
    expect_refusal("nyc_wether", "did you mean 'nyc_weather'", "bundled examples")
    expect_refusal(tmp_path / "nowhere" / "x.csv", "there is no file")


def test_directory(tmp_path):
    expect_refusal(tmp_path, "is a directory", "one CSV")


@pytest.mark.parametrize(
    ("content", "name", "words"),
    [
        ("", "a.csv", ["is empty", "header"]),
        (" \n \n", "a.csv", ["is empty"]),
        ("time,y\n", "a.csv", ["no rows below its header"]),
        (ROWS, "a.xlsx", ["'.xlsx'", "save it as CSV"]),
        (ROWS, "a", ["save it as CSV"]),
        (b"PK\x03\x04rest", "a.csv", ["not a text file", "save it as CSV"]),
        (b"\x00\x01\x02", "a.csv", ["not a text file"]),
        (ROWS.encode("utf-16"), "a.csv", ["UTF-16", "UTF-8"]),
        (b"time,y\n2020-01-01,1\n2020-01-02,\xe9\n", "a.csv", ["line 3", "not UTF-8"]),
        (b"not parquet at all", "a.parquet", ["not a readable Parquet file"]),
        (b"not gzip at all", "a.csv.gz", ["cannot be read", "gzip"]),
        (gzip.compress(ROWS.encode(), mtime=0)[:40], "a.csv.gz", ["cannot be read"]),
        ("time,y\n2020-01-01,1\n2020-01-02,2,3\n", "a.csv", ["line 3", "3 values for 2 columns"]),
        ("time,y,y\n2020-01-01,1,2\n", "a.csv", ["two columns named 'y'"]),
        ("2020-01-01,1\n2020-01-02,2\n", "a.csv", ["first line", "add a header"]),
    ],
)
def test_unreadable_files(write, content, name, words):
    expect_refusal(write(content, name), *words)


@pytest.mark.parametrize("source", [[1, 2], 5, {"y": [1]}, np.zeros(3)])
def test_what_is_no_table(source):
    expect_refusal(source, "a table must be a path", type(source).__name__)


def test_mixed_pandas_column():
    import pandas as pd

    frame = pd.DataFrame({"time": pd.date_range("2020", periods=2), "y": [1, "z"]})
    expect_refusal(frame, "cannot be converted", "z")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"target": "why"}, ["target", "no column 'why'", "time, id, y, x"]),
        ({"target": "Y"}, ["did you mean 'y'"]),
        ({"time": "tyme"}, ["time: there is no column 'tyme'", "did you mean 'time'"]),
        ({"series": "ids"}, ["series", "did you mean 'id'"]),
        ({"past": ["xx"]}, ["past", "'xx'"]),
        ({"future": "promo"}, ["future", "'promo'"]),
        ({"static": "z"}, ["static", "'z'"]),
        ({"target": "id"}, ["target column 'id'", "'a'", "choose another column"]),
        ({"target": "time"}, ["target column 'time' holds times", "numbers are needed"]),
        ({"target": "y", "time": "y"}, ["'y'", "two roles"]),
        ({"target": "y", "past": "y"}, ["'y'", "two roles"]),
        ({"target": "y", "static": "x"}, ["static column 'x' changes within series 'a'"]),
        ({"target": "y", "freq": "1 fortnite"}, ["'1 fortnite'", "not known"]),
        ({"target": "y", "freq": "1"}, ["the times are dates", "freq=1"]),
        ({"target": "y", "freq": "1w"}, ["1w is too coarse", "shorter step"]),
        ({"target": "y", "freq": "1us"}, ["absent steps", "longer step"]),
        ({"target": "y", "season": 0}, ["season", "got 0"]),
        ({"target": "y", "series": ()}, ["20 of 40 rows share", "series=["]),
    ],
)
def test_wrong_arguments(write, arguments, words):
    expect_refusal(write(ROWS), *words, **arguments)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("1,234", ["'1,234'", "data row 3", "'y'", "without separators of thousands"]),
        ("12 %", ["'12 %'", "percent"]),
        ("$5", ["'$5'", "not a number"]),
        ("broken", ["'broken'", "data row 3", "empty the cell"]),
        ("inf", ["1 infinite values", "data row 3", "'y'"]),
        ("-Infinity", ["infinite", "data row 3"]),
    ],
)
def test_values_that_are_no_numbers(write, value, words):
    path = write(ROWS.replace("2020-01-03,a,3.5", f'2020-01-03,a,"{value}"'))
    expect_refusal(path, *words, target="y")
    # The same fault in a covariate is named just as well.
    words = [word for word in words if word != "'y'"]
    path = write(ROWS.replace("2020-01-03,a,3.5,106", f'2020-01-03,a,3.5,"{value}"'))
    expect_refusal(path, "'x'", *words, target="y")


def test_a_column_of_decimal_commas(write):
    path = write("time;y\n2020-01-01;1,5\n2020-01-02;2,5\n2020-01-03;3,5\n")
    expect_refusal(path, "'1,5'", "data row 1", "1234.5")


def test_infinite_values_of_a_frame():
    table = pl.DataFrame({"time": [1, 2, 3], "y": [1.0, float("inf"), float("-inf")]})
    expect_refusal(table, "'y'", "2 infinite values", "data row 2")


def test_no_time_column(write):
    expect_refusal(write("a,b\n1,2\n3,4\n"), "no time column among a, b", "time=...", "'time'")


def test_several_candidates_for_the_target(write):
    path = write(ROWS.replace(",y,", ",z,"))
    expect_refusal(path, "several columns could be forecast (z, x)", "target=")


def test_wide_table(write):
    header = ",".join(["id", *[f"V{step}" for step in range(20)]])
    rows = "".join(f"s{row}," + ",".join(["1"] * 20) + "\n" for row in range(5))
    expect_refusal(write(f"{header}\n{rows}"), "no time column", "every row is a series", "unpivot")


def test_two_time_columns(write):
    path = write("begun,ended,y\n2020-01-01,2020-01-02,1\n2020-01-02,2020-01-03,2\n")
    expect_refusal(path, "several columns hold times (begun, ended)", "time=")


def test_no_numeric_column(write):
    expect_refusal(write("time,word\n2020-01-01,a\n2020-01-02,b\n"), "no numeric column", "word")


def test_target_without_values(write):
    path = write("time,y,x\n2020-01-01,,1\n2020-01-02,NA,2\n2020-01-03,?,3\n")
    expect_refusal(path, "'y' has no values at all", target="y")


def test_nothing_tells_the_series_apart(write):
    rows = "".join(f"20{10 + year},{month},{month}.5\n" for year in range(3) for month in range(12))
    expect_refusal(
        write("year,month,y\n" + rows),
        "12 rows share one time",
        "series='...'",
        "join year and month",
        time="year",
        target="y",
    )


def test_irregular_times():
    steps = np.cumsum(np.random.default_rng(0).integers(1, 10**6, 50))
    expect_refusal(pl.DataFrame({"step": steps, "y": steps % 7}), "irregular", "freq=", target="y")


def test_a_single_row(write):
    expect_refusal(write("time,y\n2020-01-01,1\n"), "no series has two different times", "freq=")


def test_rows_without_place(write):
    path = write("time,id,y\n2020-01-01,,1\n2020-01-02,,2\n")
    expect_refusal(path, "no row has both a time and a series", series="id")


def test_static_column_with_unknown_value(write):
    path = write(ROWS.replace("\n", ",5\n").replace("x,5", "x,h").replace(",5\n", ",\n", 21))
    expect_refusal(path, "static column 'h' is empty for a", target="y", static="h")


class TestSecondTable:
    """A table for a model that was trained on another one."""

    @pytest.fixture
    def schema(self, write):
        return read_series(write(ROWS), target="y").schema

    def test_missing_column(self, write, schema):
        path = write(ROWS.replace("y,x", "y,X2"))
        expect_refusal(path, "the model was trained with more columns", "'x'", schema=schema)

    def test_another_step(self, schema):
        times = np.datetime64("2020-01-01", "us") + np.arange(30) * np.timedelta64(1, "h")
        table = pl.DataFrame({"time": times, "id": "a", "y": np.arange(30.0), "x": 1.0})
        expect_refusal(table, "one step of the table is 1h, of the model 1d", schema=schema)

    def test_steps_for_dates(self, schema):
        table = pl.DataFrame({"time": range(9), "id": "a", "y": np.arange(9.0), "x": 1.0})
        expect_refusal(table, "the times are steps", "freq=1d", schema=schema)

    def test_text_for_numbers(self, write, schema):
        path = write(ROWS.replace("2020-01-03,a,3.5,106", "2020-01-03,a,3.5,many"))
        expect_refusal(path, "past column 'x' holds 'many' in data row 3", schema=schema)
