"""Whole tables: roles, repairs and their counts, against tables small enough to check by hand."""

import gzip
import json
from datetime import date, timedelta

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unrolled.data import DataError, Schema, read_series

# Two series with every fault that is repaired: unsorted rows, an exact and a conflicting
# duplicate, a row without a time, a time off the grid, absent rows, and missing values.
MESSY = """time,city,temp,rain,height,kind,mood,nothing,same
2020-01-03,Oslo,3,0.3,20,coast,calm,,5
2020-01-01,Oslo,1,NA,20,coast,glad,,5
2020-01-02,Oslo,?,0.2,20,coast,sad,,5
2020-01-05,Oslo,5,0.5,20,coast,glad,,5
2020-01-05,Oslo,5,0.5,20,coast,glad,,5
2020-01-06,Oslo,6,0.6,20,coast,glad,,5
2020-01-06,Oslo,66,0.6,20,coast,glad,,5
,Oslo,7,0.7,20,coast,glad,,5
2020-01-08T01:00,Oslo,8,0.8,20,coast,glad,,5
2020-01-01,Rome,10,1.0,37,inland,calm,,5
2020-01-02,Rome,20,2.0,37,inland,calm,,5
2020-01-03,Rome,,3.0,37,inland,calm,,5
2020-01-04,Rome,40,-,37,inland,calm,,5
2020-01-05,Rome,50,5.0,37,inland,calm,,5
2020-01-06,Rome,60,6.0,37,inland,calm,,5
2020-01-07,Rome,,7.0,37,inland,calm,,5
"""
NAN = np.nan


@pytest.fixture
def messy(tmp_path):
    path = tmp_path / "messy.csv"
    path.write_text(MESSY)
    return path


def texts(data, kind):
    return [finding.text for finding in data.findings if finding.kind == kind]


def test_repairs(messy):
    data = read_series(messy, target="temp")
    oslo, rome = data
    np.testing.assert_array_equal(oslo.target, [1, NAN, 3, NAN, 5, 66, NAN, 8])
    np.testing.assert_array_equal(oslo.past[:, 0], [NAN, 0.2, 0.3, NAN, 0.5, 0.6, NAN, 0.8])
    np.testing.assert_array_equal(rome.target, [10, 20, NAN, 40, 50, 60])
    np.testing.assert_array_equal(rome.past[:, 0], [1, 2, 3, NAN, 5, 6])
    assert (str(oslo.start)[:10], str(rome.start)[:10]) == ("2020-01-01", "2020-01-01")
    assert texts(data, "repaired") == [
        "dropped 1 row without a time",
        "sorted 1 row that came late",
        "dropped 1 repeated row",
        "dropped 1 row that a later row for the same time contradicts",
        "moved 1 row to the nearest of the days",
        "restored 2 absent days",
        "masked 2 temp values",
        "masked 2 rain values",
    ]


def test_roles(messy):
    data = read_series(messy, target="temp")
    assert data.schema == Schema(
        target="temp",
        time="time",
        series=("city",),
        frequency=data.schema.frequency,
        season=1,
        past=("rain",),
        static={"height": None},
    )
    assert str(data.schema.frequency) == "1d"
    assert [series.static.tolist() for series in data] == [[20], [37]]
    assert texts(data, "ignored") == [
        "column kind: a name for every series, or nearly so",
        "column nothing: empty",
        "column mood: text, which cannot be a covariate that varies in time",
        "column same: constant",
        "left out 1 row after the last temp of their series",
    ]


def test_static_text_is_one_hot(messy):
    data = read_series(messy, target="temp", static=["height", "kind"])
    assert data.schema.static_names == ["height", "kind=coast", "kind=inland"]
    assert [series.static.tolist() for series in data] == [[20, 1, 0], [37, 0, 1]]


def test_rows_without_target_extend_the_future(messy):
    data = read_series(messy, target="temp", future="rain")
    oslo, rome = data
    assert (oslo.n, oslo.ahead, rome.n, rome.ahead) == (8, 0, 6, 1)
    assert rome.future[:, 0].tolist()[-2:] == [6, 7]
    assert "future covariates reach up to 1 day beyond the last temp" in texts(data, "found")
    assert not any("after the last temp" in text for text in texts(data, "ignored"))


def test_named_roles_are_obeyed(messy):
    data = read_series(messy, target="rain", past=["same"], static=[], season=3, name="weather")
    assert data.schema.past == ("same",)
    assert data.schema.static == {}
    assert data.schema.season == 3
    assert data.name == "weather"
    assert "columns temp, height: not asked for" in texts(data, "ignored")


def test_a_series_without_target_is_left_out(messy):
    table = pl.read_csv(messy, infer_schema=False)
    table = table.with_columns(
        temp=pl.when(pl.col("city") == "Oslo").then(None).otherwise(pl.col("temp"))
    )
    data = read_series(table, target="temp")
    assert [series.name for series in data] == ["Rome"]
    assert "left out 1 series without any temp: Oslo" in texts(data, "ignored")


def test_a_second_table_is_read_in_the_same_way(messy, tmp_path):
    roles = {"target": "temp", "future": "rain", "static": ["height", "kind"]}
    schema = read_series(messy, **roles).schema
    schema = Schema.from_dict(json.loads(json.dumps(schema.to_dict())))
    again = read_series(messy, schema=schema)
    first = read_series(messy, **roles)
    for one, other in zip(again, first, strict=True):
        np.testing.assert_array_equal(one.target, other.target)
        np.testing.assert_array_equal(one.future, other.future)
        np.testing.assert_array_equal(one.static, other.static)
    assert again.schema == schema
    new = tmp_path / "new.csv"
    new.write_text(MESSY.replace("Rome", "Graz").replace("inland", "alpine"))
    graz = read_series(new, schema=schema)["Graz"]
    assert graz.static.tolist() == [37, 0, 0]
    warning = texts(read_series(new, schema=schema), "warning")
    assert warning == ["categories of 'kind' that the model has not seen count as none: alpine"]


def test_air_passengers():
    data = read_series("air-passengers")
    assert (len(data), data[0].n, data[0].target[0], data[0].target[-1]) == (1, 144, 112, 432)
    assert (data.schema.target, data.schema.season) == ("passengers", 12)
    assert str(data.schema.frequency) == "1mo"


def test_nyc_weather():
    data = read_series("nyc_weather")
    counts = {finding.text: finding.count for finding in data.findings}
    assert [series.name for series in data] == ["EWR", "JFK", "LGA"]
    # 363 days and 18 hours for each airport, of which 26,115 rows are in the table.
    assert [series.n for series in data] == [8730] * 3
    assert counts["restored 75 absent hours"] == 3 * 8730 - 26115
    assert counts["masked 2,729 pressure values"] == 2729
    assert counts["masked 20,778 wind_gust values"] == 20778
    assert data.schema.season == 24
    assert data["EWR"].target[0] == 39.02
    # 17:00 on the first day is absent from the table of Newark.
    assert np.isnan(data["EWR"].target[11])


def clean_table(rows=40):
    day = date(2020, 1, 1)
    rng = np.random.default_rng(0)
    return pl.DataFrame(
        {
            "date": [day + timedelta(days=step) for step in range(rows)] * 2,
            "item": ["a"] * rows + ["b"] * rows,
            "sales": rng.integers(0, 100, 2 * rows).astype(float),
            "price": rng.integers(0, 100, 2 * rows) / 8,
        }
    )


def assert_same(one, other):
    assert one.schema == other.schema
    assert [s.name for s in one] == [s.name for s in other]
    for first, second in zip(one, other, strict=True):
        assert first.start == second.start
        np.testing.assert_array_equal(first.target, second.target)
        np.testing.assert_array_equal(first.past, second.past)


@pytest.mark.parametrize("form", ["csv", "tsv", "csv.gz", "parquet", "semicolon"])
def test_files_hold_the_same_as_the_frame(tmp_path, form):
    table = clean_table()
    path = tmp_path / f"table.{'csv' if form == 'semicolon' else form}"
    if form == "parquet":
        table.write_parquet(path)
    else:
        text = table.write_csv(separator={"tsv": "\t", "semicolon": ";"}.get(form, ","))
        data = text.encode()
        path.write_bytes(gzip.compress(data) if form == "csv.gz" else data)
    data = read_series(path, target="sales")
    assert_same(data, read_series(table, target="sales"))
    assert data.name == "table"


@pytest.mark.parametrize("form", ["pandas", "pandas index", "pyarrow", "lazy", "categories"])
def test_dataframes_hold_the_same(form):
    table = clean_table()
    pandas = pd.DataFrame(table.to_dict(as_series=False))
    forms = {
        "pandas": lambda: pandas.assign(date=pd.to_datetime(pandas["date"])),
        "pandas index": lambda: pandas.assign(date=pd.to_datetime(pandas["date"])).set_index(
            "date"
        ),
        "pyarrow": lambda: pa.table(table.to_dict(as_series=False)),
        "lazy": table.lazy,
        "categories": lambda: table.with_columns(pl.col("item").cast(pl.Categorical)),
    }
    assert_same(read_series(forms[form](), target="sales"), read_series(table, target="sales"))


def test_pandas_series_and_unnamed_index():
    index = pd.date_range("2020-01-01", periods=9, freq="ME")
    values = pd.Series(np.arange(9.0) ** 2, index=index)
    data = read_series(values)
    assert (data.schema.time, str(data.schema.frequency)) == ("time", "1mo-end")
    assert data[0].target[3] == 9
    periods = read_series(values.to_period("M").to_frame("y"))
    assert str(periods[0].start)[:10] == "2020-01-01"


def test_byte_order_mark_and_blank_lines(tmp_path):
    path = tmp_path / "bom.csv"
    path.write_bytes(b"\xef\xbb\xbftime , y\r\n2020-01-01, 1\r\n2020-01-02,4\r\n\r\n")
    data = read_series(path)
    assert data[0].target.tolist() == [1, 4]
    assert texts(data, "repaired") == ["dropped 1 row without a time"]


def test_an_exported_index_is_ignored(tmp_path):
    path = tmp_path / "index.csv"
    path.write_text(",date,y\n0,2020-01-01,3\n1,2020-01-02,1\n2,2020-01-03,2\n")
    data = read_series(path)
    assert data.schema.target == "y"
    assert texts(data, "ignored") == ["column column_1: counts rows"]


def test_truth_values_are_numbers(tmp_path):
    path = tmp_path / "truth.csv"
    path.write_text("t,y,open\n1,3,True\n2,1,false\n3,2,True\n")
    assert read_series(path, target="y")[0].past[:, 0].tolist() == [1, 0, 1]


def test_several_columns_tell_series_apart():
    table = pl.concat(
        clean_table().with_columns(store=pl.lit(store, pl.Int64)) for store in (10, 2)
    ).with_columns(pl.col("sales") + pl.col("store"))
    data = read_series(table, target="sales")
    assert data.schema.series == ("item", "store")
    assert [series.name for series in data] == ["a/10", "a/2", "b/10", "b/2"]


def test_a_name_for_every_series_is_no_static_covariate():
    table = clean_table().with_columns(label=pl.col("item") + "x", code=pl.col("item"))
    data = read_series(table, target="sales")
    assert data.schema.series == ("item",)
    assert data.schema.static == {}
    assert texts(data, "ignored") == ["columns label, code: a name for every series, or nearly so"]


def test_rows_that_collide_off_the_grid():
    times = ["2020-01-01 00:00", "2020-01-01 01:00", "2020-01-01 01:20", "2020-01-01 03:10"]
    times += [f"2020-01-01 {hour:02d}:00" for hour in range(4, 16)]
    table = pl.DataFrame({"time": times, "y": np.arange(16.0)})
    data = read_series(table, freq="1h")
    np.testing.assert_array_equal(data[0].target[:5], [0, 1, NAN, 3, 4])
    assert "moved 1 row to the nearest of the hours" in texts(data, "repaired")
    assert "dropped 1 row off the grid whose step was taken" in texts(data, "repaired")


def test_a_stray_first_row_does_not_shift_the_grid():
    times = ["2020-01-01 00:10", *[f"2020-01-01 {hour:02d}:00" for hour in range(1, 12)]]
    data = read_series(pl.DataFrame({"time": times, "y": np.arange(12.0)}), freq="1h")
    assert str(data[0].start)[:16] == "2020-01-01T00:00"
    assert data[0].target.tolist() == list(range(12))


def test_freq_says_months_whichever_day():
    index = pd.date_range("2020-01-31", periods=24, freq="ME")
    table = pl.DataFrame({"time": index.to_numpy(), "y": np.arange(24.0)})
    data = read_series(table, freq="1mo")
    assert str(data.schema.frequency) == "1mo-end"
    assert not texts(data, "repaired")


def test_mostly_absent_steps_are_warned_about():
    table = pl.DataFrame({"step": [0, 1, 2, 50], "y": [1.0, 2.0, 3.0, 5.0]})
    assert texts(read_series(table), "warning") == [
        "more steps are absent (47) than present; is one step really 1?"
    ]


def test_a_constant_target_is_warned_about():
    table = pl.DataFrame({"step": [0, 1, 2], "y": [1.0, 1.0, 1.0]})
    assert texts(read_series(table), "warning") == ["y never changes in 1 series"]


@given(st.randoms(use_true_random=False))
@settings(max_examples=25, deadline=None)
def test_the_order_of_rows_does_not_matter(random):
    table = clean_table(rows=12)
    order = list(range(table.height))
    random.shuffle(order)
    assert_same(read_series(table[order], target="sales"), read_series(table, target="sales"))


@given(st.sets(st.integers(1, 38), max_size=12))
@settings(max_examples=25, deadline=None)
def test_removed_rows_are_restored(removed):
    table = clean_table().filter(pl.col("item") == "a").drop("item")
    kept = table.with_row_index().filter(~pl.col("index").is_in(sorted(removed))).drop("index")
    whole, data = read_series(table, target="sales"), read_series(kept, target="sales", freq="1d")
    assert data[0].n == 40
    expected = whole[0].target.copy()
    expected[sorted(removed)] = NAN
    np.testing.assert_array_equal(data[0].target, expected)
    restored = [f.count for f in data.findings if "restored" in f.text]
    assert restored == ([len(removed)] if removed else [])


def test_schema_stands_alone():
    schema = read_series("air_passengers").schema
    with pytest.raises(DataError, match="schema= fixes all roles"):
        read_series("air_passengers", target="passengers", schema=schema)
