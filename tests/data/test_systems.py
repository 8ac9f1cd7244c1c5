"""Inputs and outputs of systems read from tables: roles, records, times, and what is said."""

import gzip

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unrolled.data.errors import DataError
from unrolled.data.systems import SystemData, read_system, system_of


def _file(folder, name, content):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def _said(data: SystemData, part: str) -> list[int]:
    return [finding.count for finding in data.findings if part in finding.text]


def _rows(data: SystemData) -> list[tuple[int, int]]:
    return [(record.row, record.stop) for record in data]


# --- columns


@pytest.mark.parametrize(
    ("header", "inputs", "outputs"),
    [
        ("u,y", "u", "y"),
        ("y,u", "u", "y"),
        ("Input,Output", "Input", "Output"),
        ("u [V],y [mm]", "u [V]", "y [mm]"),
        ('"V1","V2"', "V1", "V2"),
        ("x,y", "x", "y"),
        ("u,position", "u", "position"),
        ("force,y", "force", "y"),
    ],
)
def test_roles_by_name(tmp_path, header, inputs, outputs) -> None:
    data = read_system(_file(tmp_path, "s.csv", f"{header}\n1,2\n3,4\n5,7\n"))
    assert (data.inputs, data.outputs) == ((inputs,), (outputs,))
    first = 1 if header.startswith("y") else 0
    wanted = np.array([[1, 2], [3, 4], [5, 7]], dtype=float)
    np.testing.assert_array_equal(data.records[0].inputs[:, 0], wanted[:, first])
    np.testing.assert_array_equal(data.records[0].outputs[:, 0], wanted[:, 1 - first])


def test_the_header_of_silverbox(tmp_path) -> None:
    """Names in quotes, a comma at the end of every line, and a column that is mostly empty."""
    content = '"Ovld","V1","V2",\n0,1,2,\n,3,4,\n,5,6,\n'
    data = read_system(_file(tmp_path, "SNLS80mV.csv", content))
    assert (data.inputs, data.outputs, len(data)) == (("V1",), ("V2",), 3)
    assert _said(data, "column_4: empty") == [1]
    assert _said(data, "Ovld: not used") == [1]


def test_several_inputs_and_outputs(tmp_path) -> None:
    data = read_system(_file(tmp_path, "s.csv", "u1,u2,y_1,y_2,note\n1,2,3,4,a\n5,6,7,8,b\n"))
    assert data.inputs == ("u1", "u2")
    assert data.outputs == ("y_1", "y_2")
    assert _said(data, "note: no numbers") == [1]
    again = read_system(tmp_path / "s.csv", **{**data.reading, "outputs": "y_2"})
    assert again.outputs == ("y_2",)
    alone = read_system(tmp_path / "s.csv", measured=False)
    assert (alone.outputs, alone.records[0].outputs.shape) == ((), (2, 0))


@pytest.mark.parametrize(
    ("content", "asked", "message"),
    [
        ("a,b,c\n1,2,3\n2,3,4\n", {}, "which of the columns a, b, c are inputs and which outputs?"),
        ("a,b,c\n1,2,3\n2,3,4\n", {"inputs": "a"}, "which of the columns b, c are outputs?"),
        ("u,y,y\n1,2,3\n2,3,4\n", {}, "has two columns named 'y'; rename one"),
        ("u,y\n1,2\n", {"inputs": "v"}, "inputs: there is no column 'v'; "),
        ("u,y\n1,2\n", {"inputs": "u", "outputs": "u"}, "column 'u' was given two roles"),
        ("u,y\n1,two\n2,3\n3,4\n", {}, "holds 'two' in data row 1, which is not a number"),
        ("u,y\n1,2\n,3\n3,\n", {}, "no two rows in a row have all values (2 rows have one"),
        ("u,y\n", {}, "has no rows below its header"),
        ("", {}, "is empty"),
        ("u,y\n1,2\n1,2,3\n", {}, "line 3: 3 cells for 2 columns"),
        ("name,note\na,b\nc,d\n", {}, "there is no column of numbers"),
        ("u,y,run\n1,2,a\n1,2,b\n1,2,a\n", {}, "1 experiments of 'run' come again"),
        ("u,y,t\n1,2,0\n1,2,0\n1,2,0\n", {}, "the times of 't' do not rise"),
        ("u,y,t\n1,2,0\n1,2,1\n1,2,5\n1,2,6\n1,2,9\n1,2,10\n", {}, "times of 't' are irregular"),
        (b"\x89PNG\0\0", {}, "is not a text file"),
    ],
)
def test_what_cannot_be_read_is_said_in_one_line(tmp_path, content, asked, message) -> None:
    path = _file(tmp_path, "s.csv", content)
    with pytest.raises(DataError) as error:
        read_system(path, **asked)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


# --- records


def test_records_are_cut_at_missing_values(tmp_path) -> None:
    content = "u,y\n1,1\n2,2\n,3\n4,4\n5,\n6,6\n7,nan\n8,8\n9,9\n\n"
    data = read_system(_file(tmp_path, "s.csv", content))
    # Rows 3 and 5 stand alone between gaps.
    assert _rows(data) == [(0, 2), (7, 9)]
    assert _said(data, "rows with a missing value, at which records are cut") == [3]
    assert _said(data, "between two gaps") == [2]
    np.testing.assert_array_equal(data.records[1].outputs[:, 0], [8, 9])


@settings(max_examples=40, deadline=None)
@given(known=st.lists(st.booleans(), min_size=2, max_size=40))
def test_records_are_the_stretches_without_a_gap(known) -> None:
    u = np.where(known, np.arange(len(known)), np.nan)
    runs = "".join("x" if k else "." for k in known).split(".")
    wanted = [len(run) for run in runs if len(run) > 1]
    if not wanted:
        with pytest.raises(DataError, match="no two rows in a row"):
            system_of(u, np.zeros(len(u)))
        return
    data = system_of(u, np.zeros(len(u)))
    assert data.lengths.tolist() == wanted
    for record in data:
        np.testing.assert_array_equal(record.inputs[:, 0], np.arange(record.row, record.stop))


def test_times(tmp_path) -> None:
    steps = [0, 10, 20, 30, 50, 60, 0, 10, 20, 20, 30, *range(40, 400, 10)]
    rows = [f"{t},{k},{k}" for k, t in enumerate(steps)]
    data = read_system(_file(tmp_path, "s.csv", "\n".join(["t [ms],u,y", *rows])))
    assert data.sampling == pytest.approx(0.01, rel=1e-12)
    # A gap after row 3, a new start at row 6, a repeated time in row 9.
    assert _rows(data) == [(0, 4), (4, 6), (6, 9), (10, len(steps))]
    assert _said(data, "gaps in time") == [1]
    assert _said(data, "where time begins again") == [1]
    assert _said(data, "at the time of the row before") == [1]


def test_uneven_times_are_counted(tmp_path) -> None:
    times = np.arange(100.0)
    times[50] += 0.2
    rows = [f"{t},{k % 7},{k}" for k, t in enumerate(times)]
    data = read_system(_file(tmp_path, "s.csv", "\n".join(["time,u,y", *rows])))
    # The steps to and from one late sample.
    assert _said(data, "differ from the usual one") == [2]
    assert len(data.records) == 1


def test_dates_and_counters(tmp_path) -> None:
    rows = [f"2024-01-01 00:00:{k:02},{k},{k}" for k in range(0, 50, 5)]
    data = read_system(_file(tmp_path, "s.csv", "\n".join(["when,u,y", *rows])))
    assert data.sampling == 5.0
    counted = read_system(_file(tmp_path, "k.csv", "k,u,y\n1,2,3\n2,3,4\n3,4,5\n"))
    assert counted.sampling is None
    assert counted.reading["time"] == "k"


def test_experiments_by_column_and_by_file(tmp_path) -> None:
    data = read_system(_file(tmp_path, "s.csv", "run,u,y\na,1,1\na,2,2\nb,3,3\nb,4,4\n"))
    assert [record.experiment for record in data] == ["a", "b"]
    folder = tmp_path / "runs"
    folder.mkdir()
    for name in ("one", "two"):
        _file(folder, f"{name}.csv", "u,y\n1,1\n2,2\n3,4\n")
    for source in (folder, str(folder / "*.csv"), [folder / "one.csv", folder / "two.csv"]):
        several = read_system(source)
        assert [record.experiment for record in several] == ["one", "two"]
        # Rows are counted on from file to file.
        assert _rows(several) == [(0, 3), (3, 6)]
    _file(folder, "two.csv", "v,y\n1,1\n2,2\n")
    with pytest.raises(DataError, match="files of one system must have the same"):
        read_system(folder)


def test_formats(tmp_path) -> None:
    content = "u,y\n1,2.5\n3,4\n"
    frame = pl.DataFrame({"u": [1.0, 3.0], "y": [2.5, 4.0]})
    frame.write_parquet(tmp_path / "s.parquet")
    sources = [
        _file(tmp_path, "s.csv", content),
        _file(tmp_path, "s.tsv", content.replace(",", "\t")),
        _file(tmp_path, "s.csv.gz", gzip.compress(content.encode())),
        _file(tmp_path, "utf16.csv", content.encode("utf-16")),
        tmp_path / "s.parquet",
        frame,
        frame.to_pandas(),
    ]
    for source in sources:
        data = read_system(source)
        np.testing.assert_array_equal(data.records[0].inputs, [[1], [3]])
        np.testing.assert_array_equal(data.records[0].outputs, [[2.5], [4]])
    blanks = _file(tmp_path, "s.dat", "% volts\n  1.0e0   2.5\n 3  4\n")
    named = read_system(blanks, inputs="column_1", outputs="column_2")
    np.testing.assert_array_equal(named.records[0].outputs, [[2.5], [4]])


def test_matlab_files(tmp_path) -> None:
    from scipy.io import savemat

    savemat(tmp_path / "s.mat", {"V1": [[1.0, 2.0, 3.0]], "V2": [[4.0], [5.0], [6.0]], "fs": 610.0})
    data = read_system(tmp_path / "s.mat")
    assert (data.inputs, data.outputs) == (("V1",), ("V2",))
    np.testing.assert_array_equal(data.records[0].outputs[:, 0], [4, 5, 6])
    _file(tmp_path, "bad.mat", b"MATLAB?")
    with pytest.raises(DataError, match=r"bad\.mat cannot be read as a MATLAB file"):
        read_system(tmp_path / "bad.mat")


def test_columns_that_never_change_are_said() -> None:
    data = system_of(np.ones((5, 1)), np.arange(5.0))
    assert _said(data, "columns that never change (u)") == [1]


@pytest.mark.parametrize(
    ("u", "y", "message"),
    [
        ([1, 2, 3], [1, 2], "they must be as long"),
        ("abc", [1, 2], "inputs must be numbers"),
        ([np.zeros((3, 1)), np.zeros((3, 2))], None, "must have the same features"),
    ],
)
def test_arrays_that_do_not_fit(u, y, message) -> None:
    with pytest.raises(DataError, match=message):
        system_of(u, y)


# --- parts


def _three() -> SystemData:
    """Records of 4, 3 and 5 samples, all numbered through."""
    ends = [np.arange(4.0), np.arange(4.0, 7.0), np.arange(7.0, 12.0)]
    return system_of(ends, ends)


@settings(max_examples=30, deadline=None)
@given(share=st.floats(0.06, 0.94))
def test_a_split_keeps_every_sample_in_order(share) -> None:
    before, after = _three().split(share)
    rows = [
        row for part in (before, after) for first, stop in _rows(part) for row in range(first, stop)
    ]
    assert rows == list(range(12))
    assert len(after) == round(share * 12)
    for record in (*before, *after):
        np.testing.assert_array_equal(record.inputs[:, 0], np.arange(record.row, record.stop))


def test_rows_of_the_source() -> None:
    data = _three()
    assert _rows(data.between(2, 8)) == [(2, 4), (4, 7), (7, 8)]
    assert _rows(data.without(2, 8)) == [(0, 2), (8, 12)]
    assert _rows(data.without(8, 10)) == [(0, 4), (4, 7), (7, 8), (10, 12)]
    assert data.between(2, 8).rows() == "rows 2 to 7"
    with pytest.raises(ValueError, match="share must lie between 0 and 1"):
        data.split(1.0)


def test_summary() -> None:
    assert _three().summary() == (
        "system: 12 samples of 1 input (u) and 1 output (y), in 3 records of 3 to 5"
    )
