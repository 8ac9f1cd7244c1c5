"""Piano rolls: every form of source, with notes counted and placed by hand."""

import io
from contextlib import suppress

import mido
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.io import savemat

from unrolled.data.errors import DataError
from unrolled.data.midi import MidiError, as_midi, note_name, read_midi, write_midi
from unrolled.data.rolls import Roll, Rolls, part_of, read_rolls


def _roll(length: int, *on: tuple[int, int, int], keys: int = 88) -> np.ndarray:
    """A roll with keys on from one step to another."""
    frames = np.zeros((length, keys), dtype=np.uint8)
    for key, start, end in on:
        frames[start:end, key] = 1
    return frames


def _midi(*notes: tuple[int, int, int, int], ticks: int = 480, tempos=(), kind: int = 0) -> bytes:
    """A MIDI file of notes (channel, number, start, end) in ticks; an end of -1 is left away."""
    events = []
    for channel, number, start, end in notes:
        events.append((start, 1, mido.Message("note_on", channel=channel, note=number)))
        if end >= 0:
            events.append((end, 0, mido.Message("note_off", channel=channel, note=number)))
    events += [(at, 0, mido.MetaMessage("set_tempo", tempo=tempo)) for at, tempo in tempos]
    events.sort(key=lambda event: event[:2])
    track, now = mido.MidiTrack(), 0
    for at, _, message in events:
        track.append(message.copy(time=at - now))
        now = at
    file = io.BytesIO()
    mido.MidiFile(type=kind, ticks_per_beat=ticks, tracks=[track]).save(file=file)
    return file.getvalue()


def _said(rolls: Rolls, words: str) -> list[int]:
    """The counts of the findings that hold these words."""
    return [finding.count for finding in rolls.findings if words in finding.text]


# 60 is middle C; the keys of a piano begin with A0, 21.
C4 = 60 - 21


def test_names_of_notes() -> None:
    assert [note_name(n) for n in (21, 60, 61, 69, 108)] == ["A0", "C4", "C#4", "A4", "C8"]


def test_a_midi_file_on_the_grid(tmp_path) -> None:
    # 480 ticks a beat, 4 steps a beat: a step is 120 ticks.
    path = tmp_path / "song.mid"
    path.write_bytes(_midi((0, 60, 0, 240), (0, 64, 110, 490), (3, 67, 480, 600)))
    rolls = read_rolls(path)
    expected = _roll(5, (C4, 0, 2), (C4 + 4, 1, 4), (C4 + 7, 4, 5))
    assert np.array_equal(rolls[0].frames, expected)
    assert (rolls.lowest, rolls.steps_per_beat, len(rolls.keys)) == (21, 4, 88)
    assert rolls.keys[C4] == "C4"
    coarse = read_rolls(path, steps_per_beat=1)
    # 110 ticks are nearer to 0 than to 480; 240 lies in the middle, and goes up.
    assert np.array_equal(coarse[0].frames, _roll(2, (C4, 0, 1), (C4 + 4, 0, 1), (C4 + 7, 1, 2)))


def test_what_is_left_out_of_midi_is_counted(tmp_path) -> None:
    notes = [(9, 38, 0, 480), (9, 42, 0, 480), (0, 20, 0, 480), (0, 109, 0, 480), (0, 127, 0, 9)]
    notes += [(0, 60, 0, 10), (0, 62, 0, 120), (0, 62, 120, 240), (0, 65, 480, -1)]
    path = tmp_path / "song.mid"
    path.write_bytes(_midi(*notes, tempos=[(0, 500_000), (60, 500_000), (480, 600_000)]))
    rolls = read_rolls(path)
    assert _said(rolls, "drums") == [2]
    assert _said(rolls, "outside the keys 21 to 108") == [3]
    assert _said(rolls, "shorter than a step") == [2]
    assert _said(rolls, "struck again at once") == [1]
    assert _said(rolls, "without an end") == [1]
    assert _said(rolls, "changes of tempo") == [1]
    assert rolls.tempo == 120.0
    # The note without an end begins with the last event of the file.
    assert np.array_equal(rolls[0].frames, _roll(5, (C4, 0, 1), (C4 + 2, 0, 2), (C4 + 5, 4, 5)))
    narrow = read_rolls(path, lowest=60, keys=3)
    assert narrow.keys == ("C4", "C#4", "D4")
    assert _said(narrow, "outside the keys 60 to 62") == [4]


def test_a_note_on_of_no_velocity_ends_a_note(tmp_path) -> None:
    on = [mido.Message("note_on", note=60, velocity=v, time=t) for v, t in ((64, 0), (0, 240))]
    path = tmp_path / "x.mid"
    mido.MidiFile(tracks=[mido.MidiTrack(on)]).save(path)
    assert np.array_equal(read_rolls(path)[0].frames, _roll(2, (C4, 0, 2)))


def test_notes_of_several_tracks_and_channels_meet(tmp_path) -> None:
    one = mido.MidiTrack(
        [mido.Message("note_on", note=60), mido.Message("note_off", note=60, time=480)]
    )
    two = mido.MidiTrack(
        [
            mido.Message("note_on", note=60, channel=1, time=240),
            mido.Message("note_off", note=60, channel=1, time=480),
        ]
    )
    path = tmp_path / "x.mid"
    mido.MidiFile(type=1, tracks=[one, two]).save(path)
    assert np.array_equal(read_rolls(path)[0].frames, _roll(6, (C4, 0, 6)))


@settings(max_examples=40, deadline=None)
@given(
    arrays(np.uint8, st.tuples(st.integers(1, 20), st.integers(1, 12)), elements=st.integers(0, 1)),
    st.integers(0, 116),
    st.integers(1, 24),
    st.sampled_from([60.0, 90.5, 120.0]),
)
def test_midi_that_is_written_is_read_back(frames, lowest, steps_per_beat, tempo) -> None:
    data = as_midi(frames, lowest=lowest, steps_per_beat=steps_per_beat, tempo=tempo)
    back = read_midi(data, steps_per_beat, lowest, frames.shape[1])
    # Silence at the end leaves no note.
    length = np.flatnonzero(frames.any(axis=1))[-1] + 1 if frames.any() else 0
    assert np.array_equal(back.frames, frames[:length])
    assert back.tempo == pytest.approx(tempo, rel=1e-5)  # whole microseconds a beat
    assert not +back.counts
    # On a grid twice as fine every step comes twice.
    twice = read_midi(data, 2 * steps_per_beat, lowest, frames.shape[1])
    assert np.array_equal(twice.frames, frames[:length].repeat(2, axis=0))


def test_a_key_that_stays_on_is_written_as_one_note() -> None:
    frames = _roll(6, (0, 1, 4), (1, 4, 6), keys=2)
    file = mido.MidiFile(file=io.BytesIO(as_midi(frames, lowest=60, steps_per_beat=2, tempo=90)))
    played, now = [], 0
    for message in file.merged_track:
        now += message.time
        if not message.is_meta:
            played.append((message.type, message.note, now / file.ticks_per_beat))
    on, off = "note_on", "note_off"
    assert played == [(on, 60, 0.5), (off, 60, 2.0), (on, 61, 2.0), (off, 61, 3.0)]
    # 3 beats at 90 a minute.
    assert file.length == pytest.approx(2.0, abs=1e-5)


@pytest.mark.parametrize(
    ("frames", "how", "said"),
    [
        (_roll(2) + 2, {}, "frames must be 0 and 1"),
        (_roll(2)[0], {}, "frames must be 0 and 1"),
        (_roll(2), {"lowest": 41}, "lowest must leave all keys among the notes 0 to 127, got 41"),
        (_roll(2), {"steps_per_beat": 0}, "steps_per_beat must be a whole number from 1 to 273"),
        (_roll(2), {"tempo": 0}, "tempo must be 4 to 1000"),
    ],
)
def test_what_cannot_be_written(frames, how, said) -> None:
    with pytest.raises(ValueError, match=said):
        as_midi(frames, **how)


def test_a_place_that_cannot_be_written_to(tmp_path) -> None:
    with pytest.raises(DataError, match="cannot write"):
        write_midi(tmp_path / "none" / "x.mid", _roll(2))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "the file ends early"),
        (b"not a MIDI file at all", "MThd not found"),
        (_midi((0, 60, 0, 480))[:-6], "the file ends early"),
        (_midi((0, 60, 0, 480), kind=2), "of type 2"),
        # -25 frames a second and 40 ticks a frame.
        (_midi((0, 60, 0, 480)).replace(b"\x01\xe0", b"\xe7\x28", 1), "SMPTE"),
        (_midi((0, 60, 0, 2**28 - 1)), "a time in it is damaged"),
        (b"MThd\0\0\0\6\0\0\0\1\1\xe0MTrk\0\0\0\4\0\x90\x3c\xff", "data byte must be"),
    ],
)
def test_bytes_that_are_no_midi(data, said, tmp_path) -> None:
    with pytest.raises(MidiError, match=said):
        read_midi(data)
    (tmp_path / "x.mid").write_bytes(data)
    with pytest.raises(DataError, match=f"holds no MIDI file that can be read: x.mid .*{said}"):
        read_rolls(tmp_path / "x.mid")


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 255)), max_size=4), st.integers(0, 99))
def test_damaged_bytes_are_read_or_refused(changes, cut) -> None:
    data = bytearray(_midi((0, 60, 0, 480), (9, 30, 0, 60), tempos=[(0, 500_000)]))
    for place, byte in changes:
        data[place % len(data)] = byte
    # Anything else that is raised fails the test.
    with suppress(MidiError):
        piece = read_midi(bytes(data[:cut] if cut < 60 else data))
        assert set(np.unique(piece.frames)) <= {0, 1}


def _folder(make, tmp_path):
    songs = {
        "train/a.mid": _midi((0, 60, 0, 480), tempos=[(0, 600_000)]),
        "train/deep/b.MIDI": _midi((0, 61, 0, 480), tempos=[(0, 600_000)]),
        "valid/c.mid": _midi((0, 62, 0, 480), tempos=[(0, 600_000)]),
        "test/d.mid": _midi((0, 63, 0, 480)),
        "test/drums.mid": _midi((9, 63, 0, 480)),
        "test/e.mid": b"no music",
        "test/._e.mid": b"left by a file system",
        "notes.txt": b"about them",
    }
    return make(songs, "songs")


def test_a_folder_and_a_zip_of_midi(make, tmp_path) -> None:
    rolls = read_rolls(_folder(make, tmp_path))
    assert [(p.name, p.part) for p in rolls] == [
        ("test/d.mid", "test"),
        ("train/a.mid", "train"),
        ("train/deep/b.MIDI", "train"),
        ("valid/c.mid", "validation"),
    ]
    assert rolls.parts == {"train": 2, "validation": 1, "test": 1}
    assert rolls.tempo == 100.0
    assert [p.name for p in rolls.of_part("train")] == ["train/a.mid", "train/deep/b.MIDI"]
    assert _said(rolls, "no readable MIDI") == [1]
    assert any("e.mid (MThd not found" in f.text for f in rolls.findings)
    assert _said(rolls, "other files") == [2]
    assert _said(rolls, "drums") == [1]
    assert _said(rolls, "empty pieces") == [1]
    assert _said(rolls, "parts of its own: 2 train, 1 validation, 1 test") == [0]


def test_the_matlab_files_of_the_literature(tmp_path) -> None:
    parts = {"traindata": [3, 1, 4], "validdata": [2], "testdata": [5, 2]}
    content = {}
    for part, lengths in parts.items():
        cells = np.empty((1, len(lengths)), dtype=object)
        for k, length in enumerate(lengths):
            cells[0, k] = _roll(length, (C4, 0, length)).astype(float)
        content[part] = cells
    path = tmp_path / "Chorales.mat"
    savemat(path, {**content, "about": "text", "dt": 0.25})
    rolls = read_rolls(path)
    assert rolls.lengths.tolist() == [3, 1, 4, 2, 5, 2]
    assert rolls.parts == {"train": 3, "validation": 1, "test": 2}
    assert [p.name for p in rolls.of_part("test")] == ["test 1", "test 2"]
    assert (rolls.lowest, rolls.steps_per_beat) == (21, None)
    assert rolls[0].frames.dtype == np.uint8
    assert _said(rolls, "variables that hold no rolls (about, dt)") == [2]
    assert _said(rolls, "one step") == [1]
    assert rolls.summary() == (
        "Chorales: 6 pieces (3 train, 1 validation, 2 test) of 1 to 5 steps, 17 in all; "
        "88 keys (A0 to C8), 1.00 on at a step"
    )


def test_arrays_in_files_and_in_memory(tmp_path) -> None:
    one, two = _roll(3, (0, 0, 2)), _roll(5, (87, 1, 5))
    np.savez(tmp_path / "x.npz", train_1=one, train_2=two, test=two)
    rolls = read_rolls(tmp_path / "x.npz")
    assert [(p.name, p.part, len(p)) for p in rolls] == [
        ("train", "train", 3),
        ("train", "train", 5),
        ("test", "test", 5),
    ]
    np.save(tmp_path / "x.npy", np.stack([one, one]))
    assert read_rolls(tmp_path / "x.npy").lengths.tolist() == [3, 3]
    memory = read_rolls([one, two])
    assert memory.lengths.tolist() == [3, 5]
    assert memory.lowest == 21
    assert np.array_equal(memory[1].frames, two)
    assert read_rolls(one.astype(bool)).lengths.tolist() == [3]
    few = read_rolls([[0, 1], [1, 1]])
    assert (few.lowest, few.keys, few.lengths.tolist()) == (None, ("key 1", "key 2"), [2])
    assert read_rolls(_roll(2, keys=5), lowest=60).keys[0] == "C4"


def test_arrays_of_all_notes_are_cut_to_keys() -> None:
    all_notes = _roll(4, (60, 0, 4), (10, 0, 3), keys=128)
    assert read_rolls(all_notes).lowest == 0
    piano = read_rolls(all_notes, lowest=21, keys=88)
    assert np.array_equal(piano[0].frames, _roll(4, (C4, 0, 4)))
    assert _said(piano, "cells outside the keys 21 to 108") == [3]


def test_velocities_are_on_or_off() -> None:
    rolls = read_rolls(_roll(4, (3, 0, 4)) * 100)
    assert rolls[0].frames.sum() == 4
    assert _said(rolls, "velocities") == [4]


def test_pieces_with_nothing_in_them() -> None:
    rolls = read_rolls([_roll(3), _roll(0), _roll(2, (1, 0, 1))])
    assert len(rolls) == 2
    assert _said(rolls, "empty pieces") == [1]
    assert _said(rolls, "silent throughout") == [1]


TABLE = """piece,step,kettle,lamp,room
b,2,1,0,x
a,1,0,1,x
b,1,0,0,x
,3,1,1,x
"""


def test_a_table(tmp_path) -> None:
    (tmp_path / "devices.csv").write_text(TABLE)
    rolls = read_rolls(tmp_path / "devices.csv")
    assert [(p.name, p.frames.tolist()) for p in rolls] == [
        ("b", [[0, 0], [1, 0]]),
        ("a", [[0, 1]]),
    ]
    assert (rolls.keys, rolls.lowest) == (("kettle", "lamp"), None)
    assert _said(rolls, "rows without a piece") == [1]
    assert _said(rolls, "column room: no numbers") == [1]
    # Further tables are read to the same columns, whatever their order.
    (tmp_path / "more.csv").write_text("piece,step,oven,lamp,kettle\nc,1,1,1,0\n")
    more = read_rolls(tmp_path / "more.csv", **rolls.reading)
    assert (more.keys, more[0].frames.tolist()) == (("kettle", "lamp"), [[0, 1]])
    frame = pl.DataFrame({"song": ["x", "x"], "60": [0, 1], "61": [1, 1]})
    music = read_rolls(frame)
    assert (music.keys, music.lowest, music[0].name) == (("C4", "C#4"), 60, "x")


def test_a_table_without_names_or_pieces(tmp_path) -> None:
    (tmp_path / "x.csv").write_text("0,1\n1,1\n\n0,0\n".replace("\n\n", "\n"))
    rolls = read_rolls(tmp_path / "x.csv")
    assert rolls[0].frames.tolist() == [[0, 1], [1, 1], [0, 0]]
    assert _said(rolls, "all rows are one piece") == [0]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("piece,a\nx,0\nx,2.5\n", "holds 2.5 at step 2, key 1; expected 0 and 1 only"),
        ("piece,a\nx,0\nx,-1\n", "holds -1 at step 2"),
        ("piece,a\nx,0\nx,\n", "holds nan at step 2"),
        ("piece,step,a\nx,1,0\nx,1,1\n", "x has two rows of one step, the second in data row 2"),
        ("piece,step,a\nx,1,0\nx,,1\n", "the column 'step' is empty in data row 2"),
        ("piece,room\nx,hall\n", "no column of numbers 0 and 1"),
    ],
)
def test_tables_that_cannot_be_read(tmp_path, content, said) -> None:
    (tmp_path / "x.csv").write_text(content)
    with pytest.raises(DataError, match=said):
        read_rolls(tmp_path / "x.csv")


def test_sources_that_cannot_be_read(tmp_path) -> None:
    def refuses(name, data, said, **how):
        if data is not None:
            (tmp_path / name).write_bytes(data)
        with pytest.raises(DataError, match=said):
            read_rolls(tmp_path / name, **how)

    refuses("none.mat", None, "there is no file")
    refuses("x.mat", b"MATLAB, not", "no readable .mat file")
    refuses("x.npz", b"PK, not", "cannot be read")
    refuses("x.npy", b"", "cannot be read")
    refuses("x.npy", b"xx", "it is no .npy or .npz file")
    refuses("x.pickle", b"", "is a pickle, which can run code")
    refuses("x.doc", b"", "files ending in '.doc' cannot be read")
    refuses("x.zip", b"PK", "cannot be read")
    (tmp_path / "empty").mkdir()
    refuses("empty", None, "holds no MIDI files")
    np.save(tmp_path / "o.npy", np.array([{}], dtype=object), allow_pickle=True)
    refuses("o.npy", None, "pickled objects")
    np.save(tmp_path / "w.npy", _roll(3, keys=5))
    refuses("w.npy", None, "has 5 columns; 88 keys are needed", keys=88)
    savemat(tmp_path / "cut.mat", {"traindata": _roll(9, (3, 0, 9))})
    refuses("cut.mat", (tmp_path / "cut.mat").read_bytes()[:-200], "no readable .mat file")
    savemat(tmp_path / "s.mat", {"about": "text"})
    refuses("s.mat", None, "holds no rolls")


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ([], "no array"),
        ([_roll(2), _roll(2, keys=3)], "piece 2 has 3 columns, piece 1 88"),
        (_roll(0), "no piece with a step"),
        (_roll(2)[0], "must be numbers 0 and 1"),
        (_roll(2).astype(float) * np.nan, "must|holds nan"),
        ([[0, 1], [1]], "no array of numbers"),
        ([["a", "b"]], "must be numbers 0 and 1"),
        (17, "dataframe"),
    ],
)
def test_what_in_memory_cannot_be_read(source, said) -> None:
    with pytest.raises(DataError, match=said):
        read_rolls(source)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"lowest": -1}, "lowest must be a whole number from 0 up"),
        ({"keys": 0}, "keys must be a whole number from 1 up"),
        ({"lowest": 100, "keys": 88}, "must lie among the notes"),
        ({"steps_per_beat": 1.5}, "steps_per_beat must be a whole number"),
    ],
)
def test_arguments_out_of_range(how, said) -> None:
    with pytest.raises(ValueError, match=said):
        read_rolls(_roll(2), **how)


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("traindata", "train"),
        ("train_3", "train"),
        ("Training", "train"),
        ("valid", "validation"),
        ("validation", "validation"),
        ("val 1", "validation"),
        ("dev", "validation"),
        ("testdata", "test"),
        ("testament", ""),
        ("valse", ""),
        ("trains", ""),
        ("bach", ""),
    ],
)
def test_names_of_parts(name, part) -> None:
    assert part_of(name) == part


@settings(max_examples=50, deadline=None)
@given(st.integers(2, 40), st.floats(0.01, 0.99), st.integers(0, 3))
def test_every_piece_is_on_one_side_of_a_split(count, share, seed) -> None:
    rolls = Rolls(tuple(Roll(f"{k}", _roll(2)) for k in range(count)), ("A0",) * 88)
    rest, held = rolls.split(share, seed)
    assert sorted(int(p.name) for side in (rest, held) for p in side) == list(range(count))
    assert len(held) == min(count - 1, max(1, round(share * count)))
    again = rolls.split(share, seed)[1]
    assert [p.name for p in again] == [p.name for p in held]


def test_of_a_single_piece_the_end_is_held_out() -> None:
    rolls = read_rolls(_roll(20, (0, 18, 20)))
    rest, held = rolls.split(0.1)
    assert (len(rest[0]), len(held[0])) == (18, 2)
    assert held[0].frames[:, 0].tolist() == [1, 1]
    assert held[0].name == "piece 1 from step 18"
    with pytest.raises(DataError, match=r"too short to hold out 0\.5"):
        read_rolls(_roll(3)).split(0.5)
    with pytest.raises(ValueError, match="share must lie between 0 and 1"):
        rolls.split(1.0)
    with pytest.raises(DataError, match="no piece of the part"):
        rolls.of_part("test")


def test_columns_that_are_no_keys_are_left_out_and_said(tmp_path) -> None:
    rows = "".join(f"{k},2024-01-0{9 - k},{k % 2},1,{20 + k / 10}\n" for k in range(6))
    (tmp_path / "x.csv").write_text("id,time,lamp,fan,warmth\n" + rows)
    rolls = read_rolls(tmp_path / "x.csv")
    assert rolls.keys == ("lamp", "fan")
    # `id` differs in every row, so it tells no pieces apart; rows go by their times.
    np.testing.assert_array_equal(rolls[0].frames[:, 0], [1, 0, 1, 0, 1, 0])
    said = " ".join(finding.text for finding in rolls.findings)
    assert "columns id, warmth: more than 0 and 1, so no key" in said
    assert read_rolls(tmp_path / "x.csv", columns=["fan"]).keys == ("fan",)


def test_columns_of_velocities_alone_are_keys(tmp_path) -> None:
    (tmp_path / "x.csv").write_text("kick,snare\n90,0\n0,64\n")
    rolls = read_rolls(tmp_path / "x.csv")
    np.testing.assert_array_equal(rolls[0].frames, [[1, 0], [0, 1]])
