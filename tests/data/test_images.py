"""Folders of images: pixels, repairs, captions from every kind of table, and what is said."""

import io
import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from unrolled.data import DataError
from unrolled.data.images import CaptionedImages, images_of, read_images

# Small so that every image is kept at its own size.
HEIGHT, WIDTH = 12, 16


def noise(height=HEIGHT, width=WIDTH, seed=0):
    """Pixels in colour, [H, W, 3]."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def saved(image, format="PNG", **options):
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def png(seed=0, **shape):
    return saved(Image.fromarray(noise(seed=seed, **shape)))


@pytest.fixture
def make(tmp_path):
    """Writes files by name into a folder."""

    def _make(files):
        for name, content in files.items():
            path = tmp_path / "photos" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return tmp_path / "photos"

    return _make


def told(data: CaptionedImages, kind):
    return [finding.text for finding in data.findings if finding.kind == kind]


def refusal(*arguments, **named):
    with pytest.raises(DataError) as error:
        read_images(*arguments, **named)
    return str(error.value)


class TestPixels:
    def test_pixels_are_those_written(self, make):
        data = read_images(make({"b.png": png(1), "a.png": png(0)}), None)
        assert (data.names, data.size, data.colour) == (("a.png", "b.png"), (HEIGHT, WIDTH), True)
        np.testing.assert_array_equal(data.pixels, np.stack([noise(), noise(seed=1)]))
        assert not told(data, "repaired")

    @pytest.mark.parametrize("format", ["PNG", "BMP", "TIFF", "PPM", "GIF", "WEBP", "JPEG"])
    def test_formats(self, make, format):
        # Smooth, so that lossy formats change little; few colours, for GIF.
        grey = np.repeat(np.arange(0, 240, 20, dtype=np.uint8)[:, None], WIDTH, axis=1)
        options = {"lossless": True} if format == "WEBP" else {}
        data = read_images(
            make({f"a.{format.lower()}": saved(Image.fromarray(grey), format, **options)}), None
        )
        # JPEG quantises the transform of 8 x 8 places; the others are exact.
        np.testing.assert_allclose(
            data.pixels[0, :, :, 0].astype(int), grey, atol=6 if format == "JPEG" else 0
        )
        assert not data.colour

    def test_grey_or_colour_is_found_from_the_pixels(self, make):
        equal = np.repeat(noise()[:, :, :1], 3, axis=2)
        folder = make({"grey.png": saved(Image.fromarray(equal))})
        data = read_images(folder, None)
        assert data.pixels.shape == (1, HEIGHT, WIDTH, 1)
        np.testing.assert_array_equal(data.pixels[0, :, :, 0], equal[:, :, 0])
        data = read_images(make({"colour.png": png()}), None)
        assert data.pixels.shape == (2, HEIGHT, WIDTH, 3)
        assert "colours in 1 of 2 images" in told(data, "found")
        data = read_images(folder, None, colour=False)
        assert told(data, "repaired") == ["images made grey: 1"]
        # Weights of ITU-R 601, to which Pillow rounds.
        expected = noise() @ np.array([0.299, 0.587, 0.114])
        np.testing.assert_allclose(data.pixels[0, :, :, 0], expected, atol=0.51)

    def test_transparent_parts_lie_on_white(self, make):
        image = Image.fromarray(noise()).convert("RGBA")
        image.putalpha(51)
        data = read_images(make({"a.png": saved(image)}), None)
        # One byte: Pillow rounds each product.
        np.testing.assert_allclose(data.pixels[0], 0.2 * noise() + 0.8 * 255, atol=1)
        assert told(data, "repaired") == ["laid what is transparent in 1 image on white: a.png"]

    def test_palettes_and_cmyk(self, make):
        image = Image.fromarray(noise())
        palette = image.quantize(32)
        data = read_images(
            make({"p.png": saved(palette), "c.tif": saved(image.convert("CMYK"), "TIFF")}), None
        )
        np.testing.assert_array_equal(data.pixels[1], np.asarray(palette.convert("RGB")))
        # Pillow's CMYK has no black, so it loses nothing.
        np.testing.assert_array_equal(data.pixels[0], noise())
        assert told(data, "repaired") == ["1 image in CMYK, brought to RGB: c.tif"]

    def test_sixteen_bits_keep_their_high_byte(self, make):
        wide = np.arange(HEIGHT * WIDTH, dtype=np.uint16).reshape(HEIGHT, WIDTH) * 300
        data = read_images(make({"a.png": saved(Image.fromarray(wide))}), None)
        # Rounding of 65,535 steps to 255.
        np.testing.assert_allclose(data.pixels[0, :, :, 0], wide / 257, atol=0.51)
        assert told(data, "repaired") == ["brought 1 image to 8 bits a channel: a.png"]

    def test_floats_go_from_their_least_to_their_most(self, make):
        wide = np.linspace(-2, 3, HEIGHT * WIDTH, dtype=np.float32).reshape(HEIGHT, WIDTH)
        data = read_images(make({"a.tif": saved(Image.fromarray(wide), "TIFF")}), None)
        np.testing.assert_allclose(data.pixels[0, :, :, 0], (wide + 2) * 51, atol=0.51)

    def test_the_first_frame_of_an_animation(self, make):
        frames = [Image.fromarray(np.full((HEIGHT, WIDTH), v, np.uint8)) for v in (10, 200, 90)]
        moving = saved(frames[0], "GIF", save_all=True, append_images=frames[1:])
        data = read_images(make({"a.gif": moving}), None)
        assert (data.pixels == 10).all()
        assert told(data, "repaired") == ["took the first frame of 1 image: a.gif"]

    @pytest.mark.parametrize("orientation", range(2, 9))
    def test_turned_as_the_camera_says(self, make, orientation):
        exif = Image.Exif()
        exif[0x0112] = orientation
        image = Image.fromarray(noise())
        data = read_images(make({"a.png": saved(image, exif=exif)}), None)
        image.getexif()[0x0112] = orientation
        np.testing.assert_array_equal(data.pixels[0], np.asarray(ImageOps.exif_transpose(image)))
        assert "turned 1 image as the camera says: a.png" in told(data, "repaired")


class TestSize:
    def test_large_images_come_to_96_and_the_median_proportions(self, make):
        files = {f"{k}.png": png(k, height=100, width=200) for k in range(2)}
        data = read_images(make(files), None)
        assert data.size == (48, 96)
        expected = Image.fromarray(noise(100, 200)).resize((96, 48), Image.Resampling.BILINEAR)
        np.testing.assert_array_equal(data.pixels[0], np.asarray(expected))
        assert told(data, "repaired") == ["scaled 2 images to 96 x 48: 0.png, 1.png"]

    def test_other_proportions_are_filled_with_the_colour_of_the_border(self, make):
        image = np.zeros((20, 10, 3), np.uint8)
        image[1:-1, 1:-1] = 200
        data = read_images(make({"a.png": saved(Image.fromarray(image))}), None, size=(20, 20))
        np.testing.assert_array_equal(data.pixels[0, :, 5:15, 0], image[:, :, 0])
        assert (data.pixels[0, :, :5] == 0).all()
        assert (data.pixels[0, :, 15:] == 0).all()
        assert "of other proportions and filled up at two sides: 1 image: a.png" in told(
            data, "repaired"
        )

    def test_a_size_that_is_asked_for(self, make):
        assert read_images(make({"a.png": png()}), None, size=32).size == (32, 32)

    @pytest.mark.parametrize("size", [7, (7, 20), (20,), (20.0, 20), "64"])
    def test_sizes_that_make_no_sense(self, make, size):
        with pytest.raises(ValueError, match="size must be height and width"):
            read_images(make({"a.png": png()}), None, size=size)

    def test_a_long_thin_image(self, make):
        data = read_images(make({"a.png": png(height=2, width=3000)}), None)
        assert data.size == (8, 96)


class TestTrouble:
    def test_what_cannot_be_read_is_left_out_and_counted(self, make):
        files = {
            "good.png": png(),
            "cut.png": png(1)[:200],
            "text.jpg": "no image",
            "zero.gif": b"",
        }
        data = read_images(make(files), None)
        assert data.names == ("good.png",)
        assert told(data, "ignored") == [
            "left out 3 images that cannot be read: cut.png (damaged: image file is truncated), "
            "text.jpg (damaged, or no image), zero.gif (zero bytes)"
        ]

    def test_huge_images_are_not_decoded(self, make, monkeypatch):
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", HEIGHT * WIDTH)
        data = read_images(make({"a.png": png(), "b.png": png(height=20, width=20)}), None)
        assert told(data, "ignored") == [
            "left out 1 image that cannot be read: b.png (more than 192 pixels)"
        ]

    def test_nothing_can_be_read(self, make):
        assert "no image could be read; left out 1 image" in refusal(make({"a.png": b""}), None)

    def test_no_images(self, make):
        assert "has no images (.png, " in refusal(make({"a.pdf": "x"}))
        assert "its other files end in .pdf" in refusal(make({}))

    def test_other_and_hidden_files_are_said(self, make):
        files = {"a.png": png(), ".DS_Store": "x", "__MACOSX/a.png": "x", "notes.pdf": "x"}
        data = read_images(make(files), None)
        assert told(data, "ignored") == [
            "left out 2 files, hidden: .DS_Store, __MACOSX/a.png",
            "left out 1 file other than images and tables (.pdf): notes.pdf",
        ]

    def test_equal_images_are_said(self, make):
        data = read_images(make({"a.png": png(), "b.png": png()}), None)
        assert told(data, "warning") == ["images with the pixels of an earlier one: 1"]

    def test_sources_that_are_none(self, make):
        folder = make({"a.png": png(), "b.zip": b"PK", "c.pdf": "x"})
        assert "did you mean 'photos'?" in refusal(folder.parent / "photo")
        assert "unpack it" in refusal(folder / "b.zip")
        assert "neither a folder nor an image nor a table" in refusal(folder / "c.pdf")


CAPTIONS = {"a.png": ("one thing", "a thing"), "sub/b.png": ("another thing",)}
IMAGES = {"a.png": png(0), "sub/b.png": png(1)}


HEADED = "file,caption\na.png,one thing\na.png,a thing\nsub/b.png,another thing\n"
TABBED = "caption\timage\none thing\ta.png\na thing\ta.png\nanother thing\tb.png\n"
NUMBERED = "a.png#0\tone thing\na.png#1\ta thing\nb.png#0\tanother thing\n"
UNNAMED = "id;what;says\n1;a;one thing\n2;a;a thing\n3;b;another thing\n"
WINDOWS = (
    "\ufefffile,caption\r\n./a.png,one  thing\r\na.png,a thing \r\nsub\\b.png,another thing\r\n"
)
OBJECTS = [{"file": "a", "text": ["one thing", "a thing"]}, {"file": "b", "text": "another thing"}]
COCO = {
    "images": [{"id": 7, "file_name": "a.png"}, {"id": 9, "file_name": "b.png"}],
    "annotations": [
        {"image_id": 7, "caption": "one thing"},
        {"image_id": 9, "caption": "another thing"},
        {"image_id": 7, "caption": "a thing"},
    ],
}
TABLES = [
    ("captions.csv", HEADED),
    ("captions.tsv", TABBED),
    ("c.txt", NUMBERED),
    ("c.csv", UNNAMED),
    ("c.csv", WINDOWS),
    ("c.jsonl", "\n\n".join(map(json.dumps, OBJECTS))),
    ("c.json", json.dumps(OBJECTS)),
    ("coco.json", json.dumps(COCO)),
]


class TestCaptions:
    @pytest.mark.parametrize(("name", "table"), TABLES)
    def test_tables(self, make, name, table):
        data = read_images(make({**IMAGES, name: table}))
        assert dict(zip(data.names, data.captions, strict=True)) == CAPTIONS

    def test_encodings(self, make):
        for encoding in ("utf-8", "utf-16", "cp1252"):
            table = "file,caption\na.png,café\n".encode(encoding)
            assert read_images(make({"a.png": png(), "c.csv": table})).captions == (("café",),)

    def test_what_is_missing_is_counted(self, make):
        table = "file,caption\na.png,one\na.png,one\nb.png,\nlost.png,two\ngone.png,three\n"
        files = {"a.png": png(0), "b.png": png(1), "c.png": png(2), "captions.csv": table}
        data = read_images(make(files))
        assert (data.names, data.captions) == (("a.png",), (("one",),))
        assert told(data, "warning") == [
            "rows of captions.csv whose image is not there: 2 (lost.png, gone.png)"
        ]
        assert told(data, "ignored") == [
            "rows of captions.csv without a caption: 1 (b.png)",
            "captions that an image has already, dropped: 1",
            "left out 2 images without a caption: b.png, c.png",
        ]

    def test_a_table_is_a_source_and_an_argument(self, make):
        rows = "file,caption\n{}.png,one\n"
        files = {
            "a.png": png(0),
            "b.png": png(1),
            "train.csv": rows.format("a"),
            "test.csv": rows.format("b"),
        }
        folder = make(files)
        assert read_images(folder / "train.csv").names == ("a.png",)
        assert read_images(folder, "test.csv").names == ("b.png",)
        assert read_images(folder, folder / "test.csv").names == ("b.png",)
        assert read_images(folder / "a.png").captions == ((),)
        assert "has several tables of captions: test.csv, train.csv; give one" in refusal(folder)
        assert "did you mean 'test.csv'?" in refusal(folder, "tests.csv")

    @pytest.mark.parametrize(
        ("table", "why"),
        [
            ("id,words\n1,one\n", "has no column that names the images; it has id, words"),
            ("file\na.png\n", "has one column; expected two or more"),
            ("file,caption\nx.png,one\n", "names none of the images; its first is ['x.png']"),
            ("file,caption\na.png,one,two\n", "3 cells for 2 columns"),
            ("", "is empty"),
        ],
    )
    def test_tables_that_are_none(self, make, table, why):
        assert why in refusal(make({"a.png": png(), "captions.csv": table}))

    def test_no_table(self, make):
        assert "has no table of captions; expected one with columns" in refusal(
            make({"a.png": png()})
        )

    @pytest.mark.parametrize("text", ["{", '{"a": 1}', "[1]", '{"images": [], "annotations": [1]}'])
    def test_json_that_is_none(self, make, text):
        assert "c.json" in refusal(make({"a.png": png(), "c.json": text}))

    def test_written_folders_are_read_back(self, tmp_path):
        pixels = np.stack([noise(seed=k) for k in range(3)])
        data = CaptionedImages(
            pixels,
            ("a.png", "b/c.png", "d.png"),
            (("x, y", 'say "z"'), ("é",), ("w",)),
            groups=("1", "1", "2"),
        )
        back = read_images(data.write(tmp_path / "out"))
        np.testing.assert_array_equal(back.pixels, pixels)
        assert (back.names, back.captions, back.groups) == (data.names, data.captions, data.groups)


class TestCollection:
    @given(st.integers(2, 40), st.floats(0.05, 0.95), st.integers(0, 5))
    def test_a_split_parts_all_images(self, count, share, seed):
        pixels = np.arange(count, dtype=np.uint8)[:, None, None, None].repeat(8, 1).repeat(8, 2)
        data = images_of(pixels, [f"{k}" for k in range(count)])
        # A share that comes nearest to all of them is refused.
        assume(share * count < count - 0.5)
        rest, held = data.split(share, seed)
        assert sorted([*rest.names, *held.names], key=int) == list(data.names)
        assert abs(len(held) - max(share * count, 1)) <= 0.5 + 1e-9
        assert [c for (c,) in held.captions] == list(held.names)

    def test_groups_stay_together(self):
        pixels = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 1), dtype=np.uint8)
        groups = tuple(f"{k % 5}" for k in range(40))
        data = CaptionedImages(pixels, groups, ((),) * 40, groups=groups)
        for seed in range(5):
            rest, held = data.split(0.2, seed)
            assert (len(held), len(set(held.groups))) == (8, 1)
            assert not set(held.groups) & set(rest.groups)

    def test_equal_images_come_to_one_side(self):
        pixels = np.repeat(np.arange(10, dtype=np.uint8), 2)[:, None, None, None] * np.ones(
            (1, 8, 8, 1), np.uint8
        )
        for seed in range(5):
            rest, held = images_of(pixels).split(0.3, seed)
            assert not {p.tobytes() for p in rest.pixels} & {p.tobytes() for p in held.pixels}

    def test_splits_that_cannot_be(self):
        data = images_of(np.zeros((4, 8, 8), np.uint8))
        with pytest.raises(DataError, match=r"0.5 of the 4 images \(1 different image\) of images"):
            data.split(0.5)
        with pytest.raises(ValueError, match="share must lie between 0 and 1"):
            data.split(1.0)

    def test_files_of_one_stem_are_written_apart(self, tmp_path):
        pixels = np.stack([np.zeros((8, 8), np.uint8), np.full((8, 8), 255, np.uint8)])
        data = replace(images_of(pixels, ["one", "two"]), names=("a.png", "a.jpg"))
        again = read_images(data.write(tmp_path / "two"))
        assert sorted(zip(again.captions, again.pixels[:, 0, 0, 0].tolist(), strict=True)) == [
            (("one",), 0),
            (("two",), 255),
        ]

    def test_summary(self):
        data = images_of(np.zeros((2, 8, 9), np.uint8), ["a cat", ["a dog", "a big dog"]], "pets")
        assert data.summary() == (
            "pets: 2 images of 9 x 8, grey; 3 captions of 2 to 3 words, 3 of them different"
        )

    @pytest.mark.parametrize(
        "pixels",
        [np.zeros((2, 8, 8)), np.zeros((8, 8), np.uint8), np.zeros((2, 8, 8, 2), np.uint8),
         np.zeros((0, 8, 8), np.uint8), np.zeros((2, 4, 8), np.uint8)],
    )  # fmt: skip
    def test_pixels_that_are_none(self, pixels):
        with pytest.raises(DataError):
            images_of(pixels)

    def test_as_many_captions_as_images(self):
        with pytest.raises(DataError, match="there are 2 images and 1 captions"):
            images_of(np.zeros((2, 8, 8), np.uint8), ["one"])
